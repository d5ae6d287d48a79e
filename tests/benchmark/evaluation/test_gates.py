"""Gates: what passes, what fails, and that what is undefined never passes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from typed_results import metric_result

from analysis import ClaimWord, VerdictWord
from benchmark.evaluation.gates import parse_gate
from benchmark.results.schema import MetricResult
from benchmark.session.errors import UsageError


def result() -> MetricResult:
    made = metric_result()
    claim = made.claim
    assert claim is not None
    assert claim.fpr is not None
    assert claim.look_alike_fpr is not None
    first = made.thresholds[0]
    strict = replace(first, max_fpr=0.01, certified=False)
    return replace(
        made,
        thresholds=(replace(first, max_fpr=0.05, certified=True), strict),
        independent_thresholds=tuple(
            replace(one, certified=True, negatives="independent")
            for one in (replace(first, max_fpr=0.05), strict)
        ),
        verdict=VerdictWord.WITHIN_LIMITS,
        claim_verdict=ClaimWord.FAILS,
        bounds=replace(made.bounds, look_alike_auc=replace(made.look_alike_auc, low=0.8)),
        look_alike_auc_with_abstentions_worst=replace(made.look_alike_auc, estimate=0.9),
        look_alike_auc=replace(made.look_alike_auc, estimate=0.97, low=0.9, high=0.99),
        claim=replace(
            claim,
            fpr=replace(claim.fpr, estimate=0.2, low=0.1, high=0.3),
            look_alike_fpr=replace(claim.look_alike_fpr, estimate=0.4, low=0.2, high=0.5),
        ),
        permutation=replace(made.permutation, p_value=math.nan),
        evidence=replace(made.evidence, cllr=1.5),
    )


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("certified_fpr=0.05", True),
        ("certified_fpr=0.04", False),
        ("certified_independent_fpr=0.01", True),
        ("look_alike_fpr@claim=0.4", True),
        ("look_alike_fpr@claim.high=0.4", False),
        ("look_alike_auc=0.95", True),
        ("look_alike_auc=0.97", True),
        ("look_alike_auc=0.98", False),
        ("look_alike_auc.low=0.95", False),
        ("fpr@claim=0.05", False),
        ("fpr@claim=0.2", True),
        ("fpr@claim.high=0.25", False),
        ("p_value=0.05", False),
        ("cllr=1", False),
        ("verdict=separates", False),
        ("verdict=separates within limits", True),
        ("verdict=cannot say", True),
        ("claim_verdict=holds", False),
        ("claim_verdict=none stated", False),
        ("look_alike_auc.bound=0.95", False),
        ("look_alike_auc.bound=0.7", True),
        ("look_alike_auc.worst=0.999", False),
    ],
)
def test_judgement(text: str, passed: bool) -> None:
    outcome = parse_gate(text).judge(result())
    assert outcome.passed is passed
    assert ("passed" if passed else "FAILED") in str(outcome)


def test_what_is_not_claimed_has_not_passed() -> None:
    bare = replace(result(), claim=None)
    for text in ("fpr@claim=0.05", "tpr@claim=0.5", "tpr@claim.low=0.1", "fpr@claim.high=0.9"):
        outcome = parse_gate(text).judge(bare)
        assert not outcome.passed
        assert "undefined" in str(outcome)


def test_a_certificate_against_independents_is_none_against_look_alikes() -> None:
    made = result()
    other = replace(made, thresholds=made.independent_thresholds)
    assert not parse_gate("certified_fpr=0.9").judge(other).passed
    assert "undefined" in str(parse_gate("certified_fpr=0.9").judge(other))
    none = replace(made, independent_thresholds=())
    assert not parse_gate("certified_independent_fpr=0.9").judge(none).passed


def test_a_threshold_that_no_child_reaches_is_no_certificate() -> None:
    made = result()
    first = replace(made.thresholds[0], tpr=replace(made.thresholds[0].tpr, estimate=0.0))
    assert not parse_gate("certified_fpr=0.9").judge(replace(made, thresholds=(first,))).passed


def test_undefined_is_said() -> None:
    assert "undefined" in str(parse_gate("p_value=0.05").judge(result()))


@pytest.mark.parametrize(
    "text",
    ["look_alike_auc", "look_alike_auc=", "beauty=1", "auc=1e", "auc=1=2", "verdict=does not separate"],
)
def test_bad_gates_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--gate"):
        parse_gate(text)
