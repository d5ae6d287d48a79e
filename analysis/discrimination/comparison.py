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

from analysis.discrimination.intervals import Difference, difference_intervals, difference_p_values
from analysis.discrimination.wins import Wins
from analysis.notebook import number
from analysis.results import Interval, Result
from analysis.table import NEGATIVES, ScoreTable, check_table, check_tables
from analysis.validation import check_choice, check_instances, check_probability

__all__ = ["Comparison", "compare_all", "compare_metrics", "holm"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]
METHOD: Final = (
    "paired difference, same lineage jackknife, random weights, one additional lineage that separates them;"
    " pair-weighted"
)


@dataclass(frozen=True, eq=False)
class Comparison(Result):
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
    return _compared([(table_a, table_b)], negatives, level)[0]


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
    found = _compared(list(combinations(ordered, 2)), negatives, level)
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


@dataclass(frozen=True, eq=False)
class _Side:
    """What one metric makes of some common pairs: what its AUC is, and what without each lineage."""

    auc: float
    folds: Floats
    units: float
    n_pairs: int
    n_models: int
    n_lineages: int
    reason: str

    @classmethod
    def of(cls, table: ScoreTable, score: Floats, both: Mask, negatives: str) -> _Side:
        """Scores of a table's pairs, by that table's labels."""
        wins = Wins.of(
            table, negatives, positive=table.derived & both, negative=table.independent & both, score=score
        )
        known = bool(wins.n_positive)
        return cls(
            wins.estimate if known else math.nan,
            wins.jackknife() if known else np.zeros(0),
            wins.units,
            wins.n_positive + wins.n_negative,
            wins.n_models,
            wins.n_lineages,
            "" if known else f"no derived pair and {negatives} pair that both metrics scored can be compared",
        )


class _Sides:
    """The sides of many comparisons: one that several comparisons have is counted once."""

    def __init__(self, negatives: str) -> None:
        self._negatives = negatives
        self._pairs: dict[int, ScoreTable] = {}
        self._places: dict[tuple[int, int], Places] = {}
        self._known: dict[tuple[int, int, bytes], _Side] = {}

    def of(self, a: ScoreTable, b: ScoreTable) -> tuple[_Side, _Side]:
        """Both metrics on the pairs that both could score; pairs and labels are those of the first."""
        labels = self._like(a)
        other = self._scores_in_rows_of(labels, b)
        both = a.comparable & ~np.isnan(other)
        return self._side(labels, a, a.score, both), self._side(labels, b, other, both)

    def _side(self, labels: ScoreTable, table: ScoreTable, score: Floats, both: Mask) -> _Side:
        """That of a table whose scores are given in the rows of the labels."""
        key = id(labels), id(table), np.packbits(both).tobytes()
        if key not in self._known:
            self._known[key] = _Side.of(labels, score, both, self._negatives)
        return self._known[key]

    def _scores_in_rows_of(self, labels: ScoreTable, table: ScoreTable) -> Floats:
        """Scores of the same pairs in another table; NaN where it has none."""
        if not len(table):
            return np.full(len(labels), np.nan)
        like = self._like(table)
        if like is labels:
            return table.score
        key = id(labels), id(like)
        if key not in self._places:
            self._places[key] = _places_of(labels, like)
        place = self._places[key]
        return np.where(place >= 0, table.score[place], np.nan)

    def _like(self, table: ScoreTable) -> ScoreTable:
        """The first table asked about that has the same pairs with the same labels."""
        if id(table) not in self._pairs:
            firsts = {id(one): one for one in self._pairs.values()}.values()
            self._pairs[id(table)] = next((one for one in firsts if _same_pairs(one, table)), table)
        return self._pairs[id(table)]


def _same_pairs(a: ScoreTable, b: ScoreTable) -> bool:
    """Whether two tables differ in their scores alone, as far as a comparison can tell."""
    return (
        np.array_equal(a.models, b.models)
        and np.array_equal(a.relation, b.relation)
        and np.array_equal(a.lineages, b.lineages)
        and np.array_equal(a.cells, b.cells)
        and all(
            np.array_equal(getattr(a, name), getattr(b, name))
            for name in ("model_a", "model_b", "lineage_of", "cell_of")
        )
    )


def _places_of(table: ScoreTable, other: ScoreTable) -> Places:
    """Where the pairs of a table stand in another; -1 where it has none."""
    names = ["model_a", "model_b"]
    return pd.MultiIndex.from_frame(other.frame[names]).get_indexer(
        pd.MultiIndex.from_frame(table.frame[names])
    )


def _compared(
    pairs: Sequence[tuple[ScoreTable, ScoreTable]], negatives: str, level: float
) -> list[Comparison]:
    """Compare metrics, two at a time; each comparison is to the bit as it would be alone."""
    counted = _Sides(negatives)
    sides = [counted.of(a, b) for a, b in pairs]
    known = [row for row, (a, _) in enumerate(sides) if not a.reason]
    asked = [
        Difference(
            a.auc - b.auc, a.folds - b.folds, min(a.units, b.units), a.n_pairs, a.n_models, a.n_lineages
        )
        for a, b in (sides[row] for row in known)
    ]
    intervals = dict(zip(known, difference_intervals(asked, level, METHOD), strict=True))
    tested = [(row, one) for row, one in zip(known, asked, strict=True) if not intervals[row].reason]
    p_values = dict(
        zip([row for row, _ in tested], difference_p_values([one for _, one in tested]), strict=True)
    )
    found = []
    for row, ((table_a, table_b), (a, b)) in enumerate(zip(pairs, sides, strict=True)):
        difference = intervals.get(row) or Interval.undefined(a.reason, level=level, method=METHOD)
        p = p_values.get(row, math.nan)
        found.append(
            Comparison(
                table_a.metric, table_b.metric, negatives, a.auc, b.auc, difference, p, p, difference.reason
            )
        )
    return found
