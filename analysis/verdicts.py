"""The rule that turns a metric's numbers into one of five verdicts, written once.

The question is whether the score separates children from look-alikes: independent models of the same
architecture. (Whether what the authors claim holds is another question: `analysis.claim_verdicts`.) Two lines
are drawn: GOOD, a look-alike AUC of 0.9, and FAIR, 0.75. What is said rests on bounds that hold together for
all metrics of the analysis, never on an estimate. In order, the first that applies:

1. *cannot say*: there is no look-alike AUC; what is missing is named.
2. The upper bound is below FAIR (the test of equivalence): *architecture detector* where it is shown that the
   score knows shapes (`SeparationBounds.knows_shapes`), else *does not separate*.
3. *cannot say*: the permutation test is refused.
4. The lower bound is above FAIR, over all methods or over those not shown to fail where these make up half
   of the derived pairs; and the family-wise permutation p is at most the level. *Separates* where the lower
   bound over all methods is above GOOD, no method is shown to fail, and at most a tenth of the derived pairs
   is without a score; *separates within limits*, with what is open or fails, otherwise.
5. *cannot say*: the bounds hold both sides of FAIR, or the test finds nothing; the number of lineages that
   would do is named.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from analysis.breakdown import MethodClass
from analysis.inference.confounding import ArchitectureAudit
from analysis.inference.permutation import PermutationTest
from analysis.results import Interval, Result
from analysis.validation import BadArgument, check_probability
from analysis.verdict_bounds import SeparationBounds
from analysis.verdict_words import FAIR, GOOD, MethodState, MethodTally, VerdictWord

__all__ = ["Findings", "Verdict", "failing_methods", "verdict"]

CHANCE: Final = 0.5
LEFT_OUT: Final = 0.1
"""Share of derived pairs that may be left unscored without being called a limit."""
NAMED: Final = 6
"""Failing methods named in a reason; the table by method has all."""


class Findings(Protocol):
    """What the rule looks at."""

    @property
    def auc(self) -> Interval:
        """Against all independent pairs."""

    @property
    def look_alike_auc(self) -> Interval:
        """Against look-alikes, matched."""

    @property
    def bounds(self) -> SeparationBounds:
        """Its bounds, simultaneous over metrics."""

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
    def derived_coverage(self) -> float:
        """Share of derived pairs with a score."""


LOOKED_AT: Final = tuple(name for name, value in vars(Findings).items() if isinstance(value, property))


@dataclass(frozen=True, eq=False)
class Verdict(Result):
    """A verdict and its reason.

    Attributes
    ----------
    verdict : VerdictWord
    because : str
        One or some sentences with the numbers that decided.
    fails_on : tuple of str
        Derivation methods on which the metric is shown to fail, worst first.
    """

    _headline = "verdict"

    verdict: VerdictWord
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
    separates within limits: A child outscores 97.0% [84.0%, 98.7%] of look-alikes of its own shape
    (permutation p = 0.001). Of 2 derivation methods, 0 fail, 0 have no score, 2 are undecided, 0 hold. More
    than 90% is not established: the lower bound is 84.0%; about 25 lineages like these would suffice.
    """
    # Found, not fetched: of what is computed on demand, the rule asks for what it needs.
    if any(inspect.getattr_static(report, name, None) is None for name in LOOKED_AT):
        kind = type(report).__name__
        raise BadArgument(f"report must be a MetricReport, or have its attributes, not a {kind}")
    check_probability(level, "level")
    alike, test, bounds = report.look_alike_auc, report.permutation, report.bounds.look_alike_auc
    failing = failing_methods(report.by_method)
    if not alike.defined:
        return Verdict(VerdictWord.CANNOT_SAY, f"Missing: {alike.reason}.", failing)
    if bounds.high < FAIR:
        return _useless(report, failing)
    if math.isnan(test.p_value):
        missing = f"Missing: {test.reason or 'a permutation test'}. {_standing(report)}."
        return Verdict(VerdictWord.CANNOT_SAY, missing, failing)
    elsewhere = report.bounds.elsewhere.low > FAIR and report.bounds.share_elsewhere >= 1 / 2
    if test.adjusted_p_value <= level and (bounds.low > FAIR or elsewhere):
        limits = _limits(report, failing)
        word = VerdictWord.WITHIN_LIMITS if limits else VerdictWord.SEPARATES
        tally = MethodTally.of(row.state for row in report.by_method.values())
        told = [
            f"{_standing(report)}. {str(tally).capitalize()}.",
            *(limits or [f"The lower bound is {bounds.low:.1%}{_family(report)}."]),
        ]
        return Verdict(word, " ".join(told), failing)
    return Verdict(VerdictWord.CANNOT_SAY, f"{_standing(report)}: {_open(report, level)}", failing)


