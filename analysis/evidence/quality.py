"""How good log10 LRs are: their cost in bits, the bounds that data support, and the curves that show both."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from analysis.evidence.score_map import class_weights, log10_odds, merged_levels, rising_share
from analysis.validation import check_class, check_scores, check_weight

__all__ = [
    "ELUB_GRID",
    "cllr",
    "cllr_min",
    "elub_cost",
    "empirical_bounds",
    "entropy_curves",
    "first_bound",
    "tippett_curves",
]

Floats = npt.NDArray[np.float64]
ELUB_GRID: Final = np.linspace(0, 6, 601)[1:]
"""log10 LRs that are tried as bounds."""


def cllr(
    log10_lr: npt.ArrayLike, positive: npt.NDArray[np.bool_], weight: npt.ArrayLike | None = None
) -> float:
    """Log-likelihood-ratio cost in bits, both classes weighing one half.

    Parameters
    ----------
    log10_lr : array_like of float, shape (n,)
        Infinite values are allowed; a misleading one costs infinity.
    positive : ndarray of bool, shape (n,)
        True for derived pairs; both classes must be there.
    weight : array_like of float, shape (n,), optional
        Of the pairs inside their class, 0 or more.

    Returns
    -------
    float
        0 for perfect answers, 1 for LR = 1 throughout, above 1 where they mislead.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Notes
    -----
    Cllr = ½ mean log2(1 + 1/LR) over derived pairs + ½ mean log2(1 + LR) over the others: Brümmer & du Preez
    2006, doi:10.1016/j.csl.2005.08.001.

    Examples
    --------
    >>> import numpy as np
    >>> from analysis import cllr
    >>> cllr(np.zeros(4), np.array([True, False, False, True]))
    1.0
    >>> round(cllr([1.0, -1.0], np.array([True, False])), 4)
    0.1375
    """
    value = check_scores(log10_lr, "log10_lr", nan=False)
    check_class(positive, "positive", len(value))
    return _cross_entropy(value, positive, _classwise(positive, weight), 0.0)


def cllr_min(
    score: npt.ArrayLike, positive: npt.NDArray[np.bool_], weight: npt.ArrayLike | None = None
) -> float:
    """Least Cllr that any rising map of the score reaches on these very pairs (pool adjacent violators).

    Parameters
    ----------
    score : array_like of float, shape (n,)
        Infinite ones rank.
    positive : ndarray of bool, shape (n,)
        True for derived pairs; both classes must be there.
    weight : array_like of float, shape (n,), optional
        Of the pairs inside their class, 0 or more.

    Returns
    -------
    float
        In [0, 1]; unchanged by rising maps of the score.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Notes
    -----
    Brümmer & du Preez 2006, doi:10.1016/j.csl.2005.08.001.

    Examples
    --------
    >>> import numpy as np
    >>> from analysis import cllr_min
    >>> positive = np.array([True, True, False, False])
    >>> cllr_min([4.0, 3.0, 2.0, 1.0], positive), round(cllr_min([4.0, 2.0, 3.0, 1.0], positive), 3)
    (0.0, 0.5)
    """
    value = check_scores(score, "score", nan=False)
    check_class(positive, "positive", len(value))
    return cllr(_pav(value, positive, _classwise(positive, weight)), positive, weight)


def empirical_bounds(
    log10_lr: Floats,
    positive: npt.NDArray[np.bool_],
    weight: Floats,
    n_positive: float,
    n_negative: float,
) -> tuple[float, float]:
    """Empirical lower and upper bound of LRs (ELUB; Vergeer, van Es, de Jongh, Alberink & Stoel 2016).

    The LRs may be used at a prior odds if deciding by them costs no more than deciding by the odds alone,
    with one misleading value added to each class. The bounds are the ends of the range around 1 in which that
    holds.

    Parameters
    ----------
    log10_lr : ndarray of float, shape (n,)
    positive : ndarray of bool, shape (n,)
    weight : ndarray of float, shape (n,)
    n_positive, n_negative : float
        Independent observations each class is worth: the misleading value weighs one of them.

    Returns
    -------
    lower, upper : float
        log10, lower ≤ 0 ≤ upper.
    """
    share = _classwise(positive, weight) * 2

    def of_class(of: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
        order = np.argsort(log10_lr[of], kind="stable")
        return log10_lr[of][order], np.append(np.cumsum(share[of][order][::-1])[::-1], 0.0)

    classes = of_class(positive), of_class(~positive)

    def cost(cuts: Floats) -> Floats:
        derived, other = (above[np.searchsorted(value, cuts, side="left")] for value, above in classes)
        return elub_cost(cuts, 1 - derived, other, n_positive, n_negative)

    upper = float(first_bound(cost(ELUB_GRID)))
    # From 0.0, so that a bound of nothing is not -0.
    return 0.0 - float(first_bound(cost(-ELUB_GRID) * 10**ELUB_GRID)), upper


def elub_cost(
    cuts: Floats, missed: Floats, accused: Floats, n_positive: npt.ArrayLike, n_negative: npt.ArrayLike
) -> Floats:
    """Cost of deciding by LRs at the odds of each cut, in that of saying "derived" of everything.

    Parameters
    ----------
    cuts : ndarray of float, shape (n_cuts,)
        log10.
    missed, accused : ndarray of float, shape (..., n_cuts)
        Share of positives below each cut, and of negatives at or above it.
    n_positive, n_negative : array_like
        Observations of each class; one misleading one is added.
    """
    n, m = np.asarray(n_positive, dtype=np.float64), np.asarray(n_negative, dtype=np.float64)
    cost: Floats = (missed * n + 1) / (n + 1) + 10**cuts * (accused * m + 1) / (m + 1)
    return cost


def first_bound(cost: Floats) -> Floats:
    """The last value of `ELUB_GRID` before LRs cost more than none (1), along the last axis."""
    worse = cost > 1 + 1e-9
    bound: Floats = np.where(worse.any(axis=-1), ELUB_GRID[worse.argmax(axis=-1)] - 0.01, ELUB_GRID[-1])
    return bound


def tippett_curves(log10_lr: Floats, positive: npt.NDArray[np.bool_], weight: Floats) -> dict[str, Floats]:
    """Shares of the weight of each class with at least each log10 LR, on a grid that holds them all.

    Parameters
    ----------
    log10_lr : ndarray of float, shape (n,)
        Finite.
    positive : ndarray of bool, shape (n,)
    weight : ndarray of float, shape (n,)

    Returns
    -------
    dict
        "log10_lr", "derived", "negative", each of shape (161,).
    """
    reach = max(1.0, float(np.ceil(np.abs(log10_lr).max() * 10) / 10))
    grid = np.linspace(-reach, reach, 161)
    share = _classwise(positive, weight) * 2
    curves = {"log10_lr": grid}
    for name, side in (("derived", positive), ("negative", ~positive)):
        order = np.argsort(log10_lr[side], kind="stable")
        above = np.append(np.cumsum(share[side][order][::-1])[::-1], 0.0)
        reached = above[np.searchsorted(log10_lr[side][order], grid - 1e-12, side="left")]
        curves[name] = np.minimum(reached, 1.0)
    return curves


def entropy_curves(
    log10_lr: Floats, score: Floats, positive: npt.NDArray[np.bool_], weight: Floats
) -> dict[str, Floats]:
    """Empirical cross-entropy in bits over prior odds from 1:1000 to 1000:1 (Ramos et al. 2013).

    Parameters
    ----------
    log10_lr : ndarray of float, shape (n,)
    score : ndarray of float, shape (n,)
        What PAV may remap.
    positive : ndarray of bool, shape (n,)
    weight : ndarray of float, shape (n,)

    Returns
    -------
    dict
        "log10_odds", "logistic" (these LRs), "pav", "neutral", each of shape (61,).
    """
    share = _classwise(positive, weight)
    prior = np.linspace(-3, 3, 61)
    best = _pav(score, positive, share)
    curves = {"log10_odds": prior}
    for name, values in (("logistic", log10_lr), ("pav", best), ("neutral", np.zeros(len(score)))):
        # Merged by value: PAV has few, and even a million logistic ones need no more than this grid shows.
        level, place = merged_levels(np.clip(values, -12, 12))
        merged = class_weights(place, positive, share, len(level))
        sides = np.repeat([False, True], len(level))
        curves[name] = np.array(
            [_cross_entropy(np.tile(level, 2), sides, merged.ravel(), float(odds)) for odds in prior]
        )
    return curves


def _classwise(positive: npt.NDArray[np.bool_], weight: npt.ArrayLike | None) -> Floats:
    """Weights with each class summing to one half."""
    value = np.ones(len(positive)) if weight is None else check_weight(weight, "weight", positive)
    total = np.array([value[~positive].sum(), value[positive].sum()])
    share: Floats = value / total[positive.astype(np.intp)] / 2
    return share


def _pav(score: Floats, positive: npt.NDArray[np.bool_], share: Floats) -> Floats:
    """log10 LR by PAV on the pairs themselves."""
    level, place = np.unique(score, return_inverse=True)
    # PAV sees ranks only: equal steps keep any score, infinite ones too, monotone and finite.
    p = rising_share(
        np.arange(len(level), dtype=np.float64),
        np.bincount(place, share * positive).astype(np.float64),
        np.bincount(place, share).astype(np.float64),
    )
    return log10_odds(p)[place]


def _cross_entropy(
    log10_lr: Floats, positive: npt.NDArray[np.bool_], share: Floats, prior_log10_odds: float
) -> float:
    """Empirical cross-entropy in bits at a prior; at even odds it is Cllr."""
    odds = (log10_lr + prior_log10_odds) * math.log(10)
    prior = expit(prior_log10_odds * math.log(10))
    bits = np.logaddexp(0, np.where(positive, -odds, odds)) / math.log(2)
    return float(np.sum(2 * share * np.where(positive, prior, 1 - prior) * bits))
