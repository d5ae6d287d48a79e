"""Rising maps of a score, made from the weight that each class has at each of its levels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from analysis.results import Result

__all__ = [
    "ScoreMap",
    "class_weights",
    "isotonic_map",
    "log10_odds",
    "merged_levels",
    "normal_scores",
    "rising_share",
]

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
N_LEVELS: Final = 2_000
"""Distinct scores a fit looks at; more are merged by rank."""
SAFE_POWER: Final = 960
"""Numbers below 2 to this power can be summed."""
TAIL: Final = 0.003
"""Normal quantiles end here: beyond, a catalog has too few lineages to tell."""


@dataclass(frozen=True, eq=False)
class ScoreMap(Result):
    """A rising map of a score.

    Attributes
    ----------
    score, value : ndarray of float, shape (n,)
        Knots, by ascending score; linear between them, constant beyond.
    """

    score: Floats = field(repr=False)
    value: Floats = field(repr=False)

    def __call__(self, scores: Floats) -> Floats:
        """Map scores of any shape; NaN stays NaN."""
        mapped: Floats = np.interp(scores, self.score, self.value)
        return mapped


def merged_levels(score: Floats) -> tuple[Floats, Indices]:
    """Distinct scores, merged by rank to at most `N_LEVELS` means; and each score's place among them."""
    distinct, place, count = np.unique(score, return_inverse=True, return_counts=True)
    if len(distinct) <= N_LEVELS:
        return distinct, place
    # Equal scores stay together: each distinct score goes where its first one falls.
    first = np.cumsum(count) - count
    merged = np.unique((first * N_LEVELS / len(score)).astype(np.intp), return_inverse=True)[1]
    place = merged[place]
    # Sums of scores near the largest double would be infinite.
    power = max(0, int(np.frexp(np.abs(score).max())[1]) - SAFE_POWER)
    sums = np.bincount(place, np.ldexp(score, -power))
    return np.ldexp(sums / np.bincount(place), power), place


def class_weights(place: Indices, derived: npt.NDArray[np.bool_], weight: Floats, n: int) -> Floats:
    """Weight of independent (row 0) and derived pairs (row 1) at each of n places, shape (2, n)."""
    sums = [np.bincount(place[side], weight[side], n) for side in (~derived, derived)]
    return np.stack(sums).astype(np.float64)


def normal_scores(weight: Floats) -> Floats:
    """Put the levels of a score on a normal scale.

    Each is given the mean of two normal quantiles, of its place among derived and among independent pairs.
    Where some rising map makes both classes normal with one standard deviation, the log LR is linear in that;
    and it is unchanged by rising maps of the score, and not bent by outliers.

    Parameters
    ----------
    weight : ndarray of float, shape (2, n_levels)
        Of independent and derived pairs at each level, ascending; a level may have none.

    Returns
    -------
    ndarray of float, shape (n_levels,)
        Rising; all 0 where the levels with weight cannot be told apart.
    """
    share = weight / weight.sum(axis=1, keepdims=True)
    place = np.cumsum(share, axis=1) - share / 2
    x: Floats = ndtri(np.clip(place, TAIL, 1 - TAIL)).mean(axis=0)
    return x if np.ptp(x[share.sum(axis=0) > 0]) > 0 else np.zeros(len(x))


def isotonic_map(level: Floats, weight: Floats) -> ScoreMap:
    """Isotonic regression (PAV) of the class on the score, as log10 LR; infinite where a class is absent.

    Parameters
    ----------
    level : ndarray of float, shape (n_levels,)
    weight : ndarray of float, shape (2, n_levels)
        Of independent and derived pairs.
    """
    share = weight / weight.sum(axis=1, keepdims=True)
    return ScoreMap(level, log10_odds(rising_share(level, share[1], share.sum(axis=0))))


def rising_share(level: Floats, positive: Floats, total: Floats) -> Floats:
    """Share of the positive class at each level, as a rising map (pool adjacent violators).

    Parameters
    ----------
    level : ndarray of float, shape (n,)
        Ascending; levels without weight lie between their neighbours.
    positive, total : ndarray of float, shape (n,)
        Weight of the positive class, and of both.
    """
    from sklearn.isotonic import isotonic_regression  # a second; what is kept of a run is not fitted again

    held = total > 0
    fitted = isotonic_regression(positive[held] / total[held], sample_weight=total[held])
    value: Floats = np.interp(level, level[held], fitted)
    return value


def log10_odds(p: Floats) -> Floats:
    """Turn probabilities into log10 odds; infinite at 0 and 1."""
    p = np.clip(p, 0.0, 1.0)
    with np.errstate(divide="ignore"):
        odds: Floats = np.log10(p) - np.log10(1 - p)
    return odds