def failing_methods(by_method: Mapping[str, MethodClass]) -> tuple[str, ...]:
    """Methods on which a metric is shown to fail, worst first."""
    found = {
        name: row.look_alike_auc.estimate
        for name, row in by_method.items()
        if row.state is MethodState.FAILED
    }
    return tuple(sorted(found, key=lambda name: (found[name], name)))


def _standing(report: Findings) -> str:
    alike, p = report.look_alike_auc, report.permutation.adjusted_p_value
    told = f"A child outscores {_share(alike)} of look-alikes of its own shape"
    return told if math.isnan(p) else f"{told} (permutation p = {p:.2g})"


def _share(interval: Interval) -> str:
    return f"{interval.estimate:.1%} [{interval.low:.1%}, {interval.high:.1%}]"


def _family(report: Findings) -> str:
    """Over how many metrics a bound holds; nothing to say of one."""
    n = report.bounds.n_metrics
    return f" (joint over {n} metrics)" if n > 1 else ""


def _limits(report: Findings, failing: tuple[str, ...]) -> list[str]:
    """What keeps a metric with a signal from separating without reserve, a sentence each."""
    bounds, limits = report.bounds.look_alike_auc, []
    if bounds.high < GOOD:
        limits.append(f"Below {GOOD:.0%}: the upper bound is {bounds.high:.1%}{_family(report)}.")
    elif not bounds.low > GOOD:
        limits.append(
            f"More than {GOOD:.0%} is not established: the lower bound is {bounds.low:.1%}{_family(report)};"
            f" {_would_do(report.bounds.lineages_for_good)}."
        )
    if failing:
        limits.append(f"Fails on {_named(failing, report.by_method)}.")
        rest = report.bounds.elsewhere
        if rest.defined:
            limits.append(f"On the other methods a child outscores {_share(rest)}{_family(report)}.")
    if report.derived_coverage < 1 - LEFT_OUT:
        limits.append(f"{1 - report.derived_coverage:.0%} of derived pairs have no score.")
    return limits


def _would_do(lineages: int) -> str:
    return (
        f"about {lineages:,} lineages like these would suffice"
        if lineages > 0
        else "more lineages like these would not settle it"
    )


def _open(report: Findings, level: float) -> str:
    """Why nothing can be said, and what it would take."""
    bounds, p = report.bounds.look_alike_auc, report.permutation.adjusted_p_value
    if p > level and bounds.low > FAIR:
        return (
            f"the family-wise p is above {level:g}. Needed: more lineages in architecture cells that hold"
            " several."
        )
    ends = f"[{bounds.low:.1%}, {bounds.high:.1%}]"
    return (
        f"the bounds {ends}{_family(report)} include {FAIR:.0%}. Needed: more lineages with derived pairs"
        f" and look-alikes (this table has {bounds.n_lineages});"
        f" {_would_do(report.bounds.lineages_for_fair)}."
    )


def _architecture(report: Findings) -> str:
    same = report.architecture.auc
    told = f"AUC against all independent pairs is {report.auc.estimate:.3f}"
    if same.defined:
        told += (
            "; among independent pairs, the score tells equal from different shapes with AUC"
            f" {same.estimate:.3f}"
        )
    return told


def _useless(report: Findings, failing: tuple[str, ...]) -> Verdict:
    bounds = report.bounds.look_alike_auc
    told = f"{_standing(report)}; the upper bound is {bounds.high:.1%}{_family(report)}"
    if bounds.low > CHANCE:
        told += ", a lineage signal too weak to rely on"
    word = VerdictWord.ARCHITECTURE if report.bounds.knows_shapes else VerdictWord.FAILS
    return Verdict(word, f"{told}. Its {_architecture(report)}.", failing)


def _named(failing: tuple[str, ...], by_method: Mapping[str, MethodClass]) -> str:
    shown = [f"{name} ({by_method[name].look_alike_auc.estimate:.2f})" for name in failing[:NAMED]]
    more = len(failing) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
