"""Drawings with two axes for the page, as SVG text that takes its colours from the page's style sheet.

The page's script names what a pointer is near: it reads the vertices of lines back from their paths, turns
them into values by the axes written in `data-x` and `data-y`, and looks dots up in the page's data by order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape

from benchmark.report.drawings.axes import Axis, coordinate

__all__ = ["Curve", "Dots", "Level", "Line", "Mark", "Panel", "panel", "simplified"]

Point = tuple[float, float]
Place = Callable[[float, float], Point]
Floats = npt.NDArray[np.float64]
SIDE: Final = 340  # width and height of the plotting area of a square panel
SMALL: Final = (250, 150)  # the same of a panel among many
NEAR: Final = 0.45  # a vertex nearer than this to the line between its neighbours is left out, in pixels
LEFT, TOP, RIGHT, BELOW = 54, 10, 20, 46


@dataclass(frozen=True)
class Curve:
    """Points of a curve, its band and the score that each point stands for, where given; of one length."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    at: tuple[float, ...] = ()

    @classmethod
    def of(
        cls,
        x: Floats,
        y: Floats,
        *,
        band: tuple[Floats, Floats] | None = None,
        at: Floats | None = None,
    ) -> Curve | None:
        """The points that have a place; None where fewer than two do. A band with gaps is left out."""
        keep = np.isfinite(x) & np.isfinite(y)
        if keep.sum() < 2:
            return None
        low, high = band if band and np.isfinite(band[0] + band[1])[keep].all() else ((), ())
        parts = [values[keep] if len(values) else () for values in (low, high, () if at is None else at)]
        return cls(*(tuple(map(float, values)) for values in (x[keep], y[keep], *parts)))


@dataclass(frozen=True)
class Line:
    """A curve of a panel with the style class that colours it."""

    slug: str
    label: str
    curve: Curve


@dataclass(frozen=True)
class Dots:
    """Points of a panel, each a pair that the script names, and threads between some of them."""

    slug: str
    points: tuple[Point, ...]
    threads: tuple[tuple[Point, ...], ...] = ()


@dataclass(frozen=True)
class Mark:
    """A point of a panel that stands for something by itself, e.g. a claimed threshold."""

    slug: str
    label: str
    x: float
    y: float


@dataclass(frozen=True)
class Level:
    """A value of the upward axis drawn right across, with its name."""

    slug: str
    label: str
    value: float


@dataclass(frozen=True)
class Panel:
    """A drawing with two axes; `band` is a range of the upward axis shaded right across."""

    title: str
    x: Axis
    y: Axis
    lines: tuple[Line, ...] = ()
    dots: tuple[Dots, ...] = ()
    marks: tuple[Mark, ...] = ()
    levels: tuple[Level, ...] = ()
    band: tuple[float, float] | None = None
    diagonal: bool = False
    says: str = ""

    @property
    def spoken(self) -> str:
        """The drawing in one sentence, for those who do not see it."""
        drawn = self.says or "; ".join(line.label for line in self.lines) or "nothing to draw"
        return f"{self.title}: {drawn}. Across: {self.x.label}. Up: {self.y.label}."


