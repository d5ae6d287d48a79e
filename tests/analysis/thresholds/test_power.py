"""What a catalog of a size can do: published numbers, and the formula against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

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
