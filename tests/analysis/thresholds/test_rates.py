"""Rates with dyadic intervals; broken down by method and by look-alike class."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

import analysis
from analysis import ScoreTable
from analysis.discrimination.intervals import wilson
from studies.simulation.coverage import design
from studies.simulation.designs import Design


@pytest.fixture(scope="module")
def table() -> ScoreTable:
    return Design("", (4,) * 10, 2, separation=1.0).draw(np.random.default_rng(0))


def test_estimates_count_scores_at_or_above(table: ScoreTable) -> None:
    for threshold in (float(table.score[table.independent][3]), 0.2, -9.0):
        for kind, mask in (("fpr", table.independent), ("tpr", table.derived)):
            found = analysis.rate(table, threshold, kind)  # type: ignore[arg-type]
            assert found.estimate == pytest.approx(np.mean(table.score[mask] >= threshold))
            assert found.n_pairs == mask.sum()
    alike = analysis.rate(table, 0.2, "fpr", negatives="look-alike")
    assert alike.estimate == pytest.approx(np.mean(table.score[table.look_alike] >= 0.2))


def test_folds_are_the_rate_without_a_lineage(table: ScoreTable) -> None:
    """The interval is that of the folds computed naively."""
    from analysis.discrimination.intervals import lineage_interval

    hit = table.score >= 0.3
    folds = [
        np.mean(hit[table.independent & (table.lineage_a != g) & (table.lineage_b != g)])
        for g in range(len(table.lineages))
    ]
    expected = lineage_interval(
        float(np.mean(hit[table.independent])), folds, units=5.0, level=0.9, method="", n_lineages=10
    )
    found = analysis.rate(table, 0.3, level=0.9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("lineages", [12, 30, 60])
def test_no_false_positive_is_worth_half_the_lineages(lineages: int) -> None:
    """The bound of the design: .39 at 12 lineages, .20 at 30, .11 at 60 (Wilson on G/2)."""
    labels = Design("", (3,) * lineages).labels
    found = analysis.rate(labels, 1.0)
    assert found.estimate == 0
    assert found.high == pytest.approx({12: 0.39, 30: 0.204, 60: 0.114}[lineages], abs=0.005)
    assert found.low == 0
    everything = analysis.rate(labels, 0.0, "tpr")
    assert (everything.low, everything.high) == pytest.approx(wilson(1.0, lineages, 0.95))


@pytest.mark.parametrize(("lineages", "truth"), [(8, 0.01), (15, 0.001), (30, 0.001)])
def test_coverage_at_zero_counts(lineages: int, truth: float) -> None:
    population = design(lineages, "4", "lineage", "chain", cells=1)
    threshold = population.threshold_at(truth)
    held, zero = [], 0
    for drawn in population.draws(200, 4):
        found = analysis.rate(drawn, threshold)
        held.append(found.low <= truth <= found.high)
        zero += found.estimate == 0
    assert zero >= 15
    assert binomtest(sum(held), len(held), 0.93, alternative="less").pvalue > 0.01


def test_undefined_says_why(table: ScoreTable) -> None:
    assert "no threshold" in analysis.rate(table, math.nan).reason
    nothing = analysis.rate(table, 0.0, mask=np.zeros(len(table), dtype=bool))
    assert math.isnan(nothing.estimate)
    assert "no independent pair" in nothing.reason
    with pytest.raises(ValueError, match="kind must be"):
        analysis.rate(table, 0.0, "ppv")  # type: ignore[arg-type]


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
