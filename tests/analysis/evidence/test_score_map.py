"""Rising maps of a score, against their definitions level by level."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from analysis.evidence.score_map import (
    N_LEVELS,
    TAIL,
    ScoreMap,
    class_weights,
    isotonic_map,
    log10_odds,
    merged_levels,
    normal_scores,
    rising_share,
)

Floats = np.ndarray


def test_few_levels_stay_as_they_are() -> None:
    often = np.where(np.arange(N_LEVELS) < 9, 400, 1)
    score = np.random.default_rng(0).permutation(np.repeat(np.arange(N_LEVELS) / 7, often))
    level, place = merged_levels(score)
    np.testing.assert_array_equal(level, np.arange(N_LEVELS) / 7)
    np.testing.assert_array_equal(level[place], score)


@pytest.mark.parametrize(("n", "step"), [(N_LEVELS + 1, 0.0), (6_000, 0.0), (6_000, 5e-4)])
def test_many_levels_are_merged_by_rank(n: int, step: float) -> None:
    score = np.random.default_rng(n).normal(size=n)
    score = np.round(score / step) * step if step else score
    level, place = merged_levels(score)
    ordered = np.sort(score)
    # Each score goes to the slot in which the first of its equals falls.
    slot = np.array([int(np.searchsorted(ordered, one)) * N_LEVELS // n for one in score])
    used = np.unique(slot)
    assert len(level) == len(used) <= N_LEVELS
    np.testing.assert_array_equal(used[place], slot)
    np.testing.assert_allclose(level, [score[slot == one].mean() for one in used], rtol=1e-9, atol=1e-12)
    assert (np.diff(level) > 0).all()


def test_scores_near_the_largest_number_are_merged_as_others_are() -> None:
    """Thousands of them sum to infinity; their mean is a number."""
    score = np.random.default_rng(2).uniform(0.5, 1.0, 200 * N_LEVELS)
    level, place = merged_levels(score)
    largest, same = merged_levels(np.ldexp(score, 1024))
    np.testing.assert_allclose(np.ldexp(largest, -1024), level, rtol=1e-12)
    np.testing.assert_array_equal(same, place)


def test_small_scores_beside_large_ones_keep_their_digits() -> None:
    """P-values taken as scores reach over hundreds of powers of ten."""
    score = 10.0 ** np.random.default_rng(3).uniform(-250, 0, 3 * N_LEVELS)
    level, place = merged_levels(score)
    means = np.bincount(place, score) / np.bincount(place)
    np.testing.assert_allclose(level, means, rtol=1e-12)


def test_weights_are_summed_by_class_and_place() -> None:
    place = np.array([0, 2, 2, 0, 2])
    derived = np.array([True, True, False, True, True])
    found = class_weights(place, derived, np.array([1.0, 2.0, 4.0, 8.0, 16.0]), 4)
    np.testing.assert_array_equal(found, [[0, 0, 4, 0], [9, 0, 18, 0]])
    assert found.dtype == np.float64


def test_normal_scores_are_the_mean_of_two_quantiles() -> None:
    weight = np.random.default_rng(1).random((2, 300)) * 3
    weight[0, :40] = weight[1, -50:] = weight[:, 100] = 0.0
    found = normal_scores(weight)
    expected = []
    for k in range(300):
        quantiles = [(side[:k].sum() + side[k] / 2) / side.sum() for side in weight]
        expected.append(np.mean([norm.ppf(min(max(q, TAIL), 1 - TAIL)) for q in quantiles]))
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert TAIL == 0.003


def test_levels_that_cannot_be_told_apart_score_nothing() -> None:
    np.testing.assert_array_equal(normal_scores(np.array([[0.0, 2.0, 0.0], [0.0, 5.0, 0.0]])), np.zeros(3))
    np.testing.assert_array_equal(normal_scores(np.array([[2.0], [5.0]])), [0.0])
    apart = normal_scores(np.array([[0.01, 0.02, 0.0], [0.01, 0.02, 0.0]]))
    assert apart[0] == pytest.approx(norm.ppf(1 / 6))
    assert apart[1] == pytest.approx(norm.ppf(2 / 3))


def test_isotonic_map_is_the_log_odds_of_pooled_levels() -> None:
    level = np.array([0.0, 1.0, 2.0, 4.0, 7.0])
    weight = np.array([[4.0, 1.0, 5.0, 0.0, 0.0], [0.0, 2.0, 6.0, 0.0, 12.0]])
    found = isotonic_map(level, weight)
    # Levels 1 and 2 do not rise: pooled, 8/20 of one class against 6/10 of the other. Level 4 has no weight.
    pooled = math.log10(0.4 / 0.6)
    np.testing.assert_array_equal(found.score, level)
    np.testing.assert_allclose(found.value[[1, 2]], pooled)
    assert found.value[0] == -math.inf
    assert found.value[4] == math.inf
    middle = 0.4 + (1 - 0.4) * 2 / 5
    assert found.value[3] == pytest.approx(math.log10(middle / (1 - middle)))


def test_levels_without_weight_lie_between_their_neighbours() -> None:
    found = rising_share(np.array([0.0, 1.0, 4.0]), np.array([0.1, 0.0, 0.3]), np.array([0.5, 0.0, 0.5]))
    np.testing.assert_allclose(found, [0.2, 0.3, 0.6])


def test_log_odds_end_at_infinity() -> None:
    found = log10_odds(np.array([-1e-16, 0.0, 1e-3, 0.5, 0.75, 1.0, 1 + 4e-16]))
    expected = [-math.inf, -math.inf, math.log10(1 / 999), 0.0, math.log10(3), math.inf, math.inf]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_map_is_linear_between_its_knots_and_constant_beyond() -> None:
    score_map = ScoreMap(np.array([0.0, 2.0]), np.array([1.0, 5.0]))
    np.testing.assert_array_equal(
        score_map(np.array([[-9.0, 0.5], [9.0, math.nan]])), [[1.0, 2.0], [5.0, math.nan]]
    )
    assert "array" not in repr(score_map)
