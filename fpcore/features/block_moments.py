"""Moments of one block of stored numbers: float32 sums where they are sure to do, float64 everywhere else."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fpcore.errors import BadCheckpoint
from fpcore.storage.element_types import MINIFLOATS, Minifloat, Raw, Real, real_numbers

__all__ = ["BlockMoments", "Moments", "exact_moments", "pooled"]

BLOCK: Final = 1 << 17
"""Numbers at a time: what is made of them stays in a core's cache."""
EXACT: Final = 1 << 15
"""Numbers at a time in float64."""
RUN: Final = 512
"""Numbers that are added up in float32 before float64 takes over. A processor has 32 or more partial sums,
each of at most 16 of them, so that a sum of squares is off by 1.3e-6 of itself at the very most."""
SMALLEST_SQUARE, LARGEST_SQUARE = 1e-24, 1e30
"""Mean squares between which no square that matters leaves float32."""
CENTRED: Final = 0.25
"""Where the variance is less than this share of the mean square, a difference of the two loses digits."""


@dataclass(frozen=True)
class Moments:
    """Moments of a population of weights.

    Attributes
    ----------
    count : int
    mean, std : float
        `std` is the population standard deviation (divisor `count`).
    low, high : float
        Smallest and largest value.
    std_error, norm_error : float
        What measuring slices in place of all adds: standard errors of `std` and `norm`; 0 where all counted.
    """

    count: int
    mean: float
    std: float
    low: float
    high: float
    std_error: float = 0.0
    norm_error: float = 0.0

    @property
    def max_abs(self) -> float:
        """Largest absolute value."""
        return max(abs(self.low), abs(self.high))

    @property
    def norm(self) -> float:
        """Frobenius norm."""
        return math.sqrt(self.count) * math.hypot(self.std, self.mean)


def pooled(parts: Iterable[Moments]) -> Moments:
    """Moments of the union of several populations, which were all measured whole."""
    count, mean, spread, low, high = 0, 0.0, 0.0, math.inf, -math.inf
    for part in parts:
        step = part.mean - mean
        total = count + part.count
        spread += part.count * part.std**2 + step**2 * count * part.count / total
        mean += step * part.count / total
        count, low, high = total, min(low, part.low), max(high, part.high)
    if not count:
        raise ValueError("there is nothing to pool")
    return Moments(count, mean, math.sqrt(spread / count), low, high)


def exact_moments(values: Real) -> Moments:
    """Moments of some numbers, in float64.

    Raises
    ------
    BadCheckpoint
        A value is NaN or infinite, or there is none.
    """
    flat = values.reshape(-1)
    return pooled(_exact(flat[start : start + EXACT]) for start in range(0, max(1, flat.size), EXACT))


def _exact(block: Real) -> Moments:
    values: NDArray[np.float64] = block.astype(np.float64, copy=False)
    if not values.size:
        raise BadCheckpoint("is empty")
    low, high = float(values.min()), float(values.max())
    check_finite(low, high)
    mean = float(values.mean())
    centred = values - mean
    return Moments(values.size, mean, math.sqrt(float(np.square(centred).mean())), low, high)


def check_finite(low: float, high: float) -> None:
    """Refuse extremes that are NaN or infinite."""
    if not math.isfinite(low) or not math.isfinite(high):
        raise BadCheckpoint("holds NaN" if math.isnan(low) or math.isnan(high) else "holds infinite values")


