"""The rule that turns a metric's numbers into one of five verdicts, written once.

The question is always whether the metric tells children from look-alikes: independent models of the same
architecture. In order, the first that applies:

1. *cannot say*: there is no look-alike AUC, or the permutation test is refused; what is missing is named.
2. The authors' threshold tells nothing: it calls look-alikes derived about as often as children (the two
   rates differ by less than USEFUL) and more often than not. Used as they use it, the metric does not
   separate: *architecture detector* where the same threshold spares most independent pairs, *does not
   separate* where it accuses those, too. Ranks may still order children first; the reason then says so.
3. No signal (the look-alike AUC's interval reaches 1/2, or the family-wise permutation p exceeds the level):
   *architecture detector* where the AUC against all independents is above chance and above the look-alike
   AUC (intervals of both exclude no difference); *cannot say* where the interval also reaches GOOD, so that
   nothing is excluded; else *does not separate*.
4. A signal: *separates* where the look-alike AUC is at least GOOD, overall and for every derivation method,
   at most a tenth of the derived pairs is left unscored, and the authors' threshold, if there is one, does
   not call more look-alikes derived than not; *separates within limits*, with what fails, where the methods
   that hold make up at least half of the derived pairs; else as in 3: a trace of lineage that no user could
   rely on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from analysis.breakdown import MethodClass
from analysis.inference.confounding import ArchitectureAudit
from analysis.inference.permutation import PermutationTest
from analysis.notebook import Shown
from analysis.results import Interval
from analysis.thresholds.calibration import ThresholdAudit
from analysis.validation import BadArgument, check_probability

__all__ = ["GOOD", "VERDICTS", "Findings", "Verdict", "verdict"]

VERDICTS: Final = (
    "separates",
    "separates within limits",
    "architecture detector",
    "does not separate",
    "cannot say",
)
GOOD: Final = 0.9
"""Look-alike AUC from which a metric is said to separate: a child beats nine look-alikes of ten."""
CHANCE: Final = 0.5
USEFUL: Final = 0.1
"""Least difference of true and false positive rate at a threshold that tells anything."""
LEFT_OUT: Final = 0.1
"""Share of derived pairs that may be left unscored without being called a limit."""
NAMED: Final = 6
"""Failing methods named in a reason; the table by method has all."""


@runtime_checkable
class Findings(Protocol):
    """What the rule looks at."""

    @property
    def auc(self) -> Interval:
        """Against all independent pairs."""

    @property
    def look_alike_auc(self) -> Interval:
        """Against look-alikes, matched."""

    @property
    def permutation(self) -> PermutationTest:
        """Within architecture cells."""

    @property
    def architecture(self) -> ArchitectureAudit:
        """AUC for "same cell", and the gap between the two AUCs."""

    @property
    def by_method(self) -> Mapping[str, MethodClass]:
        """Derived pairs by derivation method."""

    @property
    def claim_audit(self) -> ThresholdAudit | None:
        """What the authors' threshold does."""

    @property
    def derived_coverage(self) -> float:
        """Share of derived pairs with a score."""


@dataclass(frozen=True)
class Verdict(Shown):
    """A verdict and its reason.

    Attributes
    ----------
    verdict : str
        One of `VERDICTS`.
    because : str
        One or two sentences with the numbers that decided.
    fails_on : tuple of str
        Derivation methods on which the metric fails, worst first (for "separates within limits").
    """

    _headline = "verdict"

    verdict: str
    because: str
    fails_on: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.verdict}: {self.because}"


def verdict(report: Findings, level: float = 0.05) -> Verdict:
    """Judge a metric by the rule of this module.

    Parameters
    ----------
    report : Findings
        A `MetricReport`, or anything with the same values.
    level : float
        Of the permutation test, family-wise; in (0, 1).

    Returns
    -------
    Verdict

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Examples
    --------
    >>> from analysis import analyse, example_table, verdict
    >>> report = analyse([example_table()], n_resamples=999).metrics[0]
    >>> print(verdict(report))
    separates: A child beats 97.0% [84.0%, 98.7%] of the look-alikes of its own shape (permutation p
    0.001), and every derivation method holds (0.9 or more).
    """
    if not isinstance(report, Findings):
        kind = type(report).__name__
        raise BadArgument(f"report must be a MetricReport, or have its attributes, not a {kind}")
    check_probability(level, "level")
    alike, test = report.look_alike_auc, report.permutation
    if not alike.defined:
        return Verdict("cannot say", f"Missing: {alike.reason}.")
    if math.isnan(test.p_value):
        return Verdict("cannot say", f"Missing: {test.reason or 'a permutation test'}. {_standing(report)}.")

    accused = _accused(report)
    if accused is not None:
        return accused
    signal = alike.low > CHANCE and test.adjusted_p_value <= level
    if not signal:
        return _no_signal(report)

    failing = _failing(report.by_method)
    total = sum(row.n_pairs for row in report.by_method.values())
    held = total - sum(report.by_method[name].n_pairs for name in failing)
    limits = _limits(report, failing)
    if alike.estimate >= GOOD and not limits:
        return Verdict(
            "separates", f"{_standing(report)}, and every derivation method holds ({GOOD:g} or more)."
        )
    if limits and held >= total / 2:
        return Verdict("separates within limits", " ".join([f"{_standing(report)}.", *limits]), failing)
    return _weak(report, failing)


