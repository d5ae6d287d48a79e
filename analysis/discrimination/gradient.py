"""Rising maps from score to log10 LR, fitted on the weight that each class has at each score level."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtri
from sklearn.isotonic import isotonic_regression

from analysis.results import WithArrays

__all__ = [
    "Gradient",
    "histogram",
    "isotonic_gradient",
    "log10_odds",
    "logistic_gradient",
    "merged_levels",
    "rising_share",
]

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
N_LEVELS: Final = 2_000
"""Distinct scores a fit looks at; more are merged by rank."""
RIDGE: Final = 1e-3
"""Penalty on the slope: keeps it finite where classes do not overlap."""
TAIL: Final = 0.003
"""Normal quantiles end here: beyond, a catalog has too few lineages to tell."""


@dataclass(frozen=True, eq=False)
class Gradient(WithArrays):
    """A fitted rising map from score to log10 LR.

    Attributes
    ----------
    score, log10_lr : ndarray of float, shape (n,)
        Knots, ascending; linear between them, constant beyond.
    """

    score: Floats = field(repr=False)
    log10_lr: Floats = field(repr=False)

    def __call__(self, scores: Floats) -> Floats:
        """Map scores to log10 LR."""
        value: Floats = np.interp(scores, self.score, self.log10_lr)
        return value


def merged_levels(score: Floats) -> tuple[Floats, Indices]:
    """Distinct scores, merged by rank to at most `N_LEVELS` means; and each score's place among them."""
    distinct, place = np.unique(score, return_inverse=True)
    if len(distinct) <= N_LEVELS:
        return distinct, place
    order = np.argsort(place, kind="stable")
    rank = np.empty(len(score))
    rank[order] = np.arange(len(score))
    # Equal scores stay together: each distinct score goes where its first one falls.
    first = np.minimum.reduceat(rank[order], np.flatnonzero(np.diff(place[order], prepend=-1)))
    merged = np.unique((first * N_LEVELS / len(score)).astype(np.intp), return_inverse=True)[1]
    place = merged[place]
    means = np.bincount(place, score) / np.bincount(place)
    return means, place


def histogram(place: Indices, derived: npt.NDArray[np.bool_], weight: Floats, n: int) -> Floats:
    """Weight of independent (row 0) and derived pairs (row 1) at each level."""
    sums = [np.bincount(place[side], weight[side], n) for side in (~derived, derived)]
    return np.stack(sums).astype(np.float64)


def logistic_gradient(level: Floats, counts: Floats) -> Gradient:
    """Logistic regression on normal scores, both classes weighing the same: its log-odds are the log LR.

    In place of a raw score stands the mean of two normal quantiles, of its place among derived and among
    independent pairs. Where some rising map makes both classes normal with one standard deviation, the log LR
    is linear in that; and the fit is unchanged by rising maps of the metric, and not bent by outliers.
    """
    share = counts / counts.sum(axis=1, keepdims=True) / 2
    total = share.sum(axis=0)
    place = 2 * (np.cumsum(share, axis=1) - share / 2)
    x = ndtri(np.clip(place, TAIL, 1 - TAIL)).mean(axis=0)
    if np.ptp(x[total > 0]) == 0:
        return Gradient(level, np.zeros(len(level)))
    design = np.stack([np.ones_like(x), x])
    penalty = np.array([0.0, RIDGE])

    def loss(beta: Floats) -> float:
        odds = beta @ design
        value = share[1] @ np.logaddexp(0, -odds) + share[0] @ np.logaddexp(0, odds)
        return float(value + penalty @ beta**2 / 2)

    beta = np.zeros(2)
    now = loss(beta)
    for _ in range(100):
        p = expit(beta @ design)
        slope = design @ (total * p - share[1]) + penalty * beta
        curve = (design * (total * p * (1 - p))) @ design.T + np.diag(penalty + 1e-12)
        step = np.linalg.solve(curve, slope)
        size = 1.0
        while loss(beta - size * step) > now and size > 1e-8:
            size /= 2
        beta = beta - size * step
        before, now = now, loss(beta)
        if before - now < 1e-13:
            break
    beta[1] = max(beta[1], 0.0)
    return Gradient(level, beta @ design / math.log(10))


def isotonic_gradient(level: Floats, counts: Floats) -> Gradient:
    """Isotonic regression (PAV) of the class on the score, as log10 LR; infinite where a class is absent."""
    share = counts / counts.sum(axis=1, keepdims=True) / 2
    return Gradient(level, log10_odds(rising_share(level, share[1], share.sum(axis=0))))


def rising_share(level: Floats, positive: Floats, total: Floats) -> Floats:
    """Share of the positive class at each level, as a rising map (pool adjacent violators).

    Parameters
    ----------
    level : ndarray of float, shape (n,)
        Ascending; levels without weight lie between their neighbours.
    positive, total : ndarray of float, shape (n,)
        Weight of the positive class, and of both.
    """
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
