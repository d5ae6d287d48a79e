"""The bound of the likelihood ratio, and the cost of evidence, with one lineage, label or cell changed.

The ratios are kept as they were fitted out of lineage; what they may be used for is asked anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.evidence.likelihood_ratio import Evidence, evidence_pairs
from analysis.evidence.quality import ELUB_GRID, cllr, elub_cost, empirical_bounds, first_bound
from analysis.influence.influence import Influence, turned_label
from analysis.table import ScoreTable

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
        """Weigh the pairs that the evidence rests on."""
        if evidence.logistic is None:
            none = np.empty(0)
            nowhere, nothing = none.astype(np.int64), none.astype(bool)
            return cls(table, nowhere, none, nothing, none, (0.0, 0.0), math.nan, evidence.reason)
        pairs = evidence_pairs(table, evidence.negatives)
        value = pairs.held_out(evidence.logistic)
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

    def upper(self, kept: Mask) -> float:
        """The bound for derivation of some of the pairs; NaN where a class is empty.

        As many observations count for a lineage with negatives as with all of them.
        """
        label = self.derived[kept]
        if label.all() or not label.any():
            return math.nan
        a, b = (ends[self.rows[kept]] for ends in (self.table.lineage_a, self.table.lineage_b))
        holders = len(np.unique(a[label]))
        others = len(np.unique(np.concatenate([a[~label], b[~label]])))
        return empirical_bounds(self.log10_lr[kept], label, self.weight[kept], holders, self.units * others)[
            1
        ]

    def without_lineage(self) -> Influence:
        """The bound without each lineage."""
        if self.reason:
            return Influence.undefined(self.reason)
        a, b = self.table.lineage_a[self.rows], self.table.lineage_b[self.rows]
        present = np.unique(np.concatenate([a, b]))
        values = [self.upper((a != g) & (b != g)) for g in present.tolist()]
        names = self.table.lineages[present]
        return Influence.of(self._all(), values, lambda at: str(names[at]))

    def turned(self) -> Influence:
        """The bound with each label turned, all in one sweep over the grid of bounds.

        A pair that is turned has the weight of an average pair of its new class.
        """
        if self.reason:
            return Influence.undefined(self.reason)
        # What the bound depends on is the same for many pairs.
        kinds, kind = np.unique(self._turnings(), axis=0, return_inverse=True)
        blocks = np.split(kinds, range(BLOCK, len(kinds), BLOCK))
        values = np.concatenate([self._bounds_turned(block) for block in blocks])[kind.ravel()]
        return Influence.of(
            self._all(), values, lambda place: turned_label(self.table, int(self.rows[place]))
        )

    def _turnings(self) -> Floats:
        """A row a pair: derived or not, its weight, cuts it reaches, lineages of each class without it."""
        a, b = self.table.lineage_a[self.rows], self.table.lineage_b[self.rows]
        n = len(self.table.lineages)
        ours = np.bincount(a[self.derived], minlength=n)
        theirs = np.bincount(a[~self.derived], minlength=n) + np.bincount(b[~self.derived], minlength=n)
        step = np.where(self.derived, -1, 1)
        holders = int((ours > 0).sum()) + step * (ours[a] == (self.derived * 1))
        # A turned derived pair brings its lineage in; a turned look-alike may have been all that two had.
        apart = np.where(a == b, 2, 1)
        lone = np.where(self.derived, theirs[a] == 0, theirs[a] == apart)
        lone_b = np.where(self.derived, theirs[b] == 0, theirs[b] == apart) & (a != b)
        others = int((theirs > 0).sum()) - step * (lone.astype(np.int64) + lone_b)
        reached = np.searchsorted(ELUB_GRID, self.log10_lr, side="right")
        return np.column_stack([self.derived, self.weight, reached, holders, others]).astype(np.float64)

    def _bounds_turned(self, turnings: Floats) -> Floats:
        derived, weight, reached, holders, others = turnings.T[:, :, None]
        turned = np.where(derived, -1.0, 1.0)
        reaches = np.arange(len(ELUB_GRID)) < reached
        mass = {side: float(self.weight[self.derived == side].sum()) for side in (True, False)}
        mean = {side: float(self.weight[self.derived == side].mean()) for side in (True, False)}
        first = np.searchsorted(self.log10_lr, ELUB_GRID, side="left")
        above = {}
        for side in (True, False):
            rest = np.cumsum(np.where(self.derived == side, self.weight, 0.0)[::-1])[::-1]
            above[side] = np.append(rest, 0.0)[first]
        # To derived: with the mean weight there, from look-alikes: with its own; and the other way round.
        given = turned * np.where(derived, weight, mean[True])
        taken = turned * np.where(derived, mean[False], weight)
        with np.errstate(divide="ignore", invalid="ignore"):
            hit = (above[True] + given * reaches) / (mass[True] + given)
            accused = (above[False] - taken * reaches) / (mass[False] - taken)
        cost = elub_cost(ELUB_GRID, 1 - hit, accused, holders, self.units * others)
        bound = first_bound(cost)
        nothing = (np.abs(mass[True] + given) < EMPTY) | (np.abs(mass[False] - taken) < EMPTY)
        return np.where(nothing[:, 0], np.nan, bound)

    def _all(self) -> float:
        return self.upper(np.ones(len(self.rows), dtype=bool))

    def cllr(self, kept: Mask) -> float:
        """Cost of the bounded ratios of some of the pairs; NaN where a class is empty."""
        label = self.derived[kept]
        if label.all() or not label.any():
            return math.nan
        return cllr(np.clip(self.log10_lr[kept], *self.bounds), label, self.weight[kept])
