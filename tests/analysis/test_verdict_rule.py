"""The rule of verdicts, line by line: numbers on both sides of every limit, and what is then said."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from analysis import Interval, PermutationTest, verdict
from analysis.breakdown import MethodClass
from analysis.inference.confounding import ArchitectureAudit
from analysis.thresholds.calibration import ThresholdAudit
from analysis.verdicts import GOOD, NAMED

NONE = Interval.undefined("it is not known", level=0.95, method="made up")


def interval(estimate: float, low: float, high: float = 1.0) -> Interval:
    return Interval(estimate, low, high, 0.95, "made up")


def method(alike: float | Interval = 0.95, n: int = 10, auc: float = 0.95) -> MethodClass:
    own = alike if isinstance(alike, Interval) else interval(alike, alike)
    return MethodClass(n, 0, 5, 0.0, interval(auc, auc), own, NONE)


def audit(fpr: float, tpr: float, alike: float, low: float) -> ThresholdAudit:
    return ThresholdAudit(0.5, interval(fpr, 0.1), interval(tpr, 0.2), interval(alike, low))


@dataclass(frozen=True)
class Found:
    """What the rule looks at."""

    auc: Interval
    look_alike_auc: Interval
    permutation: PermutationTest
    architecture: ArchitectureAudit
    by_method: Mapping[str, MethodClass]
    claim_audit: ThresholdAudit | None = None
    derived_coverage: float = 1.0


SEPARATES = Found(
    auc=interval(0.98, 0.9),
    look_alike_auc=interval(0.96, 0.8, 0.99),
    permutation=PermutationTest("m", 5.0, 0.001, 0.002, 10**6, 999, False, "", 30, 40, 12),
    architecture=ArchitectureAudit(NONE, interval(0.02, -0.01), (), ""),
    by_method={"fine-tune": method()},
)
STANDING = "A child beats 96.0% [80.0%, 99.0%] of the look-alikes of its own shape (permutation p 0.002)"
NO_SIGNAL = replace(SEPARATES, look_alike_auc=interval(0.6, 0.5, 0.7))
LOW = "A child beats 60.0% [50.0%, 70.0%] of the look-alikes of its own shape (permutation p 0.002)"
TRACE = replace(
    SEPARATES,
    look_alike_auc=interval(0.7, 0.6, 0.8),
    by_method={"fine-tune": method(0.7), "merge": method(0.8)},
)
FAINT = "A child beats 70.0% [60.0%, 80.0%] of the look-alikes of its own shape (permutation p 0.002)"


def judged(found: Found, level: float = 0.05) -> tuple[str, str, tuple[str, ...]]:
    given = verdict(found, level)
    return given.verdict, given.because, given.fails_on


def test_it_separates() -> None:
    because = f"{STANDING}, and every derivation method holds (0.9 or more)."
    assert judged(SEPARATES) == ("separates", because, ())
    assert judged(replace(SEPARATES, look_alike_auc=interval(GOOD, 0.8, 0.99)))[0] == "separates"


def test_without_a_look_alike_auc_it_cannot_be_said() -> None:
    assert judged(replace(SEPARATES, look_alike_auc=NONE)) == ("cannot say", "Missing: it is not known.", ())


@pytest.mark.parametrize(
    ("reason", "told"), [("one lineage a cell", "one lineage a cell"), ("", "a permutation test")]
)
def test_without_a_permutation_test_it_cannot_be_said(reason: str, told: str) -> None:
    refused = replace(SEPARATES.permutation, p_value=math.nan, adjusted_p_value=math.nan, reason=reason)
    because = f"Missing: {told}. A child beats 96.0% [80.0%, 99.0%] of the look-alikes of its own shape."
    assert judged(replace(SEPARATES, permutation=refused)) == ("cannot say", because, ())


@pytest.mark.parametrize(("p", "signal"), [(0.05, True), (0.0501, False)])
def test_a_signal_has_a_family_wise_p_up_to_the_level(p: float, signal: bool) -> None:
    found = replace(SEPARATES, permutation=replace(SEPARATES.permutation, adjusted_p_value=p))
    assert judged(found)[0] == ("separates" if signal else "does not separate")
    assert judged(found, 0.01)[0] == "does not separate"


def test_a_signal_has_an_interval_above_one_half() -> None:
    assert judged(replace(SEPARATES, look_alike_auc=interval(0.96, 0.501, 0.99)))[0] == "separates"
    because = f"{LOW}; AUC 0.980 against all independent pairs."
    assert judged(NO_SIGNAL) == ("does not separate", because, ())


def test_without_a_signal_the_architecture_is_told() -> None:
    knows = replace(
        NO_SIGNAL, architecture=ArchitectureAudit(interval(0.8768, 0.7), interval(0.3, 0.1), (), "")
    )
    told = (
        "AUC 0.980 against all independent pairs; the same score tells independent models of one shape from"
        " others with AUC 0.877"
    )
    assert judged(knows) == ("architecture detector", f"{LOW}, yet {told}.", ())
    same = replace(knows.architecture, gap=interval(0.3, 0.0))
    assert judged(replace(knows, architecture=same)) == ("does not separate", f"{LOW}; {told}.", ())
    assert judged(replace(knows, auc=interval(0.98, 0.5)))[0] == "does not separate"


@pytest.mark.parametrize(
    ("low", "high", "p", "open_"),
    [
        (0.5, GOOD, 0.49, True),
        (0.49, 0.95, 0.49, True),
        (0.5, 0.899, 0.49, False),
        (0.5, GOOD, 0.5, False),
        (0.51, GOOD, 0.49, False),
    ],
)
def test_what_excludes_neither_chance_nor_a_good_metric_cannot_say(
    low: float, high: float, p: float, open_: bool
) -> None:
    weak = replace(SEPARATES.permutation, p_value=p, adjusted_p_value=0.6)
    found = judged(replace(SEPARATES, look_alike_auc=interval(0.8, low, high), permutation=weak))
    assert (found[0] == "cannot say") == open_
    if open_:
        assert found[1] == (
            f"A child beats 80.0% [{low:.1%}, {high:.1%}] of the look-alikes of its own shape"
            " (permutation p 0.6): the interval excludes neither chance nor 0.9. Missing: more lineages"
            " with derived pairs and look-alikes (there are 12)."
        )


def test_methods_that_fail_are_limits_where_half_of_the_pairs_hold() -> None:
    methods = {
        "prune": method(0.8),
        "merge": method(0.75),
        "fine-tune": method(n=20),
        "cast": method(GOOD, n=0),
    }
    found = replace(SEPARATES, by_method=methods)
    because = f"{STANDING}. Fails on merge (0.75), prune (0.80)."
    assert judged(found) == ("separates within limits", because, ("merge", "prune"))
    fewer = replace(found, by_method=methods | {"fine-tune": method(n=19)})
    assert judged(fewer) == (
        "does not separate",
        f"{STANDING}: a trace of lineage, too weak to rely on (below 0.9 on merge (0.75), prune (0.80)).",
        ("merge", "prune"),
    )


def test_of_equally_bad_methods_the_first_name_comes_first() -> None:
    methods = {"b": method(0.7), "a": method(0.7), "c": method(n=30)}
    assert judged(replace(SEPARATES, by_method=methods))[2] == ("a", "b")


def test_a_method_without_look_alikes_is_judged_against_all_independents() -> None:
    bad, good = method(NONE, auc=0.5), method(NONE, auc=0.95)
    assert judged(replace(SEPARATES, by_method={"a": bad, "b": method(n=30)}))[2] == ("a",)
    assert judged(replace(SEPARATES, by_method={"a": good}))[2] == ()
    assert judged(replace(SEPARATES, by_method={"a": method(0.5, auc=0.99), "b": method(n=30)}))[2] == ("a",)


@pytest.mark.parametrize(("more", "told"), [(0, ""), (1, " and 1 more"), (3, " and 3 more")])
def test_many_failing_methods_are_counted(more: int, told: str) -> None:
    methods = {f"m{k}": method(0.5 + k / 100) for k in range(NAMED + more)}
    named = ", ".join(f"m{k} ({0.5 + k / 100:.2f})" for k in range(NAMED))
    found = replace(SEPARATES, by_method=methods | {"held": method(n=1000)})
    assert judged(found)[1] == f"{STANDING}. Fails on {named}{told}."


@pytest.mark.parametrize(("coverage", "limited"), [(0.9, False), (0.8999, True)])
def test_a_tenth_may_be_left_unscored(coverage: float, limited: bool) -> None:
    found = judged(replace(SEPARATES, derived_coverage=coverage))
    assert found[0] == ("separates within limits" if limited else "separates")
    if limited:
        assert found[1] == f"{STANDING}. Leaves 10% of derived pairs without a score."


def test_a_signal_below_good_is_a_trace() -> None:
    because = (
        f"{FAINT}: a trace of lineage, too weak to rely on (below 0.9 on fine-tune (0.70), merge (0.80))."
    )
    assert judged(TRACE) == ("does not separate", because, ("fine-tune", "merge"))
    one = replace(TRACE, by_method={"fine-tune": method(0.7)})
    assert judged(one) == (
        "does not separate",
        f"{FAINT}: a trace of lineage, too weak to rely on.",
        ("fine-tune",),
    )
    none = replace(TRACE, by_method={"fine-tune": method(), "merge": method()})
    assert judged(none) == ("does not separate", f"{FAINT}: a trace of lineage, too weak to rely on.", ())


@pytest.mark.parametrize(
    ("gap", "low", "overall", "detects"),
    [(0.1, 0.05, 0.9, True), (0.0999, 0.05, 0.9, False), (0.3, 0.0, 0.9, False), (0.3, 0.1, 0.5, False)],
)
def test_a_trace_beside_much_architecture_is_an_architecture_detector(
    gap: float, low: float, overall: float, detects: bool
) -> None:
    found = replace(
        TRACE,
        auc=interval(0.98, overall),
        architecture=ArchitectureAudit(interval(0.9, 0.8), interval(gap, low), (), ""),
    )
    given = judged(found)
    assert given[0] == ("architecture detector" if detects else "does not separate")
    if detects:
        assert given[1:] == (
            f"{FAINT}: a trace of lineage, too weak to rely on (below 0.9 on fine-tune (0.70), merge (0.80)),"
            " while AUC 0.980 against all independent pairs; the same score tells independent models"
            " of one shape from others with AUC 0.900.",
            ("fine-tune", "merge"),
        )


@pytest.mark.parametrize(("fpr", "kind"), [(0.499, "architecture detector"), (0.5, "does not separate")])
def test_a_threshold_that_accuses_look_alikes_as_often_as_children(fpr: float, kind: str) -> None:
    found = judged(replace(SEPARATES, claim_audit=audit(fpr, 0.85, 0.8, 0.6)))
    told = (
        "The claimed threshold 0.5 calls 80.0% [60.0%, 100.0%] of look-alikes derived and 85.0%"
        " [20.0%, 100.0%] of children"
    )
    if kind == "architecture detector":
        told += f", but {fpr:.1%} [10.0%, 100.0%] of all independent pairs: it answers to the shape"
    assert found == (kind, f"{told}. By rank alone, a{STANDING[1:]}.", ())


@pytest.mark.parametrize(
    ("tpr", "alike", "low", "kind"),
    [
        (0.2, 0.1, 0.51, "separates within limits"),
        (0.199, 0.1, 0.51, "does not separate"),
        (0.199, 0.1, 0.5, "separates"),
        (0.9, 0.6, 0.5, "separates"),
        (0.9, 0.6, 0.501, "separates within limits"),
    ],
)
def test_a_threshold_is_useless_only_below_a_tenth_of_difference(
    tpr: float, alike: float, low: float, kind: str
) -> None:
    found = judged(replace(SEPARATES, claim_audit=audit(0.6, tpr, alike, low)))
    assert found[0] == kind
    if kind == "separates within limits":
        assert found[1] == (
            f"{STANDING}. Not at its claimed threshold: 0.5 calls {alike:.1%} [{low:.1%}, 100.0%] of"
            f" look-alikes derived and {tpr:.1%} [20.0%, 100.0%] of children."
        )
