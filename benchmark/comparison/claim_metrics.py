"""Which metrics may speak for a stated base, and which against it: chosen by the calibration alone.

An answer "consistent" must not rest on a metric that a forged stranger deceived there, and an answer "not
consistent" on none that misses children of some kind, or that an alteration which keeps what a model computes
leads astray: quantisers rotate weights for good reasons, and a true statement would be called false.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

import analysis
from benchmark.comparison.metric_standing import MetricStanding
from benchmark.comparison.verbal_scale import DERIVATION, INDEPENDENCE

__all__ = ["JUDGED_BY", "SIDES", "ClaimMetrics", "choose_claim_metrics"]

SIDES: Final = (DERIVATION, INDEPENDENCE)
JUDGED_BY: Final = ("all metrics", "metrics that miss no children")
"""What a base is judged by as a candidate: twice, and excluded only if both times."""


@dataclass(frozen=True)
class ClaimMetrics:
    """Metrics that may speak on one side.

    Attributes
    ----------
    chosen : tuple of str
    left_aside : dict of str to str
        The others, and why.
    """

    chosen: tuple[str, ...]
    left_aside: dict[str, str] = field(default_factory=dict)


def choose_claim_metrics(
    standings: Mapping[str, MetricStanding], tables: Mapping[str, analysis.ScoreTable], side: str
) -> ClaimMetrics:
    """Choose the metrics for one side.

    Parameters
    ----------
    standings : mapping of str to MetricStanding
        As the whole run judges them.
    tables : mapping of str to ScoreTable
        Of the same metrics, without the lineages of the case.
    side : str
        One of `SIDES`.
    """
    weak = _framed if side == DERIVATION else _hidden
    why = {
        name: _untrusted(standings[name]) or weak(standings[name], table) for name, table in tables.items()
    }
    return ClaimMetrics(
        tuple(name for name, reason in why.items() if not reason),
        {name: reason for name, reason in why.items() if reason},
    )


def _untrusted(standing: MetricStanding) -> str:
    return "" if standing.trusted else f"in the calibration: {standing.verdict or 'not judged'}"


def _framed(standing: MetricStanding, table: analysis.ScoreTable) -> str:
    """Why a high score may be forged."""
    return standing.framed_like_a_child(_middle(table, table.derived))


def _hidden(standing: MetricStanding, table: analysis.ScoreTable) -> str:
    """Why a low score may be that of a child."""
    hidden = standing.hidden
    if standing.fails_on:
        return f"it misses children by {', '.join(standing.fails_on)}"
    if standing.laundered:
        return f"children are hidden from it by {', '.join(standing.laundered)}"
    if hidden.n_succeeded:
        return f"{hidden.n_succeeded} of {hidden.n_tried} children were altered to pass for independent"
    if hidden.best <= _middle(table, table.look_alike):
        return "a child was altered to score as low as most look-alikes do"
    return ""


def _middle(table: analysis.ScoreTable, of: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    """Median score of some pairs; NaN without any, which no score reaches."""
    scores = table.score[of & table.comparable]
    return float(np.median(scores)) if len(scores) else float("nan")
