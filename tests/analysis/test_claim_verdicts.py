"""Whether a claim holds: each statement on both sides of its line, and what claims say together."""

from __future__ import annotations

import numpy as np
import pytest

from analysis import BadArgument, Claim, ClaimWord, Interval, ScoreTable, auc, claim_verdict, example_table
from analysis.claim_verdicts import _auc, _p_values, _threshold, n_statements
from analysis.inference.claims import PValueAudit, RejectionRate, audit_p_values
from analysis.thresholds.calibration import ThresholdAudit, audit_threshold
from analysis.verdict_words import family_level
from studies.simulation.designs import Design

NONE = Interval.undefined("it is not known", level=0.95, method="made up")
BELOW = 1e-9
MANY = Design("claims", (3,) * 160, n_cells=4)


def interval(low: float, high: float) -> Interval:
    return Interval((low + high) / 2, low, high, 0.95, "made up")


@pytest.mark.parametrize(
    ("alike", "tpr", "word"),
    [
        ((0.0, 0.1), (0.5, 1.0), "holds"),
        ((0.0, 0.1 + BELOW), (0.5, 1.0), "cannot say"),
        ((0.0, 0.1), (0.5 - BELOW, 1.0), "cannot say"),
        ((0.1, 0.3), (0.5, 1.0), "cannot say"),
        ((0.1 + BELOW, 0.3), (0.9, 1.0), "fails"),
        ((0.0, 0.05), (0.1, 0.5), "cannot say"),
        ((0.0, 0.05), (0.1, 0.5 - BELOW), "fails"),
    ],
)
def test_a_threshold_spares_nine_look_alikes_of_ten_and_finds_half_of_the_children(alike, tpr, word):
    audit = ThresholdAudit(0.5, interval(0.0, 0.01), interval(*tpr), interval(*alike))
    assert _threshold(audit).verdict == word


def test_without_look_alikes_a_threshold_can_fail_but_never_hold():
    spares = ThresholdAudit(0.5, interval(0.0, 0.01), interval(0.9, 1.0), NONE)
    accuses = ThresholdAudit(0.5, interval(0.2, 0.4), interval(0.9, 1.0), NONE)
    assert _threshold(spares).verdict == "cannot say"
    assert "it is not known" in _threshold(spares).because
    assert _threshold(accuses).verdict == "fails"
    assert "independent pairs" in _threshold(accuses).because


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.85, 1.0, "holds"),
        (0.85 - BELOW, 1.0, "cannot say"),
        (0.6, 0.85 - BELOW, "fails"),
        (0.6, 0.86, "cannot say"),
        (0.6, 0.85, "cannot say"),
    ],
)
def test_an_auc_may_fall_short_by_a_twentieth(low, high, word):
    assert _auc(0.9, interval(low, high)).verdict == word


@pytest.mark.parametrize(
    ("at", "low", "high", "word"),
    [(0.05, 0.0, 0.1, "holds"), (0.05, 0.0, 0.11, "cannot say"), (0.05, 0.051, 0.2, "fails")],
)
def test_p_values_reject_what_they_may(at, low, high, word):
    rates = (RejectionRate(at, interval(low, high), NONE), RejectionRate(0.01, interval(0.0, 0.5), NONE))
    nothing = np.empty(0)
    assert _p_values(PValueAudit(rates, "", "", 9, "", nothing, nothing)).verdict == word
    late = (rates[0], RejectionRate(0.01, interval(0.0101, 0.5), NONE))
    assert _p_values(PValueAudit(late, "", "", 9, "", nothing, nothing)).verdict == "fails"
    refused = PValueAudit((), "cannot say", "", 0, "no p-value", nothing, nothing)
    assert _p_values(refused).because == "p-values: no p-value."


def test_a_threshold_is_judged_in_one_sentence():
    def said(alike, tpr, independent=(0.0, 0.01)):
        return _threshold(ThresholdAudit(0.5, interval(*independent), interval(*tpr), alike)).because

    at = "At a threshold of 0.5, "
    assert said(interval(0.2, 0.4), (0.9, 1.0)) == (
        f"{at}30.0% [20.0%, 40.0%] of look-alikes are called derived, more than 10%."
    )
    assert said(NONE, (0.9, 1.0), (0.2, 0.4)) == (
        f"{at}30.0% [20.0%, 40.0%] of independent pairs are called derived, more than 10%."
    )
    assert said(interval(0.0, 0.04), (0.2, 0.4)) == (
        f"{at}30.0% [20.0%, 40.0%] of children are called derived, fewer than 50%."
    )
    both = f"{at}2.0% [0.0%, 4.0%] of look-alikes and 70.0% [60.0%, 80.0%] of children are called derived"
    assert said(interval(0.0, 0.04), (0.6, 0.8)) == f"{both}."
    unclear = both.replace("70.0% [60.0%", "60.0% [40.0%")
    assert said(interval(0.0, 0.04), (0.4, 0.8)) == (
        f"{unclear}; whether that is at most 10% and at least 50% is left open."
    )


