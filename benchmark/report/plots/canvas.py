"""What every plot begins and ends with: axes to draw on, labels, a sentence where nothing is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analysis import MetricReport, MetricSummary
from benchmark.report.plots.style import SOFT, house_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MetricLike", "drawing", "finish", "line", "summary"]

MetricLike = MetricSummary | MetricReport
Floats = npt.NDArray[np.float64]


def summary(result: MetricLike) -> MetricSummary:
    """What a file keeps of a metric's analysis."""
    return MetricSummary.of(result) if isinstance(result, MetricReport) else result


@contextmanager
def drawing(ax: Axes | None, title: str, size: tuple[float, float] = (3.6, 3.4)) -> Iterator[Axes]:
    """Give axes to draw on: those of the caller in the caller's style, else new ones in the report's.

    Parameters
    ----------
    ax : matplotlib.axes.Axes or None
    title : str
        Set where the axes have none.
    size : (float, float)
        Of a new figure, in inches.
    """
    if ax is not None:
        yield _titled(ax, title)
        return
    # Imported here: whoever draws on axes of their own needs no window system.
    from matplotlib import pyplot

    with house_style():
        _, own = pyplot.subplots(figsize=size, layout="constrained")
        yield _titled(own, title)


def _titled(axes: Axes, title: str) -> Axes:
    if not axes.get_title(loc="left") and not axes.get_title():
        axes.set_title(title, loc="left")
    return axes


def line(axes: Axes, x: Floats, y: Floats, *, colour: str, style: str, label: str) -> None:
    """Draw a curve."""
    axes.plot(x, y, color=colour, linewidth=1.4, linestyle=style, label=label)


def finish(axes: Axes, x: str, y: str, reason: str = "", *, legend: str = "best") -> Axes:
    """Label the axes and the lines; where nothing has a label say why."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if legend and axes.get_legend_handles_labels()[0]:
        axes.legend(loc=legend, fontsize=6.5, handlelength=1.6)
    elif reason:
        axes.text(0.5, 0.5, reason, ha="center", va="center", color=SOFT, wrap=True, transform=axes.transAxes)
    return axes
