"""Rates with dyadic intervals."""

from __future__ import annotations

import math

import numpy as np
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
