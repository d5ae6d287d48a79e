"""Pairings against every pairing there is, and what is matched again."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from fpcore.features import assignment
from fpcore.features.assignment import best_match, in_order, matched, sampled, unit_rows


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (2, 5), (3, 3), (3, 6), (5, 2), (6, 4)])
@pytest.mark.parametrize("offset", [-3.0, 0.0, 3.0])
def test_the_best_pairing_in_order_is_the_best_of_all(shape: tuple[int, int], offset: float) -> None:
    gain = np.random.default_rng(sum(shape)).normal(size=shape) + offset
    fewer, more = min(shape), max(shape)
    turned = gain if shape[0] == fewer else gain.T
    best = max(
        itertools.combinations(range(more), fewer),
        key=lambda columns: turned[range(fewer), columns].sum(),
    )
    found = in_order(gain) if shape[0] == fewer else in_order(gain)[::-1]
    assert [each.tolist() for each in found] == [list(range(fewer)), list(best)]
    assert {each.dtype for each in found} == {np.dtype(np.int64)}


def test_of_equal_pairings_in_order_the_first_counts() -> None:
    assert in_order(np.zeros((2, 4)))[1].tolist() == [0, 1]
    assert in_order(np.array([[0.0, 1.0, 1.0, 0.0]]))[1].tolist() == [1]


def test_unit_rows_have_length_one_or_none() -> None:
    rows = np.random.default_rng(0).normal(size=(2, 5, 3)) * np.array([1e-3, 0.1, 0.5, 3.0, 1e3])[:, None]
    rows[1, 2] = 0.0
    units = unit_rows(rows)
    lengths = np.ones((2, 5))
    lengths[1, 2] = 0.0
    np.testing.assert_allclose(np.linalg.norm(units, axis=-1), lengths)
    np.testing.assert_allclose(units * np.linalg.norm(rows, axis=-1, keepdims=True), rows)


def test_each_row_gets_the_column_of_the_largest_sum() -> None:
    similarity = np.random.default_rng(1).normal(size=(4, 6))
    best = max(itertools.permutations(range(6), 4), key=lambda columns: similarity[range(4), columns].sum())
    assert best_match(similarity).tolist() == list(best)


def test_rows_are_found_again_whatever_their_length() -> None:
    rng = np.random.default_rng(2)
    a, order = rng.normal(size=(12, 5)), rng.permutation(12)
    b = (a * rng.uniform(0.1, 10.0, (12, 1)))[order]
    assert order[matched(a, b)].tolist() == list(range(12))
    noisy = b + 2.0 * rng.normal(size=b.shape)
    cosines = a @ noisy.T / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(noisy, axis=1)
    assert matched(a, noisy).tolist() == linear_sum_assignment(-cosines)[1].tolist()


def test_a_sample_of_units_is_even_and_holds_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assignment, "MOST_UNITS", 5)
    assert sampled(4).tolist() == [0, 1, 2, 3]
    assert sampled(5).tolist() == [0, 1, 2, 3, 4]
    assert sampled(9).tolist() == [0, 2, 4, 6, 8]
    # Places between two units go to the nearer one.
    assert sampled(12).tolist() == [0, 3, 6, 8, 11]
    assert sampled(12).dtype == np.int64
