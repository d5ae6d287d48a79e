"""Does a score know lineage, or only architecture? Three looks at the same question."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import stdtr, stdtrit

from analysis.discrimination.intervals import (
    SAME_CELL_AREA,
    difference_interval,
    effective_number,
    lineage_interval,
)
from analysis.discrimination.wins import Wins
from analysis.inference.midranks import midranks
from analysis.results import Interval, Result
from analysis.table import ScoreTable, check_table
from analysis.validation import check_probability

__all__ = [
    "ArchitectureAudit",
    "Coefficient",
    "architecture_detector",
    "auc_gap",
    "dyadic_regression",
    "same_cell_auc",
]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
SAME_CELL: Final = "infinitesimal lineage jackknife, dyadic, one additional uninformative lineage"
GAP: Final = "difference on the same lineage jackknife folds, random weights, one lineage more"
REGRESSION: Final = "least squares on score ranks, lineage jackknife, t(effective lineages - 1)"
FEWEST: Final = 3.0
"""Effective lineages below which a coefficient has no interval: what one lineage does would decide it."""


@dataclass(frozen=True, eq=False)
class Coefficient(Result):
    """How much higher a property lifts a pair's score, all others being equal.

    Attributes
    ----------
    name : str
        The property of the pair, e.g. "derived", "same cell".
    effect : Interval
        In ranks: 1 would move a pair from the lowest score of the table to the highest. Without ends, and
        with the reason, where fewer than three effective lineages, or one alone, tell of the property.
    p_value : float
        Two-sided, of no effect.
    """

    name: str
    effect: Interval
    p_value: float


@dataclass(frozen=True, eq=False)
class ArchitectureAudit(Result):
    """How well the same score tells architecture instead of lineage.

    Attributes
    ----------
    auc : Interval
        Of telling independent pairs inside one architecture cell from independent pairs across cells. 0.5:
        the score knows nothing of architecture.
    gap : Interval
        AUC against all independent pairs less look-alike AUC: what architecture adds to the score's fame.
    regression : tuple of Coefficient
        Ranks of the score on the properties of the pair.
    reason : str
        Why there is no regression.
    """

    _headline = "gap"

    auc: Interval
    gap: Interval
    regression: tuple[Coefficient, ...]
    reason: str


def architecture_detector(table: ScoreTable, level: float = 0.95) -> ArchitectureAudit:
    """Ask a score for architecture.

    Parameters
    ----------
    table : ScoreTable
        With architectures; only comparable pairs are used.
    level : float
        Nominal coverage of all intervals, in (0, 1).

    Returns
    -------
    ArchitectureAudit
        What cannot be told is undefined with its reason.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Examples
    --------
    Every pair of one cell scores half a standard deviation higher in the example:

    >>> from analysis import architecture_detector, example_table
    >>> audit = architecture_detector(example_table())
    >>> print(audit.auc._cell())
    0.5888 [0.4269, 0.7058]
    >>> [found.name for found in audit.regression]
    ['derived', 'sibling', 'same cell']
    """
    check_table(table)
    check_probability(level, "level")
    coefficients, reason = dyadic_regression(table, level)
    gap = auc_gap(Wins.of(table), Wins.of(table, "look-alike"), level)
    return ArchitectureAudit(same_cell_auc(table, level), gap, coefficients, reason)


def same_cell_auc(table: ScoreTable, level: float = 0.95) -> Interval:
    """AUC of a score for "same architecture cell" among independent pairs, with a dyadic interval.

    Both sides are pairs across lineages, so the variance is that of the linearised AUC: each pair's share of
    wins less the mean, summed over the pairs that touch a lineage.
    """
    known = table.independent & table.comparable & (table.cell_pair >= 0)
    rows = np.flatnonzero(known)
    same = table.cell_a[rows] == table.cell_b[rows]
    n, m = int(same.sum()), int((~same).sum())
    if not n or not m:
        missing = "inside one" if not n else "across two"
        reason = f"no independent pair {missing} known architecture cell{'' if not n else 's'} has a score"
        return Interval.undefined(reason, level=level, method=SAME_CELL)
    score = table.score[rows]
    rank = midranks(score)
    inside, across = midranks(score[same]), midranks(score[~same])
    beaten = np.empty(len(rows))
    beaten[same] = (rank[same] - inside) / m
    beaten[~same] = 1 - (rank[~same] - across) / n
    auc = float(beaten[same].mean())
    share = (beaten - auc) / np.where(same, n, m)
    a, b = table.lineage_a[rows], table.lineage_b[rows]
    g = len(table.lineages)
    touching, pairs = _lineage_sums(np.stack([share, np.ones(len(rows))], axis=1), a, b, g).T
    present = pairs > 0
    return lineage_interval(
        auc,
        np.clip(auc - touching[present], 0.0, 1.0),
        kind=SAME_CELL_AREA,
        units=effective_number(pairs),
        level=level,
        method=SAME_CELL,
        n_pairs=len(rows),
        n_models=table.count_models(rows),
        n_lineages=int(present.sum()),
    )


def auc_gap(everybody: Wins, alike: Wins, level: float = 0.95) -> Interval:
    """AUC against all independent pairs less the matched look-alike AUC, on the same jackknife folds.

    Where no fold differs from another (both 1, say) the ends are those that the two intervals' floors allow.
    """
    if not (everybody.n_positive and everybody.n_negative and alike.n_positive and alike.n_negative):
        return Interval.undefined("one of the two AUCs is undefined", level=level, method=GAP)
    lineages = np.union1d(everybody.lineages, alike.lineages)
    folds = np.zeros(len(lineages))
    for sign, wins in ((1, everybody), (-1, alike)):
        own = np.full(len(lineages), wins.estimate)
        own[np.searchsorted(lineages, wins.lineages)] = wins.jackknife()
        folds += sign * own
    return difference_interval(
        everybody.estimate - alike.estimate,
        folds,
        level,
        GAP,
        units=min(everybody.units, alike.units),
        n_pairs=everybody.n_positive + everybody.n_negative,
        n_models=everybody.n_models,
        n_lineages=len(lineages),
    )


def dyadic_regression(table: ScoreTable, level: float = 0.95) -> tuple[tuple[Coefficient, ...], str]:
    """Regress score ranks on what two models share, with errors that respect shared lineages.

    Predictors, where known and not all alike: derived, sibling, same cell, and every column of the table
    named `same_…` (yes or no) or given as a pair `…_a`, `…_b` (same depth, width, tokenizer, corpus …).
    Derived, sibling and independent pairs take part.

    Parameters
    ----------
    table : ScoreTable
        Only comparable pairs are used.
    level : float
        Nominal coverage of the effects' intervals, in (0, 1).

    Returns
    -------
    tuple of Coefficient, str
        The coefficients, and why there are none or which predictors had to be left out.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Notes
    -----
    Any two pairs that touch a common lineage may be correlated (Fafchamps & Gubert 2007; Cameron & Miller
    2014). The variance is that of the delete-one-lineage jackknife: all pairs that touch a lineage are left
    out together. A sandwich of residuals is too small where one lineage holds most of the derived pairs, for
    the fit follows that lineage and leaves no residual; the jackknife sees how far the coefficient moves
    without it. Pairs between two lineages count for both, which errs towards wide intervals.

    Degrees of freedom: the effective number of lineages, (Σ I)²/Σ I², less one; I is the information that the
    pairs touching a lineage hold on the coefficient, the sum of the squares of its column less what the other
    columns tell of it (compare Carter, Schnepel & Steigerwald 2017). Below three there is no interval.

    Examples
    --------
    >>> from analysis import dyadic_regression, example_table
    >>> found, left_out = dyadic_regression(example_table())
    >>> for one in found:
    ...     print(f"{one.name}: {one.effect._cell()}")
    derived: 0.4294 [0.3589, 0.4999]
    sibling: -0.1648 [-0.3028, -0.02684]
    same cell: 0.08591 [0.01697, 0.1549]
    """
    check_table(table)
    check_probability(level, "level")
    used = table.comparable & np.isin(table.relation, ["derived", "sibling", "independent"])
    rows = np.flatnonzero(used)
    names, columns, left_out = _predictors(table, rows)
    a, b = table.lineage_a[rows], table.lineage_b[rows]
    g = len(np.unique(np.concatenate([a, b])))
    if not names:
        return (), "no property differs between the pairs: nothing to regress on"
    if g < len(names) + 2:
        return (), f"{g} lineages are too few for {len(names)} coefficients"
    x = np.column_stack([np.ones(len(rows)), *columns])
    y = midranks(table.score[rows]) / len(rows)
    beta, folds, effective = _jackknife(x, y, a, b, len(table.lineages))
    found = []
    for name, estimate, without, worth in zip(
        names, beta[1:].tolist(), folds.T[1:], effective[1:].tolist(), strict=True
    ):
        sd = math.sqrt((g - 1) / g * float(np.square(without - estimate).sum()))
        reason = ""
        if math.isnan(sd):
            reason = "only one lineage has information on it"
        elif worth < FEWEST - 1e-9:  # three equal ones are three, however that is rounded
            reason = f"lineages too uneven: equivalent to {worth:.1f} equal ones; {FEWEST:g} are needed"
        elif sd <= 1e-12:
            reason = "the residuals do not vary"
        if reason:
            effect = Interval(estimate, math.nan, math.nan, level, REGRESSION, reason=reason)
            found.append(Coefficient(name, effect, math.nan))
            continue
        reach = float(stdtrit(worth - 1, (1 + level) / 2)) * sd
        effect = Interval(
            estimate, estimate - reach, estimate + reach, level, REGRESSION, n_pairs=len(rows), n_lineages=g
        )
        found.append(Coefficient(name, effect, 2 * float(stdtr(worth - 1, -abs(estimate) / sd))))
    return tuple(found), f"left out: {', '.join(left_out)}" if left_out else ""


def _jackknife(
    x: Floats, y: Floats, a: npt.NDArray[np.int32], b: npt.NDArray[np.int32], n_lineages: int
) -> tuple[Floats, Floats, Floats]:
    """Least squares with every lineage left out in turn.

    Returns
    -------
    coefficients : ndarray, shape (p,)
    folds : ndarray, shape (n_lineages with pairs, p)
        NaN where the pairs that remain do not tell of the coefficient.
    effective : ndarray, shape (p,)
        Effective number of lineages that tell of each.
    """
    p = x.shape[1]
    squares = x.T @ x
    inverse = np.linalg.inv(squares)
    coefficients = inverse @ (x.T @ y)
    outer = (x[:, :, None] * np.column_stack([x, y])[:, None, :]).reshape(len(x), p * (p + 1))
    own = np.square(x @ inverse / np.diag(inverse))
    present = np.unique(np.concatenate([a, b]))
    sums = _lineage_sums(np.column_stack([outer, own]), a, b, n_lineages)[present]
    touching = sums[:, :-p].reshape(len(present), p, p + 1)
    remaining = squares - touching[:, :, :p]
    moments = (x.T @ y) - touching[:, :, p]
    # A pseudo-inverse: coefficients that can still be told are those of least squares.
    folds = (np.linalg.pinv(remaining, hermitian=True) @ moments[:, :, None])[:, :, 0]
    for j in range(p):
        others = np.arange(p) != j
        cross = remaining[:, others, j]
        known = np.linalg.pinv(remaining[:, others][:, :, others], hermitian=True)
        left = remaining[:, j, j] - np.einsum("gi,gij,gj->g", cross, known, cross)
        folds[left <= 1e-9 * squares[j, j], j] = math.nan
    information = sums[:, -p:]
    effective = np.square(information.sum(axis=0)) / np.square(information).sum(axis=0)
    return coefficients, folds, effective


def _predictors(table: ScoreTable, rows: npt.NDArray[np.intp]) -> tuple[list[str], list[Floats], list[str]]:
    """Properties of pairs that vary and that the ones before do not already tell."""
    relation = table.relation[rows]
    candidates: dict[str, Floats] = {
        "derived": (relation == "derived").astype(np.float64),
        "sibling": (relation == "sibling").astype(np.float64),
    }
    if (table.cell_pair[rows] >= 0).all():
        candidates["same cell"] = (table.cell_a[rows] == table.cell_b[rows]).astype(np.float64)
    left_out: list[str] = []
    frame = table.frame
    known = ("model", "lineage", "architecture")
    for column in frame.columns:
        name = str(column)
        if name.startswith("same_"):
            values = frame[column]
        elif name.endswith("_a") and name[:-2] not in known and f"{name[:-2]}_b" in frame:
            first, second = frame[column], frame[f"{name[:-2]}_b"]
            values = (first == second).where(first.notna() & second.notna())
        else:
            continue
        value = pd.to_numeric(values.iloc[rows].astype(object), errors="coerce").to_numpy(np.float64)
        shared = "same " + name.removeprefix("same_").removesuffix("_a").replace("_", " ")
        if np.isnan(value).any():
            left_out.append(f"{shared} (unknown for {int(np.isnan(value).sum())} pairs)")
        else:
            candidates[shared] = value
    names: list[str] = []
    columns: list[Floats] = []
    for name, values_ in candidates.items():
        if values_.min(initial=math.inf) == values_.max(initial=-math.inf) or not len(values_):
            continue
        x = np.column_stack([np.ones(len(rows)), *columns, values_])
        if np.linalg.matrix_rank(x.T @ x, tol=1e-9 * len(rows)) < x.shape[1]:
            left_out.append(f"{name} (determined by the others)")
            continue
        names.append(name)
        columns.append(values_)
    return names, columns, left_out


def _lineage_sums(values: Floats, a: npt.NDArray[np.int32], b: npt.NDArray[np.int32], g: int) -> Floats:
    """Sum columns over the pairs that touch each lineage, shape (g, n_columns)."""
    apart = a != b
    sums = [np.bincount(a, v, g) + np.bincount(b[apart], v[apart], g) for v in values.T]
    return np.stack(sums, axis=1).astype(np.float64)
