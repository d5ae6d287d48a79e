"""The one logistic regression: at its optimum, with slopes that are not negative, whatever it starts from."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.linear_model import LogisticRegression

from analysis.evidence.logistic_fit import DAMPING, RIDGE, LogisticFit, _Problem, logistic_coefficients
from analysis.evidence.score_map import ScoreMap
from tests.support.loss_evaluations import evaluations

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


@pytest.mark.parametrize(
    ("seed", "effects"),
    [(15, [6.0, 2.0, 2.0, 0.3]), (28, [6.0, 2.0, 2.0, 0.3]), (56, [2.0, 0.3, 0.0, 0.3])],
)
def test_a_slope_that_is_zero_on_the_way_does_not_stay_so(seed: int, effects: list[float]) -> None:
    """The search must not end while steps still are long: it would take that metric for one of no use."""
    design, weight = drawn(seed, effects, 100)
    intercept, slopes = logistic_coefficients(design, weight)
    assert gradient(design, weight, intercept, slopes)[1:].min() > -1e-9


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


def near_copies(seed: int, effects: list[float], apart: float) -> tuple[Floats, Floats]:
    """Metrics that come twice, all but the same: the loss hardly tells one from the other."""
    design, weight = drawn(seed, effects)
    noise = np.random.default_rng(0).normal(size=design.shape)
    return np.concatenate([design, design + apart * noise]), weight


def test_the_gradient_vanishes_even_among_metrics_that_say_nearly_the_same() -> None:
    for seed, effects in ((1, [1.0, 0.5, -0.2]), (2, [0.3] * 6), (6, [1.0, 1.0])):
        design, weight = near_copies(seed, effects, 1e-5)
        intercept, slopes = logistic_coefficients(design, weight)
        found = gradient(design, weight, intercept, slopes)
        assert abs(found[0]) < 1e-13
        assert np.abs(found[1:][slopes > 0]).max() < 1e-13


@pytest.mark.parametrize("place", [0, 1])
def test_a_slope_that_the_search_leaves_just_above_zero_is_set_to_zero(place: int) -> None:
    """The search begins so near that it stops there; that the metric points the wrong way is seen later."""
    good, flat = np.array([[1.0, 1.0, -1.0, -1.0], [1.0, -1.0, 1.0, -1.0]])
    weight = np.array([[0.05, 0.05, 0.2, 0.2], [0.2, 0.2, 0.05, 0.05]])
    alone, slope = logistic_coefficients(good[None], weight)
    # So much more often 1 than -1 in the positive class that the penalty on its slope just outweighs it.
    more = (RIDGE * slope[0] - 1e-7) * (1 + np.exp(alone + slope[0]))
    weight[1, :2] += [more / 2, -more / 2]
    design = np.insert(good[None], place, flat, axis=0)
    start = np.insert(np.append(alone, slope), 1 + place, 1e-7)
    intercept, slopes = logistic_coefficients(design, weight, start)
    assert slopes[place] == 0.0
    assert slopes[1 - place] == pytest.approx(slope[0], abs=1e-12)
    assert slope[0] > 1
    assert intercept == pytest.approx(alone, abs=1e-12)
    found = gradient(design, weight, intercept, slopes)
    assert found[1 + place] == pytest.approx(1e-7, rel=1e-3)


def test_the_loss_is_the_penalised_log_loss_and_the_rest_its_derivatives() -> None:
    design, weight = drawn(4, [1.0, 0.5, 0.2], n=50)
    problem = _Problem(np.concatenate([np.ones((1, 50)), design]), weight)
    beta = np.array([-0.3, 0.9, 0.4, 0.2])
    odds = beta[0] + beta[1:] @ design
    known = weight[0] @ np.logaddexp(0, odds) + weight[1] @ np.logaddexp(0, -odds) + RIDGE / 2 * 1.5**2
    cost, slope = problem.loss(beta)
    assert cost == pytest.approx(known, rel=1e-13)
    np.testing.assert_allclose(slope, gradient(design, weight, beta[0], beta[1:]), atol=1e-14)
    np.testing.assert_array_equal(problem.gradient(beta), slope)
    p = 1 / (1 + np.exp(-odds))
    curve = (problem.x * weight.sum(axis=0) * p * (1 - p)) @ problem.x.T
    curve[1:, 1:] += RIDGE
    # The damping is small, but of the sign that keeps the curvature from being singular.
    np.testing.assert_allclose(problem.curvature(beta) - curve, DAMPING * np.eye(4), atol=1e-12)


def test_a_fit_is_silent() -> None:
    """A setting that the search does not know would be a warning."""
    design, weight = drawn(5, [1.0, -0.2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        logistic_coefficients(design, weight)


def test_a_similar_fit_saves_steps() -> None:
    design, weight = drawn(1, [1.0, 0.5, 0.2])
    with evaluations() as from_zero:
        intercept, slopes = logistic_coefficients(design, weight)
    with evaluations() as from_there:
        logistic_coefficients(design, weight, np.append(intercept, slopes))
    assert from_there["loss"] < from_zero["loss"] / 2


def test_the_search_ends_near_enough_for_a_few_steps_to_the_root() -> None:
    """It goes on where losses no longer tell, by the gradient; the root is then found by the curvature."""
    design, weight = near_copies(1, [1.0, 0.5, -0.2], 1e-4)
    with evaluations() as asked:
        logistic_coefficients(design, weight)
    # How many steps the last digits cost depends on the processor; without an end it would be thousands.
    assert asked["loss"] < 500
    assert asked["gradient"] < 500
    assert asked["curvature"] > 0
