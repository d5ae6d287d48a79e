"""The log10 LR of one pair with an interval over lineages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from analysis.discrimination.intervals import clopper_pearson, degrees_of_freedom, jackknife_variance
from analysis.evidence.labelled_pairs import LabelledPairs
from analysis.evidence.likelihood_ratio import Evidence, evidence_pairs
from analysis.evidence.logistic_fit import LogisticFit
from analysis.results import Interval
from analysis.table import ScoreTable, check_table
from analysis.validation import check_instance, check_number, check_probability

__all__ = ["METHOD", "evidence_interval", "lr_interval"]

Floats = npt.NDArray[np.float64]
METHOD: Final = (
    "lineage jackknife of the fit, Satterthwaite t, no narrower than the exact limits of the shares beyond;"
    " clipped to the bounds"
)


def evidence_interval(
    table: ScoreTable, score: float, evidence: Evidence, *, level: float = 0.95
) -> Interval:
    """Give the log10 LR of one score under one metric's evidence, with its interval over lineages.

    Parameters
    ----------
    table : ScoreTable
        What `evidence` was calibrated on.
    score : float
        NaN: no score, then no evidence.
    evidence : Evidence
        Of `calibrate_evidence`; its bounds are kept.
    level : float
        Nominal coverage, in (0, 1).

    Returns
    -------
    Interval
        As `Combination.interval`: the fit is repeated with each lineage left out; besides, the end towards 0
        is no surer than the exact limits of the shares of pairs that weigh at least as much.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Examples
    --------
    >>> from analysis import calibrate_evidence, evidence_interval, example_table
    >>> table = example_table()
    >>> print(evidence_interval(table, 3.0, calibrate_evidence(table))._cell())
    0.69 [0.02858, 0.69]
    """
    check_table(table)
    check_number(score, "score", nan=True)
    check_instance(evidence, "evidence", Evidence, "analysis.calibrate_evidence(table) makes one")
    check_probability(level, "level")
    if evidence.logistic is None:
        return Interval.undefined(evidence.reason, level=level, method=METHOD)
    bounds = (evidence.lower, evidence.upper)
    return lr_interval(
        evidence_pairs(table, evidence.negatives), evidence.logistic, np.array([float(score)]), bounds, level
    )


def lr_interval(
    pairs: LabelledPairs,
    fit: LogisticFit,
    scores: Floats,
    bounds: tuple[float, float],
    level: float,
    *,
    left_out: Sequence[LogisticFit] | None = None,
) -> Interval:
    """Give the log10 LR of one pair with its interval.

    The fit is repeated with each lineage left out; besides, the end towards 0 is no surer than the exact
    limits of the shares of pairs that weigh at least as much.

    Parameters
    ----------
    pairs : LabelledPairs
        Those that were fitted.
    fit : LogisticFit
    scores : ndarray of float, shape (n_metrics,)
    bounds : (float, float)
        Within which the estimate and both ends are kept.
    level : float
    left_out : sequence of LogisticFit, optional
        What `LabelledPairs.left_out_fits` gives, where it is there already.
    """
    if np.isnan(scores).any():
        return Interval.undefined("a metric has no score of this pair", level=level, method=METHOD)
    estimate = float(fit(scores))
    left_out = pairs.left_out_fits(fit) if left_out is None else left_out
    folds = np.array([float(without(scores)) for without in left_out])
    reach = float(stdtrit(degrees_of_freedom(folds), (1 + level) / 2))
    half = reach * math.sqrt(jackknife_variance(folds))
    low, high = estimate - half, estimate + half
    limit = _exact_limit(pairs, fit, float(np.clip(estimate, *bounds)), level)
    low, high = (min(low, limit), high) if estimate >= 0 else (low, max(high, limit))
    value, low, high = np.clip([estimate, low, high], *bounds).tolist()
    return Interval(
        value,
        low,
        high,
        level,
        METHOD,
        n_pairs=len(pairs.derived),
        n_models=pairs.n_models,
        n_lineages=pairs.n_lineages,
    )


def _exact_limit(pairs: LabelledPairs, fit: LogisticFit, value: float, level: float) -> float:
    """How sure the shares of pairs beyond a value can make anyone, as log10 LR.

    For a value above 0 the lower limit of the share of derived pairs that weigh at least as much over the
    upper limit of that of negatives; below 0 the other way round. Derived pairs count a trial a lineage,
    negatives as many as `LabelledPairs.negative_units`.
    """
    weighs = fit(pairs.scores)
    beyond = weighs >= value - 1e-9 if value >= 0 else weighs <= value + 1e-9
    ours, theirs = (
        float(pairs.weight[side & beyond].sum() / pairs.weight[side].sum())
        for side in (pairs.derived, ~pairs.derived)
    )
    mine = clopper_pearson(ours, pairs.n_holders, level)
    other = clopper_pearson(theirs, pairs.negative_units, level)
    over, under = (mine[0], other[1]) if value >= 0 else (mine[1], other[0])
    return math.log10(max(over, 1e-12) / max(under, 1e-12))
