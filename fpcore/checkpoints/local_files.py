"""Checkpoints on disk: safetensors and torch files, single or in shards, checked before any work."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from fpcore.checkpoints.checkpoint import Checkpoint, TensorInfo, config_digest
from fpcore.errors import BadCheckpoint

if TYPE_CHECKING:
    import torch

__all__ = ["LocalCheckpoint", "gguf_in", "parse_header", "safetensors_header"]

# safetensors' element types: torch's name and bits an element.
DTYPES: dict[str, tuple[str, int]] = {
    "F64": ("float64", 64),
    "F32": ("float32", 32),
    "F16": ("float16", 16),
    "BF16": ("bfloat16", 16),
    "F8_E4M3": ("float8_e4m3fn", 8),
    "F8_E5M2": ("float8_e5m2", 8),
    "F8_E8M0": ("float8_e8m0fnu", 8),
    "F8_E4M3FNUZ": ("float8_e4m3fnuz", 8),
    "F8_E5M2FNUZ": ("float8_e5m2fnuz", 8),
    "F4": ("float4_e2m1fn_x2", 4),
    "I64": ("int64", 64),
    "I32": ("int32", 32),
    "I16": ("int16", 16),
    "I8": ("int8", 8),
    "U64": ("uint64", 64),
    "U32": ("uint32", 32),
    "U16": ("uint16", 16),
    "U8": ("uint8", 8),
    "BOOL": ("bool", 8),
    "C64": ("complex64", 64),
}

MAX_HEADER = 100_000_000  # bytes; the limit of the safetensors format
CHUNK = 1 << 22  # bytes read at a time when digesting
SHARD = re.compile(r"-(\d+)-of-(\d+)\.(?:safetensors|bin)$")
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")


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
        self._open: dict[Path, Any] = {}
        for file in self._files:
            wanted = None if listed is None else listed[file]
            self._admit(file, self._header(file), wanted)
        if not self._tensors:
            raise BadCheckpoint(f"{given}: the weights files hold no tensor; fetch them again")

    def _header(self, file: Path) -> dict[str, TensorInfo]:
        if file.suffix == ".safetensors":
            return safetensors_header(file)
        self._open[file] = weights = load_torch_file(file)
        return {
            key: TensorInfo(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
            for key, tensor in weights.items()
        }

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

    @property
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
        opened = self._open.get(file)
        try:
            if file.suffix == ".safetensors":
                if opened is None:
                    opened = self._open[file] = safe_open(file, framework="pt")
                tensor: torch.Tensor = opened.get_tensor(name)
                return tensor
            if opened is None:
                opened = self._open[file] = load_torch_file(file)
        except (OSError, SafetensorError) as error:
            raise BadCheckpoint(f"{file}: tensor {name} cannot be read ({error}); fetch it again") from error
        return opened[name]

    def tokenizer_file(self) -> Path | None:  # noqa: D102
        return self._tokenizer if self._tokenizer.is_file() else None

    def __getstate__(self) -> dict[str, Any]:
        # Open files stay in their process; another one opens its own.
        return {**self.__dict__, "_open": {}}


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


def read_config(folder: Path) -> dict[str, Any]:
    """The parsed ``config.json`` of a directory."""
    file = folder / "config.json"
    if not file.is_file():
        raise BadCheckpoint(f"{folder}: no config.json; give a directory in hub layout (config and weights)")
    return parse_config(file.read_bytes(), str(file))


def parse_config(content: bytes, where: str) -> dict[str, Any]:
    """A configuration from its bytes; `where` is named in errors."""
    try:
        config = json.loads(content)
    except ValueError as error:
        raise BadCheckpoint(f"{where}: not JSON ({error}); fetch it again") from error
    if not isinstance(config, dict):
        raise BadCheckpoint(f"{where}: not a JSON object; fetch it again")
    return config


def find_weights(path: Path) -> tuple[list[Path], dict[Path, list[str]] | None]:
    """The weights files of a model and, where an index lists them, the tensor names in each."""
    if path.is_file():
        if path.suffix not in {".safetensors", ".bin", ".pt", ".pth"}:
            raise BadCheckpoint(f"{path}: not a weights file; give *.safetensors, *.bin or *.gguf")
        return [path], None
    for single, index in zip(WEIGHTS, INDEXES, strict=True):
        if (path / single).is_file():
            return [path / single], None
        if (path / index).is_file():
            listed = read_index(path / index)
            return sorted(listed), listed
    for pattern in ("*.safetensors", "pytorch_model*.bin"):
        found = [file for file in sorted(path.glob(pattern)) if not file.name.startswith("adapter_")]
        if found:
            return complete_shards(path, found), None
    if any(path.glob("adapter_model.*")):
        raise BadCheckpoint(f"{path}: an adapter without its model; merge it into the base model first")
    raise BadCheckpoint(
        f"{path}: no weights; there must be *.safetensors, pytorch_model*.bin or *.gguf beside config.json"
    )


def complete_shards(path: Path, found: list[Path]) -> list[Path]:
    """Weights files without an index: one file, or all numbered shards of one set."""
    if len(found) == 1 and not SHARD.search(found[0].name):
        return found
    numbered = [SHARD.search(file.name) for file in found]
    totals = {int(match[2]) for match in numbered if match}
    if not all(numbered) or len(totals) != 1:
        raise BadCheckpoint(f"{path}: {len(found)} weights files and no index; name the one you mean")
    missing = set(range(1, totals.pop() + 1)) - {int(match[1]) for match in numbered if match}
    if missing:
        raise BadCheckpoint(f"{path}: shard {min(missing)} is missing and there is no index; fetch it again")
    return found


def read_index(file: Path) -> dict[Path, list[str]]:
    """Shard → tensor names, from an index whose shards must all be there."""
    try:
        weight_map = json.loads(file.read_bytes())["weight_map"]
        pairs = [(str(key), str(shard)) for key, shard in weight_map.items()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadCheckpoint(f"{file}: not a weights index ({error!r}); fetch it again") from error
    listed: dict[Path, list[str]] = {}
    for key, shard in pairs:
        if Path(shard).name != shard:
            raise BadCheckpoint(f"{file}: shard {shard!r} of tensor {key} lies outside the directory")
        listed.setdefault(file.parent / shard, []).append(key)
    for shard_file in sorted(listed):
        if not shard_file.is_file():
            raise BadCheckpoint(f"{shard_file}: missing, though {file.name} lists it; fetch the shard")
    return listed


def safetensors_header(file: Path) -> dict[str, TensorInfo]:
    """Names, shapes and types in a safetensors file, checked against the file's length.

    Raises
    ------
    BadCheckpoint
        If the file is truncated, or its header does not describe its content.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(size - 8, MAX_HEADER):
            raise BadCheckpoint(
                f"{file}: not a safetensors file, or cut short ({size} bytes); fetch it again"
            )
        return {key: info for key, (info, _, _) in parse_header(stream.read(length), size, str(file)).items()}


