"""Wins of each lineage's positives over each lineage pair's negatives: the AUC under any lineage weights.

The weight of a pair is the product of the multiplicities of its two lineages (m, not m², inside one
lineage), so the AUC of any lineage resample is a form in one matrix: lineages of the positives × lineage
pairs of the negatives. Where lineages are few against the pairs it is built once, with one sort, and every
resample is a small product with it. Where they are many it would be larger than the table (its size grows
with the cube of their number), and a resample is a product with the table itself: lineage pairs of the
negatives × places among the positives, which is sparse. The folds of the jackknife are counted without
either. All equal re-weighting pair by pair exactly, because wins are sums of halves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from analysis.discrimination.intervals import effective_number
from analysis.table import NEGATIVES, ScoreTable
from analysis.validation import check_choice

__all__ = ["Wins", "comparisons"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
DENSE: Final = 10
"""The matrix of wins is built where it has at most so many entries a negative: a product with it is then the
faster way, each of its entries costing a tenth of one of the sparse matrix."""
COLUMNS = 4_096
"""Columns of a block."""
ENTRIES = 2**17
"""Entries of a block times resamples: what a step over resamples makes stays in the processor's cache."""


@dataclass(frozen=True)
class _Block:
    """Some columns of the matrix: all negatives of some lineages with all others."""

    wins: Floats | csr_array
    """Dense, (columns, lineages that hold positives): wins. Sparse, (columns, places): negatives."""
    second: Ints
    """Of each column: the second lineage."""
    inside: Ints
    """Columns whose two lineages are one."""
    starts: Ints
    """First column of each first lineage."""
    first: Ints
    """Those lineages."""

    def won(self, of: Floats, m: Floats) -> Floats:
        """Weight of the pairs of pairs won, by weights of the rows, in each resample."""
        wins: Floats = self.wins @ of
        weight = np.take(m, self.second, axis=0)
        weight[self.inside] = 1.0
        wins *= weight
        total: Floats = np.einsum("gr,gr->r", np.add.reduceat(wins, self.starts, axis=0), m[self.first])
        return total


@dataclass(frozen=True)
class _Stratum:
    """Positives and negatives that are compared with each other only."""

    n_lineages: int
    lineage: Ints
    """Of each positive, by ascending score."""
    below: Ints
    """Of each negative: positives strictly below it; negatives are ordered by column."""
    not_above: Ints
    """Of each negative: positives not above it."""
    starts: Ints
    """First negative of each column, the pair of its two lineages."""
    first: Ints
    second: Ints

    @property
    def counts(self) -> Ints:
        """Negatives in each column."""
        return np.diff(np.append(self.starts, len(self.below)))

    @cached_property
    def positives(self) -> Floats:
        """Positives of each lineage."""
        return np.bincount(self.lineage, minlength=self.n_lineages).astype(np.float64)

    @cached_property
    def negatives(self) -> Floats:
        """Negatives that touch each lineage."""
        return self._touching(self.counts.astype(np.float64))

    @cached_property
    def won(self) -> Floats:
        """Pairs of pairs that the positives win of each column, ties one half."""
        lost = np.add.reduceat(self.below + self.not_above, self.starts) / 2
        return len(self.lineage) * self.counts - lost

    @cached_property
    def dense(self) -> Floats | None:
        """Wins over each column of the positives of each lineage that holds some; None where too large."""
        rows = np.flatnonzero(self.positives)
        if len(rows) * len(self.starts) > DENSE * len(self.below):
            return None
        tied = not np.array_equal(self.below, self.not_above)
        wins = np.empty((len(self.starts), len(rows)))
        for row, lineage in enumerate(rows.tolist()):
            reached = np.append(0, np.cumsum(self.lineage == lineage))
            lost = np.add.reduceat(reached[self.below], self.starts).astype(np.float64)
            if tied:
                lost = (lost + np.add.reduceat(reached[self.not_above], self.starts)) / 2
            wins[:, row] = self.positives[lineage] * self.counts - lost
        return wins

    @cached_property
    def sparse(self) -> csr_array:
        """How many negatives of each column stand at each place among the positives, ties half at both."""
        column = np.repeat(np.arange(len(self.starts)), self.counts)
        half = np.full(2 * len(column), 0.5)
        entries = np.concatenate([column, column]), np.concatenate([self.below, self.not_above])
        return csr_array((half, entries), shape=(len(self.starts), len(self.lineage) + 1))

    @cached_property
    def blocks(self) -> tuple[_Block, ...]:
        """The matrix of wins in parts, or in its place the sparse one."""
        starts = np.flatnonzero(np.append(True, self.first[1:] != self.first[:-1]))
        ends = np.append(starts[1:], len(self.first))
        matrix = self.sparse if self.dense is None else self.dense
        found = []
        while len(starts):
            here = max(1, int(np.searchsorted(ends, starts[0] + COLUMNS, side="right")))
            columns = slice(starts[0], ends[here - 1])
            second = self.second[columns]
            inside = np.flatnonzero(self.first[columns] == second)
            begin, first = starts[:here] - starts[0], self.first[starts[:here]]
            found.append(_Block(matrix[columns], second, inside, begin, first))
            starts, ends = starts[here:], ends[here:]
        return tuple(found)

    @cached_property
    def between(self) -> csr_array:
        """Negatives of each two different lineages."""
        apart = self.first != self.second
        entries = self.counts[apart], (self.first[apart], self.second[apart])
        return csr_array(entries, shape=(self.n_lineages, self.n_lineages), dtype=np.float64)

    def resampled(self, m: Floats) -> tuple[Floats, Floats, Floats]:
        """Weight of the pairs of pairs won, of the negatives and of the positives under multiplicities.

        Parameters
        ----------
        m : ndarray of float, shape (n_lineages, n_resamples)
        """
        if self.dense is not None:
            of = m[self.positives > 0]
        else:
            of = np.zeros((len(self.lineage) + 1, m.shape[1]))
            of[:-1] = np.cumsum(m[self.lineage[::-1]], axis=0)[::-1]
        inside = np.flatnonzero(self.first == self.second)
        met = np.einsum("gr,gr->r", self.between @ m, m) + self.counts[inside] @ m[self.first[inside]]
        return np.sum([block.won(of, m) for block in self.blocks], axis=0), met, self.positives @ m

    def left_out(self) -> tuple[Floats, Floats, Floats]:
        """The same with each lineage left out, shape (n_lineages,) each."""
        n_positives, n = len(self.lineage), self.n_lineages
        at_place = [np.bincount(of, minlength=n_positives + 1) for of in (self.below, self.not_above)]
        beaten = np.cumsum(at_place[0] + at_place[1])[:-1] / 2
        gone = self._touching(self.won) + np.bincount(self.lineage, beaten, n)
        # Wins of a lineage's own positives over negatives that touch it are counted in both.
        code = np.sort(self.lineage * (n_positives + 1) + np.arange(n_positives))
        start = np.append(0, np.cumsum(self.positives)[:-1])
        once = np.ones(len(self.first), dtype=np.bool_)
        for end, counted in ((self.first, once), (self.second, self.first != self.second)):
            of = np.repeat((self.positives[end] > 0) & counted, self.counts)
            own = np.repeat(end, self.counts)[of]
            base = own * (n_positives + 1)
            lost = [np.searchsorted(code, base + place[of]) for place in (self.below, self.not_above)]
            both = self.positives[own] + start[own] - (lost[0] + lost[1]) / 2
            gone = gone - np.bincount(own, both, n)
        return (
            self.won.sum() - gone,
            len(self.below) - self.negatives,
            n_positives - self.positives,
        )

    def _touching(self, values: Floats) -> Floats:
        """Sum a value of each column over the lineages it touches (once where both are the same)."""
        apart = self.first != self.second
        second = np.bincount(self.second[apart], values[apart], self.n_lineages)
        total: Floats = np.bincount(self.first, values, self.n_lineages).astype(np.float64) + second
        return total


