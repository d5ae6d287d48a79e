"""Plots for notebooks and papers: what the statistics found, drawn on matplotlib axes.

Every function takes a metric's result (its object of results.json, as `Run.result` gives it, or a
`MetricReport` of `analysis.analyse`), draws on `ax` or on a new figure, and returns the axes. What is
undefined is said on the plot, never drawn as 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.special import ndtri

import analysis
from benchmark.report import dots
from benchmark.report.figures.style import COLOURS, INK, SOFT, house_style
from benchmark.report.notation import interval, plain, unit
from benchmark.report.reading import Curve, Estimate, curve, estimate, mapping, number, sequence
from benchmark.results.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["aucs", "decay", "det", "ece", "qq", "roc", "scores", "tippett"]

Result = Mapping[str, Any] | analysis.MetricReport
AGAINST: Final = (
    ("roc", "independent", "all independents", "--", "auc"),
    ("look_alike_roc", "look-alike", "look-alikes", "-", "look_alike_auc"),
)
RATES: Final = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999)
"""Error rates named on the axes of a DET plot; it ends at the first and last."""


def roc(result: Result, ax: Axes | None = None) -> Axes:
    """Draw true against false positive rates, with bands, for look-alikes and for all independents.

    Parameters
    ----------
    result : mapping or MetricReport
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    found = _entry(result)
    axes = _axes(ax, found)
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.6, linestyle=":")
    for name, slug, label, style, area in AGAINST:
        drawn = _curve(found, name, "fpr", "tpr")
        if drawn is not None:
            text = f"{label}, AUC {unit(estimate(found.get(area)).estimate)}"
            _line(axes, drawn, COLOURS[slug], style, text)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    return _finished(axes, "false-positive rate", "true-positive rate", "no curve: " + _why(found))


def det(result: Result, ax: Axes | None = None) -> Axes:
    """Draw missed children against false positives on normal-deviate axes (detection error trade-off).

    On these axes two normal score distributions give a straight line, and what happens at small rates is as
    wide as what happens in the middle. Rates of 0 and 1 have no place on them and stand at the edge.

    Parameters
    ----------
    result : mapping or MetricReport
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    found = _entry(result)
    axes = _axes(ax, found)
    for name, slug, label, style, _ in AGAINST:
        drawn = _curve(found, name, "fpr", "tpr")
        if drawn is not None:
            # The band of the true-positive rate, seen from below, is that of the misses.
            missed = Curve(
                _deviates(drawn.x),
                _deviates(1 - y for y in drawn.y),
                _deviates(1 - y for y in drawn.high),
                _deviates(1 - y for y in drawn.low),
            )
            _line(axes, missed, COLOURS[slug], style, label)
    ticks, names = _deviates(RATES), [f"{rate * 100:g}" for rate in RATES]
    axes.set_xticks(ticks, names)
    axes.set_yticks(ticks, names)
    axes.set(xlim=(ticks[0], ticks[-1]), ylim=(ticks[0], ticks[-1]), aspect="equal")
    return _finished(axes, "false-positive rate, %", "missed children, %", "no curve: " + _why(found))


def tippett(result: Result, ax: Axes | None = None) -> Axes:
    """Draw which share of derived, and of independent, pairs reaches a likelihood ratio.

    Parameters
    ----------
    result : mapping or MetricReport
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    found = _entry(result)
    axes = _axes(ax, found)
    axes.axvline(0, color=SOFT, linewidth=0.6, linestyle=":")
    for slug, style in (("independent", "--"), ("derived", "-")):
        drawn = _curve(found, "tippett", "log10_lr", slug)
        if drawn is not None:
            _line(axes, drawn, COLOURS[slug], style, f"{slug} pairs")
    axes.set_ylim(-0.01, 1.01)
    return _finished(axes, "log10 likelihood ratio, at least", "share of pairs", _no_evidence(found))


