"""The one rule from folds to an interval: what it promises for any folds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import binomtest, t as student

from analysis.discrimination.intervals import (
    COUNTED_TWICE,
    NOTHING,
    clopper_pearson,
    degrees_of_freedom,
    difference_interval,
    effective_number,
    jackknife_variance,
    lineage_interval,
    wilson,
)
from analysis.thresholds.rates import rate
from studies.simulation.coverage import design

SHARE = st.integers(1, 1023).map(lambda k: k / 1024)
FOLDS = st.lists(st.integers(0, 1024).map(lambda k: k / 1024), min_size=2, max_size=30)
"""Multiples of a power of two, so that 1 - share is exact."""


def ends(estimate: float, folds: list[float], **options: float) -> tuple[float, float]:
    settings = {"units": 12.0, "level": 0.95, "method": "any", "n_lineages": len(folds)} | options
    found = lineage_interval(estimate, folds, **settings)  # type: ignore[arg-type]
    return found.low, found.high


@pytest.mark.parametrize("area", [False, True])
@given(estimate=SHARE, folds=FOLDS, units=st.floats(1.0, 60.0))
def test_an_interval_holds_its_estimate_and_mirrors(
    estimate: float, folds: list[float], units: float, area: bool
) -> None:
    low, high = ends(estimate, folds, units=units, area=area)
    assert 0 <= low <= estimate <= high <= 1
    assert low < high
    other = ends(1 - estimate, [1 - fold for fold in folds], units=units, area=area)
    assert other == pytest.approx((1 - high, 1 - low), abs=1e-6)
    widest = clopper_pearson(estimate, units / 2, 0.95)
    assert widest[0] - 1e-12 <= low
    assert high <= widest[1] + 1e-12


def test_what_is_counted_twice_is_taken_off_up_to_a_limit() -> None:
    folds = (0.8 + 0.02 * np.sin(np.arange(20))).tolist()
    variance = float(np.var(folds)) * 19
    widths = [high - low for low, high in (ends(0.8, folds, excess=e * variance) for e in (0, 0.2, 0.4, 5))]
    assert widths[0] > widths[1] > widths[2]
    assert widths[3] == pytest.approx(widths[2])
    limit = ends(0.8, folds, variance=variance * (1 - COUNTED_TWICE))
    assert widths[2] == pytest.approx(limit[1] - limit[0])


def test_fewer_degrees_of_freedom_are_wider() -> None:
    folds = (0.7 + 0.03 * np.cos(np.arange(12))).tolist()
    few, many, free = (ends(0.7, folds, degrees=d) for d in (2.0, 8.0, math.inf))
    assert few[0] < many[0] < free[0]
    assert few[1] > many[1] > free[1]


def test_steep_folds_widen_an_area_by_a_limited_factor() -> None:
    """One lineage with most of the errors: without it the AUC is .999 and not .99."""
    folds = [0.99 - 0.0008] * 11 + [0.9988]
    count, area = ends(0.99, folds), ends(0.99, folds, area=True)
    assert area[0] < count[0]
    assert area[1] < count[1] or area[1] - area[0] > count[1] - count[0]
    level = [0.6 + 0.001 * i for i in range(12)]
    assert ends(0.6055, level, area=True) == pytest.approx(ends(0.6055, level), abs=1e-3)


def test_rates_of_very_uneven_lineages_cover() -> None:
    """Five lineages hold derived pairs, one of them two thirds: with G - 1 degrees of freedom .92 cover."""
    population = design(8, "1–8", "model", "chain", cells=1)
    threshold = population.threshold_at(0.5, "tpr")
    tables = population.draws(400, 3)
    intervals = [rate(table, threshold, "tpr") for table in tables]
    covered = sum(interval.low <= 0.5 <= interval.high for interval in intervals)
    assert binomtest(covered, 400, 0.93, alternative="less").pvalue > 0.01
    assert all("uneven lineages" in " ".join(interval.warnings) for interval in intervals)


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize(("hits", "n"), [(0, 9), (1, 9), (5, 9), (8, 9), (9, 9), (1, 1), (3, 40)])
def test_intervals_of_a_share_are_those_of_scipy(hits: int, n: int, level: float) -> None:
    trial = binomtest(hits, n)
    for ours, name in ((clopper_pearson, "exact"), (wilson, "wilson")):
        theirs = trial.proportion_ci(level, method=name)
        low, high = ours(hits / n, n, level)
        assert (low, high) == pytest.approx((theirs.low, theirs.high), rel=1e-9, abs=1e-12)
        assert (low == 0) == (hits == 0)
        assert (high == 1) == (hits == n)


def test_moments_of_folds_worked_by_hand() -> None:
    assert jackknife_variance(np.array([0.0, 0.0, 0.0, 4.0])) == pytest.approx(12 * 3 / 4)
    assert degrees_of_freedom(np.array([0.0, 0.0, 0.0, 4.0])) == 3  # 6 by the kurtosis: no more than G - 1
    assert degrees_of_freedom(np.array([0.0] * 9 + [10.0])) == pytest.approx(2 * 90**2 / (6570 - 810))
    assert degrees_of_freedom(np.array([0.0] * 9 + [0.01])) == pytest.approx(2.8125)  # whatever the scale
    assert degrees_of_freedom(np.array([1.0, -1.0, 1.0, -1.0])) == 3  # no spread of the squares
    assert degrees_of_freedom(np.zeros(5)) == 4
    assert effective_number([0.1, 0.3]) == pytest.approx(1.6)
    assert effective_number([]) == 0


def logit(share: float) -> float:
    return math.log(share / (1 - share))


def expit(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def variance_of(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return sum((v - mean) ** 2 for v in values) * (len(values) - 1) / len(values)


def by_the_rule(
    estimate: float, folds: list[float], variance: float, freedom: float, level: float, area: bool
) -> tuple[float, float]:
    """The rule of the module's docstring, written out once more; no bound of few trials."""
    slope = 1 / (estimate * (1 - estimate))
    square = variance * slope**2
    if area:
        folds_ratio = variance_of([logit(f) for f in folds]) / (variance_of(folds) * slope**2)
        square *= math.sqrt(min(max(1.0, folds_ratio), 1.5))
    reach = float(student.ppf(1 - (1 - level) / 2, freedom)) * math.sqrt(square)
    low, high = logit(estimate) - reach, logit(estimate) + reach
    bias = square * (2 * estimate - 1)
    limited = math.copysign(min(abs(bias), reach) / 2, bias) if area else 0.0
    if bias > 0:
        low, high = low - bias, high - limited
    else:
        low, high = low - limited, high - bias
    return expit(low), expit(high)


