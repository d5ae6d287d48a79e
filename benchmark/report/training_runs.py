"""Training runs as the report shows them: a line a run, and a sentence that says how early they show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from benchmark.report.notation import count
from benchmark.results.schema import RunPoint

__all__ = ["RunRow", "finite_points", "run_lines", "run_rows", "runs_sentence"]


@dataclass(frozen=True)
class RunRow:
    """A row of the table of runs: a family at one share of its runs, with a median score for each metric."""

    family: str
    n_runs: int
    share: float
    medians: tuple[float, ...]


def finite_points(points: Sequence[RunPoint]) -> tuple[RunPoint, ...]:
    """Those whose score has a place on a drawing."""
    return tuple(point for point in points if math.isfinite(point.score))


def run_lines(points: Sequence[RunPoint]) -> tuple[tuple[tuple[float, float], ...], ...]:
    """A line for each run with more than one point."""
    lines = []
    for _, own in groupby(sorted(points, key=lambda point: (point.run, point.share)), key=lambda p: p.run):
        line = tuple((point.share, point.score) for point in own)
        if len(line) > 1:
            lines.append(line)
    return tuple(lines)


def run_rows(columns: Sequence[Sequence[RunPoint]]) -> tuple[RunRow, ...]:
    """Points of all runs by family and share, a column a metric; NaN where a metric scores none of them."""
    held: dict[tuple[str, float], list[list[RunPoint]]] = {}
    for number, points in enumerate(columns):
        for point in points:
            held.setdefault((point.family, point.share), [[] for _ in columns])[number].append(point)
    return tuple(
        RunRow(
            family,
            len({point.run for own in cells for point in own}),
            share,
            tuple(median(point.score for point in own) if own else math.nan for own in cells),
        )
        for (family, share), cells in sorted(held.items())
    )


def runs_sentence(points: Sequence[RunPoint], band: tuple[float, float, float] | None) -> str:
    """How many points of runs score like look-alikes against their own end, and until when.

    Parameters
    ----------
    points : sequence of RunPoint
        Not empty.
    band : (float, float, float) or None
        As `benchmark.report.training_distance.look_alike_band`.

    Examples
    --------
    >>> run = [RunPoint("m", f"m@step{n}", "f", "m", n, n / 100, 0.01 * n) for n in (0, 20, 60)]
    >>> runs_sentence(run, (0.0, 0.1, 0.3))
    '1 run: 2 of 3 checkpoints score within the look-alike range, the last at 20% of the run'
    """
    runs = {point.run for point in points}
    named, all_points = count(len(runs), "run", "runs"), count(len(points), "checkpoint")
    if band is None:
        return f"{named}, {all_points}; no look-alike has a score"
    among = [point.share for point in points if point.score <= band[2]]
    if not among:
        return f"{named}: all {all_points} score above 95% of look-alikes"
    return (
        f"{named}: {len(among)} of {all_points} score within the look-alike range, the last"
        f" at {max(among) * 100:.3g}% of the run"
    )
