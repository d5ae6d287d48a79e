"""Evidence: calibrated on data that is known, bounded, and honest when something is wrong with the data."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import norm

from analysis.evidence.likelihood_ratio import calibrate_evidence, evidence_pairs, no_evidence
from analysis.evidence.out_of_lineage import OutOfLineage
from analysis.evidence.quality import cllr, cllr_min, empirical_bounds
from analysis.table import ScoreTable
from studies.simulation.designs import Design
from studies.simulation.gallery import GALLERY, page, sample

N = 4_000
CASES = {case.name: case for case in GALLERY}
BROKEN = ("biased towards descent", "biased towards independence", "overstated", "understated")


def gallery(name: str) -> tuple[np.ndarray, np.ndarray]:
    return sample(CASES[name], N)


def test_saying_nothing_costs_one_bit():
    log10_lr, positive = gallery("neutral")
    assert cllr(log10_lr, positive) == pytest.approx(1.0, abs=1e-12)
    assert cllr_min(log10_lr, positive) == pytest.approx(1.0, abs=1e-12)


def test_a_perfect_answer_costs_nothing_and_a_misleading_one_everything():
    positive = np.array([True, True, False, False])
    certain = np.where(positive, math.inf, -math.inf)
    assert cllr(certain, positive) == 0.0
    assert cllr(-certain, positive) == math.inf
    assert cllr_min(certain, positive) == 0.0


def test_worked_value():
    # One derived pair with LR 2 and one independent pair with LR 1/2: both cost log2(1.5).
    assert cllr(np.log10([2.0, 0.5]), np.array([True, False])) == pytest.approx(math.log2(1.5))


def test_the_true_likelihood_ratio_is_calibrated():
    log10_lr, positive = gallery("well calibrated")
    loss = cllr(log10_lr, positive) - cllr_min(log10_lr, positive)
    assert 0 <= loss < 0.02


@pytest.mark.parametrize("name", BROKEN)
def test_the_gallery_shows_what_is_broken(name):
    good, positive = gallery("well calibrated")
    broken, _ = gallery(name)
    assert cllr_min(broken, positive) == pytest.approx(cllr_min(good, positive), abs=1e-12)
    assert cllr(broken, positive) - cllr_min(broken, positive) > 0.04


def test_weights_stand_for_repeated_pairs():
    log10_lr = np.array([0.5, 1.0, -0.3, 0.2])
    positive = np.array([True, True, False, False])
    repeated = np.repeat(np.arange(4), [3, 1, 2, 1])
    weighted = cllr(log10_lr, positive, np.array([3, 1, 2, 1]))
    assert weighted == pytest.approx(cllr(log10_lr[repeated], positive[repeated]))
    weighted = cllr_min(log10_lr, positive, np.array([3, 1, 2, 1]))
    assert weighted == pytest.approx(cllr_min(log10_lr[repeated], positive[repeated]))


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="both classes"):
        cllr(np.zeros(3), np.ones(3, dtype=bool))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_cllr_min_is_unchanged_by_monotone_maps_and_never_above(seed):
    rng = np.random.default_rng(seed)
    positive = rng.random(60) < 0.4
    positive[:2] = True, False
    score = np.round(rng.normal(0, 1, 60) + positive, 1)
    least = cllr_min(score, positive)
    for mapped in (score**3, np.exp(score), 5 * score - 2):
        assert cllr_min(mapped, positive) == pytest.approx(least, abs=1e-12)
        assert cllr(mapped, positive) >= least - 1e-12


def drawn(seed: int = 0, **changes: float) -> ScoreTable:
    design = Design("evidence", (4,) * 24, **({"separation": 2.5} | changes))
    return design.draw(np.random.default_rng(seed))


def test_costs_add_up():
    evidence = calibrate_evidence(drawn())
    assert evidence.cllr == pytest.approx(evidence.cllr_min + evidence.cllr_cal, abs=1e-12)
    assert 0 < evidence.cllr_min < evidence.cllr < 1


@pytest.mark.thorough
def test_the_fitted_evidence_is_the_true_likelihood_ratio():
    effects = {"lineage_sd": 0.2, "model_sd": 0.2, "lineage_pair_sd": 0.2, "pair_sd": 0.8}
    design = Design("true", (4,) * 24, separation=2.5, **effects)
    scores = np.array([0.8, 1.2, 1.6])
    true = (
        norm.logpdf(scores, 2.5, design.derived_sd) - norm.logpdf(scores, 0.0, design.independent_sd)
    ) / math.log(10)
    fitted, costs = [], []
    for seed in range(10):
        evidence = calibrate_evidence(design.draw(np.random.default_rng(seed)))
        fitted.append(evidence.log10_lr(scores))
        costs.append(evidence.cllr_cal)
    assert np.mean(fitted, axis=0) == pytest.approx(true, abs=0.15)
    assert np.mean(costs) < 0.12


@pytest.mark.parametrize("separation", [0.0, 1.0, 3.0, 20.0])
def test_no_evidence_beyond_the_number_of_lineages(separation):
    table = drawn(separation=separation)
    evidence = calibrate_evidence(table)
    scores = np.array([-np.inf, -1e9, 0.0, 2.0, 1e9, np.inf])
    for method in ("logistic", "isotonic"):
        weighed = evidence.log10_lr(scores, method)
        assert (np.diff(weighed) >= 0).all()
        assert np.abs(weighed).max() <= evidence.max_abs_log10_lr <= math.log10(24)
        assert weighed.min() >= evidence.lower
        assert weighed.max() <= evidence.upper
    assert np.isnan(evidence.log10_lr(np.nan))


def test_a_score_without_information_gives_no_evidence():
    evidence = calibrate_evidence(drawn(separation=0.0, seed=3))
    assert evidence.cllr == pytest.approx(1.0, abs=0.05)
    assert evidence.max_abs_log10_lr < 0.3


def test_constant_and_infinite_scores_are_defined():
    table = drawn()
    constant = calibrate_evidence(table.with_scores(np.full(len(table), 3.0)))
    assert constant.cllr == pytest.approx(1.0)
    assert constant.log10_lr(3.0) == 0.0
    certain = calibrate_evidence(table.with_scores(np.where(table.derived, np.inf, -np.inf)))
    assert certain.cllr_min == pytest.approx(0.0, abs=1e-12)
    assert 0 < certain.cllr < 0.25
    mixed = calibrate_evidence(table.with_scores(np.where(table.score > 2, np.inf, table.score)))
    assert mixed.log10_lr(np.inf) == pytest.approx(mixed.upper)


@pytest.mark.parametrize(
    ("keep", "words"),
    [
        (lambda t: t.independent, "no derived pair"),
        (lambda t: t.derived, "no look-alike pair"),
        (lambda t: (t.lineage_a < 2) & (t.lineage_b < 2), "3 of 4"),
    ],
)
def test_too_little_data_is_refused_with_the_reason(keep, words):
    table = drawn()
    evidence = calibrate_evidence(ScoreTable(table.frame[keep(table)]))
    assert words in evidence.reason
    assert math.isnan(evidence.cllr)
    assert np.isnan(evidence.log10_lr([1.0, 2.0])).all()


def test_monotone_maps_leave_the_evidence_alone():
    table = drawn()
    before, after = calibrate_evidence(table), calibrate_evidence(table.with_scores(np.exp(table.score)))
    for name in ("cllr", "cllr_min", "cllr_isotonic", "max_abs_log10_lr"):
        assert getattr(after, name) == pytest.approx(getattr(before, name), abs=2e-3)
    assert after.log10_lr(np.exp(1.0)) == pytest.approx(before.log10_lr(1.0), abs=0.01)


def test_a_large_family_weighs_as_much_as_a_small_one():
    """Repeating the pairs of one lineage many times over must not move the others' evidence much."""
    design = Design("one large", (40, *(4,) * 20), separation=2.0)
    table = design.draw(np.random.default_rng(1))
    large = table.derived & (table.lineage_a == 0)
    shifted = calibrate_evidence(table.with_scores(table.score - 4.0 * large))
    # 780 of 900 derived pairs now look independent, but they are one lineage of 21.
    assert shifted.log10_lr(2.5) > 0.3


