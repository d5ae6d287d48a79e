"""Two metrics on the same pairs: whether one is better, or only saw other models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.discrimination.intervals import difference_interval, difference_p_value
from analysis.discrimination.wins import Wins
from analysis.notebook import Shown, number
from analysis.results import Interval
from analysis.table import NEGATIVES, ScoreTable, check_table, check_tables
from analysis.validation import check_choice, check_instances, check_probability

__all__ = ["Comparison", "compare_all", "compare_metrics", "holm"]

Floats = npt.NDArray[np.float64]
METHOD: Final = (
    "paired difference, same lineage jackknife, random weights, one additional lineage that separates them;"
    " pair-weighted"
)


@dataclass(frozen=True)
class Comparison(Shown):
    """The difference of two metrics' AUC on the pairs that both could score.

    Attributes
    ----------
    metric_a, metric_b : str
        The two metrics; the difference is the first less the second.
    negatives : str
        "look-alike" or "independent".
    auc_a, auc_b : float
        On the common pairs; NaN where undefined.
    difference : Interval
        auc_a - auc_b.
    p_value : float
        Two-sided, of no difference.
    adjusted_p_value : float
        Holm over the family of comparisons made together; equals `p_value` for one.
    reason : str
        Why something is undefined; empty otherwise.
    """

    _headline = "difference"

    metric_a: str
    metric_b: str
    negatives: str
    auc_a: float
    auc_b: float
    difference: Interval
    p_value: float
    adjusted_p_value: float
    reason: str = ""

    def __str__(self) -> str:
        pair = f"{self.metric_a} less {self.metric_b}"
        if not self.difference.defined:
            return f"{pair}: undefined ({self.reason})"
        return (
            f"{pair}: {self.difference._cell()} (AUC {number(self.auc_a)} and {number(self.auc_b)} against"
            f" {self.negatives} pairs; p {number(self.p_value)}, adjusted {number(self.adjusted_p_value)})"
        )


def compare_metrics(
    table_a: ScoreTable, table_b: ScoreTable, negatives: str = "look-alike", level: float = 0.95
) -> Comparison:
    """Compare two metrics on the pairs that both scored.

    Parameters
    ----------
    table_a, table_b : ScoreTable
        Pairs are matched by the names of their models; labels are taken from the first.
    negatives : {"look-alike", "independent"}
        What derived pairs are told from.
    level : float
        Nominal coverage of the difference's interval, in (0, 1).

    Returns
    -------
    Comparison
        AUC of the first less AUC of the second; undefined with a reason where no pair is common.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Notes
    -----
    The difference's error comes from the same delete-one-lineage folds of both AUCs: pairs that share a
    lineage are neither independent within a metric nor between metrics. Their pseudo-values are weighed at
    random, with one lineage more on which the AUCs are a half apart (`analysis.discrimination.intervals`).

    Examples
    --------
    >>> from analysis import compare_metrics, example_table
    >>> better, weaker = example_table("better"), example_table("weaker", separation=1.5)
    >>> print(compare_metrics(better, weaker))
    better less weaker: 0.1497 [-0.0008623, 0.3039] (AUC 0.9864 and 0.8367 against look-alike pairs; p
    0.05148, adjusted 0.05148)
    """
    check_table(table_a, "table_a")
    check_table(table_b, "table_b")
    check_choice(negatives, "negatives", NEGATIVES)
    check_probability(level, "level")
    other = _scores_in_rows_of(table_a, table_b)
    both = table_a.comparable & ~np.isnan(other)
    wins = [
        Wins.of(
            table_a,
            negatives,
            positive=table_a.derived & both,
            negative=table_a.independent & both,
            score=score,
        )
        for score in (table_a.score, other)
    ]
    return _compared(table_a.metric, table_b.metric, negatives, wins[0], wins[1], level)


def compare_all(
    tables: Sequence[ScoreTable],
    negatives: str = "look-alike",
    level: float = 0.95,
    *,
    focus: str | None = None,
) -> tuple[Comparison, ...]:
    """Compare every two metrics, with Holm's correction over the family.

    Parameters
    ----------
    tables : sequence of ScoreTable
        One a metric.
    negatives : {"look-alike", "independent"}
        What derived pairs are told from.
    level : float
        Nominal coverage of the differences' intervals, in (0, 1).
    focus : str, optional
        The metric that the question is about. Its comparisons with the others are then one family and those
        among the others another, so that k metrics cost it a correction for k - 1 tests and not k(k - 1)/2;
        and it stands first in each of its comparisons.

    Returns
    -------
    tuple of Comparison
        In the order of the tables, the focus first. Comparisons without a p-value take no part in the
        correction.

    Raises
    ------
    BadArgument
        An argument is not what it must be: a metric twice, or no table of the metric in focus.

    Examples
    --------
    >>> from analysis import compare_all, example_table
    >>> tables = [example_table(name, separation=k) for k, name in enumerate(("noise", "weak", "good"))]
    >>> for found in compare_all(tables, focus="good"):
    ...     print(f"{found.metric_a} - {found.metric_b}: adjusted p {found.adjusted_p_value:.3f}")
    good - noise: adjusted p 0.000
    good - weak: adjusted p 0.125
    noise - weak: adjusted p 0.001
    """
    metrics = [table.metric for table in check_tables(tables)]
    check_choice(negatives, "negatives", NEGATIVES)
    check_probability(level, "level")
    if focus is not None:
        check_choice(focus, "focus", metrics)
    ordered = sorted(tables, key=lambda table: table.metric != focus)
    found = [compare_metrics(a, b, negatives, level) for a, b in combinations(ordered, 2)]
    asked = [one for one in found if one.metric_a == focus]
    others = [one for one in found if one.metric_a != focus]
    return (*holm(asked), *holm(others))


def holm(family: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """Adjust the p-values of comparisons that are made together.

    Parameters
    ----------
    family : sequence of Comparison
        Those without a p-value take no part in the correction.

    Returns
    -------
    tuple of Comparison
        In their order, with the adjusted p-values.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Notes
    -----
    Holm's procedure (1979, Scandinavian Journal of Statistics 6:65) over the two one-sided hypotheses of each
    comparison: the chance of any wrong statement, a wrong direction included, is at most the level, whatever
    the dependence. (Over two-sided p-values it is not known to bound wrong directions: Shaffer 1980,
    doi:10.1214/aos/1176345205.)

    Examples
    --------
    >>> from analysis import compare_metrics, example_table, holm
    >>> one = compare_metrics(example_table("better"), example_table("weaker", separation=1.5))
    >>> [found.adjusted_p_value == 2 * one.p_value for found in holm([one, one])]
    [True, True]
    """
    adjusted = list(check_instances(family, "family", Comparison))
    tested = [i for i, one in enumerate(family) if not math.isnan(one.p_value)]
    if tested:
        # Of the two directions of a comparison one p-value is half the two-sided one; the other is larger
        # than 1/2 and never rejected, so that it only counts.
        order = sorted(tested, key=lambda i: family[i].p_value)
        worst = 0.0
        for rejected, i in enumerate(order):
            worst = max(worst, min(1.0, (2 * len(order) - rejected) * family[i].p_value / 2))
            adjusted[i] = replace(family[i], adjusted_p_value=worst)
    return tuple(adjusted)


def _scores_in_rows_of(table: ScoreTable, other: ScoreTable) -> Floats:
    """Scores of the same pairs in another table; NaN where it has none."""
    names = ["model_a", "model_b"]
    if len(table) == len(other) and table.frame[names].equals(other.frame[names]):
        return other.score
    place = pd.MultiIndex.from_frame(other.frame[names]).get_indexer(
        pd.MultiIndex.from_frame(table.frame[names])
    )
    if not len(other):
        return np.full(len(table), np.nan)
    return np.where(place >= 0, other.score[place], np.nan)


def _compared(metric_a: str, metric_b: str, negatives: str, a: Wins, b: Wins, level: float) -> Comparison:
    if not a.n_positive:
        reason = f"no derived pair and {negatives} pair that both metrics scored can be compared"
        nothing = Interval.undefined(reason, level=level, method=METHOD)
        return Comparison(
            metric_a, metric_b, negatives, math.nan, math.nan, nothing, math.nan, math.nan, reason
        )
    folds = a.jackknife() - b.jackknife()
    difference = difference_interval(
        a.estimate - b.estimate,
        folds,
        level,
        METHOD,
        units=min(a.units, b.units),
        n_pairs=a.n_positive + a.n_negative,
        n_models=a.n_models,
        n_lineages=a.n_lineages,
    )
    p, reason = math.nan, difference.reason
    if not reason:
        p = difference_p_value(difference.estimate, folds, min(a.units, b.units))
    return Comparison(metric_a, metric_b, negatives, a.estimate, b.estimate, difference, p, p, reason)
