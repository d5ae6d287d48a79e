"""GGUF files as checkpoints: metadata → config, llama.cpp's names → the hub's, values dequantised on read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from fpcore.checkpoints.base import Checkpoint
from fpcore.checkpoints.content import file_digest
from fpcore.checkpoints.gguf_names import (
    BLOCK,
    CONFIG,
    LAYER,
    MODEL_TYPES,
    NOT_WEIGHTS,
    OTHERWISE,
    STORED_AS_THEY_ARE,
    TOP,
)
from fpcore.errors import BadCheckpoint
from fpcore.storage.tensor_source import Config, Json, TensorInfo, integer

if TYPE_CHECKING:
    import torch

__all__ = ["GgufCheckpoint", "gguf_in", "open_gguf"]

# Types that the metadata describes completely enough to be run, unless their rotary embedding is scaled.
RUNNABLE = ("llama", "qwen2", "qwen3")

UNREAD = "unread"
"""Config attribute: what the file says of running the model, and the config does not."""


class Field(Protocol):
    """An entry of the metadata, as `gguf` gives it."""

    def contents(self) -> Json:
        """Its value."""


class Encoding(Protocol):
    """How a tensor is quantised."""

    @property
    def name(self) -> str:
        """Such as ``Q4_K``."""


class FileTensor(Protocol):
    """A tensor of the file; `shape` counts from the innermost axis."""

    @property
    def name(self) -> str:
        """In llama.cpp's words."""

    @property
    def shape(self) -> NDArray[np.integer]:
        """Lengths of its axes."""

    @property
    def tensor_type(self) -> Encoding:
        """How it is quantised."""

    @property
    def data_offset(self) -> int:
        """Where it begins in the file."""

    @property
    def n_bytes(self) -> int:
        """How long it is there."""

    @property
    def data(self) -> NDArray[np.generic]:
        """What is stored, memory-mapped."""


class Reader(Protocol):
    """An open GGUF file."""

    @property
    def fields(self) -> Mapping[str, Field]:
        """The metadata."""

    @property
    def tensors(self) -> Sequence[FileTensor]:
        """All tensors."""


@dataclass(frozen=True)
class Place:
    """Where one tensor of the hub's layout lies in the file.

    Attributes
    ----------
    name : str
        In the file.
    info : TensorInfo
        Shape and element type as read.
    expert : int or None
        Its place in a stack of experts.
    heads : int
        Heads whose rows are in llama.cpp's order (rotary pairs together); 0 where they are in the hub's.
    """

    name: str
    info: TensorInfo
    expert: int | None = None
    heads: int = 0


