"""Do derived pairs score higher than the levels of their models and lineages explain? Lineages as the units.

A permutation of models is exact where models of one shape are exchangeable. They need not be: two lineages
may go together, whole lineages may score high against everybody, and such levels may multiply instead of add.
Then derived pairs stand out by chance, or by their levels, without any trace of descent. Here lineages are
drawn independently of each other, and nothing else is exchangeable:

1. A score becomes the normal quantile of its place among the independent pairs of the same two cells.
2. What independent pairs show of the level of each model, and of each cell pair that holds derived pairs, is
   fitted by least squares (every lineage pair weighs the same), and to what that leaves one term for all that
   is not additive: the product of two lineages' levels (`analysis/inference/level_product.py`), or their
   distance, where the lower of two decides (`analysis/inference/lower_level.py`).
3. A lineage's excess is the mean of its derived pairs less what the fit says of them. The mean over lineages,
   in standard errors, is judged by Student's t. Of the two terms the one that leaves less is taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import linalg
from scipy.special import ndtri, stdtr

from analysis.inference.level_product import LevelProduct
from analysis.inference.lower_level import LowerLevel
from analysis.inference.separation_statistic import scored_rows
from analysis.table import ScoreTable

__all__ = ["LineageExcess"]

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

RIDGE: Final = 1e-3
"""Lineage pairs' worth of belief that a model has no level of its own: solvable for one without pairs."""
LEAST: Final = 0.25
"""Least variance between lineages, in variances of what is left of lineage pairs: a few lineages that agree
by chance, or all stand at the upper end, are not taken for certainty."""
SMALLEST: Final = 2.0**-20
"""Smallest p-value: how thin the tails of t are further out nobody knows of scores."""


@dataclass(frozen=True)
class LineageExcess:
    """Mean over lineages of what derived pairs score above their levels, by the term that leaves less.

    Attributes
    ----------
    mean : float
        In normal scores; NaN without a derived pair.
    error : float
        Its standard error; NaN below two lineages.
    n_lineages : int
        Lineages with derived pairs.
    p_value : float
        One-sided, of no excess, by t with n_lineages - 1 degrees of freedom; NaN below two lineages. Where no
        spread is seen at all, that of a sign test, 2**-n_lineages. Never below 2**-20.
    """

    mean: float
    error: float
    n_lineages: int
    p_value: float

    @classmethod
    def of(cls, table: ScoreTable, derived: Mask, models: Mask) -> LineageExcess:
        """Measure the excess of some derived pairs.

        Parameters
        ----------
        table : ScoreTable
        derived : ndarray of bool, shape (n_pairs,)
            Derived pairs whose cell pair also holds independent pairs of the models.
        models : ndarray of bool, shape (n_models,)
            Models whose pairs take part.

        Notes
        -----
        Two lineages are compared with the same independent pairs, so their excesses are not independent of
        each other. With independent errors of lineage pairs the fit tells by how much the variance of the
        mean exceeds what the spread of the excesses says: G·(1/G + Q) beside G/(G - 1)·(1 + q - 1/G - Q), q
        the mean variance of the lineages' fitted values and Q that of their mean. It is never taken for less.

        Product and distance of levels stand for a shape that nobody knows; where one explains a part of the
        excess, as much again is taken off for what one term misses. Both must leave an excess.
        """
        taking = scored_rows(table) & models[table.model_a] & models[table.model_b]
        rows = np.flatnonzero(taking & (derived | table.independent))
        mine, rival = derived[rows], table.independent[rows]
        if not mine.any():
            return cls(math.nan, math.nan, 0, math.nan)
        y = _normal_places(table.cell_pair[rows], table.score[rows], rival)
        levels = _Levels.of(table, rows, mine, rival)
        lineage = np.unique(table.lineage_a[rows[mine]], return_inverse=True)[1]
        weight = 1 / np.bincount(lineage)[lineage]
        g = int(lineage.max()) + 1

        at = levels.solve(levels.moments(y)[:, None])[:, 0]
        left = y - levels.fitted(at)
        blocks = levels.block_means(left[rival])
        product = LevelProduct.of(at[: levels.n_models], levels.lineage, blocks, *levels.ends_of_blocks())
        own = np.zeros(g, dtype=np.intp)
        own[lineage] = levels.lineage[levels.a[mine]]
        nearness = levels.nearness(at)
        near, excess = (np.bincount(lineage, weight * of[mine]).astype(np.float64) for of in (nearness, left))
        lower = LowerLevel.of(blocks, levels.block_means(nearness[rival]), near)
        inflation = levels.inflation(lineage, weight, mine) if g > 1 else math.nan
        return max(
            (
                cls._judged(excess, inside, blocks - between, inflation)
                for inside, between in ((product.inside[own], product.between), (lower.inside, lower.between))
            ),
            key=lambda found: found.p_value,
        )

    @classmethod
    def _judged(cls, excess: Floats, explained: Floats, left: Floats, inflation: float) -> LineageExcess:
        """Mean of the excesses of lineages less what a term explains of them, judged by their spread."""
        g = len(excess)
        rest = excess - explained
        mean = float(rest.mean() - max(0.0, explained.mean()))
        if g < 2:
            return cls(mean, math.nan, g, math.nan)
        spread = max(float(rest.var(ddof=1)), LEAST * float(np.square(left).mean()))
        variance = spread * inflation / g
        if variance <= 1e-24:
            # All agree, and nothing tells how far they might not: each may as well have fallen below.
            return cls(mean, 0.0, g, max(SMALLEST, 2.0**-g) if mean > 1e-9 else 1.0)
        p_value = float(stdtr(g - 1, -mean / math.sqrt(variance)))
        return cls(mean, math.sqrt(variance), g, max(SMALLEST, p_value))


