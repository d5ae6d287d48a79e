"""Wins of each lineage's positives over each lineage pair's negatives: the AUC under any lineage weights.

The weight of a pair is the product of the multiplicities of its two lineages (m, not m², inside one
lineage), so the AUC of any lineage resample is a form in one matrix. It is built once, with one sort; every
jackknife fold and bootstrap replicate is then a small product with it. The result equals re-weighting pair
by pair exactly, because wins are sums of halves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from analysis.discrimination.intervals import effective_number
from analysis.table import NEGATIVES, ScoreTable
from analysis.validation import check_choice

__all__ = ["Block", "Wins", "comparisons"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
KEPT_ENTRIES = 40_000_000
"""Entries of all blocks together that are kept in memory (8 bytes each); above it they are rebuilt."""
BLOCK_ENTRIES = 10_000_000
"""Entries of one block, and of one product with it."""


@dataclass(frozen=True)
class Block:
    """A part of the matrix: some lineage pairs of one stratum.

    Attributes
    ----------
    stratum : int
    first, second : ndarray of int, shape (n_columns,)
        The two lineages of each column; equal for negatives inside one lineage.
    negatives : ndarray of float, shape (n_columns,)
        Negative pairs in each column.
    wins : ndarray of float, shape (n_rows, n_columns)
        Pairs of pairs won by the positives of the row's lineage, ties one half.
    """

    stratum: int
    first: Ints
    second: Ints
    negatives: Floats
    wins: Floats

    def weights(self, multiplicities: Floats) -> Floats:
        """Weight of each column under lineage multiplicities, shape (..., n_columns)."""
        weight: Floats = multiplicities[..., self.first] * multiplicities[..., self.second]
        inside = np.flatnonzero(self.first == self.second)
        weight[..., inside] = multiplicities[..., self.first[inside]]
        return weight


@dataclass(frozen=True)
class _Stratum:
    """Positives and negatives that are compared with each other only."""

    rows: Ints
    """Lineages that hold positives here."""
    positives: Floats
    """Number of positives of each such lineage."""
    cumulative: Floats
    """Row lineage's positives among the r lowest, shape (n_rows, n_positives + 1)."""
    below: Ints
    """Of each negative: positives strictly below it."""
    not_above: Ints
    """Of each negative: positives not above it."""
    starts: Ints
    """First negative of each column; negatives are ordered by column."""
    first: Ints
    second: Ints

    def blocks(self, stratum: int) -> Iterator[Block]:
        bounds = np.append(self.starts, len(self.below))
        width = max(1, BLOCK_ENTRIES // len(self.rows))
        tied = not np.array_equal(self.below, self.not_above)
        for begin in range(0, len(self.starts), width):
            end = min(begin + width, len(self.starts))
            inside = slice(bounds[begin], bounds[end])
            offsets = self.starts[begin:end] - bounds[begin]
            counts = np.diff(bounds[begin : end + 1]).astype(np.float64)
            wins = np.empty((len(self.rows), end - begin))
            for row, cumulative in enumerate(self.cumulative):
                lost = np.add.reduceat(cumulative[self.below[inside]], offsets)
                if tied:
                    lost = (lost + np.add.reduceat(cumulative[self.not_above[inside]], offsets)) / 2
                wins[row] = self.positives[row] * counts - lost
            yield Block(stratum, self.first[begin:end], self.second[begin:end], counts, wins)


def _stratum(
    positive: Floats, lineage: Ints, negative: Floats, first: Ints, second: Ints, n_lineages: int
) -> _Stratum:
    rows, row = np.unique(lineage, return_inverse=True)
    order = np.argsort(positive, kind="stable")
    steps = np.zeros((len(rows), len(positive) + 1))
    steps[row[order], np.arange(1, len(positive) + 1)] = 1.0
    column = np.minimum(first, second) * n_lineages + np.maximum(first, second)
    if n_lineages**2 <= np.iinfo(np.uint16).max:
        column = column.astype(np.uint16)
    by_column = np.argsort(column, kind="stable")
    column = column[by_column]
    starts = np.flatnonzero(np.append(True, column[1:] != column[:-1]))
    code = column[starts].astype(np.int64)
    return _Stratum(
        rows=rows,
        positives=np.bincount(row).astype(np.float64),
        cumulative=np.cumsum(steps, axis=1),
        below=np.searchsorted(positive[order], negative[by_column], side="left"),
        not_above=np.searchsorted(positive[order], negative[by_column], side="right"),
        starts=starts,
        first=code // n_lineages,
        second=code % n_lineages,
    )


@dataclass(frozen=True)
class Wins:
    """The AUC of a table, or its matched look-alike AUC, as a function of lineage multiplicities.

    With several strata (pairs of architecture cells) a positive meets only negatives of its own stratum and
    the AUC is the mean over positives of the share they beat; positives without negatives take no part.

    Attributes
    ----------
    lineages : ndarray of int, shape (n_units,)
        Codes (of the table) of the lineages that take part; everything here is indexed by position in it.
    n_positive, n_negative, n_models : int
        Pairs and models that take part.
    unmatched : ndarray of int
        Row numbers (in the table) of comparable positives that have no negative to meet.
    """

    lineages: Ints
    n_positive: int
    n_negative: int
    n_models: int
    unmatched: Ints
    _strata: tuple[_Stratum, ...] = field(repr=False)

    @classmethod
    def of(
        cls,
        table: ScoreTable,
        negatives: str = "independent",
        *,
        positive: npt.NDArray[np.bool_] | None = None,
        negative: npt.NDArray[np.bool_] | None = None,
        score: Floats | None = None,
    ) -> Wins:
        """Count the wins of a table.

        Parameters
        ----------
        table : ScoreTable
        negatives : {"independent", "look-alike"}
            All negatives together, or each positive against the negatives of its own pair of cells.
        positive, negative : ndarray of bool, shape (n_pairs,), optional
            Other sets than the derived and the independent pairs. Only comparable pairs are used, unless
            `score` is given.
        score : ndarray of float, shape (n_pairs,), optional
            Scores for all pairs, in place of those of the comparable pairs.
        """
        usable = table.comparable if score is None else np.ones(len(table), dtype=bool)
        value = table.score if score is None else score
        ours = np.flatnonzero(usable & (table.derived if positive is None else positive))
        theirs = np.flatnonzero(usable & (table.independent if negative is None else negative))
        groups = comparisons(table, ours, theirs, negatives)
        used = [np.concatenate([p for p, _ in groups] or [ours[:0]]), *(n for _, n in groups)]
        rows = np.concatenate(used)
        present = np.zeros(len(table.lineages), dtype=bool)
        present[table.lineage_a[rows]] = True
        present[table.lineage_b[rows]] = True
        unit = np.cumsum(present) - 1
        strata = tuple(
            _stratum(
                value[p],
                unit[table.lineage_a[p]],
                value[n],
                unit[table.lineage_a[n]],
                unit[table.lineage_b[n]],
                int(present.sum()),
            )
            for p, n in groups
        )
        return cls(
            lineages=np.flatnonzero(present),
            n_positive=len(used[0]),
            n_negative=sum(len(n) for _, n in groups),
            n_models=table.count_models(rows),
            unmatched=np.setdiff1d(ours, used[0], assume_unique=True),
            _strata=strata,
        )

    @property
    def n_lineages(self) -> int:
        """Number of lineages that take part."""
        return len(self.lineages)

    @property
    def n_strata(self) -> int:
        """Number of groups inside which positives meet negatives (cell pairs, or one)."""
        return len(self._strata)

    @cached_property
    def _kept(self) -> tuple[Block, ...] | None:
        if sum(len(s.rows) * len(s.starts) for s in self._strata) > KEPT_ENTRIES:
            return None
        return tuple(block for i, s in enumerate(self._strata) for block in s.blocks(i))

    def blocks(self) -> Iterator[Block]:
        """The matrix in parts; kept when small, counted again on every pass when large."""
        if self._kept is not None:
            yield from self._kept
        else:
            for i, stratum in enumerate(self._strata):
                yield from stratum.blocks(i)

    @cached_property
    def positives(self) -> Floats:
        """Positives of each lineage, shape (n_units,)."""
        total = np.zeros(self.n_lineages)
        for stratum in self._strata:
            total[stratum.rows] += stratum.positives
        return total

    @cached_property
    def negatives(self) -> Floats:
        """Negatives that touch each lineage, shape (n_units,)."""
        total = np.zeros(self.n_lineages)
        for block in self.blocks():
            total += _touching(block, block.negatives, self.n_lineages)
        return total

    @cached_property
    def units(self) -> float:
        """Effective number of lineages, at least 1: that of the positives, or of the negatives if fewer."""
        ours, theirs = effective_number(self.positives), effective_number(self.negatives)
        return max(1.0, min(ours, theirs))

    @cached_property
    def estimate(self) -> float:
        """The AUC itself; NaN without positives or negatives."""
        return float(self.auc(np.ones((1, self.n_lineages)))[0])

    def auc(self, multiplicities: npt.ArrayLike) -> Floats:
        """AUC of lineage resamples.

        Parameters
        ----------
        multiplicities : array_like, shape (n_resamples, n_units)
            How often each lineage stands in each resample; any non-negative weights.

        Returns
        -------
        ndarray, shape (n_resamples,)
            NaN where a resample holds no positive that has a negative to meet.
        """
        m = np.asarray(multiplicities, dtype=np.float64)
        won = np.zeros((len(self._strata), len(m)))
        met = np.zeros_like(won)
        for block in self.blocks():
            rows = self._strata[block.stratum].rows
            step = BLOCK_ENTRIES // len(block.first)
            for begin in range(0, len(m), step):
                part = slice(begin, begin + step)
                weight = block.weights(m[part])
                won[block.stratum, part] += np.einsum("rl,rl->r", m[part][:, rows] @ block.wins, weight)
                met[block.stratum, part] += weight @ block.negatives
        held = np.array([m[:, s.rows] @ s.positives for s in self._strata]).reshape(met.shape)
        return _mean_share(won, met, held)

    def jackknife(self) -> Floats:
        """AUC with each lineage left out, shape (n_units,); NaN where nothing is left to compare."""
        shape = (len(self._strata), self.n_lineages)
        won, met, held = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        for block in self.blocks():
            rows = self._strata[block.stratum].rows
            columns = block.wins.sum(axis=0)
            lost = _touching(block, columns, self.n_lineages)
            lost[rows] += block.wins.sum(axis=1)
            place = np.full(self.n_lineages, -1)
            place[rows] = np.arange(len(rows))
            for end, counted in ((block.first, True), (block.second, block.first != block.second)):
                both = np.flatnonzero((place[end] >= 0) & counted)
                np.subtract.at(lost, end[both], block.wins[place[end[both]], both])
            won[block.stratum] += columns.sum() - lost
            met[block.stratum] += block.negatives.sum() - _touching(block, block.negatives, self.n_lineages)
        for i, stratum in enumerate(self._strata):
            held[i] = stratum.positives.sum()
            held[i, stratum.rows] -= stratum.positives
        return _mean_share(won, met, held)

    def bootstrap(self, n_resamples: int, rng: np.random.Generator) -> Floats:
        """AUC of lineage bootstrap resamples, shape (n_resamples,); NaN where one is undefined."""
        n = self.n_lineages
        return self.auc(rng.multinomial(n, np.full(n, 1 / n), size=n_resamples))


def _touching(block: Block, values: Floats, n_lineages: int) -> Floats:
    """Sum a value of each column over the lineages it touches (once where both are the same)."""
    apart = block.first != block.second
    second = np.bincount(block.second[apart], values[apart], n_lineages)
    total: Floats = np.bincount(block.first, values, n_lineages).astype(np.float64) + second
    return total


def _mean_share(won: Floats, met: Floats, held: Floats) -> Floats:
    """Mean over positives of the share of negatives beaten; strata without negatives take no part."""
    used = met > 0
    share = np.divide(won, met, out=np.zeros_like(won), where=used).sum(axis=0)
    count = np.where(used, held, 0.0).sum(axis=0)
    mean: Floats = np.divide(share, count, out=np.full_like(share, np.nan), where=count > 0)
    return mean


def comparisons(
    table: ScoreTable, ours: Ints, theirs: Ints, negatives: str = "independent"
) -> list[tuple[Ints, Ints]]:
    """Rows of positives and of the negatives they meet: one group, or one for each pair of cells.

    Parameters
    ----------
    table : ScoreTable
    ours, theirs : ndarray of int
        Rows of the positives and of the negatives.
    negatives : {"independent", "look-alike"}

    Returns
    -------
    list of (ndarray, ndarray)
        Groups with both kinds; empty when there is nothing to compare.
    """
    check_choice(negatives, "negatives", NEGATIVES)
    if negatives == "independent":
        return [(ours, theirs)] if len(ours) and len(theirs) else []
    mine, other = table.cell_pair[ours], table.cell_pair[theirs]
    shared = np.intersect1d(mine[mine >= 0], other)
    theirs = theirs[np.isin(other, shared)]
    other = table.cell_pair[theirs]
    return [(ours[mine == code], theirs[other == code]) for code in shared]
