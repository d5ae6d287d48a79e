"""The one rule from folds to an interval: what it promises for any folds."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import binomtest

from analysis.discrimination.auc import auc_interval
from analysis.discrimination.intervals import (
    AREA,
    FALSE_POSITIVES,
    TRUE_POSITIVES,
    Share,
    ShareOfLineages,
    clopper_pearson,
    degrees_of_freedom,
    difference_interval,
    difference_p_value,
    effective_number,
    intervals_at_once,
    jackknife_variance,
    lineage_interval,
    lineage_intervals,
    pseudo_values,
    unseen_bound,
)
from analysis.discrimination.random_weights import weighted_mean_quantile
from analysis.discrimination.wins import Wins
from analysis.results import Interval
from analysis.thresholds.rates import rate
from studies.simulation.designs import Design

SHARE = st.floats(0, 1)
VALUES = st.lists(st.floats(0, 1), min_size=2, max_size=30)
KINDS = [AREA, TRUE_POSITIVES, FALSE_POSITIVES]


def interval(values: list[float], kind: Share = AREA, **options: float) -> Interval:
    """Of the mean of some lineages' values, by its jackknife folds."""
    v = np.array(values)
    n = len(v)
    folds = (v.sum() - v) / (n - 1)
    settings = {"units": float(n), "level": 0.95, "n_lineages": n} | options
    return lineage_interval(float(v.mean()), folds, kind=kind, method="any", **settings)  # type: ignore[arg-type]


@pytest.mark.thorough
@pytest.mark.parametrize("kind", KINDS)
@given(values=VALUES, short=st.floats(1, 4))
def test_an_interval_holds_its_estimate_and_mirrors(kind: Share, values: list[float], short: float) -> None:
    found = interval(values, kind, units=len(values) / short)
    assert 0 <= found.low <= found.estimate <= found.high <= 1
    assert found.low < found.high
    if kind == FALSE_POSITIVES:  # Its two ends are about different things.
        return
    other = interval([1 - value for value in values], kind, units=len(values) / short)
    assert (other.low, other.high) == pytest.approx((1 - found.high, 1 - found.low), abs=1e-5)


@given(values=VALUES)
def test_pseudo_values_of_a_mean_are_its_values(values: list[float]) -> None:
    v = np.array(values)
    folds = (v.sum() - v) / (len(v) - 1)
    assert pseudo_values(float(v.mean()), folds) == pytest.approx(v, abs=1e-9)


@pytest.mark.parametrize("kind", [AREA, TRUE_POSITIVES])
@given(values=VALUES, data=st.data())
def test_a_worse_lineage_raises_no_end_and_nothing_is_surer_than_a_perfect_table(
    kind: Share, values: list[float], data: st.DataObject
) -> None:
    before = interval(values, kind)
    place = data.draw(st.integers(0, len(values) - 1))
    worse = [*values]
    worse[place] = data.draw(st.floats(0, values[place]))
    after = interval(worse, kind)
    assert after.low <= before.low + 1e-6
    assert after.high <= before.high + 1e-6
    assert after.unseen <= before.unseen + 1e-12
    if after.estimate >= 0.5:
        perfect = interval([1.0] * len(values), kind)
        assert after.low <= perfect.low + 1e-6
        assert after.high - after.low >= (perfect.high - perfect.low) * (1 - 1e-3)


def test_worse_pairs_of_a_perfect_table_widen_it_step_by_step() -> None:
    """Thirty lineages of four: fifteen derived pairs fall below 25 strangers, one after the other."""
    table = Design("", (4,) * 30, separation=12.0).draw(np.random.default_rng(2))
    score = table.score.copy()
    derived = np.flatnonzero(table.derived)[::12]
    ranked = np.sort(score[table.independent])
    found = [auc_interval(Wins.of(table))]
    assert found[0].estimate == 1
    for row in derived:
        score[row] = ranked[-26]
        found.append(auc_interval(Wins.of(table.with_scores(score))))
    width = [one.high - one.low for one in found]
    assert found[-1].estimate > 0.999
    assert all(later > earlier for earlier, later in pairwise(width))
    assert all(b.low < a.low for a, b in pairwise(found))