@dataclass(frozen=True)
class _Levels:
    """Least squares of one level a model and one a cell pair that holds derived pairs, on independent pairs.

    Attributes
    ----------
    a, b, kind : ndarray of int, shape (n_rows,)
        Models of each pair, and the column of its cell pair's level.
    rival : ndarray of bool, shape (n_rows,)
        Independent pairs: those fitted.
    lineage : ndarray of int, shape (n_models,)
        Lineage of each model, from 0.
    block : ndarray of int, shape (n_rivals,)
        Pair of lineages of each independent pair.
    weight : ndarray of float, shape (n_rivals,)
        Every pair of lineages weighs 1.
    n_models, n_levels : int
    factor : tuple
        Cholesky factor of the normal equations.
    """

    a: Indices
    b: Indices
    kind: Indices
    rival: Mask
    lineage: Indices
    block: Indices
    weight: Floats
    n_models: int
    n_levels: int
    factor: tuple[Floats, bool]

    @classmethod
    def of(cls, table: ScoreTable, rows: Indices, mine: Mask, rival: Mask) -> _Levels:
        code = np.unique(np.stack([table.model_a[rows], table.model_b[rows]]), return_inverse=True)[1]
        a, b = code.reshape(2, -1)
        pair = table.cell_pair[rows]
        kinds = np.unique(pair[mine])
        # All cell pairs without derived pairs share one level: their scores are centred already.
        kind = np.where(np.isin(pair, kinds), np.searchsorted(kinds, pair), len(kinds))
        g, h = table.lineage_a[rows[rival]].astype(np.int64), table.lineage_b[rows[rival]]
        block = np.unique(np.minimum(g, h) * len(table.lineages) + np.maximum(g, h), return_inverse=True)[1]
        weight = 1 / np.bincount(block)[block]
        n, m = int(code.max()) + 1, len(kinds) + 1
        lineage = np.zeros(n, dtype=np.intp)
        lineage[a], lineage[b] = table.lineage_a[rows], table.lineage_b[rows]
        lineage = np.unique(lineage, return_inverse=True)[1]
        i, j, k = a[rival], b[rival], kind[rival]
        system = np.zeros((n + m, n + m))
        system[i, j] = system[j, i] = weight
        np.add.at(system, (i, n + k), weight)
        np.add.at(system, (j, n + k), weight)
        system[n:, :n] = system[:n, n:].T
        own = np.bincount(i, weight, n) + np.bincount(j, weight, n)
        np.fill_diagonal(system, np.append(own, np.bincount(k, weight, m)) + RIDGE)
        return cls(a, b, kind, rival, lineage, block, weight, n, m, linalg.cho_factor(system))

    def moments(self, values: Floats) -> Floats:
        """Right side of the normal equations for values of all rows, shape (n_models + n_levels,)."""
        w = self.weight * values[self.rival]
        n = self.n_models
        ends = np.bincount(self.a[self.rival], w, n) + np.bincount(self.b[self.rival], w, n)
        return np.append(ends, np.bincount(self.kind[self.rival], w, self.n_levels))

    def solve(self, moments: Floats) -> Floats:
        """Levels for right sides in columns."""
        return np.asarray(linalg.cho_solve(self.factor, moments))

    def fitted(self, at: Floats) -> Floats:
        """What the levels say of every row."""
        out: Floats = at[self.a] + at[self.b] + at[self.n_models + self.kind]
        return out

    def block_means(self, values: Floats) -> Floats:
        """Mean of values of independent pairs in every pair of lineages."""
        return np.bincount(self.block, self.weight * values).astype(np.float64)

    def nearness(self, at: Floats) -> Floats:
        """Minus the distance of two lineages' mean levels, less what sums of levels say of it, a row each."""
        level = np.bincount(self.lineage, at[: self.n_models]) / np.bincount(self.lineage)
        near = -np.abs(level[self.lineage[self.a]] - level[self.lineage[self.b]])
        left: Floats = near - self.fitted(self.solve(self.moments(near)[:, None])[:, 0])
        return left

    def ends_of_blocks(self) -> tuple[Indices, Indices]:
        """Find the two lineages of every pair of lineages that holds independent pairs."""
        first = np.unique(self.block, return_index=True)[1]
        return self.lineage[self.a[self.rival][first]], self.lineage[self.b[self.rival][first]]

    def inflation(self, lineage: Indices, weight: Floats, mine: Mask) -> float:
        """Variance of the mean excess over what the spread of the excesses says of it; 1 or more."""
        g = int(lineage.max()) + 1
        design = np.zeros((self.n_models + self.n_levels, g))
        for place in (self.a[mine], self.b[mine], self.n_models + self.kind[mine]):
            np.add.at(design, (place, lineage), weight)
        solved = self.solve(design)
        own = float((design * solved).sum() / g)
        common = float(design.mean(axis=1) @ solved.mean(axis=1))
        told = g / (g - 1) * (1 + own - 1 / g - common)
        return max(1.0, (1 + g * common) / told)


def _normal_places(group: npt.NDArray[np.int64], score: Floats, rival: Mask) -> Floats:
    """Normal quantile of each score's place among the rivals of its group, ties at their middle.

    Beyond all rivals it is that of the highest or lowest of as many untied ones; 0 without a rival.
    """
    out = np.zeros(len(score))
    order = np.argsort(group, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        among = np.sort(score[rows[rival[rows]]])
        n = len(among)
        if not n:
            continue
        middle = (
            np.searchsorted(among, score[rows], "left") + np.searchsorted(among, score[rows], "right")
        ) / 2
        out[rows] = ndtri(np.clip(middle, 0.5, n - 0.5) / n)
    return out
