"""Claimed p-values, and what a claim is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from analysis.inference.claims import Claim, RejectionRate, _judged, _quantiles, audit_p_values
from analysis.results import Interval
from analysis.table import ScoreTable
from analysis.thresholds.rates import rate
from analysis.validation import BadArgument
from studies.simulation.designs import Design

DESIGN = Design("claims", (3,) * 20, n_cells=2)


def table_of(p: np.ndarray) -> ScoreTable:
    with np.errstate(divide="ignore"):
        return DESIGN.labels.with_scores(-np.log10(p))


def uniform(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=len(DESIGN.labels))


def test_uniform_p_values_are_not_refuted() -> None:
    calls = [audit_p_values(table_of(uniform(seed))).verdict for seed in range(60)]
    wrong = sum(call != "not refuted" for call in calls)
    # Three intervals of 95%, each may miss: at most 15% in all.
    assert binomtest(wrong, 60, 0.15, alternative="greater").pvalue > 0.01


def test_p_values_that_promise_too_much_are_found_out() -> None:
    audit = audit_p_values(table_of(uniform(1) ** 3))
    assert audit.verdict == "too small"
    assert "p ≤ 0.05" in audit.because
    rates = {found.level: found.observed for found in audit.rates}
    assert rates[0.05].estimate == pytest.approx(0.05 ** (1 / 3), abs=0.05)
    assert rates[0.001].low > 0.001


def test_timid_p_values_are_called_too_large() -> None:
    few = audit_p_values(table_of(uniform(1) ** (1 / 4)))
    assert few.verdict == "not refuted"  # no rejection among 20 lineages is compatible with 5%
    many = Design("many", (2,) * 160).labels
    p = np.random.default_rng(1).uniform(size=len(many)) ** (1 / 4)
    assert audit_p_values(many.with_scores(-np.log10(p))).verdict == "too large"


def test_p_values_that_know_the_shape_are_too_small_for_look_alikes() -> None:
    p = uniform(2)
    p[DESIGN.labels.look_alike] **= 6
    found = audit_p_values(table_of(p)).rates[0]
    assert found.look_alike.estimate > 2 * 0.05
    assert found.look_alike.estimate > found.observed.estimate


def test_the_level_itself_counts_as_rejected() -> None:
    audit = audit_p_values(table_of(np.full(len(DESIGN.labels), 0.05)), levels=(0.05,))
    assert audit.rates[0].observed.estimate == pytest.approx(1.0)


def test_qq_points_lie_on_the_diagonal_for_uniform_quantiles() -> None:
    p = uniform(0)
    rows = DESIGN.labels.independent
    p[rows] = (np.argsort(np.argsort(p[rows])) + 0.5) / rows.sum()
    audit = audit_p_values(table_of(p))
    assert audit.observed == pytest.approx(audit.expected)
    assert len(audit.expected) <= 200
    assert (np.diff(audit.expected) >= 0).all()


def test_a_p_value_of_zero_is_seen() -> None:
    p = uniform(0)
    p[np.flatnonzero(DESIGN.labels.independent)[0]] = 0.0
    assert audit_p_values(table_of(p)).observed[-1] == math.inf


def test_another_way_from_score_to_p() -> None:
    p = uniform(4)
    audit = audit_p_values(DESIGN.labels.with_scores(1 - p), lambda score: 1 - score)
    assert audit.verdict == "not refuted"
    assert audit.rates[0].observed.estimate == pytest.approx(np.mean(p[DESIGN.labels.independent] <= 0.05))


def test_what_is_no_p_value_is_refused_by_name() -> None:
    audit = audit_p_values(DESIGN.labels.with_scores(np.full(len(DESIGN.labels), -0.3)))
    assert audit.verdict == "cannot say"
    assert "m00000" in audit.reason
    empty = ScoreTable(DESIGN.labels.frame[DESIGN.labels.derived])
    assert audit_p_values(empty).reason == "no independent pair has a score"


def test_a_claim_states_nothing_by_default() -> None:
    claim = Claim()
    assert (claim.threshold, claim.auc, claim.p_values) == (None, None, False)


def rejected(level: float, low: float, estimate: float, high: float) -> RejectionRate:
    found = Interval(estimate, low, high, 0.95, "")
    return RejectionRate(level, found, found)


def test_the_verdict_and_its_reason() -> None:
    fits = rejected(0.05, 0.05, 0.06, 0.07), rejected(0.01, 0.005, 0.0075, 0.01)
    assert _judged(fits) == (
        "not refuted",
        "0.06 [0.05, 0.07] of independent pairs have p ≤ 0.05;"
        " 0.0075 [0.005, 0.01] of independent pairs have p ≤ 0.01",
    )
    small = rejected(0.001, 0.002, 0.003, 0.004), rejected(0.01, 0.02, 0.03, 0.04)
    large = rejected(0.05, 0.01, 0.02, 0.03), rejected(0.2, 0.1, 0.12345, 0.15)
    assert _judged((*fits, *large)) == (
        "too large",
        "0.02 [0.01, 0.03] of independent pairs have p ≤ 0.05;"
        " 0.123 [0.1, 0.15] of independent pairs have p ≤ 0.2",
    )
    assert _judged((*large, *fits, *small)) == (
        "too small",
        "0.003 [0.002, 0.004] of independent pairs have p ≤ 0.001;"
        " 0.03 [0.02, 0.04] of independent pairs have p ≤ 0.01",
    )


@pytest.mark.parametrize("n", [1, 7, 200, 5_000])
def test_qq_points_are_quantiles_even_in_the_logarithm(n: int) -> None:
    p = np.random.default_rng(n).permutation((np.arange(n) + 0.25) / n)
    expected, observed = _quantiles(p)
    # The rank of each point, from its value; ranks 1 and n are always kept.
    rank = np.round(10.0**-expected * n + 0.5).astype(int)[::-1]
    assert rank[0] == 1
    assert rank[-1] == n
    points = min(n, 200)
    wanted = sorted({round(n ** (k / max(points - 1, 1))) for k in range(points)})
    assert len(set(rank.tolist()) ^ set(wanted)) <= 2  # a rank half-way may be rounded either way
    assert 10.0 ** -observed[::-1] == pytest.approx((rank - 0.75) / n)


def test_a_p_value_of_one_is_plus_nought() -> None:
    observed = _quantiles(np.array([1.0, 0.5]))[1]
    assert observed[0] == 0
    assert math.copysign(1.0, observed[0]) == 1.0


def test_an_audit_is_its_rates_at_the_level_asked() -> None:
    p = uniform(3)
    audit = audit_p_values(table_of(p), levels=(0.2, 0.5), level=0.8)
    smallness = DESIGN.labels.with_scores(-p)
    assert [found.level for found in audit.rates] == [0.2, 0.5]
    for found in audit.rates:
        for seen, negatives in ((found.observed, "independent"), (found.look_alike, "look-alike")):
            expected = rate(smallness, -found.level, negatives=negatives, level=0.8)
            assert (seen.estimate, seen.low, seen.high) == pytest.approx(
                (expected.estimate, expected.low, expected.high)
            )
            assert seen.level == 0.8
    assert audit.n_pairs == DESIGN.labels.independent.sum()
    assert audit.reason == ""
    assert str(audit) == f"{audit.verdict} ({audit.because}; {audit.n_pairs:,} pairs)"
    assert [found.level for found in audit_p_values(table_of(p)).rates] == [0.05, 0.01, 0.001]
    assert audit_p_values(table_of(p)).rates[0].observed.level == 0.95


def test_what_is_no_p_value_is_told_with_its_pair() -> None:
    labels = DESIGN.labels
    row = int(np.flatnonzero(labels.independent)[5])
    pair = f"{labels.models[labels.model_a[row]]} – {labels.models[labels.model_b[row]]}"
    for score, value in ((1.5, 1.5), (-0.25, -0.25), (9.0, math.nan)):
        p = uniform(3)
        p[row] = score
        audit = audit_p_values(labels.with_scores(p), lambda s: np.where(s == 9.0, math.nan, s))
        assert audit.reason == f"the score {score:g} of {pair} is no p-value: it would be {value:g}"
        assert (audit.verdict, audit.because, audit.rates) == ("cannot say", audit.reason, ())
        assert audit.n_pairs == labels.independent.sum()
        assert len(audit.expected) == len(audit.observed) == 0
    p = uniform(3)
    p[row] = 0.0
    p[np.flatnonzero(labels.independent)[6]] = 1.0
    p[np.flatnonzero(labels.derived)[0]] = 7.0
    assert audit_p_values(labels.with_scores(p), lambda s: s).reason == ""
    with pytest.raises(ValueError, match="p_from_score must be a function of scores, not a int"):
        audit_p_values(labels, 3)  # type: ignore[arg-type]


def test_a_score_far_below_nought_overflows_nothing() -> None:
    scores = np.full(len(DESIGN.labels), -1e6)
    assert "it would be 1e+300" in audit_p_values(DESIGN.labels.with_scores(scores)).reason
    gone = np.where(DESIGN.labels.independent, "abstained", "ok")
    table = ScoreTable(DESIGN.labels.frame.assign(status=gone))
    assert audit_p_values(table).reason == "no independent pair has a score"


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        (0.05, "levels must be a sequence of float"),
        ((0.05, "0.01"), r"levels\[1\] must be a float"),
        ((0.05, 1.0), r"levels\[1\] must be a number between 0 and 1"),
    ],
)
def test_levels_that_are_none_are_named(levels: Any, said: str) -> None:
    with pytest.raises(BadArgument, match=f"^{said}"):
        audit_p_values(DESIGN.labels, levels=levels)
