"""The term of the lower of two levels: its slope by hand, and when it says nothing."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.inference.lower_level import LowerLevel


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_its_slope_is_that_of_least_squares(scale: float) -> None:
    """However close levels are to each other."""
    nearness, inside = scale * np.array([1.0, -1.0, 2.0]), scale * np.array([0.5, 3.0])
    found = LowerLevel.of(np.array([1.0, -2.0, 0.5]), nearness, inside)
    assert found.inside == pytest.approx([4 / 6 * 0.5, 4 / 6 * 3.0])
    assert found.between == pytest.approx([4 / 6, -4 / 6, 8 / 6])


def test_the_higher_of_two_levels_is_not_believed() -> None:
    found = LowerLevel.of(np.array([-1.0, 1.0]), np.array([1.0, -1.0]), np.array([2.0]))
    assert found.inside.tolist() == [0.0]


def test_it_says_nothing_of_children_where_no_two_lineages_differ() -> None:
    """Sums of levels explain every distance: what they leave inside a lineage is no excess to take away."""
    found = LowerLevel.of(np.array([0.3, -0.3]), np.zeros(2), np.array([0.8, 0.1]))
    assert found.inside.tolist() == [0.0, 0.0]
