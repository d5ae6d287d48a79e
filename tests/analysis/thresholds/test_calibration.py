"""Thresholds: calibrated, judged on what they have not seen, certified or refused."""

from __future__ import annotations

import itertools
import math
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis import ScoreTable
from analysis.thresholds.heldout import held_out_rates, smallest_threshold
from analysis.thresholds.rates import share_interval
from studies.simulation.designs import Design

POPULATION = Design("", (2,) * 124, 3, separation=2.0, same_cell=0.4)


def test_ties_stay_out_whole_and_zero_is_above_the_maximum() -> None:
    scores = np.array([5.0, 4, 4, 4, 3, 2, 1, 0, 0, 0])
    just_above_4 = np.nextafter(4.0, np.inf)
    assert smallest_threshold(scores, 0.0) == np.nextafter(5.0, np.inf)
    assert smallest_threshold(scores, 0.1) == just_above_4
    assert smallest_threshold(scores, 0.3) == just_above_4
    assert smallest_threshold(scores, 0.4) == np.nextafter(3.0, np.inf)
    assert smallest_threshold(scores, 1.0) == -math.inf
    assert math.isnan(smallest_threshold(np.array([]), 0.1))
    assert math.isnan(smallest_threshold(np.array([np.inf, 0.0]), 0.1))
    for max_fpr in (0.0, 0.1, 0.25, 0.5, 0.7):
        threshold = smallest_threshold(scores, max_fpr)
        assert np.mean(scores >= threshold) <= max_fpr
        assert np.mean(scores >= np.nextafter(threshold, -np.inf)) > max_fpr


def held_out_by_definition(table: ScoreTable, max_fpr: float, by: str) -> dict[str, dict[int, bool]]:
    """Independent and derived rows that can be judged, and whether they pass the threshold of the others."""
    of_model = table.lineage_of if by == "lineage" else table.cell_of
    member: dict[int, set[int]] = {}
    for model, group in enumerate(of_model.tolist()):
        member.setdefault(group, set()).add(int(table.lineage_of[model]))
    limits: dict[tuple[int, int], float] = {}
    hits: dict[str, dict[int, bool]] = {"independent": {}, "derived": {}}
    for row in range(len(table)):
        ends = int(of_model[table.model_a[row]]), int(of_model[table.model_b[row]])
        if table.relation[row] not in hits or min(ends) < 0:
            continue
        if ends not in limits:
            out = list(member[ends[0]] | member[ends[1]])
            left = table.independent & ~np.isin(table.lineage_a, out) & ~np.isin(table.lineage_b, out)
            limits[ends] = smallest_threshold(np.sort(table.score[left])[::-1], max_fpr)
        if not math.isnan(limits[ends]):
            hits[table.relation[row]][row] = bool(table.score[row] >= limits[ends])
    return hits


def assert_held_out(table: ScoreTable, max_fpr: float, by: Literal["lineage", "architecture"]) -> None:
    """Compare estimates, intervals and what they are called with those of the definition."""
    hits = held_out_by_definition(table, max_fpr, by)
    kinds: tuple[tuple[Literal["fpr", "tpr"], str], ...] = (("fpr", "independent"), ("tpr", "derived"))
    for found, (kind, relation) in zip(held_out_rates(table, max_fpr, by=by, level=0.8), kinds, strict=True):
        rows = np.array(list(hits[relation]))
        passed = np.array(list(hits[relation].values()))
        expected = share_interval(table, rows, passed, pairs_of=kind, level=0.8)
        assert found.n_pairs == len(rows)
        assert found.estimate == pytest.approx(np.mean(passed))
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
        assert found.level == 0.8
        assert found.method == f"calibrated with the {by} left out; pair-weighted"


@pytest.mark.parametrize("max_fpr", [0.01, 0.2])
@pytest.mark.parametrize("by", ["lineage", "architecture"])
def test_held_out_rates_are_those_of_the_definition(by: Any, max_fpr: float) -> None:
    table = Design("", (3, 1, 2, 4, 2, 3, 1), 4, separation=1.0).draw(np.random.default_rng(2))
    assert_held_out(table.with_scores(np.round(table.score, 1)), max_fpr, by)


