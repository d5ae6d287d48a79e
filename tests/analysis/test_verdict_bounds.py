"""Bounds on the methods that do not fail hold whichever methods were left out, and say so where none does."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from analysis import verdict_bounds
from analysis.breakdown import ANYTHING, by_method
from analysis.discrimination.auc import auc_interval, auc_share
from analysis.discrimination.intervals import intervals_at_once
from analysis.discrimination.wins import Wins
from analysis.table import ScoreTable
from analysis.verdict_bounds import choices, separation_bounds
from analysis.verdict_words import MethodState, family_level
from studies.simulation.designs import Design

DESIGN = Design("methods", (5,) * 40, n_cells=2, shape="hub", separation=3.0)


def with_failing(*children: int) -> ScoreTable:
    """Four methods, each with one child a lineage; the children named score like strangers."""
    labels = DESIGN.labels
    child = labels.model_b % 5
    method = np.where(labels.derived, np.char.add("method ", child.astype(str)), "")
    lost = labels.derived & np.isin(child, children)
    score = DESIGN.draw(np.random.default_rng(0)).score - 3.0 * lost
    return ScoreTable(labels.frame.assign(method=method, score=score))


@pytest.mark.parametrize("n_methods", [1, 2, 7, 14])
def test_all_choices_together_have_no_more_than_the_error_of_one_statement(n_methods: int) -> None:
    share = [comb(n_methods, r) / choices(n_methods, r) for r in range(1, n_methods + 1)]
    assert sum(share) <= 1
    assert sum(share) == pytest.approx(1 - 2.0**-n_methods)


@pytest.mark.parametrize("failing", [(1,), (1, 3)])
def test_what_is_left_is_bounded_for_every_choice(failing: tuple[int, ...]) -> None:
    table = with_failing(*failing)
    methods = by_method(table, n_metrics=3)
    assert [name for name, row in methods.items() if row.state is MethodState.FAILED] == [
        f"method {child}" for child in failing
    ]
    found = separation_bounds(table, methods, n_metrics=3).elsewhere
    left = Wins.of(table, "look-alike", positive=table.derived & ~np.isin(table.model_b % 5, failing))
    level = family_level(3 * choices(4, len(failing)))
    assert found.low == pytest.approx(auc_interval(left, level).low)
    assert found.high == pytest.approx(
        intervals_at_once([auc_share(left, left.jackknife(), level, ANYTHING)])[0].high
    )
    # Without regard to the choice it would be narrower.
    assert found.low < auc_interval(left, family_level(3)).low


def test_nothing_is_chosen_where_no_method_fails() -> None:
    table = with_failing()
    found = separation_bounds(table, by_method(table))
    assert found.elsewhere == found.look_alike_auc
    assert found.share_elsewhere == 1


def test_no_bound_where_every_method_fails() -> None:
    table = with_failing(1, 2, 3, 4)
    found = separation_bounds(table, by_method(table))
    assert not found.elsewhere.defined
    assert "every derived pair" in found.elsewhere.reason
    assert found.share_elsewhere == 0


def test_no_bound_where_the_choices_are_more_than_an_error_can_be_shared_among(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verdict_bounds, "MOST_STATEMENTS", 3 * choices(4, 1) - 1)
    table = with_failing(2)
    methods = by_method(table, n_metrics=3)
    assert "1 of 4 methods" in separation_bounds(table, methods, n_metrics=3).elsewhere.reason
    assert separation_bounds(table, methods, n_metrics=2).elsewhere.defined
