"""Scores over a share of training, between the threshold and the look-alikes: what two panels draw alike."""

from __future__ import annotations

import math

from benchmark.report.drawings.axes import Axis
from benchmark.report.drawings.charts import Dots, Level, Panel
from benchmark.report.notation import plain
from benchmark.report.sections import MetricSection

__all__ = ["scores_panel"]


def scores_panel(section: MetricSection, dots: Dots, across: Axis, up: str, says: str) -> Panel:
    """Draw scores of one metric, with its threshold and the band of its look-alikes.

    Parameters
    ----------
    section : MetricSection
    dots : Dots
        Not empty: share and score of each.
    across : Axis
    up : str
        What the upward axis shows.
    says : str
        The panel in a sentence.
    """
    band, threshold = section.look_alike_band, section.decision.value
    scores = (score for _, score in dots.points)
    ends = [value for value in (*scores, *(band or ()), threshold) if math.isfinite(value)]
    low, high = min(ends), max(ends)
    room = 0.05 * (high - low) or 0.5
    levels = [Level("look-alike", "median of look-alikes", band[1])] if band else []
    if math.isfinite(threshold):
        levels.append(Level("cut", f"threshold {plain(threshold)}", threshold))
    return Panel(
        title=section.name,
        x=across,
        y=Axis(up, low - room, high + room),
        dots=(dots,),
        levels=tuple(levels),
        band=(band[0], band[2]) if band else None,
        says=says,
    )
