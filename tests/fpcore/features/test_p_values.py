"""Chances of orders and agreements, against theory and simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from scipy.integrate import quad

from fpcore.features.p_values import fisher, log_p_of_agreements, log_p_of_correlation, log_p_of_order


def test_p_values_of_orders_and_agreements() -> None:
    rng = np.random.default_rng(1)
    orders = np.array([rng.permutation(30) for _ in range(4000)])
    rejected = np.mean([log_p_of_order(order) < math.log(0.05) for order in orders])
    assert 0.035 < rejected < 0.065
    agreements = (orders == np.arange(30)).sum(axis=1)
    for count in (1, 2, 3):
        expected = math.exp(log_p_of_agreements(count))
        assert np.mean(agreements >= count) == pytest.approx(expected, abs=0.02)
    assert log_p_of_agreements(0) == 0.0
    tail = [log_p_of_agreements(count) for count in range(60)]
    assert all(later < earlier for earlier, later in itertools.pairwise(tail))


def test_fisher_is_scipy_where_scipy_can() -> None:
    for values in ([0.5], [0.01, 0.3], [1e-5, 0.9, 0.2], [1.0, 1.0]):
        expected = -np.log10(scipy.stats.combine_pvalues(values).pvalue)
        assert fisher([math.log(p) for p in values]) == pytest.approx(max(expected, 0.0), abs=1e-9)
    assert fisher([-5000.0] * 3) == pytest.approx(15000 / math.log(10), rel=0.01)


def test_orders_of_few_and_their_reverse() -> None:
    assert log_p_of_order(np.arange(3)) == pytest.approx(-math.log(6), rel=1e-12)
    assert log_p_of_order(np.arange(3)[::-1]) == pytest.approx(0.0, abs=1e-12)
    assert log_p_of_order(np.arange(200)) == pytest.approx(-math.lgamma(201), rel=1e-12)


@pytest.mark.parametrize("units", [200, 1000, 2048])
@pytest.mark.parametrize("turned", [0.02, 0.3, 0.6])
def test_tails_too_small_for_a_float_are_not_taken_for_perfect_order(units: int, turned: float) -> None:
    order = np.arange(units)
    order[: int(turned * units)] = order[: int(turned * units)][::-1]
    rho, freedom = scipy.stats.spearmanr(order, np.arange(units)).statistic, units - 2
    statistic, t = rho * math.sqrt(freedom / (1 - rho**2)), scipy.stats.t(freedom)
    highest = t.logpdf(statistic)
    # From the statistic on, in steps in which the density falls to a fraction.
    area, _ = quad(lambda step: math.exp(t.logpdf(statistic * (1 + step / freedom)) - highest), 0, 60)
    expected = highest + math.log(area * statistic / freedom)
    assert log_p_of_order(order) == pytest.approx(max(expected, -math.lgamma(units + 1)), abs=1e-6)


def test_correlations_have_the_tail_of_students_t() -> None:
    for freedom in (1, 30, 2046):
        for rho in np.linspace(-0.99, 0.3, 30):
            statistic = rho * math.sqrt(freedom / (1.0 - rho**2))
            expected = scipy.stats.t.logsf(statistic, freedom)
            assert log_p_of_correlation(float(rho), freedom) == pytest.approx(expected, rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("mean", [1.0, 0.2])
def test_agreements_have_a_poisson_tail_and_then_a_bound_on_it(mean: float) -> None:
    for count in range(41):
        expected = scipy.stats.poisson.logsf(count - 1, mean)
        found = log_p_of_agreements(count, mean)
        if count <= 20:
            assert found == pytest.approx(expected, abs=1e-9)
        else:
            assert expected < found < expected + mean
