"""Pairing the layers of two models of different depth, in order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["in_order"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]


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
