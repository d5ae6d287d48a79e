"""How early a run shows: scores of the points of training runs against their ends."""

from __future__ import annotations

from benchmark.report.drawings.axes import Axis
from benchmark.report.drawings.charts import Dots, Panel
from benchmark.report.drawings.scores_panel import scores_panel
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
    return scores_panel(
        section,
        Dots("derived", tuple((point.share, point.score) for point in points), run_lines(points)),
        Axis("share of the run completed", 0.0, 1.0, as_percent=True),
        "score against the final model",
        runs_sentence(points, section.look_alike_band),
    )