@pytest.mark.parametrize(("units", "kind"), [(12.0, AREA), (36.0, TRUE_POSITIVES), (60.0, FALSE_POSITIVES)])
def test_a_perfect_table_is_known_as_well_as_its_lineages_allow(units: float, kind: Share) -> None:
    n = int(units)
    bad = 1 - 0.025 ** (1 / units)
    reach = kind.ends * kind.lost * bad
    assert 1 - interval([1.0] * n, kind).low == pytest.approx(reach, rel=0.01)
    # A pair of two lineages that give false positives is one false positive.
    above = 1 - (1 - bad) ** 2 if kind == FALSE_POSITIVES else reach
    assert interval([0.0] * n, kind).high == pytest.approx(above, rel=0.01)


def test_false_positives_of_one_lineage_go_with_it() -> None:
    """One hub of 40 lineages makes all false positives: without it there are none."""
    share = 1 - (39 / 40) ** 2
    folds = np.append(np.full(39, 1 - (38 / 39) ** 2), 0.0)
    found = lineage_interval(share, folds, kind=FALSE_POSITIVES, units=40.0, level=0.95, method="")
    assert found.low < 0.05 * share
    assert found.high < 1 - (1 - clopper_pearson(1 / 40, 40, 0.95)[1]) ** 2 + 0.01


def test_true_positives_of_no_miss_have_the_exact_binomial_bound() -> None:
    assert interval([1.0] * 59, TRUE_POSITIVES, level=0.9).low == pytest.approx(0.95, abs=1e-3)


def test_uneven_lineages_are_worth_fewer() -> None:
    even, uneven = interval([1.0] * 24, units=24.0), interval([1.0] * 24, units=6.0)
    assert 1 - uneven.low > 2.5 * (1 - even.low)


def test_a_stated_variance_takes_the_place_of_the_jackknifes() -> None:
    values = (0.7 + 0.1 * np.cos(np.arange(40))).tolist()
    own = jackknife_variance((sum(values) - np.array(values)) / 39)
    assert interval(values, variance=own).low == pytest.approx(interval(values).low, abs=1e-6)
    assert interval(values, variance=4 * own).low < interval(values).low - 0.01
    flat = interval([0.7] * 40, variance=0.01)
    assert flat == interval([0.7] * 40)


def test_shares_of_the_same_pairs_are_found_together() -> None:
    rng = np.random.default_rng(3)
    folds = np.vstack([rng.random((3, 9)), np.full(9, np.nan)])
    estimates = [*folds[:3].mean(axis=1).tolist(), 0.5]
    settings = {"kind": AREA, "units": 7.0, "level": 0.9, "method": "any", "n_lineages": 9}
    together = lineage_intervals(estimates, folds, **settings)  # type: ignore[arg-type]
    for found, estimate, own in zip(together, estimates, folds, strict=True):
        alone = lineage_interval(estimate, own, **settings)  # type: ignore[arg-type]
        assert (found.low, found.high) == pytest.approx((alone.low, alone.high), abs=1e-6)
        assert found.warnings == alone.warnings


def test_shares_of_unlike_numbers_of_lineages_are_found_together() -> None:
    """As a metric's by method, of which each has lineages of its own."""
    rng = np.random.default_rng(3)
    asked = [
        ShareOfLineages(0.9 - n / 100, 0.9 - n / 100 + rng.normal(0, 0.01, n), kind, n, 0.9, "made up")
        for n, kind in ((5, AREA), (12, TRUE_POSITIVES), (3, AREA))
    ]
    together = [(found.low, found.high) for found in intervals_at_once(asked)]
    apart = [(found.low, found.high) for one in asked for found in intervals_at_once([one])]
    assert together == [pytest.approx(ends, abs=1e-6) for ends in apart]