def test_held_out_rates_where_the_best_thousand_pairs_are_held_out() -> None:
    """Two lineages hold the 1,088 highest scores: the threshold without them lies far down the list."""
    table = Design("", (8,) * 10, separation=1.0).draw(np.random.default_rng(5))
    high = (table.lineage_a < 2) | (table.lineage_b < 2)
    assert_held_out(table.with_scores(table.score + 20.0 * high), 0.05, "lineage")


def test_held_out_rates_leave_models_of_unknown_architecture_out() -> None:
    table = Design("", (3, 2, 2, 4, 2, 3), 4, separation=1.0).draw(np.random.default_rng(2))
    frame = table.frame.copy()
    for end in "ab":
        frame.loc[frame[f"model_{end}"].isin(table.models[[0, 3, 8]]), f"architecture_{end}"] = None
    unknown = ScoreTable(frame)
    assert (unknown.cell_of < 0).sum() == 3
    assert_held_out(unknown, 0.2, "architecture")


def test_three_lineages_can_be_held_out_and_two_cannot() -> None:
    three = Design("", (3, 3, 3), separation=1.0).draw(np.random.default_rng(2))
    _, tpr = held_out_rates(three, 0.2, by="lineage")
    assert tpr.n_pairs == three.derived.sum()
    assert tpr.level == 0.95
    two = Design("", (3, 3), separation=1.0).draw(np.random.default_rng(2))
    for found in held_out_rates(two, 0.2, by="lineage", level=0.8):
        assert found.reason == "fewer than three groups (2) by lineage: nothing is left to calibrate on"
        assert (found.level, found.method) == (0.8, "calibrated with the lineage left out; pair-weighted")
    no_negatives = ScoreTable(three.frame[three.derived])
    for found in held_out_rates(no_negatives, 0.2, by="lineage", level=0.8):
        assert found.reason == "no pair can be judged with its lineage left out"
        assert (found.level, found.method) == (0.8, "calibrated with the lineage left out; pair-weighted")


def test_a_held_out_score_on_its_threshold_passes() -> None:
    labels = Design("", (3,) * 6).labels
    table = labels.with_scores(np.where(labels.derived, np.nextafter(0.0, 1.0), 0.0))
    fpr, tpr = held_out_rates(table, 0.05, by="lineage")
    assert (fpr.estimate, tpr.estimate) == (0.0, 1.0)
    everything = held_out_rates(table, 1.0, by="lineage")
    assert [found.estimate for found in everything] == [1.0, 1.0]


def test_many_lineages_are_held_out_in_groups() -> None:
    table = POPULATION.draw(np.random.default_rng(3))
    fpr, tpr = held_out_rates(table, 0.05, by="lineage")
    assert fpr.n_pairs == table.independent.sum()
    assert fpr.estimate == pytest.approx(0.05, abs=0.02)
    assert tpr.n_pairs == table.derived.sum()


def test_odd_tables() -> None:
    labels = Design("", (3,) * 6, 2).labels
    constant = analysis.calibrate_threshold(labels, 0.05)
    assert constant.value == np.nextafter(0.0, 1.0)
    assert constant.fpr.estimate == 0
    assert constant.tpr.estimate == 0
    infinite = analysis.calibrate_threshold(labels.with_scores(np.full(len(labels), np.inf)), 0.05)
    assert math.isnan(infinite.value)
    assert "+infinity" in infinite.reason
    assert "no threshold" in infinite.fpr.reason
    derived = ScoreTable(labels.frame[labels.derived])
    nothing = analysis.calibrate_threshold(derived, 0.05)
    assert math.isnan(nothing.value)
    assert "nothing to calibrate on" in nothing.reason
    assert nothing.held_out_fpr.reason
    no_cells = labels.frame.drop(columns=["architecture_a", "architecture_b"])
    assert "unknown" in analysis.calibrate_threshold(ScoreTable(no_cells)).new_architecture_fpr.reason
    alone = pd.DataFrame([("a", "b", 0.5, "derived")], columns=["model_a", "model_b", "score", "relation"])
    assert math.isnan(analysis.calibrate_threshold(ScoreTable(alone)).value)
    with pytest.raises(ValueError, match="max_fpr"):
        analysis.calibrate_threshold(labels, 0.0)


