"""Shortcuts of the influences against tables that are changed one by one, small and full of ties."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from analysis import ScoreTable
from analysis.discrimination.wins import Wins
from analysis.influence.compared_scores import (
    NO_LOOK_ALIKES,
    ComparedScores,
    coarser_look_alikes,
    threshold_turned,
    threshold_without_lineage,
)
from analysis.thresholds.heldout import smallest_threshold
from studies.simulation.designs import Design

pytestmark = pytest.mark.thorough

DESIGNS = [
    Design("pair and single", (2, 1)),
    Design("two pairs", (2, 2)),
    Design("two cells", (2, 2, 2, 1), n_cells=2),
    Design("several", (3, 2, 2, 1), n_cells=2),
]


def small(seed: int) -> ScoreTable:
    """A table of few pairs with few values, some of them missing."""
    rng = np.random.default_rng(seed)
    labels = DESIGNS[seed % len(DESIGNS)].labels
    values = rng.integers(0, int(rng.integers(2, 8)), len(labels)).astype(float)
    missing = rng.random(len(labels)) < rng.choice([0.0, 0.3])
    frame = labels.with_scores(values).frame.assign(status=np.where(missing, "abstained", "ok"))
    return ScoreTable(frame)


@cache
def tables() -> list[ScoreTable]:
    """Those in which something is compared; made when a test asks, not where tests are only collected."""
    return [table for table in map(small, range(160)) if ComparedScores.of(table).groups]


# One test takes a tenth of the tables: test processes share them, and a failure narrows down where to look.
N_PARTS = 10


def changed_auc(table: ScoreTable, row: int) -> float:
    """Look-alike AUC with one label turned, by the definition; the cells that are compared are kept."""
    won, held = 0.0, 0
    for p, n in ComparedScores.of(table).groups:
        ours, theirs = (np.setdiff1d(rows, [row]) for rows in (p, n))
        if row in p:
            theirs = np.append(theirs, row)
        elif row in n:
            ours = np.append(ours, row)
        if len(ours) and len(theirs):
            gap = table.score[ours][:, None] - table.score[theirs][None]
            won += ((gap > 0) + (gap == 0) / 2).mean(axis=1).sum()
            held += len(ours)
    return won / held if held else math.nan


def test_there_are_tables_of_every_kind() -> None:
    sizes = [(len(p), len(n)) for table in tables() for p, n in ComparedScores.of(table).groups]
    assert {1, 2} <= {n for _, n in sizes}
    assert {1, 2} <= {p for p, _ in sizes}
    assert len(tables()) > 100


@pytest.mark.parametrize("part", range(N_PARTS))
def test_every_turned_label_gives_the_auc_of_the_changed_table(part: int) -> None:
    for table in tables()[part::N_PARTS]:
        turned_labels_give_the_auc(table)


def turned_labels_give_the_auc(table: ScoreTable) -> None:
    ranks = ComparedScores.of(table)
    assert ranks.estimate == pytest.approx(Wins.of(table, "look-alike").estimate)
    rows = np.concatenate([*(np.concatenate(group) for group in ranks.groups)])
    values = np.array([changed_auc(table, int(row)) for row in rows])
    found = ranks.turned()
    if np.isnan(values).all():
        assert found.reason
        return
    assert (found.low, found.high) == pytest.approx((np.nanmin(values), np.nanmax(values)))
    assert found.n_changes == np.isfinite(values).sum()
    named = [row for row in rows if found.by.startswith(pair_name(table, int(row)))]
    assert changed_auc(table, int(named[0])) == pytest.approx(found.worst)


@pytest.mark.parametrize("max_fpr", [0.01, 0.1, 0.25, 0.5, 0.9])
def test_every_turned_label_gives_the_threshold_of_the_changed_look_alikes(max_fpr: float) -> None:
    for table in tables():
        ranks = ComparedScores.of(table)
        alike = ranks.negatives
        ours = np.concatenate([p for p, _ in ranks.groups])
        values = {int(row): threshold(table, np.append(alike, row), max_fpr) for row in ours}
        values |= {int(row): threshold(table, np.setdiff1d(alike, [row]), max_fpr) for row in alike}
        found = threshold_turned(ranks, max_fpr)
        assert found.estimate == threshold(table, alike, max_fpr)
        left = [value for value in values.values() if not math.isnan(value)]
        assert (found.low, found.high, found.n_changes) == (min(left), max(left), len(left))
        named = [row for row in values if found.by.startswith(pair_name(table, row))]
        assert values[named[0]] == found.worst


@pytest.mark.parametrize("max_fpr", [0.1, 0.5])
def test_without_a_lineage_the_threshold_is_that_of_what_is_left(max_fpr: float) -> None:
    for table in tables():
        ranks = ComparedScores.of(table)
        alike = ranks.negatives
        a, b = table.lineage_a[alike], table.lineage_b[alike]
        values = {
            str(table.lineages[g]): threshold(table, alike[(a != g) & (b != g)], max_fpr)
            for g in np.unique([a, b])
        }
        found = threshold_without_lineage(ranks, max_fpr)
        left = [value for value in values.values() if not math.isnan(value)]
        if not left:
            assert found.reason == "no data left to compute it from"
            continue
        assert (found.low, found.high, found.n_changes) == (min(left), max(left), len(left))
        assert values[found.by] == found.worst


@pytest.mark.parametrize("part", range(N_PARTS))
def test_without_a_lineage_the_auc_is_that_of_what_is_left(part: int) -> None:
    for table in tables()[part :: 3 * N_PARTS]:
        without_a_lineage_the_auc_is_that_of_the_rest(table)


def without_a_lineage_the_auc_is_that_of_the_rest(table: ScoreTable) -> None:
    frame = table.frame
    values = {}
    rows = np.concatenate([*(np.concatenate(group) for group in ComparedScores.of(table).groups)])
    for name in table.lineages[np.unique([table.lineage_a[rows], table.lineage_b[rows]])].tolist():
        kept = ScoreTable(frame[(frame["lineage_a"] != name) & (frame["lineage_b"] != name)])
        wins = Wins.of(kept, "look-alike") if len(kept) else None
        if wins is not None and wins.n_positive:
            values[name] = wins.estimate
    found = ComparedScores.of(table).without_lineage()
    if not values:
        assert found.reason == "no data left to compute it from"
        return
    assert (found.low, found.high) == pytest.approx((min(values.values()), max(values.values())))
    assert values[found.by] == pytest.approx(found.worst)


def threshold(table: ScoreTable, rows: np.ndarray, max_fpr: float) -> float:
    return smallest_threshold(np.sort(table.score[rows])[::-1], max_fpr)


def pair_name(table: ScoreTable, row: int) -> str:
    return f"{table.models[table.model_a[row]]} – {table.models[table.model_b[row]]} taken as "


@pytest.mark.parametrize("part", range(N_PARTS))
def test_coarser_look_alikes_by_a_direct_count(part: int) -> None:
    for table in tables()[part :: 3 * N_PARTS]:
        coarser_look_alikes_are_counted(table)


def coarser_look_alikes_are_counted(table: ScoreTable) -> None:
    ours, theirs = (np.flatnonzero(side & table.comparable) for side in (table.derived, table.independent))

    def shares(p: np.ndarray, n: np.ndarray) -> np.ndarray:
        gap = table.score[p][:, None] - table.score[n][None]
        return ((gap > 0) + (gap == 0) / 2).mean(axis=1)

    within = table.cell_a == table.cell_b
    parts = [
        shares(ours[within[ours] == same], theirs[within[theirs] == same])
        for same in (True, False)
        if (within[ours] == same).any() and (within[theirs] == same).any()
    ]
    found = coarser_look_alikes(table)
    assert found["within or across"] == pytest.approx(np.concatenate(parts).mean())
    assert found["independent"] == pytest.approx(shares(ours, theirs).mean())


def test_derived_pairs_across_two_shapes_are_compared_with_such() -> None:
    """A child of another shape counts against strangers across shapes; these stand high here."""
    labels = Design("shapes", (2, 2, 2)).labels
    frame = labels.frame
    cell = {name: ("x" if i % 2 else "y") for i, name in enumerate(labels.models.tolist())}
    frame = frame.assign(architecture_a=frame["model_a"].map(cell), architecture_b=frame["model_b"].map(cell))
    across = frame["architecture_a"] != frame["architecture_b"]
    score = np.where(frame["relation"] == "derived", 1.0, np.where(across, 2.0, 0.0))
    found = coarser_look_alikes(ScoreTable(frame.assign(score=score)))
    assert found["within or across"] == 0.0
    assert 0 < found["independent"] < 1


def test_a_kind_of_pairs_without_strangers_is_left_out() -> None:
    frame = Design("no strangers", (2, 2)).labels.with_scores(np.arange(6.0)).frame
    cell = {
        name: ("x" if i % 2 else "y") for i, name in enumerate(sorted({*frame["model_a"], *frame["model_b"]}))
    }
    frame = frame.assign(architecture_a=frame["model_a"].map(cell), architecture_b=frame["model_b"].map(cell))
    across = (frame["architecture_a"] != frame["architecture_b"]) & (frame["relation"] == "independent")
    table = ScoreTable(frame.assign(status=np.where(across, "abstained", "ok")))
    assert (table.cell_a != table.cell_b)[table.derived].all()
    assert set(coarser_look_alikes(table)) == {"independent"}


def test_without_one_of_the_two_classes_nothing_is_compared() -> None:
    frame = Design("one class", (2, 2)).labels.with_scores(np.arange(6.0)).frame
    for kept in ("derived", "independent"):
        table = ScoreTable(frame[frame["relation"] == kept])
        assert coarser_look_alikes(table) == {}
        ranks = ComparedScores.of(table)
        assert math.isnan(ranks.estimate)
        for found in (
            ranks.turned(),
            ranks.without_lineage(),
            threshold_turned(ranks, 0.1),
            threshold_without_lineage(ranks, 0.1),
        ):
            assert found.reason == NO_LOOK_ALIKES
