"""The bound of the likelihood ratio, and the cost of evidence, with one lineage, label or cell changed.

The ratios are kept as they were fitted out of lineage; what they may be used for is asked anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.evidence.likelihood_ratio import Evidence, evidence_pairs
from analysis.evidence.quality import ELUB_GRID, cllr, elub_cost, first_bound
from analysis.influence.influence import Influence, turned_label
from analysis.table import ScoreTable
from analysis.validation import BadArgument

__all__ = ["WeighedPairs"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
BLOCK: Final = 2048
"""Turned labels that are looked at together."""
EMPTY: Final = 1e-12
"""Weight below which a class has no pair left."""


@dataclass(frozen=True)
class WeighedPairs:
    """Out-of-lineage log10 LRs of pairs, before the bounds, ascending; empty with the reason."""

    table: ScoreTable
    rows: Ints
    log10_lr: Floats
    derived: Mask
    weight: Floats
    bounds: tuple[float, float]
    units: float
    reason: str

    @classmethod
    def of(cls, table: ScoreTable, evidence: Evidence) -> WeighedPairs:
        """Take the pairs that the evidence rests on, as it weighed them.

        Raises
        ------
        BadArgument
            The evidence is of another table.
        """
        if evidence.logistic is None:
            none = np.empty(0)
            nowhere, nothing = none.astype(np.int64), none.astype(bool)
            return cls(table, nowhere, none, nothing, none, (0.0, 0.0), math.nan, evidence.reason)
        pairs = evidence_pairs(table, evidence.negatives)
        value = evidence.unbounded
        if len(value) != len(pairs.rows):
            raise BadArgument(
                f"evidence is for another table: it covers {len(value):,} pairs, this one has"
                f" {len(pairs.rows):,}; call analysis.calibrate_evidence(table)"
            )
        order = np.argsort(value, kind="stable")
        return cls(
            table,
            pairs.rows[order],
            value[order],
            pairs.derived[order],
            pairs.weight[order],
            (evidence.lower, evidence.upper),
            pairs.negative_units / pairs.n_negative_lineages,
            "",
        )

    def without_lineage(self) -> Influence:
        """The bound without each lineage.

        As many observations count for a lineage with negatives as with all of them.
        """
        if self.reason:
            return Influence.undefined(self.reason)
        a, b = self._ends

        def without(side: Mask) -> Floats:
            touching = self._mass_above(side, a) + self._mass_above(side & (a != b), b)
            left: Floats = self._mass_above(side) - touching
            return left

        holds, met = self._pairs_of(self.derived) > 0, self._pairs_of(~self.derived) > 0
        values = self._bounds(
            without(self.derived),
            without(~self.derived),
            holds.sum() - holds,
            met.sum() - met - self._left_alone(),
        )
        present = np.unique(np.concatenate([a, b]))
        names = self.table.lineages[present]
        return Influence.of(self.bounds[1], values[present], lambda at: str(names[at]))

    def turned(self) -> Influence:
        """The bound with each label turned.

        A pair that is turned has the weight of an average pair of its new class.
        """
        if self.reason:
            return Influence.undefined(self.reason)
        # What the bound depends on is the same for many pairs.
        kinds, kind = np.unique(self._turnings(), axis=0, return_inverse=True)
        blocks = np.split(kinds, range(BLOCK, len(kinds), BLOCK))
        values = np.concatenate([self._bounds_turned(block) for block in blocks])[kind.ravel()]
        return Influence.of(
            self.bounds[1], values, lambda place: turned_label(self.table, int(self.rows[place]))
        )

    def cllr(self, kept: Mask) -> float:
        """Cost of the bounded ratios of some of the pairs; NaN where a class is empty."""
        label = self.derived[kept]
        if label.all() or not label.any():
            return math.nan
        return cllr(np.clip(self.log10_lr[kept], *self.bounds), label, self.weight[kept])

    @property
    def _ends(self) -> tuple[Ints, Ints]:
        ends = (self.table.lineage_a[self.rows], self.table.lineage_b[self.rows])
        return ends[0].astype(np.int64), ends[1].astype(np.int64)

    @cached_property
    def _reached(self) -> Ints:
        """How many of the cuts each pair's ratio reaches."""
        return np.searchsorted(ELUB_GRID, self.log10_lr, side="right").astype(np.int64)

    def _mass_above(self, rows: Mask, group: Ints | None = None) -> Floats:
        """Weight of some pairs in all, and at or above each cut; of each lineage's if they are grouped."""
        k, n = len(ELUB_GRID) + 1, 1 if group is None else len(self.table.lineages)
        place = self._reached if group is None else self._reached + k * group
        mass = np.bincount(place[rows], self.weight[rows], n * k).reshape(n, k)
        above: Floats = mass[:, ::-1].cumsum(axis=1)[:, ::-1]
        return above

    def _pairs_of(self, rows: Mask) -> Ints:
        """How many of some pairs each lineage stands in."""
        a, b = self._ends
        n = len(self.table.lineages)
        found: Ints = np.bincount(a[rows], minlength=n) + np.bincount(b[rows & (a != b)], minlength=n)
        return found

    def _left_alone(self) -> Ints:
        """How many other lineages have negatives with this one only."""
        n = len(self.table.lineages)
        edges = np.unique(np.sort(np.stack([end[~self.derived] for end in self._ends]), axis=0), axis=1)
        edges = edges[:, edges[0] != edges[1]]
        degree = np.bincount(edges.ravel())
        alone = degree[edges[::-1]] == 1
        found: Ints = np.bincount(edges.ravel(), alone.ravel(), n).astype(np.int64)
        return found

    def _turnings(self) -> Floats:
        """A row a pair: derived or not, its weight, cuts it reaches, lineages of each class without it."""
        a, b = self._ends
        ours, theirs = self._pairs_of(self.derived), self._pairs_of(~self.derived)
        step = np.where(self.derived, -1, 1)
        holders = int((ours > 0).sum()) + step * (ours[a] == self.derived)
        # A turned derived pair brings its lineage in; a turned look-alike may have been all that two had.
        moved = (theirs[a] == ~self.derived).astype(np.int64) + ((theirs[b] == ~self.derived) & (a != b))
        others = int((theirs > 0).sum()) - step * moved
        return np.column_stack([self.derived, self.weight, self._reached, holders, others]).astype(np.float64)

    def _bounds_turned(self, turnings: Floats) -> Floats:
        derived, weight, reached, holders, others = turnings.T
        mean = {side: float(self.weight[self.derived == side].mean()) for side in (True, False)}
        # Into a class with the mean weight there, out of one with its own.
        given = np.where(derived, -weight, mean[True])
        taken = np.where(derived, -mean[False], weight)
        reaches = np.arange(len(ELUB_GRID) + 1) <= reached[:, None]
        return self._bounds(
            self._mass_above(self.derived) + given[:, None] * reaches,
            self._mass_above(~self.derived) - taken[:, None] * reaches,
            holders,
            others,
        )

    def _bounds(self, ours: Floats, theirs: Floats, holders: npt.ArrayLike, others: npt.ArrayLike) -> Floats:
        """Bounds for derivation from the masses of both classes; NaN where a class is empty."""
        n, m = (np.asarray(count, dtype=np.float64)[:, None] for count in (holders, others))
        empty = (ours[:, 0] < EMPTY) | (theirs[:, 0] < EMPTY)
        hit, accused = (side[:, 1:] / np.maximum(side[:, :1], EMPTY) for side in (ours, theirs))
        return np.where(empty, np.nan, first_bound(elub_cost(ELUB_GRID, 1 - hit, accused, n, self.units * m)))