WAVE = [0.8 + 0.03 * math.sin(i) for i in range(12)]
STEEP = [0.95, 0.94, 0.955, 0.96, 0.93, 0.945, 0.95, 0.952, 0.948, 0.985]


@pytest.mark.parametrize("area", [False, True])
@pytest.mark.parametrize("level", [0.9, 0.95])
@pytest.mark.parametrize(
    ("estimate", "folds"),
    [(0.8, WAVE), (0.2, [1 - f for f in WAVE]), (0.95, STEEP), (0.05, [1 - f for f in STEEP])],
)
def test_ends_follow_the_rule(estimate: float, folds: list[float], level: float, area: bool) -> None:
    freedom = degrees_of_freedom(np.array(folds))
    options: dict[str, float] = {"level": level, "area": area, "units": 4.0}
    expected = by_the_rule(estimate, folds, variance_of(folds), freedom, level, area)
    assert ends(estimate, folds, **options) == pytest.approx(expected, rel=1e-9)
    given = by_the_rule(estimate, folds, 0.0005, freedom, level, area)
    assert ends(estimate, folds, variance=0.0005, **options) == pytest.approx(given, rel=1e-9)
    fewer = by_the_rule(estimate, folds, 0.0003, 2.0, level, area)
    options |= {"degrees": 2.0, "excess": 0.0002}
    assert ends(estimate, folds, variance=0.0005, **options) == pytest.approx(fewer, rel=1e-9)


def test_a_bias_larger_than_the_reach_is_limited_on_the_other_side() -> None:
    folds = [0.9 + 0.05 * math.sin(i) for i in range(15)]
    freedom = degrees_of_freedom(np.array(folds))
    for estimate in (0.9, 0.1):
        mine = folds if estimate > 0.5 else [1 - f for f in folds]
        expected = by_the_rule(estimate, mine, variance_of(mine), freedom, 0.5, True)
        widest = clopper_pearson(estimate, 1.0, 0.5)
        expected = max(expected[0], widest[0]), min(expected[1], widest[1])
        assert ends(estimate, mine, units=2.0, level=0.5, area=True) == pytest.approx(expected, rel=1e-9)


