"""Costs, bounds and curves of log10 LRs, against the formulas written down pair by pair."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.evidence.quality import (
    ELUB_GRID,
    cllr,
    cllr_min,
    empirical_bounds,
    entropy_curves,
    first_bound,
    tippett_curves,
)
from analysis.validation import BadArgument

Floats = np.ndarray


def drawn(seed: int, n: int = 40) -> tuple[Floats, Floats, Floats]:
    """log10 LRs with ties, classes and weights."""
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.4
    positive[:2] = True, False
    return np.round(rng.normal(size=n) * 0.7 + np.where(positive, 0.5, -0.5), 1), positive, rng.random(n)


def entropy(log10_lr: Floats, positive: Floats, weight: Floats, log10_odds: float) -> float:
    """Weighted mean of -log2 of the posterior of what is true, each class by its prior."""
    odds = 10.0**log10_odds
    total = 0.0
    for side, prior in ((True, odds / (1 + odds)), (False, 1 / (1 + odds))):
        share = weight[positive == side] / weight[positive == side].sum()
        for value, part in zip(log10_lr[positive == side], share, strict=True):
            of_truth = 1 / (odds * 10.0**value) if side else odds * 10.0**value
            total += prior * part * math.log2(1 + of_truth)
    return total


def pav(score: Floats, positive: Floats, weight: Floats) -> Floats:
    """log10 odds at even priors, by the max-min formula of isotonic regression."""
    share = np.where(positive, weight / weight[positive].sum(), weight / weight[~positive].sum()) / 2
    levels = np.unique(score)
    ours = np.array([share[(score == level) & positive].sum() for level in levels])
    both = np.array([share[score == level].sum() for level in levels])
    n = len(levels)
    p = {
        levels[i]: max(
            min(ours[j : k + 1].sum() / both[j : k + 1].sum() for k in range(i, n)) for j in range(i + 1)
        )
        for i in range(n)
    }
    value = np.array([p[one] for one in score])
    return np.array(
        [math.inf if q > 1 - 1e-12 else -math.inf if q < 1e-12 else math.log10(q / (1 - q)) for q in value]
    )


@pytest.mark.parametrize("seed", range(3))
def test_costs_are_what_the_formula_says(seed: int) -> None:
    log10_lr, positive, weight = drawn(seed)
    assert cllr(log10_lr, positive, weight) == pytest.approx(entropy(log10_lr, positive, weight, 0.0))
    assert cllr(log10_lr, positive) == pytest.approx(entropy(log10_lr, positive, np.ones(40), 0.0))
    best = np.clip(pav(log10_lr, positive, weight), -12, 12)
    assert cllr_min(log10_lr, positive, weight) == pytest.approx(
        entropy(best, positive, weight, 0.0), abs=1e-9
    )
    best = np.clip(pav(log10_lr, positive, np.ones(40)), -12, 12)
    assert cllr_min(log10_lr, positive) == pytest.approx(entropy(best, positive, np.ones(40), 0.0), abs=1e-9)


def test_refusals_name_the_argument() -> None:
    positive = np.array([True, False])
    for value in ([math.nan, 0.0], [[1.0, 2.0]]):
        with pytest.raises(BadArgument, match=r"^log10_lr must be"):
            cllr(value, positive)
        with pytest.raises(BadArgument, match=r"^score must be"):
            cllr_min(value, positive)
    for call in (cllr, cllr_min):
        with pytest.raises(BadArgument, match=r"^positive must"):
            call([1.0, 2.0], np.array([True, True]))
        with pytest.raises(BadArgument, match=r"^weight must"):
            call([1.0, 2.0], positive, [1.0, -1.0])
        with pytest.raises(BadArgument, match=r"^weight must"):
            call([1.0, 2.0], positive, [1.0, 0.0])


def bounds(
    log10_lr: Floats, positive: Floats, weight: Floats, ours: float, theirs: float
) -> tuple[float, ...]:
    """The range around 1 in which acting on the LRs costs no more than the odds alone, step by step."""

    def worse(cut: float) -> bool:
        missed = weight[positive & (log10_lr < cut)].sum() / weight[positive].sum()
        accused = weight[~positive & (log10_lr >= cut)].sum() / weight[~positive].sum()
        cost = (missed * ours + 1) / (ours + 1) + 10.0**cut * (accused * theirs + 1) / (theirs + 1)
        return bool(cost > min(1.0, 10.0**cut) * (1 + 1e-9))

    ends = []
    for sign in (-1, 1):
        reach = 0
        while reach < 600 and not worse(sign * (reach + 1) / 100):
            reach += 1
        ends.append(sign * reach / 100)
    return tuple(ends)


@pytest.mark.parametrize("seed", range(8))
def test_bounds_are_found_step_by_step(seed: int) -> None:
    log10_lr, positive, weight = drawn(seed, 60)
    log10_lr = log10_lr * 1.5 + 0.003
    for ours, theirs in ((5.0, 7.5), (40.0, 12.0), (3.0, 200.0)):
        expected = bounds(log10_lr, positive, weight, ours, theirs)
        assert empirical_bounds(log10_lr, positive, weight, ours, theirs) == pytest.approx(expected, abs=1e-9)


def test_a_bound_that_just_holds_is_kept_and_none_goes_beyond_six() -> None:
    positive = np.arange(20) < 10
    certain = np.where(positive, 7.0, -7.0)
    for n, reach in ((10, 1.0), (100, 2.0), (1e4, 4.0), (1e9, 6.0)):
        found = empirical_bounds(certain, positive, np.ones(20), n, n)
        assert found == pytest.approx((-reach, reach), abs=1e-9)


def test_a_value_at_the_cut_is_beyond_it() -> None:
    # Exactly 1/2 and -1/2, which are cuts: the one is not missed there, but the other is accused.
    positive = np.array([True, False])
    found = empirical_bounds(np.array([0.5, -0.5]), positive, np.ones(2), 1e6, 1e6)
    assert found == pytest.approx((-0.49, 0.5), abs=1e-9)


def test_lrs_that_mislead_may_not_be_used_at_all() -> None:
    positive = np.arange(20) < 10
    found = empirical_bounds(np.where(positive, -1.0, 1.0), positive, np.ones(20), 10, 10)
    assert found == (0.0, 0.0)
    assert [math.copysign(1.0, end) for end in found] == [1.0, 1.0]  # not "-0"


@pytest.mark.parametrize("n", [9, 11, 21, 39])
def test_a_share_is_at_most_one(n: int) -> None:
    # n times 1/n sum to more than 1 here.
    assert np.cumsum(np.full(n, 1 / n))[-1] > 1
    curves = tippett_curves(np.zeros(2 * n), np.arange(2 * n) < n, np.ones(2 * n))
    for name in ("derived", "negative"):
        np.testing.assert_array_equal(curves[name], [1.0] * 81 + [0.0] * 80)


@pytest.mark.parametrize(("factor", "reach"), [(0.1, 1.0), (1.0, 2.3), (-1.0, 2.3)])
def test_tippett_curves_are_shares_at_least_as_high(factor: float, reach: float) -> None:
    log10_lr, positive, weight = drawn(1)
    log10_lr = log10_lr * factor
    log10_lr[np.argmax(np.abs(log10_lr))] = 2.21 * factor
    log10_lr[3] = 0.5
    curves = tippett_curves(log10_lr, positive, weight)
    grid = curves["log10_lr"]
    np.testing.assert_allclose(grid, [-reach + k * reach / 80 for k in range(161)], atol=1e-12)
    assert list(curves) == ["log10_lr", "derived", "negative"]
    for name, side in (("derived", positive), ("negative", ~positive)):
        expected = [
            weight[side & (log10_lr >= cut - 1e-9)].sum() / weight[side].sum() for cut in np.asarray(grid)
        ]
        np.testing.assert_allclose(curves[name], expected, atol=1e-12)
        assert curves[name].min() >= 0
        assert curves[name].max() <= 1


def test_entropy_curves_are_what_the_formula_says() -> None:
    log10_lr, positive, weight = drawn(2)
    log10_lr[:2] = -15.0, 15.0
    score = np.random.default_rng(3).normal(size=40) + positive
    score[5], score[6] = np.inf, -np.inf
    curves = entropy_curves(log10_lr, score, positive, weight)
    assert list(curves) == ["log10_odds", "logistic", "pav", "neutral"]
    prior = [-3 + k / 10 for k in range(61)]
    np.testing.assert_allclose(curves["log10_odds"], prior, atol=1e-12)
    # Beyond ±12 values cost what ±12 costs: no curve is infinite.
    values = {
        "logistic": np.clip(log10_lr, -12, 12),
        "pav": np.clip(pav(score, positive, weight), -12, 12),
        "neutral": np.zeros(40),
    }
    for name, value in values.items():
        expected = [entropy(value, positive, weight, odds) for odds in prior]
        np.testing.assert_allclose(curves[name], expected, rtol=1e-9, atol=1e-9)


def test_each_of_many_bounds_is_its_own() -> None:
    """As where every label is turned: one that never costs too much keeps the largest bound."""
    cost = np.full((4, len(ELUB_GRID)), 1.0)
    cost[0, 30:] = cost[2, 7] = 1.1
    cost[3] = 2.0
    expected = [ELUB_GRID[30] - 0.01, ELUB_GRID[-1], ELUB_GRID[7] - 0.01, ELUB_GRID[0] - 0.01]
    np.testing.assert_array_equal(first_bound(cost), expected)
    assert [float(first_bound(row)) for row in cost] == expected
