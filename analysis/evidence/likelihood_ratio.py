"""From scores to weight of evidence: likelihood ratios fitted out of lineage, within what data support.

A log10 LR of 1 says: this score is ten times more probable between a model and its descendant than between
models of two lineages. It is fitted with every lineage weighing the same (derived pairs share their lineage's
weight, independent pairs that of their two lineages), and judged on pairs whose lineages took no part in
the fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from analysis.discrimination.gradient import (
    Gradient,
    histogram,
    isotonic_gradient,
    logistic_gradient,
    merged_levels,
)
from analysis.evidence.quality import (
    cllr,
    cllr_min,
    empirical_bounds,
    entropy_curves,
    tippett_curves,
)
from analysis.notebook import number
from analysis.results import WithArrays
from analysis.table import ScoreTable, check_table
from analysis.validation import check_choice, check_scores

__all__ = ["Evidence", "calibrate_evidence"]

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Method = Literal["logistic", "isotonic"]
N_FOLDS: Final = 10
"""Groups of lineages left out together; with fewer lineages every lineage is a group."""


@dataclass(frozen=True, eq=False)
class Evidence(WithArrays):
    """Calibrated evidence of a metric, and its quality.

    Attributes
    ----------
    cllr : float
        Log-likelihood-ratio cost in bits of the out-of-lineage logistic LRs: 0 perfect, 1 as good as always
        saying LR = 1, above 1 misleading.
    cllr_min : float
        The part that no monotone map of the score can take away (discrimination), by PAV on the score.
    cllr_cal : float
        The rest: cllr - cllr_min.
    cllr_isotonic : float
        The cost of out-of-lineage LRs by isotonic regression instead of the logistic.
    lower, upper : float
        Bounds that `log10_lr` keeps: the narrower of ±log10(number of lineages) and the empirical lower and
        upper bound (ELUB).
    max_abs_log10_lr : float
        The larger of the two in size: no evidence from this catalog can weigh more.
    n_derived, n_independent, n_lineages : int
        Pairs and lineages it rests on.
    reason : str
        Why there is no evidence; everything else is then NaN or empty.
    tippett : dict of str to ndarray
        "log10_lr", and the shares of "derived" and "independent" weight with at least that LR.
    ece : dict of str to ndarray
        Empirical cross-entropy in bits over prior "log10_odds": "logistic", "pav" and "neutral".
    held_out : ndarray of float, shape (n_derived + n_independent,)
        Bounded out-of-lineage log10 LRs: derived pairs, then independent ones, in the order of the table.
    """

    cllr: float
    cllr_min: float
    cllr_cal: float
    cllr_isotonic: float
    lower: float
    upper: float
    max_abs_log10_lr: float
    n_derived: int
    n_independent: int
    n_lineages: int
    reason: str
    tippett: dict[str, Floats] = field(repr=False)
    ece: dict[str, Floats] = field(repr=False)
    held_out: Floats = field(repr=False)
    logistic: Gradient | None = field(repr=False, default=None)
    isotonic: Gradient | None = field(repr=False, default=None)

    def log10_lr(self, scores: npt.ArrayLike, method: Method = "logistic") -> Floats:
        """Weigh scores: log10 of the likelihood ratio, within the bounds.

        Parameters
        ----------
        scores : array_like of float
        method : {"logistic", "isotonic"}

        Returns
        -------
        ndarray of float
            Same shape; rising with the score, between `lower` and `upper`. NaN for NaN, and everywhere where
            there is no evidence (see `reason`).
        """
        values = check_scores(scores, "scores", ndim=None)
        check_choice(method, "method", ("logistic", "isotonic"))
        fitted = self.logistic if method == "logistic" else self.isotonic
        if fitted is None:
            return np.full(values.shape, np.nan)
        return np.clip(fitted(values), self.lower, self.upper)

    def __str__(self) -> str:
        if self.reason:
            return f"no evidence ({self.reason})"
        return (
            f"Cllr {number(self.cllr)} (min {number(self.cllr_min)}, cal {number(self.cllr_cal)}); log10 LR"
            f" from {number(self.lower)} to {number(self.upper)}; {self.n_derived:,} derived and"
            f" {self.n_independent:,} independent pairs of {self.n_lineages:,} lineages"
        )

    def _cell(self) -> str:
        return f"Cllr {number(self.cllr)}"


def calibrate_evidence(table: ScoreTable) -> Evidence:
    """Calibrate scores as evidence that one model descends from the other.

    Parameters
    ----------
    table : ScoreTable
        Comparable derived and independent pairs are used.

    Returns
    -------
    Evidence

    Notes
    -----
    Out-of-lineage: lineages are dealt to ten groups (each its own with fewer lineages), by falling number of
    derived pairs. A pair of groups (k, l) is weighed by a fit on the pairs that touch neither group; mixed
    pairs are in neither part. That is 55 fits, each on a histogram of at most 2,000 score levels, so their
    cost does not grow with the table.

    Bounds: with G lineages no LR beyond G can be backed by data; and the ELUB (Vergeer et al. 2016) is the
    range in which acting on the LRs, plus one misleading lineage on each side, costs no more than ignoring
    them at every prior odds. Independent lineage pairs count as G/2.
    """
    check_table(table)
    ours = np.flatnonzero(table.derived & table.comparable)
    theirs = np.flatnonzero(table.independent & table.comparable)
    rows = np.concatenate([ours, theirs])
    g = np.unique(np.concatenate([table.lineage_a[rows], table.lineage_b[rows]]))
    holders = len(np.unique(table.lineage_a[ours]))
    if not len(ours) or not len(theirs):
        side = "derived" if not len(ours) else "independent"
        return _without(f"no {side} pair has a score", len(ours), len(theirs), len(g))
    if holders < 3 or len(g) < 4:
        reason = (
            f"{holders} lineages with derived pairs, of {len(g)} in all:"
            " it takes at least 3 of 4 to weigh one by the others"
        )
        return _without(reason, len(ours), len(theirs), len(g))

    code = np.searchsorted(g, np.stack([table.lineage_a[rows], table.lineage_b[rows]]))
    derived = np.arange(len(rows)) < len(ours)
    weight = _lineage_weights(code, derived)
    score = _finite(table.score[rows])
    level, place = merged_levels(score)

    fold = _folds(code, derived, len(g))[code]
    logistic, isotonic = _out_of_lineage(level, place, derived, weight, fold)
    bound = math.log10(len(g))
    lower, upper = empirical_bounds(logistic, derived, weight, holders, len(g) / 2)
    lower, upper = max(-bound, lower), min(bound, upper)
    held_out = np.clip(logistic, lower, upper)
    minimum = cllr_min(score, derived, weight)
    cost = cllr(held_out, derived, weight)

    everything = histogram(place, derived, weight, len(level))
    return Evidence(
        cllr=cost,
        cllr_min=minimum,
        cllr_cal=cost - minimum,
        cllr_isotonic=cllr(np.clip(isotonic, lower, upper), derived, weight),
        lower=lower,
        upper=upper,
        max_abs_log10_lr=max(-lower, upper),
        n_derived=len(ours),
        n_independent=len(theirs),
        n_lineages=len(g),
        reason="",
        tippett=tippett_curves(held_out, derived, weight),
        ece=entropy_curves(held_out, score, derived, weight),
        held_out=held_out,
        logistic=logistic_gradient(level, everything),
        isotonic=isotonic_gradient(level, everything),
    )


def _without(reason: str, n_derived: int, n_independent: int, n_lineages: int) -> Evidence:
    nan = math.nan
    return Evidence(
        nan, nan, nan, nan, nan, nan, nan, n_derived, n_independent, n_lineages, reason, {}, {}, np.empty(0)
    )


def _lineage_weights(code: Indices, derived: npt.NDArray[np.bool_]) -> Floats:
    """Weights that make every lineage (of derived pairs) and every lineage pair count the same."""
    n = int(code.max()) + 1
    group = np.minimum(code[0], code[1]) * n + np.maximum(code[0], code[1])
    weight = np.empty(len(derived))
    for side in (derived, ~derived):
        inverse, counts = np.unique(group[side], return_inverse=True, return_counts=True)[1:]
        weight[side] = 1 / (counts[inverse] * len(counts))
    return weight


def _finite(score: Floats) -> Floats:
    """Infinite scores as just beyond the finite ones: they rank, and a fit stays finite."""
    finite = score[np.isfinite(score)]
    if not len(finite):
        return np.sign(score)
    step = float(np.std(finite)) or 1.0
    return np.clip(score, finite.min() - step, finite.max() + step)


def _folds(code: Indices, derived: npt.NDArray[np.bool_], n_lineages: int) -> Indices:
    """Group of each lineage: dealt out by falling number of derived pairs, so that all groups hold some."""
    held = np.bincount(code[0][derived], minlength=n_lineages)
    order = np.argsort(-held, kind="stable")
    fold = np.empty(n_lineages, dtype=np.intp)
    fold[order] = np.arange(n_lineages) % min(N_FOLDS, n_lineages)
    return fold


def _out_of_lineage(
    level: Floats,
    place: Indices,
    derived: npt.NDArray[np.bool_],
    weight: Floats,
    fold: Indices,
) -> tuple[Floats, Floats]:
    """log10 LR of each pair by fits on pairs of other groups, logistic and isotonic; 0 where none can be."""
    n = int(fold.max()) + 1
    low, high = np.minimum(fold[0], fold[1]), np.maximum(fold[0], fold[1])
    cell = low * n + high
    counts = np.bincount(
        (cell * 2 + derived) * len(level) + place, weight, minlength=n * n * 2 * len(level)
    ).reshape(n, n, 2, len(level))
    logistic, isotonic = np.zeros(len(place)), np.zeros(len(place))
    order = np.argsort(cell, kind="stable")
    starts = np.searchsorted(cell[order], np.arange(n * n + 1))
    for k in range(n):
        for m in range(k, n):
            here = order[starts[k * n + m] : starts[k * n + m + 1]]
            if not len(here):
                continue
            others = np.setdiff1d(np.arange(n), [k, m])
            train = counts[np.ix_(others, others)].sum(axis=(0, 1))
            if (train.sum(axis=1) > 0).all():
                logistic[here] = logistic_gradient(level, train)(level)[place[here]]
                isotonic[here] = isotonic_gradient(level, train)(level)[place[here]]
    return logistic, isotonic
