"""How far trained children travelled: which can be drawn, threads of lineages, a sentence that sums up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

import numpy as np

from analysis import ScoreTable
from benchmark.report.notation import count
from benchmark.results.schema import DecayPoint

__all__ = ["decay_sentence", "finite", "look_alike_band", "threads"]


def finite(points: Sequence[DecayPoint]) -> tuple[DecayPoint, ...]:
    """Those with a distance and a score that have a place on a drawing."""
    return tuple(point for point in points if math.isfinite(point.share) and math.isfinite(point.score))


def look_alike_band(table: ScoreTable) -> tuple[float, float, float] | None:
    """The 5%, 50% and 95% quantiles of the look-alikes' scores; None without a score."""
    scores = table.score[table.look_alike & table.comparable]
    if not len(scores):
        return None
    low, middle, high = np.quantile(scores, (0.05, 0.5, 0.95), method="inverted_cdf").tolist()
    return low, middle, high


def threads(points: Sequence[DecayPoint]) -> tuple[tuple[tuple[float, float], ...], ...]:
    """A thread for each lineage with more than one distance: its mean score at each."""
    found = []
    ordered = sorted(points, key=lambda point: (point.lineage, point.share))
    for _, own in groupby(ordered, key=lambda point: point.lineage):
        at = {share: [point.score for point in same] for share, same in groupby(own, key=lambda p: p.share)}
        means = [(share, sum(scores) / len(scores)) for share, scores in at.items()]
        if len(means) > 1:
            found.append(tuple(means))
    return tuple(found)


def decay_sentence(points: Sequence[DecayPoint], band: tuple[float, float, float] | None) -> str:
    """How many children fall among the look-alikes, and from where on.

    Parameters
    ----------
    points : sequence of DecayPoint
        Not empty.
    band : (float, float, float) or None
        As `look_alike_band`.
    """
    children = count(len(points), "trained child", "trained children")
    if band is None:
        return f"{children}; no look-alike has a score"
    below = sorted(point.share for point in points if point.score <= band[2])
    if not below:
        return f"all {children} score above 95% of look-alikes"
    return (
        f"{len(below)} of {children} score within the look-alike range,"
        f" the first after {below[0] * 100:.0f}% of the founder's budget"
    )
