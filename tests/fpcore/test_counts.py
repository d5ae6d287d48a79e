"""Whole numbers where a count belongs, and nothing else."""

from __future__ import annotations

import math

import pytest

from fpcore.counts import MOST, count
from fpcore.errors import BadCheckpoint


@pytest.mark.parametrize("value", [0, 4, 4.0, MOST, float(MOST)])
def test_a_count_is_read(value: object) -> None:
    found = count(value, "layers")
    assert found == value
    assert type(found) is int


@pytest.mark.parametrize("value", [-1, MOST + 1, 4.5, math.inf, math.nan, True, None, "4", [4], 10**400])
def test_what_is_no_count_is_named(value: object) -> None:
    bounds = "it must be a whole number from 0 to 1,099,511,627,776: correct it"
    with pytest.raises(BadCheckpoint, match=rf"^config\.json: layers is .*; {bounds}$"):
        count(value, "config.json: layers")


def test_bounds_may_be_stated() -> None:
    assert [count(value, "heads", least=-1, most=3) for value in (-1, 3)] == [-1, 3]
    for value in (-2, 4):
        with pytest.raises(BadCheckpoint, match="from -1 to 3"):
            count(value, "heads", least=-1, most=3)
    assert count(4, "heads", exact=True) == 4
    with pytest.raises(BadCheckpoint, match=r"heads is 4\.0"):
        count(4.0, "heads", exact=True)
