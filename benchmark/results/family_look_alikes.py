"""Whose look-alikes a metric confuses: pairs of replicates, by the families of their models."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

import analysis
from analysis.discrimination.auc import auc_share
from analysis.discrimination.intervals import FEW_LINEAGES, ShareOfLineages, intervals_at_once
from analysis.discrimination.wins import Wins
from analysis.thresholds.rates import METHOD, share_of_pairs
from benchmark.results.schema import FamilyClass
from benchmark.results.shared_properties import LEVEL, UNMATCHED

__all__ = ["family_classes"]

Rows = npt.NDArray[np.intp]

OTHERS: Final = "others"
BETWEEN: Final = " – "
NO_THRESHOLD: Final = analysis.Interval.undefined("there is no threshold", level=LEVEL, method=METHOD)


def family_classes(
    scores: pd.DataFrame, families: Mapping[str, str], threshold: float, *, fewest: int = FEW_LINEAGES
) -> tuple[FamilyClass, ...]:
    """How one metric scores look-alikes of each family, and of each two families.

    Parameters
    ----------
    scores : pandas.DataFrame
        Score table of the metric.
    families : mapping of str to str
        Model → its family in the catalog, empty where it has none.
    threshold : float
        A score at or above it means "derived"; NaN where there is none.
    fewest : int
        Lineages of two families below which their pairs with each other are no class: two families that
        happen to stand in one cell are many, and hold little each.

    Returns
    -------
    tuple of FamilyClass
        One family first, then two, each by name; pairs of which neither model has a family are in none.
    """
    if not any(families.values()):
        return ()
    table = analysis.ScoreTable(scores)
    alike = np.flatnonzero(table.look_alike & table.comparable)
    ends = table.frame[["model_a", "model_b"]].iloc[alike].to_numpy(dtype=object)
    named = np.array([_class_of(families.get(a), families.get(b)) for a, b in ends], dtype=object)
    rows, named = alike[named != OTHERS], named[named != OTHERS]
    names, code = np.unique(named.astype(str), return_inverse=True)
    of_class = {str(name): rows[code == number] for number, name in enumerate(names)}
    drafts = [
        _Draft.of(table, name, theirs, threshold)
        for name, theirs in of_class.items()
        if BETWEEN not in name or len(_lineages(table, theirs)) >= fewest
    ]
    # All intervals in one go: one after the other takes several times as long.
    found = iter(intervals_at_once([share for draft in drafts for share in draft.shares]))
    classes = [draft.result(found) for draft in drafts]
    return tuple(sorted(classes, key=lambda one: (BETWEEN in one.families, one.families)))


def _class_of(a: str | None, b: str | None) -> str:
    """What a pair of models of two families counts to."""
    first, second = sorted((a or OTHERS, b or OTHERS))
    return first if first == second else BETWEEN.join((first, second))


def _lineages(table: analysis.ScoreTable, rows: Rows) -> npt.NDArray[np.generic]:
    """Those of the pairs that stand in some rows."""
    return np.unique(np.concatenate([table.lineage_a[rows], table.lineage_b[rows]]))


@dataclass(frozen=True)
class _Draft:
    """One class, counted; its intervals are made together with those of the others."""

    name: str
    counts: tuple[int, int, float, int | None]
    auc: ShareOfLineages | None
    fpr: ShareOfLineages | None

    @classmethod
    def of(cls, table: analysis.ScoreTable, name: str, rows: Rows, threshold: float) -> _Draft:
        """Count the pairs that stand in some rows; at least one."""
        theirs = np.zeros(len(table), dtype=np.bool_)
        theirs[rows] = True
        score = table.score[rows]
        hit = score >= threshold
        known = not math.isnan(threshold)
        wins = Wins.of(table, "look-alike", negative=theirs)
        return cls(
            name,
            (
                len(rows),
                len(_lineages(table, rows)),
                float(np.quantile(score, 0.5, method="lower")),
                int(hit.sum()) if known else None,
            ),
            auc_share(wins, wins.jackknife(), LEVEL) if wins.n_positive else None,
            share_of_pairs(table, rows, hit, pairs_of="fpr", level=LEVEL) if known else None,
        )

    @property
    def shares(self) -> list[ShareOfLineages]:
        """What intervals are asked for."""
        return [share for share in (self.auc, self.fpr) if share is not None]

    def result(self, found: Iterator[analysis.Interval]) -> FamilyClass:
        """Put it together with its intervals, which come in the order of `shares`."""
        auc = UNMATCHED if self.auc is None else next(found)
        return FamilyClass(self.name, *self.counts, auc, NO_THRESHOLD if self.fpr is None else next(found))
