"""The one rule from folds to an interval: what it promises for any folds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import binomtest

from analysis.discrimination.intervals import COUNTED_TWICE, clopper_pearson, lineage_interval
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
