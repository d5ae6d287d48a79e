"""Checkpoints on disk: safetensors and torch files, single or in shards, checked before any work."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from safetensors import safe_open

from fpcore.checkpoints.base import Checkpoint
from fpcore.checkpoints.content import config_digest, file_digests, parse_config, quantised_as, read_config
from fpcore.checkpoints.native_llama import (
    NativePlace,
    config_of_params,
    is_native,
    native_places,
    transformers_order,
)
from fpcore.checkpoints.safetensors_header import read_places
from fpcore.checkpoints.torch_file import TorchFile, read_torch_file
from fpcore.checkpoints.weights_files import TORCH_FILES, find_weights
from fpcore.errors import BadCheckpoint
from fpcore.foreign_json import LARGEST
from fpcore.plain_files import read_file
from fpcore.storage.element_types import CARRIERS
from fpcore.storage.flat_tensor import FlatTensor, TensorInFile
from fpcore.storage.tensor_source import Config, TensorInfo

if TYPE_CHECKING:
    import torch

__all__ = ["LocalCheckpoint"]


class TensorFile(Protocol):
    """An open weights file."""

    def get_tensor(self, name: str) -> torch.Tensor:
        """One tensor."""


class LocalCheckpoint(Checkpoint):
    """A directory in hub layout, or one weights file with its ``config.json`` beside it.

    Every header is checked on opening; tensors are read when they are asked for.
    """

    side_by_side = True

    def __init__(
        self, path: str | Path, *, name: str | None = None, tokenizer: str | Path | None = None
    ) -> None:
        given = Path(path).expanduser()
        self._folder = given if given.is_dir() else given.parent
        self.path = given
        self.name = name or (given.resolve().name if given.is_dir() else given.stem)
        found = find_weights(given)
        self._files = found.files
        self.unread_files = found.unread
        self._tokenizer = Path(tokenizer) if tokenizer is not None else self._folder / "tokenizer.json"
        self._where: dict[str, list[Path]] = {}
        self._tensors: dict[str, TensorInfo] = {}
        self._begins: dict[Path, dict[str, int]] = {}
        self._native: dict[str, NativePlace] = {}
        self._open: dict[Path, TensorFile] = {}
        listed = {key for names in found.listed.values() for key in names}
        headers = {file: self._header(file) for file in self._files}
        native = is_native(next(iter(headers.values()), ()))
        for file, header in headers.items():
            wanted = found.listed.get(file, [])
            # What a shard holds beyond its index is read, too.
            keys = [*wanted, *(key for key in header if key not in listed)]
            self._admit(file, header, keys, shared=native)
        if not self._tensors:
            raise BadCheckpoint(f"{given}: the weights files contain no tensor; fetch them again")
        self.config = self._read_config(native)
        if native:
            self._rename()

    def _read_config(self, native: bool) -> Config:
        config, params = self._folder / "config.json", self._folder / "params.json"
        if native and params.is_file() and not config.is_file():
            facts = parse_config(read_file(params, LARGEST), str(params))
            return config_of_params(facts, self._tensors, len(self._files), str(params))
        return quantised_as(read_config(self._folder), self._folder / "hf_quant_config.json")

    def _rename(self) -> None:
        """Give the tensors of Meta's and Mistral's own files the names of transformers."""
        self._native = native_places(self._tensors, self.config)
        renamed: dict[str, TensorInfo] = {}
        for name, place in self._native.items():
            info = self._tensors[place.name]
            shape = list(info.shape)
            if place.axis is not None:
                shape[place.axis] *= len(self._where[place.name])
            renamed[name] = TensorInfo(tuple(shape), info.dtype)
        self._tensors = renamed

    def _header(self, file: Path) -> dict[str, TensorInfo]:
        if file.suffix not in TORCH_FILES:
            places = read_places(file)
            self._begins[file] = {key: begin for key, (_, begin, _) in places.items()}
            return {key: info for key, (info, _, _) in places.items()}
        self._open[file] = opened = read_torch_file(file)
        return {key: lying.info for key, lying in opened.tensors.items()}

    def _admit(self, file: Path, header: Mapping[str, TensorInfo], keys: list[str], *, shared: bool) -> None:
        for key in keys:
            if key not in header:
                raise BadCheckpoint(
                    f"{file}: the index says that tensor {key} is in this shard, but it is not; "
                    "fetch the shard and the index again, from one revision"
                )
            if key in self._where and not shared:
                raise BadCheckpoint(f"{file}: tensor {key} is also in {self._where[key][0].name}")
            if key in self._where and header[key] != self._tensors[key]:
                raise BadCheckpoint(
                    f"{file}: tensor {key} of shape {header[key].shape} is {self._tensors[key].shape} in "
                    f"{self._where[key][0].name}; are they parts of one model?"
                )
            self._where.setdefault(key, []).append(file)
            self._tensors[key] = header[key]

    @cached_property
    def digest(self) -> str:  # noqa: D102
        total = hashlib.sha256(config_digest(self.config))
        tokenizer = self.tokenizer_file()
        files = [*self._files, *([] if tokenizer is None else [tokenizer])]
        for content in file_digests(files, self.threads):
            total.update(content)
        return total.hexdigest()

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:  # noqa: D102
        return self._tensors

    def file_of(self, name: str) -> str:  # noqa: D102
        place = self._native.get(name)
        found = self._where.get(name if place is None else place.name)
        return str(found[0]) if found else str(self.path)

    def stored_in(self, name: str) -> list[tuple[Path, str]]:
        """The files that hold (parts of) a tensor, and what each calls it."""
        place = self._native.get(name)
        stored = name if place is None else place.name
        return [(file, stored) for file in self._where[stored]]

    def read(self, name: str) -> torch.Tensor:  # noqa: D102
        place = self._native.get(name)
        if place is None:
            return self._part(self._where[name][0], name)
        import torch

        parts = [self._part(file, place.name) for file in self._where[place.name]]
        whole = parts[0] if place.axis is None or len(parts) == 1 else torch.cat(parts, place.axis)
        return transformers_order(whole, place.heads) if place.heads else whole

    def flat(self, name: str) -> FlatTensor:  # noqa: D102
        info, begin = self._tensors[name], None
        if name not in self._native and info.dtype in CARRIERS:
            file = self._where[name][0]
            begin = (
                self._begins[file][name] if file in self._begins else self._torch_file(file).plain_begin(name)
            )
        if begin is None:
            return super().flat(name)
        return TensorInFile(file, begin, info.dtype, info.size)

    def _torch_file(self, file: Path) -> TorchFile:
        opened = self._open.get(file)
        if not isinstance(opened, TorchFile):
            self._open[file] = opened = read_torch_file(file)
        return opened

    def close_files(self) -> None:
        """Forget open files; they are opened again when a tensor is read."""
        self._open.clear()

    def _part(self, file: Path, name: str) -> torch.Tensor:
        """A tensor of one file."""
        try:
            if file not in self._open:
                torch_file = file.suffix in TORCH_FILES
                self._open[file] = self._torch_file(file) if torch_file else safe_open(file, framework="pt")
            return self._open[file].get_tensor(name)
        except OSError as error:
            raise BadCheckpoint(f"{file}: tensor {name} cannot be read ({error}); fetch it again") from error

    def tokenizer_file(self) -> Path | None:  # noqa: D102
        return self._tokenizer if self._tokenizer.is_file() else None

    def __getstate__(self) -> dict[str, object]:
        # Open files stay in their process; another one opens its own.
        return {**super().__getstate__(), "_open": {}}
