"""Rates on what a threshold has not seen: calibrated without the lineages it is judged on."""

from __future__ import annotations

import math
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from analysis.results import Interval
from analysis.table import ScoreTable
from analysis.thresholds.rates import share_interval

__all__ = ["by_descending_score", "held_out_rates", "just_above", "smallest_threshold"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
MOST_GROUPS: Final = 24
"""Lineages (or cells) are held out one by one up to this number, above it in as many groups."""


def smallest_threshold(descending: Floats, max_fpr: float) -> float:
    """Smallest threshold that at most a share of the negatives reaches.

    Parameters
    ----------
    descending : ndarray of float, shape (n,)
        Scores of the negatives, highest first.
    max_fpr : float

    Returns
    -------
    float
        Just above (`nextafter`) the highest score that must stay out, so that a run of ties stays out whole;
        NaN without negatives, or when +infinity must stay out.
    """
    n = len(descending)
    if not n:
        return math.nan
    allowed = math.floor(max_fpr * n + 1e-9)
    if allowed >= n:
        return -math.inf
    return just_above(float(descending[allowed]))


def held_out_rates(
    table: ScoreTable,
    max_fpr: float,
    *,
    negatives: str = "independent",
    by: Literal["lineage", "architecture"],
    level: float = 0.95,
    descending: Ints | None = None,
) -> tuple[Interval, Interval]:
    """False and true positive rate of thresholds calibrated on other lineages (or other architectures).

    For each two groups the threshold is calibrated on the negatives of all lineages outside them and judged
    on the pairs between them; a derived pair is judged by the threshold from all lineages outside its own
    group (or its two). Pairs with one end inside and one outside are used for neither.

    Parameters
    ----------
    table : ScoreTable
    max_fpr : float
    negatives : {"independent", "look-alike"}
    by : {"lineage", "architecture"}
        What a group is: a lineage, or an architecture cell with all lineages that have a model in it. More
        than 24 are joined to 24 groups.
    level : float
    descending : ndarray of int, optional
        Rows of the negatives with a score by descending score, where they are sorted already.

    Returns
    -------
    tuple of Interval
        False positive rate, true positive rate: means over pairs.
    """
    method = f"calibrated with the {by} left out; pair-weighted"
    group_a, group_b, member = _groups(table, by)
    n_groups = len(member)
    if n_groups < 3:
        reason = (
            f"fewer than three groups ({n_groups}) by {by}: nothing is left to calibrate on"
            if n_groups
            else f"{by} unknown"
        )
        undefined = Interval.undefined(reason, level=level, method=method)
        return undefined, undefined
    negative = by_descending_score(table, negatives) if descending is None else descending
    positive = np.flatnonzero(table.derived & table.comparable)
    thresholds = _Thresholds(table, negative, member, max_fpr)

    def judged(rows: Ints, pairs_of: Literal["fpr", "tpr"]) -> Interval:
        a, b = group_a[rows], group_b[rows]
        code = np.minimum(a, b) * n_groups + np.maximum(a, b)  # Below 0 where a group is unknown.
        limit = np.full(n_groups * n_groups, np.nan)
        for each in np.flatnonzero(np.bincount(code[code >= 0])).tolist():
            limit[each] = thresholds.without(*divmod(each, n_groups))
        against = np.where(code < 0, np.nan, limit[code])
        usable = ~np.isnan(against)
        if not usable.any():
            reason = f"no pair can be judged with its {by} left out"
            return Interval.undefined(reason, level=level, method=method)
        hit = table.score[rows[usable]] >= against[usable]
        return share_interval(table, rows[usable], hit, pairs_of=pairs_of, level=level, method=method)

    return judged(negative, "fpr"), judged(positive, "tpr")


def by_descending_score(table: ScoreTable, negatives: str) -> Ints:
    """Rows of the negatives that have a score, highest first; equal scores in the order of the table."""
    rows = np.flatnonzero(table.negatives(negatives) & table.comparable)
    return rows[np.argsort(-table.score[rows], kind="stable")]


class _Thresholds:
    """Thresholds calibrated without the lineages of one or two groups, each found once."""

    def __init__(self, table: ScoreTable, descending: Ints, member: Mask, max_fpr: float) -> None:
        self._score = table.score[descending]
        self._member = member
        self._max_fpr = max_fpr
        n = len(table.lineages)
        a = table.lineage_a[descending].astype(np.int64)
        b = table.lineage_b[descending].astype(np.int64)
        self._a, self._b = a, b
        self._counts = np.bincount(a * n + b, minlength=n * n).reshape(n, n).astype(np.float64)

    def without(self, first: int, second: int) -> float:
        """Threshold from the negatives that touch no lineage of the two groups; NaN when none is left."""
        kept = ~(self._member[first] | self._member[second])
        total = int(kept @ self._counts @ kept)
        if not total:
            return math.nan
        allowed = math.floor(self._max_fpr * total + 1e-9)
        if allowed >= total:
            return -math.inf
        seen, begin, width = 0, 0, max(1024, 2 * allowed)
        while True:
            part = slice(begin, begin + width)
            inside = np.flatnonzero(kept[self._a[part]] & kept[self._b[part]])
            if seen + len(inside) > allowed:
                return just_above(float(self._score[begin + inside[allowed - seen]]))
            seen += len(inside)
            begin += width


def just_above(score: float) -> float:
    """Smallest threshold that a score does not reach; NaN for +infinity."""
    return math.nan if score == math.inf else float(np.nextafter(score, math.inf))


def _groups(table: ScoreTable, by: Literal["lineage", "architecture"]) -> tuple[Ints, Ints, Mask]:
    """Group of both ends of every pair (-1: unknown), and which lineages each group brings with it."""
    names, of_model = (table.lineages, table.lineage_of) if by == "lineage" else (table.cells, table.cell_of)
    n_groups = min(len(names), MOST_GROUPS)
    group = np.where(of_model < 0, -1, of_model % max(n_groups, 1)).astype(np.int64)
    member = np.zeros((n_groups, len(table.lineages)), dtype=bool)
    known = group >= 0
    member[group[known], table.lineage_of[known]] = True
    return group[table.model_a], group[table.model_b], member
