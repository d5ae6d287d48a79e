"""A fingerprint: named arrays taken from one model by one metric, and where they came from."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from fpcore.checkpoints.base import Checkpoint
from fpcore.errors import BadCheckpoint

__all__ = ["Fingerprint", "checkpoint_of"]

SCHEMA: Final = 1
FACTS: Final = {"metric": str, "version": int, "model": str, "digest": str}

T = TypeVar("T")


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

    Examples
    --------
    >>> import fpcore
    >>> metric = fpcore.metric("attention-std")
    >>> taken = metric.fingerprint(fpcore.open_checkpoint("models/child"))
    >>> taken
    Fingerprint(metric='attention-std', version=2, model='child', ...)
    >>> taken.save("child.safetensors")
    >>> kept = fpcore.Fingerprint.load("child.safetensors")
    >>> kept.digest == taken.digest, list(kept.arrays)
    (True, ['query', 'key', 'value', 'output'])
    """

    metric: str
    version: int
    model: str
    digest: str
    arrays: Mapping[str, NDArray[np.floating]]
    checkpoint: Checkpoint | None = field(default=None, repr=False)
    _latest: dict[str, tuple[Hashable, object]] = field(default_factory=dict, init=False, repr=False)

    def derived(self, what: str, key: Hashable, compute: Callable[[], T]) -> T:
        """``compute()``, kept until `what` is asked for under another key: a model stands in many pairs.

        Parameters
        ----------
        what : str
            Names the computation.
        key : hashable
            What the result depends on beside this fingerprint; only that of the last key is kept.
        compute : callable
            Takes nothing, returns the result.
        """
        kept = self._latest.get(what)
        if kept is None or kept[0] != key:
            kept = self._latest[what] = (key, compute())
        return cast(T, kept[1])

    def save(self, path: str | Path) -> None:
        """Write a safetensors file, whole or not at all; equal content gives equal bytes."""
        path = Path(path)
        content = self.to_bytes()
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
            os.replace(temporary, path)
        finally:
            Path(temporary).unlink(missing_ok=True)

    def to_bytes(self) -> bytes:
        """The content of the file that `save` writes."""
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
        content: bytes = save(arrays, metadata={"fingerprint": json.dumps(about, sort_keys=True)})
        return content

    @classmethod
    def load(cls, path: str | Path) -> Fingerprint:
        """Read what `save` wrote.

        Raises
        ------
        BadCheckpoint
            If the file is damaged or of another schema.
        """
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise BadCheckpoint(f"{path}: not a readable fingerprint ({error}); delete it") from error
        return cls.from_bytes(content, str(path))

    @classmethod
    def from_bytes(cls, content: bytes, where: str = "fingerprint") -> Fingerprint:
        """Read what `to_bytes` gave.

        Parameters
        ----------
        content : bytes
        where : str
            What an error calls it.

        Raises
        ------
        BadCheckpoint
            If it is damaged or of another schema.
        """
        try:
            length = int.from_bytes(content[:8], "little")
            about = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["fingerprint"])
            schema = about["schema"]
            names = about["order"] if schema == SCHEMA else []
            tensors = load(content)
            arrays = {str(name): tensors[name] for name in names}
            facts = [(about[key], kind) for key, kind in FACTS.items()]
            if any(type(fact) is not kind for fact, kind in facts) or len(arrays) != len(names):
                raise ValueError("its header has another form")
        except (SafetensorError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise BadCheckpoint(f"{where}: not a readable fingerprint ({error}); delete it") from error
        if schema != SCHEMA:
            raise BadCheckpoint(
                f"{where}: fingerprint of schema {schema}, this version reads {SCHEMA}; delete it"
            )
        return cls(about["metric"], about["version"], about["model"], about["digest"], arrays)


def checkpoint_of(fingerprint: Fingerprint) -> Checkpoint:
    """The checkpoint of a fingerprint whose metric compares whole tensors.

    Raises
    ------
    BadCheckpoint
        The fingerprint was loaded from a file.
    """
    if fingerprint.checkpoint is None:
        raise BadCheckpoint(
            f"{fingerprint.model}: {fingerprint.metric} needs the checkpoint, not a stored fingerprint"
        )
    return fingerprint.checkpoint
