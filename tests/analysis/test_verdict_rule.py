"""The rule of verdicts, line by line: numbers on both sides of every limit, and what is then said."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from analysis import (
    BadArgument,
    Interval,
    MethodState,
    PermutationTest,
    SeparationBounds,
    VerdictWord,
    verdict,
)
from analysis.breakdown import MethodClass
from analysis.inference.confounding import ArchitectureAudit
from analysis.verdict_words import FAIR, GOOD, MethodTally, family_level
from analysis.verdicts import NAMED

NONE = Interval.undefined("it is not known", level=0.95, method="made up")
BELOW = 1e-9


def interval(estimate: float, low: float, high: float = 1.0) -> Interval:
    return Interval(estimate, low, high, 0.95, "made up", n_lineages=12)


def method(state: MethodState = MethodState.HELD, estimate: float = 0.95) -> MethodClass:
    own = interval(estimate, estimate, estimate)
    return MethodClass(10, 0, 5, 0.0, own, own, own, own, state, NONE)


def bounds(low: float, high: float = 1.0, **other: object) -> SeparationBounds:
    own = interval((low + high) / 2, low, high)
    facts: dict[str, object] = {
        "n_metrics": 1,
        "look_alike_auc": own,
        "elsewhere": own,
        "share_elsewhere": 1.0,
        "knows_shapes": False,
        "lineages_for_good": 40,
        "lineages_for_fair": 30,
    }
    return SeparationBounds(**(facts | other))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Found:
    """What the rule looks at."""

    auc: Interval
    look_alike_auc: Interval
    bounds: SeparationBounds
    permutation: PermutationTest
    architecture: ArchitectureAudit
    by_method: Mapping[str, MethodClass]
    derived_coverage: float = 1.0


SEPARATES = Found(
    auc=interval(0.98, 0.9),
    look_alike_auc=interval(0.96, 0.8, 0.99),
    bounds=bounds(0.91),
    permutation=PermutationTest("m", 5.0, 0.001, 0.002, 10**6, 999, False, "", 30, 40, 12),
    architecture=ArchitectureAudit(NONE, interval(0.02, -0.01), (), ""),
    by_method={"fine-tune": method()},
)
STANDING = "A child outscores 96.0% [80.0%, 99.0%] of look-alikes of its own shape (permutation p = 0.002)"
TALLY = "Of 1 derivation method, 0 fail, 0 have no score, 0 are undecided, 1 holds"


def judged(found: Found, level: float = 0.05) -> tuple[str, str, tuple[str, ...]]:
    given = verdict(found, level)
    return str(given.verdict), given.because, given.fails_on


def test_it_separates() -> None:
    assert judged(SEPARATES) == ("separates", f"{STANDING}. {TALLY}. The lower bound is 91.0%.", ())


def test_it_is_said_over_how_many_metrics_a_bound_holds() -> None:
    for n in (2, 14):
        found = judged(replace(SEPARATES, bounds=bounds(0.91, n_metrics=n)))
        assert found[1].endswith(f"The lower bound is 91.0% (joint over {n} metrics).")


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (GOOD + BELOW, 1.0, "separates"),
        (GOOD, 1.0, "separates within limits"),
        (FAIR + BELOW, 1.0, "separates within limits"),
        (FAIR + BELOW, GOOD - BELOW, "separates within limits"),
        (FAIR, 1.0, "cannot say"),
        (0.5, FAIR, "cannot say"),
        (0.6, FAIR - BELOW, "does not separate"),
        (0.4, FAIR - BELOW, "does not separate"),
    ],
)
def test_the_bounds_decide_and_never_the_estimate(low: float, high: float, word: str) -> None:
    for estimate in (low + BELOW, high - BELOW):
        found = replace(SEPARATES, look_alike_auc=interval(estimate, low, high), bounds=bounds(low, high))
        assert judged(found)[0] == word


def test_without_a_look_alike_auc_it_cannot_be_said() -> None:
    found = replace(SEPARATES, look_alike_auc=NONE, bounds=bounds(math.nan, math.nan))
    assert judged(found) == ("cannot say", "Missing: it is not known.", ())


@pytest.mark.parametrize(
    ("reason", "told"), [("one lineage a cell", "one lineage a cell"), ("", "a permutation test")]
)
def test_without_a_permutation_test_it_cannot_be_said(reason: str, told: str) -> None:
    refused = replace(SEPARATES.permutation, p_value=math.nan, adjusted_p_value=math.nan, reason=reason)
    because = f"Missing: {told}. A child outscores 96.0% [80.0%, 99.0%] of look-alikes of its own shape."
    assert judged(replace(SEPARATES, permutation=refused)) == ("cannot say", because, ())


def test_that_it_does_not_separate_needs_no_permutation_test() -> None:
    refused = replace(SEPARATES.permutation, p_value=math.nan, adjusted_p_value=math.nan, reason="none")
    assert judged(replace(SEPARATES, permutation=refused, bounds=bounds(0.4, 0.6)))[0] == "does not separate"


@pytest.mark.parametrize(("p", "signal"), [(0.05, True), (0.0501, False)])
def test_a_signal_has_a_family_wise_p_up_to_the_level(p: float, signal: bool) -> None:
    found = replace(SEPARATES, permutation=replace(SEPARATES.permutation, adjusted_p_value=p))
    assert judged(found)[0] == ("separates" if signal else "cannot say")
    assert judged(found, 0.01)[0] == "cannot say"
    if not signal:
        assert "the family-wise p is above 0.05" in judged(found)[1]


def test_what_would_do_is_told_where_nothing_can_be_said() -> None:
    because = (
        f"{STANDING}: the bounds [70.0%, 97.0%] include 75%. Needed: more lineages with derived pairs and"
        " look-alikes (this table has 12); about 30 lineages like these would suffice."
    )
    assert judged(replace(SEPARATES, bounds=bounds(0.7, 0.97))) == ("cannot say", because, ())
    never = judged(replace(SEPARATES, bounds=bounds(0.7, 0.97, lineages_for_fair=-1)))[1]
    assert never.endswith("more lineages like these would not settle it.")


@pytest.mark.parametrize("low", [0.6, FAIR])
def test_without_a_signal_the_bounds_are_told_first(low: float) -> None:
    weak = replace(SEPARATES.permutation, adjusted_p_value=0.2)
    told = judged(replace(SEPARATES, permutation=weak, bounds=bounds(low, 0.97, lineages_for_fair=1)))[1]
    assert "include 75%" in told
    assert told.endswith("about 1 lineages like these would suffice.")
    none = judged(replace(SEPARATES, permutation=weak, bounds=bounds(low, 0.97, lineages_for_fair=0)))[1]
    assert none.endswith("more lineages like these would not settle it.")


def test_the_level_is_a_twentieth_where_none_is_given() -> None:
    for p, word in ((0.05, VerdictWord.SEPARATES), (0.0501, VerdictWord.CANNOT_SAY)):
        test = replace(SEPARATES.permutation, adjusted_p_value=p)
        assert verdict(replace(SEPARATES, permutation=test)).verdict is word


def test_what_is_not_established_is_a_limit() -> None:
    because = (
        f"{STANDING}. {TALLY}. More than 90% is not established: the lower bound is 80.0%; about 40 lineages"
        " like these would suffice."
    )
    assert judged(replace(SEPARATES, bounds=bounds(0.8))) == ("separates within limits", because, ())
    assert "is not established" in judged(replace(SEPARATES, bounds=bounds(0.8, GOOD)))[1]
    short = judged(replace(SEPARATES, bounds=bounds(0.8, 0.88)))
    assert short[:2] == (
        "separates within limits", f"{STANDING}. {TALLY}. Below 90%: the upper bound is 88.0%."
    )  # fmt: skip


def test_methods_that_fail_are_limits_worst_first() -> None:
    methods = {
        "prune": method(MethodState.FAILED, 0.5),
        "merge": method(MethodState.FAILED, 0.6),
        "a-merge": method(MethodState.FAILED, 0.6),
        "cast": method(MethodState.UNDECIDED, 0.5),
        "fine-tune": method(),
    }
    found = judged(replace(SEPARATES, by_method=methods))
    assert found[0] == "separates within limits"
    assert found[2] == ("prune", "a-merge", "merge")
    assert "Of 5 derivation methods, 3 fail, 0 have no score, 1 is undecided, 1 holds" in found[1]
    assert "Fails on prune (0.50), a-merge (0.60), merge (0.60)." in found[1]
    assert "On the other methods a child outscores 95.5% [91.0%, 100.0%]." in found[1]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({}, "separates within limits"),
        ({"look_alike_auc": NONE}, "cannot say"),
        ({"bounds": bounds(0.4, 0.6)}, "does not separate"),
        ({"bounds": bounds(0.4, 0.6, knows_shapes=True)}, "architecture detector"),
        ({"permutation": replace(SEPARATES.permutation, p_value=math.nan)}, "cannot say"),
        ({"bounds": bounds(0.6, 0.97)}, "cannot say"),
    ],
)
def test_methods_that_fail_are_named_beside_every_word(change: dict[str, object], word: str) -> None:
    methods = {"prune": method(MethodState.FAILED, 0.5), "fine-tune": method()}
    found = judged(replace(SEPARATES, by_method=methods, **change))  # type: ignore[arg-type]
    assert (found[0], found[2]) == (word, ("prune",))


@pytest.mark.parametrize(
    ("share", "low", "word"),
    [(0.5, FAIR + BELOW, "separates within limits"), (0.499, 0.95, "cannot say"), (0.8, FAIR, "cannot say")],
)
def test_methods_that_do_not_fail_may_be_enough(share: float, low: float, word: str) -> None:
    some = bounds(0.6, 0.9, elsewhere=interval(0.99, low), share_elsewhere=share)
    methods = {"prune": method(MethodState.FAILED, 0.5), "fine-tune": method()}
    assert judged(replace(SEPARATES, bounds=some, by_method=methods))[0] == word


@pytest.mark.parametrize(("more", "told"), [(0, ""), (1, " and 1 more"), (3, " and 3 more")])
def test_many_failing_methods_are_counted(more: int, told: str) -> None:
    methods = {f"m{k}": method(MethodState.FAILED, 0.5 + k / 100) for k in range(NAMED + more)}
    named = ", ".join(f"m{k} ({0.5 + k / 100:.2f})" for k in range(NAMED))
    assert f"Fails on {named}{told}." in judged(replace(SEPARATES, by_method=methods))[1]


@pytest.mark.parametrize(("coverage", "limited"), [(0.9, False), (0.8999, True)])
def test_a_tenth_may_be_left_unscored(coverage: float, limited: bool) -> None:
    found = judged(replace(SEPARATES, derived_coverage=coverage))
    assert found[0] == ("separates within limits" if limited else "separates")
    assert (" 10% of derived pairs have no score." in found[1]) == limited


@pytest.mark.parametrize("knows", [False, True])
def test_what_knows_shapes_is_an_architecture_detector(knows: bool) -> None:
    found = replace(
        SEPARATES,
        bounds=bounds(0.4, 0.6, knows_shapes=knows),
        architecture=ArchitectureAudit(interval(0.8768, 0.7), interval(0.3, 0.1), (), ""),
    )
    told = (
        "Its AUC against all independent pairs is 0.980; among independent pairs, the score tells equal from"
        " different shapes with AUC 0.877"
    )
    word = "architecture detector" if knows else "does not separate"
    assert judged(found) == (word, f"{STANDING}; the upper bound is 60.0%. {told}.", ())


@pytest.mark.parametrize(("low", "trace"), [(0.5, False), (0.501, True)])
def test_a_trace_of_lineage_is_told(low: float, trace: bool) -> None:
    told = judged(replace(SEPARATES, bounds=bounds(low, 0.7)))
    assert told[0] == "does not separate"
    trace_of = ", a lineage signal too weak to rely on" if trace else ""
    assert (
        told[1]
        == f"{STANDING}; the upper bound is 70.0%{trace_of}. Its AUC against all independent pairs is 0.980."
    )


def test_every_method_is_counted_once() -> None:
    states = [*MethodState] * 3 + [MethodState.FAILED]
    tally = MethodTally.of(states)
    assert tally == MethodTally(held=3, undecided=3, failed=4, no_score=3)
    assert tally.total == len(states)


def test_the_words_are_what_files_hold() -> None:
    assert [str(word) for word in VerdictWord] == [
        "separates", "separates within limits", "architecture detector", "does not separate", "cannot say",
    ]  # fmt: skip


def test_a_family_shares_its_error() -> None:
    assert family_level(1) == family_level(0) == 0.95
    assert family_level(50) == pytest.approx(0.999)


def test_what_is_no_report_is_named() -> None:
    with pytest.raises(BadArgument, match="MetricReport, or have its attributes, not a dict"):
        verdict({})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.1, 0.74, VerdictWord.FAILS),
        (0.1, FAIR, VerdictWord.CANNOT_SAY),
        (FAIR, 0.99, VerdictWord.CANNOT_SAY),
        (0.76, 0.89, VerdictWord.WITHIN_LIMITS),
        (GOOD, 1.0, VerdictWord.WITHIN_LIMITS),
        (0.91, 1.0, VerdictWord.SEPARATES),
        (math.nan, math.nan, VerdictWord.CANNOT_SAY),
    ],
)
def test_bounds_on_a_line_are_on_neither_side(low: float, high: float, word: VerdictWord) -> None:
    assert VerdictWord.of_bounds(low, high) is word
