"""How a metric fades with the distance travelled: scores of trained children against their ancestors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from benchmark.report.axes import Axis
from benchmark.report.charts import Dots, Level, Panel
from benchmark.report.notation import count, plain
from benchmark.report.reading import mapping, number, sequence, text, whole
from benchmark.report.view import MetricView, Travelled

__all__ = ["decay_panel", "decay_sentence", "threads", "travelled"]


def travelled(stored: object) -> tuple[Travelled, ...]:
    """Read the decay rows of one metric; rows without a distance or a score are left out."""
    rows = [_row(mapping(item)) for item in sequence(stored)]
    return tuple(row for row in rows if math.isfinite(row.share) and math.isfinite(row.score))


def _row(stored: Mapping[str, Any]) -> Travelled:
    return Travelled(
        model=text(stored.get("model")),
        ancestor=text(stored.get("ancestor")),
        method=text(stored.get("method")),
        steps=whole(stored.get("steps")),
        share=number(stored.get("share")),
        score=number(stored.get("score")),
        lineage=text(stored.get("lineage")),
    )


def decay_panel(view: MetricView, farthest: float) -> Panel | None:
    """Draw the scores of trained children over the share of the founder's budget, a line a lineage.

    Parameters
    ----------
    view : MetricView
    farthest : float
        Right end of the axis: the longest way of any metric, so that panels compare.

    Returns
    -------
    Panel or None
        None where the results hold no decay rows for this metric.
    """
    if not view.decay:
        return None
    scores = [row.score for row in view.decay]
    band, cut = view.look_alike_band, view.cut_value
    ends = [value for value in (*scores, *(band or ()), cut) if math.isfinite(value)]
    low, high = min(ends), max(ends)
    room = 0.05 * (high - low) or 0.5
    levels = [Level("look-alike", "median of look-alikes", band[1])] if band else []
    if math.isfinite(cut):
        levels.append(Level("cut", f"threshold {plain(cut)}", cut))
    return Panel(
        title=view.name,
        x=Axis("share of the founder's budget trained since", 0.0, max(farthest, 1e-9), as_percent=True),
        y=Axis("score", low - room, high + room),
        dots=(Dots("derived", tuple((row.share, row.score) for row in view.decay), threads(view.decay)),),
        levels=tuple(levels),
        band=(band[0], band[2]) if band else None,
        says=decay_sentence(view),
    )


def threads(rows: Sequence[Travelled]) -> tuple[tuple[tuple[float, float], ...], ...]:
    """A thread for each lineage with more than one distance: its mean score at each."""
    found = []
    ordered = sorted(rows, key=lambda row: (row.lineage, row.share))
    for _, own in groupby(ordered, key=lambda row: row.lineage):
        at = {share: [row.score for row in same] for share, same in groupby(own, key=lambda row: row.share)}
        points = [(share, sum(scores) / len(scores)) for share, scores in at.items()]
        if len(points) > 1:
            found.append(tuple(points))
    return tuple(found)


def decay_sentence(view: MetricView) -> str:
    """What the drawing shows: how many children fall among the look-alikes, and from where on."""
    if not view.decay:
        return "These results hold no decay rows for this metric."
    n = len(view.decay)
    if view.look_alike_band is None:
        return f"{count(n, 'trained child', 'trained children')}; no look-alike has a score."
    top = view.look_alike_band[2]
    below = sorted(row.share for row in view.decay if row.score <= top)
    if not below:
        return f"all of {count(n, 'trained child', 'trained children')} lie above 95 % of look-alikes"
    return (
        f"{len(below)} of {count(n, 'trained child', 'trained children')} lie among the look-alikes,"
        f" the first after {below[0]:.0%} of the founder's budget".replace("%", " %")
    )
