"""Scales that give two weights, of which only the product counts, the sizes somebody wishes for.

Rows of the first are multiplied and rows of the second divided by the same scale, block by block. One scale
for all blocks leaves the product of the two sizes as it is: one freedom for two curves. Scales that differ
between blocks can raise the product without bound (Cauchy and Schwarz: it is least where the blocks'
shares are alike), so that both sizes can be met at once wherever their product is at least the present one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fpcore import BadCheckpoint

__all__ = ["Largest", "Size", "Spread", "level", "meet_both", "meet_sum"]

Vector = npt.NDArray[np.float64]

LARGEST_LOG_SPREAD = 12.0  # e^12 between blocks: beyond it float32 no longer holds the product
STEPS = 80  # of a bisection, enough for the last digit


@dataclass(frozen=True)
class Spread:
    """Population standard deviation of a tensor, as a function of scales of its blocks.

    Attributes
    ----------
    sums, squares : ndarray, shape (blocks,)
        Sum and sum of squares of the entries of each block.
    count : int
        Entries in all.
    """

    sums: Vector
    squares: Vector
    count: int

    @classmethod
    def of(cls, blocks: npt.ArrayLike) -> Spread:
        """Of a tensor cut into blocks along its first axis."""
        rows = np.asarray(blocks, dtype=np.float64)
        rows = rows.reshape(len(rows), -1)
        return cls(rows.sum(axis=1), np.square(rows).sum(axis=1), rows.size)

    def __call__(self, scales: Vector) -> float:
        """The deviation when block j is multiplied by ``scales[j]``."""
        mean = (scales @ self.sums) / self.count
        variance = float(np.square(scales) @ self.squares / self.count - mean**2)
        return math.sqrt(max(variance, 0.0))

    @property
    def shares(self) -> Vector:
        """How much each block weighs."""
        return np.sqrt(self.squares)


@dataclass(frozen=True)
class Largest:
    """Largest entry of a tensor, as a function of (positive) scales of its blocks."""

    highs: Vector

    @classmethod
    def of(cls, blocks: npt.ArrayLike) -> Largest:
        """Of a tensor cut into blocks along its first axis."""
        rows = np.asarray(blocks, dtype=np.float64)
        return cls(rows.reshape(len(rows), -1).max(axis=1))

    def __call__(self, scales: Vector) -> float:
        """The largest entry when block j is multiplied by ``scales[j]``."""
        return float((scales * self.highs).max())

    @property
    def shares(self) -> Vector:
        """How much each block weighs."""
        return np.maximum(self.highs, 0.0)


Size = Spread | Largest


def level(present: Vector, first: Vector, second: Vector) -> tuple[Vector, Vector]:
    """Scale two wanted curves so that no layer's product is below the present one.

    Correlations do not see a curve's level, so it is free. The first keeps its own; the second gets the
    lowest level at which every layer can be met.
    """
    return first, second * float((present / (first * second)).max())


def meet_both(first: Size, second: Size, wanted: tuple[float, float]) -> Vector:
    """Scales a block at which ``first(scales)`` and ``second(1 / scales)`` are what is wanted.

    Raises
    ------
    BadCheckpoint
        One block alone cannot change the product; or a wanted size is not positive, or too far away.
    """
    n_blocks = len(first.shares)
    if min(*wanted, first(np.ones(n_blocks)), second(np.ones(n_blocks))) <= 0.0:
        raise BadCheckpoint("a curve is not positive; scales keep signs and cannot match it")
    tilt = _tilt(first.shares, second.shares)

    def product(spread: float) -> float:
        scales = np.exp(spread * tilt)
        return float(np.log(first(scales)) + np.log(second(1.0 / scales)))

    goal = float(np.log(wanted[0]) + np.log(wanted[1]))
    # A goal that is the present product, to rounding, needs no spread.
    spread = 0.0 if abs(goal - product(0.0)) < 1e-12 else _rising(product, goal, 0.0, "the curves lie")
    scales = np.exp(spread * tilt)
    met: Vector = scales * (wanted[0] / first(scales))
    return met


def meet_sum(first: float, second: float, wanted: float) -> float:
    """The scale c at which ``first·c + second/c`` is what is wanted; its least where less is wanted."""
    best = math.sqrt(second / first)

    def total(log_scale: float) -> float:
        return math.log(first * best * math.exp(log_scale) + second / best * math.exp(-log_scale))

    goal = math.log(wanted)
    return best * math.exp(0.0 if goal <= total(0.0) else _rising(total, goal, 0.0, "the energy lies"))


def _tilt(first: Vector, second: Vector) -> Vector:
    """+1 for blocks that weigh more in the first tensor than in the second, -1 for the others."""
    if len(first) < 2:
        raise BadCheckpoint(
            "a block has a single scale, which preserves the product of the two sizes; "
            "both curves cannot be matched"
        )
    ratio = np.log(np.maximum(first, 1e-30)) - np.log(np.maximum(second, 1e-30))
    order = np.argsort(np.argsort(ratio, kind="stable"), kind="stable")
    tilt: Vector = np.where(order >= len(first) / 2, 1.0, -1.0)
    return tilt


def _rising(function: Callable[[float], float], goal: float, low: float, what: str) -> float:
    """Where a function that is below the goal at `low`, and above it further up, meets it."""
    high = low + 0.5
    while function(high) < goal:
        high = low + 2.0 * (high - low)
        if high > LARGEST_LOG_SPREAD:
            raise BadCheckpoint(f"{what} too far from the model's own values for float32 scales")
    for _ in range(STEPS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if function(middle) < goal else (low, middle)
    return 0.5 * (low + high)