def parse_header(text: bytes, size: int, where: str) -> dict[str, tuple[TensorInfo, int, int]]:
    """Tensors of a safetensors header: what each is, and its first and last byte within the file.

    Parameters
    ----------
    text : bytes
        The JSON header, without its eight length bytes.
    size : int
        Length of the whole file in bytes.
    where : str
        Named in errors.
    """
    base = 8 + len(text)
    found: dict[str, tuple[TensorInfo, int, int]] = {}
    try:
        header = json.loads(text)
        for key, entry in header.items():
            if key == "__metadata__":
                continue
            name, bits = DTYPES[entry["dtype"]]
            info = TensorInfo(tuple(int(length) for length in entry["shape"]), name)
            begin, end = (int(offset) for offset in entry["data_offsets"])
            if begin < 0 or (end - begin) * 8 != info.size * bits:
                raise BadCheckpoint(f"{where}: tensor {key} has {end - begin} bytes, not those of its shape")
            found[key] = (info, base + begin, base + end)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadCheckpoint(f"{where}: unreadable safetensors header ({error!r}); fetch it again") from error
    needed = max((end for _, _, end in found.values()), default=base)
    if needed != size:
        state = "cut short" if needed > size else "longer than its header says"
        raise BadCheckpoint(f"{where}: {state}: {size} bytes where {needed} are needed; fetch it again")
    return found


def load_torch_file(file: Path) -> dict[str, torch.Tensor]:
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
    return dict(loaded)


def file_digest(file: Path) -> bytes:
    """The sha256 of a file's content, computed once a process for a given path, size and change time."""
    state = file.stat()
    return _file_digest(str(file.resolve()), state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=4096)
def _file_digest(path: str, _size: int, _mtime_ns: int) -> bytes:
    total = hashlib.sha256()
    with open(path, "rb") as stream:
        while chunk := stream.read(CHUNK):
            total.update(chunk)
    return total.digest()