def _stratum(
    positive: Floats, lineage: Ints, negative: Floats, first: Ints, second: Ints, n_lineages: int
) -> _Stratum:
    order = np.argsort(positive, kind="stable")
    column = np.minimum(first, second) * n_lineages + np.maximum(first, second)
    if n_lineages**2 <= np.iinfo(np.uint16).max:
        column = column.astype(np.uint16)
    by_column = np.argsort(column, kind="stable")
    column = column[by_column]
    starts = np.flatnonzero(np.append(True, column[1:] != column[:-1]))
    code = column[starts].astype(np.int64)
    return _Stratum(
        n_lineages=n_lineages,
        lineage=lineage[order],
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
    def positives(self) -> Floats:
        """Positives of each lineage, shape (n_units,)."""
        return self._summed([stratum.positives for stratum in self._strata])

    @cached_property
    def negatives(self) -> Floats:
        """Negatives that touch each lineage, shape (n_units,)."""
        return self._summed([stratum.negatives for stratum in self._strata])

    def _summed(self, parts: list[Floats]) -> Floats:
        total: Floats = np.sum([np.zeros(self.n_lineages), *parts], axis=0)
        return total

    @cached_property
    def units(self) -> float:
        """Effective number of lineages, at least 1: that of the positives, or of the negatives if fewer."""
        ours, theirs = effective_number(self.positives), effective_number(self.negatives)
        return max(1.0, min(ours, theirs))

    @cached_property
    def estimate(self) -> float:
        """The AUC itself; NaN without positives or negatives."""
        counted = [
            (stratum.won.sum(keepdims=True), np.full(1, len(stratum.below)), np.full(1, len(stratum.lineage)))
            for stratum in self._strata
        ]
        return float(_mean_share(counted, 1)[0])

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
        m = np.ascontiguousarray(np.asarray(multiplicities, dtype=np.float64).T)
        widest = max((len(block.second) for s in self._strata for block in s.blocks), default=1)
        step = max(1, ENTRIES // widest)
        parts = []
        for begin in range(0, m.shape[1], step):
            some = m[:, begin : begin + step]
            parts.append(_mean_share([stratum.resampled(some) for stratum in self._strata], some.shape[1]))
        return np.concatenate(parts)

    def jackknife(self) -> Floats:
        """AUC with each lineage left out, shape (n_units,); NaN where nothing is left to compare."""
        return _mean_share([stratum.left_out() for stratum in self._strata], self.n_lineages)

    def bootstrap(self, n_resamples: int, rng: np.random.Generator) -> Floats:
        """AUC of lineage bootstrap resamples, shape (n_resamples,); NaN where one is undefined."""
        n = self.n_lineages
        return self.auc(rng.multinomial(n, np.full(n, 1 / n), size=n_resamples))


def _mean_share(strata: list[tuple[Floats, Floats, Floats]], n: int) -> Floats:
    """Mean over positives of the share of negatives beaten; strata without negatives take no part."""
    if not strata:
        return np.full(n, np.nan)
    won, met, held = (np.stack(parts) for parts in zip(*strata, strict=True))
    used = met > 0
    # A stratum's wins are those of all its positives: divided by its negatives, they are the sum of shares.
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
