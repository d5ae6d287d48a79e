"""Quantiles of means with random weights: exact cases, drawn ones, and what a bound must do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import beta

from analysis.discrimination.random_weights import share_below, weighted_mean_quantile

VALUES = st.lists(st.floats(0, 1), min_size=2, max_size=30)
TAIL = st.sampled_from([0.001, 0.025, 0.2, 0.5, 0.9, 0.975])


def quantile(values: list[float], further: float, mass: float, tail: float) -> float:
    return float(weighted_mean_quantile(np.array([values]), [further], mass, tail)[0])


@pytest.mark.parametrize("n", [3, 12, 60, 700])
@pytest.mark.parametrize("tail", [0.001, 0.025, 0.5])
def test_without_an_error_it_is_the_exact_bound_of_a_proportion(n: int, tail: float) -> None:
    exact = tail ** (1 / n)
    # Of few lineages the approximation errs by a hundredth, to the safe side.
    assert 0.985 * exact <= quantile([1.0] * n, 0.0, 1.0, tail) <= exact + 1e-6


@pytest.mark.parametrize(("hits", "n"), [(5, 6), (20, 30), (45, 50)])
def test_hits_and_misses_have_a_beta_distribution(hits: int, n: int) -> None:
    """Sums of exponentials over their total: Beta(hits, misses and the further one)."""
    values = [1.0] * hits + [0.0] * (n - hits)
    for tail in (0.01, 0.5, 0.99):
        exact = float(beta(hits, n - hits + 1).ppf(tail))
        assert quantile(values, 0.0, 1.0, tail) == pytest.approx(exact, abs=2e-3)
        assert share_below(values, 0.0, 1.0, exact) == pytest.approx(tail, rel=0.02)


def test_it_agrees_with_weights_that_are_drawn() -> None:
    rng = np.random.default_rng(5)
    for n, mass in ((4, 1.0), (15, 2.5), (40, 1.0)):
        values = np.append(rng.random(n) ** 0.2, 0.3)
        weights = rng.exponential(size=(200_000, n + 1)) * np.append(np.ones(n), mass)
        drawn = weights @ values / weights.sum(axis=1)
        for tail in (0.025, 0.5, 0.975):
            found = quantile(values[:-1].tolist(), 0.3, mass, tail)
            assert np.mean(drawn <= found) == pytest.approx(tail, abs=0.004)


@given(values=VALUES, further=st.floats(0, 1), mass=st.floats(1, 5), tail=TAIL, data=st.data())
def test_a_better_value_never_lowers_it(
    values: list[float], further: float, mass: float, tail: float, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(values) - 1))
    better = [*values]
    better[place] = data.draw(st.floats(values[place], 1))
    assert quantile(better, further, mass, tail) >= quantile(values, further, mass, tail) - 1e-6


@given(values=VALUES, further=st.floats(0, 1), mass=st.floats(1, 5), tail=TAIL)
def test_it_lies_among_the_values_whatever_their_order_and_scale(
    values: list[float], further: float, mass: float, tail: float
) -> None:
    found = quantile(values, further, mass, tail)
    assert min(*values, further) <= found <= max(*values, further)
    assert quantile(values[::-1], further, mass, tail) == pytest.approx(found, abs=1e-6)
    moved = quantile([10 - 4 * value for value in values], 10 - 4 * further, mass, 1 - tail)
    assert moved == pytest.approx(10 - 4 * found, abs=1e-5)


def test_many_means_are_found_at_once() -> None:
    rng = np.random.default_rng(1)
    values, further = rng.random((7, 9)), rng.random(7)
    together = weighted_mean_quantile(values, further, 1.5, 0.1)
    apart = [quantile(row.tolist(), float(own), 1.5, 0.1) for row, own in zip(values, further, strict=True)]
    assert together == pytest.approx(apart, abs=1e-6)


def test_values_that_are_all_alike_are_returned() -> None:
    assert quantile([0.4, 0.4], 0.4, 1.0, 0.025) == 0.4


def test_shares_beyond_all_values_are_nothing_and_all() -> None:
    assert share_below([0.2, 0.4], 0.1, 1.0, 0.1) == 0.0
    assert share_below([0.2, 0.4], 0.1, 1.0, 0.4) == 1.0