def ece(result: Result, ax: Axes | None = None) -> Axes:
    """Draw the empirical cross-entropy over prior odds: what the likelihood ratios are worth, in bits.

    Parameters
    ----------
    result : mapping or MetricReport
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    found = _entry(result)
    axes = _axes(ax, found)
    for name, slug, label, style in (
        ("neutral", "independent", "without the metric (LR = 1)", ":"),
        ("pav", "look-alike", "best possible calibration", "--"),
        ("logistic", "derived", "as calibrated", "-"),
    ):
        drawn = _curve(found, "ece", "log10_odds", name)
        if drawn is not None:
            _line(axes, drawn, COLOURS[slug], style, label)
    return _finished(
        axes, "prior log10 odds of descent", "empirical cross-entropy, bits", _no_evidence(found)
    )


def qq(result: Result, ax: Axes | None = None) -> Axes:
    """Draw claimed p-values of independent pairs against what p-values must be.

    Parameters
    ----------
    result : mapping or MetricReport
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    found = _entry(result)
    axes = _axes(ax, found)
    drawn = _curve(found, "qq", "expected", "observed")
    if drawn is not None:
        end = max(*drawn.x, *drawn.y, 1.0)
        axes.plot([0, end], [0, end], color=SOFT, linewidth=0.6, linestyle=":")
        axes.plot(drawn.x, drawn.y, ".", color=COLOURS["look-alike"], label="independent pairs")
    minus = "\N{MINUS SIGN}log10 p"
    return _finished(axes, f"{minus}, expected", f"{minus}, observed", "this metric claims no p-values")


def scores(table: analysis.ScoreTable | analysis.MetricReport, ax: Axes | None = None) -> Axes:
    """Draw every pair as a dot: derived pairs by method, then look-alikes, then the rest.

    Parameters
    ----------
    table : ScoreTable or MetricReport
        As `Run.table` gives it.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    held = table if isinstance(table, analysis.ScoreTable) else table.table
    scale = dots.scale(held.score[held.comparable])
    rows = dots.rows(held, scale)
    axes = _axes(ax, {"metric": held.metric}, height=0.9 + sum(row.height for row in rows) / 72)
    top, middles = 0.0, []
    for row in rows:
        across = scale.low + row.x / dots.WIDTH * (scale.high - scale.low)
        axes.plot(
            across, top + row.y, "o", color=COLOURS[row.kind.slug], alpha=0.65,
            markersize=row.size * 0.55, markeredgewidth=0, rasterized=len(across) > 400,
        )  # fmt: skip
        if row.n:
            axes.vlines(row.median, top + 3, top + row.height - 3, color=INK, linewidth=0.9)
        middles.append(top + row.height / 2)
        top += row.height
    axes.set_yticks(middles, [f"{row.label} ({row.n})" for row in rows])
    axes.set(ylim=(max(top, 1.0), 0), xlim=(scale.low, scale.high))
    return _finished(axes, "score", "", "" if held.comparable.any() else "no pair has a score", legend=False)


def decay(result: Result, ax: Axes | None = None) -> Axes:
    """Draw scores of trained children over how far they were trained away from an ancestor.

    Parameters
    ----------
    result : mapping or MetricReport
        From a run that knows recipes.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        Across: steps of training since the ancestor as a share of its founder's. Lines: the calibrated
        threshold, and the highest twentieth of independent pairs.
    """
    found = _entry(result)
    axes = _axes(ax, found)
    rows = [mapping(row) for row in sequence(found.get("decay"))]
    known = [row for row in rows if math.isfinite(number(row.get("share")) + number(row.get("score")))]
    if known:
        across, up = ([number(row.get(key)) for row in known] for key in ("share", "score"))
        axes.plot(across, up, "o", color=COLOURS["derived"], alpha=0.65, label="child and ancestor")
    quantiles = mapping(mapping(mapping(found.get("relations")).get("independent")).get("quantiles"))
    thresholds = [mapping(item) for item in sequence(found.get("thresholds"))[:1]]
    lines = [("95 % of independent pairs lie below", number(quantiles.get("0.95")), "--")]
    lines += [("calibrated threshold", number(item.get("value")), "-") for item in thresholds]
    for label, value, style in lines:
        if known and math.isfinite(value):
            axes.axhline(value, color=SOFT, linewidth=0.8, linestyle=style, label=f"{label}: {plain(value)}")
    reason = "" if known else "this run knows no trained child and its distance"
    return _finished(axes, "training since the ancestor, share of the founder's", "score", reason)


def aucs(results: Run | analysis.Analysis | Mapping[str, Any], ax: Axes | None = None) -> Axes:
    """Draw the look-alike AUC of every metric with its interval, beside the AUC against all independents.

    Parameters
    ----------
    results : Run, Analysis, or the content of results.json
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    if isinstance(results, Run):
        results = analysis.as_json(results.results)
    elif isinstance(results, analysis.Analysis):
        results = analysis.as_json(results.summary())
    entries = [mapping(item) for item in sequence(results.get("metrics"))]
    entries.sort(key=lambda one: number(mapping(one.get("look_alike_auc")).get("estimate")))
    axes = _axes(ax, {}, height=0.9 + 0.26 * max(len(entries), 1))
    axes.axvline(0.5, color=SOFT, linewidth=0.6, linestyle=":")
    for place, one in enumerate(entries):
        inner, outer = estimate(one.get("look_alike_auc")), estimate(one.get("auc"))
        _whisker(axes, inner, place)
        if outer.defined:
            axes.plot(outer.estimate, place, "o", markersize=5, markerfacecolor="none", markeredgecolor=SOFT)
        axes.text(1.03, place, interval(inner), va="center", transform=axes.get_yaxis_transform(), fontsize=7)
    axes.set_yticks(range(len(entries)), [str(one.get("metric")) for one in entries])
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.6, max(len(entries), 1) - 0.4))
    label = "AUC: square and bar against look-alikes, ring against all independents"
    return _finished(axes, label, "", "" if entries else "no metrics", legend=False)


