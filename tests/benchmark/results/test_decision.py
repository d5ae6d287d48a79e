"""The threshold that decides: the claimed one unless it fails, then the one calibrated for 5%."""

from __future__ import annotations

import math
from dataclasses import replace

from typed_results import metric_result

from analysis.verdict_words import ClaimWord
from benchmark.results.decision import MAX_FPR, deciding_threshold


def test_the_claimed_threshold_comes_first() -> None:
    decision = deciding_threshold(metric_result())
    assert (decision.value, decision.claimed, decision.reason) == (1.0, True, "")


def test_else_the_one_calibrated_for_five_percent() -> None:
    result = replace(metric_result(), claim=None)
    calibrated = next(one for one in result.thresholds if one.max_fpr == MAX_FPR)
    decision = deciding_threshold(replace(result, thresholds=result.thresholds[::-1]))
    assert decision.value == calibrated.value
    assert not decision.claimed
    assert decision.reason == ""


def test_a_claim_that_fails_decides_nothing() -> None:
    failing = replace(metric_result(), claim_verdict=ClaimWord.FAILS)
    assert failing.claim is not None
    calibrated = next(one for one in failing.thresholds if one.max_fpr == MAX_FPR)
    assert failing.claim.threshold != calibrated.value
    decision = deciding_threshold(failing)
    assert (decision.value, decision.claimed) == (calibrated.value, False)


def test_a_claim_without_a_threshold_decides_nothing() -> None:
    claim = metric_result().claim
    assert claim is not None
    result = replace(metric_result(), claim=replace(claim, threshold=None))
    assert not deciding_threshold(result).claimed


def test_without_any_the_reason_is_told() -> None:
    result = replace(metric_result(), claim=None)
    none = tuple(replace(one, value=math.nan, reason="too few lineages") for one in result.thresholds)
    decision = deciding_threshold(replace(result, thresholds=none))
    assert not decision.defined
    assert decision.reason == "no threshold: too few lineages"
    nothing = deciding_threshold(replace(result, thresholds=()))
    assert not nothing.defined
    assert nothing.reason == "no threshold was calibrated for a false positive rate of 5%"
