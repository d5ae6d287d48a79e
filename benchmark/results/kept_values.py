"""Values in the cache, as the JSON of their type: what cannot be believed, or read, is computed again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

import analysis
from benchmark.results.codec import from_json
from benchmark.session.cache import Cache

__all__ = ["keep_value", "kept_value"]

T = TypeVar("T")


def kept_value(cache: Cache, path: Path, kind: type[T]) -> T | None:
    """What the cache keeps under a name.

    Parameters
    ----------
    cache : Cache
    path : Path
        In one of its folders.
    kind : type
        As for `from_json`.

    Returns
    -------
    object or None
        None where nothing is kept, or what is kept is not as it was written, or not of this type; the last
        two are said.
    """
    kept = cache.read(path)
    if kept is None:
        return None
    try:
        return from_json(kind, json.loads(kept), "entry")
    except (ValueError, RecursionError) as error:
        cache.distrust(path, error)
        return None


def keep_value(cache: Cache, path: Path, value: object) -> None:
    """Keep a value; parameters as for `kept_value`."""
    cache.write(path, json.dumps(analysis.as_json(value), allow_nan=False).encode())
