"""Whose look-alikes a metric confuses: pairs of replicates, by the families of their models."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd

import analysis
from analysis.discrimination.wins import Wins
from benchmark.results.schema import FamilyClass
from benchmark.results.shared_properties import matched_auc, median_score

__all__ = ["family_classes"]

OTHERS: Final = "others"
BETWEEN: Final = " – "


def family_classes(
    scores: pd.DataFrame, families: Mapping[str, str], threshold: float
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

    Returns
    -------
    tuple of FamilyClass
        One family first, then two, each by name; pairs of which neither model has a family are in none.
    """
    if not any(families.values()):
        return ()
    table = analysis.ScoreTable(scores)
    ends = [table.frame[f"model_{end}"].map(lambda name: families.get(name) or OTHERS) for end in "ab"]
    named = np.array(
        [a if a == b else BETWEEN.join(sorted((a, b))) for a, b in zip(*ends, strict=True)], dtype=object
    )
    alike = table.look_alike & table.comparable & (named != OTHERS)
    rows = []
    for name in sorted(pd.unique(named[alike]), key=lambda one: (BETWEEN in one, one)):
        theirs = alike & (named == name)
        lineages = np.concatenate([table.lineage_a[theirs], table.lineage_b[theirs]])
        rows.append(
            FamilyClass(
                families=str(name),
                n_pairs=int(theirs.sum()),
                n_lineages=len(np.unique(lineages)),
                median=median_score(table, theirs),
                n_confused=None if math.isnan(threshold) else int((table.score[theirs] >= threshold).sum()),
                auc=matched_auc(Wins.of(table, "look-alike", negative=theirs)),
                fpr=analysis.rate(table, threshold, "fpr", mask=theirs),
            )
        )
    return tuple(rows)
