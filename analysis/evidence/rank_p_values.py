"""The place of a score among derived pairs and among strangers, as p-values that hold for any scores.

Both count every lineage once and assume one thing: that the lineages of the case are exchangeable with
those of the table. Their inverse bounds a likelihood ratio: a ratio that never exceeds 1/p misleads by a
factor of k in at most one case of k.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.table import ScoreTable, check_table
from analysis.validation import check_mask, check_names, check_number

__all__ = ["TOLERANCE", "derivation_p_value", "stranger_p_value"]

Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]
TOLERANCE: Final = 1e-12
"""Scores nearer than this count as tied, against the case."""


def derivation_p_value(
    table: ScoreTable, score: float, *, mask: Mask | None = None, without: Collection[str] = ()
) -> tuple[float, int]:
    """Place of a score among those of derived pairs, each lineage counting once.

    Parameters
    ----------
    table : ScoreTable
        Its comparable derived pairs are looked at.
    score : float
    mask : ndarray of bool, shape (n_pairs,), optional
        Pairs to look at.
    without : collection of str
        Lineages left out.

    Returns
    -------
    p_value : float
        ``(1 + Σ_g share of lineage g at or below) / (G + 1)``: at most a with probability a or less for a
        derived pair of a further lineage. At least 1/(G + 1).
    n_lineages : int
        G.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Notes
    -----
    Hierarchical conformal prediction: Lee, Barber & Willett 2023, arXiv:2306.06342.

    Examples
    --------
    A score below those of all derived pairs, among twelve lineages:

    >>> from analysis import derivation_p_value, example_table
    >>> p_value, n_lineages = derivation_p_value(example_table(), -5.0)
    >>> p_value == 1 / 13, n_lineages
    (True, 12)
    """
    check_table(table)
    rows = _rows(table, table.derived, score, mask, without)
    lineage = table.lineage_a[rows]
    low = table.score[rows] <= score + TOLERANCE
    held = np.bincount(lineage, minlength=len(table.lineages))
    hits = np.bincount(lineage, low, minlength=len(table.lineages))
    present = held > 0
    n = int(present.sum())
    return (1 + float(np.sum(hits[present] / held[present]))) / (n + 1), n


def stranger_p_value(
    table: ScoreTable, score: float, *, mask: Mask | None = None, without: Collection[str] = ()
) -> tuple[float, int]:
    """Place of a score among those of independent pairs, every two lineages counting once.

    Parameters
    ----------
    table : ScoreTable
        Its comparable independent pairs are the strangers.
    score : float
    mask : ndarray of bool, shape (n_pairs,), optional
        Pairs to look at: those of one kind of shapes.
    without : collection of str
        Lineages left out.

    Returns
    -------
    p_value : float
        ``min(1, 2 (1 + G s) / (G + 2))``, with s the share at or above the score, every two lineages counting
        the same. At most a with probability a or less for a pair of two further lineages.
    n_lineages : int
        G. Where all pairs looked at join two shapes, the lineages of the shape that has fewer.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Notes
    -----
    Pairs of strangers share their ends, so that one lineage that resembles everything (a hub) may hold all of
    the highest scores. Call a pair high if at most m pairs that share no lineage with it score as much. By de
    Caen's bound on the sum of squared degrees (1998, doi:10.1016/S0012-365X(97)00213-6) a graph of F edges on
    N = G + 2 nodes holds at least F (N - 3) (F / (N - 1) - 1) / 2 pairs of disjoint edges; of each the lower
    one counts the higher one; so no more than (N - 1) (1 + 2 m / (N - 3)) pairs of N (N - 1) / 2 are high. No
    score beats that: with a hub the highest pair of all is that of the case with probability 2 / N.

    Examples
    --------
    A score above those of all strangers, among twelve lineages:

    >>> from analysis import example_table, stranger_p_value
    >>> p_value, n_lineages = stranger_p_value(example_table(), 9.0)
    >>> p_value == 2 / 14, n_lineages
    (True, 12)
    """
    check_table(table)
    rows = _rows(table, table.independent, score, mask, without)
    if not len(rows):
        return 1.0, 0
    first, second = table.lineage_a[rows].astype(np.intp), table.lineage_b[rows].astype(np.intp)
    n = len(table.lineages)
    two = np.minimum(first, second) * n + np.maximum(first, second)
    _, place, held = np.unique(two, return_inverse=True, return_counts=True)
    hits = np.bincount(place, table.score[rows] >= score - TOLERANCE)
    g = _fewest(table, rows, first, second)
    return min(1.0, 2 * (1 + g * float(np.mean(hits / held))) / (g + 2)), g


def _fewest(table: ScoreTable, rows: Indices, first: Indices, second: Indices) -> int:
    """Lineages of some pairs; where all join two shapes, of the side that has fewer."""
    a, b = table.cell_a[rows], table.cell_b[rows]
    if (a == b).any():
        return len(np.union1d(first, second))
    return min(
        len(np.unique(np.where(a < b, first, second))),
        len(np.unique(np.where(a < b, second, first))),
    )


def _rows(
    table: ScoreTable, side: Mask, score: float, mask: Mask | None, without: Collection[str]
) -> Indices:
    """Rows of the pairs that are asked for."""
    check_number(score, "score")
    check_names(without, "without")
    if mask is not None:
        check_mask(mask, "mask", len(table))
    gone = np.isin(table.lineages.astype(str), list(without)) if len(without) else np.zeros(0, dtype=bool)
    kept = ~(gone[table.lineage_a] | gone[table.lineage_b]) if gone.any() else True
    rows: Indices = np.flatnonzero(side & table.comparable & (True if mask is None else mask) & kept)
    return rows
