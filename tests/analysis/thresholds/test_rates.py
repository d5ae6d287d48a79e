"""Rates with dyadic intervals."""

from __future__ import annotations

import math
from dataclasses import astuple
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

import analysis
from analysis import ScoreTable
from analysis.discrimination.intervals import (
    FALSE_POSITIVES,
    TRUE_POSITIVES,
    clopper_pearson,
    lineage_interval,
)
from analysis.thresholds.rates import METHOD, share_interval
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
    hit = table.score >= 0.3
    folds = [
        np.mean(hit[table.independent & (table.lineage_a != g) & (table.lineage_b != g)])
        for g in range(len(table.lineages))
    ]
    expected = lineage_interval(
        float(np.mean(hit[table.independent])),
        folds,
        kind=FALSE_POSITIVES,
        units=10.0,
        level=0.9,
        method="",
        n_lineages=10,
    )
    found = analysis.rate(table, 0.3, level=0.9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("lineages", [12, 30, 60])
def test_no_false_positive_is_worth_half_the_lineages(lineages: int) -> None:
    """Both ends of a pair can be the lineage that is all errors: the exact bound of G/2 pairs."""
    labels = Design("", (3,) * lineages).labels
    found = analysis.rate(labels, 1.0)
    assert found.estimate == 0
    assert found.high == pytest.approx(clopper_pearson(0.0, lineages / 2, 0.95)[1], rel=0.01)
    assert found.low == 0
    everything = analysis.rate(labels, 0.0, "tpr")
    assert (everything.low, everything.high) == pytest.approx((0.025 ** (1 / lineages), 1.0), abs=2e-3)


@pytest.mark.thorough
@pytest.mark.parametrize(("lineages", "truth"), [(10, 0.01), (18, 0.001), (36, 0.001)])
def test_coverage_at_zero_counts(lineages: int, truth: float) -> None:
    population = design(lineages, "3–5", "lineage", "chain", cells=1)
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


def test_every_number_of_a_rate_lineage_by_lineage(table: ScoreTable) -> None:
    status = np.where((np.arange(len(table)) % 5 == 1) | (table.lineage_b == 9), "abstained", "ok")
    table = ScoreTable(table.frame.assign(status=status))
    mask = (table.model_a % 3 != 0) & (table.model_b != 39)
    kinds: tuple[tuple[Literal["fpr", "tpr"], str], ...] = (
        ("fpr", "independent"),
        ("fpr", "look-alike"),
        ("tpr", "independent"),
    )
    for kind, negatives in kinds:
        asked = (table.derived if kind == "tpr" else table.negatives(negatives)) & table.comparable & mask
        rows = np.flatnonzero(asked)
        touched = [
            [row for row in rows if g in (table.lineage_a[row], table.lineage_b[row])]
            for g in range(len(table.lineages))
        ]
        hit = table.score >= 0.3
        held = np.array([len(own) for own in touched])
        folds = [
            float(np.mean([hit[row] for row in rows if row not in set(own)])) for own in touched if len(own)
        ]
        effective = held.sum() ** 2 / (held**2).sum()
        expected = lineage_interval(
            float(hit[rows].mean()),
            folds,
            units=effective,
            kind=FALSE_POSITIVES if kind == "fpr" else TRUE_POSITIVES,
            level=0.8,
            method=METHOD,
            n_pairs=len(rows),
            n_models=len(set(table.model_a[rows]) | set(table.model_b[rows])),
            n_lineages=int((held > 0).sum()),
        )
        found = analysis.rate(table, 0.3, kind, negatives=negatives, mask=mask, level=0.8)
        assert astuple(found)[:3] == pytest.approx(astuple(expected)[:3], abs=1e-6)
        assert astuple(found)[3:-1] == astuple(expected)[3:-1]


def test_a_single_lineage_or_pair_is_one_trial() -> None:
    labels = Design("", (3, 1), 1).labels
    found = analysis.rate(labels, 0.0, "tpr")
    assert (found.estimate, found.n_pairs, found.n_models, found.n_lineages) == (1.0, 3, 3, 1)
    assert "equivalent to 1.0 equal ones" in " ".join(found.warnings)
    assert "equivalent to 2.0 equal ones" in " ".join(analysis.rate(labels, 0.0).warnings)


def test_an_undefined_rate_keeps_its_level_and_method(table: ScoreTable) -> None:
    method = analysis.rate(table, 0.3).method
    nothing = np.zeros(len(table), dtype=bool)
    for found, reason in (
        (analysis.rate(table, math.nan, level=0.8), "there is no threshold"),
        (analysis.rate(table, 0.0, "tpr", mask=nothing, level=0.8), "no derived pair with a score"),
        (analysis.rate(table, 0.0, mask=nothing, level=0.8), "no independent pair with a score"),
        (
            analysis.rate(table, 0.0, negatives="look-alike", mask=nothing, level=0.8),
            "no look-alike pair with a score",
        ),
    ):
        assert (found.reason, found.level, found.method) == (reason, 0.8, method)
    stated = analysis.rate(table, 0.3, "fpr", negatives="independent", level=0.95)
    assert analysis.rate(table, 0.3) == stated


def test_warnings_and_method_are_passed_on(table: ScoreTable) -> None:
    rows = np.flatnonzero(table.derived)
    hit = table.score[rows] >= 0.3
    found = share_interval(table, rows, hit, pairs_of="tpr", method="mine", warnings=("look",))
    assert (found.method, found.warnings[0], found.level) == ("mine", "look", 0.95)


def counted(pairs: list[tuple[str, str, int, int]]) -> ScoreTable:
    """Pairs (lineage, lineage, how many, how many of them score 1), each pair of two models of its own."""
    rows = [
        (f"{a}-{b}-{i}", f"{b}-{a}-{i}x", float(i < hits), "derived" if a == b else "independent", a, b)
        for a, b, n, hits in pairs
        for i in range(n)
    ]
    columns = ["model_a", "model_b", "score", "relation", "lineage_a", "lineage_b"]
    return ScoreTable(pd.DataFrame(rows, columns=columns))


def test_a_lineage_with_a_single_pair_is_a_lineage() -> None:
    """Its fold is the rate of all others, and theirs is its own: 2 of 3 and 1 of 1."""
    found = analysis.rate(counted([("a", "a", 3, 2), ("b", "b", 1, 1)]), 0.5, "tpr")
    expected = lineage_interval(
        0.75,
        [1.0, 2 / 3],
        units=1.6,
        kind=TRUE_POSITIVES,
        level=0.95,
        method=METHOD,
        n_pairs=4,
        n_models=8,
        n_lineages=2,
    )
    assert astuple(found)[:3] == pytest.approx(astuple(expected)[:3], abs=1e-6)
    assert astuple(found)[3:-1] == astuple(expected)[3:-1]
