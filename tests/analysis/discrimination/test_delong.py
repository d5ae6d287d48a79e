"""DeLong's variance against its definition, comparison by comparison."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.discrimination.delong import delong_variance


def by_definition(groups: list[tuple[list[float], list[float]]]) -> float:
    total = sum(len(positive) for positive, _ in groups)
    variance = 0.0
    for positive, negative in groups:
        won = [[1.0 if p > n else 0.5 if p == n else 0.0 for n in negative] for p in positive]
        of_positive = [sum(row) / len(negative) for row in won]
        of_negative = [sum(row[j] for row in won) / len(positive) for j in range(len(negative))]
        own = 0.0
        for shares in (of_positive, of_negative):
            mean = sum(shares) / len(shares)
            own += sum((s - mean) ** 2 for s in shares) / (len(shares) - 1) / len(shares)
        variance += (len(positive) / total) ** 2 * own
    return variance


ONE: tuple[list[float], list[float]] = ([3, 1, 2, 2, 5], [2, 0, 1, 4, 1, 1, 0])
TWO: tuple[list[float], list[float]] = ([0, 6], [5, 7, 0, -1])
THREE: tuple[list[float], list[float]] = ([1, 3, 2], [2, 0])


@pytest.mark.parametrize("groups", [[ONE], [TWO], [THREE], [ONE, TWO], [THREE, ONE, TWO]])
def test_the_variance_is_that_of_the_definition(groups: list[tuple[list[float], list[float]]]) -> None:
    arrays = [(np.array(p, dtype=float), np.array(n, dtype=float)) for p, n in groups]
    assert delong_variance(arrays) == pytest.approx(by_definition(groups), rel=1e-12)


@pytest.mark.parametrize("odd", [([1.0], [0.0, 2.0, 3.0]), ([1.0, 2.0, 3.0], [0.0])])
def test_a_single_score_has_no_variance(odd: tuple[list[float], list[float]]) -> None:
    one = (np.array(ONE[0], dtype=float), np.array(ONE[1], dtype=float))
    assert math.isnan(delong_variance([one, (np.array(odd[0]), np.array(odd[1]))]))
