"""Which files of a directory hold a model's weights: one file, or all shards of one set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Final

from fpcore.errors import BadCheckpoint
from fpcore.foreign_json import parse_json
from fpcore.plain_files import read_file
from fpcore.printable import shown

__all__ = ["OTHER_FORMATS", "SHARD", "TORCH_FILES", "WeightsFiles", "find_weights", "parse_index"]

SHARD: Final = re.compile(r"-(\d+)-of-(\d+)\.(?:safetensors|bin|pt|pth)$")
TORCH_FILES: Final = frozenset({".bin", ".pt", ".pth", ".ckpt"})
WEIGHTS: Final = ("model.safetensors", "pytorch_model.bin")
LARGEST_INDEX: Final = 100_000_000  # bytes
MOST_SHARDS: Final = 10_000
INDEXES: Final = ("model.safetensors.index.json", "pytorch_model.bin.index.json")

# Ranks of a model that was cut for several devices, as Meta publishes them.
RANK: Final = re.compile(r"^consolidated[.-](\d+)\.(?:pth|pt|safetensors)$")

# Files beside a model's weights that are something else.
BESIDE: Final = re.compile(
    r"^(adapter_|consolidated|mtp|medusa|eagle|draft|training_args|optimizer|scheduler|rng_state|random_states"
    r"|scaler|mmproj|value_head|vision|audio|original|tokenizer|speculator|router|embeddings)",
    re.IGNORECASE,
)
OTHER_FORMATS: Final = {
    ".h5": "TensorFlow",
    ".msgpack": "Flax",
    ".onnx": "ONNX",
    ".ot": "rust-bert",
    ".tflite": "TensorFlow Lite",
    ".mlmodel": "Core ML",
    ".npz": "NumPy",
    ".nemo": "NeMo",
    ".distcp": "torch's distributed checkpoint",
    ".engine": "TensorRT",
    ".ckpt-1": "TensorFlow",
}


@dataclass(frozen=True)
class WeightsFiles:
    """The weights files of a model.

    Attributes
    ----------
    files : tuple of pathlib.Path
    listed : mapping of pathlib.Path to list of str
        Tensor names in each file where an index lists them; empty without one.
    unread : tuple of str
        Names of weights files beside them that are not read.
    """

    files: tuple[Path, ...]
    listed: dict[Path, list[str]] = field(default_factory=dict)
    unread: tuple[str, ...] = ()


def find_weights(path: Path) -> WeightsFiles:
    """The weights files of a model.

    Raises
    ------
    BadCheckpoint
        There are none, some are missing, or there are several models.
    """
    if path.is_file():
        if path.suffix != ".safetensors" and path.suffix not in TORCH_FILES:
            raise BadCheckpoint(f"{path}: not a weights file; give *.safetensors, *.bin or *.gguf")
        return WeightsFiles(tuple(ranks_beside(path)))
    for single, index in zip(WEIGHTS, INDEXES, strict=True):
        if (path / single).is_file():
            return chosen(path, [path / single])
        if (path / index).is_file():
            listed = read_index(path / index)
            return chosen(path, sorted(listed), listed)
    for patterns in (("*.safetensors",), ("pytorch_model*.bin",), ("*.bin", "*.pt", "*.pth", "*.ckpt")):
        found = sorted(file for pattern in patterns for file in path.glob(pattern))
        own = [file for file in found if not BESIDE.match(file.name)]
        if own:
            return chosen(path, one_set(path, own))
        ranks = [file for file in found if RANK.match(file.name) or file.stem == "consolidated"]
        if ranks:
            return chosen(path, ranks)
    raise BadCheckpoint(no_weights(path))


def chosen(path: Path, files: list[Path], listed: dict[Path, list[str]] | None = None) -> WeightsFiles:
    """The files that are read, with the names of the safetensors files that are not."""
    others = sorted(file.name for file in path.glob("*.safetensors") if file not in files)
    return WeightsFiles(tuple(files), listed or {}, tuple(others))


def one_set(path: Path, found: list[Path]) -> list[Path]:
    """One file, or all numbered shards of one set; `model` and `pytorch_model` before others."""
    sets: dict[tuple[str, str], list[Path]] = {}
    for file in found:
        match = SHARD.search(file.name)
        key = (file.name[: match.start()], match[2]) if match else (file.name, "")
        sets.setdefault(key, []).append(file)
    own = [key for key in sets if key[0] in {"model", "pytorch_model"}]
    own = own or [key for key in sets if key[0].partition(".")[0] in {"model", "pytorch_model"}]
    candidates = own or list(sets)
    if len(candidates) > 1:
        listed = ", ".join(sorted(name for name, _ in candidates)[:3])
        raise BadCheckpoint(
            f"{path}: {len(found)} weights files and no index ({listed}); give the one you mean"
        )
    shards = sets[candidates[0]]
    total = candidates[0][1]
    if total:
        numbers = {int(match[1]) for file in shards if (match := SHARD.search(file.name))}
        first = 0 if 0 in numbers else 1
        # Not counted to the end: the name may claim any number.
        missing = next(number for number in count(first) if number not in numbers)
        if missing < int(total) + first:
            raise BadCheckpoint(f"{path}: shard {missing} is missing and there is no index; fetch it again")
    return shards


def ranks_beside(path: Path) -> list[Path]:
    """A file, with the other ranks of the model where it is one of several."""
    if not RANK.match(path.name):
        return [path]
    return sorted(file for file in path.parent.glob(f"consolidated*{path.suffix}") if RANK.match(file.name))


def no_weights(path: Path) -> str:
    """Why a directory has no weights that can be read."""
    if any(path.glob("adapter_model.*")):
        return (
            f"{path}: an adapter without its model, and no adapter_config.json that names it; add that, or "
            "merge the adapter into the base model first"
        )
    for suffix, tool in OTHER_FORMATS.items():
        if any(path.glob(f"*{suffix}")) or any(path.glob(f"*/*{suffix}")):
            return f"{path}: its weights are in the format of {tool} (*{suffix}); convert them to safetensors"
    return f"{path}: no weights; there must be *.safetensors, pytorch_model*.bin or *.gguf beside config.json"


def read_index(file: Path) -> dict[Path, list[str]]:
    """Shard → tensor names, from an index whose shards must all be there."""
    listed = {
        file.parent / shard: names
        for shard, names in parse_index(read_file(file, LARGEST_INDEX), str(file)).items()
    }
    for shard_file in sorted(listed):
        if not is_file(shard_file):
            raise BadCheckpoint(f"{shard_file}: missing, though {file.name} lists it; fetch the shard")
    return listed


def is_file(path: Path) -> bool:
    """Whether there is a file of that name, which may be no name at all."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long; a NUL in it
        return False


