"""What descent is weighed against: look-alikes first, then explanations that have pairs of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.table import NEGATIVES, ScoreTable
from analysis.validation import check_choice

__all__ = ["ALTERNATIVES", "LOOK_ALIKE", "Contrast"]

Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]
LOOK_ALIKE: Final = "look-alike"
ALTERNATIVES: Final = (LOOK_ALIKE, "independent", "sibling", "shared-init", "distilled")
"""The alternatives to derivation, that of the headline first."""


@dataclass(frozen=True)
class Contrast:
    """Derived pairs and those of one alternative, like with like.

    Attributes
    ----------
    rows : ndarray of int, shape (n,)
        In the table: derived pairs first, then the others.
    derived : ndarray of bool, shape (n,)
    stratum : ndarray of int, shape (n,)
        Numbered from 0. Inside one, both classes weigh the same, so that shapes alone tell nothing. A stratum
        is a pair of architecture cells; against all independent pairs there is one.
    """

    rows: Indices
    derived: Mask
    stratum: Indices

    @classmethod
    def of(cls, table: ScoreTable, negatives: str) -> Contrast:
        """Take the comparable derived pairs of a table, and those of an alternative.

        Save against all independent pairs, only pairs of cells that hold both are taken.

        Parameters
        ----------
        table : ScoreTable
        negatives : str
            One of `ALTERNATIVES`.
        """
        check_choice(negatives, "negatives", ALTERNATIVES)
        other = table.negatives(negatives) if negatives in NEGATIVES else table.relation == negatives
        derived, other = table.derived & table.comparable, other & table.comparable
        if negatives == "independent":
            rows = np.concatenate([np.flatnonzero(derived), np.flatnonzero(other)])
            return cls(rows, np.arange(len(rows)) < int(derived.sum()), np.zeros(len(rows), dtype=np.intp))
        cells = table.cell_pair
        both = np.intersect1d(cells[derived], cells[other])
        alike = (cells >= 0) & np.isin(cells, both)
        rows = np.concatenate([np.flatnonzero(derived & alike), np.flatnonzero(other & alike)])
        stratum = np.searchsorted(both[both >= 0], cells[rows])
        return cls(rows, np.arange(len(rows)) < int((derived & alike).sum()), stratum)
