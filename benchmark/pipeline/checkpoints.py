"""From a model's entry, or what a user typed, to an open checkpoint."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fpcore
from benchmark.catalog import Catalog, PathSource, ZooSource
from benchmark.zoo.library import open_zoo

__all__ = ["DEVICE", "chosen_device", "open_model", "open_typed", "zoo_recipes"]

DEVICE = "LOOKALIKE_DEVICE"
"""The environment variable that names the device: worker processes inherit it."""

# Opened once a process: a checkpoint keeps what was computed on it (its roles, its moments).
_opened: dict[tuple[str, str, str], fpcore.Checkpoint] = {}

# What is large and was computed on them, bounded for all together.
_memo = fpcore.Memo()


def chosen_device() -> str:
    """Where models are run."""
    return os.environ.get(DEVICE) or "cpu"


def open_model(catalog: Catalog, model: str) -> fpcore.Checkpoint:
    """Open the checkpoint of a catalog entry (headers only; tensors are read when asked for).

    Parameters
    ----------
    catalog : Catalog
    model : str
        The id of one of its entries.

    Raises
    ------
    fpcore.BadCheckpoint
        The weights are missing, damaged, or contradict the shape that the catalog states.
    """
    key = (catalog.digest, model, chosen_device())
    if key not in _opened:
        _opened[key] = _open(catalog, model)
    return _opened[key]


def _open(catalog: Catalog, model: str) -> fpcore.Checkpoint:
    entry = catalog.entries[model]
    source = entry.source
    if isinstance(source, ZooSource):
        checkpoint = open_zoo(source.name, zoo_recipes(catalog), device=chosen_device())
    elif isinstance(source, PathSource):
        checkpoint = fpcore.open_checkpoint(Path(catalog.file).parent / source.path, device=chosen_device())
    else:
        checkpoint = fpcore.open_checkpoint(
            source.repository, revision=source.revision, device=chosen_device()
        )
    checkpoint.memo = _memo
    stated, found = entry.cell, checkpoint.architecture.cell
    if stated is not None and stated != found:
        raise fpcore.BadCheckpoint(
            f"{model}: the catalog states the shape {stated!r}, its checkpoint has {found!r}; correct it"
        )
    return checkpoint


def open_typed(catalog: Catalog, text: str) -> fpcore.Checkpoint:
    """Open what a user named: a local path, a catalog id, or ``org/name[@revision]`` on the hub."""
    if Path(text).exists():
        return fpcore.open_checkpoint(text, device=chosen_device())
    if text in catalog:
        return open_model(catalog, catalog.resolve(text))
    return fpcore.open_checkpoint(text, device=chosen_device())


def zoo_recipes(catalog: Catalog) -> dict[str, Mapping[str, Any]]:
    """Recipes of the controlled models, by the names that other recipes call them."""
    return {
        model.source.name: model.recipe
        for model in catalog.entries.values()
        if isinstance(model.source, ZooSource)
    }
