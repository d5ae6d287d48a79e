"""Where a score falls among the calibration's pairs of the same two shapes, and whether there are enough."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

import analysis
from benchmark.results.same_shapes import FEWEST, same_cells

__all__ = [
    "NO_CALIBRATION",
    "Place",
    "ReferencePairs",
    "ShapeCalibration",
    "place_of",
]

Mask = npt.NDArray[np.bool_]
NO_CALIBRATION: Final = "no calibration for these shapes"


@dataclass(frozen=True)
class ReferencePairs:
    """Pairs of one kind and the same pair of architecture cells, and how the score stands among them.

    Attributes
    ----------
    n_pairs, n_lineages : int
        Scored pairs, and the lineages they come from.
    n_at_or_above : int
        Those that score at least as high as the pair in question.
    scores : tuple of float
        Of all of them, ascending.
    """

    n_pairs: int
    n_lineages: int
    n_at_or_above: int
    scores: tuple[float, ...] = field(default=(), repr=False)

    @property
    def share(self) -> float:
        """Share of the pairs at or above the score; NaN without any pair."""
        return self.n_at_or_above / self.n_pairs if self.n_pairs else math.nan

    @property
    def told(self) -> str:
        """How many score at least as high, of all: ``3/1,200``; "none" without any pair."""
        return f"{self.n_at_or_above:,}/{self.n_pairs:,}" if self.n_pairs else "none"

    def to_json(self) -> dict[str, object]:
        """Plain values, without the scores: the calibration has them."""
        return {
            "n_pairs": self.n_pairs,
            "n_lineages": self.n_lineages,
            "n_at_or_above": self.n_at_or_above,
            "share": analysis.as_json(self.share),
        }


@dataclass(frozen=True)
class Place:
    """Where a score falls among pairs of the same two shapes."""

    look_alikes: ReferencePairs
    derived: ReferencePairs


@dataclass(frozen=True)
class ShapeCalibration:
    """The pairs of a calibration that have the shapes of the pair in question.

    Attributes
    ----------
    cells : tuple of two str
        Empty where a shape is unknown.
    here : ndarray of bool, shape (n_pairs,)
        Pairs of the table of the same (unordered) two cells.
    n_pairs, n_lineages : int
        Scored look-alikes among them; and their lineages: where two shapes differ, of the one that has fewer.
    n_derived : int
        Scored derived pairs among them.
    """

    cells: tuple[str, str]
    here: Mask = field(repr=False)
    n_pairs: int
    n_lineages: int
    n_derived: int

    @classmethod
    def of(cls, table: analysis.ScoreTable, cells: tuple[str, str]) -> ShapeCalibration:
        """Look for the shapes of a pair in a table.

        Parameters
        ----------
        table : ScoreTable
            Without the lineages of the pair in question.
        cells : tuple of two str
            Of the pair.
        """
        here = same_cells(table, cells)
        alike = here & table.look_alike
        _, lineages = analysis.stranger_p_value(table, 0.0, mask=alike)
        scored = table.comparable
        return cls(
            cells, here, int((alike & scored).sum()), lineages, int((here & table.derived & scored).sum())
        )

    @property
    def reason(self) -> str:
        """Why nothing can be weighed; empty where it can."""
        if not all(self.cells):
            return f"{NO_CALIBRATION}: a shape is unknown"
        if self.n_lineages >= FEWEST:
            return ""
        held = f"look-alikes of {self.n_lineages} lineages" if self.n_pairs else "no look-alike"
        return f"{NO_CALIBRATION}: the run has {held} of these shapes; at least {FEWEST} are needed"


def place_of(table: analysis.ScoreTable, cells: tuple[str, str], score: float) -> Place:
    """Where a score falls among the pairs of a table that stand in the same (unordered) two cells.

    Parameters
    ----------
    table : ScoreTable
    cells : tuple of two str
        Of the pair in question. It may be a derived pair: independent pairs of its cells are its look-alikes,
        whether or not the table has a derived pair of them.
    score : float
    """
    here = same_cells(table, cells)
    return Place(
        look_alikes=_reference(table, here & table.independent, score),
        derived=_reference(table, here & table.derived, score),
    )


def _reference(table: analysis.ScoreTable, of: Mask, score: float) -> ReferencePairs:
    of = of & table.comparable
    lineages = np.union1d(table.lineage_a[of], table.lineage_b[of])
    scores = np.sort(table.score[of])
    return ReferencePairs(len(scores), len(lineages), int((scores >= score).sum()), tuple(scores.tolist()))
