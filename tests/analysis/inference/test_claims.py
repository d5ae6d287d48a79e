"""Claimed p-values, and what a claim is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from analysis.inference.claims import Claim, audit_p_values
from analysis.table import ScoreTable
from studies.simulation.designs import Design

DESIGN = Design("claims", (3,) * 20, n_cells=2)


def table_of(p: np.ndarray) -> ScoreTable:
    with np.errstate(divide="ignore"):
        return DESIGN.labels.with_scores(-np.log10(p))


def uniform(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=len(DESIGN.labels))


def test_uniform_p_values_are_called_uniform():
    calls = [audit_p_values(table_of(uniform(seed))).verdict for seed in range(60)]
    wrong = sum(call != "uniform" for call in calls)
    # Three intervals of 95 %, each may miss: at most 15 % in all.
    assert binomtest(wrong, 60, 0.15, alternative="greater").pvalue > 0.01


def test_p_values_that_promise_too_much_are_found_out():
    audit = audit_p_values(table_of(uniform(1) ** 3))
    assert audit.verdict == "too small"
    assert "p ≤ 0.05" in audit.because
    rates = {found.level: found.observed for found in audit.rates}
    assert rates[0.05].estimate == pytest.approx(0.05 ** (1 / 3), abs=0.05)
    assert rates[0.001].low > 0.001


def test_timid_p_values_are_called_too_large():
    few = audit_p_values(table_of(uniform(1) ** (1 / 4)))
    assert few.verdict == "uniform"  # no rejection among 20 lineages is compatible with 5 %
    many = Design("many", (2,) * 160).labels
    p = np.random.default_rng(1).uniform(size=len(many)) ** (1 / 4)
    assert audit_p_values(many.with_scores(-np.log10(p))).verdict == "too large"


def test_p_values_that_know_the_shape_are_too_small_for_look_alikes():
    p = uniform(2)
    p[DESIGN.labels.look_alike] **= 6
    found = audit_p_values(table_of(p)).rates[0]
    assert found.look_alike.estimate > 2 * 0.05
    assert found.look_alike.estimate > found.observed.estimate


def test_the_level_itself_counts_as_rejected():
    audit = audit_p_values(table_of(np.full(len(DESIGN.labels), 0.05)), levels=(0.05,))
    assert audit.rates[0].observed.estimate == pytest.approx(1.0)


def test_qq_points_lie_on_the_diagonal_for_uniform_quantiles():
    p = uniform(0)
    rows = DESIGN.labels.independent
    p[rows] = (np.argsort(np.argsort(p[rows])) + 0.5) / rows.sum()
    audit = audit_p_values(table_of(p))
    assert audit.observed == pytest.approx(audit.expected)
    assert len(audit.expected) <= 200
    assert (np.diff(audit.expected) >= 0).all()


def test_a_p_value_of_zero_is_seen():
    p = uniform(0)
    p[np.flatnonzero(DESIGN.labels.independent)[0]] = 0.0
    assert audit_p_values(table_of(p)).observed[-1] == math.inf


def test_another_way_from_score_to_p():
    p = uniform(4)
    audit = audit_p_values(DESIGN.labels.with_scores(1 - p), lambda score: 1 - score)
    assert audit.verdict == "uniform"
    assert audit.rates[0].observed.estimate == pytest.approx(np.mean(p[DESIGN.labels.independent] <= 0.05))


def test_what_is_no_p_value_is_refused_by_name():
    audit = audit_p_values(DESIGN.labels.with_scores(np.full(len(DESIGN.labels), -0.3)))
    assert audit.verdict == "cannot say"
    assert "m00000" in audit.reason
    empty = ScoreTable(DESIGN.labels.frame[DESIGN.labels.derived])
    assert audit_p_values(empty).reason == "no independent pair has a score"


def test_a_claim_states_nothing_by_default():
    claim = Claim()
    assert (claim.threshold, claim.auc, claim.p_values) == (None, None, False)