def test_folds_that_reach_an_end_are_not_steep_and_get_the_exact_bound() -> None:
    for folds in ([0.97] * 9 + [1.0], [0.03] * 9 + [0.0]):
        estimate = 0.973 if folds[-1] else 0.027
        exact = clopper_pearson(estimate, 6.0, 0.95)
        found = lineage_interval(
            estimate, folds, units=6.0, level=0.95, method="any", area=True, n_lineages=10
        )
        assert found.low <= exact[0]
        assert found.high >= exact[1]
        assert found.warnings == ("a single lineage decides: at least the bound of 6.0 independent trials",)
        scale = estimate * (1 - estimate)
        square = variance_of(folds) / scale**2
        reach = float(student.ppf(0.975, degrees_of_freedom(np.array(folds)))) * math.sqrt(square)
        bias = square * (2 * estimate - 1)
        half = math.copysign(min(abs(bias), reach) / 2, bias)
        widest = clopper_pearson(estimate, 3.0, 0.95)
        low = expit(logit(estimate) - reach - max(bias, half))
        high = expit(logit(estimate) + reach - min(bias, half))
        expected = max(min(low, exact[0]), widest[0]), min(max(high, exact[1]), widest[1])
        assert (found.low, found.high) == pytest.approx(expected, rel=1e-9)


def test_what_a_reader_is_told() -> None:
    def told(estimate: float, folds: list[float], units: float, n_lineages: int) -> tuple[str, ...]:
        found = lineage_interval(
            estimate,
            folds,
            units=units,
            level=0.9,
            method="any",
            n_pairs=5,
            n_models=4,
            n_lineages=n_lineages,
            warnings=("first",),
        )
        assert (found.estimate, found.level, found.method) == (estimate, 0.9, "any")
        assert (found.n_pairs, found.n_models, found.n_lineages) == (5, 4, n_lineages)
        assert found.warnings[0] == "first"
        return found.warnings[1:]

    assert told(0.8, WAVE, 3.0, 8) == ()
    few = "7 lineages: below 8 the coverage of this interval is not established"
    assert told(0.8, WAVE, 3.0, 7) == (few,)
    uneven = "few or very uneven lineages: they are worth 2.9 independent trials"
    assert told(0.8, WAVE, 2.9, 8) == (uneven,)
    alone = "one lineage carries all there is to compare: a bound for so few trials, not a variance"
    assert told(0.8, [0.8], 4.0, 8) == (alone,)
    assert told(0.8, [0.8, 0.9, math.nan], 4.0, 8) == (alone,)
    still = "no variation to measure: the bound is that of 4.0 independent trials"
    for estimate in (0.0, 0.8, 1.0):
        assert told(estimate, [estimate] * 3, 4.0, 8) == (still,)
    assert told(1.0, [0.9, 1.0, 0.8], 4.0, 8) == (still,)
    assert told(0.0, [0.1, 0.0, 0.2], 4.0, 8) == (still,)
    assert told(0.8, [0.8, 0.81], 4.0, 8) == ()


def test_a_bound_of_few_trials_is_that_of_clopper_and_pearson_or_wilson() -> None:
    assert ends(0.7, [0.7], units=5.0) == clopper_pearson(0.7, 2.5, 0.95)
    assert ends(0.7, [0.7] * 5, units=5.0) == wilson(0.7, 5.0, 0.95)
    wide = [0.5 + 0.4 * math.cos(i) for i in range(9)]
    assert ends(0.5, wide, units=5.0) == clopper_pearson(0.5, 2.5, 0.95)


def test_a_difference_gets_the_t_interval_of_its_folds() -> None:
    basis = {"units": 4.0, "n_pairs": 9, "n_models": 8, "n_lineages": 5}
    folds = np.array([0.1, 0.12, 0.09, 0.11, 0.13])
    reach = float(student.ppf(0.95, 4)) * math.sqrt(variance_of(folds.tolist()))
    found = difference_interval(0.11, folds, 0.9, "any", **basis)  # type: ignore[arg-type]
    assert (found.low, found.high) == pytest.approx((0.11 - reach, 0.11 + reach), rel=1e-12)
    assert (found.estimate, found.level, found.method) == (0.11, 0.9, "any")
    assert (found.n_pairs, found.n_models, found.n_lineages) == (9, 8, 5)
    assert (found.reason, found.warnings) == ("", ())
    pair = difference_interval(0.1, np.array([0.1, 0.12]), 0.9, "any", **basis)  # type: ignore[arg-type]
    assert pair.high - 0.1 == pytest.approx(float(student.ppf(0.95, 1)) * 0.01)
    for estimate, at in ((0.9, (None, 1.0)), (-0.9, (-1.0, None))):
        far = difference_interval(estimate, folds * 20, 0.95, "any", **basis)  # type: ignore[arg-type]
        assert (far.high if at[0] is None else far.low) == (at[1] if at[0] is None else at[0])


