"""Drawings that stand in a line of text or a cell of a table: intervals, and the rule of lineages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from markupsafe import Markup, escape

from analysis.results import Interval
from analysis.verdict_words import FAIR, GOOD
from benchmark.report.drawings.axes import coordinate as _n
from benchmark.report.notation import goal, percent

__all__ = ["forest_axis", "lift", "ruler", "track"]

STRIP: Final = 200  # width of an interval drawing in a table cell
CHANCE: Final = 0.5


def forest_axis(values: Iterable[Interval]) -> tuple[float, ...]:
    """Tenths to mark on the axis of a forest plot: from below chance and every lower end, up to 1.

    >>> from analysis import Interval
    >>> forest_axis([Interval(0.9, 0.83, 0.95, 0.95, "made up")])
    (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    """
    lows = [low for value in values for low in (value.low, value.estimate) if not math.isnan(low)]
    first = math.floor(min([*lows, CHANCE - 0.05]) * 10)
    return tuple(tenth / 10 for tenth in range(max(first, 0), 11))


def track(value: Interval, bounds: Interval, low: float) -> Markup:
    """Draw one row of a forest plot.

    Parameters
    ----------
    value : Interval
        An AUC: the estimate is a square, its interval a thick bar.
    bounds : Interval
        What decides the verdict, wider than the interval: a thin line.
    low : float
        Left end of the axis; the right end is 1. Places are percentages, so that rows of any width line up.
    """

    def at(share: float) -> str:
        return f"{_n(100 * min(max((share - low) / (1 - low), 0.0), 1.0))}%"

    def line(name: str, start: float, end: float) -> str:
        y1, y2 = ("0", "100%") if start == end and name != "inner" else ("50%", "50%")
        return f'<line class="{name}" x1="{at(start)}" x2="{at(end)}" y1="{y1}" y2="{y2}"/>'

    lines = [line(name, share, share) for name, share in (("chance", CHANCE), ("fair", FAIR), ("good", GOOD))]
    for name, drawn in (("bounds", bounds), ("range", value)):
        if drawn.low < drawn.high:
            lines.append(line(name, drawn.low, drawn.high))
    if value.defined:
        # A square keeps its form at any width: it is a line of no length with square ends.
        lines.append(line("inner", value.estimate, value.estimate))
    return Markup(f'<svg class="track" aria-hidden="true">{"".join(lines)}</svg>')


def lift(effect: Interval) -> Markup:
    """Draw an effect between -1 and 1 with its interval, around a line at 0."""

    def at(value: float) -> float:
        return 6 + (STRIP - 12) * min(max((value + 1) / 2, 0.0), 1.0)

    parts = [
        f'<svg class="lift" viewBox="0 0 {STRIP} 22" aria-hidden="true">'
        f'<path class="axis" d="M6 11H{STRIP - 6}M6 8v6M{STRIP - 6} 8v6"/>'
        f'<path class="chance" d="M{_n(at(0))} 3v16"/>'
    ]
    if not math.isnan(effect.low + effect.high):
        parts.append(f'<path class="range" d="M{_n(at(effect.low))} 11H{_n(at(effect.high))}"/>')
    if effect.defined:
        parts.append(f'<rect class="inner" x="{_n(at(effect.estimate) - 4)}" y="7" width="8" height="8"/>')
    return Markup("".join(parts) + "</svg>")


def ruler(have: int, lowest: float, goals: Sequence[tuple[float, int]]) -> Markup:
    """Draw how many lineages certificates need, and how many this catalog has, on a logarithmic rule.

    Parameters
    ----------
    have : int
        Lineages of the catalog that a certificate against look-alikes can rest on.
    lowest : float
        The lowest FPR among look-alikes that they can certify; NaN where none.
    goals : sequence of (float, int)
        False-positive rates and the lineages that each needs.
    """
    width, base = 720, 66
    end = math.log10(max([need for _, need in goals] + [have, 1_000])) + 0.15

    def x(lineages: float) -> float:
        return 14 + (width - 64) * math.log10(max(lineages, 1)) / end

    needs = "; ".join(f"{goal(at)} needs {need}" for at, need in goals)
    says = f"Lineages on a logarithmic scale: this catalog has {have} that share their shapes; {needs}."
    parts = [f'<svg class="ruler" viewBox="0 0 {width} 96" role="img"><title>{escape(says)}</title>']
    for power in range(math.ceil(end)):
        for factor in range(1, 10):
            if math.log10(factor) + power <= end:
                long = factor == 1
                parts.append(
                    f'<path class="tick" d="M{_n(x(factor * 10**power))} {base}v{8 if long else 4}"/>'
                )
        here = _n(x(10**power))
        parts.append(
            f'<text class="tick" x="{here}" y="{base + 22}" text-anchor="middle">{10**power:,}</text>'
        )
    parts.append(f'<path class="rule" d="M14 {base}H{_n(x(10**end))}"/>')
    parts.append(f'<path class="reach" d="M14 {base}H{_n(x(have))}v-38"/>')
    for rate, need in goals:
        parts.append(
            f'<path class="goal" d="M{_n(x(need))} {base - 14}v14"/>'
            f'<text class="goal-label" x="{_n(x(need))}" y="{base - 20}" text-anchor="middle">'
            f"{goal(rate)}</text>"
        )
    tail = "" if math.isnan(lowest) else f": {percent(lowest)} at best"
    parts.append(
        f'<path class="here" d="M{_n(x(have))} {base}l-6 -11h12z"/>'
        f'<text class="here-label" x="{_n(x(have))}" y="{base - 44}" text-anchor="middle">'
        f"{have} here{escape(tail)}</text>"
        "</svg>"
    )
    return Markup("".join(parts))
