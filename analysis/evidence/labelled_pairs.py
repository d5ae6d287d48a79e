"""The pairs that evidence is fitted on, with their weights, and every fit on a part of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from analysis.evidence.logistic_fit import LogisticFit, logistic_coefficients
from analysis.evidence.negatives import Contrast
from analysis.evidence.score_map import (
    ScoreMap,
    isotonic_map,
    merged_levels,
    normal_scores,
)
from analysis.table import ScoreTable

__all__ = ["LabelledPairs", "finite", "lineage_folds", "lineage_weights"]

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]
MOST: Final = float(np.finfo(np.float64).max)
N_FOLDS: Final = 10
"""Groups of lineages left out together; with fewer lineages every lineage is a group."""


@dataclass(frozen=True)
class LabelledPairs:
    """Derived and negative pairs of a table, in this order, with the scores of one or several metrics.

    Attributes
    ----------
    negatives : str
        What they are: one of `analysis.evidence.negatives.ALTERNATIVES`.
    rows : ndarray of int, shape (n,)
        Where each pair stands in the table.
    scores : ndarray of float, shape (n, n_metrics)
        Infinite ones are brought to just beyond the finite ones.
    code : ndarray of int, shape (2, n)
        Lineages of both ends, numbered from 0 over those that take part.
    derived : ndarray of bool, shape (n,)
    stratum : ndarray of int, shape (n,)
        Inside one, negatives weigh what its derived pairs weigh, in every fit.
    weight : ndarray of float, shape (n,)
        By which every lineage counts the same; each class sums to 1.
    n_models, n_lineages : int
    negative_units : float
        Independent observations that the negatives are worth.
    """

    negatives: str
    rows: Indices
    scores: Floats
    code: Indices
    derived: Mask
    stratum: Indices
    weight: Floats
    n_models: int
    n_lineages: int
    negative_units: float

    @classmethod
    def of(cls, table: ScoreTable, scores: Floats, negatives: str) -> LabelledPairs:
        """Take the comparable derived pairs of a table and its comparable negatives, as `Contrast` does.

        Parameters
        ----------
        table : ScoreTable
        scores : ndarray of float, shape (n_pairs, n_metrics)
            In its row order.
        negatives : str
        """
        contrast = Contrast.of(table, negatives)
        rows, derived, stratum = contrast.rows, contrast.derived, contrast.stratum
        ends = np.stack([table.lineage_a[rows], table.lineage_b[rows]])
        takes_part = np.zeros(len(table.lineages), dtype=np.bool_)
        takes_part[ends] = True
        code = (np.cumsum(takes_part) - 1)[ends]
        weight = lineage_weights(code, derived, stratum)
        other = ~derived
        return cls(
            negatives,
            rows,
            finite(scores[rows]),
            code,
            derived,
            stratum,
            weight,
            table.count_models(rows),
            int(takes_part.sum()),
            _units(code[:, other], stratum[other], weight[other]),
        )

    @property
    def n_derived(self) -> int:
        """Derived pairs."""
        return int(self.derived.sum())

    @property
    def n_negative(self) -> int:
        """Negative pairs."""
        return len(self.derived) - self.n_derived

    @cached_property
    def n_holders(self) -> int:
        """Lineages with derived pairs."""
        return len(np.unique(self.code[0][self.derived]))

    @cached_property
    def n_negative_lineages(self) -> int:
        """Lineages with negatives."""
        return len(np.unique(self.code[:, ~self.derived]))

    @cached_property
    def _levels(self) -> tuple[tuple[Floats, ...], Indices]:
        """Levels of each metric, and the place of each pair among them, shape (n_metrics, n)."""
        if self.scores.shape[1] == 1:
            level, place = merged_levels(self.scores[:, 0])
            return (level,), place[None]
        # The points of several metrics are about as many as the pairs: merging would save nothing.
        levels, places = zip(
            *(np.unique(column, return_inverse=True) for column in self.scores.T), strict=True
        )
        return levels, np.stack(places)

    @cached_property
    def _point(self) -> Indices:
        """Number of the point (one level of each metric) on which each pair lies."""
        levels, place = self._levels
        point: Indices = place[0]
        for own, of in zip(place[1:], levels[1:], strict=True):
            point = np.unique(point * len(of) + own, return_inverse=True)[1]
        return point

    @cached_property
    def _place(self) -> Indices:
        """Places of the points among the levels of each metric, shape (n_metrics, n_points)."""
        place = self._levels[1]
        of_point = np.empty((len(place), int(self._point.max()) + 1), dtype=np.intp)
        of_point[:, self._point] = place
        return of_point

    def _scales(self, weight: Floats) -> tuple[ScoreMap, ...]:
        sums = [
            np.stack([np.bincount(place, side) for side in weight]).astype(np.float64)
            for place in self._place
        ]
        return tuple(
            ScoreMap(level, normal_scores(of)) for level, of in zip(self._levels[0], sums, strict=True)
        )

    def _normal(self, scales: tuple[ScoreMap, ...]) -> Floats:
        """Normal scores of the points, shape (n_metrics, n_points)."""
        return np.stack([scale.value[own] for scale, own in zip(scales, self._place, strict=True)])

    def _fit(self, weight: Floats, start: LogisticFit | None = None) -> LogisticFit:
        """Fit on the points, by the weights of both classes at each, shape (2, n_points)."""
        share = weight / weight.sum(axis=1, keepdims=True) / 2
        scales = self._scales(share)
        used = share.sum(axis=0) > 0
        begin = None if start is None else np.concatenate([[start.intercept], start.slopes])
        return LogisticFit(
            scales, *logistic_coefficients(self._normal(scales)[:, used], share[:, used], begin)
        )

    @cached_property
    def _bins(self) -> tuple[Indices, Indices, Indices]:
        """Bin of each pair (one point, class and stratum); of bins, class and point, and class and stratum.

        The last two are numbers, negatives before derived pairs.
        """
        points, strata = self._place.shape[1], int(self.stratum.max()) + 1
        group = self.derived * strata + self.stratum
        found, bin_of = np.unique(group * points + self._point, return_inverse=True)
        of_bin = found // points
        return bin_of, found % points + of_bin // strata * points, of_bin

    def _matched(self, weight: Floats) -> Floats:
        """Match weights of bins by stratum: of both classes at each point, shape (2, n_points).

        Each stratum of a part of the pairs gives its negatives what its derived pairs weigh; one that lost
        a class is left out.
        """
        _, place, group = self._bins
        strata = int(self.stratum.max()) + 1
        if strata > 1:
            other, ours = np.bincount(group, weight).reshape(2, strata)
            held = other > 0
            scale = np.stack([np.divide(ours, other, out=np.zeros(strata), where=held), held])
            weight = weight * scale.ravel()[group]
        points = self._place.shape[1]
        return np.bincount(place, weight, 2 * points).reshape(2, points).astype(np.float64)

    def _weights(self, pairs: Mask | slice = slice(None)) -> Floats:
        bin_of, place, _ = self._bins
        weight = np.bincount(bin_of[pairs], self.weight[pairs], len(place)).astype(np.float64)
        return self._matched(weight)

    def fit(self) -> LogisticFit:
        """Fit on all pairs."""
        return self._fit(self._weights())

    def isotonic(self) -> ScoreMap:
        """Fit the one metric there is by isotonic regression."""
        return isotonic_map(self._levels[0][0], self._weights())

    def held_out(self, start: LogisticFit) -> Floats:
        """log10 LR of each pair by a fit on pairs of other groups of lineages, shape (n,).

        Lineages are dealt to ten groups (each its own with fewer lineages). A pair of groups is weighed by
        the pairs that touch neither; mixed pairs are in neither part. 0 where none are left of a class.

        Parameters
        ----------
        start : LogisticFit
            The fit on all pairs: from there it is not far.
        """
        value = np.zeros(len(self.derived))
        for here, weight in self._trainings():
            fitted = self._fit(weight, start)
            value[here] = fitted.weigh(self._normal(fitted.scales))[self._point[here]]
        return value

    def held_out_isotonic(self) -> Floats:
        """The same by isotonic regression of the one metric there is."""
        value = np.zeros(len(self.derived))
        for here, weight in self._trainings():
            value[here] = isotonic_map(self._levels[0][0], weight).value[self._point[here]]
        return value

    def _trainings(self) -> Iterator[tuple[Indices, Floats]]:
        """Pairs of each two groups of lineages, and the weights of those that touch neither."""
        groups, order, starts, weight = self._by_groups
        for number, own in enumerate(groups):
            apart = ~np.isin(groups, own).any(axis=1)
            train = self._matched(apart.astype(np.float64) @ weight)
            if (train.sum(axis=1) > 0).all():
                yield order[starts[number] : starts[number + 1]], train

    @cached_property
    def _by_groups(self) -> tuple[Indices, Indices, Indices, csr_array]:
        """Every two groups that hold pairs, the pairs ordered by them, where each begins, and their weights.

        The weights are a matrix of groups × bins, which is sparse.
        """
        fold = lineage_folds(self.code, self.derived)[self.code]
        n = int(fold.max()) + 1
        bin_of, of_bin, _ = self._bins
        pair = fold.min(axis=0) * n + fold.max(axis=0)
        two = np.flatnonzero(np.bincount(pair, minlength=n * n))
        place = np.searchsorted(two, pair)
        order = np.argsort(place.astype(np.uint8), kind="stable")
        starts = np.searchsorted(place[order], np.arange(len(two) + 1))
        weight = csr_array((self.weight, (place, bin_of)), shape=(len(two), len(of_bin)))
        return np.stack([two // n, two % n], axis=1), order, starts, weight

    def left_out_fits(self, start: LogisticFit) -> tuple[LogisticFit, ...]:
        """Fits with each lineage left out in turn; none where no pair of a class is left."""
        found = []
        for lineage in range(self.n_lineages):
            weight = self._weights((self.code != lineage).all(axis=0))
            if (weight.sum(axis=1) > 0).all():
                found.append(self._fit(weight, start))
        return tuple(found)

    def left_out_one_by_one(self, score: Floats, start: LogisticFit) -> Floats:
        """log10 LR of one pair, scores of shape (n_metrics,), by each of `left_out_fits`."""
        return np.array([float(fit(score)) for fit in self.left_out_fits(start)])


def lineage_weights(code: Indices, derived: Mask, stratum: Indices | None = None) -> Floats:
    """Weights by which every lineage (of derived pairs) and every two lineages (of negatives) count the same.

    Parameters
    ----------
    code : ndarray of int, shape (2, n)
        Lineages of both ends.
    derived : ndarray of bool, shape (n,)
    stratum : ndarray of int, shape (n,), optional
        Each holds both classes: its negatives weigh together what its derived pairs do, and every two
        lineages count the same inside it.

    Returns
    -------
    ndarray of float, shape (n,)
        Each class sums to 1.
    """
    n = int(code.max(initial=0)) + 1
    group = code.min(axis=0) * n + code.max(axis=0)
    weight = np.empty(len(derived))
    for side in (derived, ~derived):
        size = np.bincount(group[side])
        weight[side] = 1 / (size[group[side]] * np.count_nonzero(size))
    if stratum is not None and stratum.any():
        ours = np.bincount(stratum, weight * derived)
        own = (stratum * n * n + group)[~derived]
        _, place, size = np.unique(own, return_inverse=True, return_counts=True)
        weight[~derived] = 1 / size[place]
        total = np.bincount(stratum[~derived], weight[~derived])
        weight[~derived] *= (ours / total)[stratum[~derived]]
    return weight


def _units(code: Indices, stratum: Indices, weight: Floats) -> float:
    """Independent observations that negatives are worth: Kish's effective number over strata.

    Parameters
    ----------
    code : ndarray of int, shape (2, n)
        Lineages of both ends.
    stratum : ndarray of int, shape (n,)
    weight : ndarray of float, shape (n,)
    """
    if not len(stratum):
        return 0.0
    units = np.array([_disjoint(code[:, stratum == one]) for one in np.unique(stratum)])
    mass = np.bincount(np.unique(stratum, return_inverse=True)[1], weight)
    return min(_disjoint(code), float(mass.sum() ** 2 / np.sum(mass**2 / units)))


def _disjoint(code: Indices) -> float:
    """How many pairs share no lineage, at most; where all are inside lineages, each lineage is one.

    Where lineages are joined in a ring of three, each of the three pairs counts one half (the fractional
    matching number: half of the largest matching of lineages as one end with lineages as the other). No name
    moves it.
    """
    lineages, place = np.unique(code.ravel(), return_inverse=True)
    a, b = np.split(place.astype(np.int32), 2)  # scipy 1.14 matches no other numbers
    if (a == b).all():
        return float(len(lineages))
    joined = csr_array((np.ones(2 * len(a)), (np.append(a, b), np.append(b, a))))
    return float(np.count_nonzero(maximum_bipartite_matching(joined) >= 0)) / 2


def lineage_folds(code: Indices, derived: Mask, most: int = N_FOLDS) -> Indices:
    """Group of each lineage: dealt out by falling number of derived pairs, so that all groups hold some."""
    n = int(code.max()) + 1
    held = np.bincount(code[0][derived], minlength=n)
    fold = np.empty(n, dtype=np.intp)
    fold[np.argsort(-held, kind="stable")] = np.arange(n) % min(most, n)
    return fold


def finite(scores: Floats) -> Floats:
    """Infinite scores as just beyond the finite ones of their column: they rank, and a fit stays finite."""
    found: list[Floats] = []
    for column in scores.T:
        inside = column[np.isfinite(column)]
        if not len(inside):
            found.append(np.sign(column))
            continue
        # The deviation of numbers near 1, brought back: squares of 1e155 are beyond a double.
        power = int(np.frexp(np.abs(inside).max())[1])
        step = float(np.ldexp(np.std(np.ldexp(inside, -power)), power)) or 1.0
        low, high = float(inside.min()) - step, float(inside.max()) + step
        found.append(np.clip(column, max(low, -MOST), min(high, MOST)))
    return np.stack(found, axis=1)