def test_an_interval_keeps_what_it_was_told() -> None:
    given_: dict[str, Any] = {"kind": AREA, "units": 9.0, "level": 0.8, "method": "mine"}
    counts = {"n_pairs": 7, "n_models": 5, "n_lineages": 9}
    folds = np.linspace(0.5, 0.9, 9)
    found = lineage_interval(0.7, folds, **given_, **counts, warnings=("look",))
    assert (found.estimate, found.level, found.method, found.warnings) == (0.7, 0.8, "mine", ("look",))
    assert (found.n_pairs, found.n_models, found.n_lineages) == (7, 5, 9)
    for bare in (
        lineage_interval(0.7, folds, **given_),
        *lineage_intervals([0.7], folds[None], **given_),
    ):
        assert (bare.n_pairs, bare.n_models, bare.n_lineages) == (0, 0, 0)
        assert bare.warnings == ("0 lineages: below 8 the coverage of this interval is not established",)
    # Estimates may be whole numbers.
    two = np.array([[0.0, 0.1, 0.05], [1.0, 0.9, 0.95]])
    assert lineage_intervals([0, 1], two, **given_) == lineage_intervals([0.0, 1.0], two, **given_)


def test_what_lineages_make_of_a_share_may_lie_outside_and_its_ends_do_not() -> None:
    assert interval([2.0, 2.0, -0.4, 0.0]).high == 1
    # As much as more than all can be lost where hubs are counted twice: then nothing is left.
    assert interval([2.5, 2.5, -1.0, -1.0], FALSE_POSITIVES).high == 1


def test_a_false_positive_of_two_bad_lineages_counts_once() -> None:
    values = 0.2 + 0.1 * np.sin(np.arange(20))
    share = float(values.mean())
    clean = float(weighted_mean_quantile(1 - values[None], [share - 1], 1.0, 0.025)[0])
    expected = 1 - (1 - share) * ((1 + clean / (1 - share)) / 2) ** 2
    assert interval(values.tolist(), FALSE_POSITIVES).high == pytest.approx(expected, abs=1e-6)


def test_a_kind_of_lineage_that_is_not_among_those_seen() -> None:
    """As frequent as stays unseen among 36 with probability 1/40: what it touches is lost."""
    hidden = 1 - 0.025 ** (1 / 36)
    assert unseen_bound(0.9, 36, 0.95, AREA) == pytest.approx(0.9 * (1 - hidden) ** 3)
    assert unseen_bound(0.9, 36, 0.95, TRUE_POSITIVES) == pytest.approx(0.9 * (1 - hidden))
    assert unseen_bound(0.02, 36, 0.95, FALSE_POSITIVES) == pytest.approx(1 - 0.98 * (1 - hidden) ** 2)
    assert interval([0.9] * 36).unseen == pytest.approx(0.9 * (1 - hidden) ** 3)
    assert interval([0.02] * 36, FALSE_POSITIVES).unseen >= interval([0.02] * 36, FALSE_POSITIVES).high


def test_what_a_reader_is_told() -> None:
    def told(values: list[float], **options: float) -> str:
        return "; ".join(interval(values, **options).warnings)

    even = (0.7 + 0.1 * np.cos(np.arange(12))).tolist()
    assert told(even) == ""
    assert "7 lineages: below 8" in told(even[:7])
    assert "equivalent to 2.5 equal ones" in told(even, units=2.5)
    assert told(even[:8]) == told(even, units=3.0) == ""
    assert (
        told([0.9] * 12)
        == "no lineage differs from another: the interval is what one more lineage could change"
    )
    assert told([1.0] * 11 + [0.1]) == "one lineage of 12 accounts for 92% of the variance"
    assert told([0.9] * 11 + [0.8]) == "one lineage of 12 accounts for 92% of the variance"
    assert told([0.9] * 7 + [0.8]) == "one lineage of 8 accounts for 88% of the variance"
    # Half of it is not most of it; all numbers are exact.
    assert told([0.5] * 7 + [0.25, 0.75]) == ""
    for folds in ([np.nan], [0.7]):
        alone = lineage_interval(0.7, folds, kind=AREA, units=1.0, level=0.95, method="any", n_lineages=1)
        assert alone.warnings[-1] == "all comparisons depend on one lineage: an exact bound instead"
        assert (alone.low, alone.high) == clopper_pearson(0.7, 0.5, 0.95)
    assert "one lineage carries" not in told([0.7, 0.8])


