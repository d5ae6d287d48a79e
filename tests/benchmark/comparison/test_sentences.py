"""What the sentence quotes is chosen by the calibration: the least cost, never the strongest word."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

import analysis
from benchmark.comparison.calibration_run import CalibrationFacts
from benchmark.comparison.compared_model import ComparedModel
from benchmark.comparison.evidence_weight import EvidenceWeight
from benchmark.comparison.joint_evidence import JointEvidence
from benchmark.comparison.metric_evidence import MetricEvidence
from benchmark.comparison.metric_standing import Forgeability, MetricStanding
from benchmark.comparison.sentences import leading, quoted, sentence, times

MODELS = [ComparedModel(name, name, name * 64, "cell", name) for name in "ab"]
FACTS = CalibrationFacts(
    "runs/one",
    "c" * 64,
    False,
    "1.2.3",
    "zoo",
    "catalog.yaml",
    "d" * 64,
    3,
    "2026-01-02T03:04:05Z",
    60,
    20,
    ("l0",),
)


def weight(log10_lr: float, cllr: float, half: float = 0.2) -> EvidenceWeight:
    held = analysis.Interval(log10_lr, log10_lr - half, log10_lr + half, 0.95, "")
    return EvidenceWeight(log10_lr, -1.2, 1.2, False, cllr, 40, 90, 20, 30, 5, False, "", held)


def standing(verdict: str = "separates", framed: int = 0, hidden: int = 0) -> MetricStanding:
    return MetricStanding(
        verdict, "", (), Forgeability(9, framed, math.nan), Forgeability(9, hidden, math.nan)
    )


def metric(name: str, log10_lr: float, cllr: float, judged: MetricStanding | None = None) -> MetricEvidence:
    own = weight(log10_lr, cllr)
    return MetricEvidence(name, name, 1, "ok", "", 0.5, judged or standing(), None, own)


def together(log10_lr: float, cllr: float) -> JointEvidence:
    nan = math.nan
    combination = analysis.Combination(
        metrics=("one", "two", "three"), slopes={"one": 1.0, "two": 1.0, "three": 0.0}, cllr=cllr,
        cllr_min=nan, cllr_cal=nan, lower=-1.2, upper=1.2, n_derived=40, n_negative=90, n_lineages=20,
        negatives="look-alike", reason="",
    )  # fmt: skip
    return JointEvidence(combination, weight(log10_lr, cllr), "one", 0.3, {}, "")


def said(lead: MetricEvidence | None, joint: JointEvidence | None = None) -> str:
    return sentence(MODELS, lead, joint, FACTS, "1.2.3", "2026-05-06")


def test_the_lead_costs_least_of_those_that_separate_and_were_not_framed() -> None:
    found = [
        metric("strong", 1.1, 0.4),
        metric("cheap", 0.2, 0.3),
        metric("cheaper but no use", 1.1, 0.1, standing("does not separate")),
        metric("cheaper but framed", 1.1, 0.1, standing(framed=1)),
    ]
    # No call was turned, and yet the forgery scores as children do.
    high = replace(standing(), framed=Forgeability(9, 0, 0.9), typical_child=0.9)
    found.append(metric("cheaper but framed as high as children", 1.1, 0.1, high))
    lead = leading(found)
    assert lead is not None
    assert lead.metric == "cheap"
    short_of_it = replace(high, typical_child=0.91)
    assert leading([found[1], metric("m", 1.1, 0.1, short_of_it)]).metric == "m"  # type: ignore[union-attr]
    assert leading(found[2:3]) is None
    assert leading(found[2:]) is found[3]
    assert leading([replace(found[0], weight=EvidenceWeight.none("none"))]) is None


@pytest.mark.parametrize(("cost", "is_quoted"), [(0.29, True), (0.3, True), (0.30001, False), (0.9, False)])
def test_the_metrics_together_are_quoted_only_where_they_cost_no_more(cost: float, is_quoted: bool) -> None:
    """However strong their word is."""
    lead, joint = metric("lead", 0.4, 0.3), together(1.0, cost)
    assert quoted(lead, joint) is (joint if is_quoted else None)
    text = said(lead, joint)
    assert ("3 metrics weighed together" in text) is is_quoted
    assert ("lead gives 0.5" in text) is not is_quoted
    assert ("between 6.3 and 16 times" if is_quoted else "between 1.6 and 4 times") in text


def test_without_a_lead_nothing_is_quoted() -> None:
    assert quoted(None, together(1.1, 0.1)) is None
    assert said(None, together(1.1, 0.1)) == ""


def test_a_joint_weight_that_is_undefined_is_not_quoted() -> None:
    joint = replace(together(1.1, 0.1), weight=EvidenceWeight.none("no pairs"))
    assert quoted(metric("lead", 0.4, 0.3), joint) is None


def test_an_interval_that_holds_even_odds_supports_neither_way() -> None:
    """In words, in what it supports, in the sentence; though the value alone would."""
    sure = metric("lead", 0.5, 0.3)
    unsure = replace(sure, weight=weight(0.5, 0.3, 0.5))
    assert (sure.supports, sure.words) == ("derivation", "weak support for derivation")
    assert (unsure.supports, unsure.words) == (None, "no support either way")
    assert "no support either way" not in said(sure)
    text = said(unsure)
    assert text.count("no support either way") == 2
    assert "between 1 and 10 times as probable" in text
    assert "for derivation" not in text


def test_the_sentence_names_its_range_population_date_version_digests_and_seed() -> None:
    text = said(metric("lead", 0.6, 0.3))
    for words in (
        "between 2.5 and 6.3 times more probable if one of the two models descends from the other than if",
        "60 models of 20 lineages, the zoo tier of catalog.yaml",
        "40 derived pairs and 90 look-alikes of 20 lineages, of which 30 look-alikes of 5 lineages have",
        "left out", "95% interval", "2026-05-06", "lookalike 1.2.3", "aaaaaaaaaaaa and bbbbbbbbbbbb",
        "cccccccccccc of 2026-01-02, seed 3", "not the probability of derivation",
    ):  # fmt: skip
        assert words in text
    apart = said(metric("lead", -0.6, 0.3))
    assert "between 2.5 and 6.3 times more probable if they are independent models" in apart


@pytest.mark.parametrize(
    ("log10_lr", "judged", "why"),
    [
        (0.8, standing("does not separate"), "does not separate"),
        (0.8, standing("architecture detector"), "architecture detector"),
        (0.8, standing("cannot say"), "cannot say"),
        (0.8, standing(framed=1), "forged"),
        (-0.8, standing(hidden=1), "altered"),
        (-0.8, replace(standing(), fails_on=("fine-tune > launder:everything",)), "altered"),
        (-0.8, replace(standing(), hidden_by=("launder:everything",)), "altered"),
        (0.8, replace(standing(), framed=Forgeability(9, 0, 0.5)), "forged"),
        (-0.8, replace(standing(), hidden=Forgeability(9, 0, 0.5)), "altered"),
    ],
)
def test_a_useless_or_deceived_metric_is_shown_without_support(
    log10_lr: float, judged: MetricStanding, why: str
) -> None:
    one = metric("m", log10_lr, 0.3, judged)
    assert one.weight.supports is not None
    assert one.supports is None
    assert why in one.withheld
    assert one.words.startswith("no support either way")
    # What deceives towards one side says nothing against the other.
    if judged.trusted:
        assert metric("m", -log10_lr, 0.3, judged).supports is not None


def test_forgeries_that_did_not_move_a_score_show_nothing() -> None:
    judged = replace(standing(), framed=Forgeability(9, 0, 0.49), hidden=Forgeability(9, 0, 0.51))
    assert metric("m", 0.8, 0.3, judged).supports == "derivation"
    assert metric("m", -0.8, 0.3, judged).supports == "independence"


def test_ranges_are_plain_numbers() -> None:
    assert times(2.0, 3.5) == "between 100 and 3,200 times"
    assert times(-2.0, -1.0) == "between 0.01 and 0.1 times"
    assert times(0.5, 0.5) == "about 3.2 times"
