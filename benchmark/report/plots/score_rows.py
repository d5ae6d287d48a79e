"""The score plot of one metric: every pair a dot, rows by relation and method, thresholds as lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from analysis import MetricReport, MetricSummary, ScoreTable
from benchmark.report import dots
from benchmark.report.plots.canvas import drawing, finish
from benchmark.report.plots.style import COLOURS, HAIR, INK, bare
from benchmark.report.sections import calibrated, claimed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_rows", "rows_height", "scores"]

INCH: Final = 72.0  # pixels of a row's height to an inch of paper
RASTER: Final = 400  # dots of a row from which on they are stored as an image
HUGE: Final = (
    1e100  # beyond, the squares and differences that axes are laid out with leave the range of doubles
)


def scores(
    table: ScoreTable | MetricReport, ax: Axes | None = None, *, result: MetricSummary | None = None
) -> Axes:
    """Draw every pair as a dot: derived pairs by method, then look-alikes, then the rest.

    Parameters
    ----------
    table : ScoreTable or MetricReport
        As `Run.table` gives it.
    ax : matplotlib.axes.Axes, optional
    result : MetricResult or MetricSummary, optional
        Of the same metric, for its thresholds; a report brings its own.

    Returns
    -------
    matplotlib.axes.Axes
        Across is the score. Lines: the claimed threshold (dashed) and the calibrated one.

    Examples
    --------
    >>> import analysis
    >>> axes = scores(analysis.example_table())
    >>> [label.get_text() for label in axes.get_yticklabels()][-1]
    'siblings (12)'
    """
    if isinstance(table, MetricReport):
        result = MetricSummary.of(table)
        table = table.table
    scale = dots.scale(table.score[table.comparable], *(value for _, value, _ in _thresholds(result)))
    rows = dots.rows(table, scale)
    with drawing(ax, table.metric, (7.0, rows_height(rows))) as axes:
        return draw_rows(axes, rows, scale, result)


def draw_rows(axes: Axes, rows: Sequence[dots.Row], scale: dots.Scale, result: MetricSummary | None) -> Axes:
    """Draw rows of dots as they are laid out."""
    bare(axes)
    if not any(row.n for row in rows):
        axes.set_yticks([])
        return finish(axes, "score", "", "no pair has a score")
    unit = _unit(scale)
    low, high = scale.low / unit, scale.high / unit
    top, middles, edges = 0.0, [], []
    for row in rows:
        middles.append(top + row.height / 2)
        _draw(axes, row, (low, high), top)
        top += row.height
        edges.append(top)
    # One artist for all rows: matplotlib takes a millisecond or two for each.
    axes.hlines(edges, 0, 1, transform=axes.get_yaxis_transform(), color=HAIR, linewidth=0.5, zorder=0)
    told = [
        (row.median / unit, edge - row.height + 3, edge - 3)
        for row, edge in zip(rows, edges, strict=True)
        if row.n
    ]
    axes.vlines(*zip(*told, strict=True), color=INK, linewidth=0.9, alpha=0.7)
    for kind, value, style in _thresholds(result):
        label = f"{kind} {value:.3g}"
        axes.axvline(value / unit, color=INK, linewidth=0.8, linestyle=style, label=label)
    axes.set(ylim=(top, 0), xlim=(low, high))
    axes.set_yticks(middles, [f"{row.label} ({row.n})" for row in rows])
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.2)
    return finish(axes, "score" if unit == 1.0 else f"score / {unit:.0e}", "", legend="")


def _unit(scale: dots.Scale) -> float:
    """What scores are divided by before they are drawn: 1, or a power of ten for the hugest."""
    most = max(abs(scale.low), abs(scale.high))
    return 10.0 ** math.floor(math.log10(most)) if most > HUGE else 1.0


def rows_height(rows: Sequence[dots.Row]) -> float:
    """Of the figure, in inches."""
    return 0.9 + sum(row.height for row in rows) / INCH


def _thresholds(result: MetricSummary | None) -> list[tuple[str, float, str]]:
    """Claimed and calibrated threshold with their styles of line, as far as there are any."""
    if result is None:
        return []
    stated, own = claimed(result), calibrated(result)
    found = [("claimed", stated.threshold, "--")] if stated else []
    found += [("calibrated", own.value, "-")] if own else []
    return [line for line in found if math.isfinite(line[1])]


def _draw(axes: Axes, row: dots.Row, ends: tuple[float, float], top: float) -> None:
    if not row.n:
        return
    axes.plot(
        ends[0] + row.x / dots.WIDTH * (ends[1] - ends[0]),
        top + row.y,
        linestyle="none",
        marker="s" if row.kind.square else "o",
        markersize=row.size * 0.55,
        markeredgewidth=0,
        color=COLOURS[row.kind.slug],
        alpha=0.65,
        rasterized=len(row.x) > RASTER,
    )
