"""What a catalog of a size can do: published numbers, and the formula against simulation."""

from __future__ import annotations

import math
from itertools import chain

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from analysis.discrimination.comparison import compare_metrics
from analysis.results import Interval
from analysis.table import ScoreTable
from analysis.thresholds.power import (
    certifiable_fpr,
    intraclass_correlation,
    lineages_needed,
    minimal_detectable_auc_difference,
)
from analysis.validation import BadArgument
from studies.simulation.designs import Design


@pytest.mark.parametrize(("rate", "negatives"), [(0.05, 59), (0.01, 299), (0.001, 2_995)])
def test_independent_negatives_of_a_certificate(rate: float, negatives: int) -> None:
    assert lineages_needed(rate) == 2 * negatives
    assert certifiable_fpr(2 * negatives) <= rate
    assert certifiable_fpr(2 * (negatives - 1)) > rate


def test_too_few_lineages_certify_nothing() -> None:
    assert math.isnan(certifiable_fpr(1))
    assert math.isnan(minimal_detectable_auc_difference(2))


@pytest.mark.parametrize("bad", [0.0, 1.0, -0.1, 2.0])
def test_rates_lie_between_0_and_1(bad: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        lineages_needed(bad)


def test_more_data_and_more_alike_metrics_tell_smaller_differences() -> None:
    base = minimal_detectable_auc_difference(30, 4, 0.3)
    assert minimal_detectable_auc_difference(120, 4, 0.3) == pytest.approx(base / 2, rel=0.1)
    assert minimal_detectable_auc_difference(30, 8, 0.3) < base
    assert minimal_detectable_auc_difference(30, 4, 0.8) > base
    assert minimal_detectable_auc_difference(30, 4, 0.3, correlation=0.9) < base
    assert minimal_detectable_auc_difference(30, 4, 0.3, auc=0.99) < base


@pytest.mark.thorough
def test_the_formula_is_near_what_a_paired_test_can_find() -> None:
    """Two independent metrics of AUC 0.8: the error of their difference against the formula's."""
    design = Design("power", (4,) * 30, shape="hub").at_auc(0.8)
    rng = np.random.default_rng(0)
    differences = []
    for _ in range(60):
        one, two = design.draw(rng), design.draw(rng)
        two = ScoreTable(two.frame.assign(metric="two"))
        differences.append(compare_metrics(one, two, "independent").difference.estimate)
    # Correlation of two derived pairs of a lineage: 4·0.16 + 0.09 + 0.09 of 0.64 + 0.18 + 0.09 + 0.25.
    predicted = minimal_detectable_auc_difference(30, 4, 0.7, auc=0.8, correlation=0.0)
    found = np.std(differences) * (2.045 + 0.854)
    assert 0.6 < predicted / found < 1.67


def test_intraclass_correlation_is_recovered() -> None:
    rng = np.random.default_rng(2)
    design = Design(
        "icc", (5,) * 200, shape="hub", lineage_sd=0.5, model_sd=0.0, lineage_pair_sd=0.0, pair_sd=1.0
    )
    found = np.mean([intraclass_correlation(design.draw(rng)).estimate for _ in range(3)])
    assert found == pytest.approx(0.5, abs=0.06)  # 4·0.25 of 4·0.25 + 1, in ranks a little less


def test_intraclass_correlation_needs_two_lineages_and_two_pairs() -> None:
    table = Design("pairs", (2,) * 5).draw(np.random.default_rng(0))
    assert "two lineages" in intraclass_correlation(table).reason
    constant = Design("three", (3,) * 5).labels
    assert "score the same" in intraclass_correlation(constant).reason


def known_difference(
    g: int, m: int, icc: float, auc: float, correlation: float, level: float, power: float
) -> float:
    """The formula of Hanley & McNeil with clusters, written down once more."""
    derived, lineage_pairs, pairs = m - 1, g * (g - 1) / 2, m * m
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    of_derived = (q1 - auc * auc) * (1 + (derived - 1) * icc) / (g * derived)
    of_negatives = (q2 - auc * auc) * (1 + (pairs - 1) * icc) / (lineage_pairs * pairs)
    reach = t.ppf(1 - level / 2, df=g - 1) + t.ppf(power, df=g - 1)
    return float(reach * math.sqrt(2 * (1 - correlation) * (of_derived + of_negatives)))


@pytest.mark.parametrize(
    ("g", "m", "icc", "auc", "correlation", "level", "power"),
    [(30, 4, 0.5, 0.9, 0.5, 0.05, 0.8), (3, 2, 0.3, 0.7, 0.0, 0.1, 0.6), (12, 5, 1.0, 0.8, 0.9, 0.01, 0.9)],
)
def test_the_formula_is_what_it_is_said_to_be(
    g: int, m: int, icc: float, auc: float, correlation: float, level: float, power: float
) -> None:
    found = minimal_detectable_auc_difference(
        g, m, icc, auc=auc, correlation=correlation, level=level, power=power
    )
    assert found == pytest.approx(known_difference(g, m, icc, auc, correlation, level, power), rel=1e-12)


def test_defaults_of_the_formula_and_its_limits() -> None:
    assert minimal_detectable_auc_difference(20) == pytest.approx(
        known_difference(20, 4, 0.5, 0.9, 0.5, 0.05, 0.8), rel=1e-12
    )
    assert math.isnan(minimal_detectable_auc_difference(20, 1))
    assert math.isfinite(minimal_detectable_auc_difference(3, 2))


def test_two_lineages_certify_something() -> None:
    assert certifiable_fpr(2, 0.9) == pytest.approx(0.9)
    assert certifiable_fpr(3, 0.9) == certifiable_fpr(2, 0.9)
    assert certifiable_fpr(20) == certifiable_fpr(20, 0.95)
    assert lineages_needed(0.05) == lineages_needed(0.05, 0.95)
    # Exactly one negative, which rounding would make two.
    assert lineages_needed(0.9, 0.9) == 2


def test_a_hair_above_a_whole_number_of_negatives_is_that_number() -> None:
    """(1/2)^n = 1 - confidence at n = 2 + 4e-10: two negatives, and three at 2 + 1e-8."""
    assert lineages_needed(0.5, 1 - 0.5 ** (2 + 4e-10)) == 4
    assert lineages_needed(0.5, 1 - 0.5 ** (2 + 1e-8)) == 6


@pytest.mark.parametrize("name", ["auc", "level", "power"])
@pytest.mark.parametrize("bad", [0.0, 1.0])
def test_a_share_that_the_formula_cannot_use_is_named(name: str, bad: float) -> None:
    with pytest.raises(BadArgument, match=rf"^{name} must be a number between 0 and 1, in \(0, 1\)"):
        minimal_detectable_auc_difference(30, **{name: bad})  # type: ignore[arg-type]


def scored(scores: dict[str, list[float]]) -> ScoreTable:
    """Derived pairs of some lineages, each pair of two models of its own, with these scores."""
    rows = [
        (f"{lineage}{i}", f"{lineage}{i}x", score, "derived", lineage, lineage)
        for lineage, own in scores.items()
        for i, score in enumerate(own)
    ]
    columns = ["model_a", "model_b", "score", "relation", "lineage_a", "lineage_b"]
    return ScoreTable(pd.DataFrame(rows, columns=columns))


def test_intraclass_correlation_is_the_analysis_of_variance_of_ranks() -> None:
    """Unequal sizes, Donner & Koval 1980: n0 = (n - Σ nᵢ²/n)/(k - 1)."""
    scores = {"a": [0.1, 0.4, 0.5], "b": [0.6, 0.3], "c": [0.9, 0.8, 0.7, 0.2], "d": [0.95]}
    ranks = {
        lineage: [sorted(chain(*scores.values())).index(x) for x in own] for lineage, own in scores.items()
    }
    n, k = 10, 4
    mean = np.mean(list(chain(*ranks.values())))
    within = sum((x - np.mean(own)) ** 2 for own in ranks.values() for x in own) / (n - k)
    between = sum(len(own) * (np.mean(own) - mean) ** 2 for own in ranks.values()) / (k - 1)
    typical = (n - sum(len(own) ** 2 for own in ranks.values()) / n) / (k - 1)
    found = intraclass_correlation(scored(scores))
    assert found.estimate == pytest.approx((between - within) / (between + (typical - 1) * within))
    assert 0.1 < found.estimate < 0.9
    assert (found.n_pairs, found.n_lineages, found.level) == (10, 4, 0.95)
    assert found.method == "analysis of variance over lineages"
    assert math.isnan(found.low)
    assert math.isnan(found.high)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ({"a": [1.0, 1.0], "b": [2.0, 2.0]}, 1.0),
        ({"a": [1.0, 4.0], "b": [2.0, 3.0]}, 0.0),
        ({"a": [1.0, 2.0], "b": [3.0]}, 0.6),
    ],
)
def test_intraclass_correlation_lies_between_0_and_1(scores: dict[str, list[float]], expected: float) -> None:
    assert intraclass_correlation(scored(scores)).estimate == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        (
            {"a": [1.0, 2.0]},
            "needs two lineages, one of them with two derived pairs, to tell lineages from pairs",
        ),
        (
            {"a": [1.0], "b": [2.0]},
            "needs two lineages, one of them with two derived pairs, to tell lineages from pairs",
        ),
        ({"a": [1.0, 1.0], "b": [1.0, 1.0]}, "all derived pairs score the same"),
    ],
)
def test_intraclass_correlation_is_undefined_with_the_reason(
    scores: dict[str, list[float]], reason: str
) -> None:
    expected = Interval.undefined(reason, level=0.95, method="analysis of variance over lineages")
    assert intraclass_correlation(scored(scores)) == expected


def test_several_metrics_together_need_more_lineages_and_certify_less() -> None:
    assert [lineages_needed(0.05, n_metrics=k) for k in (1, 5, 14)] == [118, 180, 220]
    rates = [certifiable_fpr(118, n_metrics=k) for k in (1, 5, 14)]
    assert rates == sorted(rates)
    assert rates[1] == certifiable_fpr(118, 0.99)
    for function, first in ((lineages_needed, 0.05), (certifiable_fpr, 118)):
        with pytest.raises(ValueError, match="n_metrics"):
            function(first, 0.95, 0)  # type: ignore[operator]
