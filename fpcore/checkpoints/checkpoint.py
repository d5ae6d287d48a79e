"""A model's files behind one small interface: names and shapes at once, tensors one at a time."""

from __future__ import annotations

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fpcore.checkpoints.architecture import Architecture
from fpcore.device import check_device
from fpcore.errors import BadCheckpoint

if TYPE_CHECKING:
    import torch

    from fpcore.anatomy import Roles

__all__ = ["Checkpoint", "MemoryCheckpoint", "TensorInfo", "open_checkpoint"]

HUB_ID = re.compile(r"^(?P<id>[A-Za-z0-9][\w.-]*/[\w.-]+)(?:@(?P<revision>[\w./-]+))?$")

T = TypeVar("T")


@dataclass(frozen=True)
class TensorInfo:
    """Shape and element type of a stored tensor.

    Attributes
    ----------
    shape : tuple of int
        As stored.
    dtype : str
        Torch's name of the element type, such as ``bfloat16`` or ``float8_e4m3fn``.
    """

    shape: tuple[int, ...]
    dtype: str

    @property
    def size(self) -> int:
        """Number of elements."""
        count = 1
        for length in self.shape:
            count *= length
        return count


class Checkpoint(ABC):
    """Weights of one model with their configuration.

    Attributes
    ----------
    name : str
        What people see.
    digest : str
        sha256 (hex) of the content: configuration, tensors, and tokenizer where there is one.
    config : mapping
        The parsed ``config.json``.
    tensors : mapping of str to TensorInfo
        Every stored tensor, known from headers alone.
    path : pathlib.Path or None
        Where it lies, None for a model that exists in memory or on the hub.
    device : str
        Where metrics that run models run it, such as ``cpu`` or ``cuda:1``.
    """

    name: str
    config: Mapping[str, Any]
    path: Path | None = None
    device: str = "cpu"

    @property
    @abstractmethod
    def digest(self) -> str:
        """The sha256 (hex) of configuration, tensors and tokenizer."""

    @property
    @abstractmethod
    def tensors(self) -> Mapping[str, TensorInfo]:
        """Shape and element type of every stored tensor."""

    @abstractmethod
    def read(self, name: str) -> torch.Tensor:
        """One tensor as stored (its element type and orientation unchanged).

        Raises
        ------
        KeyError
            If there is no tensor of that name.
        """

    def tokenizer_file(self) -> Path | None:
        """The ``tokenizer.json`` that belongs to the model, or None."""
        return None

    @cached_property
    def roles(self) -> Roles:
        """What each tensor is for, whatever it is called (raises UnknownTensor)."""
        from fpcore.anatomy import read_anatomy

        return read_anatomy(self)

    @cached_property
    def architecture(self) -> Architecture:
        """The model's shape."""
        return Architecture.from_config(self.config, self.tensors, where=f"{self.name}: config.json")

    def tokenizer_vocabulary(self) -> dict[str, int] | None:
        """Token to id, from ``tokenizer.json``; None where the model brings no such file."""
        file = self.tokenizer_file()
        return None if file is None else read_vocabulary(file)

    def remembered(self, key: str, compute: Callable[[], T]) -> T:
        """``compute()``, done once for this checkpoint and kept: several metrics share one pass."""
        memory: dict[str, Any] = self.__dict__.setdefault("_memory", {})
        if key not in memory:
            memory[key] = compute()
        value: T = memory[key]
        return value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class MemoryCheckpoint(Checkpoint):
    """A model whose tensors are in memory, such as an exact transform of another one.

    Parameters
    ----------
    name : str
        What people see.
    digest : str
        Identifies the content; the maker vouches for it.
    config : mapping
        As in ``config.json``.
    tensors : mapping of str to torch.Tensor
        The weights under their stored names.
    tokenizer : path, optional
        The ``tokenizer.json`` of the model.
    device : str
        Where it is run: that of the model it was made from.
    """

    def __init__(
        self,
        name: str,
        digest: str,
        config: Mapping[str, Any],
        tensors: Mapping[str, torch.Tensor],
        tokenizer: str | Path | None = None,
        *,
        device: str = "cpu",
    ) -> None:
        self.name = name
        self.device = device
        self.config = config
        self._digest = digest
        self._weights = dict(tensors)
        self._tokenizer = None if tokenizer is None else Path(tokenizer)
        self._tensors = {
            key: TensorInfo(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
            for key, tensor in self._weights.items()
        }

    @property
    def digest(self) -> str:  # noqa: D102
        return self._digest

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:  # noqa: D102
        return self._tensors

    def read(self, name: str) -> torch.Tensor:  # noqa: D102
        return self._weights[name]

    def tokenizer_file(self) -> Path | None:  # noqa: D102
        return self._tokenizer


def open_checkpoint(
    path_or_id: str | Path,
    *,
    revision: str | None = None,
    name: str | None = None,
    tokenizer: str | Path | None = None,
    device: str = "cpu",
) -> Checkpoint:
    """Open a model: its headers are read and checked, no tensor is.

    Parameters
    ----------
    path_or_id : str or path
        A directory with ``config.json`` and weights (``*.safetensors``, ``pytorch_model*.bin`` or
        ``*.gguf``), one such file (its ``config.json`` beside it), or ``org/name[@revision]`` on the hub.
        What exists on disk is taken first.
    revision : str, optional
        Branch, tag or commit on the hub.
    name : str, optional
        What people see; the directory's name or the hub id otherwise.
    tokenizer : path, optional
        A ``tokenizer.json`` kept elsewhere than beside the weights.
    device : str
        Where metrics that run models run it: ``cpu``, ``cuda``, or one card such as ``cuda:1``.

    Raises
    ------
    NoDevice
        There is no such device on this machine.
    BadCheckpoint
        One line: what is wrong, where, and what to do.
    """
    check_device(device)
    checkpoint = find_checkpoint(path_or_id, revision, name, tokenizer)
    checkpoint.device = device
    return checkpoint


def find_checkpoint(
    path_or_id: str | Path, revision: str | None, name: str | None, tokenizer: str | Path | None
) -> Checkpoint:
    """The model that a path or an id names."""
    from fpcore.checkpoints import local_files

    text = str(path_or_id)
    if not text.strip():
        raise BadCheckpoint("no model is named; give a directory, a weights file or org/name[@revision]")
    path = Path(path_or_id).expanduser()
    if path.exists():
        if revision is not None:
            raise BadCheckpoint(f"{text}: a revision ({revision}) was asked for, but this is a local path")
        gguf = local_files.gguf_in(path)
        if gguf is not None:
            from fpcore.checkpoints.gguf_file import open_gguf

            return open_gguf(gguf, name=name)
        return local_files.LocalCheckpoint(path, name=name, tokenizer=tokenizer)
    matched = HUB_ID.match(text)
    if matched is None or isinstance(path_or_id, Path):
        raise BadCheckpoint(f"{text}: no such file or directory, and not of the form org/name[@revision]")
    from fpcore.checkpoints.hub import open_remote

    return open_remote(matched["id"], revision or matched["revision"], name=name)


def read_vocabulary(file: Path) -> dict[str, int]:
    """Token to id as a ``tokenizer.json`` gives it, added tokens included.

    Raises
    ------
    BadCheckpoint
        If the file is not a tokenizer of the ``tokenizers`` library.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        listed = content["model"]["vocab"]
        if isinstance(listed, Mapping):  # BPE, WordPiece, WordLevel
            vocabulary = {str(token): int(index) for token, index in listed.items()}
        else:  # Unigram: a list of (token, score), the place is the id
            vocabulary = {str(entry[0]): index for index, entry in enumerate(listed)}
        for added in content.get("added_tokens") or ():
            vocabulary[str(added["content"])] = int(added["id"])
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise BadCheckpoint(f"{file}: not a readable tokenizer.json ({error!r}); fetch it again") from error
    return vocabulary


def config_digest(config: Mapping[str, Any]) -> bytes:
    """The sha256 of a configuration in one canonical spelling."""
    text = json.dumps(config, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).digest()
