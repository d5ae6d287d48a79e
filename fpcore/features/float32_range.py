"""Values whose squares float32 cannot hold, brought near one by a power of two, which rounds nothing."""

from __future__ import annotations

from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["LARGEST", "LEAST", "of_order_one", "power_beyond"]

Kind = TypeVar("Kind", bound=np.floating)

LEAST: Final = -40
LARGEST: Final = 50
"""Powers of two between which the largest magnitude may lie: squares, and sums of hundreds of them, are then
far from both ends of float32."""


def power_beyond(values: NDArray[np.floating]) -> int:
    """The power of two of the largest magnitude if float32 cannot hold the squares; 0 if it can, or all is 0.

    Gauges that leave a model's outputs as they are can make weights as large or as small as one likes.

    Examples
    --------
    >>> power_beyond(np.array([0.02, -0.5])), power_beyond(np.array([3e20, -1.0]))
    (0, 69)
    """
    if not values.size:
        return 0
    largest = max(float(values.max()), -float(values.min()))
    power = int(np.frexp(largest)[1])
    return 0 if LEAST <= power <= LARGEST else power


def of_order_one(values: NDArray[Kind]) -> NDArray[Kind]:
    """The values, divided by the power of two that `power_beyond` gives: for what no scale changes.

    Examples
    --------
    >>> of_order_one(np.array([2.0**90, 2.0**89, 0.0])).tolist()
    [0.5, 0.25, 0.0]
    """
    power = power_beyond(values)
    return np.ldexp(values, -power) if power else values
