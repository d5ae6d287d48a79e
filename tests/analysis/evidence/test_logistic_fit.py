"""The one logistic regression: at its optimum, with slopes that are not negative, whatever it starts from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.linear_model import LogisticRegression

from analysis.evidence.logistic_fit import RIDGE, LogisticFit, logistic_coefficients
from analysis.evidence.score_map import ScoreMap

Floats = np.ndarray


def drawn(seed: int, effects: list[float], n: int = 300) -> tuple[Floats, Floats]:
    """Normal scores of some metrics, shape (n_metrics, n), and the weights of both classes."""
    rng = np.random.default_rng(seed)
    positive = np.arange(n) < n // 3
    design = rng.normal(size=(len(effects), n)) + positive * np.array(effects)[:, None]
    weight = rng.uniform(0.5, 1.5, n) * np.stack([~positive, positive])
    return design, weight / weight.sum(axis=1, keepdims=True) / 2


def gradient(design: Floats, weight: Floats, intercept: float, slopes: Floats) -> Floats:
    """Of the loss that is minimised, written down once more."""
    p = 1 / (1 + np.exp(-(intercept + slopes @ design)))
    error = weight.sum(axis=0) * p - weight[1]
    return np.append(error.sum(), design @ error + RIDGE * slopes.sum())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.sampled_from([-1.0, 0.0, 0.3, 2.0, 6.0]), min_size=1, max_size=4))
def test_no_other_coefficients_do_better(seed: int, effects: list[float]) -> None:
    """The conditions of Karush, Kuhn and Tucker: the loss is convex, so they suffice."""
    design, weight = drawn(seed, effects)
    intercept, slopes = logistic_coefficients(design, weight)
    assert (slopes >= 0).all()
    found = gradient(design, weight, intercept, slopes)
    assert abs(found[0]) < 1e-12
    assert np.abs(found[1:][slopes > 0]).max(initial=0.0) < 1e-12
    assert found[1:][slopes == 0].min(initial=0.0) > -1e-6


def test_one_metric_is_the_ridge_regression_of_scikit_learn() -> None:
    design, weight = drawn(0, [1.5])
    sides = np.repeat([0, 1], design.shape[1])
    known = LogisticRegression(C=1 / RIDGE, tol=1e-12, max_iter=10_000).fit(
        np.tile(design, 2).T, sides, sample_weight=weight.ravel()
    )
    intercept, slopes = logistic_coefficients(design, weight)
    assert intercept == pytest.approx(float(known.intercept_[0]), abs=1e-6)
    assert slopes[0] == pytest.approx(float(known.coef_[0, 0]), abs=1e-6)


def test_where_the_search_begins_makes_no_difference() -> None:
    design, weight = drawn(1, [1.0, 0.5, -0.2])
    once, slopes = logistic_coefficients(design, weight)
    for start in ([5.0, 0.0, 3.0, 0.0], [-2.0, 0.1, 0.1, 4.0]):
        again, other = logistic_coefficients(design, weight, np.array(start))
        assert again == pytest.approx(once, abs=1e-12)
        np.testing.assert_allclose(other, slopes, atol=1e-12)


def test_a_metric_that_points_the_wrong_way_is_not_turned_round() -> None:
    design, weight = drawn(2, [-2.0])
    intercept, slopes = logistic_coefficients(design, weight)
    assert slopes[0] == 0.0
    assert intercept == pytest.approx(0.0, abs=1e-12)


def test_classes_that_do_not_overlap_have_a_finite_slope() -> None:
    positive = np.arange(40) < 20
    weight = np.stack([~positive, positive]) / 40
    intercept, slopes = logistic_coefficients(np.where(positive, 1.0, -1.0)[None], weight)
    assert 3 < slopes[0] < 20
    assert intercept == pytest.approx(0.0, abs=1e-9)


def test_copies_share_the_slope() -> None:
    design, weight = drawn(3, [1.0])
    intercept, slope = logistic_coefficients(design, weight)
    again, shared = logistic_coefficients(np.repeat(design, 3, axis=0), weight)
    assert again == pytest.approx(intercept, abs=1e-9)
    assert shared.sum() == pytest.approx(slope[0], abs=1e-9)


def test_a_fit_maps_scores_of_any_shape() -> None:
    scale = ScoreMap(np.array([0.0, 1.0]), np.array([-1.0, 1.0]))
    fit = LogisticFit((scale, scale), 0.5, np.array([1.0, 2.0]))
    value = (0.5 + 1.0 * 0.0 + 2.0 * 1.0) / np.log(10)
    assert fit(np.array([0.5, 7.0])) == pytest.approx(value)
    np.testing.assert_allclose(fit(np.array([[[0.5, 7.0]], [[0.5, 1.0]]])), [[value], [value]])
    assert np.isnan(fit(np.array([np.nan, 1.0])))