def test_an_auc_is_judged_in_one_sentence():
    told = "The AUC against all independent pairs is "
    assert _auc(0.9, interval(0.6, 0.8)).because == f"{told}0.700 [0.600, 0.800]; 0.9 is claimed."
    assert _auc(0.9, interval(0.86, 0.94)).because == f"{told}0.900 [0.860, 0.940]; 0.9 is claimed."
    assert _auc(0.9, interval(0.5, 0.9)).because == (
        f"{told}0.700 [0.500, 0.900]; whether it is within 0.05 of the claimed 0.9 is left open."
    )
    unknown = _auc(0.9, NONE)
    assert (unknown.verdict, unknown.because) == (ClaimWord.CANNOT_SAY, "AUC 0.9: it is not known.")


def test_p_values_are_judged_in_one_sentence():
    def said(*rates):
        found = tuple(RejectionRate(at, interval(low, high), NONE) for at, low, high in rates)
        return _p_values(PValueAudit(found, "", "", 9, "", np.empty(0), np.empty(0))).because

    fails = "20.0% [10.0%, 30.0%] of independent pairs have p ≤ 0.05"
    later = "5.0% [4.0%, 6.0%] of independent pairs have p ≤ 0.01"
    assert said((0.05, 0.1, 0.3), (0.01, 0.04, 0.06)) == f"Too small for p-values: {fails}; {later}."
    holds = "4.0% [0.0%, 8.0%] of independent pairs have p ≤ 0.05"
    assert said((0.05, 0.0, 0.08), (0.01, 0.01, 0.06)) == f"Valid as p-values: {holds}."
    assert said((0.05, 0.05, 0.3)) == (
        "Neither refuted nor confirmed as p-values: 17.5% [5.0%, 30.0%] of independent pairs have p ≤ 0.05."
    )


@pytest.mark.thorough
def test_statements_that_decide_are_told_together():
    table = MANY.at_auc(0.9).draw(np.random.default_rng(0))
    found = claim_verdict(table, Claim(auc=0.999, threshold=-9.0))
    first, second = _threshold_and_auc(table, 2)
    assert found.because == f"{first} {second}"
    assert claim_verdict(table, Claim(auc=0.999, threshold=-9.0), n_together=50) != found


def _threshold_and_auc(table, n):
    """The sentences of both statements, at the level that two bounds and one take together."""
    level = family_level(n + 1)
    return (
        _threshold(audit_threshold(table, -9.0, level)).because,
        _auc(0.999, auc(table, level=level)).because,
    )


def test_p_values_are_tested_at_the_level_of_all_statements():
    rng = np.random.default_rng(0)
    table = MANY.labels.with_scores(rng.uniform(size=len(MANY.labels)))
    found = claim_verdict(table, Claim(p_values=True), n_together=10**5)
    assert found == _p_values(audit_p_values(table, level=family_level(10**5)))
    assert found != claim_verdict(table, Claim(p_values=True))


@pytest.mark.slow
def test_one_statement_that_fails_fails_the_claim():
    table = MANY.at_auc(0.99).draw(np.random.default_rng(0))
    found = auc(table).estimate
    assert claim_verdict(table, Claim(auc=found)).verdict is ClaimWord.HOLDS
    assert claim_verdict(table, Claim(auc=found, threshold=-9.0)).verdict is ClaimWord.FAILS
    assert claim_verdict(table, Claim(threshold=9.0)).verdict is ClaimWord.FAILS
    middle = float(np.quantile(table.score[table.derived], 0.1))
    assert claim_verdict(table, Claim(threshold=middle)).verdict is ClaimWord.HOLDS


@pytest.mark.slow
def test_with_more_statements_less_is_said():
    table = MANY.at_auc(0.97).draw(np.random.default_rng(1))
    middle = float(np.quantile(table.score[table.look_alike], 0.97))
    assert claim_verdict(table, Claim(threshold=middle)).verdict is ClaimWord.HOLDS
    assert claim_verdict(table, Claim(threshold=middle), n_together=10**6).verdict is ClaimWord.CANNOT_SAY


def test_a_claim_is_judged_alone_where_nothing_is_said_of_others():
    table, claim = example_table(), Claim(auc=0.9)
    alone, together = (claim_verdict(table, claim, n_together=n) for n in (1, 2))
    assert claim_verdict(table, claim) == alone != together


def test_statements_are_counted():
    assert [n_statements(claim) for claim in (None, Claim(text="works"), Claim(threshold=1.0))] == [0, 0, 2]
    assert n_statements(Claim(threshold=1.0, auc=0.9, p_values=True)) == 6


@pytest.mark.parametrize("claim", [None, Claim(text="it works")])
def test_what_states_nothing_is_not_judged(claim):
    found = claim_verdict(example_table(), claim)
    assert found.verdict is ClaimWord.NONE_STATED
    assert found.because == "Its authors state no threshold, no AUC and no p-values."


def test_a_table_without_scores_cannot_say():
    table = ScoreTable(example_table().frame.assign(status="abstained"))
    found = claim_verdict(table, Claim(threshold=0.5, auc=0.9, p_values=True))
    assert found.verdict is ClaimWord.CANNOT_SAY
    assert "no independent pair has a score" in found.because


def test_bad_arguments_are_named():
    with pytest.raises(BadArgument, match="n_together"):
        claim_verdict(example_table(), None, n_together=0)
    with pytest.raises(BadArgument, match="table"):
        claim_verdict(3, None)  # type: ignore[arg-type]