def _limits(report: Findings, failing: tuple[str, ...]) -> list[str]:
    """What keeps a metric with a signal from separating without reserve, a sentence each."""
    limits = []
    if failing:
        limits.append(f"Fails on {_named(failing, report.by_method)}.")
    if report.derived_coverage < 1 - LEFT_OUT:
        limits.append(f"Leaves {1 - report.derived_coverage:.0%} of derived pairs without a score.")
    audit = report.claim_audit
    if audit is not None and audit.look_alike_fpr.low > CHANCE:
        limits.append(f"Not at its claimed threshold: {_accusation(audit)}.")
    return limits


def _accusation(audit: ThresholdAudit) -> str:
    return (
        f"{audit.threshold:g} calls {_share(audit.look_alike_fpr)} of look-alikes derived"
        f" and {_share(audit.tpr)} of children"
    )


def _standing(report: Findings) -> str:
    alike, p = report.look_alike_auc, report.permutation.adjusted_p_value
    told = f"A child beats {_share(alike)} of the look-alikes of its own shape"
    return told if math.isnan(p) else f"{told} (permutation p {p:.2g})"


def _share(interval: Interval) -> str:
    return f"{interval.estimate:.1%} [{interval.low:.1%}, {interval.high:.1%}]"


def _accused(report: Findings) -> Verdict | None:
    """Verdict on a metric whose claimed threshold accuses look-alikes as readily as children."""
    audit = report.claim_audit
    if audit is None or not audit.look_alike_fpr.low > CHANCE:
        return None
    if not audit.tpr.estimate - audit.look_alike_fpr.estimate < USEFUL:
        return None
    told = f"The claimed threshold {_accusation(audit)}"
    standing = _standing(report)
    ranks = f"By rank alone, {standing[0].lower()}{standing[1:]}."
    if audit.fpr.estimate < CHANCE:
        told += f", but {_share(audit.fpr)} of all independent pairs: it answers to the shape"
        return Verdict("architecture detector", f"{told}. {ranks}")
    return Verdict("does not separate", f"{told}. {ranks}")


def _detects_architecture(report: Findings) -> bool:
    gap = report.architecture.gap
    return report.auc.low > CHANCE and gap.low > 0


def _architecture(report: Findings) -> str:
    same = report.architecture.auc
    told = f"AUC {report.auc.estimate:.3f} against all independent pairs"
    if same.defined:
        told += (
            f"; the same score tells independent models of one shape from others with AUC {same.estimate:.3f}"
        )
    return told


def _no_signal(report: Findings) -> Verdict:
    alike, test = report.look_alike_auc, report.permutation
    if alike.low <= CHANCE and alike.high >= GOOD and test.p_value < CHANCE:
        return Verdict(
            "cannot say",
            f"{_standing(report)}: the interval excludes neither chance nor {GOOD:g}. Missing: more lineages"
            f" with derived pairs and look-alikes (there are {test.n_lineages}).",
        )
    if _detects_architecture(report):
        return Verdict("architecture detector", f"{_standing(report)}, yet {_architecture(report)}.")
    return Verdict("does not separate", f"{_standing(report)}; {_architecture(report)}.")


def _weak(report: Findings, failing: tuple[str, ...]) -> Verdict:
    trace = f"{_standing(report)}: a trace of lineage, too weak to rely on"
    if failing and len(report.by_method) > 1:
        trace += f" (below {GOOD:g} on {_named(failing, report.by_method)})"
    if _detects_architecture(report) and report.architecture.gap.estimate >= 1 - GOOD:
        return Verdict("architecture detector", f"{trace}, while {_architecture(report)}.", failing)
    return Verdict("does not separate", f"{trace}.", failing)


def _failing(by_method: Mapping[str, MethodClass]) -> tuple[str, ...]:
    """Methods whose derived pairs do not beat nine look-alikes of ten, worst first."""
    value = {name: _method_auc(row) for name, row in by_method.items()}
    return tuple(sorted((name for name in value if value[name] < GOOD), key=lambda name: (value[name], name)))


def _method_auc(row: MethodClass) -> float:
    """Look-alike AUC of a method; against all independents where its pairs have no look-alike."""
    alike = row.look_alike_auc
    return alike.estimate if alike.defined else row.auc.estimate


def _named(failing: tuple[str, ...], by_method: Mapping[str, MethodClass]) -> str:
    shown = [f"{name} ({_method_auc(by_method[name]):.2f})" for name in failing[:NAMED]]
    more = len(failing) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
