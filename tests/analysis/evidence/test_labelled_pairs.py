"""The pairs that evidence is fitted on, and every fit on a part of them, done once more pair by pair."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import analysis
from analysis.evidence.labelled_pairs import (
    N_FOLDS,
    LabelledPairs,
    finite,
    lineage_folds,
    lineage_weights,
)
from analysis.evidence.logistic_fit import logistic_coefficients
from analysis.evidence.out_of_lineage import OutOfLineage, too_few_lineages
from analysis.evidence.quality import cllr, cllr_min, empirical_bounds
from analysis.evidence.score_map import TAIL, rising_share
from tests.support.loss_evaluations import evaluations

Floats = np.ndarray
SIZES = (3, 2, 4, 1, 2, 3, 1, 2, 2, 3, 2, 2)
"""Models of each lineage: two lineages have no derived pair."""


def catalog(
    seed: int, sizes: tuple[int, ...] = SIZES, n_metrics: int = 1
) -> tuple[analysis.ScoreTable, Floats]:
    """A shuffled table of all pairs with unequal lineages, some pairs silent; and rounded scores."""
    rng = np.random.default_rng(seed)
    lineage = np.repeat(np.arange(len(sizes)), sizes)
    a, b = np.triu_indices(len(lineage), 1)
    order = rng.permutation(len(a))
    a, b = a[order], b[order]
    derived = lineage[a] == lineage[b]
    scores = np.round(rng.normal(size=(len(a), n_metrics)) + 1.5 * derived[:, None], 1)
    silent = rng.random(len(a)) < 0.05
    table = analysis.ScoreTable(
        pd.DataFrame(
            {
                "metric": "one",
                "model_a": [f"m{k:02d}" for k in a],
                "model_b": [f"m{k:02d}" for k in b],
                "score": np.where(silent, np.nan, scores[:, 0]),
                "status": np.where(silent, "abstained", "ok"),
                "relation": np.where(derived, "derived", "independent"),
                "lineage_a": [f"l{lineage[k]:02d}" for k in a],
                "lineage_b": [f"l{lineage[k]:02d}" for k in b],
                **{f"score {k}": column for k, column in enumerate(scores.T)},
            }
        )
    )
    return table, table.frame[[f"score {k}" for k in range(n_metrics)]].to_numpy(dtype=np.float64)


def labelled(seed: int, n_metrics: int = 1, sizes: tuple[int, ...] = SIZES) -> LabelledPairs:
    table, scores = catalog(seed, sizes, n_metrics)
    return LabelledPairs.of(table, scores, "independent")


def normal(score: Floats, derived: Floats, weight: Floats, level: Floats) -> Floats:
    """Mean of two normal quantiles: of the places of levels among either class."""
    quantiles = []
    for side in (~derived, derived):
        own, part = score[side, None], weight[side] / weight[side].sum()
        below = part @ (own < level) + part @ (own == level) / 2
        quantiles.append(norm.ppf(np.clip(below, TAIL, 1 - TAIL)))
    value: Floats = np.mean(quantiles, axis=0)
    return value


def fitted(pairs: LabelledPairs, train: Floats) -> tuple[float, Floats, list[Floats], list[Floats]]:
    """Coefficients on some pairs, one by one; and levels with their normal scores for each metric."""
    derived, weight = pairs.derived[train], pairs.weight[train]
    levels = [np.unique(column) for column in pairs.scores.T]
    scales = [
        normal(column[train], derived, weight, level)
        for column, level in zip(pairs.scores.T, levels, strict=True)
    ]
    design = np.stack(
        [np.interp(c[train], x, y) for c, x, y in zip(pairs.scores.T, levels, scales, strict=True)]
    )
    share = np.stack([weight * ~derived, weight * derived])
    intercept, slopes = logistic_coefficients(design, share / share.sum(axis=1, keepdims=True) / 2)
    return intercept, slopes, levels, scales


def weighed(pairs: LabelledPairs, train: Floats, at: Floats) -> Floats:
    """log10 LR of scores, shape (n, n_metrics), by a fit on some pairs."""
    intercept, slopes, levels, scales = fitted(pairs, train)
    normal_at = np.stack([np.interp(c, x, y) for c, x, y in zip(at.T, levels, scales, strict=True)])
    value: Floats = (intercept + slopes @ normal_at) / math.log(10)
    return value


def groups(pairs: LabelledPairs) -> Floats:
    """Group of both ends of every pair: lineages dealt out by falling number of derived pairs."""
    n = int(pairs.code.max()) + 1
    held = [int(np.sum(pairs.code[0][pairs.derived] == k)) for k in range(n)]
    dealt = {k: place % min(10, n) for place, k in enumerate(sorted(range(n), key=lambda k: -held[k]))}
    return np.array([[dealt[int(k)] for k in side] for side in pairs.code])


def test_pairs_are_the_comparable_ones_derived_first() -> None:
    table, scores = catalog(0, n_metrics=2)
    pairs = LabelledPairs.of(table, scores, "independent")
    ok = table.frame["status"].to_numpy() == "ok"
    ours, others = np.flatnonzero(table.derived & ok), np.flatnonzero(table.independent & ok)
    assert 0 < len(ours) < table.derived.sum()
    np.testing.assert_array_equal(pairs.rows, [*ours, *others])
    np.testing.assert_array_equal(pairs.scores, scores[pairs.rows])
    np.testing.assert_array_equal(pairs.derived, [True] * len(ours) + [False] * len(others))
    names = table.lineages.astype(str)
    used = sorted({*names[table.lineage_a[pairs.rows]], *names[table.lineage_b[pairs.rows]]})
    for code, end in zip(pairs.code, "ab", strict=True):
        assert [used[k] for k in code] == list(table.frame[f"lineage_{end}"].iloc[pairs.rows])
    assert (pairs.n_derived, pairs.n_negative) == (len(ours), len(others))
    assert pairs.n_lineages == len(used)
    assert pairs.n_models == len({*table.model_a[pairs.rows], *table.model_b[pairs.rows]})
    assert pairs.n_holders == len({int(k) for k in table.lineage_a[ours]})
    np.testing.assert_array_equal(pairs.weight, lineage_weights(pairs.code, pairs.derived))


def test_lineages_without_a_pair_take_no_part() -> None:
    table, scores = catalog(1)
    touched = (table.lineage_a == 4) | (table.lineage_b == 4)
    silent = np.where(touched, "abstained", table.frame["status"])
    some = analysis.ScoreTable(table.frame.assign(status=silent))
    pairs = LabelledPairs.of(some, scores, "independent")
    assert len(some.lineages) == 12
    assert pairs.n_lineages == 11
    assert (len(some.models), pairs.n_models) == (sum(SIZES), sum(SIZES) - SIZES[4])
    np.testing.assert_array_equal(np.unique(pairs.code), np.arange(11))


def test_every_lineage_weighs_the_same() -> None:
    code = np.array([[0, 0, 0, 2, 0, 1, 2, 0], [0, 0, 0, 2, 1, 0, 0, 2]])
    derived = np.array([True] * 4 + [False] * 4)
    # Two lineages hold derived pairs (three and one), two pairs of lineages two independent ones each.
    expected = [1 / 6, 1 / 6, 1 / 6, 1 / 2, 1 / 4, 1 / 4, 1 / 4, 1 / 4]
    np.testing.assert_allclose(lineage_weights(code, derived), expected)
    code = np.array([[0, 1, 2, 1], [1, 2, 1, 0]])
    np.testing.assert_allclose(lineage_weights(code, np.zeros(4, dtype=bool)), [1 / 4] * 4)
    # Pairs inside a lineage, where they are negatives, are a group as any other.
    code = np.array([[0, 2, 1], [2, 0, 1]])
    np.testing.assert_allclose(lineage_weights(code, np.zeros(3, dtype=bool)), [1 / 4, 1 / 4, 1 / 2])
    assert lineage_weights(np.empty((2, 0), dtype=np.intp), np.empty(0, dtype=bool)).shape == (0,)


def test_lineages_are_dealt_by_falling_number_of_derived_pairs() -> None:
    code = np.array([[0, 1, 1, 2, 2, 2, 4, 0], [0, 1, 1, 2, 2, 2, 4, 3]])
    derived = np.array([True] * 7 + [False])
    # 2 (three pairs), 1 (two), 0 and 4 (one), 3 (none).
    np.testing.assert_array_equal(lineage_folds(code, derived, 2), [0, 1, 0, 0, 1])
    np.testing.assert_array_equal(lineage_folds(code, derived), [2, 1, 0, 4, 3])
    many = np.tile(np.arange(25), (2, 1))
    np.testing.assert_array_equal(lineage_folds(many, np.ones(25, dtype=bool)), np.arange(25) % 10)
    assert N_FOLDS == 10


def test_infinite_scores_go_one_standard_deviation_beyond() -> None:
    scores = np.array(
        [[0.0, np.inf, 3.0], [4.0, -np.inf, 3.0], [np.inf, np.inf, np.inf], [-np.inf, 0.0, -np.inf]]
    )
    found = finite(scores)
    np.testing.assert_allclose(found[:, 0], [0.0, 4.0, 6.0, -2.0])
    np.testing.assert_allclose(found[:, 1], [1.0, -1.0, 1.0, 0.0])
    np.testing.assert_allclose(found[:, 2], [3.0, 3.0, 4.0, 2.0])
    only = finite(np.array([[np.inf, 1.0], [-np.inf, 2.0]]))
    np.testing.assert_array_equal(only, [[1.0, 1.0], [-1.0, 2.0]])


@pytest.mark.parametrize("n_metrics", [1, 3])
def test_the_fit_on_all_pairs_is_that_on_each_of_them(n_metrics: int) -> None:
    pairs = labelled(2, n_metrics)
    everything = np.ones(len(pairs.derived), dtype=bool)
    intercept, slopes, levels, scales = fitted(pairs, everything)
    fit = pairs.fit()
    assert fit.intercept == pytest.approx(intercept, abs=1e-9)
    np.testing.assert_allclose(fit.slopes, slopes, atol=1e-9)
    assert (slopes > 0).all()
    for scale, level, value in zip(fit.scales, levels, scales, strict=True):
        np.testing.assert_array_equal(scale.score, level)
        np.testing.assert_allclose(scale.value, value, atol=1e-9)


@pytest.mark.parametrize("n_metrics", [1, 3])
@pytest.mark.parametrize("sizes", [SIZES, (3, 2, 3, 2, 1)])
def test_held_out_pairs_are_weighed_by_those_that_touch_neither_group(
    n_metrics: int, sizes: tuple[int, ...]
) -> None:
    pairs = labelled(3, n_metrics, sizes)
    fold = groups(pairs)
    found = pairs.held_out(pairs.fit())
    for here in np.linspace(0, len(fold[0]) - 1, 12).astype(int):
        train = np.asarray(~np.isin(fold, fold[:, here]).any(axis=0))
        if pairs.derived[train].all() or not pairs.derived[train].any():
            assert found[here] == 0.0
            continue
        expected = weighed(pairs, train, pairs.scores[[here]])[0]
        assert found[here] == pytest.approx(expected, abs=1e-6)


def test_held_out_isotonic_is_the_regression_on_those_pairs() -> None:
    pairs = labelled(4)
    fold = groups(pairs)
    found = pairs.held_out_isotonic()
    level = np.unique(pairs.scores[:, 0])
    for here in range(0, len(fold[0]), 9):
        train = np.asarray(~np.isin(fold, fold[:, here]).any(axis=0))
        sums = [
            np.array([pairs.weight[train & side & (pairs.scores[:, 0] == one)].sum() for one in level])
            for side in (~pairs.derived, pairs.derived)
        ]
        other, ours = (one / one.sum() / 2 for one in sums)
        p = rising_share(level, ours, ours + other)[level == pairs.scores[here, 0]][0]
        with np.errstate(divide="ignore"):
            expected = np.log10(p) - np.log10(1 - p)
        # A share of 0 or 1 within rounding is one.
        assert np.clip(found[here], -9, 9) == pytest.approx(np.clip(expected, -9, 9), abs=1e-9)


def test_isotonic_is_the_regression_on_all_pairs() -> None:
    pairs = labelled(4, sizes=(3, 2, 3, 2, 1))
    found = pairs.isotonic()
    level = np.unique(pairs.scores[:, 0])
    np.testing.assert_array_equal(found.score, level)
    # The smallest of the largest means of the class from a level down, and up to a level: min-max formula.
    at = pairs.scores[:, 0]
    for low, value in zip(level, found.value, strict=True):
        least = []
        for stop in level[level >= low]:
            blocks = [(at >= start) & (at <= stop) for start in level[level <= low]]
            least.append(max(pairs.weight[b & pairs.derived].sum() / pairs.weight[b].sum() for b in blocks))
        p = min(least)
        expected = np.log10(p / (1 - p)) if 1e-12 < p < 1 - 1e-12 else math.copysign(9, p - 0.5)
        assert np.clip(value, -9, 9) == pytest.approx(expected, abs=1e-9)


def test_a_class_without_training_pairs_says_nothing() -> None:
    """Lineages with derived pairs are two: between them, nothing is left to weigh by."""
    pairs = labelled(5, sizes=(3, 3, 1, 1, 1))
    between = (pairs.code < 2).all(axis=0) & ~pairs.derived
    assert between.any()
    assert (pairs.held_out(pairs.fit())[between] == 0).all()
    assert (pairs.held_out_isotonic()[between] == 0).all()


@pytest.mark.parametrize("n_metrics", [1, 2])
def test_lineages_are_left_out_one_by_one(n_metrics: int) -> None:
    pairs = labelled(6, n_metrics)
    at = np.array([0.73, 0.2])[:n_metrics]
    found = pairs.left_out_one_by_one(at, pairs.fit())
    expected = []
    for lineage in range(pairs.n_lineages):
        train = np.asarray(~np.isin(pairs.code, lineage).any(axis=0))
        expected.append(weighed(pairs, train, at[None])[0])
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("n_metrics", [1, 2])
def test_fits_on_a_part_begin_at_the_fit_on_all(n_metrics: int) -> None:
    """Which changes no result, but saves steps."""
    pairs = labelled(6, n_metrics, (3, 2, 3, 2, 1))
    fit = pairs.fit()
    elsewhere = replace(fit, intercept=9.0, slopes=np.full(n_metrics, 20.0))
    at = np.full(n_metrics, 0.7)
    for run in (pairs.held_out, lambda start: pairs.left_out_one_by_one(at, start)):
        with evaluations() as from_there:
            near = run(fit)
        with evaluations() as from_elsewhere:
            far = run(elsewhere)
        np.testing.assert_allclose(near, far, atol=1e-9)
        assert from_there["loss"] < 0.8 * from_elsewhere["loss"]


def test_a_lineage_whose_loss_leaves_no_class_is_not_counted() -> None:
    pairs = labelled(7, sizes=(3, 1, 1, 1))
    assert len(pairs.left_out_one_by_one(np.array([0.5]), pairs.fit())) == 3


def test_too_few_lineages_are_counted_and_said() -> None:
    assert too_few_lineages(labelled(8, sizes=(2, 2, 2, 1))) == ""
    assert too_few_lineages(labelled(0)) == ""
    assert too_few_lineages(labelled(8, sizes=(2, 2, 1, 1, 1)), ", there") == (
        "2 lineages with derived pairs, of 5 in all, there: leave-one-out needs at least 3 of 4"
    )
    assert too_few_lineages(labelled(8, sizes=(2, 2, 2))) == (
        "3 lineages with derived pairs, of 3 in all: leave-one-out needs at least 3 of 4"
    )


@pytest.mark.parametrize("n_metrics", [1, 2])
def test_out_of_lineage_evidence_is_bounded_and_judged(n_metrics: int) -> None:
    pairs = labelled(9, n_metrics)
    fit = pairs.fit()
    found = OutOfLineage.of(pairs, fit)
    values = pairs.held_out(fit)
    np.testing.assert_array_equal(found.weighed, values)
    low, high = empirical_bounds(values, pairs.derived, pairs.weight, pairs.n_holders, pairs.n_lineages / 2)
    assert low < 0 < high
    assert (found.lower, found.upper) == (low, high)
    np.testing.assert_array_equal(found.bounded, np.clip(values, low, high))
    assert found.cllr == cllr(found.bounded, pairs.derived, pairs.weight)
    ranking = pairs.scores[:, 0] if n_metrics == 1 else values
    assert found.cllr_min == cllr_min(ranking, pairs.derived, pairs.weight)
    assert found.cllr_min != cllr_min(
        pairs.scores[:, 0] if n_metrics == 2 else values, pairs.derived, pairs.weight
    )
