"""Scores that know architecture instead of lineage are found out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.stats import binomtest, rankdata
from sklearn.metrics import roc_auc_score

from analysis.discrimination.wins import Wins
from analysis.inference.confounding import architecture_detector, auc_gap, dyadic_regression, same_cell_auc
from analysis.table import ScoreTable
from studies.simulation.designs import Design

DESIGN = Design("confounded", (4,) * 15, n_cells=3, same_cell=2.0, separation=0.5)


def draw(seed: int, design: Design = DESIGN) -> ScoreTable:
    return design.draw(np.random.default_rng(seed))


def test_same_cell_auc_is_an_auc():
    table = draw(0)
    rows = table.independent
    same = (table.cell_a == table.cell_b)[rows]
    found = same_cell_auc(table)
    assert found.estimate == pytest.approx(roc_auc_score(same, table.score[rows]))
    assert found.low < found.estimate < found.high
    tied = table.with_scores(np.round(table.score))
    assert same_cell_auc(tied).estimate == pytest.approx(roc_auc_score(same, tied.score[rows]))


def test_same_cell_auc_covers():
    """Pairs know nothing of the cell: the interval must hold 1/2."""
    design = Design("blind", (3,) * 18, n_cells=3)
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(150):
        found = same_cell_auc(design.draw(rng))
        held += found.low <= 0.5 <= found.high
    assert binomtest(held, 150, 0.95, alternative="less").pvalue > 0.01


def test_one_cell_or_none_has_no_such_auc():
    assert "across two" in same_cell_auc(draw(0, Design("one cell", (3,) * 6))).reason
    frame = draw(0).frame.drop(columns=["architecture_a", "architecture_b"])
    assert "inside one" in same_cell_auc(ScoreTable(frame)).reason


def test_the_gap_is_the_difference_with_an_interval():
    table = draw(3)
    everybody, alike = Wins.of(table), Wins.of(table, "look-alike")
    gap = auc_gap(everybody, alike)
    assert gap.estimate == pytest.approx(everybody.estimate - alike.estimate)
    assert 0 < gap.low < gap.estimate < gap.high


def test_the_gap_covers():
    rng = np.random.default_rng(2)
    true = DESIGN.auc() - DESIGN.auc(matched=True)
    held = 0
    for _ in range(150):
        table = DESIGN.draw(rng)
        gap = auc_gap(Wins.of(table), Wins.of(table, "look-alike"))
        held += gap.low <= true <= gap.high
    assert binomtest(held, 150, 0.95, alternative="less").pvalue > 0.01


def test_a_gap_of_nothing_still_has_a_width():
    table = draw(0)
    perfect = table.with_scores(table.derived.astype(float))
    gap = architecture_detector(perfect).gap
    assert gap.estimate == 0
    assert gap.low < 0 < gap.high
    assert gap.warnings


def test_regression_finds_what_made_the_score():
    table = draw(5, Design("both", (4,) * 20, n_cells=4, shape="hub", same_cell=2.0, separation=2.0))
    found, reason = dyadic_regression(table)
    effects = {one.name: one for one in found}
    assert set(effects) == {"derived", "sibling", "same cell"}
    assert effects["derived"].effect.low > 0
    assert effects["same cell"].effect.low > 0
    assert effects["sibling"].effect.low < 0.15
    assert reason == ""


def test_coefficients_are_least_squares():
    table = draw(6)
    found, _ = dyadic_regression(table)
    x = sm.add_constant(np.column_stack([table.derived, table.cell_a == table.cell_b]).astype(float))
    fit = sm.OLS(rankdata(table.score) / len(table), x).fit()
    assert [one.effect.estimate for one in found] == pytest.approx(fit.params[1:])


def test_errors_without_shared_lineages_are_the_ordinary_robust_ones():
    """Every pair has two lineages of its own: dyadic-robust errors become White's, times G/(G - 1)."""
    rng = np.random.default_rng(0)
    n = 300
    same = rng.random(n) < 0.4
    frame = pd.DataFrame(
        {
            "model_a": [f"a{i:03d}" for i in range(n)],
            "model_b": [f"b{i:03d}" for i in range(n)],
            "score": rng.normal(size=n) * (1 + same) + same,
            "relation": "independent",
            "same_tokenizer": same,
        }
    )
    frame["lineage_a"], frame["lineage_b"] = frame["model_a"], frame["model_b"]
    table = ScoreTable(frame)
    found, _ = dyadic_regression(table)
    assert found[0].name == "same tokenizer"
    fit = sm.OLS(rankdata(table.score) / n, sm.add_constant(same.astype(float))).fit(cov_type="HC0")
    # Each pair is counted at both its lineages and once taken off: once in all.
    width = found[0].effect.high - found[0].effect.estimate
    assert width == pytest.approx(fit.bse[1] * np.sqrt(2 * n / (2 * n - 1)) * 1.9639, rel=1e-3)


def test_the_regression_rejects_a_useless_property_rarely():
    rng = np.random.default_rng(4)
    design = Design("useless", (3,) * 20, n_cells=2)
    names = design.labels.models
    rejected = 0
    for _ in range(150):
        table = design.draw(rng)
        kind = dict(zip(names, rng.integers(0, 2, len(names)), strict=True))
        frame = table.frame.assign(
            tokenizer_a=table.frame["model_a"].map(kind), tokenizer_b=table.frame["model_b"].map(kind)
        )
        found, _ = dyadic_regression(ScoreTable(frame))
        rejected += next(one for one in found if one.name == "same tokenizer").p_value <= 0.05
    assert binomtest(rejected, 150, 0.05, alternative="greater").pvalue > 0.005


def test_properties_that_tell_nothing_new_or_are_unknown_are_named():
    table = draw(0)
    same = table.cell_a == table.cell_b
    frame = table.frame.assign(same_shape=same, same_corpus=[None, *same[1:]])
    found, reason = dyadic_regression(ScoreTable(frame))
    assert [one.name for one in found] == ["derived", "same cell"]
    assert "same shape (the others tell it)" in reason
    assert "same corpus (unknown for 1 pairs)" in reason


def test_too_few_lineages_for_a_regression():
    table = draw(0, Design("few", (4, 4), n_cells=1))
    assert dyadic_regression(table) == ((), "2 lineages are too few for 1 coefficients")


def test_an_architecture_detector_has_a_high_auc_and_a_gap():
    design = Design("detector", (4,) * 20, n_cells=4, same_cell=4.0)
    audit = architecture_detector(draw(9, design))
    assert audit.auc.low > 0.9
    assert audit.gap.low > 0.2
