"""How a metric fades with the distance travelled: scores of trained children against their ancestors."""

from __future__ import annotations

from benchmark.report.drawings.axes import Axis
from benchmark.report.drawings.charts import Dots, Panel
from benchmark.report.drawings.scores_panel import scores_panel
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
    return scores_panel(
        section,
        Dots("derived", tuple((point.share, point.score) for point in points), threads(points)),
        Axis("further training, share of the founder's budget", 0.0, max(farthest, 1e-9), as_percent=True),
        "score",
        decay_sentence(points, section.look_alike_band),
    )
