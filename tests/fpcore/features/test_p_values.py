"""Chances of orders and agreements, against theory and simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from fpcore.features.p_values import fisher, log_p_of_agreements, log_p_of_order


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