def test_empirical_bounds_grow_with_the_data():
    bounds = []
    for n in (10, 100, 1_000):
        positive = np.arange(2 * n) < n
        certain = np.where(positive, 5.0, -5.0)
        bounds.append(empirical_bounds(certain, positive, np.ones(2 * n), n, n))
    for (low, high), n in zip(bounds, (10, 100, 1_000), strict=True):
        # One misleading value among n + 1 lets an LR of n through, and no larger one.
        assert high == pytest.approx(math.log10(n), abs=0.011)
        assert low == pytest.approx(-math.log10(n), abs=0.011)


def test_misleading_evidence_gets_no_room():
    log10_lr, positive = gallery("overstated")
    low, high = empirical_bounds(-log10_lr, positive, np.ones(len(positive)), N, N)
    assert (low, high) == (0.0, 0.0)


def test_tippett_and_ece_are_curves_of_the_held_out_values():
    table = drawn()
    evidence = calibrate_evidence(table)
    tippett, ece = evidence.tippett, evidence.ece
    for side in ("derived", "negative"):
        assert (np.diff(tippett[side]) <= 1e-12).all()
        assert tippett[side][0] == pytest.approx(1.0)
    even = np.flatnonzero(np.isclose(ece["log10_odds"], 0.0))[0]
    assert ece["logistic"][even] == pytest.approx(evidence.cllr, abs=1e-6)
    assert ece["pav"][even] == pytest.approx(evidence.cllr_min, abs=1e-3)
    assert ece["neutral"][even] == pytest.approx(1.0)
    assert (ece["pav"] <= ece["neutral"] + 1e-9).all()


