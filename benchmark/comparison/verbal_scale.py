"""Likelihood ratios in words: the verbal scale of forensic practice, with its source."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["SOURCE", "in_words"]

SOURCE: Final = "ENFSI Guideline for Evaluative Reporting in Forensic Science, approved version 3.0 (2015)"

# Upper ends of the bands in log10 LR. The guideline's first band begins at 2: below, findings do not support
# one proposition over the other. A value on a border goes to the weaker band.
BANDS: Final = (
    (math.log10(2), ""),
    (1.0, "weak support"),
    (2.0, "moderate support"),
    (3.0, "moderately strong support"),
    (4.0, "strong support"),
    (6.0, "very strong support"),
    (math.inf, "extremely strong support"),
)


def in_words(log10_lr: float, first: str, second: str) -> str:
    """Say what a likelihood ratio supports.

    Parameters
    ----------
    log10_lr : float
        Positive where the findings are more probable under the first proposition. NaN is said to be nothing.
    first, second : str
        The propositions, in a word or two.

    Returns
    -------
    str
        ``"moderate support for <proposition>"``, or that there is none for either.

    Examples
    --------
    >>> in_words(1.3, "derivation", "independence")
    'moderate support for derivation'
    >>> in_words(-0.1, "derivation", "independence")
    'no support for either'
    """
    if math.isnan(log10_lr):
        return "no evidence"
    words = next(words for end, words in BANDS if abs(log10_lr) <= end)
    if not words:
        return "no support for either"
    return f"{words} for {first if log10_lr > 0 else second}"