def _entry(result: Result) -> Mapping[str, Any]:
    """A metric's object of results.json."""
    if isinstance(result, analysis.MetricReport):
        result = analysis.MetricSummary.of(result)
    return analysis.as_json(result)


def _axes(ax: Axes | None, found: Mapping[str, Any], height: float = 3.4) -> Axes:
    """The axes to draw on, with the metric's name where they have no title."""
    if ax is None:
        # Imported here: whoever draws on axes of their own needs no window system.
        from matplotlib import pyplot

        with house_style():
            _, ax = pyplot.subplots(figsize=(3.6 if height == 3.4 else 7.0, height), layout="constrained")
    if not ax.get_title(loc="left") and not ax.get_title():
        ax.set_title(str(found.get("metric", "")), loc="left")
    return ax


def _curve(found: Mapping[str, Any], name: str, x: str, y: str) -> Curve | None:
    return curve(mapping(found.get("curves")).get(name), x, y)


def _line(axes: Axes, drawn: Curve, colour: str, style: str, label: str) -> None:
    if drawn.low:
        axes.fill_between(drawn.x, drawn.low, drawn.high, color=colour, alpha=0.15, linewidth=0)
    axes.plot(drawn.x, drawn.y, color=colour, linewidth=1.4, linestyle=style, label=label)


def _whisker(axes: Axes, value: Estimate, place: int) -> None:
    if not math.isnan(value.low + value.high):
        ends = [value.low, value.high]
        axes.plot(ends, [place, place], color=COLOURS["derived"], linewidth=2.6, alpha=0.5)
    if value.defined:
        axes.plot(value.estimate, place, "s", markersize=5, color=COLOURS["derived"])


def _deviates(rates: Iterable[float]) -> tuple[float, ...]:
    """Normal deviates of rates; what lies outside of the axes stands at their edge."""
    held: list[float] = ndtri(np.clip(np.fromiter(rates, float), RATES[0], RATES[-1])).tolist()
    return tuple(held)


def _finished(axes: Axes, x: str, y: str, reason: str, *, legend: bool = True) -> Axes:
    """Label the axes; without anything drawn say why."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if legend and axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best", fontsize=7)
    elif reason:
        axes.text(0.5, 0.5, reason, ha="center", va="center", wrap=True, transform=axes.transAxes)
    return axes


def _why(found: Mapping[str, Any]) -> str:
    return estimate(found.get("look_alike_auc")).reason or estimate(found.get("auc")).reason


def _no_evidence(found: Mapping[str, Any]) -> str:
    return f"no evidence: {mapping(found.get('evidence')).get('reason') or 'not in these results'}"
