"""The logarithm of a sum of exponentials."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["log_sum_exp"]

Array = NDArray[np.float64]


def log_sum_exp(values: Array) -> Array:
    """``log(sum(exp(values)))`` over the last axis, which stays with a length of 1; values are finite.

    As `scipy.special.logsumexp` computes it, digit for digit, in a fraction of the time for the few values
    of one pair.

    Examples
    --------
    >>> float(log_sum_exp(np.log([1000.0, 2000.0, 3000.0]))[0] - np.log(6000.0)) < 1e-15
    True
    """
    largest = values.max(axis=-1, keepdims=True)
    # The largest are counted, and so do not round what is added to them.
    at = values == largest
    count = at.sum(axis=-1, keepdims=True, dtype=np.float64)
    rest = np.exp(np.where(at, -np.inf, values) - largest).sum(axis=-1, keepdims=True)
    found: Array = np.log1p(rest / count) + np.log(count) + largest
    return found
