"""What one metric says of every forgery: the score against the target before and after, and the calls."""

from __future__ import annotations

import math
from itertools import groupby
from typing import Final

import pandas as pd

from benchmark.results.decision import Decision
from benchmark.results.schema import ForgeryOutcome

__all__ = ["AIM", "forgery_outcomes"]

#: What a forgery has beyond the columns of a score table: the honest model it is made of, and its aim.
AIM: Final = ("forged", "of", "target", "kind", "aimed_at")


def forgery_outcomes(table: pd.DataFrame, metric: str, decision: Decision) -> tuple[ForgeryOutcome, ...]:
    """Call every forgery, before and after.

    Parameters
    ----------
    table : pandas.DataFrame
        As `benchmark.pipeline.forgeries.forgery_table`.
    metric : str
    decision : Decision
        The threshold that makes the calls.
    """
    outcomes = []
    own = table[table["metric"] == metric].to_dict("records")
    for aim, stages in groupby(own, key=lambda row: tuple(str(row[name]) for name in AIM)):
        scores: dict[str, float] = {}
        called: dict[str, bool | None] = {}
        why = [] if decision.defined else [decision.reason]
        for row in stages:
            stage, score = str(row["stage"]), float(row["score"])
            scored = row["status"] == "ok" and math.isfinite(score)
            scores[stage] = score if scored else math.nan
            called[stage] = score >= decision.value if scored and decision.defined else None
            why += [] if scored else [row["reason"] or f"the score is {score}"]
        forged, of, target, kind, aimed_at = aim
        outcomes.append(
            ForgeryOutcome(
                forged=forged,
                of=of,
                target=target,
                kind=kind,
                aimed_at=aimed_at,
                before=scores["before"],
                after=scores["after"],
                threshold=decision.value,
                before_called=called["before"],
                after_called=called["after"],
                reason="; ".join(dict.fromkeys(why)),
            )
        )
    return tuple(outcomes)
