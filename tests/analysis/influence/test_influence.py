"""What one change does, summed up; and what another seed could do."""

from __future__ import annotations

import math
from dataclasses import astuple, replace

import pytest

from analysis import Influence, SeedInfluence, example_table, separation_test

TEST = separation_test(example_table(), 99)


def test_an_influence_says_its_range_and_who_does_most() -> None:
    found = Influence.of(0.5, [0.25, math.nan, 0.6], ["a", "b", "c"].__getitem__)
    assert astuple(found) == (0.5, 0.25, 0.6, 0.25, "a", 2, "")
    assert str(found) == "0.5, from 0.25 to 0.6 (a)"


def test_without_an_estimate_there_is_no_influence() -> None:
    found = Influence.of(math.nan, [0.5], str)
    assert found.reason == "no data left to compute it from"
    assert all(math.isnan(value) for value in (found.estimate, found.low, found.high, found.worst))
    assert (found.by, found.n_changes) == ("", 0)
    assert str(found) == "undefined (no data left to compute it from)"


@pytest.mark.parametrize(
    ("drawn", "lineages", "n", "exact", "low", "high"),
    [
        (0.2, 0.01, 100, False, 0.08, 0.32),
        (0.2, 0.01, 100, True, 0.2, 0.2),
        (0.9, 0.01, 9, False, 0.6, 1.0),
        (0.1, 1e-6, 9, False, 1e-6, 0.4),
        # The half over lineages draws nothing: p is never below it.
        (0.2, 0.15, 100, False, 0.15, 0.32),
        (0.2, 0.25, 100, False, 0.25, 0.32),
        (0.01, 0.3, 99, False, 0.3, 0.3),
    ],
)
def test_another_seed_moves_the_half_that_is_drawn_by_three_monte_carlo_errors(
    drawn: float, lineages: float, n: int, exact: bool, low: float, high: float
) -> None:
    test = replace(
        TEST,
        p_value=max(drawn, lineages),
        exchangeable_p_value=drawn,
        lineage_p_value=lineages,
        n_resamples=n,
        exact=exact,
    )
    found = SeedInfluence.of(test)
    assert (found.p_value, found.reason) == (max(drawn, lineages), "")
    assert (found.low, found.high) == pytest.approx((low, high))


def test_a_test_without_a_p_value_gives_its_own_reason() -> None:
    found = SeedInfluence.of(replace(TEST, p_value=math.nan, reason="too few lineages"))
    assert found.reason == "too few lineages"
    assert all(math.isnan(value) for value in (found.p_value, found.low, found.high))


def test_without_a_test_nothing_is_said_of_its_seed() -> None:
    assert SeedInfluence.of(None).reason == "no permutation test"
