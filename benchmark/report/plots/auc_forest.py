"""Look-alike AUCs of all metrics with their intervals, beside the AUC against all independent pairs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from analysis import Analysis, Summary
from benchmark.report.notation import interval
from benchmark.report.plots.canvas import drawing, finish
from benchmark.report.plots.style import COLOURS, SOFT, bare
from benchmark.report.verdict_groups import best_first
from benchmark.results.run import Run
from benchmark.results.schema import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["aucs", "forest_height"]


def aucs(results: Run | Results | Analysis | Summary, ax: Axes | None = None) -> Axes:
    """Draw every metric's look-alike AUC with its interval, beside the AUC against all independent pairs.

    Parameters
    ----------
    results : Run, Results, Analysis or Summary
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        One row a metric, best verdict first: interval and square against look-alikes, ring against all
        independents; across is the AUC from 0 to 1.

    Examples
    --------
    >>> import analysis
    >>> whole = analysis.analyse([analysis.example_table()], n_resamples=99, n_bootstrap=20)
    >>> [label.get_text() for label in aucs(whole).get_yticklabels()]
    ['example']
    """
    if isinstance(results, Run):
        results = results.results
    elif isinstance(results, Analysis):
        results = results.summary()
    found = best_first(results.metrics)
    with drawing(ax, "", (7.0, forest_height(len(found)))) as axes:
        bare(axes)
        axes.axvline(0.5, color=SOFT, linewidth=0.6, linestyle=":")
        for place, one in enumerate(found):
            inner, outer, colour = one.look_alike_auc, one.auc, COLOURS["derived"]
            if inner.defined and outer.defined:
                axes.plot([inner.estimate, outer.estimate], [place, place], color=SOFT, linewidth=0.6)
            if not math.isnan(inner.low + inner.high):
                axes.plot([inner.low, inner.high], [place, place], color=colour, linewidth=2.6, alpha=0.5)
            if outer.defined:
                axes.plot(
                    outer.estimate, place, "o", markersize=5, markerfacecolor="white", markeredgecolor=SOFT
                )
            if inner.defined:
                axes.plot(inner.estimate, place, "s", markersize=5, color=colour)
            axes.text(
                1.03, place, interval(inner), va="center", color=SOFT, transform=axes.get_yaxis_transform()
            )
        axes.set(xlim=(-0.01, 1.01), ylim=(max(len(found), 1) - 0.4, -0.6))
        axes.set_yticks(range(len(found)), [one.metric for one in found])
        label = "AUC: square and bar against look-alikes, ring against all independent pairs"
        return finish(axes, label, "", "" if found else "no metrics")


def forest_height(n_metrics: int) -> float:
    """Of the figure, in inches."""
    return 0.9 + 0.26 * max(n_metrics, 1)
