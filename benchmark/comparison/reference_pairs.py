"""Where a score falls among the calibration's pairs of the same two shapes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

import analysis
from analysis.look_alikes import cell_pairs

__all__ = ["Place", "ReferencePairs", "place_of"]


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
    a = [*table.frame["architecture_a"], cells[0]]
    b = [*table.frame["architecture_b"], cells[1]]
    code = cell_pairs(a, b)
    here = code[:-1] == code[-1]
    alike = analysis.look_alike_pairs([*table.frame["relation"], "derived"], a, b)[:-1]
    return Place(
        look_alikes=_reference(table, here & alike, score),
        derived=_reference(table, here & table.derived, score),
    )


def _reference(table: analysis.ScoreTable, of: npt.NDArray[np.bool_], score: float) -> ReferencePairs:
    of = of & table.comparable
    lineages = np.union1d(table.lineage_a[of], table.lineage_b[of])
    scores = np.sort(table.score[of])
    return ReferencePairs(len(scores), len(lineages), int((scores >= score).sum()), tuple(scores.tolist()))
