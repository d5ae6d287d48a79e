"""What a likelihood ratio leaves of doubt: posterior odds for some priors, and when a decider would act.

A ratio is no probability. What follows from it depends on how many models could have been the parent, and on
what a mistake costs; neither is in the scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from benchmark.comparison.evidence_weight import EvidenceWeight

__all__ = ["COSTS", "NO_PROBABILITY", "PRIORS", "Decision", "OddsTable", "Posterior", "odds_table"]

PRIORS: Final = (10, 100, 1_000, 10_000)
"""Odds against descent before the scores: one to so many."""
COSTS: Final = (1, 10, 100)
"""What a false accusation costs, in missed derivations."""
NO_PROBABILITY: Final = (
    "A likelihood ratio is not the probability of derivation: that also depends on what was known before the"
    " scores."
)


@dataclass(frozen=True)
class Posterior:
    """Odds of descent after the scores.

    Attributes
    ----------
    prior : float
        Odds before: 0.01 is one to a hundred.
    low, estimate, high : float
        Odds after, by the ratio and both ends of its interval.
    """

    prior: float
    low: float
    estimate: float
    high: float

    @property
    def probability(self) -> tuple[float, float]:
        """The ends as probabilities."""
        return self.low / (1 + self.low), self.high / (1 + self.high)


@dataclass(frozen=True)
class Decision:
    """When a rational decider would act on descent.

    Attributes
    ----------
    cost : float
        What a false accusation costs, in missed derivations.
    prior_needed : float
        Least prior odds by which acting costs less than not acting, by the end of the interval that speaks
        least for descent.
    acts_at : tuple of float
        Those of the table's prior odds that reach it.
    """

    cost: float
    prior_needed: float
    acts_at: tuple[float, ...]


@dataclass(frozen=True)
class OddsTable:
    """Posterior odds and decisions.

    Attributes
    ----------
    posteriors : tuple of Posterior
    decisions : tuple of Decision
    note : str
    """

    posteriors: tuple[Posterior, ...]
    decisions: tuple[Decision, ...]
    note: str = NO_PROBABILITY


def odds_table(weight: EvidenceWeight) -> OddsTable | None:
    """Tabulate posterior odds and decisions; None without a ratio.

    Parameters
    ----------
    weight : EvidenceWeight
        Whose ratio is quoted.

    Examples
    --------
    >>> ratio = EvidenceWeight(1.0, -1, 1, True, 0.3, 9, 9, 9, 9, 9, False, "")
    >>> table = odds_table(ratio)
    >>> table.posteriors[1].estimate, table.decisions[1].prior_needed
    (0.1, 1.0)
    """
    if not weight.defined:
        return None
    low, ratio, high = (10.0**value for value in (weight.ends[0], weight.log10_lr, weight.ends[1]))
    priors = [1 / against for against in PRIORS]
    return OddsTable(
        tuple(Posterior(prior, low * prior, ratio * prior, high * prior) for prior in priors),
        tuple(
            Decision(cost, cost / low, tuple(prior for prior in priors if prior >= cost / low))
            for cost in COSTS
        ),
    )
