"""Ranks of metrics, as far as paired comparisons bear them out: a range where they do not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.discrimination.comparison import Comparison
from analysis.results import Result
from analysis.validation import BadArgument, check_instances, check_names, check_probability

__all__ = ["Rank", "ranks"]


@dataclass(frozen=True, eq=False)
class Rank(Result):
    """Where a metric can stand among others.

    Attributes
    ----------
    metric : str
    best, worst : int
        The places that the comparisons leave open, counted from 1.
    beats, beaten_by : tuple of str
        The metrics from which it is separated, in the order given.
    """

    _headline = "best"

    metric: str
    best: int
    worst: int
    beats: tuple[str, ...]
    beaten_by: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.best}" if self.best == self.worst else f"{self.best}–{self.worst}"


def ranks(metrics: Sequence[str], comparisons: Sequence[Comparison], level: float = 0.05) -> tuple[Rank, ...]:
    """Turn paired comparisons into sets of ranks.

    Parameters
    ----------
    metrics : sequence of str
    comparisons : sequence of Comparison
        Of every two of them, adjusted together (`compare_all`, `holm`).
    level : float
        Two metrics are separated where the adjusted p-value is below it; in (0, 1).

    Returns
    -------
    tuple of Rank
        In the order of `metrics`.

    Raises
    ------
    BadArgument
        An argument is not what it must be: a comparison of a metric that is not among `metrics`.

    Notes
    -----
    A metric's best place is one below those that beat it, and its worst leaves room only for those that it
    beats. As Holm's procedure bounds the chance of any wrong separation, all ranges hold the true ranks
    together with confidence 1 - level (Mogstad, Romano, Shaikh & Wilhelm 2024, Review of Economic Studies
    91:476).

    Examples
    --------
    >>> from analysis import compare_all, example_table, ranks
    >>> tables = [example_table(name, separation=k) for k, name in enumerate(("noise", "weak", "good"))]
    >>> [str(rank) for rank in ranks(["noise", "weak", "good"], compare_all(tables))]
    ['3', '1–2', '1–2']
    """
    check_names(metrics, "metrics")
    check_probability(level, "level")
    for one in check_instances(comparisons, "comparisons", Comparison):
        unknown = {one.metric_a, one.metric_b} - set(metrics)
        if unknown:
            known = ", ".join(metrics)
            raise BadArgument(f"comparisons must be of the metrics given ({known}), not of {min(unknown)!r}")
    beaten_by: dict[str, list[str]] = {name: [] for name in metrics}
    beats: dict[str, list[str]] = {name: [] for name in metrics}
    for one in comparisons:
        if math.isnan(one.adjusted_p_value) or one.adjusted_p_value >= level:
            continue
        ahead, behind = one.metric_a, one.metric_b
        if one.difference.estimate < 0:
            ahead, behind = behind, ahead
        beats[ahead].append(behind)
        beaten_by[behind].append(ahead)
    return tuple(
        Rank(
            name,
            best=1 + len(beaten_by[name]),
            worst=len(metrics) - len(beats[name]),
            beats=tuple(other for other in metrics if other in beats[name]),
            beaten_by=tuple(other for other in metrics if other in beaten_by[name]),
        )
        for name in metrics
    )
