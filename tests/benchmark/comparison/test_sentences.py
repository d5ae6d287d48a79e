"""What the sentence quotes is chosen by the calibration: the least cost, never the strongest word."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

import analysis
from benchmark.comparison.compared_model import ComparedModel
from benchmark.comparison.evidence_weight import EvidenceWeight
from benchmark.comparison.joint_evidence import JointEvidence
from benchmark.comparison.metric_evidence import MetricEvidence
from benchmark.comparison.sentences import leading, quoted, sentence

MODELS = [ComparedModel(name, name, name * 64, "cell", name) for name in "ab"]


def weight(log10_lr: float, cllr: float) -> EvidenceWeight:
    held = analysis.Interval(log10_lr, log10_lr - 0.2, log10_lr + 0.2, 0.95, "")
    return EvidenceWeight(log10_lr, -1.2, 1.2, False, cllr, 40, 90, 20, False, "", held)


def metric(name: str, log10_lr: float, cllr: float, verdict: str = "separates") -> MetricEvidence:
    own = weight(log10_lr, cllr)
    return MetricEvidence(name, name, 1, "ok", "", 0.5, verdict, "", (), None, own, own)


def together(log10_lr: float, cllr: float) -> JointEvidence:
    nan = math.nan
    combination = analysis.Combination(
        metrics=("one", "two", "three"), slopes={"one": 1.0, "two": 1.0, "three": 0.0}, cllr=cllr,
        cllr_min=nan, cllr_cal=nan, lower=-1.2, upper=1.2, n_derived=40, n_independent=90, n_lineages=20,
        negatives="look-alike", reason="",
    )  # fmt: skip
    return JointEvidence(combination, weight(log10_lr, cllr), "one", 0.3, {})


def test_the_lead_costs_least_of_those_that_separate() -> None:
    found = [
        metric("strong", 1.1, 0.4),
        metric("cheap", 0.2, 0.3),
        metric("cheaper but no use", 1.1, 0.1, verdict="does not separate"),
    ]
    lead = leading(found)
    assert lead is not None
    assert lead.metric == "cheap"
    assert leading(found[2:]) is None
    silent = replace(found[0], against_look_alikes=EvidenceWeight.none("none"))
    assert leading([replace(silent, against_independents=EvidenceWeight.none("none"))]) is None


@pytest.mark.parametrize(("cost", "is_quoted"), [(0.29, True), (0.3, True), (0.30001, False), (0.9, False)])
def test_the_metrics_together_are_quoted_only_where_they_cost_no_more(cost: float, is_quoted: bool) -> None:
    """However strong their word is."""
    lead, joint = metric("lead", 0.4, 0.3), together(1.1, cost)
    assert quoted(lead, joint) is (joint if is_quoted else None)
    said = sentence(MODELS, lead, joint)
    assert ("3 metrics weighed together" in said) is is_quoted
    assert ("lead gives 0.5" in said) is not is_quoted
    assert ("log10 LR +1.10" if is_quoted else "log10 LR +0.40") in said


def test_without_a_lead_nothing_is_quoted() -> None:
    assert quoted(None, together(1.1, 0.1)) is None
    assert sentence(MODELS, None, together(1.1, 0.1)) == ""


def test_a_joint_weight_that_is_undefined_is_not_quoted() -> None:
    joint = replace(together(1.1, 0.1), weight=EvidenceWeight.none("no pairs"))
    assert quoted(metric("lead", 0.4, 0.3), joint) is None


def test_an_interval_that_holds_even_odds_is_said() -> None:
    """Unless the words say already that there is no support."""
    unsure = "The interval holds even odds"
    wide = replace(weight(0.5, 0.3), interval=analysis.Interval(0.5, -0.1, 0.9, 0.95, ""))
    lead = metric("lead", 0.5, 0.3)
    assert unsure not in sentence(MODELS, lead, None)
    assert unsure in sentence(MODELS, replace(lead, against_look_alikes=wide), None)
    none = replace(wide, log10_lr=0.1)
    said = sentence(MODELS, replace(lead, against_look_alikes=none), None)
    assert "no support for either" in said
    assert unsure not in said