def panel(drawing: Panel, anchor: str, *, small: bool = False) -> Markup:
    """Draw a panel: bands under lines, marks on top.

    Parameters
    ----------
    drawing : Panel
    anchor : str
        An id that is unique in the page.
    small : bool
        Whether it stands among many: lower than wide, without names of axes.
    """
    width, height = SMALL if small else (SIDE, SIDE)
    below = 24 if small else BELOW
    left = LEFT + 8 if drawing.y.as_percent else LEFT  # percentages are wider than shares

    def at(x: float, y: float) -> Point:
        return left + width * drawing.x.share(x), TOP + height * (1 - drawing.y.share(y))

    parts = [
        f'<svg class="panel" viewBox="0 0 {left + width + RIGHT} {TOP + height + below}" role="img"'
        f' aria-labelledby="{escape(anchor)}" data-x="{_axis(drawing.x, left, width)}"'
        f' data-y="{_axis(drawing.y, TOP + height, -height)}">'
        f'<title id="{escape(anchor)}">{escape(drawing.spoken)}</title>'
    ]
    grid, labels = "", []
    for tick in drawing.x.ticks:
        x = coordinate(at(tick, drawing.y.low)[0])
        grid += f"M{x} {TOP}v{height}"
        labels.append(f'<text x="{x}" y="{TOP + height + 16}">{drawing.x.written(tick)}</text>')
    for tick in drawing.y.ticks:
        y = at(drawing.x.low, tick)[1]
        grid += f"M{left} {coordinate(y)}h{width}"
        labels.append(
            f'<text class="up" x="{left - 7}" y="{coordinate(y + 4)}">{drawing.y.written(tick)}</text>'
        )
    if drawing.band:
        top, bottom = at(drawing.x.low, drawing.band[1])[1], at(drawing.x.low, drawing.band[0])[1]
        parts.append(
            f'<path class="range" d="M{left} {coordinate(top)}h{width}V{coordinate(bottom)}h-{width}z"/>'
        )
    parts.append(f'<path class="grid" d="{grid}"/><g class="ticks">{"".join(labels)}</g>')
    if drawing.diagonal:
        parts.append(f'<path class="chance" d="M{left} {TOP + height}l{width} -{height}"/>')
    parts += _levels(drawing, at, left, width)
    for line in drawing.lines:
        if line.curve.low:
            there = simplified([at(*point) for point in zip(line.curve.x, line.curve.high, strict=True)])
            back = simplified([at(*point) for point in zip(line.curve.x, line.curve.low, strict=True)])
            parts.append(f'<path class="band {line.slug}" d="{_path([*there, *back[::-1]])}Z"/>')
    parts += [_line(line, at) for line in drawing.lines]
    for dots in drawing.dots:
        threads = "".join(_path([at(*point) for point in thread]) for thread in dots.threads)
        parts.append(f'<path class="thread {dots.slug}" d="{threads}"/>' if threads else "")
        steps = "".join(f"M{coordinate(x)} {coordinate(y)}h0" for x, y in (at(*p) for p in dots.points))
        parts.append(f'<path class="dot {dots.slug}" stroke-width="6" d="{steps}"/>')
    parts += _marks(drawing.marks, at)
    parts.append(f'<path class="frame" d="M{left} {TOP}v{height}h{width}"/>')
    if not small:
        parts.append(
            f'<text class="label" x="{left + width / 2:.0f}" y="{TOP + height + 38}">'
            f"{escape(drawing.x.label)}</text>"
            f'<text class="label" transform="translate(12 {TOP + height / 2:.0f}) rotate(-90)">'
            f"{escape(drawing.y.label)}</text>"
        )
    return Markup("".join(parts) + "</svg>")


def _axis(axis: Axis, start: float, length: float) -> Markup:
    """What the script needs to turn places into values."""
    return escape(f"{axis.kind} {axis.low:.6g} {axis.high:.6g} {start:g} {length:g} {axis.label}")


def _levels(drawing: Panel, at: Place, left: int, width: int) -> list[str]:
    parts = []
    for level in drawing.levels:
        y = at(drawing.x.low, level.value)[1]
        parts.append(f'<path class="level {level.slug}" d="M{left} {coordinate(y)}h{width}"/>')
    return parts


def _line(line: Line, at: Place) -> str:
    points = [at(x, y) for x, y in zip(line.curve.x, line.curve.y, strict=True)]
    kept = _kept(points)
    told = f' data-label="{escape(line.label)}"'
    if line.curve.at:
        told += f' data-at="{" ".join(_exact(line.curve.at[index]) for index in kept)}"'
    drawn = _path([points[index] for index in kept])
    return f'<path class="line {line.slug}" d="{drawn}"{told}/>'


def _exact(value: float) -> str:
    """A number for the script, precise enough to find the dot that has it."""
    return f"{value:.7g}".replace("inf", "Infinity")


def _marks(marks: Iterable[Mark], at: Place) -> list[str]:
    parts = []
    for mark in marks:
        if math.isfinite(mark.x) and math.isfinite(mark.y):
            x, y = at(mark.x, mark.y)
            corners = _path([(x - 5.5, y + 4.5), (x, y - 5.5), (x + 5.5, y + 4.5)])
            parts.append(
                f'<path class="mark {mark.slug}" d="{corners}Z"><title>{escape(mark.label)}</title></path>'
            )
    return parts


def _path(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{coordinate(x)} {coordinate(y)}" for x, y in points)


def simplified(points: Sequence[Point]) -> list[Point]:
    """Leave out what nobody could see: vertices within a third of a pixel of the line that remains."""
    return [points[index] for index in _kept(points)]


def _kept(points: Sequence[Point]) -> list[int]:
    """Which vertices stay (Ramer 1972, Douglas & Peucker 1973); the ends always do."""
    kept, open_ = {0, len(points) - 1}, [(0, len(points) - 1)]
    while open_:
        first, last = open_.pop()
        (ax, ay), (bx, by) = points[first], points[last]
        dx, dy = bx - ax, by - ay
        length = math.hypot(dx, dy)
        worst, where = NEAR, -1
        for index in range(first + 1, last):
            x, y = points[index]
            off = abs((x - ax) * dy - (y - ay) * dx) / length if length else math.hypot(x - ax, y - ay)
            if off > worst:
                worst, where = off, index
        if where > 0:
            kept.add(where)
            open_ += [(first, where), (where, last)]
    return sorted(kept)
