"""How good evidence is on pairs whose lineages took no part in its fit, and how far it can go."""

from __future__ import annotations

import math
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
    if pairs.n_holders >= FEWEST_HOLDERS and pairs.n_lineages >= FEWEST_LINEAGES:
        return ""
    return (
        f"{pairs.n_holders} lineages with derived pairs, of {pairs.n_lineages} in all{where}:"
        f" it takes at least {FEWEST_HOLDERS} of {FEWEST_LINEAGES} to weigh one by the others"
    )


@dataclass(frozen=True)
class OutOfLineage:
    """Out-of-lineage log10 LRs of pairs, the bounds that data support, and what they cost.

    Attributes
    ----------
    weighed, bounded : ndarray of float, shape (n,)
        Before the bounds, and within them.
    lower, upper : float
        The narrower of ±log10(number of lineages) and the ELUB. Independent lineage pairs count as G/2.
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
        most = math.log10(pairs.n_lineages)
        lower, upper = empirical_bounds(
            weighed, pairs.derived, pairs.weight, pairs.n_holders, pairs.n_lineages / 2
        )
        lower, upper = max(-most, lower), min(most, upper)
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