class BlockMoments:
    """Moments of many stored numbers, a block at a time, with buffers of its own: one for each thread.

    A block's sum and sum of squares are those of runs in float32, added up in float64. Where that is not
    sure to give the deviation within 1e-6 (values far from their mean's magnitude, too large or too small to
    be squared in float32) the block is done again in float64.
    """

    def __init__(self) -> None:
        self._bits = np.empty(BLOCK, np.uint32)
        self._ones = np.ones(RUN, np.float32)

    def of(self, raw: Raw, dtype: str) -> Moments:
        """Moments of some numbers as they are stored; whatever their number, in blocks of the same size.

        Parameters
        ----------
        raw : ndarray
            Contiguous, of the type that `CARRIERS` names.
        dtype : str
            Torch's name of the element type.

        Raises
        ------
        BadCheckpoint
            A value is NaN or infinite, or there is none.
        """
        flat = raw.reshape(-1)
        whole = flat.size // RUN * RUN
        if flat.dtype == np.float64 or not whole:
            return exact_moments(real_numbers(flat, dtype))
        kind = MINIFLOATS.get(dtype)
        low, high = real_extremes(flat) if kind is None else extremes(flat, kind)
        if low == high:
            return Moments(flat.size, low, 0.0, low, high)
        squares, sums = np.empty((2, whole // RUN), np.float32)
        with np.errstate(over="ignore", invalid="ignore"):  # squares beyond float32 are seen below
            for start in range(0, whole, BLOCK):
                block = flat[start : min(start + BLOCK, whole)]
                values = block if kind is None else self._spread(block, kind)
                runs = values.reshape(-1, RUN)
                rows = slice(start // RUN, start // RUN + len(runs))
                np.vecdot(runs, runs, out=squares[rows])
                np.vecdot(runs, self._ones, out=sums[rows])
        return pooled(self._parts(flat, dtype, squares, sums, low, high))

    def _parts(
        self,
        flat: Raw,
        dtype: str,
        squares: NDArray[np.float32],
        sums: NDArray[np.float32],
        low: float,
        high: float,
    ) -> Iterator[Moments]:
        """Moments of each block by the sums of its runs where they will do, and of what is no whole run."""
        whole = len(sums) * RUN
        starts = range(0, whole, BLOCK)
        for start, square, total in zip(starts, _by_block(squares), _by_block(sums), strict=True):
            stop = min(start + BLOCK, whole)
            square /= stop - start
            mean = total / (stop - start)
            variance = square - mean * mean
            if SMALLEST_SQUARE < square < LARGEST_SQUARE and variance > CENTRED * square:
                yield Moments(stop - start, mean, math.sqrt(variance), low, high)
            else:
                yield exact_moments(real_numbers(flat[start:stop], dtype))
        if whole < flat.size:
            yield exact_moments(real_numbers(flat[whole:], dtype))

    def _spread(self, raw: Raw, kind: Minifloat) -> NDArray[np.float32]:
        """Short floats as float32, those of each place in 32 bits together: moments know no order."""
        words = raw.view(np.uint32)
        lanes = 32 // kind.bits
        for lane in range(lanes):
            bits = self._bits[lane * words.size : (lane + 1) * words.size]
            moved = 32 - kind.bits * (lane + 1)
            source = words
            if moved:
                source = np.left_shift(source, np.uint32(moved), out=bits)
            if kind.shift:
                np.right_shift(source.view(np.int32), np.int32(kind.shift), out=bits.view(np.int32))
                source = bits
            if kind.shift or lane:  # the numbers before it, and copies of the sign
                np.bitwise_and(source, np.uint32(kind.kept), out=bits)
        values = self._bits[: raw.size].view(np.float32)
        return values if kind.scale == 1.0 else np.multiply(values, kind.scale, out=values)


def _by_block(runs: NDArray[np.float32]) -> list[float]:
    """Sums over the runs of each block, in float64; the last block may have fewer."""
    each = BLOCK // RUN
    whole = len(runs) // each * each
    sums: list[float] = runs[:whole].reshape(-1, each).sum(axis=1, dtype=np.float64).tolist()
    if whole < len(runs):
        sums.append(float(runs[whole:].sum(dtype=np.float64)))
    return sums


def real_extremes(values: Raw) -> tuple[float, float]:
    """Smallest and largest number; what is not finite is refused."""
    low, high = float(values.min()), float(values.max())
    check_finite(low, high)
    return low, high


def extremes(raw: Raw, kind: Minifloat) -> tuple[float, float]:
    """Smallest and largest of short floats, by their bits; what is not finite is refused."""
    signed = raw.view(np.int8 if kind.bits == 8 else np.int16)
    # As integers, numbers with the sign bit follow those without, and both grow away from zero.
    most, furthest = int(signed.max()), int(raw.max())
    if most < 0 or furthest < kind.sign:
        nearest = int(raw.min())
        largest, smallest = (nearest, furthest) if most < 0 else (most, nearest)
    else:
        largest, smallest = most, furthest
    beyond = [code & (kind.sign - 1) for code in (largest, smallest) if code & (kind.sign - 1) > kind.largest]
    if beyond:
        raise BadCheckpoint("holds infinite values" if set(beyond) == {kind.infinity} else "holds NaN")
    if kind.unsigned_zero and int(signed.min()) == -kind.sign:
        raise BadCheckpoint("holds NaN")
    return float(kind.table[smallest]) + 0.0, float(kind.table[largest]) + 0.0
