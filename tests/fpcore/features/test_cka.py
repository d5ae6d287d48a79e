"""CKA against its kernels, and that the unbiased one is 0 for strangers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from kernel_cka import kernel_cka, kernel_debiased_cka

from fpcore.features.cka import cka, debiased_cka, factor, unbiased_cka


@pytest.mark.parametrize("width", [5, 60])
def test_cka_by_its_definition(width: int) -> None:
    rng = np.random.default_rng(width)
    x, y = rng.normal(size=(30, width)) + 3.0, rng.normal(size=(30, 7))
    y[:, 0] += x[:, 0]
    a, b = factor(x), factor(y)
    assert a.shape[1] <= 30
    assert cka(a, b) == pytest.approx(kernel_cka(x, y), rel=1e-4)
    assert debiased_cka(a, b) == pytest.approx(kernel_debiased_cka(x, y), rel=1e-3, abs=1e-5)
    assert cka(a, a) == pytest.approx(1.0)
    assert debiased_cka(a, a) == pytest.approx(1.0)


def test_the_bias_of_few_prompts_in_many_dimensions_is_removed() -> None:
    rng = np.random.default_rng(1)
    drawn = [(factor(rng.normal(size=(20, 200))), factor(rng.normal(size=(20, 200)))) for _ in range(60)]
    assert np.mean([cka(x, y) for x, y in drawn]) > 0.8
    assert abs(np.mean([debiased_cka(x, y) for x, y in drawn])) < 0.02


def test_unbiased_cka_of_strangers_is_zero_on_average() -> None:
    rng = np.random.default_rng(0)
    found = [unbiased_cka(*rng.normal(size=(2, 6, 20))) for _ in range(600)]
    assert abs(np.mean(found)) < 3 * np.std(found) / math.sqrt(600) + 1e-3
    x = rng.normal(size=(6, 20))
    assert unbiased_cka(x, x) == pytest.approx(1.0)
    # By Song et al.'s formula, term by term.
    y = rng.normal(size=(6, 20))

    def by_hand(k: np.ndarray, m: np.ndarray) -> float:
        one = np.ones(20)
        return float(
            np.trace(k @ m) + one @ k @ one * (one @ m @ one) / (19 * 18) - 2 / 18 * one @ k @ m @ one
        )

    k, m = (z.T @ z * (1 - np.eye(20)) for z in (x, y))
    expected = by_hand(k, m) / math.sqrt(by_hand(k, k) * by_hand(m, m))
    assert unbiased_cka(x, y) == pytest.approx(expected, abs=1e-12)


def test_both_unbiased_forms_agree() -> None:
    """One takes rows that are centred, the other columns as they are."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(12, 4)), rng.normal(size=(12, 6))
    y[:, :4] += 0.5 * x
    left, right = (each - each.mean(axis=0) for each in (x, y))
    assert debiased_cka(left, right) == pytest.approx(unbiased_cka(x.T, y.T), rel=1e-9)
