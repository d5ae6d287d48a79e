"""Likelihood ratios in words: the verbal scale of forensic practice, with its source."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["BANDS", "DERIVATION", "INDEPENDENCE", "SOURCE", "in_words", "supported"]

SOURCE: Final = "ENFSI Guideline for Evaluative Reporting in Forensic Science, approved version 3.0 (2015)"

#: The two propositions of every case.
DERIVATION: Final = "derivation"
INDEPENDENCE: Final = "independence"

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


def supported(log10_lr: float) -> str | None:
    """The proposition that a likelihood ratio supports; None for neither, and for NaN.

    Examples
    --------
    >>> supported(1.3), supported(-1.3), supported(0.3)
    ('derivation', 'independence', None)
    """
    if math.isnan(log10_lr) or not _strength(log10_lr):
        return None
    return DERIVATION if log10_lr > 0 else INDEPENDENCE


def in_words(log10_lr: float) -> str:
    """Say what a likelihood ratio of derivation over independence supports, and how strongly.

    Parameters
    ----------
    log10_lr : float
        Positive where the findings are more probable under derivation. NaN is said to be nothing.

    Examples
    --------
    >>> in_words(1.3)
    'moderate support for derivation'
    >>> in_words(-0.1)
    'no support for either'
    """
    if math.isnan(log10_lr):
        return "no evidence"
    side = supported(log10_lr)
    return "no support for either" if side is None else f"{_strength(log10_lr)} for {side}"


def _strength(log10_lr: float) -> str:
    return next(words for end, words in BANDS if abs(log10_lr) <= end)
