"""Two metrics on the same pairs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from analysis.discrimination.auc import auc
from analysis.discrimination.comparison import METHOD, Comparison, compare_all, compare_metrics, holm
from analysis.discrimination.intervals import difference_interval, difference_p_value
from analysis.discrimination.wins import Wins
from analysis.results import Interval
from analysis.table import ScoreTable
from studies.simulation.designs import Design

DESIGN = Design("compared", (4,) * 20, n_cells=2, shape="hub", separation=1.5)


def draw(rng: np.random.Generator, metric: str, design: Design = DESIGN) -> ScoreTable:
    return ScoreTable(design.labels.frame.assign(score=design.scores(rng), metric=metric))


def test_the_difference_is_that_of_the_two_aucs() -> None:
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


@pytest.mark.thorough
def test_a_better_metric_is_found_and_an_equal_one_is_not() -> None:
    rng = np.random.default_rng(1)
    better = replace(DESIGN, separation=4.0)
    n, found, false = 60, 0, 0
    for _ in range(n):
        one, two, best = draw(rng, "one"), draw(rng, "two"), draw(rng, "best", better)
        false += compare_metrics(one, two).p_value <= 0.05
        found += compare_metrics(best, one).difference.low > 0
    assert binomtest(false, n, 0.05, alternative="greater").pvalue > 0.01
    assert found / n > 0.65


def test_only_pairs_that_both_scored_count() -> None:
    rng = np.random.default_rng(2)
    one, two = draw(rng, "one"), draw(rng, "two")
    lost = rng.random(len(two)) < 0.3
    two = ScoreTable(two.frame.assign(status=np.where(lost, "abstained", "ok")))
    both = ScoreTable(one.frame[~lost])
    assert compare_metrics(one, two).auc_a == pytest.approx(auc(both, "look-alike").estimate)
    shorter = ScoreTable(two.frame[~lost])
    assert compare_metrics(one, shorter).difference == compare_metrics(one, two).difference


def test_a_metric_against_itself_is_no_difference() -> None:
    rng = np.random.default_rng(3)
    one = draw(rng, "one")
    same = ScoreTable(one.frame.assign(metric="same", score=np.exp(one.score)))
    found = compare_metrics(one, same)
    assert found.difference.estimate == 0
    assert found.difference.low < 0 < found.difference.high
    assert found.p_value == 1.0


def test_nothing_in_common_is_said() -> None:
    rng = np.random.default_rng(4)
    one = draw(rng, "one")
    two = ScoreTable(one.frame.assign(metric="two", status="failed"))
    found = compare_metrics(one, two)
    assert "both metrics scored" in found.reason
    assert math.isnan(found.p_value)
    assert not found.difference.defined


def test_holm_over_the_family() -> None:
    rng = np.random.default_rng(5)
    tables = [draw(rng, f"m{i}", replace(DESIGN, separation=1.0 + i)) for i in range(4)]
    tables.append(ScoreTable(tables[0].frame.assign(metric="silent", status="abstained")))
    found = compare_all(tables)
    assert len(found) == 10
    tested = sorted((one for one in found if not math.isnan(one.p_value)), key=lambda one: one.p_value)
    assert len(tested) == 6
    worst = 0.0
    for rank, one in enumerate(tested):
        worst = max(worst, min(1.0, one.p_value * (12 - rank) / 2))
        assert one.adjusted_p_value == pytest.approx(worst)


def test_a_metric_in_focus_is_corrected_for_its_own_comparisons_only() -> None:
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
            worst = max(worst, min(1.0, one.p_value * (6 - rank) / 2))
            assert one.adjusted_p_value == pytest.approx(worst)
    for one in others:
        assert one.p_value == together[one.metric_a, one.metric_b].p_value
        assert one.adjusted_p_value <= together[one.metric_a, one.metric_b].adjusted_p_value
    before = [together[min(one.metric_a, one.metric_b), max(one.metric_a, one.metric_b)] for one in ours]
    assert any(one.adjusted_p_value < was.adjusted_p_value for one, was in zip(ours, before, strict=True))
    with pytest.raises(ValueError, match=r"focus must be .* not 'm9'"):
        compare_all(tables, focus="m9")


SMALL = Design("small", (3,) * 8, n_cells=2, separation=1.0)


@pytest.mark.parametrize("negatives", ["look-alike", "independent"])
def test_interval_and_p_value_come_from_the_folds_of_the_difference(negatives: str) -> None:
    rng = np.random.default_rng(11)
    one, two = draw(rng, "one", SMALL), draw(rng, "two", replace(SMALL, separation=1.5))
    wins = Wins.of(one, negatives), Wins.of(two, negatives)
    folds = wins[0].jackknife() - wins[1].jackknife()
    estimate = wins[0].estimate - wins[1].estimate
    expected = difference_interval(
        estimate,
        folds,
        0.9,
        METHOD,
        units=min(wins[0].units, wins[1].units),
        n_pairs=wins[0].n_positive + wins[0].n_negative,
        n_models=24,
        n_lineages=8,
    )
    found = compare_metrics(one, two, negatives, 0.9)
    assert found.difference == expected
    assert found.p_value == difference_p_value(estimate, folds, min(wins[0].units, wins[1].units))
    assert (found.metric_a, found.metric_b, found.negatives, found.reason) == ("one", "two", negatives, "")
    default = compare_metrics(one, two)
    assert (default.negatives, default.difference.level) == ("look-alike", 0.95)
    both = compare_all([one, two], negatives, 0.9)
    assert both == (found,)
    (by_default,) = compare_all([one, two])
    assert by_default == default


def test_pairs_are_matched_by_name_in_any_order() -> None:
    rng = np.random.default_rng(12)
    one, two = draw(rng, "one", SMALL), draw(rng, "two", SMALL)
    shuffled = ScoreTable(two.frame.sample(frac=1, random_state=1))
    assert compare_metrics(one, shuffled) == compare_metrics(one, two)
    kept = two.frame["model_a"].to_numpy() != two.frame["model_a"].iloc[-1]
    fewer = ScoreTable(two.frame[kept].iloc[::-1])
    expected = compare_metrics(ScoreTable(one.frame[kept]), ScoreTable(two.frame[kept]))
    found = compare_metrics(one, fewer)
    assert (found.auc_a, found.auc_b) == pytest.approx((expected.auc_a, expected.auc_b), rel=1e-12)
    assert (
        found.difference.n_pairs == expected.difference.n_pairs < compare_metrics(one, two).difference.n_pairs
    )
    empty = compare_metrics(one, ScoreTable(two.frame[:0]))
    assert not empty.difference.defined


def test_as_many_pairs_need_not_be_the_same_pairs() -> None:
    rng = np.random.default_rng(12)
    one, two = draw(rng, "one", SMALL), draw(rng, "two", SMALL)
    found = compare_metrics(ScoreTable(one.frame[5:]), ScoreTable(two.frame[:-5]))
    expected = compare_metrics(ScoreTable(one.frame[5:-5]), ScoreTable(two.frame[5:-5]))
    assert (found.auc_a, found.auc_b) == pytest.approx((expected.auc_a, expected.auc_b), rel=1e-12)
    assert found.difference.n_pairs == expected.difference.n_pairs


def test_pairs_of_other_models_are_not_the_same_pairs_however_alike() -> None:
    one, two = (draw(np.random.default_rng(seed), f"m{seed}", SMALL) for seed in (1, 2))
    named = {f"model_{end}": "x" + two.frame[f"model_{end}"] for end in "ab"}
    found = compare_metrics(one, ScoreTable(two.frame.assign(**named)))
    assert "no derived pair" in found.reason


def test_nothing_in_common_is_nothing_anywhere() -> None:
    one = draw(np.random.default_rng(4), "one", SMALL)
    for relation in ("derived", "independent"):
        status = np.where(one.relation == relation, "failed", "ok")
        found = compare_metrics(one, ScoreTable(one.frame.assign(metric="two", status=status)), level=0.9)
        reason = "no derived pair and look-alike pair that both metrics scored can be compared"
        assert found.reason == found.difference.reason == reason
        assert (found.metric_a, found.metric_b, found.negatives) == ("one", "two", "look-alike")
        assert (found.difference.level, found.difference.method) == (0.9, METHOD)
        values = (found.auc_a, found.auc_b, found.p_value, found.adjusted_p_value)
        assert all(math.isnan(value) for value in values)
        assert str(found) == f"one less two: undefined ({reason})"


def test_all_right_against_all_wrong_is_as_sure_as_its_lineages_allow() -> None:
    """No lineage differs: one more, a quarter the other way, could weigh four times what eight do."""
    labels = SMALL.labels
    right = ScoreTable(labels.frame.assign(score=labels.derived * 1.0, metric="right"))
    wrong = ScoreTable(labels.frame.assign(score=labels.derived * -1.0, metric="wrong"))
    found = compare_metrics(right, wrong)
    assert (found.auc_a, found.auc_b, found.difference.estimate) == (1, 0, 1)
    # P(E₀/4 > E₁ + … + E₈) = (1/5)⁸, to the accuracy of the approximation so far out.
    assert found.p_value == pytest.approx(2 / 5**8, rel=0.3)
    assert 0.4 < found.difference.low < 0.6
    assert found.difference.high == 1


def test_one_lineage_of_derived_pairs_bears_no_comparison() -> None:
    frame = pd.DataFrame(
        [("a", "b", 0.9, "derived"), ("a", "c", 0.8, "independent"), ("b", "d", 0.7, "independent")],
        columns=["model_a", "model_b", "score", "relation"],
    )
    one, two = ScoreTable(frame.assign(metric="one")), ScoreTable(frame.assign(metric="two"))
    found = compare_metrics(one, two, "independent")
    assert found.reason == found.difference.reason == "all comparisons depend on one lineage"
    assert (found.auc_a, found.auc_b) == (1, 1)
    assert math.isnan(found.p_value)


def made_up(p: float) -> Comparison:
    interval = Interval(0.1234, 0.05, 0.2, 0.95, "made up")
    return Comparison("a", "b", "look-alike", 0.75, 0.625, interval, p, p)


def test_a_comparison_reads_as_a_sentence() -> None:
    assert str(replace(made_up(0.01), adjusted_p_value=0.02)) == (
        "a less b: 0.1234 [0.05, 0.2] (AUC 0.75 and 0.625 against look-alike pairs; p 0.01, adjusted 0.02)"
    )


def test_holm_by_hand() -> None:
    family = [made_up(p) for p in (0.03, math.nan, 0.01, 0.04, 0.9)]
    adjusted = [one.adjusted_p_value for one in holm(family)]
    assert adjusted == pytest.approx([0.105, math.nan, 0.04, 0.12, 1.0], nan_ok=True)
    assert [one.p_value for one in holm(family)] == pytest.approx(
        [0.03, math.nan, 0.01, 0.04, 0.9], nan_ok=True
    )
    assert holm([]) == ()
    with pytest.raises(ValueError, match=r"^family\[1\] must be a Comparison"):
        holm([made_up(0.5), 0.5])  # type: ignore[list-item]
    silent = holm([made_up(math.nan)])
    assert math.isnan(silent[0].adjusted_p_value)


def test_the_focus_comes_first_and_is_a_family_of_its_own() -> None:
    rng = np.random.default_rng(13)
    tables = [draw(rng, name, replace(SMALL, separation=0.5 + i)) for i, name in enumerate("xyz")]
    found = compare_all(tables, focus="z")
    assert [(one.metric_a, one.metric_b) for one in found] == [("z", "x"), ("z", "y"), ("x", "y")]
    assert found[2].adjusted_p_value == found[2].p_value
    smallest = min(found[:2], key=lambda one: one.p_value)
    assert smallest.adjusted_p_value == pytest.approx(min(1.0, 2 * smallest.p_value))
    plain = compare_all(tables)
    assert [(one.metric_a, one.metric_b) for one in plain] == [("x", "y"), ("x", "z"), ("y", "z")]


@pytest.mark.parametrize("sizes", [(3,) * 8, (1, 2, 9, 3, 3, 5), (2, 2)])
def test_comparisons_made_together_are_to_the_bit_as_alone(sizes: tuple[int, ...]) -> None:
    """Also of metrics that abstain elsewhere, of other pairs, of another order and under other labels."""
    rng, design = np.random.default_rng(7), Design("together", sizes, n_cells=2, separation=1.5)
    frames = [design.labels.frame.assign(score=design.scores(rng), metric=f"m{k}") for k in range(7)]
    for k in (1, 2):
        frames[k]["status"] = np.where(rng.random(len(frames[k])) < 0.2, "abstained", "ok")
    frames[3] = frames[3].sample(frac=0.7, random_state=1)
    frames[4]["architecture_a"] = frames[4]["architecture_b"] = "one"
    frames[5]["score"] = 1.0
    tables = [ScoreTable(frame) for frame in frames]
    for negatives in ("look-alike", "independent"):
        found = iter(compare_all(tables, negatives))
        for place, one in enumerate(tables):
            for two in tables[place + 1 :]:
                alone = compare_metrics(one, two, negatives)
                together = replace(next(found), adjusted_p_value=alone.adjusted_p_value)
                assert repr(together) == repr(alone)
