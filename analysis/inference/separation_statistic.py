"""How far derived pairs stand out among all pairs of the same cells, in standard errors.

Scores become normal quantiles of their ranks among the pairs of the same two cells; a model's general level
is taken out (least squares, one effect a model, with the weight of one pair at zero); the mean over lineages
of the mean of their derived pairs is divided by its standard error over lineages (a studentised permutation
test, Janssen 1997, Chung & Romano 2013). The transformation treats all models of a cell alike and reads no
label, so the test stays exact; names, the order of rows and the order inside a pair have no part in it. Every
lineage weighs the same, so that a family of fifty fine-tunes does not decide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import linalg
from scipy.special import ndtri

from analysis.inference.arrangements import Arrangements, Drawn
from analysis.table import ScoreTable

__all__ = ["SeparationStatistic", "scored_rows"]

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

FLOOR: Final = 0.01
"""Share of the variance that independent pairs would have, added to the squared standard error over
lineages: with three lineages the estimate alone is so unstable that power suffers."""
ROWS: Final = 256
"""Arrangements looked up at once: few enough for the processor's cache."""
UNKNOWN: Final = 1e12
"""Statistic of an arrangement none of whose derived pairs has a score: it counts against separation."""


def scored_rows(table: ScoreTable) -> npt.NDArray[np.bool_]:
    """Pairs that take part: with a score, an undisputed label and known cells."""
    scored: npt.NDArray[np.bool_] = table.comparable & (table.relation != "disputed") & (table.cell_pair >= 0)
    return scored


@dataclass(frozen=True)
class SeparationStatistic:
    """One metric's studentised mean centred normal score as a function of where the derived pairs lie.

    Attributes
    ----------
    centred : ndarray of float, shape (n_models²,)
        Centred normal score of every pair of models, 0 where unknown.
    known : ndarray of float, shape (n_models²,), or None
        1 where a score stands; None where no permuted pair can fall on an unknown one.
    columns : ndarray of int, shape (n_derived,)
        The metric's own derived pairs among those of the arrangements.
    starts : ndarray of int, shape (n_lineages,)
        First derived pair of each lineage.
    variance : float
        Of the centred scores.
    """

    centred: Floats
    known: Floats | None
    columns: Indices
    starts: Indices
    variance: float

    @classmethod
    def of(
        cls, table: ScoreTable, code: dict[str, int], arrangements: Arrangements, columns: Indices
    ) -> SeparationStatistic:
        """Prepare the statistic of one table.

        Parameters
        ----------
        table : ScoreTable
        code : dict of str to int
            Position of each permuted model.
        arrangements : Arrangements
            Of the family of metrics that are tested together.
        columns : ndarray of int
            Which of its derived pairs this table has, ascending.
        """
        centred, known = _centred_scores(table, code)
        lineage = arrangements.lineage[columns]
        cell = arrangements.cell
        reachable = np.isin(cell, cell[np.concatenate([arrangements.a, arrangements.b])])
        complete = bool(known[np.ix_(reachable, reachable)].sum() == reachable.sum() * (reachable.sum() - 1))
        variance = float(np.square(centred).sum() / max(known.sum(), 1.0))
        starts = np.flatnonzero(np.diff(lineage, prepend=-1))
        return cls(centred.ravel(), None if complete else known.ravel(), columns, starts, variance)

    def __call__(self, drawn: Drawn) -> Floats:
        """Statistic of each arrangement, shape (rows,); `UNKNOWN` where no derived pair falls on a score."""
        a, b = drawn
        parts = [slice(begin, begin + ROWS) for begin in range(0, len(a), ROWS)]
        return np.concatenate([self._of_rows(a[part], b[part]) for part in parts])

    def _of_rows(self, a: Indices, b: Indices) -> Floats:
        n = math.isqrt(len(self.centred))
        if len(self.columns) < a.shape[1]:
            a, b = a[:, self.columns], b[:, self.columns]
        index = a * n
        index += b
        total = np.add.reduceat(self.centred.take(index), self.starts, axis=1)
        if self.known is None:
            count = np.diff(np.append(self.starts, index.shape[1])).astype(np.float64)[None, :]
        else:
            count = np.add.reduceat(self.known.take(index), self.starts, axis=1)
        seen = count > 0
        groups = seen.sum(axis=1)
        share = np.maximum(count, 1.0)
        lineage_mean = total / share
        mean = lineage_mean.sum(axis=1) / np.maximum(groups, 1)
        spread = (seen * np.square(lineage_mean - mean[:, None])).sum(axis=1)
        spread *= groups / np.maximum(groups - 1, 1)
        # One lineage has no spread between lineages: the variance of unrelated pairs takes its place.
        floor = np.where(groups > 1, FLOOR, 1.0) * self.variance * (seen / share).sum(axis=1)
        error = np.sqrt(spread + floor) / np.maximum(groups, 1)
        value = np.divide(mean, error, out=np.zeros_like(mean), where=error > 0)
        return np.where(groups > 0, value, UNKNOWN)


def _centred_scores(table: ScoreTable, code: dict[str, int]) -> tuple[Floats, Floats]:
    """Normal scores within pairs of cells less the effects of the two models: a matrix, 0 where unknown.

    Returns
    -------
    centred, known : ndarray, shape (n_models, n_models)
        Symmetric; `known` is 1 where a score stands and 0 elsewhere.
    """
    n = len(code)
    place = np.array([code.get(model, -1) for model in table.models])
    rows = np.flatnonzero(scored_rows(table) & (place[table.model_a] >= 0) & (place[table.model_b] >= 0))
    a, b = place[table.model_a[rows]], place[table.model_b[rows]]
    normal = _normal_scores_within(table.cell_pair[rows], table.score[rows])
    matrix, known = np.zeros((n, n)), np.zeros((n, n))
    matrix[a, b] = matrix[b, a] = normal
    known[a, b] = known[b, a] = 1.0
    system = known + np.diag(known.sum(axis=1) + 1.0)
    effect = linalg.solve(system, matrix.sum(axis=1), assume_a="pos")
    return known * (matrix - effect[:, None] - effect), known


def _normal_scores_within(group: npt.NDArray[np.int64], score: Floats) -> Floats:
    """Normal quantile of each score's rank inside its group, ties at their middle."""
    order = np.lexsort((score, group))
    g, s = group[order], score[order]
    new_group = np.flatnonzero(np.diff(g, prepend=g[0] - 1))
    new_run = np.flatnonzero((np.diff(g, prepend=g[0] - 1) != 0) | (s != np.roll(s, 1)))
    run_length = np.diff(np.append(new_run, len(s)))
    middle = np.repeat(new_run + run_length / 2, run_length)
    group_length = np.diff(np.append(new_group, len(s)))
    out = np.empty(len(s))
    out[order] = (middle - np.repeat(new_group, group_length)) / np.repeat(group_length, group_length)
    return np.asarray(ndtri(out))
