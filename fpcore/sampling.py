"""How much of a model is read, and what it costs a score that this was not all."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Estimate", "Sample", "mean_of_sample", "within"]

Index = NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """A seeded part of a model: the same places in every model of one shape.

    Attributes
    ----------
    share : float
        Of what is sampled (layers, rows, …), in (0, 1].
    seed : int
        Of the draw. Scores of different seeds or shares are not to be mixed.

    Examples
    --------
    A quarter of 32 layers, with one layer from each four that follow each other:

    >>> import fpcore
    >>> sample = fpcore.Sample(0.25)
    >>> sample.places(32, "layers")
    array([ 3,  7,  9, 15, 19, 20, 24, 28])
    >>> sample.key
    'sample-0.25-0'
    """

    share: float
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 < self.share <= 1.0:
            raise ValueError(f"sample: a share of {self.share:g} is not above 0 and at most 1")

    @property
    def key(self) -> str:
        """What names it in a cache."""
        return f"sample-{self.share:g}-{self.seed}"

    def places(self, count: int, what: str, *, fewest: int = 1) -> Index:
        """Some of `count` places, ascending: one drawn from each of equal stretches.

        Parameters
        ----------
        count : int
            Places that there are.
        what : str
            Names the draw: different things are drawn independently.
        fewest : int
            Places that are taken whatever the share, if there are so many.

        Returns
        -------
        ndarray of int, (share of count, rounded up,)
        """
        wanted = min(count, max(fewest, math.ceil(self.share * count - 1e-9)))
        edges = np.linspace(0.0, count, wanted + 1)
        starts = np.ceil(edges[:-1] - 1e-9).astype(np.int64)
        sizes = np.ceil(edges[1:] - 1e-9) - starts
        text = f"{self.seed}/{what}/{count}/{wanted}"
        rng = np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
        found: Index = starts + (rng.random(wanted) * sizes).astype(np.int64)
        return found


class Estimate(float):
    """A score of a sample: a number that knows its standard error.

    Attributes
    ----------
    standard_error : float
        Of the score as an estimate of what all of both models would give; NaN where one place alone was
        sampled.

    Examples
    --------
    >>> import fpcore
    >>> score = fpcore.Estimate(0.93, 0.01)
    >>> score > 0.9, score.standard_error
    (True, 0.01)
    """

    standard_error: float

    def __new__(cls, value: float, standard_error: float) -> Estimate:
        """A value with its standard error."""
        made = super().__new__(cls, value)
        made.standard_error = standard_error
        return made

    def __reduce__(self) -> tuple[type[Estimate], tuple[float, float]]:
        return Estimate, (float(self), self.standard_error)


def mean_of_sample(values: Sequence[float] | NDArray[np.floating], count: int) -> float:
    """The mean of values at some of `count` places: an `Estimate` where there are fewer values.

    Its standard error is that of a draw without replacement, ``sd sqrt((1 - n / count) / n)``; for places
    drawn from equal stretches it errs to the safe side where neighbours are alike.
    """
    found = np.asarray(values, dtype=np.float64)
    mean, n = float(found.mean()), len(found)
    if n >= count:
        return mean
    spread = float(found.std(ddof=1)) if n > 1 else math.nan
    return Estimate(mean, spread * math.sqrt((1.0 - n / count) / n))


def within(score: float, low: float, high: float) -> float:
    """A score held within the range that it has but for rounding; an `Estimate` stays one."""
    held = min(max(float(score), low), high)
    return Estimate(held, score.standard_error) if isinstance(score, Estimate) else held
