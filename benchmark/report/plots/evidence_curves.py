"""What a metric's likelihood ratios are worth: the Tippett plot and the empirical cross-entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.report.plots.canvas import MetricLike, drawing, finish, line, summary
from benchmark.report.plots.style import COLOURS, SOFT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ece", "tippett"]


def tippett(result: MetricLike, ax: Axes | None = None) -> Axes:
    """Draw which share of derived pairs, and of their look-alikes, reaches a likelihood ratio.

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
    >>> [line.get_label() for line in tippett(whole.metrics[0]).lines[1:]]
    ['look-alikes', 'derived pairs']
    """
    found = summary(result)
    curve = found.curves.tippett
    with drawing(ax, found.metric) as axes:
        axes.axvline(0, color=SOFT, linewidth=0.6, linestyle=":")
        if curve is not None:
            for slug, style, share, label in (
                ("look-alike", "--", curve.negative, "look-alikes"),
                ("derived", "-", curve.derived, "derived pairs"),
            ):
                line(axes, curve.log10_lr, share, colour=COLOURS[slug], style=style, label=label)
        axes.set_ylim(-0.01, 1.01)
        reason = f"no evidence: {found.evidence.reason}"
        return finish(axes, "log10 likelihood ratio, at least", "share of pairs", reason)


def ece(result: MetricLike, ax: Axes | None = None) -> Axes:
    """Draw the empirical cross-entropy over prior odds: what the likelihood ratios are worth, in bits.

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
    >>> ece(whole.metrics[0]).get_ylabel()
    'empirical cross-entropy, bits'
    """
    found = summary(result)
    curve = found.curves.ece
    with drawing(ax, found.metric) as axes:
        if curve is not None:
            for slug, style, label, bits in (
                ("independent", ":", "without the metric (LR = 1)", curve.neutral),
                ("look-alike", "--", "best possible calibration", curve.pav),
                ("derived", "-", "as calibrated", curve.logistic),
            ):
                line(axes, curve.log10_odds, bits, colour=COLOURS[slug], style=style, label=label)
        reason = f"no evidence: {found.evidence.reason}"
        return finish(axes, "prior log10 odds of descent", "empirical cross-entropy, bits", reason)
