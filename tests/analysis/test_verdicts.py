"""The five verdicts, each reached by a score made for it."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.full_analysis import analyse
from analysis.inference.claims import Claim
from analysis.metric_report import MetricReport
from analysis.table import ScoreTable
from analysis.verdict_words import VERDICTS, ClaimWord, MethodState
from studies.simulation.designs import Design

DESIGN = Design("verdict", (4,) * 40, n_cells=4, shape="hub")
METHODS = np.array(["fine-tune", "continued-pretrain:long", "launder:unit-permutation"])


def report(score: np.ndarray, *, claim: Claim | None = None, **columns: object) -> MetricReport:
    frame = DESIGN.labels.frame
    child = frame["model_b"].str[1:].astype(int) % 4
    method = np.where(DESIGN.labels.derived, METHODS[child - 1], "")
    table = ScoreTable(frame.assign(score=score, method=method, **columns))
    return analyse(
        [table], claims={"score": claim} if claim else {}, n_resamples=199, n_bootstrap=50
    ).metrics[0]


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.01, len(DESIGN.labels))


DERIVED = DESIGN.labels.derived.astype(float)
SAME_CELL = (DESIGN.labels.cell_a == DESIGN.labels.cell_b).astype(float)
PERMUTED = DESIGN.labels.derived & (DESIGN.labels.model_b % 4 == 3)
LONG = DESIGN.labels.derived & (DESIGN.labels.model_b % 4 == 2)


def test_weights_that_stay_close_separate():
    found = report(DERIVED + noise()).verdict
    assert found.verdict == "separates"
    assert "100.0%" in found.because
    assert found.fails_on == ()


def test_the_methods_that_fail_are_the_limits():
    score = np.where(PERMUTED, 0.0, DERIVED) + noise()
    found = report(score).verdict
    assert found.verdict == "separates within limits"
    assert found.fails_on == ("launder:unit-permutation",)
    assert "Fails on launder:unit-permutation" in found.because


@pytest.mark.parametrize("spread", [0.0, 0.01])
def test_a_score_that_reflects_the_cell_is_an_architecture_detector(spread):
    judged = report(SAME_CELL + noise() * spread / 0.01)
    assert judged.auc.estimate > 0.8
    assert judged.look_alike_auc.estimate == pytest.approx(0.5, abs=0.1)
    assert judged.verdict.verdict == "architecture detector"


def test_a_cosine_of_one_for_every_pair_does_not_separate():
    judged = report(np.ones(len(DESIGN.labels)), claim=Claim(threshold=0.95))
    assert judged.verdict.verdict == "does not separate"
    assert judged.claim_verdict.verdict is ClaimWord.FAILS


def test_a_claimed_threshold_that_everything_passes_is_a_claim_that_fails_whatever_the_ranks():
    """Children at 0.9999, all others at 0.999: the order is there, the claim 0.95 sees nothing of it."""
    score = 0.999 + 0.0009 * DERIVED + noise() * 0.001
    judged = report(score, claim=Claim(threshold=0.95))
    assert judged.verdict.verdict == "separates"
    assert judged.claim_verdict.verdict == "fails"
    assert "of look-alikes are called derived, more than 10%" in judged.claim_verdict.because
    assert report(score).verdict == judged.verdict
    assert report(score).claim_verdict.verdict == "none stated"


def test_a_claimed_threshold_that_is_merely_too_low_is_a_claim_that_fails():
    score = DERIVED + noise()
    score[~DESIGN.labels.derived] += np.random.default_rng(1).uniform(0, 0.8, (~DESIGN.labels.derived).sum())
    judged = report(score, claim=Claim(threshold=0.3))
    assert judged.verdict.verdict == "separates"
    assert judged.claim_verdict.verdict == "fails"


def test_noise_does_not_separate():
    found = report(np.random.default_rng(3).normal(size=len(DESIGN.labels))).verdict
    assert found.verdict == "does not separate"


def test_a_trace_of_lineage_is_not_separation():
    score = np.random.default_rng(3).normal(size=len(DESIGN.labels)) + 0.6 * DERIVED
    judged = report(score)
    assert judged.permutation.p_value <= 0.05
    assert judged.verdict.verdict == "does not separate"
    assert "a lineage signal" in judged.verdict.because


def test_a_metric_that_fails_on_most_methods_is_not_said_to_separate():
    found = report(np.where(PERMUTED | LONG, 0.0, DERIVED) + noise()).verdict
    assert found.verdict == "does not separate"
    assert sorted(found.fails_on) == ["continued-pretrain:long", "launder:unit-permutation"]


def test_methods_without_a_score_or_without_look_alikes_have_not_held():
    status = np.where(PERMUTED, "abstained", "ok")
    judged = report(DERIVED + noise(), status=status)
    assert judged.by_method["launder:unit-permutation"].state is MethodState.NO_SCORE
    ends = {}
    for end in "ab":
        second = DESIGN.labels.frame[f"model_{end}"].str[1:].astype(int) % 4 == 2
        ends[f"architecture_{end}"] = DESIGN.labels.frame[f"architecture_{end}"].mask(second)
    judged = report(DERIVED + noise(), **ends)
    assert not judged.by_method["continued-pretrain:long"].look_alike_auc.defined
    assert judged.by_method["continued-pretrain:long"].state is MethodState.UNDECIDED


def test_abstentions_of_a_method_count_as_misses_beside_its_auc():
    rows = np.flatnonzero(LONG)[::3]
    status = np.full(len(DESIGN.labels), "ok", dtype=object)
    status[rows] = "abstained"
    row = report(DERIVED + noise(), status=status).by_method["continued-pretrain:long"]
    assert row.n_abstained == len(rows)
    assert row.look_alike_auc.estimate == 1.0
    assert row.look_alike_auc_with_misses.estimate == pytest.approx(1 - len(rows) / LONG.sum())
    assert row.bounds.low < row.look_alike_auc_with_misses.estimate
    assert row.state is MethodState.UNDECIDED


def test_many_abstentions_are_a_limit():
    status = np.where(PERMUTED, "abstained", "ok")
    found = report(DERIVED + noise(), status=status).verdict
    assert found.verdict == "separates within limits"
    assert "have no score." in found.because


@pytest.mark.parametrize(("unscored", "limited"), [(12, False), (13, True), (30, True)])
def test_a_tenth_of_the_derived_pairs_may_be_left_unscored(unscored, limited):
    """Of 120, whatever their method."""
    derived = np.flatnonzero(DESIGN.labels.derived)
    status = np.full(len(DESIGN.labels), "ok", dtype=object)
    status[derived[:: len(derived) // unscored][:unscored]] = "abstained"
    judged = report(DERIVED + noise(), status=status)
    assert judged.derived_coverage == pytest.approx(1 - unscored / len(derived))
    found = judged.verdict
    assert found.verdict == ("separates within limits" if limited else "separates")
    assert ("have no score." in found.because) == limited


@pytest.mark.parametrize(
    ("columns", "missing"),
    [
        ({"architecture_a": None, "architecture_b": None}, "architectures are unknown"),
        ({"status": "abstained"}, "no derived pair has a score"),
        ({"relation": "independent"}, "no derived pair"),
    ],
)
def test_what_is_missing_is_named(columns, missing):
    found = report(DERIVED, **columns).verdict
    assert found.verdict == "cannot say"
    assert missing in found.because


def test_the_verdicts_are_five():
    assert len(VERDICTS) == len(set(VERDICTS)) == 5
