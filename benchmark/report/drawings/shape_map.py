"""Does a metric detect shape or descent? Every metric as a dot on one drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from markupsafe import Markup, escape

from benchmark.report.drawings.axes import Axis, coordinate as at_
from benchmark.report.notation import interval
from benchmark.report.sections import MetricSection

__all__ = ["shape_or_descent"]

LEFT, TOP, WIDTH, HEIGHT, MARGIN = 62, 10, 640, 380, 60  # the margin at the right is for names
BASE: Final = TOP + HEIGHT
LETTER: Final = 7.2  # width of a letter of a label, about, in units of the drawing
TRAP: Final = "shape more than descent"
ACROSS: Final = "AUC for same vs. different shape, among unrelated models"
SAYS: Final = (
    "Every metric by its AUC for same vs. different shape among unrelated models (x) and its look-alike"
    " AUC (y). Architecture detectors are at the lower right."
)
Box = tuple[float, float, float, float]
Place = tuple[float, float, str]


def shape_or_descent(sections: Sequence[MetricSection]) -> Markup:
    """Draw every metric by how well its score tells shapes apart (across) and children from look-alikes (up).

    Parameters
    ----------
    sections : sequence of MetricSection
        Those without both figures are left out.

    Returns
    -------
    Markup
        Empty where no metric has both.
    """
    figures = [
        (section, section.result.architecture.auc, section.result.look_alike_auc) for section in sections
    ]
    shown = [(section, shape, alike) for section, shape, alike in figures if shape.defined and alike.defined]
    if not shown:
        return Markup("")
    left_end = min(0.4, *(shape.estimate for _, shape, _ in shown))
    across = Axis(ACROSS, math.floor(left_end * 10) / 10, 1.0)
    lowest = min(alike.estimate for _, _, alike in shown)
    up = Axis("look-alike AUC", min(0.4, max(lowest - 0.05, 0.01)), 0.9996, "probit")

    def at(x: float, y: float) -> tuple[float, float]:
        return LEFT + WIDTH * across.share(x), BASE - HEIGHT * up.share(y)

    corner_x, corner_y = at(0.75, 0.9)
    spots = [at(shape.estimate, alike.estimate) for _, shape, alike in shown]
    trap = (corner_x, BASE - 24.0, corner_x + 8 + len(TRAP) * LETTER, float(BASE))
    places = _places([section.name for section, _, _ in shown], spots, trap)
    parts = [
        f'<svg class="map" viewBox="0 0 {LEFT + WIDTH + MARGIN} {BASE + 48}" role="group"'
        f' aria-label="{escape(SAYS)}">'
        f'<path class="trap" d="M{at_(corner_x)} {at_(corner_y)}H{LEFT + WIDTH}V{BASE}H{at_(corner_x)}z"/>'
        f'<text class="trap" x="{at_(corner_x + 8)}" y="{BASE - 9}">{TRAP}</text>',
        *_grid(across, up),
        *(
            _spot(section, *spot, place)
            for (section, _, _), spot, place in zip(shown, spots, places, strict=True)
        ),
        f'<text class="label" x="{LEFT + WIDTH / 2:.0f}" y="{BASE + 40}">{escape(across.label)}</text>'
        f'<text class="label" transform="translate(13 {TOP + HEIGHT / 2:.0f}) rotate(-90)">'
        f"{escape(up.label)}</text></svg>",
    ]
    return Markup("".join(parts))


def _grid(across: Axis, up: Axis) -> list[str]:
    drawn, labels = "", []
    for tick in across.ticks:
        x = at_(LEFT + WIDTH * across.share(tick))
        drawn += f"M{x} {TOP}v{HEIGHT}"
        labels.append(f'<text class="across" x="{x}" y="{BASE + 17}">{across.written(tick)}</text>')
    for tick in up.ticks:
        y = BASE - HEIGHT * up.share(tick)
        drawn += f"M{LEFT} {at_(y)}h{WIDTH}"
        labels.append(f'<text class="up" x="{LEFT - 8}" y="{at_(y + 4)}">{up.written(tick)}</text>')
    return [f'<path class="grid" d="{drawn}"/>', *labels]


def _spot(section: MetricSection, x: float, y: float, place: Place | None) -> str:
    label = ""
    if place:
        where = f'x="{at_(place[0])}" y="{at_(place[1])}" text-anchor="{place[2]}"'
        label = f"<text {where}>{escape(section.name)}</text>"
    told = (
        section.name,
        f"look-alike AUC {interval(section.result.look_alike_auc)}",
        f"AUC for shape {interval(section.result.architecture.auc)}",
        section.result.verdict,
    )
    return (
        f'<a href="#{section.anchor}" class="spot {section.mark}" data-tip="{escape("|".join(told))}"'
        f' aria-label="{escape("; ".join(told))}">'
        f'<circle cx="{at_(x)}" cy="{at_(y)}" r="5.5"/>{label}</a>'
    )


def _places(names: Sequence[str], spots: Sequence[tuple[float, float]], trap: Box) -> list[Place | None]:
    """Places for names beside their spots, where they cover neither a spot nor one another; else none."""
    taken: list[Box] = [trap, *((x - 6.0, y - 6.0, x + 6.0, y + 6.0) for x, y in spots)]
    placed: list[Place | None] = []
    for name, (x, y) in zip(names, spots, strict=True):
        found = next((place for place in _tries(x, y) if _free(_box(name, place), taken)), None)
        if found:
            taken.append(_box(name, found))
        placed.append(found)
    return placed


def _tries(x: float, y: float) -> list[Place]:
    return [
        (x + 9, y + 4, "start"),
        (x - 9, y + 4, "end"),
        (x, y - 10, "middle"),
        (x, y + 18, "middle"),
        (x + 9, y + 16, "start"),
        (x - 9, y + 16, "end"),
        (x + 9, y - 8, "start"),
        (x - 9, y - 8, "end"),
    ]


def _box(name: str, place: Place) -> Box:
    x, y, anchor = place
    wide = len(name) * LETTER
    left = x - wide * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
    return (left, y - 11.0, left + wide, y + 3.0)


def _free(box: Box, taken: Sequence[Box]) -> bool:
    inside = box[0] > LEFT and box[2] < LEFT + WIDTH + MARGIN and box[1] > 0 and box[3] < BASE
    return inside and not any(_overlap(box, other) for other in taken)


def _overlap(one: Box, two: Box) -> bool:
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]
