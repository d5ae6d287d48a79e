"""Positives by method, negatives by look-alike class: never only pooled."""

from __future__ import annotations

import math
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from analysis.discrimination.auc import METHODS, auc_interval
from analysis.discrimination.wins import Wins
from analysis.results import Interval
from analysis.table import ScoreTable, check_table
from analysis.thresholds.rates import rate
from analysis.validation import check_number, check_probability

__all__ = ["LookAlikeClass", "MethodClass", "by_look_alike", "by_method"]

Mask = npt.NDArray[np.bool_]


class _Counts(TypedDict):
    n_pairs: int
    n_abstained: int
    n_lineages: int
    median: float


class MethodClass(_Counts):
    """What a metric makes of the derived pairs of one method.

    `n_pairs` and `n_lineages` count comparable pairs; `median` is NaN without any. `auc` is against all
    independent pairs, `look_alike_auc` against those of the own pair of cells, `tpr` at the threshold.
    """

    auc: Interval
    look_alike_auc: Interval
    tpr: Interval


class LookAlikeClass(_Counts):
    """What a metric makes of one class of look-alikes: `auc` is of all derived pairs against this class."""

    auc: Interval
    fpr: Interval


def by_method(
    table: ScoreTable, threshold: float | None = None, level: float = 0.95
) -> dict[str, MethodClass]:
    """Break the derived pairs down by derivation method.

    Parameters
    ----------
    table : ScoreTable
    threshold : float, optional
        For the true positive rates; without it they are undefined.
    level : float

    Returns
    -------
    dict
        method → summary, in the order of the names; pairs without a method stand under "unnamed".
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
        found[method or "unnamed"] = {
            **_counts(table, ours),
            "auc": _auc(table, level, positive=ours),
            "look_alike_auc": _auc(table, level, "look-alike", positive=ours),
            "tpr": rate(table, limit, "tpr", mask=ours, level=level),
        }
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

    Returns
    -------
    dict
        class → summary, in the order of the names.
    """
    check_table(table)
    limit = math.nan if threshold is None else check_number(threshold, "threshold", nan=True)
    check_probability(level, "level")
    classes = _classes(table)
    found: dict[str, LookAlikeClass] = {}
    for name in sorted(set(classes[table.look_alike])):
        theirs = table.look_alike & (classes == name)
        found[name] = {
            **_counts(table, theirs),
            "auc": _auc(table, level, negative=theirs),
            "fpr": rate(table, limit, "fpr", negatives="look-alike", mask=theirs, level=level),
        }
    return found


def _counts(table: ScoreTable, mask: Mask) -> _Counts:
    rows = np.flatnonzero(mask & table.comparable)
    return {
        "n_pairs": len(rows),
        "n_abstained": int(mask.sum()) - len(rows),
        "n_lineages": len(np.unique(np.concatenate([table.lineage_a[rows], table.lineage_b[rows]]))),
        "median": float(np.quantile(table.score[rows], 0.5, method="lower")) if len(rows) else math.nan,
    }


def _auc(
    table: ScoreTable,
    level: float,
    negatives: str = "independent",
    *,
    positive: Mask | None = None,
    negative: Mask | None = None,
) -> Interval:
    wins = Wins.of(table, negatives, positive=positive, negative=negative)
    if not (wins.n_positive and wins.n_negative):
        reason = "no pair with a score on one of the two sides"
        return Interval.undefined(reason, level=level, method=METHODS["jackknife"])
    return auc_interval(wins, level)


def _classes(table: ScoreTable) -> npt.NDArray[Any]:
    """Class of every pair, for look-alikes."""
    names = np.append(table.cells, "unknown")
    low, high = np.minimum(table.cell_a, table.cell_b), np.maximum(table.cell_a, table.cell_b)
    cells = np.array(
        [str(names[i]) if i == j else f"{names[i]} × {names[j]}" for i, j in zip(low, high, strict=True)],
        dtype=object,
    )
    if "shared" not in table.frame:
        return cells
    column = table.frame["shared"].astype(object)
    shared = column.where(column.notna(), "").astype(str).to_numpy(dtype=object)
    classes: npt.NDArray[Any] = np.where(shared == "", cells, shared)
    return classes