class GgufCheckpoint(Checkpoint):
    """One GGUF file. Quantised tensors are read as float32."""

    def __init__(self, path: Path, *, name: str | None = None) -> None:
        self.path = self._file = path
        self.name = name or path.stem
        metadata = self._metadata()
        self.config = self._read_config(metadata)
        self._places = dict(self._find_places())
        self._infos = {key: place.info for key, place in self._places.items()}

    @cached_property
    def reader(self) -> Reader:
        """The open file; opened again in another process."""
        return open_reader(self._file)

    @cached_property
    def by_name(self) -> dict[str, FileTensor]:
        """The file's tensors."""
        return {tensor.name: tensor for tensor in self.reader.tensors}

    def _metadata(self) -> Callable[[str], Json]:
        fields = self.reader.fields
        architecture = fields.get("general.architecture")
        if architecture is None:
            raise BadCheckpoint(f"{self.path}: no general.architecture in its metadata")
        self._architecture = str(architecture.contents())
        if self._architecture not in MODEL_TYPES:
            raise BadCheckpoint(
                f"{self.path}: GGUF files of architecture {self._architecture!r} cannot be read yet "
                f"(only {', '.join(MODEL_TYPES)}); convert it to safetensors"
            )
        count = fields.get("split.count")
        if count is not None and count.contents() not in {0, 1}:
            raise BadCheckpoint(f"{self.path}: one part of a split GGUF file; merge the parts first")

        def value(key: str) -> Json:
            field = fields.get(f"{self._architecture}.{key}")
            return None if field is None else field.contents()

        return value

    def _read_config(self, value: Callable[[str], Json]) -> Config:
        config: dict[str, Json] = {
            attribute: value(key) for attribute, key in CONFIG.items() if value(key) is not None
        }
        shapes = {tensor.name: hub_shape(tensor) for tensor in self.reader.tensors}
        if "token_embd.weight" not in shapes:
            raise BadCheckpoint(f"{self.path}: no token_embd.weight; is it the file of a whole model?")
        config.setdefault("vocab_size", shapes["token_embd.weight"][0])
        model_type = MODEL_TYPES[self._architecture]
        if model_type == "llama" and config.get("num_experts"):
            model_type = "mixtral"
        config["model_type"] = model_type
        config["tie_word_embeddings"] = "output.weight" not in shapes
        config["attention_bias"] = "blk.0.attn_q.bias" in shapes
        unread = self._unread(value, model_type)
        return config | ({UNREAD: unread} if unread else {})

    def _unread(self, value: Callable[[str], Json], model_type: str) -> str:
        """What running the model needs and the config does not hold; empty if nothing."""
        if model_type not in RUNNABLE:
            return f"how a {model_type} is run"
        scaling = value("rope.scaling.type")
        factors = [t for t in self.reader.tensors if t.name.startswith("rope_f")]
        if (scaling and str(scaling) != "none") or any((tensor.data != 1.0).any() for tensor in factors):
            return "how its rotary embedding is scaled"
        return ""

    def tokenizer_file(self) -> Path | None:
        """A ``tokenizer.json`` beside the file; the tokens inside it are not read."""
        beside = self._file.parent / "tokenizer.json"
        return beside if beside.is_file() else None

    def _find_places(self) -> list[tuple[str, Place]]:
        """The hub's name of every tensor, and where it lies."""
        found = []
        size = self._file.stat().st_size
        model_type = str(self.config["model_type"])
        names = LAYER | OTHERWISE.get(model_type, {})
        for tensor in self.reader.tensors:
            if int(tensor.data_offset) + int(tensor.n_bytes) > size:
                raise BadCheckpoint(
                    f"{self.path}: cut short: tensor {tensor.name} lies beyond its end; fetch it again"
                )
            if NOT_WEIGHTS.match(tensor.name):
                continue
            info = TensorInfo(hub_shape(tensor), STORED_AS_THEY_ARE.get(tensor.tensor_type.name, "float32"))
            block = BLOCK.match(tensor.name)
            if tensor.name in TOP:
                found.append((TOP[tensor.name], Place(tensor.name, info)))
            elif block is not None and block[2] in names:
                layer, part, kind = block.groups()
                hub = f"model.layers.{layer}.{names[part]}.{kind}"
                if "#" in hub:
                    one = TensorInfo(info.shape[1:], info.dtype)
                    found += [
                        (hub.replace("#", str(e)), Place(tensor.name, one, e)) for e in range(info.shape[0])
                    ]
                    continue
                if part == "ffn_gate_inp_shexp" and len(info.shape) == 1:
                    info = TensorInfo((1, *info.shape), info.dtype)
                found.append((hub, Place(tensor.name, info, heads=self._reordered(part))))
            else:
                raise BadCheckpoint(
                    f"{self.path}: tensor {tensor.name} is not in the table of this reader (gguf_names.py)"
                    f"; say there what the hub calls it in {model_type}"
                )
        return found

    def _reordered(self, part: str) -> int:
        """Heads whose rows llama.cpp reorders on conversion: query and key of its llama architecture."""
        if self._architecture != "llama" or part not in {"attn_q", "attn_k"}:
            return 0
        heads = integer(self.config, "num_attention_heads")
        if heads is None:
            raise BadCheckpoint(f"{self.path}: no llama.attention.head_count in its metadata")
        return heads if part == "attn_q" else integer(self.config, "num_key_value_heads") or heads

    @cached_property
    def digest(self) -> str:  # noqa: D102
        return hashlib.sha256(b"gguf" + file_digest(self._file)).hexdigest()

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:  # noqa: D102
        return self._infos

    def read(self, name: str) -> torch.Tensor:  # noqa: D102
        import torch
        from gguf.quants import dequantize

        place = self._places[name]
        tensor = self.by_name[place.name]
        data = tensor.data if place.expert is None else tensor.data[place.expert]
        if tensor.tensor_type.name not in {"F64", "F32", "F16"}:
            data = dequantize(data, tensor.tensor_type)
        values = np.array(data).reshape(place.info.shape)
        if place.heads:
            values = hub_order(values, place.heads)
        return torch.from_numpy(values).to(getattr(torch, place.info.dtype))

    def __getstate__(self) -> dict[str, object]:
        return {
            key: value for key, value in super().__getstate__().items() if key not in {"reader", "by_name"}
        }


def hub_order(values: NDArray[np.generic], heads: int) -> NDArray[np.generic]:
    """Rows of each head from rotary pairs (0, 1), (2, 3), … to the hub's halves: firsts, then seconds."""
    paired = values.reshape(heads, values.shape[0] // heads // 2, 2, *values.shape[1:])
    return np.ascontiguousarray(paired.swapaxes(1, 2)).reshape(values.shape)


def hub_shape(tensor: FileTensor) -> tuple[int, ...]:
    """Shape with rows first; GGUF counts from the innermost axis."""
    return tuple(int(length) for length in reversed(tensor.shape.tolist()))


def open_reader(path: Path) -> Reader:
    """The `gguf` package's reader of a file."""
    try:
        from gguf import GGUFReader
    except ModuleNotFoundError as error:
        raise BadCheckpoint(
            f"{path}: reading GGUF files needs the gguf package; pip install 'lookalike[gguf]'"
        ) from error
    try:
        opened: Reader = GGUFReader(path)
    except (ValueError, IndexError, KeyError, OSError) as error:
        raise BadCheckpoint(
            f"{path}: not a readable GGUF file, or cut short ({error}); fetch it again"
        ) from error
    return opened


def gguf_in(path: Path) -> Path | None:
    """The GGUF file that `path` is or, where a directory holds nothing else, the only one in it."""
    if path.is_file():
        return path if path.suffix == ".gguf" else None
    if any(path.glob("*.safetensors")) or any(path.glob("pytorch_model*.bin")):
        return None
    found = sorted(path.glob("*.gguf"))
    if len(found) > 1:
        raise BadCheckpoint(f"{path}: {len(found)} GGUF files; name the one you mean")
    return found[0] if found else None


def open_gguf(path: str | Path, *, name: str | None = None) -> Checkpoint:
    """Open a GGUF file of the Llama or Qwen family.

    Parameters
    ----------
    path : str or path
    name : str, optional
        What people see; the file's name otherwise.

    Raises
    ------
    BadCheckpoint
        The gguf package is missing, the file is damaged or split, or its architecture is not known here.
    """
    return GgufCheckpoint(Path(path), name=name)
