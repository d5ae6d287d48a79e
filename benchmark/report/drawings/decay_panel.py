"""How a metric fades with the distance travelled: scores of trained children against their ancestors."""

from __future__ import annotations

import math

from benchmark.report.drawings.axes import Axis
from benchmark.report.drawings.charts import Dots, Level, Panel
from benchmark.report.notation import plain
from benchmark.report.sections import MetricSection
from benchmark.report.training_distance import decay_sentence, threads

__all__ = ["decay_panel"]


def decay_panel(section: MetricSection, farthest: float) -> Panel | None:
    """Draw the scores of trained children over the share of the founder's budget, a line a lineage.

    Parameters
    ----------
    section : MetricSection
    farthest : float
        Right end of the axis: the longest way of any metric, so that panels compare.

    Returns
    -------
    Panel or None
        None where no trained child of this metric has a score.
    """
    points = section.decay
    if not points:
        return None
    scores = [point.score for point in points]
    band, threshold = section.look_alike_band, section.decision.value
    ends = [value for value in (*scores, *(band or ()), threshold) if math.isfinite(value)]
    low, high = min(ends), max(ends)
    room = 0.05 * (high - low) or 0.5
    levels = [Level("look-alike", "median of look-alikes", band[1])] if band else []
    if math.isfinite(threshold):
        levels.append(Level("cut", f"threshold {plain(threshold)}", threshold))
    return Panel(
        title=section.name,
        x=Axis("share of the founder's budget trained since", 0.0, max(farthest, 1e-9), as_percent=True),
        y=Axis("score", low - room, high + room),
        dots=(Dots("derived", tuple((point.share, point.score) for point in points), threads(points)),),
        levels=tuple(levels),
        band=(band[0], band[2]) if band else None,
        says=decay_sentence(points, band),
    )
