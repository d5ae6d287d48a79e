"""Ranks are ranges that the paired comparisons bear out."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from analysis import Comparison, Interval, ScoreTable, compare_all, ranks
from studies.simulation.designs import Design

NAMES = ("a", "b", "c", "d")


def comparison(a: str, b: str, difference: float, p: float) -> Comparison:
    interval = Interval(difference, difference - 0.1, difference + 0.1, 0.95, "made up")
    return Comparison(a, b, "look-alike", 0.5 + difference, 0.5, interval, p, p)


def family(**tested: tuple[float, float]) -> list[Comparison]:
    return [comparison(a, b, *tested.get(a + b, (0.0, 1.0))) for a, b in combinations(NAMES, 2)]


def test_nothing_separated_leaves_every_place_open() -> None:
    assert {(rank.best, rank.worst) for rank in ranks(NAMES, family())} == {(1, 4)}
    assert {str(rank) for rank in ranks(NAMES, [])} == {"1–4"}


def test_a_full_order_gives_one_place_each() -> None:
    wins = {a + b: (0.2, 0.001) for a, b in combinations(NAMES, 2)}
    assert [str(rank) for rank in ranks(NAMES, family(**wins))] == ["1", "2", "3", "4"]
    losses = dict.fromkeys(wins, (-0.2, 0.001))
    assert [str(rank) for rank in ranks(NAMES, family(**losses))] == ["4", "3", "2", "1"]


def test_places_follow_from_who_beats_whom() -> None:
    found = {rank.metric: rank for rank in ranks(NAMES, family(ad=(0.3, 0.01), bd=(0.3, 0.04)))}
    assert (found["a"].best, found["a"].worst, found["a"].beats) == (1, 3, ("d",))
    assert (found["c"].best, found["c"].worst) == (1, 4)
    assert (found["d"].best, found["d"].worst, found["d"].beaten_by) == (3, 4, ("a", "b"))


@pytest.mark.parametrize("p", [0.05, 0.2, math.nan])
def test_no_separation_without_a_small_p_value(p: float) -> None:
    assert {str(rank) for rank in ranks(NAMES, family(ab=(0.9, p)))} == {"1–4"}


def test_equal_metrics_are_rarely_separated_and_a_bad_one_is() -> None:
    design = Design("ranks", (4, 3, 2) * 6, n_cells=3, separation=2.5)
    frame = design.draw(np.random.default_rng(1)).frame
    rng = np.random.default_rng(2)
    score = frame["score"].to_numpy()
    tables = [
        ScoreTable(frame.assign(metric=name, score=score * weight + rng.normal(size=len(frame)) * noise))
        for name, weight, noise in (("one", 1, 0.1), ("two", 1, 0.1), ("noise", 0, 1))
    ]
    found = {rank.metric: str(rank) for rank in ranks(("one", "two", "noise"), compare_all(tables))}
    assert found == {"one": "1–2", "two": "1–2", "noise": "3"}


def test_separations_are_listed_in_the_order_of_the_metrics() -> None:
    told = family(ab=(-0.1, 0.01), ac=(0.2, 0.01), ad=(0.2, 0.01))
    found = ranks(NAMES, told[::-1])
    assert found[0].beats == ("c", "d")
    assert found[0].beaten_by == ("b",)
    assert (found[0].best, found[0].worst) == (2, 2)
    assert [rank.metric for rank in found] == list(NAMES)


def test_the_level_is_that_of_the_separation() -> None:
    told = family(ab=(0.2, 0.05))
    assert {str(rank) for rank in ranks(NAMES, told)} == {"1–4"}
    assert [str(rank) for rank in ranks(NAMES, told, 0.06)] == ["1–3", "2–4", "1–4", "1–4"]
    assert {str(rank) for rank in ranks(NAMES, family(ab=(0.2, 0.04)), 0.04)} == {"1–4"}
    assert ranks(NAMES, family(ab=(0.0, 0.01)))[0].beats == ("b",)  # no direction: the first stands ahead
    undefined = family(ab=(0.2, math.nan), ac=(0.2, 0.01))
    assert ranks(NAMES, undefined)[0].beats == ("c",)


def test_an_unknown_metric_is_named() -> None:
    with pytest.raises(ValueError, match=r"of the metrics given \(a, b, c, d\), not of 'x'"):
        ranks(NAMES, [comparison("y", "x", 0.1, 0.5)])
    with pytest.raises(ValueError, match="not of 'x'"):
        ranks(NAMES, [comparison("a", "x", 0.1, 0.5)])
    with pytest.raises(ValueError, match="level"):
        ranks(NAMES, [], 1.0)
    with pytest.raises(ValueError, match=r"^comparisons\[0\] must be a Comparison"):
        ranks(NAMES, ["a"])  # type: ignore[list-item]
