"""Quantiles of means with random weights: exact cases, drawn ones, and what a bound must do."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri
from scipy.stats import beta

from analysis.discrimination import random_weights
from analysis.discrimination.random_weights import share_below, shares_below, weighted_mean_quantile

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


def test_found_at_once_each_may_be_what_it_is_alone_to_the_bit() -> None:
    """Though some take more steps than others."""
    rng = np.random.default_rng(1)
    values, further, mass = rng.random((40, 9)) ** 3, rng.random(40), rng.uniform(1, 9, 40)
    quantiles = weighted_mean_quantile(values, further, mass, 0.1, apart=True)
    shares = shares_below(values, further, mass, 0.3)
    for row, own, weight, found, share in zip(values, further, mass, quantiles, shares, strict=True):
        assert found == weighted_mean_quantile(row[None], [own], weight, 0.1, apart=True)[0]
        assert share == share_below(row, own, weight, 0.3)


def test_shares_move_with_their_values() -> None:
    values, further, mass = np.array([[0.2, 0.9, 0.4]]), np.array([0.1]), np.array([1.5])
    (share,) = shares_below(values, further, mass, 0.3)
    for shift in (-0.5, -2.0, 3.0):
        assert shares_below(values + shift, further + shift, mass, 0.3 + shift) == pytest.approx(share)


def test_whole_numbers_may_have_masses_that_are_none() -> None:
    assert shares_below([[0, 0]], [1], [1.5], 0.5) == shares_below([[0.0, 0.0]], [1.0], [1.5], 0.5)


def test_means_of_fewer_values_are_filled_up_with_nothing() -> None:
    """Catalogs of several sizes are tried at once; what fills a row up must weigh nothing."""
    rows = [[0.2, 0.8, math.nan, math.nan], [0.2, 0.5, 0.9, 0.7], [math.nan, 0.6, math.nan, 0.1]]
    further = [0.1, 0.0, 0.4]
    together = weighted_mean_quantile(rows, further, 1.5, 0.1)
    apart = [
        quantile([value for value in row if not math.isnan(value)], own, 1.5, 0.1)
        for row, own in zip(rows, further, strict=True)
    ]
    assert together == pytest.approx(apart, abs=1e-6)


def test_values_that_are_all_alike_are_returned() -> None:
    assert quantile([0.4, 0.4], 0.4, 1.0, 0.025) == 0.4
    alike, other = weighted_mean_quantile([[0.4, 0.4], [0.1, 0.9]], [0.4, 0.5], 1.0, 0.025)
    assert (alike, other) == (0.4, pytest.approx(quantile([0.1, 0.9], 0.5, 1.0, 0.025), abs=1e-6))


def test_shares_beyond_all_values_are_nothing_and_all() -> None:
    assert share_below([0.2, 0.4], 0.1, 1.0, 0.1) == 0.0
    assert share_below([0.2, 0.4], 0.1, 1.0, 0.4) == 1.0
    assert share_below([0.4, 0.4], 0.4, 1.0, 0.4) == 1.0


def of_two(x: float, zero: float, one: float) -> tuple[float, float, float]:
    """Saddlepoint, deviate and slope at x for a mean of 0 and 1 that weigh so much on average, by hand."""
    product, total, excess = zero * one * x * (1 - x), zero * x + one * (1 - x), zero * x - one * (1 - x)
    t, u = excess / (2 * product), math.sqrt(2) * excess / total
    w = math.copysign(math.sqrt(2 * math.log(total**2 / (4 * product))), excess)
    return t, w + math.log(u / w) / w, 2 * t * zero * one / total / w


@pytest.mark.parametrize("mass", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("x", [0.01, 0.3, 0.6, 0.98])
def test_the_share_below_of_two_values_is_that_by_hand(mass: float, x: float) -> None:
    share = ndtr(of_two(x, mass, 1.0)[1])
    assert share_below([7.0], 3.0, mass, 3 + 4 * x) == pytest.approx(share, rel=1e-6)


def test_at_the_mean_the_deviate_is_a_sixth_of_the_skewness() -> None:
    # Values less the mean, times their weight: -1/3, -1/3, 2/3; and -1/2, -1/2, 1.
    assert share_below([0, 0], 1, 1.0, 1 / 3) == pytest.approx(ndtr(2 / 9 / (2 / 3) ** 1.5 / 3), rel=1e-9)
    assert share_below([2, 2], 4, 2.0, 3.0) == pytest.approx(ndtr(0.75 / 1.5**1.5 / 3), rel=1e-9)
    beside = random_weights._deviate(
        np.array([[0.0, 0.0, 1.0]] * 2), np.array([1.0, 1.0, 2.0]), np.array([0.5, 0.2]), np.zeros(2)
    )
    assert beside[1][0] == pytest.approx(0.75 / 1.5**1.5 / 3, rel=1e-9)


def test_shares_closer_to_the_ends_than_a_search_goes_are_those_at_its_ends() -> None:
    near = random_weights.NEAR
    for point, end in ((near / 100, near), (1 - near / 100, 1 - near)):
        assert share_below([0.0, 0.4], 1.0, 1.0, point) == share_below([0.0, 0.4], 1.0, 1.0, end)


def test_each_row_has_its_own_saddlepoint() -> None:
    """Two parts weigh 1 and 3; whatever the search starts from, a pole and beyond it included."""
    v = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    k, x = np.array([1.0, 3.0]), np.array([0.5, 0.9, 0.01, 0.75])
    expected = np.array(
        [
            of_two(0.5, 1, 3),
            of_two(0.9, 3, 1),
            of_two(0.01, 1, 3),
            # The mean: both parts are 3/4 away from it, times their weight.
            (0.0, 0.0, 4 / (0.75 * math.sqrt(2))),
        ]
    )
    for start in ([0.0] * 4, [-2.0, -1e3, 1e3, 0.1], [1 / 1.5, 10.0, -100.0, -0.1]):
        found = random_weights._deviate(v, k, x, np.array(start))
        np.testing.assert_allclose(np.transpose(found), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("mass", "tail"),
    [(1.0, 0.025), (1.0, 0.999), (11.0, 0.999), (5.6, 0.0061), (20.0, 0.001), (0.02, 0.9999), (60.0, 0.9)],
)
def test_a_quantile_of_two_values_is_where_the_deviate_by_hand_says(mass: float, tail: float) -> None:
    """With a heavy part the search leaves its range, and halves it instead."""
    root = brentq(lambda x: of_two(x, mass, 1.0)[1] - ndtri(tail), 1e-6, 1 - 1e-6, xtol=1e-12)
    assert quantile([1.0], 0.0, mass, tail) == pytest.approx(root, abs=1e-6)


def test_the_first_guess_is_the_normal_quantile() -> None:
    v, k = np.array([[0.0, 1.0, 1.0], [0.0, 0.0, 1.0]]), np.array([[1.0, 1.0, 2.0]] * 2)
    expected = [3 / 4 - 2 * math.sqrt(9 + 1 + 4) / 16, 1 / 2 - 2 * math.sqrt(1 + 1 + 4) / 8]
    np.testing.assert_allclose(random_weights._first_guess(v, k, np.full(2, -2.0)), expected)


def test_a_search_takes_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which changes no result."""
    steps = 0

    def counted(most: int) -> Iterator[int]:
        nonlocal steps
        for step in range(most):
            steps += 1
            yield step

    monkeypatch.setattr(random_weights, "range", counted, raising=False)
    values = np.random.default_rng(2).random((5, 30))
    weighted_mean_quantile(values, np.zeros(5), 1.0, 0.025)
    assert steps <= 20
    steps = 0
    shares_below(values, np.zeros(5), np.ones(5), 0.5)
    assert steps <= 20
    v, k, x = np.array([[0.0, 1.0]]), np.array([[1.0, 3.0]]), np.array([0.1])
    taken = []
    for start in (0.0, 1.001 * of_two(0.1, 1, 3)[0]):
        steps = 0
        random_weights._deviate(v, k, x, np.array([start]))
        taken.append(steps)
    assert 2 * taken[1] < taken[0] <= 10
