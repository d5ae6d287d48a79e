"""Two metrics on the same pairs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from analysis.discrimination.auc import auc
from analysis.discrimination.comparison import compare_all, compare_metrics
from analysis.table import ScoreTable
from studies.simulation.designs import Design

DESIGN = Design("compared", (4,) * 20, n_cells=2, shape="hub", separation=1.5)


def draw(rng: np.random.Generator, metric: str, design: Design = DESIGN) -> ScoreTable:
    return ScoreTable(design.labels.frame.assign(score=design.scores(rng), metric=metric))


def test_the_difference_is_that_of_the_two_aucs():
    rng = np.random.default_rng(0)
    one, two = draw(rng, "one"), draw(rng, "two")
    for negatives in ("look-alike", "independent"):
        found = compare_metrics(one, two, negatives)
        assert found.auc_a == pytest.approx(auc(one, negatives).estimate)
        assert found.auc_b == pytest.approx(auc(two, negatives).estimate)
        assert found.difference.estimate == pytest.approx(found.auc_a - found.auc_b)
        back = compare_metrics(two, one, negatives)
        assert back.difference.estimate == pytest.approx(-found.difference.estimate)
        assert back.p_value == pytest.approx(found.p_value)
        assert found.adjusted_p_value == found.p_value


def test_a_better_metric_is_found_and_an_equal_one_is_not():
    rng = np.random.default_rng(1)
    better = replace(DESIGN, separation=4.0)
    n, found, false = 60, 0, 0
    for _ in range(n):
        one, two, best = draw(rng, "one"), draw(rng, "two"), draw(rng, "best", better)
        false += compare_metrics(one, two).p_value <= 0.05
        found += compare_metrics(best, one).difference.low > 0
    assert binomtest(false, n, 0.05, alternative="greater").pvalue > 0.01
    assert found / n > 0.8


def test_only_pairs_that_both_scored_count():
    rng = np.random.default_rng(2)
    one, two = draw(rng, "one"), draw(rng, "two")
    lost = rng.random(len(two)) < 0.3
    two = ScoreTable(two.frame.assign(status=np.where(lost, "abstained", "ok")))
    both = ScoreTable(one.frame[~lost])
    assert compare_metrics(one, two).auc_a == pytest.approx(auc(both, "look-alike").estimate)
    shorter = ScoreTable(two.frame[~lost])
    assert compare_metrics(one, shorter).difference == compare_metrics(one, two).difference


def test_a_metric_against_itself_is_no_difference():
    rng = np.random.default_rng(3)
    one = draw(rng, "one")
    same = ScoreTable(one.frame.assign(metric="same", score=np.exp(one.score)))
    found = compare_metrics(one, same)
    assert found.difference.estimate == 0
    assert found.difference.low < 0 < found.difference.high
    assert found.p_value == 1.0


def test_nothing_in_common_is_said():
    rng = np.random.default_rng(4)
    one = draw(rng, "one")
    two = ScoreTable(one.frame.assign(metric="two", status="failed"))
    found = compare_metrics(one, two)
    assert "both metrics scored" in found.reason
    assert math.isnan(found.p_value)
    assert not found.difference.defined


def test_holm_over_the_family():
    rng = np.random.default_rng(5)
    tables = [draw(rng, f"m{i}", replace(DESIGN, separation=1.0 + i)) for i in range(4)]
    tables.append(ScoreTable(tables[0].frame.assign(metric="silent", status="abstained")))
    found = compare_all(tables)
    assert len(found) == 10
    tested = sorted((one for one in found if not math.isnan(one.p_value)), key=lambda one: one.p_value)
    assert len(tested) == 6
    worst = 0.0
    for rank, one in enumerate(tested):
        worst = max(worst, min(1.0, one.p_value * (6 - rank)))
        assert one.adjusted_p_value == pytest.approx(worst)


def test_a_metric_in_focus_is_corrected_for_its_own_comparisons_only():
    rng = np.random.default_rng(5)
    tables = [draw(rng, f"m{i}", replace(DESIGN, separation=1.0 + i)) for i in range(4)]
    together = {(one.metric_a, one.metric_b): one for one in compare_all(tables)}
    found = compare_all(tables, focus="m2")
    assert len(found) == 6
    ours, others = found[:3], found[3:]
    assert [(one.metric_a, one.metric_b) for one in ours] == [("m2", "m0"), ("m2", "m1"), ("m2", "m3")]
    for family in (ours, others):
        worst = 0.0
        for rank, one in enumerate(sorted(family, key=lambda one: one.p_value)):
            worst = max(worst, min(1.0, one.p_value * (3 - rank)))
            assert one.adjusted_p_value == pytest.approx(worst)
    for one in others:
        assert one.p_value == together[one.metric_a, one.metric_b].p_value
        assert one.adjusted_p_value <= together[one.metric_a, one.metric_b].adjusted_p_value
    before = [together[min(one.metric_a, one.metric_b), max(one.metric_a, one.metric_b)] for one in ours]
    assert any(one.adjusted_p_value < was.adjusted_p_value for one, was in zip(ours, before, strict=True))
    with pytest.raises(ValueError, match=r"focus must be .* not 'm9'"):
        compare_all(tables, focus="m9")
