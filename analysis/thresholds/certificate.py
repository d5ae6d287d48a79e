"""What a certificate rests on: every negative, weighted so that no lineage counts for more than one pair."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.table import ScoreTable
from analysis.thresholds.heldout import by_descending_score, just_above

__all__ = [
    "WeighedNegatives",
    "allowed_share",
    "balanced_weights",
    "enough",
    "lineages_worth",
    "negatives_needed",
    "shared_confidence",
    "worth",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
BALANCING: Final = 200
"""Rounds of balancing: a fixed number, so that the weights are a function of the labels alone."""
ROUNDING: Final = 1e-9
FADING: Final = 0.02
"""A weight below this share of its lineages' others is one that balancing drives towards nothing."""
SLACK: Final = 1e-6
"""By which a number of negatives may fall short through balancing; what is needed is rounded up by more."""


@dataclass(frozen=True)
class WeighedNegatives:
    """The negatives of a table that have a score, with weights under which a certificate can be given.

    Attributes
    ----------
    negatives : str
        "look-alike" or "independent".
    rows : ndarray of int, shape (n_pairs,)
        Where they stand in the table, by descending score.
    descending : ndarray of float, shape (n_pairs,)
        Their scores, highest first.
    weights : ndarray of float, shape (n_pairs,)
        In the same order; those of the pairs that touch a lineage sum to 1 at most.
    n : float
        Sum of the weights: independent pairs that they are worth, at most half the number of lineages.
    """

    negatives: str
    rows: Ints
    descending: Floats
    weights: Floats
    n: float

    @classmethod
    def of(cls, table: ScoreTable, negatives: str) -> WeighedNegatives:
        """Weigh the negatives of a table by its labels and by which pairs have a score, not by the scores."""
        rows = by_descending_score(table, negatives)
        weights = _weights(table, rows)
        return cls(negatives, rows, table.score[rows], weights, float(weights.sum()))

    def certified(self, max_fpr: float, confidence: float) -> float:
        """Smallest certified threshold, given enough negatives; NaN where +infinity must stay out."""
        reached = np.cumsum(self.weights)
        allowed = allowed_share(self.n, max_fpr, confidence) * self.n
        stop = int(np.searchsorted(reached, allowed, side="right"))
        return just_above(float(self.descending[stop]))


def worth(table: ScoreTable, negatives: str) -> float:
    """Independent negatives that the lineages of a table are worth if every pair has a score."""
    return float(_weights(table, np.flatnonzero(table.negatives(negatives))).sum())


def lineages_worth(n: float) -> int:
    """Lineages, all of them in pairs, that are worth n independent negatives."""
    return 2 * math.floor(n + SLACK)


def _weights(table: ScoreTable, rows: Ints) -> Floats:
    """Weights of some negatives: those of their pairs of lineages, spread evenly over a pair's rows."""
    weights = np.zeros(len(rows))
    apart = np.flatnonzero(table.lineage_a[rows] != table.lineage_b[rows])
    ends = np.stack([table.lineage_a[rows[apart]], table.lineage_b[rows[apart]]]).astype(np.int64)
    n_lineages = len(table.lineages)
    code = ends.min(axis=0) * n_lineages + ends.max(axis=0)
    codes, edge, held = np.unique(code, return_inverse=True, return_counts=True)
    weights[apart] = (balanced_weights(codes // n_lineages, codes % n_lineages) / held)[edge]
    return weights


def balanced_weights(first: Ints, second: Ints) -> Floats:
    """Weigh pairs of lineages so that each lineage counts once at most, and as much as possible is counted.

    Parameters
    ----------
    first, second : ndarray of int, shape (n_edges,)
        Lineages of each pair, every pair once, no lineage with itself.

    Returns
    -------
    ndarray of float, shape (n_edges,)
        In [0, 1]; the weights at a lineage sum to 1 at most. Among m lineages of which every two are a pair,
        1/(m - 1) each. It depends on who is paired with whom and on nothing else, so that a lineage may bear
        any name.

    Notes
    -----
    Symmetric balancing (Sinkhorn & Knopp 1967) of the table of pairs, then each weight divided by the larger
    sum of its two lineages, so that whatever balancing leaves uneven is counted too little, never too often.
    Pairs that balancing drives towards nothing, but slowly, are left out where more is counted without them.
    """
    lineages, place = np.unique(np.concatenate([first, second]), return_inverse=True)
    a, b = np.split(place, 2)
    joined = np.zeros((len(lineages), len(lineages)))
    joined[a, b] = joined[b, a] = 1.0
    weights = _balanced(joined)
    largest = weights.max(axis=0, initial=0.0)
    kept = joined * (weights >= FADING * np.minimum(largest[:, None], largest))
    if not np.array_equal(kept, joined):
        weights = max(weights, _balanced(kept), key=np.sum)
    found: Floats = weights[a, b]
    return found


def _balanced(joined: Floats) -> Floats:
    """Weights, 1 at most in each row, of a symmetric table of zeros and ones without an empty row."""
    factor = np.ones(len(joined))
    for _ in range(BALANCING):
        total = factor * (joined @ factor)
        if np.all(np.abs(total - 1) < ROUNDING):
            break
        factor = factor / np.sqrt(total)
    total = factor * (joined @ factor)
    weights: Floats = joined * factor * factor[:, None]
    weights /= np.maximum(total, total[:, None])
    return weights


def allowed_share(n: float, max_fpr: float, confidence: float) -> float:
    """Largest weighted share of negatives that may pass for the rate to be certified.

    Parameters
    ----------
    n : float
        Sum of the weights, at least `negatives_needed`.
    max_fpr, confidence : float
        In (0, 1).

    Returns
    -------
    float
        In [0, max_fpr): where exp(-n·kl(share, max_fpr)) is 1 - confidence, kl the relative entropy of two
        coins.
    """
    from scipy.optimize import brentq  # imported where something is calibrated

    goal = -math.log1p(-confidence) / n

    def excess(share: float) -> float:
        kept = (1 - share) * math.log((1 - share) / (1 - max_fpr))
        return kept + (share * math.log(share / max_fpr) if share > 0 else 0.0) - goal

    return float(brentq(excess, 0.0, max_fpr)) if excess(0.0) > 0 else 0.0


def enough(n: float, needed: int) -> bool:
    """Whether so many independent negatives are as many as needed."""
    return n >= needed - SLACK


def negatives_needed(max_fpr: float, confidence: float) -> int:
    """Independent negatives, none of which passes, that a certificate takes."""
    return math.ceil(round(math.log1p(-confidence) / math.log1p(-max_fpr), 9))


def shared_confidence(confidence: float, n_metrics: int) -> float:
    """Confidence of each of several certificates, so that all of them hold together with `confidence`."""
    return 1 - (1 - confidence) / n_metrics
