"""How good evidence is on pairs whose lineages took no part in its fit, and how far it can go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.evidence.labelled_pairs import LabelledPairs
from analysis.evidence.logistic_fit import LogisticFit
from analysis.evidence.quality import cllr, cllr_min, empirical_bounds

__all__ = ["OutOfLineage", "too_few_lineages"]

Floats = npt.NDArray[np.float64]
FEWEST_HOLDERS: Final = 3
FEWEST_LINEAGES: Final = 4


def too_few_lineages(pairs: LabelledPairs, where: str = "") -> str:
    """Why lineages cannot be weighed by each other; empty where they can."""
    such = "" if pairs.negatives == "independent" else f" whose shapes {pairs.negatives} pairs have"
    if pairs.n_holders < FEWEST_HOLDERS or pairs.n_lineages < FEWEST_LINEAGES:
        return (
            f"{pairs.n_holders} lineages with derived pairs{such}, of {pairs.n_lineages} in all{where}:"
            f" leave-one-out needs at least {FEWEST_HOLDERS} of {FEWEST_LINEAGES}"
        )
    if pairs.n_negative_lineages < FEWEST_HOLDERS:
        return (
            f"{pairs.n_negative_lineages} lineages with {pairs.negatives} pairs{where}: leave-one-out"
            f" needs at least {FEWEST_HOLDERS}"
        )
    return ""


@dataclass(frozen=True)
class OutOfLineage:
    """Out-of-lineage log10 LRs of pairs, the bounds that data support, and what they cost.

    Attributes
    ----------
    weighed, bounded : ndarray of float, shape (n,)
        Before the bounds, and within them.
    lower, upper : float
        The ELUB; a derived lineage counts as one observation, negatives as `LabelledPairs.negative_units`.
        With G lineages it never goes beyond ±log10 G: with n and m observations, one misleading value in each
        class makes r (m + 1) > (m + 1) n / (n + 1) too costly, and n and m are at most G.
    cllr, cllr_min : float
        In bits: of the bounded values, and the least that any rising map reaches.
    """

    weighed: Floats
    bounded: Floats
    lower: float
    upper: float
    cllr: float
    cllr_min: float

    @classmethod
    def of(cls, pairs: LabelledPairs, fit: LogisticFit) -> OutOfLineage:
        """Weigh every pair by lineages that are not its own.

        Parameters
        ----------
        pairs : LabelledPairs
        fit : LogisticFit
            On all of them.
        """
        weighed = pairs.held_out(fit)
        lower, upper = empirical_bounds(
            weighed, pairs.derived, pairs.weight, pairs.n_holders, pairs.negative_units
        )
        bounded = np.clip(weighed, lower, upper)
        # One metric ranks by itself, and by nothing that was fitted.
        ranking = pairs.scores[:, 0] if pairs.scores.shape[1] == 1 else weighed
        return cls(
            weighed,
            bounded,
            lower,
            upper,
            cllr(bounded, pairs.derived, pairs.weight),
            cllr_min(ranking, pairs.derived, pairs.weight),
        )
