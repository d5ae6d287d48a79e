"""Whether a claim holds: each statement on both sides of its line, and what claims say together."""

from __future__ import annotations

import numpy as np
import pytest

from analysis import BadArgument, Claim, ClaimWord, Interval, ScoreTable, auc, claim_verdict, example_table
from analysis.claim_verdicts import _auc, _p_values, _threshold, n_statements
from analysis.inference.claims import PValueAudit, RejectionRate
from analysis.thresholds.calibration import ThresholdAudit
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
    assert _p_values(refused).because == "Of the p-values: no p-value."


def test_one_statement_that_fails_fails_the_claim():
    table = MANY.at_auc(0.99).draw(np.random.default_rng(0))
    found = auc(table).estimate
    assert claim_verdict(table, Claim(auc=found)).verdict is ClaimWord.HOLDS
    assert claim_verdict(table, Claim(auc=found, threshold=-9.0)).verdict is ClaimWord.FAILS
    assert claim_verdict(table, Claim(threshold=9.0)).verdict is ClaimWord.FAILS
    middle = float(np.quantile(table.score[table.derived], 0.1))
    assert claim_verdict(table, Claim(threshold=middle)).verdict is ClaimWord.HOLDS


def test_with_more_statements_less_is_said():
    table = MANY.at_auc(0.97).draw(np.random.default_rng(1))
    middle = float(np.quantile(table.score[table.look_alike], 0.97))
    assert claim_verdict(table, Claim(threshold=middle)).verdict is ClaimWord.HOLDS
    assert claim_verdict(table, Claim(threshold=middle), n_together=10**6).verdict is ClaimWord.CANNOT_SAY


def test_statements_are_counted():
    assert [n_statements(claim) for claim in (None, Claim(text="works"), Claim(threshold=1.0))] == [0, 0, 2]
    assert n_statements(Claim(threshold=1.0, auc=0.9, p_values=True)) == 6


@pytest.mark.parametrize("claim", [None, Claim(text="it works")])
def test_what_states_nothing_is_not_judged(claim):
    assert claim_verdict(example_table(), claim).verdict is ClaimWord.NONE_STATED


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
