"""What several metrics weigh together: one log10 LR that accounts for what they share.

Metrics look at the same weights. Their likelihood ratios must not be multiplied; their scores are weighed
jointly instead (`analysis.evidence.logistic_fit`), on the pairs that all of them score, out of lineage,
and judged on pairs whose lineages took no part in the fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.evidence.labelled_pairs import LabelledPairs
from analysis.evidence.logistic_fit import LogisticFit
from analysis.evidence.lr_interval import METHOD, lr_interval
from analysis.evidence.negatives import ALTERNATIVES, LOOK_ALIKE
from analysis.evidence.out_of_lineage import OutOfLineage, too_few_lineages
from analysis.notebook import number
from analysis.results import Interval, Result
from analysis.table import ScoreTable, check_tables
from analysis.validation import (
    BadArgument,
    check_choice,
    check_probability,
    check_scores,
)

__all__ = ["Combination", "combine_evidence"]

Floats = npt.NDArray[np.float64]
PAIR: Final = ["model_a", "model_b"]


@dataclass(frozen=True, eq=False)
class Combination(Result):
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
        Bounds of `log10_lr`: the ELUB.
    n_derived, n_negative, n_lineages : int
        Pairs on which all metrics speak, and their lineages.
    negatives : str
        The alternative to derivation.
    reason : str
        Why there is none; everything else is then NaN or empty.
    table : ScoreTable or None
        Those pairs, each with its out-of-lineage log10 LR, before the bounds, as its score: it ranks.
    """

    _headline = "cllr"
    _shown = (
        "metrics", "slopes", "cllr", "cllr_min", "cllr_cal", "lower", "upper", "n_derived", "n_negative",
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
    n_negative: int
    n_lineages: int
    negatives: str
    reason: str
    table: ScoreTable | None = field(repr=False, compare=False, default=None)
    _fit: LogisticFit | None = field(repr=False, default=None)
    _pairs: LabelledPairs | None = field(repr=False, compare=False, default=None)

    @cached_property
    def _left_out(self) -> tuple[LogisticFit, ...]:
        """The fit with each lineage left out: whatever pair is asked about, these are the same."""
        return () if self._fit is None or self._pairs is None else self._pairs.left_out_fits(self._fit)

    def __str__(self) -> str:
        if self.reason:
            return f"no joint evidence of {', '.join(self.metrics)} ({self.reason})"
        return (
            f"{', '.join(self.metrics)} together: Cllr {number(self.cllr)} (min {number(self.cllr_min)}, cal"
            f" {number(self.cllr_cal)}); log10 LR from {number(self.lower)} to {number(self.upper)};"
            f" {self.n_derived:,} derived and {self.n_negative:,} {self.negatives} pairs of"
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

        Raises
        ------
        BadArgument
            Not one column for each metric.

        Examples
        --------
        >>> from analysis import combine_evidence, example_table
        >>> joint = combine_evidence([example_table("one"), example_table("two")])
        >>> float(joint.log10_lr([[9.0, 9.0]])[0]) == joint.upper
        True
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

        Raises
        ------
        BadArgument
            Not one score for each metric, or a level outside (0, 1).

        Examples
        --------
        >>> from analysis import combine_evidence, example_table
        >>> joint = combine_evidence([example_table("one"), example_table("two")])
        >>> value = joint.interval([3.0, 3.0])
        >>> joint.lower <= value.low <= value.estimate <= value.high <= joint.upper
        True
        """
        point = check_scores(scores, "scores")
        check_probability(level, "level")
        if point.shape != (len(self.metrics),):
            raise BadArgument(
                f"scores must have shape ({len(self.metrics)},), one of each of"
                f" {', '.join(self.metrics)}, not {point.shape}"
            )
        if self._fit is None or self._pairs is None:
            return Interval.undefined(self.reason, level=level, method=METHOD)
        bounds = (self.lower, self.upper)
        left_out = () if np.isnan(point).any() else self._left_out
        return lr_interval(self._pairs, self._fit, point, bounds, level, left_out=left_out)


def combine_evidence(tables: Sequence[ScoreTable], *, negatives: str = LOOK_ALIKE) -> Combination:
    """Weigh several metrics jointly as evidence that one model descends from the other.

    Parameters
    ----------
    tables : sequence of ScoreTable
        One a metric, of the same run; labels are taken from the first. One or more.
    negatives : {"look-alike", "independent", "sibling", "shared-init", "distilled"}
        The alternative to derivation, as in `calibrate_evidence`.

    Returns
    -------
    Combination
        Undefined, with the reason, where too few pairs or lineages have all scores.

    Raises
    ------
    BadArgument
        An argument is not what it must be: no table, or a metric twice.

    Notes
    -----
    Abstentions: only pairs on which every metric speaks are used. For a pair on which some abstain, combine
    the tables of those that speak: an abstention is then neither evidence nor filled in. Adding a metric that
    speaks on few pairs costs pairs, which `n_derived` and `n_lineages` show.

    Metrics are weighed by logistic regression on normal scores with slopes ≥ 0 and the penalty
    ``RIDGE/2 (Σ slopes)²``. What one metric alone comes to is what two copies of it come to; and what
    `calibrate_evidence` gives it.

    Examples
    --------
    >>> from analysis import combine_evidence, example_table
    >>> joint = combine_evidence([example_table("good"), example_table("noise", separation=0)])
    >>> {metric: round(slope, 1) for metric, slope in joint.slopes.items()}
    {'good': 3.0, 'noise': 0.4}
    >>> joint.log10_lr([[3.0, 0.5], [0.0, 0.5]]).round(2).tolist()
    [0.66, -0.68]
    """
    names = tuple(table.metric for table in check_tables(tables))
    check_choice(negatives, "negatives", ALTERNATIVES)
    if not tables:
        raise BadArgument("tables must hold at least one table, not none")
    joined = _joined(tables)
    scores = joined.frame[[_column(place) for place in range(len(names))]].to_numpy(dtype=np.float64)
    pairs = LabelledPairs.of(joined, scores, negatives)
    if not pairs.n_derived or not pairs.n_negative:
        return _without(names, negatives, f"no derived and {negatives} pairs that all of them score")
    reason = too_few_lineages(pairs, ", that all of them score")
    if reason:
        return _without(names, negatives, reason)
    fit = pairs.fit()
    found = OutOfLineage.of(pairs, fit)
    return Combination(
        metrics=names,
        slopes=dict(zip(names, fit.slopes.tolist(), strict=True)),
        cllr=found.cllr,
        cllr_min=found.cllr_min,
        cllr_cal=found.cllr - found.cllr_min,
        lower=found.lower,
        upper=found.upper,
        n_derived=pairs.n_derived,
        n_negative=pairs.n_negative,
        n_lineages=pairs.n_lineages,
        negatives=negatives,
        reason="",
        table=ScoreTable(joined.frame.iloc[pairs.rows].assign(score=found.weighed)),
        _fit=fit,
        _pairs=pairs,
    )


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