@pytest.mark.parametrize(("hits", "n", "level"), [(3, 10, 0.95), (9, 10, 0.9), (0, 7, 0.95), (7, 7, 0.99)])
def test_the_exact_interval_of_a_share_is_that_of_scipy(hits: int, n: int, level: float) -> None:
    expected = binomtest(hits, n).proportion_ci(level, "exact")
    assert clopper_pearson(hits / n, n, level) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_moments_of_folds_worked_by_hand() -> None:
    folds = np.array([0.5, 0.7, 0.9])
    assert jackknife_variance(folds) == pytest.approx(0.08 * 2 / 3)
    # Squares 0.04, 0, 0.04: their sum 0.08, their squares' sum 0.0032.
    assert degrees_of_freedom(folds) == pytest.approx(min(2.0, 2 * 0.08**2 / (0.0032 - 0.08**2 / 3)))
    # Squares seven times 1/64, and 49/64: their sum 7/8, their squares' sum 2408/4096.
    one_of_eight = np.array([0.0] * 7 + [1.0])
    assert degrees_of_freedom(one_of_eight) == pytest.approx(2 * 49 / 64 / (2408 / 4096 - 49 / 512))
    assert degrees_of_freedom(np.full(5, 0.3)) == 4
    assert effective_number([2, 2, 4]) == pytest.approx(64 / 24)
    assert effective_number([0.25, 0.25]) == 2
    assert effective_number(np.full(2, 100_000, dtype=np.int32)) == 2
    assert effective_number([0, 0]) == 0


def test_a_difference_is_a_mean_with_a_lineage_more_that_sets_the_two_apart() -> None:
    values = 0.1 + 0.05 * np.sin(np.arange(20))
    estimate = float(values.mean())
    folds = (values.sum() - values) / 19
    found = difference_interval(estimate, folds, 0.9, "any", units=20.0, n_pairs=9, n_models=5, n_lineages=20)
    low = float(weighted_mean_quantile(values[None], [estimate - 0.5], 1.0, 0.05)[0])
    high = -float(weighted_mean_quantile(-values[None], [-estimate - 0.5], 1.0, 0.05)[0])
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-6)
    assert (found.n_pairs, found.n_models, found.n_lineages) == (9, 5, 20)


@pytest.mark.parametrize(("mean", "further"), [(-0.9, -1.0), (0.1, -0.4), (0.8, -0.25)])
def test_the_metric_ahead_falls_behind_on_one_lineage_more(mean: float, further: float) -> None:
    values = mean + 0.05 * np.sin(np.arange(20))
    estimate = float(values.mean())
    folds = (values.sum() - values) / 19
    found = difference_interval(
        estimate, folds, 0.9, "mine", units=20.0, n_pairs=9, n_models=5, n_lineages=20
    )
    against = further + estimate - mean if further == -0.4 else further
    low = float(weighted_mean_quantile(values[None], [against], 1.0, 0.05)[0])
    assert found.low == pytest.approx(low, abs=1e-6)
    assert (found.estimate, found.level, found.method, found.warnings) == (estimate, 0.9, "mine", ())


def test_a_difference_is_at_most_one() -> None:
    values = np.array([-2.0, -2.0, -2.0, 0.4])
    folds = (values.sum() - values) / 3
    for sign in (1, -1):
        found = difference_interval(
            sign * -1.4, sign * folds, 0.95, "any", units=4.0, n_pairs=1, n_models=1, n_lineages=4
        )
        assert (found.low if sign > 0 else found.high) == -sign


