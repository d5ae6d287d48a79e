"""Positives by method, negatives by look-alike class: never only pooled."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.discrimination.auc import METHODS, auc_interval
from analysis.discrimination.wins import Wins
from analysis.notebook import Shown
from analysis.results import Interval
from analysis.table import ScoreTable, check_table
from analysis.thresholds.rates import rate
from analysis.validation import check_number, check_probability

__all__ = ["LookAlikeClass", "MethodClass", "by_look_alike", "by_method"]

Mask = npt.NDArray[np.bool_]
Names = npt.NDArray[np.object_]


@dataclass(frozen=True)
class _Counts(Shown):
    n_pairs: int
    n_abstained: int
    n_lineages: int
    median: float


@dataclass(frozen=True)
class MethodClass(_Counts):
    """What a metric makes of the derived pairs of one method.

    Attributes
    ----------
    n_pairs, n_abstained, n_lineages : int
        Pairs with a score, pairs without, and lineages of those with one.
    median : float
        Of the scores; NaN without any.
    auc, look_alike_auc : Interval
        Against all independent pairs, and against those of the own pair of cells.
    tpr : Interval
        At the threshold.
    """

    auc: Interval
    look_alike_auc: Interval
    tpr: Interval


@dataclass(frozen=True)
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
    table: ScoreTable, threshold: float | None = None, level: float = 0.95
) -> dict[str, MethodClass]:
    """Break the derived pairs down by derivation method.

    Parameters
    ----------
    table : ScoreTable
        Its column `method` names them.
    threshold : float, optional
        For the true positive rates; without it they are undefined.
    level : float
        Nominal coverage of all intervals, in (0, 1).

    Returns
    -------
    dict of str to MethodClass
        method → summary, in the order of the names; pairs without a method stand under "unnamed".

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

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
    methods = table.frame["method"].to_numpy(dtype=object)
    found: dict[str, MethodClass] = {}
    derived = np.flatnonzero(table.derived)
    for method in sorted(set(methods[derived])):
        ours = np.zeros(len(table), dtype=bool)
        ours[derived[methods[derived] == method]] = True
        found[method or "unnamed"] = MethodClass(
            *_counts(table, ours),
            auc=_auc(table, level, positive=ours),
            look_alike_auc=_auc(table, level, "look-alike", positive=ours),
            tpr=rate(table, limit, "tpr", mask=ours, level=level),
        )
    return found


def by_look_alike(
    table: ScoreTable, threshold: float | None = None, level: float = 0.95
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
            auc=_auc(table, level, negative=theirs),
            fpr=rate(table, limit, "fpr", negatives="look-alike", mask=theirs, level=level),
        )
    return found


def _counts(table: ScoreTable, mask: Mask) -> tuple[int, int, int, float]:
    """Pairs with a score, pairs without, lineages, and the median score."""
    rows = np.flatnonzero(mask & table.comparable)
    lineages = np.unique(np.concatenate([table.lineage_a[rows], table.lineage_b[rows]]))
    median = float(np.quantile(table.score[rows], 0.5, method="lower")) if len(rows) else math.nan
    return len(rows), int(mask.sum()) - len(rows), len(lineages), median


def _auc(
    table: ScoreTable,
    level: float,
    negatives: str = "independent",
    *,
    positive: Mask | None = None,
    negative: Mask | None = None,
) -> Interval:
    wins = Wins.of(table, negatives, positive=positive, negative=negative)
    if not wins.n_positive:  # none has a negative to meet
        reason = "no pair with a score on one of the two sides"
        return Interval.undefined(reason, level=level, method=METHODS["jackknife"])
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