def test_a_difference_without_variation_is_bounded_by_one_error_in_so_many_trials() -> None:
    for units, reach in ((4.0, 1 - 0.1**0.25), (0.5, 0.9)):
        found = difference_interval(
            0.05, np.full(6, 0.05), 0.9, "any", units=units, n_pairs=9, n_models=8, n_lineages=6
        )
        assert (found.low, found.high) == pytest.approx((0.05 - reach, 0.05 + reach))
        assert found.warnings == (
            f"no variation to measure: the bound is that of {units:.1f} independent trials",
        )
        assert (found.n_pairs, found.n_models, found.n_lineages) == (9, 8, 6)


@pytest.mark.parametrize("folds", [[0.1], [0.1, math.nan, 0.2]])
def test_a_difference_that_one_lineage_carries_has_no_ends(folds: list[float]) -> None:
    found = difference_interval(
        0.1, np.array(folds), 0.9, "any", units=2.0, n_pairs=9, n_models=8, n_lineages=6
    )
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert (found.estimate, found.level, found.method) == (0.1, 0.9, "any")
    assert (found.n_pairs, found.n_models, found.n_lineages) == (9, 8, 6)
    assert found.reason == "one lineage carries all there is to compare"


def test_nothing_seen_and_nothing_missed_end_exactly_at_zero_and_one() -> None:
    for n in range(1, 80):
        for level in (0.5, 0.9, 0.95, 0.99):
            for interval in (wilson, clopper_pearson):
                assert interval(0.0, n, level)[0] == 0
                assert interval(1.0, n, level)[1] == 1


def test_shares_next_to_zero_and_one_stay_between_them() -> None:
    """Rounding alone would bring the upper end above 1, with 2 trials and a share of 1 - 2⁻²⁹ for one."""
    for n in range(1, 40):
        for level in (0.5, 0.9, 0.95, 0.99):
            for k in range(20, 54):
                assert wilson(2.0**-k, n, level)[0] >= 0
                assert wilson(1 - 2.0**-k, n, level)[1] <= 1


def test_a_variance_that_is_rounding_at_most_is_no_variation() -> None:
    assert ends(0.8, WAVE, variance=NOTHING, units=5.0) == wilson(0.8, 5.0, 0.95)
    assert ends(0.8, WAVE, variance=2 * NOTHING, units=5.0) == pytest.approx((0.8, 0.8), abs=1e-6)
    folds = np.array([1e-9, -1e-9])
    assert jackknife_variance(folds) == NOTHING
    basis = {"units": 4.0, "n_pairs": 9, "n_models": 8, "n_lineages": 2}
    assert difference_interval(0.0, folds, 0.9, "any", **basis).warnings  # type: ignore[arg-type]
    assert not difference_interval(0.0, folds * 2, 0.9, "any", **basis).warnings  # type: ignore[arg-type]


def test_narrow_numbers_are_widened_before_anything_is_computed() -> None:
    assert effective_number(np.array([200, 200], dtype=np.uint8)) == 2
    narrow = np.array(WAVE, dtype=np.float32)
    wide = ends(0.8, narrow.astype(float).tolist(), area=True)
    found = lineage_interval(
        0.8, narrow, units=12.0, level=0.95, method="any", n_lineages=len(WAVE), area=True
    )
    assert (found.low, found.high) == pytest.approx(wide, rel=1e-12)


def test_folds_that_do_not_vary_are_not_steep() -> None:
    """A bootstrap can see variation where no fold does."""
    area, count = (ends(0.75, [0.75] * 8, variance=0.001, area=area) for area in (True, False))
    assert area[0] == count[0]
    assert 0.75 < area[1] < count[1]


def test_what_is_not_said_is_zero() -> None:
    found = lineage_interval(0.8, WAVE, units=5.0, level=0.95, method="any")
    assert (found.n_pairs, found.n_models, found.n_lineages) == (0, 0, 0)
