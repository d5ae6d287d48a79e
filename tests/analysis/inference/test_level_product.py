"""The product of levels is found where there is one, whatever hides the levels, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.inference.level_product import LevelProduct

SLOPE = 0.7


def fitted(rng: np.random.Generator, noise: float, slope: float, n: int = 40) -> tuple[float, float]:
    """Mean of what is said of pairs inside lineages of four, and the truth."""
    level = rng.normal(size=n)
    models = np.repeat(level, 4) + noise * rng.normal(size=4 * n)
    a, b = np.triu_indices(n, 1)
    left = slope * level[a] * level[b] + 0.5 * rng.normal(size=len(a))
    found = LevelProduct.of(models, np.repeat(np.arange(n), 4), left, a, b)
    return float(found.inside.mean()), float(slope * np.square(level).mean())


@pytest.mark.parametrize("noise", [0.0, 0.7, 1.4])
@pytest.mark.parametrize("slope", [SLOPE, 0.0])
def test_errors_of_levels_hide_nothing(noise: float, slope: float) -> None:
    rng = np.random.default_rng(3)
    found, true = np.array([fitted(rng, noise, slope) for _ in range(200)]).T
    assert found.mean() == pytest.approx(true.mean(), abs=0.04)


def test_a_product_never_raises_the_excess() -> None:
    """High levels that score low with each other: what is inside is not said to be lower than levels say."""
    found, true = fitted(np.random.default_rng(3), 0.0, -SLOPE)
    assert true < 0
    assert found == 0


def test_levels_that_are_mostly_noise_are_believed_by_half() -> None:
    """The correction stops there: a slope over a variance near 0 would be anything."""
    rng = np.random.default_rng(4)
    found, true = np.array([fitted(rng, 6.0, SLOPE) for _ in range(200)]).T
    assert 0.05 < found.mean() < 0.5 * true.mean()


def test_without_levels_there_is_no_product() -> None:
    found = LevelProduct.of(
        np.zeros(6), np.repeat([0, 1, 2], 2), np.ones(3), np.array([0, 0, 1]), np.array([1, 2, 2])
    )
    assert found.inside.tolist() == [0, 0, 0]
    assert found.between.tolist() == [0, 0, 0]


def test_its_formula() -> None:
    level = np.array([-1.5, 0.0, 0.5, 1.0])
    a, b = np.triu_indices(4, 1)
    found = LevelProduct.of(np.repeat(level, 2), np.repeat(np.arange(4), 2), np.zeros(6), a, b)
    assert found.between.tolist() == [0] * 6
    left = level[a] * level[b]
    found = LevelProduct.of(np.repeat(level, 2), np.repeat(np.arange(4), 2), left, a, b)
    variance = np.var(level, ddof=1)
    error = np.square(left).mean() / 2
    reliable = max(0.5, 1 - error / variance)
    slope = 1 / reliable**2
    assert found.between == pytest.approx(slope * reliable**2 * left)
    assert found.inside == pytest.approx(
        slope * (reliable**2 * level**2 + (1 - reliable) * reliable * variance)
    )


def test_two_lineages_by_hand() -> None:
    """One degree of freedom everywhere: levels -1 and 1, the second's two models 0.1 beside its mean."""
    found = LevelProduct.of(
        np.array([-1.0, 0.9, 1.1]), np.array([0, 1, 1]), np.array([-0.5]), np.array([0]), np.array([1])
    )
    error = 0.02 * (1 + 1 / 2) / 2 + 0.25
    reliable = 1 - error / 2
    assert found.between == pytest.approx([-0.5])
    inside = 0.5 / reliable**2 * (reliable**2 + 2 * (1 - reliable) * reliable)
    assert found.inside == pytest.approx([inside, inside])


def test_levels_without_a_product_between_lineages_say_nothing() -> None:
    """The only pairs are with the lineage in the middle: every product of two levels is 0."""
    found = LevelProduct.of(
        np.array([-1.0, 0.0, 1.0]), np.arange(3), np.array([0.3, 0.4]), np.array([0, 1]), np.array([1, 2])
    )
    assert found.inside.tolist() == [0, 0, 0]
    assert found.between.tolist() == [0, 0]
