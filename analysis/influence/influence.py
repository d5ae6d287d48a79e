"""What a number becomes when one thing is changed, for every such thing in turn."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.inference.permutation import PermutationTest
from analysis.notebook import number
from analysis.results import Result
from analysis.table import ScoreTable

__all__ = ["Influence", "SeedInfluence", "turned_label"]

SURE: Final = 3.0
"""Monte Carlo standard errors within which the p-value of another seed's permutations lies."""


@dataclass(frozen=True, eq=False)
class Influence(Result):
    """What a number becomes when one thing is changed, for every such thing in turn.

    Attributes
    ----------
    estimate : float
        As it is.
    low, high : float
        Least and greatest value that one change gives.
    worst : float
        The one of the two that is farther from the estimate.
    by : str
        Which lineage, pair or architecture does that.
    n_changes : int
        Changes tried that leave something to compute.
    reason : str
        Why there are none; everything else is then NaN or empty.
    """

    _headline = "worst"

    estimate: float
    low: float
    high: float
    worst: float
    by: str
    n_changes: int
    reason: str = ""

    @classmethod
    def of(cls, estimate: float, values: npt.ArrayLike, name: Callable[[int], str]) -> Influence:
        """Sum up the values that each change gives; NaN where one leaves nothing."""
        found = np.asarray(values, dtype=np.float64)
        here = np.flatnonzero(~np.isnan(found))
        if math.isnan(estimate) or not len(here):
            return cls.undefined(
                "no data left to compute it from" if len(found) else "there is nothing to change"
            )
        gap = np.zeros(len(here))
        # An infinite estimate is where it was, and else infinitely far.
        np.subtract(found[here], estimate, out=gap, where=found[here] != estimate)
        most = int(here[np.argmax(np.abs(gap))])
        return cls(
            estimate,
            float(found[here].min()),
            float(found[here].max()),
            float(found[most]),
            name(most),
            len(here),
        )

    @classmethod
    def undefined(cls, reason: str) -> Influence:
        """An influence that cannot be given, with the reason."""
        nan = math.nan
        return cls(nan, nan, nan, nan, "", 0, reason)

    def __str__(self) -> str:
        if self.reason:
            return f"undefined ({self.reason})"
        return f"{number(self.estimate)}, from {number(self.low)} to {number(self.high)} ({self.by})"


@dataclass(frozen=True, eq=False)
class SeedInfluence(Result):
    """What another seed could change: p-values by permutation alone, and intervals by bootstrap.

    Attributes
    ----------
    p_value : float
        Of the permutation test.
    low, high : float
        What it is with the half that permutations give moved by three Monte Carlo errors. The half over
        lineages draws nothing, and p is the larger of the two. Equal to p where all arrangements were
        enumerated, or the half over lineages is larger by more than that.
    reason : str
        Why there is none; empty otherwise.
    """

    _headline = "p_value"

    p_value: float
    low: float
    high: float
    reason: str = ""

    @classmethod
    def of(cls, test: PermutationTest | None) -> SeedInfluence:
        """How far the p-value of a test may be from that of another seed."""
        if test is None or math.isnan(test.p_value):
            return cls(math.nan, math.nan, math.nan, "no permutation test" if test is None else test.reason)
        drawn, fixed = test.exchangeable_p_value, test.lineage_p_value
        error = 0.0 if test.exact else math.sqrt(drawn * (1 - drawn) / test.n_resamples)
        low, high = max(fixed, drawn - SURE * error), max(fixed, min(1.0, drawn + SURE * error))
        return cls(test.p_value, low, high)


def turned_label(table: ScoreTable, row: int) -> str:
    """Name a pair whose label is turned."""
    names = f"{table.models[table.model_a[row]]} – {table.models[table.model_b[row]]}"
    return f"{names} taken as {'independent' if table.derived[row] else 'derived'}"
