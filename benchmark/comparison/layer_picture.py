"""The layers of two models drawn: a strip of agreement for each part, and the curves of their spread."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from benchmark.comparison.layers import LayerPicture
from benchmark.report.plots.style import as_svg, house_style

__all__ = ["agreement_axes", "agreement_svg", "curve_axes", "curves_svg"]

WIDTH: Final = 4.6  # inches; at 400 pixels a letter of 8 points is still read
WRITTEN: Final = 9
"""Layers up to which each cell bears its number."""
# What the page colours itself; any colour that stands nowhere else would do.
INK, SOFT, HAIR, GROUND = "#010101", "#020202", "#030303", "#040404"
FIRST, SECOND = "#050505", "#060606"
OURS: Final = {
    INK: "var(--ink)",
    SOFT: "var(--soft)",
    HAIR: "var(--hair)",
    GROUND: "var(--raised)",
    FIRST: "var(--derived)",
    SECOND: "var(--look-alike)",
}
# From what strangers have to what is equal; the same on light and dark ground.
SHADES: Final = LinearSegmentedColormap.from_list("agreement", ["#c9ced4", "#7fb2d9", "#1f78b4", "#08306b"])
DARK: Final = 0.45
"""From this agreement on a cell's number is written in white."""


def agreement_axes(picture: LayerPicture, axes: Axes) -> Axes:
    """Draw how each part agrees in each layer: one strip a part, one cell a layer.

    Parameters
    ----------
    picture : LayerPicture
    axes : matplotlib.axes.Axes

    Returns
    -------
    matplotlib.axes.Axes
        The same; 1 is equal, 0 is typical of unrelated models.
    """
    rows = {**picture.stored, **{f"{name}, matched": row for name, row in picture.aligned.items()}}
    width = max((len(row) for row in rows.values()), default=0)
    grid = np.full((len(rows), width), np.nan)
    for place, row in enumerate(rows.values()):
        grid[place, : len(row)] = row
    axes.set_facecolor(GROUND)
    axes.pcolormesh(
        np.arange(width + 1) - 0.5,
        np.arange(len(rows) + 1) - 0.5,
        np.ma.masked_invalid(np.clip(grid, 0, 1)),
        cmap=SHADES,
        norm=Normalize(0, 1),
        edgecolors=GROUND,
        linewidth=0.8,
    )
    if width <= WRITTEN:
        for (y, x), value in np.ndenumerate(grid):
            if not math.isnan(value):
                colour = "#ffffff" if value > DARK else "#16191d"
                axes.text(x, y, _two(value), ha="center", va="center", color=colour, fontsize=7)
    axes.set_yticks(range(len(rows)), list(rows))
    step = max(1, math.ceil(width / 12))
    axes.set_xticks(range(0, width, step))
    axes.set_xlabel("layer")
    axes.invert_yaxis()
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def _two(value: float) -> str:
    text = f"{value:.2f}" if abs(value) < 1 else f"{value:.0f}"
    return "0" if text in {"0.00", "-0.00"} else text.replace("-", "\N{MINUS SIGN}")


def curve_axes(picture: LayerPicture, part: str, axes: Axes, names: tuple[str, str] = ("A", "B")) -> Axes:
    """Draw the spread of one part's weights over relative depth, of both models."""
    styles = ((FIRST, "o", "-"), (SECOND, "s", "--"))
    for row, name, (colour, marker, line) in zip(picture.curves[part], names, styles, strict=True):
        depth = np.linspace(0, 1, len(row)) if len(row) > 1 else np.array([0.5])
        axes.plot(
            depth, row, label=name, color=colour, marker=marker, linestyle=line, markersize=2.5, linewidth=1.1
        )
    axes.set_title(part)
    axes.margins(y=0.12)
    axes.set_xticks([0, 1], ["first", "last"])
    axes.locator_params(axis="y", nbins=3)
    return axes


def agreement_svg(picture: LayerPicture) -> str:
    """The strips as SVG that takes its colours from the page; empty if there is none."""
    count = len(picture.stored) + len(picture.aligned)
    if not count:
        return ""
    with house_style():
        figure = Figure(figsize=(WIDTH, 0.55 + 0.235 * count), layout="constrained")
        agreement_axes(picture, figure.subplots())
        return _coloured(figure)


def curves_svg(picture: LayerPicture) -> str:
    """The curves as SVG that takes its colours from the page; empty if there is none."""
    if not picture.curves:
        return ""
    with house_style():
        rows = math.ceil(len(picture.curves) / 2)
        figure = Figure(figsize=(WIDTH, 1.15 * rows + 0.1), layout="constrained")
        grid = figure.subplots(rows, 2, squeeze=False).ravel()
        for part, axes in zip(picture.curves, grid, strict=False):
            curve_axes(picture, part, axes)
        for axes in grid[len(picture.curves) :]:
            axes.set_axis_off()
        return _coloured(figure)


def _coloured(figure: Figure) -> str:
    """SVG text with the page's colours in place of the marks."""
    for axes in figure.axes:
        axes.patch.set_facecolor(GROUND)
        for text in (axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label):  # type: ignore[attr-defined]
            text.set_color(INK)
        axes.tick_params(colors=SOFT, labelcolor=SOFT)
        for spine in axes.spines.values():
            spine.set_edgecolor(HAIR)
    figure.patch.set_alpha(0)
    text = as_svg(figure)
    for mark, variable in OURS.items():
        text = text.replace(mark, variable)
    return text
