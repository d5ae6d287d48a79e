"""Derived pairs by method and look-alikes by class: counts, rates and AUCs of each part."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis import Interval, ScoreTable
from analysis.breakdown import ANYTHING, BOUNDS, NOT_ASKED, _state, by_method, method_bounds
from analysis.discrimination.auc import METHODS, auc_interval, auc_share
from analysis.discrimination.intervals import AREA, Share, intervals_at_once
from analysis.discrimination.wins import Wins
from analysis.thresholds.rates import METHOD as RATES
from analysis.verdict_words import GOOD, MethodState, family_level
from studies.simulation.designs import Design


@pytest.fixture(scope="module")
def table() -> ScoreTable:
    return Design("", (4,) * 10, 2, separation=1.0).draw(np.random.default_rng(0))


def test_by_method(table: ScoreTable) -> None:
    method = np.where(table.derived, np.where(np.arange(len(table)) % 3 == 0, "merge", "fine-tune"), "")
    status = np.where(np.arange(len(table)) % 7 == 0, "abstained", "ok")
    labelled = ScoreTable(table.frame.assign(method=method, status=status))
    found = analysis.by_method(labelled, 0.5)
    assert list(found) == ["fine-tune", "merge"]
    for name, row in found.items():
        ours = labelled.derived & (labelled.frame["method"] == name).to_numpy()
        scored = ours & labelled.comparable
        assert row.n_pairs == scored.sum()
        assert row.n_abstained == ours.sum() - scored.sum()
        assert row.tpr.estimate == pytest.approx(np.mean(labelled.score[scored] >= 0.5))
        assert 0.5 < row.auc.estimate < 1
        assert row.look_alike_auc.defined
    assert sum(row.n_pairs for row in found.values()) == (labelled.derived & labelled.comparable).sum()
    assert "no threshold" in analysis.by_method(labelled)["merge"].tpr.reason


def test_by_look_alike(table: ScoreTable) -> None:
    found = analysis.by_look_alike(table, 0.5)
    assert list(found) == ["cell000", "cell001"]
    assert sum(row.n_pairs for row in found.values()) == table.look_alike.sum()
    shared = np.where(np.arange(len(table)) % 2 == 0, "same corpus", None)
    named = analysis.by_look_alike(ScoreTable(table.frame.assign(shared=shared)), 0.5)
    assert list(named) == ["cell000", "cell001", "same corpus"]
    row = named["same corpus"]
    mask = table.look_alike & (np.arange(len(table)) % 2 == 0)
    assert row.fpr.estimate == pytest.approx(np.mean(table.score[mask] >= 0.5))


def test_by_look_alike_names_pairs_of_cells() -> None:
    cells = {"a": "moe", "b": "dense", "c": "moe", "d": "dense"}
    frame = pd.DataFrame(
        [("a", "b", 0.9, "derived"), ("c", "d", 0.7, "derived"), ("a", "d", 0.5, "independent")],
        columns=["model_a", "model_b", "score", "relation"],
    )
    for end in "ab":
        frame[f"architecture_{end}"] = frame[f"model_{end}"].map(cells)
    assert list(analysis.by_look_alike(ScoreTable(frame))) == ["dense × moe"]


def test_a_method_whose_pairs_all_abstained() -> None:
    frame = pd.DataFrame(
        [
            ("a", "b", 0.9, "derived", "ok"),
            ("c", "d", np.nan, "derived", "abstained"),
            ("a", "c", 0.1, "independent", "ok"),
        ],
        columns=["model_a", "model_b", "score", "relation", "status"],
    )
    frame["method"] = ["fine-tune", "prune", ""]
    row = analysis.by_method(ScoreTable(frame), 0.5)["prune"]
    assert row.n_pairs == 0
    assert row.n_abstained == 1
    assert math.isnan(row.median)
    assert row.auc.reason
    assert row.tpr.reason
    assert row.look_alike_auc_with_misses == Interval.undefined(
        "no pair with a score on one of the two sides", level=0.95, method=METHODS["jackknife"]
    )


def test_parts_are_the_matched_auc_and_the_rates_of_their_pairs(table: ScoreTable) -> None:
    """At the level asked for; a class of look-alikes is met by all derived pairs."""
    (found,) = analysis.by_method(table, 0.5, 0.8).values()
    for one, alone in (
        (found.look_alike_auc, analysis.auc(table, "look-alike", 0.8)),
        (found.auc, analysis.auc(table, level=0.8)),
        (found.tpr, analysis.rate(table, 0.5, "tpr", level=0.8)),
    ):
        # Quantiles that are found together stop together: they differ beyond the digits they are good for.
        assert (one.low, one.high) == pytest.approx((alone.low, alone.high), abs=1e-6)
        assert replace(one, low=0.0, high=0.0, unseen=0.0) == replace(alone, low=0.0, high=0.0, unseen=0.0)
    assert found.look_alike_auc.estimate != found.auc.estimate
    for name, alike in analysis.by_look_alike(table, 0.5, 0.8).items():
        theirs = table.look_alike & (table.frame["architecture_a"] == name).to_numpy()
        wins = Wins.of(table, negative=theirs)
        assert alike.auc == auc_interval(wins, 0.8)
        assert alike.fpr == analysis.rate(table, 0.5, negatives="look-alike", mask=theirs, level=0.8)


def test_pairs_without_a_method_are_unnamed(table: ScoreTable) -> None:
    assert list(analysis.by_method(table)) == ["unnamed"]


def test_a_median_is_a_score_that_is_there() -> None:
    rows = [("a", "b", 0.1, "derived"), ("c", "d", 0.7, "derived"), ("a", "c", 0.0, "independent")]
    columns = ["model_a", "model_b", "score", "relation"]
    (found,) = analysis.by_method(ScoreTable(pd.DataFrame(rows, columns=columns))).values()
    assert (found.n_pairs, found.n_lineages, found.median) == (2, 2, 0.1)


def test_a_part_without_pairs_on_one_side_says_so(table: ScoreTable) -> None:
    alone = ScoreTable(table.frame[table.derived])
    (found,) = analysis.by_method(alone, level=0.8).values()
    assert found.auc == analysis.Interval.undefined(
        "no pair with a score on one of the two sides", level=0.8, method=METHODS["jackknife"]
    )


def small(**columns: Any) -> ScoreTable:
    """Two derived pairs, "x" with "x" and "x" with "y", and their look-alikes; "z" has none."""
    cells = {"a": "x", "b": "x", "c": "y", "d": "x", "e": "y", "f": "x", "g": "z", "h": None}
    lineage = dict(zip("abcdefgh", "AAADEFGH", strict=True))
    derived = {("a", "b"): 9.0, ("a", "c"): 8.0}
    frame = pd.DataFrame(
        [
            (
                one,
                other,
                derived.get((one, other), float(k)),
                "derived" if (one, other) in derived else "independent",
            )
            for k, (one, other) in enumerate(
                pair for pair in itertools.combinations(cells, 2) if pair != ("b", "c")
            )
        ],
        columns=["model_a", "model_b", "score", "relation"],
    )
    for end in "ab":
        frame[f"architecture_{end}"] = frame[f"model_{end}"].map(cells)
        frame[f"lineage_{end}"] = frame[f"model_{end}"].map(lineage)
    return ScoreTable(frame.assign(**columns))


def test_classes_of_look_alikes_count_their_pairs_and_lineages() -> None:
    table = small()
    found = analysis.by_look_alike(table, 0.5)
    kind = {"x": {("x", "x")}, "x × y": {("x", "y"), ("y", "x")}}
    assert list(found) == list(kind)
    cells = list(zip(table.frame["architecture_a"], table.frame["architecture_b"], strict=True))
    for name, row in found.items():
        theirs = table.independent & np.array([pair in kind[name] for pair in cells])
        ends = table.frame.loc[theirs, ["lineage_a", "lineage_b"]].to_numpy()
        assert (row.n_pairs, row.n_abstained) == (theirs.sum(), 0)
        assert row.n_lineages == len(set(ends.ravel()))
        assert row.median == sorted(table.score[theirs])[(row.n_pairs - 1) // 2]
        assert type(name) is str


def test_what_is_shared_names_the_class_where_it_is_filled() -> None:
    table = small()
    shared = np.full(len(table), None, dtype=object)
    first, second, third, fourth = np.flatnonzero(table.look_alike)[:4]
    shared[[first, second, third, fourth]] = "corpus", "", np.nan, 7
    shared[np.flatnonzero(~table.look_alike)] = "nothing to do with it"
    found = analysis.by_look_alike(small(shared=shared))
    assert list(found) == ["7", "corpus", "x", "x × y"]
    assert [found[name].median for name in ("7", "corpus")] == [table.score[fourth], table.score[first]]
    assert sum(row.n_pairs for row in found.values()) == table.look_alike.sum()


def test_abstentions_are_counted_apart_in_a_class() -> None:
    table = small()
    rows = np.flatnonzero(table.look_alike & (table.frame["architecture_a"] == table.frame["architecture_b"]))
    status = np.full(len(table), "ok", dtype=object)
    status[rows[:2]] = "abstained"
    row = analysis.by_look_alike(small(status=status))["x"]
    assert (row.n_pairs, row.n_abstained) == (len(rows) - 2, 2)


def test_a_class_whose_pairs_all_abstained_has_no_rate() -> None:
    table = small()
    status = np.where(table.look_alike, "abstained", "ok")
    for row in analysis.by_look_alike(small(status=status), 0.5, 0.8).values():
        assert row.n_pairs == 0
        assert row.fpr.reason == "no look-alike pair with a score"
        assert row.auc == Interval.undefined(
            "no pair with a score on one of the two sides", level=0.8, method=METHODS["jackknife"]
        )


def test_a_method_is_judged_by_its_own_pairs() -> None:
    table = small()
    pairs = list(zip(table.frame["model_a"], table.frame["model_b"], strict=True))
    score, method = table.score.copy(), np.full(len(table), "", dtype=object)
    for pair, name, value in ((("a", "b"), "cast", 99.0), (("a", "c"), "merge", -1.0)):
        score[pairs.index(pair)], method[pairs.index(pair)] = value, name
    found = analysis.by_method(small(score=score, method=method), 0.5)
    assert [(row.look_alike_auc.estimate, row.auc.estimate, row.tpr.estimate) for row in found.values()] == [
        (1.0, 1.0, 1.0),
        (0.0, 0.0, 0.0),
    ]
    alike = {name: row.look_alike_auc.n_pairs for name, row in found.items()}
    classes = analysis.by_look_alike(table)
    assert alike == {"cast": 1 + classes["x"].n_pairs, "merge": 1 + classes["x × y"].n_pairs}


def test_without_architectures_there_is_no_class() -> None:
    nothing = small(architecture_a=None, architecture_b=None, shared="corpus")
    assert analysis.by_look_alike(nothing) == {}
    assert list(analysis.by_method(nothing)) == ["unnamed"]


@pytest.mark.parametrize("call", [analysis.by_method, analysis.by_look_alike])
def test_an_undefined_threshold_is_none_and_bad_arguments_are_named(
    call: Callable[..., dict[str, object]],
) -> None:
    table = small()
    assert repr(call(table, math.nan)) == repr(call(table)) != repr(call(table, 5.0))
    assert repr(call(table, level=0.95)) == repr(call(table)) != repr(call(table, level=0.9))
    for refused, words in (
        ((table.frame,), "table must be a ScoreTable"),
        ((table, "high"), "threshold must be a number"),
        ((table, 0.5, 95), "level must be a number between 0 and 1"),
    ):
        with pytest.raises(analysis.BadArgument, match=f"^{words}"):
            call(*refused)


def one_by_one(wins: Wins, level: float, kind: Share) -> Interval:
    return intervals_at_once([auc_share(wins, wins.jackknife(), level, kind)])[0]


def assert_alike(one: Interval, other: Interval) -> None:
    """To the digits that quantiles found together are good for."""
    ends = [(each.low, each.high, each.unseen) for each in (one, other)]
    assert ends[0] == pytest.approx(ends[1], abs=1e-6, nan_ok=True)
    assert replace(one, low=0.0, high=0.0, unseen=0.0) == replace(other, low=0.0, high=0.0, unseen=0.0)


def with_misses() -> ScoreTable:
    """Two methods; a third of the derived pairs of one, and some independent pairs, have no score."""
    table = Design("", (4,) * 12, 2, separation=2.0).draw(np.random.default_rng(3))
    method = np.where(table.derived, np.where(np.arange(len(table)) % 2, "merge", "cast"), "")
    rows = np.flatnonzero(table.derived & (method == "merge"))
    silent = np.zeros(len(table), dtype=bool)
    silent[rows[::3]] = True
    silent[np.flatnonzero(table.independent)[::5]] = True
    return ScoreTable(table.frame.assign(method=method, status=np.where(silent, "failed", "ok")))


def test_bounds_hold_for_methods_and_metrics_together_and_count_misses_against_the_metric() -> None:
    table = with_misses()
    found = analysis.by_method(table, level=0.8, n_metrics=3)
    together = family_level(3 * 2)
    for name, row in found.items():
        ours = table.derived & (table.frame["method"] == name).to_numpy()
        wins = Wins.of(table, "look-alike", positive=ours & table.comparable)
        assert_alike(row.look_alike_auc, one_by_one(wins, 0.8, AREA))
        missed = Wins.of(
            table,
            "look-alike",
            positive=ours,
            negative=table.independent & table.comparable,
            score=np.where(table.comparable, table.score, -1e9),
        )
        assert_alike(row.look_alike_auc_with_misses, one_by_one(missed, 0.8, AREA))
        low = one_by_one(missed, together, AREA).low
        high = one_by_one(wins, together, ANYTHING)
        assert_alike(row.bounds, replace(high, low=low, method=BOUNDS, unseen=math.nan))
        assert row.state is _state(row.n_pairs, row.bounds) is not MethodState.NO_SCORE
    assert found["cast"].look_alike_auc_with_misses == found["cast"].look_alike_auc
    assert found["merge"].look_alike_auc_with_misses.estimate < found["merge"].look_alike_auc.estimate
    scored = 1 - found["merge"].n_abstained / (found["merge"].n_abstained + found["merge"].n_pairs)
    assert found["merge"].look_alike_auc_with_misses.estimate == pytest.approx(
        scored * found["merge"].look_alike_auc.estimate
    )
    assert analysis.by_method(table, level=0.8) == analysis.by_method(table, level=0.8, n_metrics=1) != found


def test_misses_never_lift_the_lower_bound_above_the_estimate_of_the_rest() -> None:
    """The pair with a score loses to all. The other shares the last place, with strangers of its cells."""
    table = small()
    score, status = table.score.copy(), np.full(len(table), "ok", dtype=object)
    score[0] = -5.0
    score[table.independent & (table.cell_a != table.cell_b)] = -np.inf
    status[np.flatnonzero(table.derived)[1]] = "abstained"
    (row,) = analysis.by_method(small(score=score, status=status)).values()
    assert row.look_alike_auc_with_misses.estimate == 0.25
    assert row.bounds.low == row.bounds.estimate == 0.0
    (nothing,) = analysis.by_method(small(status=np.where(table.derived, "failed", "ok"))).values()
    assert nothing.state is MethodState.NO_SCORE
    assert nothing.look_alike_auc_with_misses.estimate == 0.0
    undefined = Interval.undefined(
        "no pair with a score on one of the two sides", level=0.95, method=METHODS["jackknife"]
    )
    assert nothing.bounds == nothing.look_alike_auc == nothing.auc == undefined


@pytest.mark.parametrize(
    ("n_scored", "low", "high", "state"),
    [
        (0, 0.1, 0.2, MethodState.NO_SCORE),
        (1, 0.1, GOOD - 1e-9, MethodState.FAILED),
        (1, 0.1, GOOD, MethodState.UNDECIDED),
        (1, GOOD - 1e-9, 1.0, MethodState.UNDECIDED),
        (1, GOOD, 1.0, MethodState.HELD),
    ],
)
def test_a_method_fails_or_holds_by_its_bounds(
    n_scored: int, low: float, high: float, state: MethodState
) -> None:
    assert _state(n_scored, Interval(0.5, low, high, 0.95, "made up")) is state


def test_a_score_at_the_threshold_is_a_hit_and_a_rate_that_is_missing_says_why() -> None:
    table = small()
    (row,) = analysis.by_method(table, 8.0, 0.8).values()
    assert row.tpr.estimate == 1
    (row,) = analysis.by_method(table, level=0.8).values()
    assert row.tpr == Interval.undefined("there is no threshold", level=0.8, method=RATES)


def test_what_a_verdict_asks_for_is_that_of_the_whole_breakdown() -> None:
    for table in (with_misses(), analysis.example_table()):
        whole, part = by_method(table, n_metrics=4), method_bounds(table, 4)
        assert list(part) == list(whole)
        for name, one in part.items():
            assert (one.auc.reason, one.tpr.reason) == (NOT_ASKED, "there is no threshold")
            assert_alike(one.bounds, whole[name].bounds)
            assert_alike(one.look_alike_auc, whole[name].look_alike_auc)
            assert_alike(one.look_alike_auc_with_misses, whole[name].look_alike_auc_with_misses)
            assert (one.state, one.n_pairs, one.n_abstained) == (
                whole[name].state,
                whole[name].n_pairs,
                whole[name].n_abstained,
            )
