"""Positives by method, negatives by look-alike class: never only pooled."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.discrimination.auc import METHODS, auc_interval, auc_share
from analysis.discrimination.intervals import Share, ShareOfLineages, intervals_at_once
from analysis.discrimination.wins import Wins
from analysis.results import Interval, Result
from analysis.table import ScoreTable, check_table
from analysis.thresholds.rates import METHOD as RATES, rate, share_of_pairs
from analysis.validation import check_count, check_number, check_probability
from analysis.verdict_words import GOOD, MethodState, family_level

__all__ = ["ANYTHING", "LookAlikeClass", "MethodClass", "by_look_alike", "by_method", "method_bounds"]

Mask = npt.NDArray[np.bool_]
Names = npt.NDArray[np.object_]
LEVEL: Final = 0.95
NO_PAIRS: Final = "no pair with a score on one of the two sides"
NOT_ASKED: Final = "no verdict asks for it"
BOUNDS: Final = "lineage jackknife, simultaneous over methods and metrics (Bonferroni), one lineage more"
ANYTHING: Final = Share(lost=1.0, ends=1, touched=3, bad="low")
"""One lineage more, on which a metric may be as bad, or as good, as can be."""


@dataclass(frozen=True, eq=False)
class _Counts(Result):
    n_pairs: int
    n_abstained: int
    n_lineages: int
    median: float


@dataclass(frozen=True, eq=False)
class MethodClass(_Counts):
    """What a metric makes of the derived pairs of one method.

    Attributes
    ----------
    n_pairs, n_abstained, n_lineages : int
        Pairs with a score, pairs without, and lineages of those with one.
    median : float
        Of the scores; NaN without any.
    auc, look_alike_auc : Interval
        Against all independent pairs, and against those of the own pair of cells; of the pairs with a score.
    look_alike_auc_with_misses : Interval
        The latter with pairs of this method that have no score counted as misses, below every look-alike.
    bounds : Interval
        Ends of the look-alike AUC that hold together for all methods of all metrics of the analysis: the
        lower end counts pairs without a score as misses, the upper end leaves them out.
    state : MethodState
        "failed" where the upper bound is below 0.9, "held" where the lower one is not, "no score" where no
        pair has one, else "undecided"; so, too, without look-alikes.
    tpr : Interval
        At the threshold.
    """

    auc: Interval
    look_alike_auc: Interval
    look_alike_auc_with_misses: Interval
    bounds: Interval
    state: MethodState
    tpr: Interval


@dataclass(frozen=True, eq=False)
class LookAlikeClass(_Counts):
    """What a metric makes of one class of look-alikes.

    Attributes
    ----------
    n_pairs, n_abstained, n_lineages, median
        As for `MethodClass`.
    auc : Interval
        Of all derived pairs against this class.
    fpr : Interval
        At the threshold.
    """

    auc: Interval
    fpr: Interval


def by_method(
    table: ScoreTable, threshold: float | None = None, level: float = LEVEL, *, n_metrics: int = 1
) -> dict[str, MethodClass]:
    """Break the derived pairs down by derivation method.

    Parameters
    ----------
    table : ScoreTable
        Its column `method` names them.
    threshold : float, optional
        For the true positive rates; without it they are undefined.
    level : float
        Nominal coverage of all intervals save `bounds`, in (0, 1).
    n_metrics : int
        Metrics judged together; 1 or more.

    Returns
    -------
    dict of str to MethodClass
        method → summary, in the order of the names; pairs without a method stand under "unnamed".

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Notes
    -----
    Bonferroni over methods times metrics. Many methods rest on few lineages, so that an upper bound must hold
    whatever one lineage more may do: there the metric may be perfect.

    Examples
    --------
    >>> from analysis import by_method, example_table
    >>> for method, found in by_method(example_table(), threshold=2.0).items():
    ...     print(f"{method}: {found.n_pairs} pairs, look-alike AUC {found.look_alike_auc.estimate:.3f}")
    continued-pretrain: 12 pairs, look-alike AUC 0.985
    fine-tune: 12 pairs, look-alike AUC 0.956
    """
    check_table(table)
    limit = math.nan if threshold is None else check_number(threshold, "threshold", nan=True)
    check_probability(level, "level")
    check_count(n_metrics, "n_metrics")
    return _by_method(table, limit, level, n_metrics)


def method_bounds(table: ScoreTable, n_metrics: int) -> dict[str, MethodClass]:
    """What a verdict asks of `by_method`, in half the time.

    Parameters
    ----------
    table : ScoreTable
    n_metrics : int
        Metrics judged together.

    Returns
    -------
    dict of str to MethodClass
        As `by_method`, without what costs most: AUCs against all independent pairs are undefined, as are true
        positive rates.
    """
    return _by_method(table, math.nan, LEVEL, n_metrics, everybody=False)


def _by_method(
    table: ScoreTable, limit: float, level: float, n_metrics: int, *, everybody: bool = True
) -> dict[str, MethodClass]:
    names = table.frame["method"].to_numpy(dtype=object)
    ordered = sorted(set(names[table.derived]))
    together = family_level(n_metrics * len(ordered))
    # All intervals in one go: that is a tenth of the work of one after the other.
    asked: list[ShareOfLineages] = []
    drafts = [
        _MethodDraft.of(table, table.derived & (names == name), limit, level, everybody=everybody)
        for name in ordered
    ]
    places = []
    for draft in drafts:
        own = draft.shares(level, together)
        places.append({key: len(asked) + place for place, key in enumerate(own)})
        asked += own.values()
    found = intervals_at_once(asked)
    return {
        name or "unnamed": draft.result({key: found[at] for key, at in place.items()}, level)
        for name, draft, place in zip(ordered, drafts, places, strict=True)
    }


@dataclass(frozen=True)
class _MethodDraft:
    """The pairs of one method, counted; their intervals are made together with those of other methods."""

    counts: tuple[int, int, int, float]
    everybody: Wins | None
    alike: Wins
    missed: Wins | None
    tpr: ShareOfLineages | None
    no_tpr: str

    @classmethod
    def of(
        cls, table: ScoreTable, ours: Mask, limit: float, level: float, *, everybody: bool
    ) -> _MethodDraft:
        missed = None
        if (ours & ~table.comparable).any():
            known = table.comparable & table.independent
            score = np.where(table.comparable, table.score, -np.inf)
            missed = Wins.of(table, "look-alike", positive=ours, negative=known, score=score)
        rows = np.flatnonzero(ours & table.comparable)
        why = (
            "there is no threshold"
            if math.isnan(limit)
            else ""
            if len(rows)
            else "no derived pair with a score"
        )
        hit = table.score[rows] >= limit
        return cls(
            counts=_counts(table, ours),
            everybody=Wins.of(table, positive=ours) if everybody else None,
            alike=Wins.of(table, "look-alike", positive=ours),
            missed=missed,
            tpr=None if why else share_of_pairs(table, rows, hit, pairs_of="tpr", level=level),
            no_tpr=why,
        )

    def shares(self, level: float, together: float) -> dict[str, ShareOfLineages]:
        """The intervals that this method needs."""
        asked = {}
        if self.tpr is not None:
            asked["tpr"] = self.tpr
        if self.everybody is not None and self.everybody.n_positive:
            asked["auc"] = auc_share(self.everybody, self.everybody.jackknife(), level)
        if self.alike.n_positive:
            folds = self.alike.jackknife()
            asked["alike"] = auc_share(self.alike, folds, level)
            asked["low"] = auc_share(self.alike, folds, together)
            asked["high"] = auc_share(self.alike, folds, together, ANYTHING)
        if self.missed is not None and self.missed.n_positive:
            folds = self.missed.jackknife()
            asked["missed"] = auc_share(self.missed, folds, level)
            asked["low"] = auc_share(self.missed, folds, together)
        return asked

    def result(self, found: dict[str, Interval], level: float) -> MethodClass:
        """Put the intervals together."""
        nothing = Interval.undefined(NO_PAIRS, level=level, method=METHODS["jackknife"])
        unasked = replace(nothing, reason=NOT_ASKED) if self.everybody is None else nothing
        alike = found.get("alike", nothing)
        bounds = nothing
        if "alike" in found:
            high = found["high"]
            bounds = replace(high, low=min(found["low"].low, high.estimate), method=BOUNDS, unseen=math.nan)
        return MethodClass(
            *self.counts,
            auc=found.get("auc", unasked),
            look_alike_auc=alike,
            look_alike_auc_with_misses=alike if self.missed is None else found.get("missed", nothing),
            bounds=bounds,
            state=_state(self.counts[0], bounds),
            tpr=found.get("tpr") or Interval.undefined(self.no_tpr, level=level, method=RATES),
        )


def _state(n_scored: int, bounds: Interval) -> MethodState:
    if not n_scored:
        return MethodState.NO_SCORE
    if bounds.high < GOOD:
        return MethodState.FAILED
    return MethodState.HELD if bounds.low >= GOOD else MethodState.UNDECIDED


def by_look_alike(
    table: ScoreTable, threshold: float | None = None, level: float = LEVEL
) -> dict[str, LookAlikeClass]:
    """Break the look-alikes down by what the two models have in common.

    Parameters
    ----------
    table : ScoreTable
        Its column `shared`, where filled, names the class; elsewhere the class is the pair of architecture
        cells ("cellA" or "cellA × cellB").
    threshold : float, optional
        For the false positive rates; without it they are undefined.
    level : float
        Nominal coverage of all intervals, in (0, 1).

    Returns
    -------
    dict of str to LookAlikeClass
        class → summary, in the order of the names.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Examples
    --------
    >>> from analysis import by_look_alike, example_table
    >>> for name, found in by_look_alike(example_table(), threshold=2.0).items():
    ...     print(f"{name}: {found.n_pairs} pairs, {found.fpr.estimate:.3f} of them at 2 or above")
    dense-large: 135 pairs, 0.096 of them at 2 or above
    dense-small: 135 pairs, 0.126 of them at 2 or above
    """
    check_table(table)
    limit = math.nan if threshold is None else check_number(threshold, "threshold", nan=True)
    check_probability(level, "level")
    classes = _classes(table)
    found: dict[str, LookAlikeClass] = {}
    for name in sorted(set(classes[table.look_alike])):
        theirs = table.look_alike & (classes == name)
        found[name] = LookAlikeClass(
            *_counts(table, theirs),
            auc=_auc(table, theirs, level),
            fpr=rate(table, limit, "fpr", negatives="look-alike", mask=theirs, level=level),
        )
    return found


def _counts(table: ScoreTable, mask: Mask) -> tuple[int, int, int, float]:
    """Pairs with a score, pairs without, lineages, and the median score."""
    rows = np.flatnonzero(mask & table.comparable)
    lineages = np.unique(np.concatenate([table.lineage_a[rows], table.lineage_b[rows]]))
    median = float(np.quantile(table.score[rows], 0.5, method="lower")) if len(rows) else math.nan
    return len(rows), int(mask.sum()) - len(rows), len(lineages), median


def _auc(table: ScoreTable, negative: Mask, level: float) -> Interval:
    wins = Wins.of(table, negative=negative)
    if not wins.n_positive:  # none has a negative to meet
        return Interval.undefined(NO_PAIRS, level=level, method=METHODS["jackknife"])
    return auc_interval(wins, level)


def _classes(table: ScoreTable) -> Names:
    """Class of every look-alike."""
    rows, names = np.flatnonzero(table.look_alike), table.cells
    a, b = table.cell_a[rows], table.cell_b[rows]
    low, high = np.minimum(a, b), np.maximum(a, b)
    classes: Names = np.empty(len(table), dtype=object)
    classes[rows] = [
        str(names[i]) if i == j else f"{names[i]} × {names[j]}" for i, j in zip(low, high, strict=True)
    ]
    if "shared" not in table.frame:
        return classes
    column = table.frame["shared"].astype(object)
    shared = column.where(column.notna(), "").astype(str).to_numpy(dtype=object)
    return np.where(shared == "", classes, shared)
