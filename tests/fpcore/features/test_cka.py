"""CKA against its kernels, and that the unbiased one is 0 for strangers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from kernel_cka import kernel_cka, kernel_debiased_cka

from fpcore import NotComparable
from fpcore.features.cka import SignedKernel, cka, debiased_cka, factor, signed_cka, unbiased_cka


@pytest.mark.parametrize("width", [5, 60])
def test_cka_by_its_definition(width: int) -> None:
    rng = np.random.default_rng(width)
    x, y = rng.normal(size=(30, width)) + 3.0, rng.normal(size=(30, 7))
    y[:, 0] += x[:, 0]
    a, b = factor(x), factor(y)
    assert (a.shape, a.dtype) == ((30, min(30, width)), np.float32)
    centred = x - x.mean(axis=0)
    np.testing.assert_allclose(a.astype(float) @ a.T, centred @ centred.T, atol=1e-3)
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


def hsic(k: np.ndarray, m: np.ndarray) -> float:
    """Song et al.'s formula, term by term."""
    n = len(k)
    one = np.ones(n)
    product = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return float(np.trace(k @ m) + product - 2 / (n - 2) * one @ k @ m @ one)


@pytest.mark.parametrize("flipped", [0, 1, 9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_signs_are_given_to_either_side_in_turn(flipped: int, dtype: type[np.floating]) -> None:
    """With all signs alike it is plain CKA; otherwise centring sees whose signs are taken."""
    rng = np.random.default_rng(flipped)
    x, y = rng.normal(size=(6, 12)) + 0.5, rng.normal(size=(8, 12)) + 0.5
    y[:6] += x
    signs = np.ones(12)
    signs[rng.permutation(12)[:flipped]] = -1.0
    k, m = (z.T @ z * (1 - np.eye(12)) for z in (x, y))
    both = np.outer(signs, signs)
    turned = [(k, m * both), (k * both, m)]
    expected = np.mean([hsic(p, q) / math.sqrt(hsic(p, p) * hsic(q, q)) for p, q in turned])
    kernels = [SignedKernel.of(each.astype(dtype), signs.astype(dtype)) for each in (x, y)]
    assert signed_cka(*kernels) == pytest.approx(expected, rel=1e-12 if dtype is np.float64 else 1e-5)
    assert signed_cka(*reversed(kernels)) == pytest.approx(signed_cka(*kernels), rel=1e-6)


def test_sums_over_a_float32_kernel_are_float64() -> None:
    x = np.random.default_rng(4).normal(size=(5, 60)).astype(np.float32)
    kernel = SignedKernel.of(x, np.ones(60, dtype=np.float32))
    values = kernel.values.astype(np.float64)
    assert kernel.values.dtype == np.float32
    np.testing.assert_allclose(kernel.sums, values.sum(axis=0), rtol=1e-13, atol=1e-13)
    rows = np.einsum("ij,ij->i", kernel.values, kernel.values)
    assert kernel.square == pytest.approx(math.fsum(rows.tolist()), rel=1e-15)


def test_products_of_float32_kernels_are_added_in_float64() -> None:
    """Of whole numbers each row's sum is exact in float32, and that of all rows is not."""
    x = np.random.default_rng(5).integers(-12, 13, (3, 200)).astype(np.float32)
    kernel = SignedKernel.of(x, np.ones(200, dtype=np.float32))
    assert kernel.square > 1 << 24
    assert signed_cka(kernel, kernel) == pytest.approx(1.0, abs=1e-14)


def test_scales_do_not_count() -> None:
    x, y = np.random.default_rng(6).normal(size=(2, 9, 6))
    for score in (cka, debiased_cka, unbiased_cka):
        for scale in (1e-4, 1e4):
            assert score(scale * x, y) == pytest.approx(score(x, y), rel=1e-9)
            assert score(scale * x, scale * y) == pytest.approx(score(x, y), rel=1e-9)


@pytest.mark.parametrize("power", [100, -100])
def test_a_kernel_that_float32_cannot_hold_is_that_of_smaller_columns(power: int) -> None:
    x, y = np.random.default_rng(6).normal(size=(2, 9, 6)).astype(np.float32)
    signs = np.ones(6, dtype=np.float32)
    plain, far = SignedKernel.of(x, signs), SignedKernel.of(np.ldexp(x, power), signs)
    other = SignedKernel.of(y, signs)
    assert signed_cka(far, other) == signed_cka(plain, other)


def test_what_has_no_cka_says_so() -> None:
    rng = np.random.default_rng(0)
    states = factor(rng.normal(size=(5, 3)))
    alike = "^the states of a layer are the same for all prompts, so their CKA is undefined$"
    for score in (cka, debiased_cka):
        with pytest.raises(NotComparable, match=alike):
            score(np.zeros((5, 3)), states)
        with pytest.raises(NotComparable, match="undefined"):
            score(states, np.zeros((5, 3)))
    assert math.isfinite(debiased_cka(states[:4], states[:4]))
    with pytest.raises(NotComparable, match="3 prompts; an unbiased HSIC needs at least 4"):
        debiased_cka(states[:3], states[:3])
    assert unbiased_cka(*rng.normal(size=(2, 6, 4))) < 1.0
    with pytest.raises(NotComparable, match="3 dimensions; an unbiased HSIC needs at least 4"):
        unbiased_cka(*rng.normal(size=(2, 6, 3)))
    with pytest.raises(NotComparable, match=r"^a projection is zero or constant, so its CKA is undefined$"):
        unbiased_cka(np.zeros((6, 8)), rng.normal(size=(6, 8)))
    with pytest.raises(NotComparable, match="zero or constant"):
        unbiased_cka(rng.normal(size=(6, 8)), np.zeros((6, 8)))


def test_states_of_any_precision_are_taken_as_float64() -> None:
    """Squares of squares of such states are beyond float16 and lose digits in float32."""
    states = factor(np.random.default_rng(1).normal(size=(12, 5)))
    for dtype in (np.float16, np.float32):
        x, y = (states * 300).astype(dtype), (states[::-1] * 300).astype(dtype)
        for score in (cka, debiased_cka):
            assert score(x, y) == score(x.astype(np.float64), y.astype(np.float64))
    shifted = (np.random.default_rng(2).normal(size=(6, 4)) + 4096.0).astype(np.float32)
    exact = shifted.astype(np.float64)
    np.testing.assert_allclose(factor(shifted), exact - exact.mean(axis=0), rtol=1e-6)
