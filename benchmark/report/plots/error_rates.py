"""ROC and DET curves of a metric: against look-alikes and against all independent pairs, with bands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from analysis import MetricSummary, RocCurve
from benchmark.report.notation import unit
from benchmark.report.plots.canvas import MetricLike, drawing, finish, line, summary
from benchmark.report.plots.style import COLOURS, SOFT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["det", "roc"]

Floats = npt.NDArray[np.float64]
RATES: Final = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999)
"""Error rates named on the axes of a DET plot; it ends at the first and last."""


def roc(result: MetricLike, ax: Axes | None = None) -> Axes:
    """Draw true against false positive rates, with bands, for look-alikes and for all independent pairs.

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
    >>> axes = roc(whole.metrics[0])
    >>> axes.get_xlabel(), axes.get_ylabel()
    ('false-positive rate', 'true-positive rate')
    """
    found = summary(result)
    with drawing(ax, found.metric) as axes:
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.6, linestyle=":")
        for curve, slug, style, label in _curves(found):
            axes.fill_between(curve.fpr, curve.low, curve.high, color=COLOURS[slug], alpha=0.15, linewidth=0)
            line(axes, curve.fpr, curve.tpr, colour=COLOURS[slug], style=style, label=label)
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
        return finish(axes, "false-positive rate", "true-positive rate", _reason(found), legend="lower right")


def det(result: MetricLike, ax: Axes | None = None) -> Axes:
    """Draw missed children against false positives on normal-deviate axes (detection error trade-off).

    On these axes two normal score distributions give a straight line, and what happens at small rates is as
    wide as what happens in the middle. Rates of 0 and 1 have no place on them and stand at the edge.

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
    >>> det(whole.metrics[0]).get_ylabel()
    'missed children, %'
    """
    found = summary(result)
    with drawing(ax, found.metric) as axes:
        for curve, slug, style, label in _curves(found):
            x, colour = _deviates(curve.fpr), COLOURS[slug]
            # The band of the true-positive rate, seen from below, is that of the misses.
            low, high = _deviates(1 - curve.high), _deviates(1 - curve.low)
            axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
            line(axes, x, _deviates(1 - curve.tpr), colour=colour, style=style, label=label)
        ticks, names = _deviates(np.array(RATES)), [f"{rate * 100:g}" for rate in RATES]
        axes.set_xticks(ticks, names)
        axes.set_yticks(ticks, names)
        axes.set(xlim=(ticks[0], ticks[-1]), ylim=(ticks[0], ticks[-1]), aspect="equal")
        return finish(axes, "false-positive rate, %", "missed children, %", _reason(found))


def _curves(found: MetricSummary) -> list[tuple[RocCurve, str, str, str]]:
    """The curves that there are, with colour, style of line and label."""
    curves = (
        (found.curves.roc, "independent", "--", f"all independent pairs, AUC {unit(found.auc.estimate)}"),
        (
            found.curves.look_alike_roc,
            "look-alike",
            "-",
            f"look-alikes, AUC {unit(found.look_alike_auc.estimate)}",
        ),
    )
    return [curve for curve in curves if len(curve[0].fpr)]


def _deviates(rates: Floats) -> Floats:
    """Normal deviates of rates; what lies outside of the axes stands at their edge."""
    deviates: Floats = ndtri(np.clip(rates, RATES[0], RATES[-1]))
    return deviates


def _reason(found: MetricSummary) -> str:
    return f"no curve: {found.curves.look_alike_roc.reason or found.curves.roc.reason}"
