"""One log10 LR from one or several scores of a pair: a logistic regression that counts what they share once.

The log-odds are linear in the normal scores of the metrics, with slopes that are never negative (a metric
says "higher is more alike") and a penalty on the square of their sum. Two metrics that say the same therefore
share one slope and come to exactly what one of them comes to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.evidence.score_map import ScoreMap
from analysis.results import Result

__all__ = ["LogisticFit", "logistic_coefficients"]

Floats = npt.NDArray[np.float64]
RIDGE: Final = 1e-3
"""Penalty on the sum of the slopes: keeps it finite where classes do not overlap."""
NEAR: Final = 1e-6
"""Gradient at which the minimiser has told which slopes are zero; the root-finder then makes it vanish."""
MOST: Final = 1_000
"""Evaluations of the loss; some twenty are usual."""
DAMPING: Final = 1e-9
"""Added to the curvature: two metrics that say the same leave it singular."""


@dataclass(frozen=True, eq=False)
class LogisticFit(Result):
    """A fitted map from scores to one log10 LR.

    Attributes
    ----------
    scales : tuple of ScoreMap
        Score → normal score, one a metric.
    intercept : float
    slopes : ndarray of float, shape (n_metrics,)
        On normal scores, natural logarithms; not negative.
    """

    scales: tuple[ScoreMap, ...] = field(repr=False)
    intercept: float
    slopes: Floats

    def __call__(self, scores: Floats) -> Floats:
        """Map scores, shape (..., n_metrics), to log10 LR without bounds; NaN where one is NaN."""
        return self.weigh(np.stack([scale(scores[..., place]) for place, scale in enumerate(self.scales)]))

    def weigh(self, normal: Floats) -> Floats:
        """Map normal scores, shape (n_metrics, ...), to log10 LR."""
        value: Floats = (self.intercept + np.einsum("i...,i->...", normal, self.slopes)) / math.log(10)
        return value


def logistic_coefficients(
    design: Floats, weight: Floats, start: Floats | None = None
) -> tuple[float, Floats]:
    """Minimise the class-balanced log loss + RIDGE/2 (Σ slopes)² over the intercept and slopes ≥ 0.

    Parameters
    ----------
    design : ndarray of float, shape (n_metrics, n)
    weight : ndarray of float, shape (2, n)
        Of the negative and the positive class at each column; each sums to 1/2.
    start : ndarray of float, shape (1 + n_metrics,), optional
        Where to begin: the coefficients of a similar fit save steps.

    Returns
    -------
    intercept : float
    slopes : ndarray of float, shape (n_metrics,)

    Notes
    -----
    A bounded truncated Newton method (Nash 1984; scipy's TNC) tells which slopes are zero. It compares
    losses, whose rounding hides the last half of the digits; so the gradient of the others is then made to
    vanish by Powell's hybrid method (MINPACK), and the result does not depend on where the search began.

    Neither calls BLAS or LAPACK, and sums are by einsum: with threads, L-BFGS-B's tiny matrices take twenty
    times as long on a busy machine, and digits would depend on their number.
    """
    from scipy.optimize import minimize, root  # imported where something is fitted

    problem = _Problem(np.concatenate([np.ones((1, design.shape[1])), design]), weight)
    n = len(problem.x)
    near = minimize(
        problem.loss,
        np.zeros(n) if start is None else start,
        jac=True,
        method="TNC",
        bounds=[(None, None), *[(0.0, None)] * (n - 1)],
        options={"gtol": NEAR, "ftol": 0.0, "xtol": 0.0, "maxfun": MOST},
    ).x
    free = np.flatnonzero((near > 0) | (np.arange(n) == 0))
    while True:
        part = _Problem(problem.x[free], weight)
        found = root(part.gradient, near[free], jac=part.curvature, tol=1e-14).x
        below = (found < 0) & (free > 0)
        if not below.any():
            break
        free = free[~below]
    beta = np.zeros(n)
    beta[free] = found
    return float(beta[0]), beta[1:]


def _einsum(subscripts: str, *operands: Floats) -> Floats:
    value: Floats = np.einsum(subscripts, *operands)
    return value


@dataclass(frozen=True)
class _Problem:
    """The loss of coefficients, with its derivatives; of a constant (row 0) and some metrics.

    Attributes
    ----------
    x : ndarray of float, shape (1 + n_metrics, n)
    weight : ndarray of float, shape (2, n)
    """

    x: Floats
    weight: Floats

    @cached_property
    def _total(self) -> Floats:
        total: Floats = self.weight.sum(axis=0)
        return total

    @cached_property
    def _target(self) -> Floats:
        return _einsum("in,n->i", self.x, self.weight[1])

    def _odds(self, beta: Floats) -> tuple[Floats, Floats, Floats]:
        """Log-odds, exp(-|log-odds|), probability."""
        odds = _einsum("in,i->n", self.x, beta)
        small = np.exp(-np.abs(odds))
        return odds, small, np.where(odds >= 0, 1.0, small) / (1 + small)

    def _slope(self, beta: Floats, p: Floats) -> Floats:
        slope = _einsum("in,n->i", self.x, self._total * p) - self._target
        slope[1:] += RIDGE * beta[1:].sum()
        return slope

    def loss(self, beta: Floats) -> tuple[float, Floats]:
        odds, small, p = self._odds(beta)
        cost = _einsum("n,n->", self._total, np.maximum(odds, 0) + np.log1p(small))
        cost += RIDGE * beta[1:].sum() ** 2 / 2 - _einsum("n,n->", self.weight[1], odds)
        return float(cost), self._slope(beta, p)

    def gradient(self, beta: Floats) -> Floats:
        return self._slope(beta, self._odds(beta)[2])

    def curvature(self, beta: Floats) -> Floats:
        p = self._odds(beta)[2]
        curve = _einsum("in,jn->ij", self.x * (self._total * p * (1 - p)), self.x)
        curve[1:, 1:] += RIDGE
        return curve + DAMPING * np.eye(len(beta))
