"""The rule that says whether what a metric's authors claim holds on this catalog, written once.

Each statement in a claim is tested by bounds that hold together for all claims of the analysis:

- a *threshold*: fails where it is shown to call more than a tenth of the look-alikes derived (of all
  independent pairs, where there are no look-alikes), or fewer than half of the children; holds where both are
  shown not to be so;
- an *AUC*, which is about independent pairs of any shape: fails where the upper bound is more than 0.05 below
  it, holds where the lower bound is not;
- *p-values*: fail where unrelated pairs are shown to be rejected more often than the level says, at 0.05,
  0.01 or 0.001; hold where, in addition, at most a tenth of them is rejected at 0.05.

The claim *fails* where one of them does, *holds* where all do; *cannot say* is between; *none stated* where
there is nothing to test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from analysis.discrimination.auc import auc
from analysis.inference.claims import Claim, PValueAudit, audit_p_values
from analysis.results import Interval, Result
from analysis.table import ScoreTable, check_table
from analysis.thresholds.calibration import ThresholdAudit, audit_threshold
from analysis.validation import check_count, check_instance
from analysis.verdict_words import ClaimWord, family_level

__all__ = ["ClaimVerdict", "claim_verdict", "n_statements"]

MAX_FPR: Final = 0.1
MIN_TPR: Final = 0.5
MARGIN: Final = 0.05
"""By how much an AUC may fall short of the one that is claimed."""
REJECTED: Final = 0.1
"""Share of unrelated pairs that p-values may reject at 0.05 and still be called p-values."""


@dataclass(frozen=True, eq=False)
class ClaimVerdict(Result):
    """Whether a claim holds, and why.

    Attributes
    ----------
    verdict : ClaimWord
    because : str
        One or some sentences with the numbers that decided.
    """

    _headline = "verdict"

    verdict: ClaimWord
    because: str

    def __str__(self) -> str:
        return f"{self.verdict}: {self.because}"


class _Claimed(Protocol):
    @property
    def threshold(self) -> float | None: ...

    @property
    def auc(self) -> float | None: ...

    @property
    def p_values(self) -> bool: ...


def n_statements(claim: _Claimed | None) -> int:
    """How many bounds a claim is tested by: two for a threshold, one for an AUC, three for p-values."""
    if claim is None:
        return 0
    return 2 * (claim.threshold is not None) + (claim.auc is not None) + 3 * claim.p_values


def claim_verdict(table: ScoreTable, claim: Claim | None, *, n_together: int = 1) -> ClaimVerdict:
    """Judge what the authors of a metric state.

    Parameters
    ----------
    table : ScoreTable
        Only comparable pairs are used.
    claim : Claim or None
    n_together : int
        Statements in all claims of the analysis, see `n_statements`; 1 or more.

    Returns
    -------
    ClaimVerdict

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Examples
    --------
    >>> from analysis import Claim, claim_verdict, example_table
    >>> print(claim_verdict(example_table(), Claim(threshold=-1.0)))
    fails: At a threshold of -1, 97.0% [37.4%, 99.4%] of look-alikes are called derived, more than 10%.
    >>> print(claim_verdict(example_table(), None))
    none stated: Its authors state no threshold, no AUC and no p-values.
    """
    check_table(table)
    check_count(n_together, "n_together")
    if claim is not None:
        check_instance(claim, "claim", Claim, "or None where nothing is stated")
    stated = n_statements(claim)
    if claim is None or not stated:
        return ClaimVerdict(ClaimWord.NONE_STATED, "Its authors state no threshold, no AUC and no p-values.")
    level = family_level(max(n_together, stated))
    found = []
    if claim.threshold is not None:
        found.append(_threshold(audit_threshold(table, claim.threshold, level)))
    if claim.auc is not None:
        found.append(_auc(claim.auc, auc(table, level=level)))
    if claim.p_values:
        found.append(_p_values(audit_p_values(table, level=level)))
    words = {one.verdict for one in found}
    decides = next(word for word in (ClaimWord.FAILS, ClaimWord.CANNOT_SAY, ClaimWord.HOLDS) if word in words)
    return ClaimVerdict(decides, " ".join(one.because for one in found if one.verdict is decides))


def _threshold(audit: ThresholdAudit) -> ClaimVerdict:
    at = f"At a threshold of {audit.threshold:g},"
    against, whom = (
        (audit.look_alike_fpr, "look-alikes")
        if audit.look_alike_fpr.defined
        else (audit.fpr, "independent pairs")
    )
    if against.low > MAX_FPR:
        return ClaimVerdict(
            ClaimWord.FAILS, f"{at} {_share(against)} of {whom} are called derived, more than {MAX_FPR:.0%}."
        )
    if audit.tpr.high < MIN_TPR:
        return ClaimVerdict(
            ClaimWord.FAILS,
            f"{at} {_share(audit.tpr)} of children are called derived, fewer than {MIN_TPR:.0%}.",
        )
    missing = [each.reason for each in (audit.look_alike_fpr, audit.tpr) if not each.defined]
    if missing:
        return ClaimVerdict(ClaimWord.CANNOT_SAY, f"Threshold {audit.threshold:g}: {missing[0]}.")
    told = (
        f"{at} {_share(audit.look_alike_fpr)} of look-alikes and {_share(audit.tpr)} of children are called"
        " derived"
    )
    if audit.look_alike_fpr.high <= MAX_FPR and audit.tpr.low >= MIN_TPR:
        return ClaimVerdict(ClaimWord.HOLDS, f"{told}.")
    asked = f"at most {MAX_FPR:.0%} and at least {MIN_TPR:.0%}"
    return ClaimVerdict(ClaimWord.CANNOT_SAY, f"{told}; whether that is {asked} is left open.")


def _auc(claimed: float, found: Interval) -> ClaimVerdict:
    if not found.defined:
        return ClaimVerdict(ClaimWord.CANNOT_SAY, f"AUC {claimed:g}: {found.reason}.")
    told = (
        f"The AUC against all independent pairs is {found.estimate:.3f} [{found.low:.3f}, {found.high:.3f}]"
    )
    if found.high < claimed - MARGIN:
        return ClaimVerdict(ClaimWord.FAILS, f"{told}; {claimed:g} is claimed.")
    if found.low >= claimed - MARGIN:
        return ClaimVerdict(ClaimWord.HOLDS, f"{told}; {claimed:g} is claimed.")
    return ClaimVerdict(
        ClaimWord.CANNOT_SAY,
        f"{told}; whether it is within {MARGIN:g} of the claimed {claimed:g} is left open.",
    )


def _p_values(audit: PValueAudit) -> ClaimVerdict:
    if not audit.rates:
        return ClaimVerdict(ClaimWord.CANNOT_SAY, f"p-values: {audit.reason}.")
    over = [rate for rate in audit.rates if rate.observed.low > rate.level]
    told = "; ".join(
        f"{_share(rate.observed)} of independent pairs have p ≤ {rate.level:g}"
        for rate in over or audit.rates[:1]
    )
    if over:
        return ClaimVerdict(ClaimWord.FAILS, f"Too small for p-values: {told}.")
    if audit.rates[0].observed.high <= REJECTED:
        return ClaimVerdict(ClaimWord.HOLDS, f"Valid as p-values: {told}.")
    return ClaimVerdict(ClaimWord.CANNOT_SAY, f"Neither refuted nor confirmed as p-values: {told}.")


def _share(interval: Interval) -> str:
    return f"{interval.estimate:.1%} [{interval.low:.1%}, {interval.high:.1%}]"
