"""Numbers as text: short, true to what they say, dashes for what is undefined."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from analysis import Interval, PermutationTest
from benchmark.report import dots
from benchmark.report.notation import (
    count,
    goal,
    interval,
    note,
    p_value,
    percent,
    percent_interval,
    permutation_note,
    plain,
    seconds,
    signed,
    unit,
)

NAN = math.nan


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.9874, "0.987"),
        (1.0, "1.000"),
        (0.0, "0.000"),
        (0.99996, "0.99996"),
        (0.00004, "0.00004"),
        (NAN, "—"),
        (1.2, "1.200"),
    ],
)
def test_unit(value: float, shown: str) -> None:
    assert unit(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.5, "50%"),
        (0.0432, "4.3%"),
        (0.0, "0%"),
        (1.0, "100%"),
        (0.9996, "99.96%"),
        (0.0001, "0.01%"),
        (0.953, "95.3%"),
        (NAN, "—"),
    ],
)
def test_percent(value: float, shown: str) -> None:
    assert percent(value) == shown


@pytest.mark.parametrize(("value", "shown"), [(0.05, "5%"), (0.001, "0.1%"), (0.95, "95%"), (NAN, "—")])
def test_goal(value: float, shown: str) -> None:
    assert goal(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0002, "0.0002"), (0.0123, "0.012"), (0.34, "0.34"), (1.0, "1.00"), (3e-6, "3.0e-06"), (NAN, "—")],
)
def test_p_value(value: float, shown: str) -> None:
    assert p_value(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.5, "0.500"),
        (-0.25, "−0.250"),
        (12.34, "12.3"),
        (31234.0, "31,234"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (NAN, "—"),
        (0.0, "0.000"),
    ],
)
def test_plain(value: float, shown: str) -> None:
    assert plain(value) == shown


def test_signed_differences() -> None:
    assert [signed(value) for value in (0.286, -0.0024, 0.0, -1e-9, NAN)] == [
        "+0.286",
        "−0.002",
        "0.000",
        "0.000",
        "—",
    ]


def ends_at(estimate: float, low: float = NAN, high: float = NAN, **facts: object) -> Interval:
    return Interval(estimate, low, high, 0.95, "jackknife", **facts)  # type: ignore[arg-type]


def test_intervals() -> None:
    assert interval(ends_at(1.0, 0.931, 1.0)) == "1.000 [0.93, 1.00]"
    assert interval(ends_at(0.995, 0.991, 0.998)) == "0.995 [0.991, 0.998]"
    assert interval(ends_at(0.9)) == "0.900"
    assert interval(ends_at(NAN)) == "—"
    assert percent_interval(ends_at(0.41, 0.22, 0.634)) == "41% [22, 63]"
    assert percent_interval(ends_at(0.004, 0.001, 0.01)) == "0.4% [0.1, 1.0]"


def test_a_note_says_level_method_and_what_the_interval_rests_on() -> None:
    told = ends_at(0.9, 0.8, 1.0, n_pairs=1200, n_lineages=7, warnings=("few lineages",))
    assert note(told) == "95% interval; jackknife; 1,200 pairs of 7 lineages; few lineages"
    assert note(ends_at(0.9)) == "95% interval; jackknife"
    assert note(ends_at(NAN, reason="no look-alikes")) == "no look-alikes"


def test_a_permutation_test_says_what_its_p_rests_on() -> None:
    test = PermutationTest(
        "m",
        2.0,
        0.01,
        0.01,
        924,
        0,
        exact=True,
        n_lineages=6,
        exchangeable_p_value=0.005,
        lineage_p_value=0.01,
    )
    assert permutation_note(test) == (
        "the larger of two p-values (models permuted within architecture cells, all 924 arrangements: 0.005;"
        f" excess over levels, t over 6 lineages: 0.01). Null hypothesis: {test.null}"
    )
    drawn = replace(test, n_arrangements=10**15, n_resamples=9999, exact=False)
    assert "cells, 9,999 permutations drawn of at least 1e+15 arrangements: 0.005;" in permutation_note(drawn)
    assert permutation_note(replace(test, reason="one lineage")) == "one lineage"


def test_counts_and_times() -> None:
    assert [count(1, "lineage"), count(3300, "pair")] == ["1 lineage", "3,300 pairs"]
    assert [seconds(0.41), seconds(48.2), seconds(200)] == ["0.4 s", "48 s", "3 min 20 s"]


@given(st.floats(0, 1))
def test_nothing_is_rounded_into_certainty(value: float) -> None:
    if 1e-6 < value < 1 - 1e-6:
        assert 0 < float(unit(value)) < 1
        assert 0 < float(percent(value).removesuffix("%")) < 100


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_any_score_has_a_text(value: float) -> None:
    assert plain(value)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400), st.integers(22, 90))
def test_dots_stay_inside_their_row_and_the_axis(values: list[float], height: int) -> None:
    scores = np.sort(np.array(values))
    axis = dots.scale(scores)
    x = axis.units(scores)
    y = dots.swarm(x, height, 5)
    assert (np.diff(x) >= 0).all()
    assert x.min() >= 0
    assert x.max() <= dots.WIDTH
    assert y.min() >= 2
    assert y.max() <= height - 2
    assert axis.low < scores.min() <= scores.max() < axis.high
    assert len(axis.ticks) >= 2
