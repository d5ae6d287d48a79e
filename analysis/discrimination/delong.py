"""DeLong's variance of an AUC: for comparison only, because it takes all pairs for independent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["delong_variance"]

Floats = npt.NDArray[np.float64]


def delong_variance(groups: Sequence[tuple[Floats, Floats]]) -> float:
    """Variance of the mean share of negatives beaten, if every score were an independent observation.

    Parameters
    ----------
    groups : sequence of (ndarray, ndarray)
        Scores of positives and of the negatives they meet. With one group this is DeLong's variance of the
        AUC; with several, of their mean weighted by positives (the matched AUC).

    Returns
    -------
    float
        NaN where a group holds a single positive or a single negative.

    Notes
    -----
    DeLong, DeLong & Clarke-Pearson 1988, doi:10.2307/2531595.
    """
    total = sum(len(positive) for positive, _ in groups)
    variance = 0.0
    for positive, negative in groups:
        if len(positive) < 2 or len(negative) < 2:
            return float("nan")
        weight = (len(positive) / total) ** 2
        beaten = _share_below(positive, negative)
        beating = 1 - _share_below(negative, positive)
        variance += weight * float(
            np.var(beaten, ddof=1) / len(positive) + np.var(beating, ddof=1) / len(negative)
        )
    return variance


def _share_below(scores: Floats, others: Floats) -> Floats:
    """Share of the others below each score, ties one half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, scores, side="left")
    not_above = np.searchsorted(ordered, scores, side="right")
    share: Floats = (below + not_above) / (2 * len(others))
    return share
