"""Scores of real pairs that somebody published: plain values, never labels and never calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from analysis.notebook import Shown

__all__ = ["QUANTITIES", "READINGS", "Publication", "PublishedScore"]

#: What a published number is → how it is told. Only a "score" can stand among the scores of a run.
QUANTITIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "score": "a score of the metric",
        "part": "one part of the metric's score",
        "transformed": "the authors' own scale",
        "z": "a z-score",
        "p-value": "a p-value",
        "probability": "a probability",
    }
)

#: How the number came here → how it is told.
READINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "source": "read at the source",
        "quoted": "as others quote it",
        "computed": "computed here from published values",
    }
)


@dataclass(frozen=True)
class PublishedScore(Shown):
    """A number that somebody published for two real models.

    Attributes
    ----------
    publication : str
        Id of where it stands.
    metric : str
        By its name here, or by the authors' own where there is none.
    pair : tuple of two str
        Catalog ids where the catalog holds the models.
    value : float
        As published.
    quantity : str
        What the number is; one of `QUANTITIES`.
    where : str
        Table, figure or file; empty if not needed.
    """

    publication: str
    metric: str
    pair: tuple[str, str]
    value: float
    quantity: str = "score"
    where: str = ""

    def of(self, a: str, b: str) -> bool:
        """Whether it is about these two models, in either order."""
        return {a, b} == set(self.pair)


@dataclass(frozen=True)
class Publication(Shown):
    """Where scores of real pairs were published.

    Attributes
    ----------
    id : str
        Its name in the catalog.
    by, source, says : str
        Who, where, and what the numbers are, in our own words.
    read : str
        How they came here; one of `READINGS`.
    outside : tuple of str
        Models of its pairs that the catalog does not hold.
    scores : tuple of PublishedScore
    line : int
        Where it stands in the catalog's file.
    """

    id: str
    by: str
    source: str
    says: str
    read: str
    outside: tuple[str, ...]
    scores: tuple[PublishedScore, ...]
    line: int = 0

    @property
    def citation(self) -> str:
        """Who and where, in one line, and how the numbers came here unless they were read there."""
        told = f"{self.by}, {self.source}"
        return told if self.read == "source" else f"{told} ({READINGS[self.read]})"