def parse_index(content: bytes, where: str) -> dict[str, list[str]]:
    """Shard, as a path below the index's folder → tensor names."""
    index = parse_json(content, where, "a weights index", largest=LARGEST_INDEX)
    weight_map = index.get("weight_map") if isinstance(index, Mapping) else None
    if not isinstance(weight_map, Mapping):
        raise BadCheckpoint(f"{where}: not a weights index (no weight_map); fetch it again")
    listed: dict[str, list[str]] = {}
    for key, shard in weight_map.items():
        if not isinstance(shard, str):
            raise BadCheckpoint(f"{where}: shard {shown(shard)} of tensor {key} is not a file name")
        listed.setdefault(shard, []).append(key)
    if len(listed) > MOST_SHARDS:
        raise BadCheckpoint(f"{where}: lists {len(listed):,} shards; the limit is {MOST_SHARDS:,}")
    found: dict[str, list[str]] = {}
    for shard, names in listed.items():
        path = PurePosixPath(shard.replace("\\", "/"))
        if not path.parts or ".." in path.parts or path.is_absolute() or ":" in path.parts[0]:
            raise BadCheckpoint(
                f"{where}: shard {shown(shard)} of tensor {names[0]} is outside the directory"
            )
        found.setdefault(str(path), []).extend(names)
    return found
