"""What a catalog of a size can do: published numbers, and the formula against simulation."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import f_oneway, rankdata, t as student

from analysis.discrimination.comparison import compare_metrics
from analysis.table import ScoreTable
from analysis.thresholds.power import (
    certifiable_fpr,
    intraclass_correlation,
    lineages_needed,
    minimal_detectable_auc_difference,
)
from studies.simulation.designs import Design


@pytest.mark.parametrize(("rate", "negatives"), [(0.05, 59), (0.01, 299), (0.001, 2_995)])
def test_independent_negatives_of_a_certificate(rate, negatives):
    assert lineages_needed(rate) == 2 * negatives
    assert certifiable_fpr(2 * negatives) <= rate
    assert certifiable_fpr(2 * (negatives - 1)) > rate


def test_too_few_lineages_certify_nothing():
    assert math.isnan(certifiable_fpr(1))
    assert math.isnan(minimal_detectable_auc_difference(2))


@pytest.mark.parametrize("bad", [0.0, 1.0, -0.1, 2.0])
def test_rates_lie_between_0_and_1(bad):
    with pytest.raises(ValueError, match="between 0 and 1"):
        lineages_needed(bad)


def test_more_data_and_more_alike_metrics_tell_smaller_differences():
    base = minimal_detectable_auc_difference(30, 4, 0.3)
    assert minimal_detectable_auc_difference(120, 4, 0.3) == pytest.approx(base / 2, rel=0.1)
    assert minimal_detectable_auc_difference(30, 8, 0.3) < base
    assert minimal_detectable_auc_difference(30, 4, 0.8) > base
    assert minimal_detectable_auc_difference(30, 4, 0.3, correlation=0.9) < base
    assert minimal_detectable_auc_difference(30, 4, 0.3, auc=0.99) < base


def test_the_formula_is_near_what_a_paired_test_can_find():
    """Two independent metrics of AUC .8: the error of their difference against the formula's."""
    design = Design("power", (4,) * 30, shape="hub").at_auc(0.8)
    rng = np.random.default_rng(0)
    differences = []
    for _ in range(60):
        one, two = design.draw(rng), design.draw(rng)
        two = ScoreTable(two.frame.assign(metric="two"))
        differences.append(compare_metrics(one, two, "independent").difference.estimate)
    # Correlation of two derived pairs of a lineage: 4·.16 + .09 + .09 of .64 + .18 + .09 + .25.
    predicted = minimal_detectable_auc_difference(30, 4, 0.7, auc=0.8, correlation=0.0)
    found = np.std(differences) * (2.045 + 0.854)
    assert 0.6 < predicted / found < 1.67


def test_intraclass_correlation_is_recovered():
    rng = np.random.default_rng(2)
    design = Design(
        "icc", (5,) * 200, shape="hub", lineage_sd=0.5, model_sd=0.0, lineage_pair_sd=0.0, pair_sd=1.0
    )
    found = np.mean([intraclass_correlation(design.draw(rng)).estimate for _ in range(3)])
    assert found == pytest.approx(0.5, abs=0.06)  # 4·.25 of 4·.25 + 1, in ranks a little less


def test_intraclass_correlation_needs_two_lineages_and_two_pairs():
    table = Design("pairs", (2,) * 5).draw(np.random.default_rng(0))
    assert "two lineages" in intraclass_correlation(table).reason
    constant = Design("three", (3,) * 5).labels
    assert "score the same" in intraclass_correlation(constant).reason


def test_the_formula_by_hand():
    """Hanley & McNeil's variances of both sides, each with the design effect of its clusters."""
    for g, m, icc, auc, correlation, level, power in (
        (30, 4, 0.3, 0.8, 0.0, 0.05, 0.8),
        (3, 2, 1.0, 0.6, 0.4, 0.1, 0.9),
        (7, 5, 0.0, 0.95, 0.9, 0.01, 0.5),
    ):
        one_sided = (auc / (2 - auc) - auc**2) / (g * (m - 1)) * (1 + (m - 2) * icc)
        other = (2 * auc**2 / (1 + auc) - auc**2) / (g * (g - 1) / 2 * m**2) * (1 + (m**2 - 1) * icc)
        error = math.sqrt(2 * (1 - correlation) * (one_sided + other))
        reach = student(g - 1).isf(level / 2) + student(g - 1).ppf(power)
        found = minimal_detectable_auc_difference(
            g, m, icc, auc=auc, correlation=correlation, level=level, power=power
        )
        assert found == pytest.approx(reach * error)
    stated = minimal_detectable_auc_difference(30, 4, 0.5, auc=0.9, correlation=0.5, level=0.05, power=0.8)
    assert minimal_detectable_auc_difference(30) == stated


def test_the_smallest_catalogs():
    assert certifiable_fpr(2) == pytest.approx(0.95)
    assert certifiable_fpr(3) == pytest.approx(0.95)
    assert minimal_detectable_auc_difference(3, 2) > 0
    assert math.isnan(minimal_detectable_auc_difference(3, 1))


@pytest.mark.parametrize("name", ["auc", "level", "power"])
def test_a_share_that_is_none_is_named(name):
    with pytest.raises(ValueError, match=f"^{name} must"):
        minimal_detectable_auc_difference(30, **{name: 1.0})


def derived_pairs(scores: list[list[float]]) -> ScoreTable:
    """Lineages by the scores of their derived pairs: one founder and its children."""
    rows = [
        (f"{g}", f"{g}.{i}", score, "derived", f"{g}", f"{g}")
        for g, own in enumerate(scores)
        for i, score in enumerate(own)
    ]
    names = ["model_a", "model_b", "score", "relation", "lineage_a", "lineage_b"]
    return ScoreTable(pd.DataFrame(rows, columns=names))


@pytest.mark.parametrize(
    "scores",
    [
        [[0.1, 0.3, 0.35], [0.9], [0.5, 0.7, 0.7, 0.8]],
        [[0.1, 0.4], [0.3, 0.9]],
        [[0.0, 1.0], [0.1, 0.9, 0.5]],
        [[0.0, 0.0], [1.0, 1.0]],
    ],
)
def test_intraclass_correlation_from_the_f_ratio(scores):
    """(F - 1) / (F - 1 + n₀), where n₀ is the size of a lineage, less for unequal ones."""
    found = intraclass_correlation(derived_pairs(scores))
    sizes = [len(own) for own in scores]
    n, k = sum(sizes), len(sizes)
    ranks = np.split(rankdata(np.concatenate(scores), method="dense"), np.cumsum(sizes)[:-1])
    n0 = (n - sum(size * size for size in sizes) / n) / (k - 1)
    if all(len(set(own)) == 1 for own in scores):
        expected = 1.0
    else:
        ratio = f_oneway(*ranks).statistic
        expected = max(0.0, (ratio - 1) / (ratio - 1 + n0))
    assert found.estimate == pytest.approx(expected)
    assert (found.n_pairs, found.n_lineages) == (n, k)
    assert (found.level, found.method) == (0.95, "analysis of variance over lineages")
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_no_intraclass_correlation_says_why():
    for scores, reason in (
        ([[0.1], [0.2], [0.3]], "it takes two lineages, and one with two derived pairs, to tell"),
        ([[0.1, 0.2]], "it takes two lineages, and one with two derived pairs, to tell"),
        ([[0.5, 0.5], [0.5]], "all derived pairs score the same"),
    ):
        found = intraclass_correlation(derived_pairs(scores))
        assert found.reason.startswith(reason)
        assert (found.level, found.method) == (0.95, "analysis of variance over lineages")
