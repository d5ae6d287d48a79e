"""Configurations and files as content: parsed with clear errors, and digested."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fpcore.errors import BadCheckpoint
from fpcore.foreign_json import LARGEST, parse_json
from fpcore.plain_files import open_file, read_file
from fpcore.storage.tensor_source import Config

__all__ = ["config_digest", "file_digest", "file_digests", "parse_config", "quantised_as", "read_config"]


def read_config(folder: Path) -> Config:
    """The parsed ``config.json`` of a directory."""
    file = folder / "config.json"
    if not file.exists():
        raise BadCheckpoint(f"{folder}: no config.json; give a directory in hub layout (config and weights)")
    return parse_config(read_file(file, LARGEST), str(file))


def parse_config(content: bytes, where: str) -> Config:
    """A configuration from its bytes; `where` is named in errors."""
    config = parse_json(content, where)
    if not isinstance(config, dict):
        raise BadCheckpoint(f"{where}: not a JSON object; fetch it again")
    return config


def quantised_as(config: Config, beside: Path) -> Config:
    """A configuration with what ModelOpt's ``hf_quant_config.json`` says of the weights, if there."""
    if not beside.is_file() or config.get("quantization_config"):
        return config
    stated = parse_config(read_file(beside, LARGEST), str(beside)).get("quantization")
    facts = stated if isinstance(stated, Mapping) else {}
    method = f"modelopt {facts.get('quant_algo') or ''}".strip()
    return {**config, "quantization_config": {**facts, "quant_method": method}}


def config_digest(config: Config) -> bytes:
    """The sha256 of a configuration in one canonical spelling."""
    text = json.dumps(config, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).digest()


def file_digests(files: Sequence[Path], threads: int) -> list[bytes]:
    """The sha256 of the content of each file, several files at a time."""
    if threads < 2 or len(files) < 2:
        return [file_digest(file) for file in files]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(file_digest, files))


def file_digest(file: Path) -> bytes:
    """The sha256 of a file's content."""
    with open_file(file) as stream:
        return hashlib.file_digest(stream, "sha256").digest()
