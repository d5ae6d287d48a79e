"""The threshold by which a metric calls a pair derived, decided in one place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from analysis.summary import MetricSummary
from analysis.verdict_words import ClaimWord

__all__ = ["MAX_FPR", "Decision", "deciding_threshold"]

MAX_FPR: Final = 0.05
"""The false positive rate for which a threshold is calibrated where no claim of the authors stands."""


@dataclass(frozen=True)
class Decision:
    """A threshold: a score at or above it is called derived.

    Attributes
    ----------
    value : float
        NaN where there is none; `reason` then says why.
    claimed : bool
        Whether it is what the metric's authors claim.
    reason : str
    """

    value: float
    claimed: bool
    reason: str = ""

    @property
    def defined(self) -> bool:
        """Whether there is a threshold."""
        return not math.isnan(self.value)


def deciding_threshold(result: MetricSummary) -> Decision:
    """What the metric's authors claim, unless it fails; else what was calibrated for an FPR of `MAX_FPR`.

    The rate is among look-alikes, or among all independent pairs where there are none. A claim that fails
    calls nearly everything derived, or nearly nothing: by it no forgery would turn a call.
    """
    claim = result.claim
    if claim is not None and claim.threshold is not None and result.claim_verdict != ClaimWord.FAILS:
        return Decision(claim.threshold, claimed=True)
    for threshold in result.thresholds:
        if threshold.max_fpr == MAX_FPR:
            reason = f"no threshold: {threshold.reason}" if math.isnan(threshold.value) else ""
            return Decision(threshold.value, claimed=False, reason=reason)
    return Decision(
        math.nan,
        claimed=False,
        reason=f"no threshold was calibrated for a false positive rate of {MAX_FPR:.0%}",
    )
