"""A fingerprint: named arrays taken from one model by one metric, and where they came from."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from fpcore.errors import BadCheckpoint

if TYPE_CHECKING:
    from fpcore.checkpoints.checkpoint import Checkpoint

__all__ = ["Fingerprint", "whole"]

SCHEMA: Final = 1


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """What a metric keeps of a model.

    Attributes
    ----------
    metric, version : str, int
        Which metric made it; only fingerprints of one metric and version compare.
    model, digest : str
        The model's name for people, and the sha256 of its content.
    arrays : mapping of str to ndarray
        What the similarity needs; empty for metrics that need whole tensors.
    checkpoint : Checkpoint or None
        Kept for metrics that need whole tensors; never saved.
    """

    metric: str
    version: int
    model: str
    digest: str
    arrays: Mapping[str, NDArray[np.floating]]
    checkpoint: Checkpoint | None = field(default=None, repr=False)

    def save(self, path: str | Path) -> None:
        """Write a safetensors file, whole or not at all; equal content gives equal bytes."""
        path = Path(path)
        about = {
            "schema": SCHEMA,
            "metric": self.metric,
            "version": self.version,
            "model": self.model,
            "digest": self.digest,
            "order": list(self.arrays),
        }
        arrays = {name: np.ascontiguousarray(array) for name, array in self.arrays.items()}
        # One metadata entry: safetensors keeps the order neither of several nor of tensors. Sums over
        # parts depend on their order in the last digit, so it is kept here.
        content = save(arrays, metadata={"fingerprint": json.dumps(about, sort_keys=True)})
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
            os.replace(temporary, path)
        finally:
            Path(temporary).unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | Path) -> Fingerprint:
        """Read what `save` wrote.

        Raises
        ------
        BadCheckpoint
            If the file is damaged or of another schema.
        """
        try:
            with safe_open(path, framework="numpy") as stream:
                about = json.loads((stream.metadata() or {})["fingerprint"])
                arrays = {name: stream.get_tensor(name) for name in about["order"]}
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise BadCheckpoint(f"{path}: not a readable fingerprint ({error}); delete it") from error
        if about.get("schema") != SCHEMA:
            raise BadCheckpoint(
                f"{path}: fingerprint of schema {about.get('schema')}, this version reads {SCHEMA}; delete it"
            )
        return cls(about["metric"], about["version"], about["model"], about["digest"], arrays)


def whole(fingerprint: Fingerprint) -> Checkpoint:
    """The checkpoint of a fingerprint whose metric needs whole tensors."""
    if fingerprint.checkpoint is None:
        raise BadCheckpoint(
            f"{fingerprint.model}: {fingerprint.metric} needs the checkpoint, not a stored fingerprint"
        )
    return fingerprint.checkpoint
