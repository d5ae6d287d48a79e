"""Look-alike AUC and threshold with one lineage left out, one label turned, or coarser look-alikes.

Only the places of scores among each other count, so that all labels are turned in one sort.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.discrimination.wins import Wins
from analysis.influence.influence import Influence, turned_label
from analysis.table import ScoreTable
from analysis.thresholds.heldout import smallest_threshold

__all__ = [
    "NO_LOOK_ALIKES",
    "ComparedScores",
    "coarser_look_alikes",
    "threshold_turned",
    "threshold_without_lineage",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
NO_LOOK_ALIKES: Final = "no derived pair with a score has a look-alike with one"


@dataclass(frozen=True)
class ComparedScores:
    """Derived pairs and their look-alikes, by pair of cells: rows of the table, and how many each beats."""

    table: ScoreTable
    groups: tuple[tuple[Ints, Ints], ...]
    estimate: float

    @classmethod
    def of(cls, table: ScoreTable) -> ComparedScores:
        """Find the pairs that are compared."""
        ours = np.flatnonzero(table.derived & table.comparable & (table.cell_pair >= 0))
        theirs = np.flatnonzero(table.look_alike & table.comparable)
        code, other = table.cell_pair[ours], table.cell_pair[theirs]
        groups = tuple(
            (ours[code == one], theirs[other == one]) for one in np.intersect1d(code, other).tolist()
        )
        won, held = (
            zip(*(_share(table.score[p], table.score[n]) for p, n in groups), strict=True)
            if groups
            else ((), ())
        )
        return cls(table, groups, sum(won) / sum(held) if groups else math.nan)

    @property
    def negatives(self) -> Ints:
        """Rows of the look-alikes, highest score first."""
        rows = np.concatenate([n for _, n in self.groups]) if self.groups else np.empty(0, dtype=np.int64)
        return rows[np.argsort(-self.table.score[rows], kind="stable")]

    def without_lineage(self) -> Influence:
        """Look-alike AUC without each lineage."""
        wins = Wins.of(self.table, "look-alike")
        if not self.groups:
            return Influence.undefined(NO_LOOK_ALIKES)
        names = self.table.lineages[wins.lineages]
        return Influence.of(self.estimate, wins.jackknife(), lambda at: str(names[at]))

    def turned(self) -> Influence:
        """Look-alike AUC with each label turned."""
        if not self.groups:
            return Influence.undefined(NO_LOOK_ALIKES)
        parts = [_share(self.table.score[p], self.table.score[n]) for p, n in self.groups]
        won, held = sum(one for one, _ in parts), sum(n for _, n in parts)
        values, rows = [], []
        for (p, n), (own, count) in zip(self.groups, parts, strict=True):
            for turned, share, left in _turned(self.table.score[p], self.table.score[n]):
                total = held - count + left
                new = np.full(len(share), np.nan)
                np.divide(won - own + share, total, out=new, where=total > 0)
                values.append(new)
                rows.append(p if turned else n)
        changed = np.concatenate(rows)
        return Influence.of(
            self.estimate, np.concatenate(values), lambda place: turned_label(self.table, int(changed[place]))
        )


def _share(positive: Floats, negative: Floats) -> tuple[float, int]:
    """Sum over positives of the share of negatives beaten, and their number."""
    return float(_beaten(positive, negative).sum()) / len(negative), len(positive)


def _beaten(one: Floats, other: Floats) -> Floats:
    """How many of the other scores each score beats, ties one half."""
    ordered = np.sort(other)
    twice = np.searchsorted(ordered, one, "left") + np.searchsorted(ordered, one, "right")
    beaten: Floats = twice / 2
    return beaten


def _turned(positive: Floats, negative: Floats) -> list[tuple[bool, Floats, Floats]]:
    """What a group's sum of shares and its number of positives become with each label turned.

    First the positives turned into negatives, then the negatives turned into positives.
    """
    beaten = _beaten(positive, negative)
    won, n, m = float(beaten.sum()), len(positive), len(negative)
    # A pair ties with itself, which is no comparison.
    beaten_by_own = n - _beaten(positive, positive) - 0.5
    to_negative = (won - beaten + beaten_by_own) / (m + 1)
    own = _beaten(negative, negative) - 0.5
    beaten_by = n - _beaten(negative, positive)
    to_positive = (won - beaten_by + own) / (m - 1) if m > 1 else np.zeros(m)
    left = np.full(m, n + 1.0 if m > 1 else 0.0)
    return [(True, to_negative, np.full(n, n - 1.0)), (False, to_positive, left)]


def threshold_without_lineage(ranks: ComparedScores, max_fpr: float) -> Influence:
    """Least threshold with at most a share of look-alikes at or above it, without each lineage."""
    table, rows = ranks.table, ranks.negatives
    if not len(rows):
        return Influence.undefined(NO_LOOK_ALIKES)
    score, a, b = table.score[rows], table.lineage_a[rows], table.lineage_b[rows]
    present = np.unique(np.concatenate([a, b]))
    values = [smallest_threshold(score[(a != g) & (b != g)], max_fpr) for g in present.tolist()]
    names = table.lineages[present]
    return Influence.of(smallest_threshold(score, max_fpr), values, lambda at: str(names[at]))


def threshold_turned(ranks: ComparedScores, max_fpr: float) -> Influence:
    """The same with each label turned.

    The threshold rises with the score that is put in and falls with the one that is taken away, so that the
    highest and the lowest of each class give its range.
    """
    table, rows = ranks.table, ranks.negatives
    if not len(rows):
        return Influence.undefined(NO_LOOK_ALIKES)
    score = table.score[rows]
    ours = np.concatenate([p for p, _ in ranks.groups])
    added = ours[[int(np.argmax(table.score[ours])), int(np.argmin(table.score[ours]))]]
    values = [smallest_threshold(score[1:], max_fpr), smallest_threshold(score[:-1], max_fpr)]
    for row in added.tolist():
        new = np.append(score, table.score[row])
        values.append(smallest_threshold(np.sort(new)[::-1], max_fpr))
    changed = np.concatenate([rows[[0, -1]], added])
    found = Influence.of(
        smallest_threshold(score, max_fpr), values, lambda place: turned_label(table, int(changed[place]))
    )
    # A single look-alike cannot be taken away.
    return replace(found, n_changes=len(ours) + (len(rows) if len(rows) > 1 else 0))


def coarser_look_alikes(table: ScoreTable) -> dict[str, float]:
    """AUC against coarser kinds of look-alikes."""
    ours, theirs = (np.flatnonzero(side & table.comparable) for side in (table.derived, table.independent))
    if not len(ours) or not len(theirs):
        return {}
    found = {}
    known = [rows[table.cell_pair[rows] >= 0] for rows in (ours, theirs)]
    inside = [table.cell_a[rows] == table.cell_b[rows] for rows in known]
    groups: Sequence[tuple[Ints, Ints]] = [
        (known[0][inside[0] == within], known[1][inside[1] == within]) for within in (True, False)
    ]
    parts = [_share(table.score[p], table.score[n]) for p, n in groups if len(p) and len(n)]
    if parts:
        found["within or across"] = sum(won for won, _ in parts) / sum(held for _, held in parts)
    won, held = _share(table.score[ours], table.score[theirs])
    return {**found, "independent": won / held}
