"""Likelihood ratios in words: the verbal scale of forensic practice, with its source."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["BANDS", "DERIVATION", "INDEPENDENCE", "NEITHER", "SOURCE", "in_words", "supported"]

SOURCE: Final = "ENFSI Guideline for Evaluative Reporting in Forensic Science, approved version 3.0 (2015)"

#: The two propositions of every case, and what is said where neither is supported.
DERIVATION: Final = "derivation"
INDEPENDENCE: Final = "independence"
NEITHER: Final = "no support either way"

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


def supported(log10_lr: float, low: float, high: float) -> str | None:
    """The proposition that a likelihood ratio supports.

    Parameters
    ----------
    log10_lr, low, high : float
        The value, and both ends of its interval.

    Returns
    -------
    str or None
        None where the interval holds even odds, for a value below the first band, and for NaN.

    Examples
    --------
    >>> supported(1.3, 0.2, 1.4), supported(-1.3, -1.4, -1.2), supported(0.3, 0.2, 0.4)
    ('derivation', 'independence', None)
    >>> supported(1.3, -0.1, 1.4)
    """
    if math.isnan(log10_lr) or low <= 0 <= high or not _strength(log10_lr):
        return None
    return DERIVATION if log10_lr > 0 else INDEPENDENCE


def in_words(log10_lr: float, low: float, high: float) -> str:
    """Say what a likelihood ratio of derivation over independence supports, and how strongly.

    Parameters
    ----------
    log10_lr, low, high : float
        Positive where the findings are more probable under derivation; both ends of the interval. NaN is said
        to be nothing.

    Examples
    --------
    >>> in_words(1.3, 0.7, 1.4)
    'moderate support for derivation'
    >>> in_words(1.3, -0.1, 1.4)
    'no support either way'
    """
    if math.isnan(log10_lr):
        return "no evidence"
    side = supported(log10_lr, low, high)
    return NEITHER if side is None else f"{_strength(log10_lr)} for {side}"


def _strength(log10_lr: float) -> str:
    return next(words for end, words in BANDS if abs(log10_lr) <= end)
