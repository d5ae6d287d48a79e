"""Ranks in which equal values share the mean of their places."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["midranks"]


def midranks(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Ranks from 1, as `scipy.stats.rankdata` gives them, without the second that importing it takes.

    Parameters
    ----------
    values : array_like of float, shape (n,)
        No NaN among them.

    Returns
    -------
    ndarray of float64, shape (n,)

    Examples
    --------
    >>> midranks([0.3, 0.1, 0.3]).tolist()
    [2.5, 1.0, 2.5]
    """
    _, place, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    ranks: npt.NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks
