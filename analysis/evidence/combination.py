"""What several metrics weigh together: one log10 LR that accounts for what they share.

Metrics look at the same weights. Their likelihood ratios must not be multiplied; their scores are weighed
jointly instead (`analysis.evidence.joint_fit`), on the pairs on which all of them speak, out of lineage,
and judged on pairs whose lineages took no part in the fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import t as student

from analysis.discrimination.intervals import clopper_pearson, degrees_of_freedom, jackknife_variance
from analysis.evidence.joint_fit import JointFit, finite, fit_jointly, lineage_folds, lineage_weights
from analysis.evidence.likelihood_ratio import Evidence
from analysis.evidence.quality import cllr, cllr_min, empirical_bounds
from analysis.notebook import number
from analysis.results import Interval, WithArrays
from analysis.table import NEGATIVES, ScoreTable, check_table, check_tables
from analysis.validation import (
    BadArgument,
    check_choice,
    check_instance,
    check_number,
    check_probability,
    check_scores,
)

__all__ = ["Combination", "combine_evidence", "evidence_interval"]

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]
PAIR: Final = ["model_a", "model_b"]
FEWEST_HOLDERS: Final = 3
FEWEST_LINEAGES: Final = 4
METHOD: Final = (
    "lineage jackknife of the fit, Satterthwaite t, no surer than the exact limits of the shares beyond;"
    " within the bounds"
)


@dataclass(frozen=True, eq=False)
class Combination(WithArrays):
    """Joint evidence of one or several metrics, and its quality.

    Attributes
    ----------
    metrics : tuple of str
        In the order in which `log10_lr` takes their scores.
    slopes : dict of str to float
        Weight of each metric on a common (normal) scale; 0: it adds nothing to the others.
    cllr : float
        Log-likelihood-ratio cost in bits on pairs whose lineages took no part in the fit: 0 perfect, 1 as
        good as always saying LR = 1.
    cllr_min, cllr_cal : float
        The part that no monotone map takes away, and the rest.
    lower, upper : float
        Bounds of `log10_lr`: the narrower of ±log10(number of lineages) and the ELUB.
    n_derived, n_independent, n_lineages : int
        Pairs on which all metrics speak, and their lineages.
    negatives : str
        "independent" or "look-alike".
    reason : str
        Why there is none; everything else is then NaN or empty.
    table : ScoreTable or None
        Those pairs, each with its out-of-lineage log10 LR, before the bounds, as its score: it ranks.
    """

    _headline = "cllr"
    _shown = (
        "metrics", "slopes", "cllr", "cllr_min", "cllr_cal", "lower", "upper", "n_derived", "n_independent",
        "n_lineages", "negatives", "reason",
    )  # fmt: skip

    metrics: tuple[str, ...]
    slopes: dict[str, float]
    cllr: float
    cllr_min: float
    cllr_cal: float
    lower: float
    upper: float
    n_derived: int
    n_independent: int
    n_lineages: int
    negatives: str
    reason: str
    table: ScoreTable | None = field(repr=False, compare=False, default=None)
    _fit: JointFit | None = field(repr=False, default=None)
    _sample: Sample | None = field(repr=False, compare=False, default=None)

    def __str__(self) -> str:
        if self.reason:
            return f"no joint evidence of {', '.join(self.metrics)} ({self.reason})"
        return (
            f"{', '.join(self.metrics)} together: Cllr {number(self.cllr)} (min {number(self.cllr_min)}, cal"
            f" {number(self.cllr_cal)}); log10 LR from {number(self.lower)} to {number(self.upper)};"
            f" {self.n_derived:,} derived and {self.n_independent:,} {self.negatives} pairs of"
            f" {self.n_lineages:,} lineages"
        )

    @property
    def defined(self) -> bool:
        """Whether there is evidence."""
        return not self.reason

    def log10_lr(self, scores: npt.ArrayLike, *, bounded: bool = True) -> Floats:
        """Weigh pairs.

        Parameters
        ----------
        scores : array_like of float, shape (n, n_metrics)
        bounded : bool
            Within the bounds. Beyond them values rank, as those of `table`, but do not weigh.

        Returns
        -------
        ndarray of float, shape (n,)
            log10 LR; NaN where a score is NaN, and everywhere without evidence.
        """
        values = np.atleast_2d(check_scores(scores, "scores", ndim=None))
        if values.ndim > 2 or values.shape[1] != len(self.metrics):
            raise BadArgument(
                f"scores must have shape (n, {len(self.metrics)}), a column for each of"
                f" {', '.join(self.metrics)}, not {values.shape}"
            )
        if self._fit is None:
            return np.full(len(values), np.nan)
        found = self._fit(values)
        return np.clip(found, self.lower, self.upper) if bounded else found

    def interval(self, scores: npt.ArrayLike, level: float = 0.95) -> Interval:
        """Give the log10 LR of one pair with its interval over lineages.

        Parameters
        ----------
        scores : array_like of float, shape (n_metrics,)
        level : float

        Returns
        -------
        Interval
            Both ends are within the bounds. The fit is repeated with each lineage left out; besides, the end
            towards 0 is no surer than the exact limits of the shares of pairs that weigh at least as much.
        """
        point = check_scores(scores, "scores")
        check_probability(level, "level")
        if point.shape != (len(self.metrics),):
            raise BadArgument(
                f"scores must have shape ({len(self.metrics)},), one of each of"
                f" {', '.join(self.metrics)}, not {point.shape}"
            )
        if self._fit is None or self._sample is None:
            return Interval.undefined(self.reason, level=level, method=METHOD)
        return self._sample.interval(point, self._fit, (self.lower, self.upper), level)


@dataclass(frozen=True)
class Sample:
    """The pairs of a fit: scores, lineages of both ends, classes and weights."""

    scores: Floats
    code: Indices
    derived: Mask
    weight: Floats
    n_models: int
    n_lineages: int

    @classmethod
    def of(cls, table: ScoreTable, scores: Floats) -> Sample:
        """Make it of the derived and independent pairs of a table, all of which have scores."""
        code = np.stack([table.lineage_a, table.lineage_b]).astype(np.intp)
        weight = lineage_weights(code, table.derived)
        return cls(finite(scores), code, table.derived, weight, len(table.models), len(table.lineages))

    @property
    def n_holders(self) -> int:
        """Lineages with derived pairs."""
        return len(np.unique(self.code[0][self.derived]))

    def interval(self, point: Floats, fit: JointFit, bounds: tuple[float, float], level: float) -> Interval:
        """Give the log10 LR of one pair with its interval, both within bounds."""
        if np.isnan(point).any():
            return Interval.undefined("a metric has no score of this pair", level=level, method=METHOD)
        estimate = float(fit(point[None])[0])
        folds = self.left_out_one_by_one(point, fit)
        reach = float(student.ppf((1 + level) / 2, degrees_of_freedom(folds)))
        half = reach * math.sqrt(jackknife_variance(folds))
        low, high = estimate - half, estimate + half
        limit = self.exact_limit(fit, float(np.clip(estimate, *bounds)), level)
        low, high = (min(low, limit), high) if estimate >= 0 else (low, max(high, limit))
        value, low, high = np.clip([estimate, low, high], *bounds).tolist()
        return Interval(
            value,
            low,
            high,
            level,
            METHOD,
            n_pairs=len(self.derived),
            n_models=self.n_models,
            n_lineages=self.n_lineages,
        )

    def fit(self, rows: Mask, start: JointFit | None) -> JointFit | None:
        """Fit on some pairs; None without both classes."""
        if not (self.derived[rows].any() and (~self.derived[rows]).any()):
            return None
        return fit_jointly(self.scores[rows], self.derived[rows], self.weight[rows], start)

    def held_out(self, start: JointFit) -> Floats:
        """log10 LR of each pair by fits on pairs of other groups of lineages; 0 where none can be."""
        group = lineage_folds(self.code, self.derived)[self.code]
        low, high = group.min(axis=0), group.max(axis=0)
        n = int(group.max()) + 1
        value = np.zeros(len(self.derived))
        for k, m in np.unique(np.stack([low, high], axis=1), axis=0):
            here = (low == k) & (high == m)
            others = (low != k) & (low != m) & (high != k) & (high != m)
            fitted = self.fit(others, start) if n > 2 else None
            if fitted is not None:
                value[here] = fitted(self.scores[here])
        return value

    def left_out_one_by_one(self, point: Floats, start: JointFit) -> Floats:
        """log10 LR of one pair, each lineage left out in turn."""
        found = []
        for lineage in range(self.n_lineages):
            fitted = self.fit((self.code != lineage).all(axis=0), start)
            if fitted is not None:
                found.append(float(fitted(point[None])[0]))
        return np.array(found)

    def exact_limit(self, fit: JointFit, value: float, level: float) -> float:
        """How sure the shares of pairs beyond a value can make anyone, as log10 LR.

        For a value above 0 the lower limit of the share of derived pairs that weigh at least as much over
        the upper limit of that of independent pairs; below 0 the other way round. Derived pairs count a trial
        a lineage, independent ones half of that (pairs that share no lineage).
        """
        weighs = fit(self.scores)
        beyond = weighs >= value - 1e-9 if value >= 0 else weighs <= value + 1e-9
        ours, theirs = (
            float(np.clip(self.weight[side & beyond].sum() / self.weight[side].sum(), 0.0, 1.0))
            for side in (self.derived, ~self.derived)
        )
        mine = clopper_pearson(ours, self.n_holders, level)
        other = clopper_pearson(theirs, self.n_lineages / 2, level)
        over, under = (mine[0], other[1]) if value >= 0 else (mine[1], other[0])
        return math.log10(max(over, 1e-12) / max(under, 1e-12))


def combine_evidence(tables: Sequence[ScoreTable], *, negatives: str = "independent") -> Combination:
    """Weigh several metrics jointly as evidence that one model descends from the other.

    Parameters
    ----------
    tables : sequence of ScoreTable
        One a metric, of the same run; labels are taken from the first.
    negatives : {"independent", "look-alike"}
        The alternative to derivation.

    Returns
    -------
    Combination

    Notes
    -----
    Abstentions: only pairs on which every metric speaks are used. For a pair on which some abstain, combine
    the tables of those that speak: an abstention is then neither evidence nor filled in. Adding a metric that
    speaks on few pairs costs pairs, which `n_derived` and `n_lineages` show.

    Metrics are weighed by logistic regression on normal scores with slopes ≥ 0 and the penalty
    ``RIDGE/2 (Σ slopes)²``. Exactly what one metric alone comes to is what two copies of it come to.

    Raises
    ------
    ValueError
        No table, or a metric twice.
    """
    names = tuple(table.metric for table in check_tables(tables))
    check_choice(negatives, "negatives", NEGATIVES)
    if not tables:
        raise BadArgument("tables must hold at least one table, not none")
    joined = _joined(tables)
    used = joined.derived | joined.negatives(negatives)
    table = ScoreTable(joined.frame[used]) if used.any() else None
    holders = 0 if table is None else len(np.unique(table.lineage_a[table.derived]))
    lineages = 0 if table is None else len(table.lineages)
    if table is None or not table.derived.any() or not table.independent.any():
        return _without(names, negatives, f"no derived and {negatives} pairs on which all of them speak")
    if holders < FEWEST_HOLDERS or lineages < FEWEST_LINEAGES:
        reason = (
            f"{holders} lineages with derived pairs, of {lineages} in all, on which all of them speak:"
            f" it takes at least {FEWEST_HOLDERS} of {FEWEST_LINEAGES} to weigh one by the others"
        )
        return _without(names, negatives, reason)

    derived = table.derived
    columns = [_column(place) for place in range(len(names))]
    sample = Sample.of(table, table.frame[columns].to_numpy(dtype=np.float64))
    everything = fit_jointly(sample.scores, derived, sample.weight)
    weighed = sample.held_out(everything)
    bound = math.log10(lineages)
    lower, upper = empirical_bounds(weighed, derived, sample.weight, holders, lineages / 2)
    lower, upper = max(-bound, lower), min(bound, upper)
    held_out = np.clip(weighed, lower, upper)
    cost, least = cllr(held_out, derived, sample.weight), cllr_min(weighed, derived, sample.weight)
    return Combination(
        metrics=names,
        slopes=dict(zip(names, everything.slopes.tolist(), strict=True)),
        cllr=cost,
        cllr_min=least,
        cllr_cal=cost - least,
        lower=lower,
        upper=upper,
        n_derived=int(derived.sum()),
        n_independent=int(table.independent.sum()),
        n_lineages=lineages,
        negatives=negatives,
        reason="",
        table=table.with_scores(weighed),
        _fit=everything,
        _sample=sample,
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
    evidence : Evidence
        Of `calibrate_evidence`; its bounds are kept.
    level : float

    Returns
    -------
    Interval
        As `Combination.interval`.
    """
    check_table(table)
    check_number(score, "score", nan=True)
    check_instance(evidence, "evidence", Evidence, "analysis.calibrate_evidence(table) makes one")
    check_probability(level, "level")
    if evidence.reason:
        return Interval.undefined(evidence.reason, level=level, method=METHOD)
    used = table.comparable & (table.derived | table.independent)
    kept = table if used.all() else ScoreTable(table.frame[used])
    sample = Sample.of(kept, kept.score[:, None])
    fit = fit_jointly(sample.scores, sample.derived, sample.weight)
    bounds = (evidence.lower, evidence.upper)
    return sample.interval(np.array([float(score)]), fit, bounds, level)


def _column(place: int) -> str:
    return f"score {place}"


def _joined(tables: Sequence[ScoreTable]) -> ScoreTable:
    """Pairs on which all metrics speak, with a column of scores for each."""
    parts = [
        table.frame.loc[table.comparable, [*PAIR, "score"]].rename(columns={"score": _column(place)})
        for place, table in enumerate(tables)
    ]
    scores = reduce(lambda left, right: left.merge(right, on=PAIR), parts)
    labels = tables[0].frame.assign(metric="+".join(table.metric for table in tables))
    joined: pd.DataFrame = labels.merge(scores, on=PAIR)
    return ScoreTable(joined)


def _without(names: tuple[str, ...], negatives: str, reason: str) -> Combination:
    nan = math.nan
    return Combination(names, {}, nan, nan, nan, nan, nan, 0, 0, 0, negatives, reason)
