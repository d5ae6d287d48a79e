"""Decay curves of all metrics side by side: scores of trained children over the distance travelled."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.figure import Figure

from benchmark.report.decay_panel import threads
from benchmark.report.figures.style import COLOURS, INK, SOFT, blank, house_style
from benchmark.report.view import MetricView

__all__ = ["decay_panels"]


def decay_panels(views: Sequence[MetricView]) -> Figure:
    """Draw one panel a metric: dots, a thread a lineage, the band of look-alikes, the threshold.

    Parameters
    ----------
    views : sequence of MetricView
        Those without decay rows are left out; without any the figure says so.

    Returns
    -------
    matplotlib.figure.Figure
        Width 7 inches; across is the share of the founder's budget.
    """
    shown = [view for view in views if view.decay]
    with house_style():
        across = min(4, max(len(shown), 1))
        down = max(1, math.ceil(len(shown) / across))
        figure = blank(7.0, 1.65 * down + 0.3)
        figure.supxlabel("share of the founder's budget trained since", fontsize=8, color=INK)
        if not shown:
            axes = figure.add_subplot()
            axes.text(0.5, 0.5, "no distances in these results", ha="center", color=SOFT)
            return figure
        for index, view in enumerate(shown, 1):
            axes = figure.add_subplot(down, across, index)
            axes.set_title(view.name, fontsize=7)
            axes.tick_params(labelsize=6)
            if view.look_alike_band and all(map(math.isfinite, view.look_alike_band)):
                low, middle, high = view.look_alike_band
                axes.axhspan(low, high, color=COLOURS["look-alike"], alpha=0.14, linewidth=0)
                axes.axhline(middle, color=COLOURS["look-alike"], linewidth=0.8, linestyle="--")
            if math.isfinite(view.cut_value):
                axes.axhline(view.cut_value, color=INK, linewidth=0.8)
            for thread in threads(view.decay):
                axes.plot(*zip(*thread, strict=True), color=COLOURS["derived"], linewidth=0.6, alpha=0.5)
            places = [(row.share, row.score) for row in view.decay]
            axes.plot(*zip(*places, strict=True), "o", color=COLOURS["derived"], markersize=2.6, alpha=0.65)
            axes.set_xlim(left=0)
        return figure
