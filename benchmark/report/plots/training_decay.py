"""The decay of a score with training: trained children over the distance travelled from an ancestor."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from analysis import ScoreTable
from benchmark.report.notation import plain
from benchmark.report.plots.canvas import drawing, finish
from benchmark.report.plots.style import COLOURS, INK
from benchmark.report.training_distance import finite, look_alike_band, threads
from benchmark.results.decision import deciding_threshold
from benchmark.results.schema import MetricResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["decay", "draw_decay"]

Band = tuple[float, float, float]


def decay(result: MetricResult, ax: Axes | None = None, *, table: ScoreTable | None = None) -> Axes:
    """Draw scores of trained children over how far they were trained away from an ancestor.

    Parameters
    ----------
    result : MetricResult
        Of a run that knows recipes, as `Run.result` gives it.
    ax : matplotlib.axes.Axes, optional
    table : ScoreTable, optional
        Of the same metric, for the band of its look-alikes.

    Returns
    -------
    matplotlib.axes.Axes
        Across: steps of training since the ancestor as a share of its founder's. A thread joins the children
        of a lineage. Shaded: look-alikes from the 5th to the 95th percentile, with their median. Line: the
        threshold that decides.
    """
    with drawing(ax, result.metric) as axes:
        return draw_decay(axes, result, look_alike_band(table) if table is not None else None)


def draw_decay(axes: Axes, result: MetricResult, band: Band | None, *, legend: str = "best") -> Axes:
    """Draw the children on axes, with the band of look-alikes where there is one."""
    points = finite(result.decay)
    label_x, label_y = "further training, share of the founder's budget", "score"
    if not points:
        return finish(axes, label_x, label_y, "no trained child with a known training distance")
    places = [(point.share, point.score) for point in points]
    blue, orange = COLOURS["derived"], COLOURS["look-alike"]
    axes.plot(
        *zip(*places, strict=True), "o", color=blue, markersize=2.6, alpha=0.65, label="child and ancestor"
    )
    for thread in threads(points):
        axes.plot(*zip(*thread, strict=True), color=blue, linewidth=0.6, alpha=0.5)
    if band and all(map(math.isfinite, band)):
        low, middle, high = band
        axes.axhspan(low, high, color=orange, alpha=0.14, linewidth=0, label="look-alikes, 5% to 95%")
        axes.axhline(middle, color=orange, linewidth=0.8, linestyle="--", label="their median")
    threshold = deciding_threshold(result).value
    if math.isfinite(threshold):
        axes.axhline(threshold, color=INK, linewidth=0.8, label=f"threshold {plain(threshold)}")
    axes.set_xlim(left=0)
    return finish(axes, label_x, label_y, legend=legend)
