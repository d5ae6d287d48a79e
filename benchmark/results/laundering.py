"""What laundering does to a metric: children that compute what their parent does, not called derived."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import pandas as pd

from analysis.results import Result
from benchmark.results.decision import Decision
from benchmark.zoo.transform_kinds import TRANSFORMS

__all__ = ["LaunderingOutcome", "keeps_function", "laundering_outcomes"]

LAUNDER: Final = "launder"
STEP: Final = " > "


@dataclass(frozen=True, eq=False)
class LaunderingOutcome(Result):
    """What a metric makes of the children of one laundering, which keeps what a model computes.

    Attributes
    ----------
    method : str
        Derivation method, of one step or several that all launder.
    n_pairs, n_scored, n_hidden : int
        Pairs of an ancestor and its laundered self; those with a score; those that the threshold does not
        call derived.
    lowest : float
        Score of them; NaN without any.
    threshold : float
        At or above it a pair is called derived; NaN where there is none, and then nothing is hidden.
    """

    method: str
    n_pairs: int
    n_scored: int
    n_hidden: int
    lowest: float
    threshold: float


def keeps_function(method: str) -> bool:
    """Whether every step of a derivation launders and keeps what the model computes.

    >>> keeps_function("launder:unit-permutation"), keeps_function("launder:noise")
    (True, False)
    """
    for step in method.split(STEP):
        name, _, kind = step.partition(":")
        if name != LAUNDER or (kind in TRANSFORMS and not TRANSFORMS[kind].keeps_function):
            return False
    return True


def laundering_outcomes(scores: pd.DataFrame, decision: Decision) -> tuple[LaunderingOutcome, ...]:
    """Call the pairs of every laundering.

    Parameters
    ----------
    scores : pandas.DataFrame
        Rows of one metric.
    decision : Decision
        The threshold that makes the calls.
    """
    found = []
    derived = scores[scores["relation"] == "derived"]
    for method, rows in derived.groupby(derived["method"].astype(str), sort=True):
        if not keeps_function(str(method)):
            continue
        scored = rows.loc[rows["status"] == "ok", "score"].astype(float)
        hidden = int((scored < decision.value).sum()) if decision.defined else 0
        lowest = float(scored.min()) if len(scored) else math.nan
        found.append(LaunderingOutcome(str(method), len(rows), len(scored), hidden, lowest, decision.value))
    return tuple(found)
