"""Which row of one matrix is which of another: units by assignment, layers in their order."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import scipy  # its parts are imported when they are first used
from numpy.typing import NDArray

__all__ = ["MOST_UNITS", "best_match", "in_order", "matched", "sampled", "unit_rows"]

Array = NDArray[np.floating]
Index = NDArray[np.int64]

# Of wider feed-forward blocks this many units, evenly spaced, are matched: an assignment is cubic in units.
MOST_UNITS: Final = 2048


def in_order(gain: Array) -> tuple[Index, Index]:
    """The pairing of rows and columns, both ascending, with the largest sum.

    Each of the fewer ones is paired with exactly one of the others; of equal numbers, like with like.

    Parameters
    ----------
    gain : ndarray, (n, m)
        What a pair is worth.

    Returns
    -------
    rows, columns : ndarray of int, (min(n, m),)
    """
    rows, columns = gain.shape
    if rows > columns:
        found = in_order(gain.T)
        return found[1], found[0]
    best = np.full((rows + 1, columns + 1), -np.inf)
    best[0] = 0.0
    for i in range(rows):
        for j in range(i, columns):
            best[i + 1, j + 1] = max(best[i + 1, j], best[i, j] + gain[i, j])
    chosen = np.empty(rows, dtype=np.int64)
    column = columns
    for i in range(rows, 0, -1):
        while best[i, column - 1] == best[i, column]:
            column -= 1
        column -= 1
        chosen[i - 1] = column
    return np.arange(rows, dtype=np.int64), chosen


def unit_rows(rows: Array) -> Array:
    """Rows of length one; rows of zeros stay."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    units: Array = rows / np.where(lengths > 0.0, lengths, 1.0)
    return units


def best_match(similarity: Array) -> Index:
    """For each row the column that the assignment with the largest sum gives it."""
    found: Index = scipy.optimize.linear_sum_assignment(similarity, maximize=True)[1]  # rows are ascending
    return found


def matched(a: Array, b: Array) -> Index:
    """For each row of `a` its row of `b`, by assignment over cosines."""
    return best_match(unit_rows(a) @ unit_rows(b).T)


def sampled(count: int) -> Index:
    """Places of the units that are matched: all, or `MOST_UNITS` evenly spaced ones; not to be written to."""
    return evenly_spaced(count, MOST_UNITS)


@lru_cache(maxsize=64)
def evenly_spaced(count: int, most: int) -> Index:
    """So many places among `count`, or all if there are fewer."""
    places = np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)
    places.flags.writeable = False  # all that ask share it
    return places
