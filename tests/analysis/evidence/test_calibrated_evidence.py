"""Every field of a metric's evidence is what its parts say, and its map weighs by them."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest

from analysis.evidence.likelihood_ratio import Evidence, calibrate_evidence, evidence_pairs
from analysis.evidence.logistic_fit import LogisticFit
from analysis.evidence.out_of_lineage import OutOfLineage
from analysis.evidence.quality import cllr, entropy_curves, tippett_curves
from analysis.evidence.score_map import ScoreMap
from analysis.table import ScoreTable
from analysis.validation import BadArgument
from studies.simulation.designs import Design

SIZES = (2, 3, 5, 4, 3, 2, 4)


@pytest.fixture(scope="module")
def table() -> ScoreTable:
    return Design("unequal", SIZES, separation=2.0).draw(np.random.default_rng(4))


@pytest.fixture(scope="module")
def by_hand() -> Evidence:
    """Evidence whose maps are a straight line and a step."""
    line = ScoreMap(np.array([-10.0, 10.0]), np.array([-10.0, 10.0]))
    step = ScoreMap(np.array([0.0, 1.0]), np.array([-9.0, 9.0]))
    return Evidence(
        "independent", 0.51234, 0.31, 0.20234, 0.6, -0.5, 1.25, 1.25, 1234, 56789, 1011, "", {}, {},
        np.empty(0), np.empty(0), LogisticFit((line,), 0.0, np.array([math.log(10)])), step,
    )  # fmt: skip


def test_every_field_is_what_its_part_says(table: ScoreTable) -> None:
    evidence = calibrate_evidence(table)
    pairs = evidence_pairs(table)
    fit = pairs.fit()
    found = OutOfLineage.of(pairs, fit)
    for name in ("cllr", "cllr_min", "lower", "upper"):
        assert getattr(evidence, name) == getattr(found, name)
    assert evidence.lower < 0 < evidence.upper
    assert evidence.cllr_cal == found.cllr - found.cllr_min
    bounded = np.clip(pairs.held_out_isotonic(), found.lower, found.upper)
    assert evidence.cllr_isotonic == cllr(bounded, pairs.derived, pairs.weight)
    assert evidence.max_abs_log10_lr == max(-found.lower, found.upper)
    assert evidence.n_derived == sum(n * (n - 1) // 2 for n in SIZES) == int(table.derived.sum())
    assert evidence.n_negative == int(table.independent.sum())
    assert evidence.n_lineages == len(SIZES)
    assert evidence.reason == ""
    np.testing.assert_array_equal(evidence.held_out, found.bounded)
    assert evidence.logistic == fit
    assert evidence.isotonic == pairs.isotonic()
    curves = tippett_curves(found.bounded, pairs.derived, pairs.weight)
    assert evidence.tippett.keys() == curves.keys()
    for name, curve in curves.items():
        np.testing.assert_array_equal(evidence.tippett[name], curve)
    curves = entropy_curves(found.bounded, pairs.scores[:, 0], pairs.derived, pairs.weight)
    assert evidence.ece.keys() == curves.keys()
    for name, curve in curves.items():
        np.testing.assert_array_equal(evidence.ece[name], curve)


def test_the_larger_bound_is_the_largest_evidence(table: ScoreTable) -> None:
    """Also where it is the lower one: scores that tell strangers from kin, but not kin from strangers."""
    rng = np.random.default_rng(0)
    high = np.where(table.derived, 1.0, (rng.random(len(table)) < 0.45).astype(float))
    evidence = calibrate_evidence(table.with_scores(high))
    assert evidence.max_abs_log10_lr == -evidence.lower > evidence.upper > 0


def test_scores_that_mislead_are_no_evidence_either_way(table: ScoreTable) -> None:
    evidence = calibrate_evidence(table.with_scores(-table.score))
    assert "; log10 LR from 0 to 0; " in str(evidence)
    ends = [evidence.lower, evidence.upper, evidence.max_abs_log10_lr]
    assert [math.copysign(1.0, end) for end in ends] == [1.0, 1.0, 1.0]
    assert evidence.log10_lr([-9.0, 9.0]).tolist() == [0.0, 0.0]


def test_scores_of_any_shape_are_weighed_within_the_bounds(by_hand: Evidence) -> None:
    scores = np.array([[-7.0, -0.25, 0.0], [0.75, 3.0, math.nan]])
    np.testing.assert_allclose(by_hand.log10_lr(scores), [[-0.5, -0.25, 0.0], [0.75, 1.25, math.nan]])
    np.testing.assert_array_equal(by_hand.log10_lr(scores, "logistic"), by_hand.log10_lr(scores))
    np.testing.assert_allclose(
        by_hand.log10_lr([0.49, 0.5, 0.52, 0.9], "isotonic"), [-0.18, 0.0, 0.36, 1.25], atol=1e-12
    )
    assert by_hand.log10_lr(0.75).shape == ()


def test_without_either_fit_nothing_is_weighed(by_hand: Evidence) -> None:
    for part in (replace(by_hand, logistic=None), replace(by_hand, isotonic=None)):
        for found in (part.log10_lr([[1.0, 2.0]]), part.log10_lr([[1.0, 2.0]], "isotonic")):
            assert found.shape == (1, 2)
            assert np.isnan(found).all()


def test_bad_scores_are_refused_by_name(by_hand: Evidence) -> None:
    with pytest.raises(BadArgument, match=r"^scores must be an array of numbers"):
        by_hand.log10_lr(["a"])
    with pytest.raises(BadArgument, match=r"^method must be"):
        by_hand.log10_lr([1.0], "probit")  # type: ignore[arg-type]


def test_it_says_what_it_is(by_hand: Evidence) -> None:
    assert str(by_hand) == (
        "Cllr 0.5123 (min 0.31, cal 0.2023); log10 LR from -0.5 to 1.25; 1,234 derived and 56,789 independent"
        " pairs of 1,011 lineages"
    )
    assert by_hand._cell() == "Cllr 0.5123"
    assert str(replace(by_hand, reason="too few")) == "no evidence (too few)"


@pytest.mark.parametrize("side", ["derived", "independent", "few"])
def test_no_evidence_is_not_a_number_with_its_counts(table: ScoreTable, side: str) -> None:
    few = (table.lineage_a < 3) & (table.lineage_b < 3)
    keep = {"derived": table.independent, "independent": table.derived, "few": few}[side]
    some = ScoreTable(table.frame[keep])
    evidence = calibrate_evidence(some, "independent")
    for item in fields(evidence)[1:8]:
        assert math.isnan(getattr(evidence, item.name))
    assert evidence.n_derived == int(some.derived.sum())
    assert evidence.n_negative == int(some.independent.sum())
    assert evidence.n_lineages == (3 if side == "few" else len(SIZES))
    expected = (
        "3 lineages with derived pairs, of 3 in all: leave-one-out needs at least 3 of 4"
        if side == "few"
        else f"no {side} pair has a score"
    )
    assert evidence.reason == expected
    assert evidence.tippett == evidence.ece == {}
    assert evidence.held_out.shape == (0,)
    assert evidence.logistic is None
    assert evidence.isotonic is None
