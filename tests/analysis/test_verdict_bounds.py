"""Bounds on the methods that do not fail hold whichever methods were left out, and say so where none does."""

from __future__ import annotations

import math
from dataclasses import replace
from math import comb

import numpy as np
import pytest

from analysis import Interval, auc, example_table, look_alike_auc, verdict_bounds
from analysis.breakdown import ANYTHING, by_method
from analysis.discrimination.auc import METHODS, auc_interval, auc_share
from analysis.discrimination.intervals import AREA, Share, ShareOfLineages, intervals_at_once
from analysis.discrimination.random_weights import weighted_mean_quantile
from analysis.discrimination.wins import Wins
from analysis.table import ScoreTable
from analysis.verdict_bounds import METHOD, NOTHING_LEFT, _lineages, choices, separation_bounds
from analysis.verdict_words import FAIR, GOOD, MethodState, family_level
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
    monkeypatch.setattr(verdict_bounds, "MOST_STATEMENTS", 3 * choices(4, 1))
    assert separation_bounds(table, methods, n_metrics=3).elsewhere.defined


def whole_bounds(wins: Wins, level: float) -> Interval:
    """One lineage more tells nothing at the lower end, and is as good as can be at the upper."""
    folds = wins.jackknife()
    low, high = (intervals_at_once([auc_share(wins, folds, level, kind)])[0] for kind in (AREA, ANYTHING))
    return replace(high, low=low.low, unseen=low.unseen, method=METHOD)


def assert_alike(one: Interval, other: Interval) -> None:
    """Quantiles that are found together stop together: they differ beyond the digits they are good for."""
    ends = [(each.low, each.high, each.unseen) for each in (one, other)]
    assert ends[0] == pytest.approx(ends[1], abs=1e-6)
    assert replace(one, low=0.0, high=0.0, unseen=0.0) == replace(other, low=0.0, high=0.0, unseen=0.0)


@pytest.mark.parametrize("failing", [(), (2,), (1, 2, 3)])
def test_every_part_of_the_bounds(failing: tuple[int, ...]) -> None:
    table = with_failing(*failing)
    methods = by_method(table, n_metrics=2)
    found = separation_bounds(table, methods, n_metrics=2)
    wins, level = Wins.of(table, "look-alike"), family_level(2)
    assert found.n_metrics == 2
    assert_alike(found.look_alike_auc, whole_bounds(wins, level))
    low, high = (auc_share(wins, wins.jackknife(), level, kind) for kind in (AREA, ANYTHING))
    assert found.lineages_for_good == _lineages(found.look_alike_auc, low, high, GOOD)
    assert found.lineages_for_fair == _lineages(found.look_alike_auc, low, high, FAIR)
    assert not found.knows_shapes
    assert found.share_elsewhere == 1 - len(failing) / 4
    if failing:
        left = Wins.of(table, "look-alike", positive=table.derived & ~np.isin(table.model_b % 5, failing))
        assert_alike(found.elsewhere, whole_bounds(left, family_level(2 * choices(4, len(failing)))))


def test_the_lower_end_and_what_is_unseen_are_those_of_a_lineage_that_tells_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    low = Interval(0.8, 0.6, 0.9, 0.95, "made up", unseen=0.5)
    high = Interval(0.8, 0.5, 0.99, 0.95, "made up", unseen=0.4)
    table = example_table()
    methods = by_method(table)
    monkeypatch.setattr(verdict_bounds, "intervals_at_once", lambda asked: [low, high])
    found = separation_bounds(table, methods).look_alike_auc
    assert found == Interval(0.8, 0.6, 0.99, 0.95, METHOD, unseen=0.5)