def test_the_gallery_page_shows_every_case(tmp_path):
    page(tmp_path)
    text = (tmp_path / "evidence-gallery.md").read_text()
    for case in GALLERY:
        assert f"## {case.name.capitalize()}" in text
        assert (tmp_path / "figures" / f"evidence-{case.slug}.svg").read_text().count("<path") > 5
    assert "Cllr 1.000 = Cllr_min 1.000 + Cllr_cal 0.000" in text


@pytest.mark.parametrize("negatives", ["look-alike", "independent"])
def test_evidence_says_what_it_is_against_and_keeps_each_pair_before_and_within_its_bounds(negatives: str):
    of = Design("parts", (3,) * 8, n_cells=2, separation=1.5).draw(np.random.default_rng(6))
    found, pairs = calibrate_evidence(of, negatives), evidence_pairs(of, negatives)
    parts = OutOfLineage.of(pairs, pairs.fit())
    assert found.negatives == negatives
    np.testing.assert_array_equal(found.unbounded, parts.weighed)
    np.testing.assert_array_equal(found.held_out, parts.bounded)
    assert (found.unbounded != found.held_out).any()
    none = calibrate_evidence(ScoreTable(of.frame[of.derived]), negatives)
    assert (none.negatives, none.reason) == (negatives, f"no {negatives} pair has a score")


def test_other_relations_are_looked_for_by_their_name():
    """Evidence against a shared start rests on models that share one, whatever look-alikes there are."""
    of = Design("shared", (3,) * 8, separation=1.5).draw(np.random.default_rng(6))
    assert calibrate_evidence(of, "shared-init").reason == "no shared-init pair has a score"
    relation = np.where(of.independent, "shared-init", of.relation.astype(str))
    found = calibrate_evidence(ScoreTable(of.frame.assign(relation=relation)), "shared-init")
    assert found.reason == ""
    assert (found.n_derived, found.n_negative) == (of.derived.sum(), of.independent.sum())


def test_no_look_alikes_for_want_of_architectures_is_told_as_such():
    of = Design("unknown", (3,) * 8, separation=1.5).draw(np.random.default_rng(6))
    blind = ScoreTable(of.frame.assign(architecture_a=None, architecture_b=None))
    told = "no look-alike pair has a score: architectures are unknown"
    assert calibrate_evidence(blind).reason == told
    assert calibrate_evidence(blind, "shared-init").reason == "no shared-init pair has a score"
    known = ScoreTable(of.frame[of.derived])
    assert calibrate_evidence(known).reason == "no look-alike pair has a score"
    assert calibrate_evidence(ScoreTable(of.frame[of.independent])).reason == "no derived pair has a score"


def test_no_evidence_holds_no_pair():
    """Of an analysis that was not asked for it nothing was counted, and no pair has a ratio."""
    found = no_evidence("look-alike", "not asked for")
    assert (found.negatives, found.reason) == ("look-alike", "not asked for")
    assert (found.n_derived, found.n_negative, found.n_lineages) == (0, 0, 0)
    assert len(found.held_out) == len(found.unbounded) == 0
