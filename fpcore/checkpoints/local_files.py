"""Checkpoints on disk: safetensors and torch files, single or in shards, checked before any work."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from safetensors import SafetensorError, safe_open

from fpcore.checkpoints.base import Checkpoint
from fpcore.checkpoints.content import config_digest, file_digest, read_config
from fpcore.checkpoints.safetensors_header import read_header
from fpcore.checkpoints.weights_files import find_weights
from fpcore.errors import BadCheckpoint
from fpcore.storage.tensor_source import TensorInfo

if TYPE_CHECKING:
    import torch

__all__ = ["LocalCheckpoint"]


class TensorFile(Protocol):
    """An open weights file."""

    def get_tensor(self, name: str) -> torch.Tensor:
        """One tensor."""


@dataclass(frozen=True)
class TorchFile:
    """An open ``torch.save`` file."""

    weights: Mapping[str, torch.Tensor]

    def get_tensor(self, name: str) -> torch.Tensor:
        """One tensor."""
        return self.weights[name]


class LocalCheckpoint(Checkpoint):
    """A directory in hub layout, or one weights file with its ``config.json`` beside it.

    Every header is checked on opening; tensors are memory-mapped and read one at a time.
    """

    def __init__(
        self, path: str | Path, *, name: str | None = None, tokenizer: str | Path | None = None
    ) -> None:
        given = Path(path).expanduser()
        folder = given if given.is_dir() else given.parent
        self.path = given
        self.name = name or (given.resolve().name if given.is_dir() else given.stem)
        self._files, listed = find_weights(given)
        self.config = read_config(folder)
        self._tokenizer = Path(tokenizer) if tokenizer is not None else folder / "tokenizer.json"
        self._where: dict[str, Path] = {}
        self._tensors: dict[str, TensorInfo] = {}
        self._open: dict[Path, TensorFile] = {}
        for file in self._files:
            wanted = None if listed is None else listed[file]
            self._admit(file, self._header(file), wanted)
        if not self._tensors:
            raise BadCheckpoint(f"{given}: the weights files hold no tensor; fetch them again")

    def _header(self, file: Path) -> dict[str, TensorInfo]:
        if file.suffix == ".safetensors":
            return read_header(file)
        self._open[file] = opened = load_torch_file(file)
        return {key: TensorInfo.of(tensor) for key, tensor in opened.weights.items()}

    def _admit(self, file: Path, header: Mapping[str, TensorInfo], wanted: list[str] | None) -> None:
        for key in header if wanted is None else wanted:
            if key not in header:
                raise BadCheckpoint(
                    f"{file}: the index says that tensor {key} is in this shard, but it is not; "
                    "fetch the shard and the index of one revision again"
                )
            if key in self._where:
                raise BadCheckpoint(f"{file}: tensor {key} is also in {self._where[key].name}")
            self._where[key] = file
            self._tensors[key] = header[key]

    @cached_property
    def digest(self) -> str:  # noqa: D102
        total = hashlib.sha256(config_digest(self.config))
        tokenizer = self.tokenizer_file()
        for file in [*self._files, *([] if tokenizer is None else [tokenizer])]:
            total.update(file_digest(file))
        return total.hexdigest()

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:  # noqa: D102
        return self._tensors

    def read(self, name: str) -> torch.Tensor:  # noqa: D102
        file = self._where[name]
        try:
            if file not in self._open:
                safe = file.suffix == ".safetensors"
                self._open[file] = safe_open(file, framework="pt") if safe else load_torch_file(file)
            return self._open[file].get_tensor(name)
        except (OSError, SafetensorError) as error:
            raise BadCheckpoint(f"{file}: tensor {name} cannot be read ({error}); fetch it again") from error

    def tokenizer_file(self) -> Path | None:  # noqa: D102
        return self._tokenizer if self._tokenizer.is_file() else None

    def __getstate__(self) -> dict[str, object]:
        # Open files stay in their process; another one opens its own.
        return {**super().__getstate__(), "_open": {}}


def load_torch_file(file: Path) -> TorchFile:
    """Tensors of a ``torch.save`` file, without running what a pickle could ask for."""
    import torch

    try:
        loaded = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except Exception as error:  # unpicklers raise nearly anything on bad bytes
        line = str(error).strip().splitlines() or [""]
        raise BadCheckpoint(
            f"{file}: not a readable torch weights file ({type(error).__name__}: {line[0][:120]}); "
            "fetch it again or convert it to safetensors"
        ) from error
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping) or not all(
        isinstance(value, torch.Tensor) for value in loaded.values()
    ):
        raise BadCheckpoint(f"{file}: holds something else than named tensors; give the model's state dict")
    return TorchFile(dict(loaded))
