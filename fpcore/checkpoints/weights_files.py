"""Which files of a directory hold a model's weights: one file, or all shards of one set."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

from fpcore.errors import BadCheckpoint

__all__ = ["SHARD", "find_weights"]

SHARD: Final = re.compile(r"-(\d+)-of-(\d+)\.(?:safetensors|bin)$")
WEIGHTS: Final = ("model.safetensors", "pytorch_model.bin")
INDEXES: Final = ("model.safetensors.index.json", "pytorch_model.bin.index.json")


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