def test_audit_of_a_claimed_threshold() -> None:
    table = Design("", (4,) * 10, 2, separation=1.0, same_cell=0.8).draw(np.random.default_rng(0))
    found = analysis.audit_threshold(table, 0.9)
    assert found.threshold == 0.9
    assert found.fpr == analysis.rate(table, 0.9)
    assert found.tpr == analysis.rate(table, 0.9, "tpr")
    assert found.look_alike_fpr == analysis.rate(table, 0.9, negatives="look-alike")
    assert found.look_alike_fpr.estimate > found.fpr.estimate


def test_an_audit_has_the_level_asked_for() -> None:
    table = Design("", (4,) * 10, 2, separation=1.0, same_cell=0.8).draw(np.random.default_rng(0))
    found = analysis.audit_threshold(table, 0.9, 0.8)
    assert found.fpr == analysis.rate(table, 0.9, "fpr", level=0.8)
    assert found.tpr == analysis.rate(table, 0.9, "tpr", level=0.8)
    assert found.look_alike_fpr == analysis.rate(table, 0.9, "fpr", negatives="look-alike", level=0.8)


@pytest.mark.parametrize("max_fpr", [0.001, 0.2, 0.5, 0.9])
def test_thresholds_without_lineages_are_found_however_deep_they_lie(max_fpr: float) -> None:
    """The pairs that are left out score highest, so that several stretches of pairs are passed over."""
    labels = Design("", (20,) * 5).labels
    rng = np.random.default_rng(3)
    touching = (labels.lineage_a < 2).astype(float) + (labels.lineage_b < 2)
    table = labels.with_scores(rng.normal(size=len(labels)) + 0.8 * touching)
    fpr, _ = held_out_rates(table, max_fpr, by="lineage")
    hits = []
    for a, b in itertools.combinations(range(5), 2):
        here = table.independent & (table.lineage_a == a) & (table.lineage_b == b)
        ends = np.stack([table.lineage_a, table.lineage_b])
        left = table.score[table.independent & ~np.isin(ends, [a, b]).any(axis=0)]
        hits.append(table.score[here] >= smallest_threshold(np.sort(left)[::-1], max_fpr))
    assert fpr.estimate == pytest.approx(np.concatenate(hits).mean(), abs=1e-12)


def test_a_stretch_may_end_at_the_last_negative_that_is_allowed() -> None:
    labels = Design("", (16,) * 4).labels
    negative = np.flatnonzero(labels.independent)
    kept = (labels.lineage_a[negative] > 1) & (labels.lineage_b[negative] > 1)
    # Of 256 kept pairs 51 are allowed: all of them in the first stretch of 1,024 pairs, the others below it.
    order = np.concatenate([np.flatnonzero(kept)[:51], np.flatnonzero(~kept)[:973]])
    order = np.concatenate([order, np.flatnonzero(kept)[51:], np.flatnonzero(~kept)[973:]])
    score = np.zeros(len(labels))
    score[negative[order]] = np.arange(len(order), 0, -1)
    table = labels.with_scores(score)
    fpr, _ = held_out_rates(table, 0.2, by="lineage")
    first = np.isin(np.arange(len(table)), negative[~kept]) & (table.lineage_a == 0) & (table.lineage_b == 1)
    limit = np.sort(score[negative[kept]])[::-1][51]
    assert limit == len(order) - 1024
    assert (score[first] > limit).all()
    assert fpr.n_pairs == len(negative)
