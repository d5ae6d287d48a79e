"""A model of a case: what a user named, opened and fingerprinted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import fpcore
from benchmark.catalog import Catalog
from benchmark.pipeline.extract import Extraction

__all__ = ["ComparedModel", "catalog_id", "identify"]


@dataclass(frozen=True)
class ComparedModel:
    """A model whose descent is in question, or that another is compared with.

    Attributes
    ----------
    typed, name, digest, cell : str
        As the user named it, as it calls itself, its content, its architecture cell.
    catalog_id : str or None
        Its catalog entry.
    """

    typed: str
    name: str
    digest: str
    cell: str
    catalog_id: str | None

    @property
    def label(self) -> str:
        """What the case calls it."""
        return self.catalog_id or self.name


def identify(catalog: Catalog, text: str, extraction: Extraction) -> ComparedModel:
    """The model that a user named, by what extraction found of it.

    Raises
    ------
    fpcore.BadCheckpoint
        It cannot be read.
    """
    if extraction.damage:
        raise fpcore.BadCheckpoint(extraction.damage)
    return ComparedModel(text, extraction.name, extraction.digest, extraction.cell, catalog_id(catalog, text))


def catalog_id(catalog: Catalog, text: str) -> str | None:
    """The catalog id that a user named, if it is one."""
    return catalog.canonical(text) if text in catalog and not Path(text).exists() else None
