"""False and true positive rates at a threshold, with intervals over lineages."""

from __future__ import annotations

import math
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from analysis.discrimination.intervals import (
    FALSE_POSITIVES,
    TRUE_POSITIVES,
    ShareOfLineages,
    effective_number,
    intervals_at_once,
)
from analysis.results import Interval
from analysis.table import NEGATIVES, ScoreTable, check_table
from analysis.validation import check_choice, check_mask, check_number, check_probability

__all__ = ["METHOD", "rate", "share_interval", "share_of_pairs"]

Mask = npt.NDArray[np.bool_]
METHOD: Final = (
    "lineage jackknife, random weights, one additional all-error lineage: lineages independent; pair-weighted"
)


def rate(
    table: ScoreTable,
    threshold: float,
    kind: Literal["fpr", "tpr"] = "fpr",
    *,
    negatives: str = "independent",
    mask: Mask | None = None,
    level: float = 0.95,
) -> Interval:
    """Share of negative ("fpr") or derived ("tpr") pairs at or above a threshold: a mean over pairs.

    Parameters
    ----------
    table : ScoreTable
        Only comparable pairs count.
    threshold : float
        A score at or above it means "derived". NaN: no threshold, then no rate.
    kind : {"fpr", "tpr"}
    negatives : {"independent", "look-alike"}
        Which pairs a false positive rate is about.
    mask : ndarray of bool, shape (n_pairs,), optional
        Restrict to these pairs (one method, one class of look-alikes).
    level : float
        Nominal coverage, in (0, 1).

    Returns
    -------
    Interval
        In [0, 1]. The variance is dyadic: a lineage moves all pairs that touch it. Whatever is
        seen, one lineage more could be all errors: at no false positive of G even lineages the upper end is
        1 - (1/40)^(2/G), the exact bound of G/2 independent pairs.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Notes
    -----
    The ends: `analysis.discrimination.random_weights`. Dyadic variance: Fafchamps & Gubert 2007,
    doi:10.1016/j.jdeveco.2006.05.005.

    Examples
    --------
    >>> from analysis import example_table, rate
    >>> table = example_table()
    >>> print(rate(table, 2.0)._cell(), rate(table, 2.0, "tpr")._cell())
    0.07239 [0.02658, 0.5006] 0.9583 [0.6933, 0.999]
    """
    check_table(table)
    check_number(threshold, "threshold", nan=True)
    check_choice(kind, "kind", ("fpr", "tpr"))
    check_choice(negatives, "negatives", NEGATIVES)
    check_probability(level, "level")
    if mask is not None:
        check_mask(mask, "mask", len(table))
    asked = table.derived if kind == "tpr" else table.negatives(negatives)
    rows = np.flatnonzero(asked & table.comparable & (True if mask is None else mask))
    if math.isnan(threshold):
        return Interval.undefined("there is no threshold", level=level, method=METHOD)
    if not len(rows):
        kind_of_pair = "derived" if kind == "tpr" else negatives
        return Interval.undefined(f"no {kind_of_pair} pair with a score", level=level, method=METHOD)
    return share_interval(table, rows, table.score[rows] >= threshold, pairs_of=kind, level=level)


def share_interval(
    table: ScoreTable,
    rows: npt.NDArray[np.int64],
    hit: Mask,
    *,
    pairs_of: Literal["fpr", "tpr"],
    level: float = 0.95,
    method: str = METHOD,
    warnings: tuple[str, ...] = (),
) -> Interval:
    """Share of some pairs of a table that were hit, with its interval over lineages.

    Parameters
    ----------
    table : ScoreTable
    rows : ndarray of int, shape (n,)
        At least one row.
    hit : ndarray of bool, shape (n,)
    pairs_of : {"fpr", "tpr"}
        Pairs between lineages have two ends, pairs inside one.
    level, method, warnings
        Passed on.
    """
    share = share_of_pairs(table, rows, hit, pairs_of=pairs_of, level=level, method=method, warnings=warnings)
    return intervals_at_once([share])[0]


def share_of_pairs(
    table: ScoreTable,
    rows: npt.NDArray[np.int64],
    hit: Mask,
    *,
    pairs_of: Literal["fpr", "tpr"],
    level: float,
    method: str = METHOD,
    warnings: tuple[str, ...] = (),
) -> ShareOfLineages:
    """The share that `share_interval` is about, as `intervals_at_once` takes it."""
    a, b = table.lineage_a[rows], table.lineage_b[rows]
    n = len(table.lineages)
    apart = a != b
    held = np.bincount(a, minlength=n) + np.bincount(b[apart], minlength=n)
    hits = np.bincount(a, hit, n) + np.bincount(b[apart], hit[apart], n)
    present = held > 0
    total, found = len(rows), int(hit.sum())
    left = total - held[present]
    folds = np.full(len(left), np.nan)
    np.divide(found - hits[present], left, out=folds, where=left > 0)
    return ShareOfLineages(
        found / total,
        folds,
        FALSE_POSITIVES if pairs_of == "fpr" else TRUE_POSITIVES,
        effective_number(held),
        level,
        method,
        total,
        table.count_models(rows),
        int(present.sum()),
        warnings,
    )
