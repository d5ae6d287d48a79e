"""Thresholds: calibrated, judged on what they have not seen, certified or refused."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

import analysis
from analysis import ScoreTable
from analysis.thresholds.calibration import _umbrella, certified_value, independent_negatives
from analysis.thresholds.heldout import held_out_rates, smallest_threshold
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


def test_order_statistic_of_the_certificate() -> None:
    """59 negatives: the maximum certifies 5 % at 95 %; 93 allow one to pass, 58 nothing."""
    for n, rank in ((59, 59), (92, 92), (93, 92), (124, 122)):
        sample = np.random.default_rng(n).permutation(np.arange(n, dtype=float))
        assert _umbrella(sample, 0.05, 0.95) == np.nextafter(rank - 1.0, np.inf)
    assert math.isnan(_umbrella(np.append(np.zeros(58), np.inf), 0.05, 0.95))


@pytest.mark.parametrize(("max_fpr", "needed"), [(0.05, 118), (0.01, 598), (0.001, 5990)])
def test_refusal_names_the_lineages_that_would_do(max_fpr: float, needed: int) -> None:
    table = Design("", (3,) * 20, 2, separation=1.5).draw(np.random.default_rng(0))
    found = analysis.calibrate_threshold(table, max_fpr)
    assert not found.certified
    assert found.lineages_needed == needed
    assert f"{needed} lineages would do" in found.reason
    assert found.n_independent == 10
    assert np.mean(table.score[table.independent] >= found.value) <= max_fpr
    assert found.lineages_needed == analysis.lineages_needed(max_fpr, 0.95)


def test_certified_where_the_catalog_allows() -> None:
    table = POPULATION.draw(np.random.default_rng(1))
    found = analysis.calibrate_threshold(table, 0.05)
    assert found.certified
    assert found.reason == ""
    assert found.n_independent == 62
    assert found.fpr.estimate <= 0.05
    assert found == analysis.calibrate_threshold(table, 0.05)
    assert not analysis.calibrate_threshold(table, 0.05, 0.99).certified


@pytest.mark.parametrize(("draw", "larger"), [(0, "bound"), (15, "value")])
def test_a_certified_threshold_is_the_larger_of_its_value_and_its_bound(draw: int, larger: str) -> None:
    """The bound guarantees the rate on fresh lineages; the value keeps it on the pairs of this catalog."""
    table = next(itertools.islice(POPULATION.draws(draw + 1, 9), draw, None))
    bound = _umbrella(independent_negatives(table, seed=draw), 0.05, 0.95)
    value = smallest_threshold(np.sort(table.score[table.independent])[::-1], 0.05)
    assert (bound > value) == (larger == "bound")
    found, certified, _, _ = certified_value(table, 0.05, 0.95, seed=draw)
    assert certified
    assert found == max(value, bound)


def test_independent_negatives_share_no_lineage() -> None:
    labels = POPULATION.labels
    coded = labels.with_scores(np.arange(len(labels), dtype=float))
    for negatives in ("independent", "look-alike"):
        rows = independent_negatives(coded, negatives, seed=3).astype(int)
        used = np.concatenate([labels.lineage_a[rows], labels.lineage_b[rows]])
        assert len(np.unique(used)) == 2 * len(rows)
        assert labels.negatives(negatives)[rows].all()
        assert len(rows) >= 60
    different = independent_negatives(coded, seed=4)
    assert set(different) != set(independent_negatives(coded, seed=3))


def test_a_certified_threshold_keeps_its_promise() -> None:
    """Over fresh catalogs at most 5 % of certified thresholds exceed their rate."""
    exceeded = [
        POPULATION.rate(certified_value(table, 0.05, 0.95, seed=i)[0], "fpr") > 0.05
        for i, table in enumerate(POPULATION.draws(120, 9))
    ]
    assert binomtest(sum(exceeded), len(exceeded), 0.05, alternative="greater").pvalue > 0.01


@pytest.mark.parametrize("by", ["lineage", "architecture"])
def test_held_out_rates_are_those_of_the_definition(by: str) -> None:
    table = Design("", (3, 1, 2, 4, 2, 3, 1), 4, separation=1.0).draw(np.random.default_rng(2))
    table = table.with_scores(np.round(table.score, 1))
    member = {}
    of_model = table.lineage_of if by == "lineage" else table.cell_of
    for model, group in enumerate(of_model):
        member.setdefault(int(group), set()).add(int(table.lineage_of[model]))
    hits: dict[str, list[bool]] = {"independent": [], "derived": []}
    for row in range(len(table)):
        if table.relation[row] in hits:
            ends = of_model[table.model_a[row]], of_model[table.model_b[row]]
            out = member[int(ends[0])] | member[int(ends[1])]
            left = [
                table.score[i]
                for i in np.flatnonzero(table.independent)
                if not {int(table.lineage_a[i]), int(table.lineage_b[i])} & out
            ]
            if left:
                threshold = smallest_threshold(np.sort(left)[::-1], 0.2)
                hits[table.relation[row]].append(bool(table.score[row] >= threshold))
    fpr, tpr = held_out_rates(table, 0.2, by=by)  # type: ignore[arg-type]
    assert fpr.n_pairs == len(hits["independent"])
    assert fpr.estimate == pytest.approx(np.mean(hits["independent"]))
    assert tpr.estimate == pytest.approx(np.mean(hits["derived"]))


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
