"""An adapter without its model: opened together with the base that its settings name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fpcore.checkpoints.base import Checkpoint
from fpcore.checkpoints.content import config_digest, file_digest, parse_config
from fpcore.checkpoints.safetensors_header import read_header
from fpcore.checkpoints.torch_file import read_torch_file
from fpcore.errors import BadCheckpoint
from fpcore.foreign_json import LARGEST
from fpcore.plain_files import read_file
from fpcore.remote.traffic import Fetched
from fpcore.storage.adapters import ADAPTER_CONFIG
from fpcore.storage.flat_tensor import FlatTensor
from fpcore.storage.tensor_source import Config, TensorInfo
from fpcore.storage.wrapped_names import bare

if TYPE_CHECKING:
    import torch

__all__ = ["AdapterCheckpoint", "adapter_file", "open_adapter"]

FILES = ("adapter_model.safetensors", "adapter_model.bin")


class AdapterCheckpoint(Checkpoint):
    """A base model with a low-rank adapter on it; weights are added up when they are read."""

    def __init__(self, file: Path, settings: Config, base: Checkpoint, name: str) -> None:
        self.path = file.parent
        self.name = name
        self.base = base
        self.on_hub = base.on_hub
        self.file = file
        self.config = {**base.config, ADAPTER_CONFIG: settings}
        # The base's own names, so that what both have is the adapter's.
        self._adapter = {
            bare(key).replace(".modules_to_save.", "."): (key, info) for key, info in header(file).items()
        }
        self._base = {key for key in base.tensors if bare(key) not in self._adapter}
        self._tensors = {key: base.tensors[key] for key in base.tensors if key in self._base}
        self._tensors |= {key: info for key, (_, info) in self._adapter.items()}

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:  # noqa: D102
        return self._tensors

    def read(self, name: str) -> torch.Tensor:  # noqa: D102
        if name in self._base:
            return self.base.read(name)
        stored = self._adapter[name][0]
        if self.file.suffix == ".bin":
            return read_torch_file(self.file).get_tensor(stored)
        from safetensors import safe_open

        with safe_open(self.file, framework="pt") as opened:
            tensor: torch.Tensor = opened.get_tensor(stored)
        return tensor

    def read_part(self, name: str, index: int) -> torch.Tensor:  # noqa: D102
        return self.base.read_part(name, index) if name in self._base else super().read_part(name, index)

    def read_rows(self, name: str, start: int, stop: int) -> torch.Tensor:  # noqa: D102
        if name in self._base:
            return self.base.read_rows(name, start, stop)
        return super().read_rows(name, start, stop)

    def flat(self, name: str) -> FlatTensor:  # noqa: D102
        return self.base.flat(name) if name in self._base else super().flat(name)

    def prefetch(self, names: Iterable[str]) -> None:  # noqa: D102
        self.base.prefetch(name for name in names if name in self._base)

    def prefetch_stretches(self, wanted: Mapping[str, Sequence[tuple[int, int]]]) -> None:  # noqa: D102
        self.base.prefetch_stretches({name: wanted[name] for name in wanted if name in self._base})

    def stretches_on_hub(self, wanted: Mapping[str, Sequence[tuple[int, int]]]) -> tuple[int, int]:  # noqa: D102
        return self.base.stretches_on_hub({name: wanted[name] for name in wanted if name in self._base})

    def bytes_on_hub(self, names: Iterable[str]) -> int:  # noqa: D102
        return self.base.bytes_on_hub(name for name in names if name in self._base)

    def fetch_size(self, names: Iterable[str]) -> int:  # noqa: D102
        return self.base.fetch_size(name for name in names if name in self._base)

    @property
    def fetched(self) -> Fetched:  # noqa: D102
        return self.base.fetched

    def measure_rate(self, names: Iterable[str]) -> float:  # noqa: D102
        return self.base.measure_rate(name for name in names if name in self._base)

    @property
    def verified(self) -> bool | None:  # noqa: D102
        return self.base.verified

    def let_go(self) -> None:  # noqa: D102
        self.base.let_go()

    def file_of(self, name: str) -> str:  # noqa: D102
        return self.base.file_of(name) if name in self._base else str(self.file)

    @cached_property
    def digest(self) -> str:  # noqa: D102
        parts = (bytes.fromhex(self.base.digest), file_digest(self.file), config_digest(self.config))
        return hashlib.sha256(b"adapter" + b"".join(parts)).hexdigest()

    @property
    def cache_key(self) -> str:  # noqa: D102
        if self.base.cache_key == self.base.digest:
            return self.digest
        return hashlib.sha256(f"{self.digest} on {self.base.cache_key}".encode()).hexdigest()

    def tokenizer_file(self) -> Path | None:  # noqa: D102
        return self.base.tokenizer_file()


def header(file: Path) -> dict[str, TensorInfo]:
    """Shape and element type of an adapter's tensors."""
    if file.suffix == ".bin":
        return {key: lying.info for key, lying in read_torch_file(file).tensors.items()}
    return read_header(file)


def adapter_file(path: Path) -> Path | None:
    """The adapter that `path` is or, where a directory holds no model, the one in it."""
    if path.is_file():
        return path if path.name in FILES else None
    found = [path / file for file in FILES if (path / file).is_file()]
    weights = [*path.glob("*.safetensors"), *path.glob("pytorch_model*.bin"), *path.glob("*.gguf")]
    others = any(file.name not in FILES for file in weights)
    return found[0] if found and not others else None


def open_adapter(file: Path, name: str | None, open_base: Callable[[str], Checkpoint]) -> Checkpoint:
    """Open an adapter on its base.

    Parameters
    ----------
    file : path
        The adapter's weights; its ``adapter_config.json`` lies beside them.
    name : str or None
        What people see; the directory's name otherwise.
    open_base : callable
        Opens a model by path or id.

    Raises
    ------
    BadCheckpoint
        The settings are missing or name no base, the base cannot be opened, or it is of another kind.
    """
    settings_file = file.parent / "adapter_config.json"
    if not settings_file.is_file():
        raise BadCheckpoint(
            f"{file}: an adapter without its adapter_config.json, which names its base model and scale; add "
            "it, or merge the adapter into the base model first"
        )
    settings = parse_config(read_file(settings_file, LARGEST), str(settings_file))
    kind = str(settings.get("peft_type") or "LORA").upper()
    if kind != "LORA":
        raise BadCheckpoint(
            f"{file}: an adapter of kind {kind}, which is not supported; merge it into its base first"
        )
    base = settings.get("base_model_name_or_path")
    if not isinstance(base, str) or not base.strip():
        raise BadCheckpoint(
            f"{settings_file}: names no base model; add base_model_name_or_path, or merge the adapter first"
        )
    beside = file.parent / base
    try:
        opened = open_base(str(beside) if beside.exists() else base)
    except BadCheckpoint as error:
        raise BadCheckpoint(
            f"{file}: an adapter of {base}, which cannot be opened ({error}); put the path of the base into "
            "adapter_config.json, or merge the adapter first"
        ) from error
    shown = name or file.parent.resolve().name
    return AdapterCheckpoint(file, settings, opened, shown)