def test_the_lineages_that_would_do_are_told_by_the_end_that_is_short_of_the_line() -> None:
    """Below 90% whatever a lineage more may do; above 75% though it may tell nothing."""
    table = example_table(n_lineages=10, separation=1.6)
    found = separation_bounds(table, by_method(table))
    wins = Wins.of(table, "look-alike")
    low, high = (auc_share(wins, wins.jackknife(), family_level(1), kind) for kind in (AREA, ANYTHING))
    assert FAIR < wins.estimate < GOOD
    assert (found.lineages_for_good, found.lineages_for_fair) == tuple(
        _lineages(found.look_alike_auc, low, high, line) for line in (GOOD, FAIR)
    )
    assert found.lineages_for_good > _lineages(found.look_alike_auc, low, low, GOOD) > 0
    assert 0 < found.lineages_for_fair < _lineages(found.look_alike_auc, high, high, FAIR)
    table = example_table(n_lineages=10, separation=1.0)
    found, wins = separation_bounds(table, by_method(table)), Wins.of(table, "look-alike")
    low = auc_share(wins, wins.jackknife(), family_level(1))
    assert wins.estimate < FAIR
    assert found.lineages_for_fair > _lineages(found.look_alike_auc, low, low, FAIR) > 0
    table = example_table()
    found, wins = separation_bounds(table, by_method(table), n_metrics=5), Wins.of(table, "look-alike")
    low, high = (auc_share(wins, wins.jackknife(), family_level(5), kind) for kind in (AREA, ANYTHING))
    assert wins.estimate > GOOD
    assert found.lineages_for_good == _lineages(found.look_alike_auc, low, high, GOOD)
    assert 0 < found.lineages_for_good < _lineages(found.look_alike_auc, high, high, GOOD)


def test_bounds_are_of_one_metric_by_default() -> None:
    table = example_table()
    methods = by_method(table)
    assert separation_bounds(table, methods) == separation_bounds(table, methods, n_metrics=1)
    assert separation_bounds(table, methods) != separation_bounds(table, methods, n_metrics=2)


def test_bounds_that_do_not_exist_say_why() -> None:
    frame = example_table().frame.assign(architecture_a=None, architecture_b=None)
    table = ScoreTable(frame)
    found = separation_bounds(table, by_method(table), n_metrics=3)
    assert "architectures are unknown" in found.look_alike_auc.reason
    assert found.elsewhere == found.look_alike_auc
    assert (found.look_alike_auc.level, found.look_alike_auc.method) == (
        family_level(3),
        METHODS["jackknife"],
    )
    assert (found.n_metrics, found.share_elsewhere, found.knows_shapes) == (3, 1.0, False)
    assert (found.lineages_for_good, found.lineages_for_fair) == (-1, -1)
    strangers = ScoreTable(frame[frame["relation"] == "independent"])
    assert math.isnan(separation_bounds(strangers, {}).share_elsewhere)


def test_where_every_method_fails_the_bound_has_the_level_and_the_name_of_the_others() -> None:
    table = with_failing(1, 2, 3, 4)
    found = separation_bounds(table, by_method(table, n_metrics=2), n_metrics=2).elsewhere
    assert found == Interval.undefined(NOTHING_LEFT, level=family_level(2), method=METHOD)


def test_derived_pairs_without_a_method_are_left_out_by_their_name() -> None:
    table = with_failing(3)
    frame = table.frame
    bare = ScoreTable(frame.assign(method=frame["method"].where(frame["method"] != "method 3", None)))
    methods = by_method(bare)
    assert methods["unnamed"].state is MethodState.FAILED
    assert separation_bounds(bare, methods) == separation_bounds(table, by_method(table))


@pytest.mark.parametrize(
    ("low", "gap", "same_cell", "knows"),
    [
        (0.5, 0.01, 0.51, True),
        (0.5, 0.0, 0.51, False),
        (0.5, 0.01, 0.5, False),
        # A metric that also tells children must owe a tenth to shapes.
        (0.51, 0.11, 0.51, True),
        (0.51, 0.09, 0.51, False),
    ],
)
def test_what_shows_that_a_score_knows_shapes(
    low: float, gap: float, same_cell: float, knows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = example_table()
    alike = Wins.of(table, "look-alike")

    def gap_of(everybody: Wins, look_alikes: Wins, level: float) -> Interval:
        assert everybody.estimate == auc(table).estimate != alike.estimate
        assert look_alikes is alike
        return Interval(0.5, gap, 0.9, level, "made up")

    def same_cell_of(of: ScoreTable, level: float) -> Interval:
        assert (of, level) == (table, 0.8)
        return Interval(0.7, same_cell, 0.9, level, "made up")

    monkeypatch.setattr(verdict_bounds, "auc_gap", gap_of)
    monkeypatch.setattr(verdict_bounds, "same_cell_auc", same_cell_of)
    assert verdict_bounds._knows_shapes(table, alike, Interval(0.6, low, 0.8, 0.8, "made up"), 0.8) == knows


def test_shapes_are_asked_about_below_the_good_line_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict_bounds, "_knows_shapes", lambda *arguments: asked.append(arguments) or True)
    asked: list[tuple[object, ...]] = []
    good, weak = example_table(), Design("weak", (3,) * 60).draw(np.random.default_rng(0))
    assert not separation_bounds(good, by_method(good)).knows_shapes
    assert asked == []
    found = separation_bounds(weak, by_method(weak), n_metrics=4)
    assert found.knows_shapes
    assert found.look_alike_auc.high < GOOD
    table, wins, bounds, level = asked[0]
    assert table is weak
    assert (wins.estimate, bounds, level) == (  # type: ignore[attr-defined]
        look_alike_auc(weak).estimate,
        found.look_alike_auc,
        family_level(4),
    )


