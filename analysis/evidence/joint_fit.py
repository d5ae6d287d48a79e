"""One log10 LR from several scores of a pair: a logistic regression that counts what metrics share once.

Every score is first put on a common scale, its normal score: the mean of two normal quantiles, of its place
among derived and among independent pairs. The log-odds are then linear in the normal scores, with slopes that
are never negative (a metric says "higher is more alike") and a penalty on the square of their sum. Two
metrics that say the same therefore share one slope and come to exactly what one of them comes to; and one
metric alone gets what `analysis.discrimination.gradient.logistic_gradient` gives it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtri

from analysis.discrimination.gradient import RIDGE, TAIL, Gradient
from analysis.results import WithArrays

__all__ = ["JointFit", "finite", "fit_jointly", "lineage_folds", "lineage_weights"]

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]
N_FOLDS: Final = 10
"""Groups of lineages left out together; with fewer lineages every lineage is a group."""
STEPS: Final = 60
DAMPING: Final = 1e-9
"""Added to the curvature: two metrics that say the same leave it singular."""


@dataclass(frozen=True, eq=False)
class JointFit(WithArrays):
    """A fitted map from several scores to one log10 LR.

    Attributes
    ----------
    scales : tuple of Gradient
        Score → normal score, one a metric.
    intercept : float
    slopes : ndarray of float, shape (n_metrics,)
        On normal scores, natural logarithms; not negative.
    """

    scales: tuple[Gradient, ...]
    intercept: float
    slopes: Floats

    def __call__(self, scores: Floats) -> Floats:
        """Map scores, shape (n, n_metrics), to log10 LR without bounds, shape (n,); NaN where one is NaN."""
        columns = [scale(scores[:, place]) for place, scale in enumerate(self.scales)]
        value: Floats = (self.intercept + np.stack(columns, axis=1) @ self.slopes) / math.log(10)
        return value


def fit_jointly(scores: Floats, derived: Mask, weight: Floats, start: JointFit | None = None) -> JointFit:
    """Fit a `JointFit` on pairs of both classes, each class weighing one half.

    Parameters
    ----------
    scores : ndarray of float, shape (n, n_metrics)
        Finite.
    derived : ndarray of bool, shape (n,)
        Both classes are there.
    weight : ndarray of float, shape (n,)
        Of the pairs inside their class.
    start : JointFit, optional
        Where to begin: a fit on nearly the same pairs saves steps.
    """
    share = np.where(derived, weight / weight[derived].sum(), weight / weight[~derived].sum()) / 2
    scales = tuple(_normal_scale(column, derived, share) for column in scores.T)
    design = np.stack([scale(column) for scale, column in zip(scales, scores.T, strict=True)], axis=1)
    beta = np.zeros(1 + design.shape[1])
    if start is not None:
        beta = np.concatenate([[start.intercept], start.slopes])
    beta = _least_cost(np.column_stack([np.ones(len(design)), design]), derived, share, beta)
    return JointFit(scales, float(beta[0]), beta[1:])


def _normal_scale(score: Floats, derived: Mask, share: Floats) -> Gradient:
    level, place = np.unique(score, return_inverse=True)
    counts = np.stack([np.bincount(place, np.where(side, share, 0.0)) for side in (~derived, derived)])
    rank = 2 * (np.cumsum(counts, axis=1) - counts / 2)
    x = ndtri(np.clip(rank, TAIL, 1 - TAIL)).mean(axis=0)
    return Gradient(level, x if np.ptp(x) > 0 else np.zeros(len(level)))


def _least_cost(design: Floats, derived: Mask, share: Floats, beta: Floats) -> Floats:
    """Minimise class-balanced log loss + RIDGE/2 (Σ slopes)² over slopes ≥ 0, by projected Newton steps."""
    n = design.shape[1]
    target = design.T @ np.where(derived, share, 0.0)
    penalty = np.zeros((n, n))
    penalty[1:, 1:] = RIDGE
    sign = np.where(derived, -1.0, 1.0)

    def loss(b: Floats) -> float:
        return float(share @ np.logaddexp(0, sign * (design @ b)) + b @ penalty @ b / 2)

    now = loss(beta)
    for _ in range(STEPS):
        p = expit(design @ beta)
        slope = design.T @ (share * p) - target + penalty @ beta
        # A slope at zero that wants to be negative stays there (Bertsekas 1982).
        free = np.flatnonzero(~((beta <= 0) & (slope > 0) & (np.arange(n) > 0)))
        curve = (design[:, free].T * (share * p * (1 - p))) @ design[:, free] + penalty[np.ix_(free, free)]
        step = np.linalg.solve(curve + DAMPING * np.eye(len(free)), slope[free])
        size, after, moved = 1.0, math.inf, beta
        while size > 1e-8:
            moved = beta.copy()
            moved[free] -= size * step
            moved[1:] = np.maximum(moved[1:], 0.0)
            after = loss(moved)
            if after <= now:
                break
            size /= 2
        if after > now or now - after < 1e-13:
            break
        beta, now = moved, after
    return beta


def lineage_weights(code: Indices, derived: Mask) -> Floats:
    """Weights by which every lineage (of derived pairs) and every two lineages (of independent ones) count 1.

    Parameters
    ----------
    code : ndarray of int, shape (2, n)
        Lineages of both ends.
    derived : ndarray of bool, shape (n,)

    Returns
    -------
    ndarray of float, shape (n,)
        Each class sums to 1.
    """
    n = int(code.max()) + 1
    group = code.min(axis=0) * n + code.max(axis=0)
    weight = np.empty(len(derived))
    for side in (derived, ~derived):
        inverse, counts = np.unique(group[side], return_inverse=True, return_counts=True)[1:]
        weight[side] = 1 / (counts[inverse] * max(len(counts), 1))
    return weight


def lineage_folds(code: Indices, derived: Mask, most: int = N_FOLDS) -> Indices:
    """Group of each lineage: dealt out by falling number of derived pairs, so that all groups hold some."""
    n = int(code.max()) + 1
    held = np.bincount(code[0][derived], minlength=n)
    fold = np.empty(n, dtype=np.intp)
    fold[np.argsort(-held, kind="stable")] = np.arange(n) % min(most, n)
    return fold


def finite(scores: Floats) -> Floats:
    """Infinite scores as just beyond the finite ones of their column: they rank, and a fit stays finite."""
    found: list[Floats] = []
    for column in scores.T:
        inside = column[np.isfinite(column)]
        if not len(inside):
            found.append(np.sign(column))
            continue
        step = float(np.std(inside)) or 1.0
        found.append(np.clip(column, inside.min() - step, inside.max() + step))
    return np.stack(found, axis=1)
