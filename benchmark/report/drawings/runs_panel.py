"""How early a run shows: scores of the points of training runs against their ends."""

from __future__ import annotations

import math

from benchmark.report.drawings.axes import Axis
from benchmark.report.drawings.charts import Dots, Level, Panel
from benchmark.report.notation import plain
from benchmark.report.sections import MetricSection
from benchmark.report.training_runs import run_lines, runs_sentence

__all__ = ["runs_panel"]


def runs_panel(section: MetricSection) -> Panel | None:
    """Draw the scores of a run's points against its end over the share of the run, a line a run.

    Parameters
    ----------
    section : MetricSection

    Returns
    -------
    Panel or None
        None where no point of a run has a score.
    """
    points = section.run_points
    if not points:
        return None
    band, threshold = section.look_alike_band, section.decision.value
    ends = [value for value in (*(p.score for p in points), *(band or ()), threshold) if math.isfinite(value)]
    low, high = min(ends), max(ends)
    room = 0.05 * (high - low) or 0.5
    levels = [Level("look-alike", "median of look-alikes", band[1])] if band else []
    if math.isfinite(threshold):
        levels.append(Level("cut", f"threshold {plain(threshold)}", threshold))
    return Panel(
        title=section.name,
        x=Axis("share of the run at the point", 0.0, 1.0, as_percent=True),
        y=Axis("score against the end of the run", low - room, high + room),
        dots=(Dots("derived", tuple((point.share, point.score) for point in points), run_lines(points)),),
        levels=tuple(levels),
        band=(band[0], band[2]) if band else None,
        says=runs_sentence(points, band),
    )