def test_a_difference_of_two_lineages_has_ends() -> None:
    found = difference_interval(
        0.2, np.array([0.1, 0.3]), 0.95, "any", units=2.0, n_pairs=1, n_models=1, n_lineages=2
    )
    assert found.low < 0.2 < found.high
    assert found.reason == ""
    same = np.full(2, 0.2)
    told = difference_interval(
        0.2, same, 0.95, "any", units=2.0, n_pairs=1, n_models=1, n_lineages=2
    ).warnings
    assert told == ("no lineage differs from another: the interval is what one more lineage could change",)


@given(values=st.lists(st.floats(-1, 1), min_size=3, max_size=30), level=st.sampled_from([0.5, 0.9, 0.95]))
def test_a_p_value_and_an_interval_of_a_difference_agree(values: list[float], level: float) -> None:
    v = np.array(values)
    estimate = float(v.mean())
    folds = (v.sum() - v) / (len(v) - 1)
    found = difference_interval(
        estimate, folds, level, "any", units=float(len(v)), n_pairs=1, n_models=1, n_lineages=len(v)
    )
    p = difference_p_value(estimate, folds, float(len(v)))
    assert 0 <= p <= 1
    if found.low > 1e-4 or found.high < -1e-4:
        assert p <= 1 - level + 1e-3
    if found.low < -1e-4 and found.high > 1e-4:
        assert p >= 1 - level - 1e-3


def test_a_difference_without_variation_is_one_lineage_from_being_none() -> None:
    folds = np.full(12, 0.02)
    found = difference_interval(0.02, folds, 0.95, "any", units=12.0, n_pairs=1, n_models=1, n_lineages=12)
    hidden = 1 - 0.025 ** (1 / 12)
    expected = (0.02 - 0.5 * hidden, 0.02 + 0.5 * hidden)
    assert (found.low, found.high) == pytest.approx(expected, abs=3e-3)
    assert difference_p_value(0.02, folds, 12.0) > 0.05
    assert difference_p_value(0.0, np.zeros(12), 12.0) == 1


@pytest.mark.parametrize("folds", [np.array([0.2]), np.array([0.2, math.nan])])
def test_a_difference_that_one_lineage_carries_has_no_ends(folds: np.ndarray) -> None:
    found = difference_interval(0.2, folds, 0.9, "mine", units=1.0, n_pairs=3, n_models=5, n_lineages=2)
    assert (found.estimate, found.level, found.method) == (0.2, 0.9, "mine")
    assert (found.n_pairs, found.n_models, found.n_lineages) == (3, 5, 2)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert (found.reason, found.warnings) == ("all comparisons depend on one lineage", ())


@pytest.mark.parametrize("rare", ["silent", "hub"])
def test_rates_and_areas_cover_where_three_lineages_in_a_hundred_fail(rare: str) -> None:
    """An AUC's own interval for children that tell nothing; for hubs the bound of what was not seen."""
    population = Design("", (3,) * 26, n_cells=2, separation=2.4, model_sd=0.25, pair_sd=0.45)
    rng = np.random.default_rng(11)
    table = population.labels
    found: list[tuple[Interval, Interval]] = []
    for _ in range(120):
        fails = rng.random(26) < 0.03
        score = population.scores(rng)
        if rare == "silent":
            score = score - 2.4 * (table.derived & fails[table.lineage_a])
        else:
            score = score + 4.0 * (table.independent & (fails[table.lineage_a] | fails[table.lineage_b]))
        drawn = table.with_scores(score)
        found.append((auc_interval(Wins.of(drawn, "look-alike")), rate(drawn, 2.0, "fpr")))
    area, fpr = (np.mean([one[k].estimate for one in found]) for k in (0, 1))
    covered = [one.low <= area <= one.high for one, _ in found]
    assert np.mean([one.low <= fpr <= one.high for _, one in found]) >= 0.93
    assert np.mean([one.unseen <= area for one, _ in found]) >= 0.93
    if rare == "silent":
        assert np.mean(covered) >= 0.93
