"""A checkpoint as the directory that other tools want to be pointed at, and their notes as arrays."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save_file

import fpcore

__all__ = ["as_array", "directory_of", "from_array"]


@contextmanager
def directory_of(checkpoint: fpcore.Checkpoint) -> Iterator[Path]:
    """A directory in hub layout that holds the model, there as long as the block lasts.

    The model's own directory where that holds safetensors files; a temporary copy otherwise, as large as the
    model, with its tokenizer.
    """
    path = checkpoint.path
    if path is not None and path.is_dir() and any(path.glob("*.safetensors")):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="lookalike-peer-") as made:
        folder = Path(made)
        (folder / "config.json").write_text(json.dumps(dict(checkpoint.config)), encoding="utf-8")
        # Copies: safetensors refuses tensors that share memory, as tied weights do.
        tensors = {name: checkpoint.read(name).clone().contiguous() for name in checkpoint.tensors}
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        tokenizer = checkpoint.tokenizer_file()
        if tokenizer is not None:
            # With what lies beside it (tokenizer_config.json, special tokens): a tool may ask for them.
            for file in tokenizer.parent.glob("*token*.json"):
                shutil.copy(file, folder / file.name)
        yield folder


def as_array(value: Mapping[str, Any]) -> NDArray[np.float32]:
    """Plain values as an array that a fingerprint can hold: the bytes of their JSON."""
    text = json.dumps(value, sort_keys=True).encode()
    return np.frombuffer(text, dtype=np.uint8).astype(np.float32)


def from_array(array: NDArray[np.floating]) -> dict[str, Any]:
    """What `as_array` was given."""
    return dict(json.loads(array.astype(np.uint8).tobytes()))
