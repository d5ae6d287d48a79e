"""GGUF files as checkpoints: metadata → config, tensors → roles, values dequantised on read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import numpy as np
from numpy.typing import NDArray

from fpcore.anatomy import Architecture, Roles
from fpcore.anatomy.by_table import first_missing
from fpcore.anatomy.tensor_layouts import experts_of
from fpcore.checkpoints.base import Checkpoint, one_line
from fpcore.checkpoints.content import file_digest
from fpcore.checkpoints.gguf_architectures import ARCHITECTURES, NOT_READ, Known
from fpcore.checkpoints.gguf_names import (
    AS_ON_THE_HUB,
    BLOCK,
    CONFIG,
    LAYER,
    NOT_WEIGHTS,
    OTHERWISE,
    STORED_AS_THEY_ARE,
    TOP,
)
from fpcore.checkpoints.gguf_reader import (
    FileTensor,
    GgufFiles,
    decoded,
    decoded_rows,
    gguf_in,
    hub_shape,
    open_files,
)
from fpcore.checkpoints.gguf_roles import gguf_views
from fpcore.checkpoints.gguf_rows import PerHead, RowOrder, order_of
from fpcore.checkpoints.gguf_shape import GgufShape, architecture_of
from fpcore.errors import BadCheckpoint
from fpcore.foreign_json import Json
from fpcore.storage.element_types import CARRIERS, Raw
from fpcore.storage.flat_tensor import DecodedTensor, FlatTensor, HeldTensor, TensorInFile
from fpcore.storage.tensor_source import Config, TensorInfo, integer

if TYPE_CHECKING:
    import torch

__all__ = ["UNREAD", "GgufCheckpoint", "gguf_in", "open_gguf"]

# Types that the metadata describes completely enough to be run, unless their rotary embedding is scaled.
RUNNABLE = ("llama", "qwen2", "qwen3")

UNREAD = "unread"
"""Config attribute: what the file says of running the model, and the config does not."""

# Tensors beside the language model: what they are.
BESIDE: Final = (
    (re.compile(r"^(v|a|mm|resampler)\.|\.vis_"), "towers of other modalities"),
    (re.compile(r"^cls(\.|$)|^dense_\d"), "heads for other tasks"),
)
LAYER_OF: Final = re.compile(r"^(?:enc\.|dec\.)?blk\.(\d+)\.")
HEAD_PARTS: Final = re.compile(r"\.attn_([kv])_b\.weight$")  # latent attention, one matrix a head


@dataclass(frozen=True)
class Place:
    """Where one tensor lies in the files.

    Attributes
    ----------
    name : str
        In the files.
    info : TensorInfo
        Shape and element type as read.
    expert : int or None
        Its place in a stack of experts.
    order : RowOrder or None
        How its rows stand, where that is not as on the hub.
    """

    name: str
    info: TensorInfo
    expert: int | None = None
    order: RowOrder | None = None


class GgufCheckpoint(Checkpoint):
    """One GGUF file, or all parts of a split one. Quantised tensors are read as float32.

    Files of the architectures in `AS_ON_THE_HUB` have the hub's names; all others keep their own, and get
    their roles by them.
    """

    side_by_side = True

    def __init__(self, path: Path, *, name: str | None = None, tokenizer: str | Path | None = None) -> None:
        self.path = self._file = path
        self.name = name or path.stem
        self._tokenizer = Path(tokenizer) if tokenizer is not None else path.parent / "tokenizer.json"
        self._architecture = self._read_architecture()
        self._beside, self._drafts = self._set_aside()
        self._places = dict(self._hub_places() or self._own_places())
        self._infos = {key: place.info for key, place in self._places.items()}
        self.config = self._read_config()

    @cached_property
    def files(self) -> GgufFiles:
        """The open files; opened again in another process."""
        return open_files(self._file)

    def value(self, key: str) -> Json:
        """An entry of the metadata under the architecture's name."""
        field = self.files.fields.get(f"{self._architecture}.{key}")
        return None if field is None else field.contents()

    def _read_architecture(self) -> str:
        fields = self.files.fields
        stated, kind = fields.get("general.architecture"), fields.get("general.type")
        if stated is None:
            raise BadCheckpoint(f"{self._file}: no general.architecture in its metadata; fetch it again")
        architecture = str(stated.contents())
        if kind is not None and str(kind.contents()) not in {"model", "None"}:
            raise BadCheckpoint(
                f"{self._file}: a GGUF file of kind {kind.contents()!r}, not a whole model; merge it into "
                "its model, or give the model's file"
            )
        if architecture in NOT_READ:
            raise BadCheckpoint(
                f"{self._file}: GGUF architecture {architecture!r} is {NOT_READ[architecture]}"
            )
        if architecture not in ARCHITECTURES:
            raise BadCheckpoint(
                f"{self._file}: GGUF architecture {architecture!r} is unknown, as is how conversion "
                "reordered its rows; give the original files"
            )
        names = self.files.tensors
        if not any(LAYER_OF.match(name) for name in names):
            raise BadCheckpoint(f"{self._file}: no layer tensors; is this the file of a whole model?")
        return architecture

    def _set_aside(self) -> tuple[dict[str, str], set[int]]:
        """Tensors that are not the language model's → what they are; the layers that draft tokens ahead."""
        found: dict[str, str] = {}
        drafts = {
            int(match[1])
            for name in self.files.tensors
            if ".nextn." in name and (match := LAYER_OF.match(name))
        }
        for name in self.files.tensors:
            match = LAYER_OF.match(name)
            if match is not None and int(match[1]) in drafts:
                found[name] = "draft heads"
            for pattern, kind in BESIDE:
                if pattern.search(name):
                    found[name] = kind
        return found, drafts

    @property
    def apart(self) -> dict[str, int]:  # noqa: D102
        found = dict(super().apart)
        for kind in self._beside.values():
            found[kind] = found.get(kind, 0) + 1
        return found

    @cached_property
    def depth(self) -> int:
        """Layers of the language model."""
        layers = {int(match[1]) for name in self.files.tensors if (match := LAYER_OF.match(name))}
        depth, stated = 1 + max(layers - self._drafts), self.value("block_count")
        missing = first_missing(layers)
        if missing < depth:
            raise BadCheckpoint(
                f"{self._file}: there are tensors of layer {depth - 1} but none of layer {missing}; "
                "part of the weights is missing"
            )
        if isinstance(stated, int) and not depth <= stated <= depth + len(self._drafts):
            raise BadCheckpoint(
                f"{self._file}: block_count is {stated} in its metadata, but it has tensors of {depth} "
                "layers; fetch it again"
            )
        return depth

    @cached_property
    def shape(self) -> GgufShape:
        """What the metadata says of the layers."""
        return GgufShape.of(self._architecture, self.value, self.depth, self._width)

    @property
    def _width(self) -> int:
        """Columns of the embedding."""
        embedding = self.files.tensors.get("token_embd.weight")
        if embedding is None:
            raise BadCheckpoint(f"{self._file}: no token_embd.weight; is this the file of a whole model?")
        return hub_shape(embedding)[1]

    def _read_config(self) -> Config:
        config: dict[str, Json] = {
            attribute: one(self.value(key))
            for attribute, key in CONFIG.items()
            if self.value(key) is not None
        }
        shapes = {tensor.name: hub_shape(tensor) for tensor in self.files.tensors.values()}
        config.setdefault("vocab_size", shapes["token_embd.weight"][0])
        if stacks := [shape[0] for name, shape in shapes.items() if name.endswith("ffn_up_exps.weight")]:
            config.setdefault("num_experts", stacks[0])
        config["model_type"] = self.model_type
        config["num_hidden_layers"] = self.depth
        config["tie_word_embeddings"] = "output.weight" not in shapes
        config["attention_bias"] = "blk.0.attn_q.bias" in shapes
        unread = self._unread(self.model_type)
        return config | ({UNREAD: unread} if unread else {})

    @property
    def model_type(self) -> str:
        """What the hub calls the architecture."""
        names = self.files.tensors
        if self._architecture == "llama" and any(".ffn_gate_inp." in name for name in names):
            return "mixtral"
        if self._architecture == "deepseek2" and any(".exp_probs_b" in name for name in names):
            return "deepseek_v3"
        return self.known.model_type or self._architecture.replace("-", "_")

    @property
    def known(self) -> Known:
        """What is known of the architecture."""
        return ARCHITECTURES[self._architecture]

    def _unread(self, model_type: str) -> str:
        """What running the model needs and the config does not hold; empty if nothing."""
        if model_type not in RUNNABLE or not self.named_as_hub:
            return f"how a {model_type} is run"
        scaling = self.value("rope.scaling.type")
        factors = [tensor for name, tensor in self.files.tensors.items() if name.startswith("rope_f")]
        if (scaling and str(scaling) != "none") or any(
            (decoded(tensor, None, swapped=self.files.swapped) != 1.0).any() for tensor in factors
        ):
            return "how its rotary embedding is scaled"
        return ""

    def tokenizer_file(self) -> Path | None:
        """The ``tokenizer.json`` that was given or lies beside the file; tokens inside it are not read."""
        return self._tokenizer if self._tokenizer.is_file() else None

    def _own(self) -> Iterator[FileTensor]:
        """The language model's tensors."""
        for name, tensor in self.files.tensors.items():
            if name not in self._beside and not NOT_WEIGHTS.match(name):
                yield tensor

    def _hub_places(self) -> list[tuple[str, Place]] | None:
        """The hub's name of every tensor, and where it lies; None where a name is not known there."""
        if self._architecture not in AS_ON_THE_HUB:
            return None
        found = []
        names = LAYER | OTHERWISE.get(self.model_type, {})
        for tensor in self._own():
            info = info_of(tensor)
            block = BLOCK.match(tensor.name)
            if tensor.name in TOP:
                found.append((TOP[tensor.name], Place(tensor.name, info)))
            elif block is not None and block[2] in names:
                layer, part, kind = block.groups()
                if part == "attn_qkv" and self.model_type != "phi3":  # fused on conversion
                    return None
                hub = f"model.layers.{layer}.{names[part]}.{kind}"
                if "#" in hub:
                    one = TensorInfo(info.shape[1:], info.dtype)
                    experts = experts_of(info.shape, f"{self._file}: {tensor.name}")
                    found += [(hub.replace("#", str(e)), Place(tensor.name, one, e)) for e in experts]
                    continue
                if part == "ffn_gate_inp_shexp" and len(info.shape) == 1:
                    info = TensorInfo((1, *info.shape), info.dtype)
                found.append((hub, Place(tensor.name, info, order=self._order(int(layer), part, info.shape))))
            else:
                return None
        return found

    def _own_places(self) -> Iterator[tuple[str, Place]]:
        """Every tensor under its own name."""
        for tensor in self._own():
            info = info_of(tensor)
            match, latent = BLOCK.match(tensor.name), HEAD_PARTS.search(tensor.name)
            order = self._order(int(match[1]), match[2], info.shape) if match else None
            if latent is not None and len(info.shape) == 3:
                turned = latent[1] == "k"
                count, first, second = info.shape
                rows, columns = (second, first) if turned else (first, second)
                info, order = TensorInfo((count * rows, columns), info.dtype), PerHead(turned)
            elif tensor.name.endswith("ffn_gate_inp_shexp.weight") and len(info.shape) == 1:
                info = TensorInfo((1, *info.shape), info.dtype)
            yield tensor.name, Place(tensor.name, info, order=order)

    @property
    def named_as_hub(self) -> bool:
        """Whether its tensors go by the hub's names."""
        return "model.embed_tokens.weight" in self._places

    def _order(self, layer: int, part: str, shape: tuple[int, ...]) -> RowOrder | None:
        """How the rows of a tensor stand where llama.cpp's converter changed that."""
        try:
            return order_of(self.known.rows, part, shape, layer, self.shape)
        except LookupError as error:
            raise BadCheckpoint(
                f"{self._file}: no {self._architecture}.attention.{error.args[0]} in its metadata for layer "
                f"{layer}"
            ) from None

    @cached_property
    def roles(self) -> Roles:
        """What each tensor is for."""
        if self.named_as_hub:
            return super().roles
        with one_line(self.name):
            views = gguf_views(self, self.shape)
            numbers = {int(role.split(".")[1]) for role in views if role.startswith("layers.")}
            if numbers != set(range(self.depth)):
                raise BadCheckpoint(
                    f"{self._file}: there are tensors of layer {self.depth - 1} but none of layer "
                    f"{min(set(range(self.depth)) - numbers)}; part of the weights is missing"
                )
            return Roles(views, self.depth)

    @cached_property
    def architecture(self) -> Architecture:
        """The model's shape."""
        if self.named_as_hub:
            return super().architecture
        stated, width = self.value("embedding_length"), self._width
        if isinstance(stated, int) and stated != width:
            raise BadCheckpoint(
                f"{self._file}: embedding_length is {stated} in its metadata, but its tensors are {width} "
                "wide"
            )
        with one_line(self.name):
            return architecture_of(
                self.roles,
                self.shape,
                self.known,
                model_type=self.model_type,
                vocabulary=integer(self.config, "vocab_size"),
                tied="output.weight" not in self.files.tensors,
            )

    @cached_property
    def digest(self) -> str:  # noqa: D102
        return hashlib.sha256(b"gguf" + b"".join(map(file_digest, self.files.paths))).hexdigest()

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:  # noqa: D102
        return self._infos

    def file_of(self, name: str) -> str:  # noqa: D102
        return str(self.files.files[self._places[name].name]) if name in self._places else str(self.path)

    def read(self, name: str) -> torch.Tensor:  # noqa: D102
        place = self._places[name]
        return self._values(place, place.expert)

    def read_part(self, name: str, index: int) -> torch.Tensor:  # noqa: D102
        place = self._places[name]
        if place.expert is not None or place.order is not None:
            return self.read(name)[index]
        return self._values(place, index)

    def flat(self, name: str) -> FlatTensor:  # noqa: D102
        place = self._places[name]
        tensor, dtype = self.files.tensors[place.name], place.info.dtype
        if place.order is not None or self._scale(place) is not None or self.files.swapped:
            values = self._array(place, place.expert)
            return HeldTensor(cast(Raw, values.view(CARRIERS[values.dtype.name])), values.dtype.name)
        if tensor.tensor_type.name in STORED_AS_THEY_ARE:
            first = (place.expert or 0) * place.info.size * CARRIERS[dtype].itemsize
            file = self.files.files[place.name]
            return TensorInFile(file, int(tensor.data_offset) + first, dtype, place.info.size)
        return DecodedTensor(
            place.info.shape, lambda start, stop: decoded_rows(tensor, place.expert, start, stop)
        )

    def _scale(self, place: Place) -> FileTensor | None:
        """What the product with a weight is multiplied by when the model runs; it lies beside that."""
        return self.files.tensors.get(f"{place.name.removesuffix('.weight')}.scale")

    def _values(self, place: Place, index: int | None) -> torch.Tensor:
        import torch

        return torch.from_numpy(self._array(place, index)).to(getattr(torch, place.info.dtype))

    def _array(self, place: Place, index: int | None) -> NDArray[np.generic]:
        tensor, swapped = self.files.tensors[place.name], self.files.swapped
        values = decoded(tensor, index, swapped=swapped)
        scale = self._scale(place)
        if scale is not None:
            factor = decoded(scale, None, swapped=swapped).reshape(-1)
            single = factor if index is None or len(factor) == 1 else factor[index : index + 1]
            values = np.multiply(values, single.reshape(-1, *([1] * (values.ndim - 1))), dtype=np.float32)
        if place.order is not None:
            values = place.order.restored(values)
        if index is None or place.expert is not None:
            values = values.reshape(place.info.shape)
        return np.ascontiguousarray(values)

    def __getstate__(self) -> dict[str, object]:
        return {key: value for key, value in super().__getstate__().items() if key not in {"files", "roles"}}


def one(stated: Json) -> Json:
    """A number that a file may state layer by layer: the largest then, as configs state it."""
    if isinstance(stated, list):
        numbers = [number for number in stated if isinstance(number, int | float)]
        return max(numbers, default=None)
    return stated


def info_of(tensor: FileTensor) -> TensorInfo:
    """Shape and element type as read."""
    return TensorInfo(hub_shape(tensor), STORED_AS_THEY_ARE.get(tensor.tensor_type.name, "float32"))


def open_gguf(
    path: str | Path, *, name: str | None = None, tokenizer: str | Path | None = None
) -> Checkpoint:
    """Open a GGUF file; the other parts of a split one lie beside it.

    Parameters
    ----------
    path : str or path
    name : str, optional
        What people see; the file's name otherwise.
    tokenizer : path, optional
        A ``tokenizer.json`` kept elsewhere than beside the file.

    Raises
    ------
    BadCheckpoint
        The gguf package is missing, the file is damaged, or holds something else than a language model.
    """
    return GgufCheckpoint(Path(path), name=name, tokenizer=tokenizer)
