"""The ROC curve with a band over lineages, and the area under its left end."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.discrimination.auc import why_undefined
from analysis.discrimination.intervals import AREA, TRUE_POSITIVES, lineage_interval, lineage_intervals
from analysis.discrimination.wins import Wins
from analysis.results import Interval, Result
from analysis.table import NEGATIVES, ScoreTable, check_table
from analysis.validation import check_choice, check_count, check_probability

__all__ = ["RocCurve", "partial_auc", "roc_curve"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
FINE: Final = 2_000
"""Thresholds at which the curve of every jackknife fold is known."""
METHOD: Final = "lineage jackknife, one additional all-error lineage, pointwise; pair-weighted"
PARTIAL: Final = (
    "mean true positive rate over false positive rates up to {:g}; lineage jackknife, one additional lineage;"
    " pair-weighted"
)


@dataclass(frozen=True, eq=False)
class RocCurve(Result):
    """True positive rate against false positive rate.

    Attributes
    ----------
    fpr, tpr : ndarray of float, shape (n_points,)
        From (0, ·) to (1, 1), both growing; at most 200 points.
    low, high : ndarray of float, shape (n_points,)
        Pointwise band of the true positive rate at this false positive rate. NaN where undefined.
    threshold : ndarray of float, shape (n_points,)
        A score at or above it means "derived"; +infinity at the start.
    level : float
        Of the band, in (0, 1).
    method : str
        How the band was made.
    reason : str
        Why there is no curve; then all arrays are empty.
    """

    _shown = ("n_points", "level", "method", "reason")

    fpr: Floats = field(repr=False)
    tpr: Floats = field(repr=False)
    low: Floats = field(repr=False)
    high: Floats = field(repr=False)
    threshold: Floats = field(repr=False)
    level: float
    method: str = METHOD
    reason: str = ""

    @property
    def n_points(self) -> int:
        """Number of points; 0 where there is no curve."""
        return len(self.fpr)


@dataclass(frozen=True)
class _Sides:
    """Positives and negatives, with the lineages that take part numbered from zero."""

    positive: Floats
    lineage: Ints
    negative: Floats
    first: Ints
    second: Ints
    n_lineages: int


def _sides(table: ScoreTable, negatives: str) -> _Sides:
    ours = np.flatnonzero(table.derived & table.comparable)
    theirs = np.flatnonzero(table.negatives(negatives) & table.comparable)
    rows = np.concatenate([ours, theirs])
    held = np.unique(np.concatenate([table.lineage_a[rows], table.lineage_b[rows]]))
    return _Sides(
        table.score[ours],
        np.searchsorted(held, table.lineage_a[ours]),
        table.score[theirs],
        np.searchsorted(held, table.lineage_a[theirs]),
        np.searchsorted(held, table.lineage_b[theirs]),
        len(held),
    )


def roc_curve(
    table: ScoreTable, negatives: str = "independent", level: float = 0.95, *, n_points: int = 200
) -> RocCurve:
    """ROC curve of derived pairs against negatives, with a pointwise band over lineages.

    Parameters
    ----------
    table : ScoreTable
        Only comparable pairs are used.
    negatives : {"independent", "look-alike"}
        With look-alikes, all derived pairs meet all look-alikes here; only the matched AUC pairs them by
        cell.
    level : float
        Nominal coverage of the band at each point, in (0, 1).
    n_points : int
        At most so many points are kept, evenly along the curve; 3 or more.

    Returns
    -------
    RocCurve
        Without points, and with the reason, where there is nothing to compare.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Examples
    --------
    >>> from analysis import example_table, roc_curve
    >>> curve = roc_curve(example_table())
    >>> print(curve)
    RocCurve: n points 124; level 0.95; method lineage jackknife, one additional all-error lineage,
    pointwise; pair-weighted
    >>> float(curve.fpr[0]), float(curve.tpr[-1]), float(curve.threshold[0])
    (0.0, 1.0, inf)
    """
    check_table(table)
    check_choice(negatives, "negatives", NEGATIVES)
    check_probability(level, "level")
    check_count(n_points, "n_points", least=3)
    wins = Wins.of(table, negatives)
    reason = why_undefined(table, negatives, wins)
    if reason:
        none = np.empty(0)
        return RocCurve(none, none, none, none, none, level, reason=reason)
    sides = _sides(table, negatives)
    cuts = _thinned(np.unique(np.concatenate([sides.positive, sides.negative]))[::-1], FINE)
    n = sides.n_lineages
    tpr, tpr_folds = _reaching(cuts, sides.positive, sides.lineage, sides.lineage, n)
    fpr, fpr_folds = _reaching(cuts, sides.negative, sides.first, sides.second, n)

    along = np.linspace(0, 2, n_points - 1)
    kept = np.unique(np.searchsorted(fpr + tpr, along))
    folds = np.full((n, len(kept)), np.nan)
    for fold, x, y in zip(folds, fpr_folds, tpr_folds, strict=True):
        if not (np.isnan(x).any() or np.isnan(y).any()):
            fold[:] = np.interp(fpr[kept], np.append(0.0, x), np.append(0.0, y))
    band = lineage_intervals(
        tpr[kept].tolist(), folds.T, kind=TRUE_POSITIVES, units=wins.units, level=level, method=METHOD
    )
    low = np.array([b.low for b in band])
    high = np.array([b.high for b in band])
    return RocCurve(
        fpr=np.append(0.0, fpr[kept]),
        tpr=np.append(0.0, tpr[kept]),
        low=np.append(0.0, np.maximum.accumulate(low)),
        high=np.append(high[0], np.maximum.accumulate(high)),
        threshold=np.append(np.inf, cuts[kept]),
        level=level,
    )


def partial_auc(
    table: ScoreTable, max_fpr: float = 0.05, negatives: str = "independent", level: float = 0.95
) -> Interval:
    """Area under the ROC curve up to a false positive rate, divided by that rate.

    Parameters
    ----------
    table : ScoreTable
        Only comparable pairs are used.
    max_fpr : float
        In (0, 1].
    negatives : {"independent", "look-alike"}
    level : float
        Nominal coverage, in (0, 1).

    Returns
    -------
    Interval
        The mean true positive rate over false positive rates from 0 to `max_fpr`: 1 for a perfect metric,
        `max_fpr`/2 for a useless one, and the AUC for `max_fpr` = 1. (Not the standardisation of McClish
        1989, doi:10.1177/0272989X8900900307, which maps useless to 1/2.)

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Examples
    --------
    >>> from analysis import auc, example_table, partial_auc
    >>> table = example_table()
    >>> print(partial_auc(table, 0.05)._cell())
    0.7914 [0.6151, 0.9202]
    >>> abs(partial_auc(table, 1.0).estimate - auc(table).estimate) < 1e-12
    True
    """
    check_table(table)
    check_probability(max_fpr, "max_fpr", high=True)
    check_choice(negatives, "negatives", NEGATIVES)
    check_probability(level, "level")
    method = PARTIAL.format(max_fpr)
    wins = Wins.of(table, negatives)
    reason = why_undefined(table, negatives, wins)
    if reason:
        return Interval.undefined(reason, level=level, method=method)
    sides = _sides(table, negatives)
    estimate, folds = _partial_folds(sides, max_fpr)
    return lineage_interval(
        estimate,
        folds,
        kind=AREA,
        units=wins.units,
        level=level,
        method=method,
        n_pairs=len(sides.positive) + len(sides.negative),
        n_models=wins.n_models,
        n_lineages=len(folds),
    )


def _thinned(values: Floats, n: int) -> Floats:
    """At most n of the values, evenly by rank, both ends kept."""
    return values[np.unique(np.linspace(0, len(values) - 1, n).round().astype(np.int64))]


def _reaching(cuts: Floats, scores: Floats, first: Ints, second: Ints, n: int) -> tuple[Floats, Floats]:
    """Share of scores at or above each falling cut: of all, and with each of n lineages left out.

    NaN where leaving out a lineage leaves nothing.
    """
    level = len(cuts) - np.searchsorted(cuts[::-1], scores, side="right")
    counts = np.zeros((n, len(cuts) + 1))
    np.add.at(counts, (first, level), 1.0)
    apart = first != second
    np.add.at(counts, (second[apart], level[apart]), 1.0)
    touching = np.cumsum(counts, axis=1)[:, : len(cuts)]
    total = np.cumsum(np.bincount(level, minlength=len(cuts)))[: len(cuts)]
    left = len(scores) - counts.sum(axis=1, keepdims=True)
    folds = np.full(touching.shape, np.nan)
    np.divide(total - touching, left, out=folds, where=left > 0)
    return total / len(scores), folds


def _partial_folds(sides: _Sides, max_fpr: float) -> tuple[float, Floats]:
    """Standardised partial area of all, and with each lineage left out (NaN where nothing is left)."""
    n = sides.n_lineages
    apart = sides.first != sides.second
    touching = np.bincount(sides.first, minlength=n) + np.bincount(sides.second[apart], minlength=n)
    n_negative = len(sides.negative)
    depth = min(n_negative - 1, int(max_fpr * n_negative) + int(touching.max()) + 1)
    lowest = np.partition(sides.negative, n_negative - 1 - depth)[n_negative - 1 - depth]
    top = sides.negative >= lowest
    levels, rising = np.unique(sides.negative[top], return_inverse=True)
    level = len(levels) - 1 - rising
    first, second = sides.first[top], sides.second[top]
    levels = levels[::-1]

    def passing(positive: Floats) -> tuple[Ints, Ints]:
        ordered = np.sort(positive)
        above = len(ordered) - np.searchsorted(ordered, levels, side="right")
        reaching = len(ordered) - np.searchsorted(ordered, levels, side="left")
        return above, reaching

    def area(counts: Ints, held: int, above: Ints, reaching: Ints, of: int) -> float:
        if not held or not of:
            return math.nan
        width = counts / held
        used = np.clip(max_fpr - (np.cumsum(width) - width), 0.0, width)
        part = used / np.where(width > 0, width, 1.0)
        return float(np.sum(used * (above + (reaching - above) * part / 2))) / (of * max_fpr)

    above, reaching = passing(sides.positive)
    counts = np.bincount(level)
    folds = np.empty(n)
    for g in range(n):
        mine = sides.positive[sides.lineage == g]
        my_above, my_reaching = passing(mine)
        out = (first == g) | (second == g)
        folds[g] = area(
            counts - np.bincount(level[out], minlength=len(levels)),
            n_negative - int(touching[g]),
            above - my_above,
            reaching - my_reaching,
            len(sides.positive) - len(mine),
        )
    return area(counts, n_negative, above, reaching, len(sides.positive)), folds
