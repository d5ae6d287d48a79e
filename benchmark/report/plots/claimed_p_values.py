"""Claimed p-values against what p-values must be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmark.report.plots.canvas import MetricLike, drawing, finish, summary
from benchmark.report.plots.style import COLOURS, SOFT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["qq"]

LOG_P: Final = "\N{MINUS SIGN}log10 p"


def qq(result: MetricLike, ax: Axes | None = None) -> Axes:
    """Draw claimed p-values of independent pairs against what p-values must be.

    Parameters
    ----------
    result : MetricResult, MetricSummary or MetricReport
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import analysis
    >>> whole = analysis.analyse([analysis.example_table()], n_resamples=99, n_bootstrap=20)
    >>> qq(whole.metrics[0]).texts[0].get_text()
    'this metric claims no p-values'
    """
    found = summary(result)
    curve = found.curves.qq
    with drawing(ax, found.metric) as axes:
        if curve is not None and len(curve.expected):
            end = max(curve.expected.max(), curve.observed.max(), 1.0)
            axes.plot([0, end], [0, end], color=SOFT, linewidth=0.6, linestyle=":")
            colour = COLOURS["look-alike"]
            axes.plot(curve.expected, curve.observed, ".", color=colour, label="independent pairs")
        reason = found.p_values.reason if found.p_values else "this metric claims no p-values"
        return finish(axes, f"{LOG_P}, expected", f"{LOG_P}, observed", reason)