def share_of(estimate: float, spread: float, n: int, kind: Share, seed: int) -> ShareOfLineages:
    folds = estimate + spread / n * np.random.default_rng(seed).normal(size=n)
    return ShareOfLineages(estimate, folds, kind, 0.7 * n, 0.9, "made up")


def fewest(share: ShareOfLineages, line: float, times: float) -> int:
    """By the definition, one catalog after the other."""
    above = share.estimate > line
    values = np.sort(share.values if above else 1 - share.values)
    n, k = len(values), 0
    while True:
        k += 1
        size = math.ceil(n * 1.15**k)
        own = np.repeat(values, np.bincount((np.arange(size) * n) // size, minlength=n))
        own += values.mean() - own.mean()
        further = values.mean() * (1 - share.kind.ends * share.kind.lost)
        bound = weighted_mean_quantile(own[None], [further], share.mass, 0.05)[0]
        if bound > (line if above else 1 - line):
            return size
        if 1.15**k >= times:
            return -1


@pytest.mark.parametrize("kind", [AREA, ANYTHING, Share(0.25, 3, 1, "low")])
@pytest.mark.parametrize("line", [0.75, 0.9])
def test_the_lineages_that_would_do(kind: Share, line: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict_bounds, "MOST_TIMES", 1.6)
    wide = Interval(0.8, 0.1, 0.99, 0.9, "made up")
    unread = share_of(0.5, 0.0, 3, AREA, 0)
    told = []
    for seed, estimate in enumerate(np.linspace(0.5, 0.99, 50).tolist()):
        if math.isclose(estimate, line):
            continue
        share = share_of(estimate, 0.2, 5 + seed % 13, kind, seed)
        sides = (share, replace(unread, estimate=0.99)) if estimate > line else (unread, share)
        told.append((_lineages(wide, *sides, line), fewest(share, line, 1.6), len(share.folds)))
    assert [one for one, _, _ in told] == [other for _, other, _ in told]
    grown = {round(math.log(found / n, 1.15)) for found, _, n in told if found > 0}
    assert {1} < grown
    assert -1 in [found for found, _, _ in told]


def test_a_hundred_times_the_lineages_are_tried() -> None:
    wide = Interval(0.8, 0.1, 0.99, 0.9, "made up")
    for estimate in (0.935, 0.912, 0.901):
        share = share_of(estimate, 0.3, 6, AREA, 1)
        assert _lineages(wide, share, share, 0.9) == fewest(share, 0.9, 100)


def test_no_lineages_are_asked_for_where_the_bound_has_passed_or_never_will() -> None:
    share = share_of(0.95, 0.1, 12, AREA, 0)
    passed = (Interval(0.95, 0.9, 0.99, 0.9, "made up"), Interval(0.5, 0.1, 0.9 - 1e-9, 0.9, "made up"))
    assert [_lineages(bounds, share, share, 0.9) for bounds in passed] == [0, 0]
    touching = Interval(0.95, 0.9 - 1e-9, 0.9, 0.9, "made up")
    assert _lineages(touching, share, share, 0.9) > 12
    on_the_line = replace(share, estimate=0.9)
    assert _lineages(touching, on_the_line, on_the_line, 0.9) == -1
    one_carries_all = replace(share, folds=np.array([0.9, math.nan]))
    assert _lineages(touching, one_carries_all, one_carries_all, 0.9) == -1
