"""Scores that know architecture instead of lineage are found out."""

from __future__ import annotations

import itertools
import math
from dataclasses import astuple, replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.stats import binomtest, rankdata, t as student
from sklearn.metrics import roc_auc_score

from analysis.discrimination.intervals import SAME_CELL_AREA, difference_interval, lineage_interval
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


def test_errors_without_shared_lineages_count_every_pair_for_both_its_ends():
    """Every pair has two lineages of its own: the jackknife is twice HC3, the jackknife of pairs."""
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
    fit = sm.OLS(rankdata(table.score) / n, sm.add_constant(same.astype(float))).fit(cov_type="HC3")
    width = found[0].effect.high - found[0].effect.estimate
    assert width == pytest.approx(fit.bse[1] * np.sqrt(2 * (2 * n - 1) / (2 * n)) * 1.9645, rel=2e-3)


@pytest.mark.thorough
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
    assert "same shape (determined by the others)" in reason
    assert "same corpus (unknown for 1 pairs)" in reason


def test_too_few_lineages_for_a_regression():
    table = draw(0, Design("few", (4, 4), n_cells=1))
    assert dyadic_regression(table) == ((), "2 lineages are too few for 1 coefficients")


def test_an_architecture_detector_has_a_high_auc_and_a_gap():
    design = Design("detector", (4,) * 20, n_cells=4, same_cell=4.0)
    audit = architecture_detector(draw(9, design))
    assert audit.auc.low > 0.8
    assert audit.gap.low > 0.2


def sparse(table: ScoreTable, one_pair: int, none: int) -> ScoreTable:
    """Take the scores of all independent pairs of one lineage away, and all but one of another."""
    touched = table.independent & ((table.lineage_a == one_pair) | (table.lineage_b == one_pair))
    gone = touched & (np.cumsum(touched) > 1)
    gone |= table.independent & ((table.lineage_a == none) | (table.lineage_b == none))
    return ScoreTable(table.frame.assign(status=np.where(gone, "abstained", "ok")))


def contrary(sign: float) -> ScoreTable:
    """One lineage's own pairs are in the wrong order, all others right: a fold leaves [0, 1] and is cut."""
    table = Design("contrary", (1,) * 6, n_cells=2).labels
    own = (table.lineage_a == 0) | (table.lineage_b == 0)
    same = table.cell_a == table.cell_b
    return table.with_scores(sign * np.where(same, np.where(own, 1.0, 3.0), np.where(own, 2.0, 0.0)))


@pytest.mark.parametrize(
    "table",
    [
        draw(0, Design("middle", (2, 3, 1, 2, 4, 1, 3, 2, 2), n_cells=3, same_cell=1.0)),
        sparse(draw(0, Design("sparse", (2, 3, 1, 2, 4, 1, 3, 2, 2), n_cells=3, same_cell=1.0)), 2, 8),
        draw(1, Design("high", (2,) * 6, n_cells=2, same_cell=4.0)),
        draw(1, Design("low", (2,) * 6, n_cells=2, same_cell=-4.0)),
        draw(1, Design("three", (3, 2, 3), n_cells=2, same_cell=1.0)),
        draw(0, Design("little counted twice", (2,) * 6, n_cells=2, same_cell=1.0)),
        contrary(1.0),
        contrary(-1.0),
    ],
    ids=["middle", "sparse", "high", "low", "three", "little counted twice", "above 1", "below 0"],
)
def test_the_interval_of_the_same_cell_auc_pair_by_pair(table: ScoreTable) -> None:
    table = table.with_scores(np.round(table.score, 1))
    rows = np.flatnonzero(table.independent & table.comparable).tolist()
    same = {row: table.cell_a[row] == table.cell_b[row] for row in rows}
    sides = [[row for row in rows if same[row]], [row for row in rows if not same[row]]]

    def wins(one: int, other: int) -> float:
        return float(table.score[one] > table.score[other]) + 0.5 * (table.score[one] == table.score[other])

    auc = np.mean([wins(one, other) for one, other in itertools.product(*sides)])
    share = {
        one: (np.mean([wins(one, other) for other in sides[1]]) - auc) / len(sides[0]) for one in sides[0]
    }
    share |= {
        other: (np.mean([wins(one, other) for one in sides[0]]) - auc) / len(sides[1]) for other in sides[1]
    }
    pairs: dict[int, int] = {}
    touching: dict[int, float] = {}
    for row in rows:
        ends = int(table.lineage_a[row]), int(table.lineage_b[row])
        for end in ends:
            pairs[end] = pairs.get(end, 0) + 1
            touching[end] = touching.get(end, 0.0) + share[row]
    counts = np.array(list(pairs.values()))
    expected = lineage_interval(
        float(auc),
        [min(1.0, max(0.0, float(auc) - value)) for value in touching.values()],
        units=max(1.0, counts.sum() ** 2 / (counts**2).sum()),
        level=0.8,
        method=same_cell_auc(table).method,
        kind=SAME_CELL_AREA,
        n_pairs=len(rows),
        n_models=table.count_models(np.array(rows)),
        n_lineages=len(pairs),
    )
    found = same_cell_auc(table, 0.8)
    assert astuple(found)[3:-1] == astuple(expected)[3:-1]
    assert astuple(found)[:3] == pytest.approx(astuple(expected)[:3], abs=1e-6)


def test_why_there_is_no_same_cell_auc() -> None:
    one = same_cell_auc(draw(0, Design("one cell", (3,) * 6)), 0.8)
    assert one.reason == "no independent pair across two known architecture cells has a score"
    frame = draw(0).frame.drop(columns=["architecture_a", "architecture_b"])
    none = same_cell_auc(ScoreTable(frame), 0.8)
    assert none.reason == "no independent pair inside one known architecture cell has a score"
    assert one.method == none.method == same_cell_auc(draw(0)).method
    assert one.method == "infinitesimal lineage jackknife, dyadic, one additional uninformative lineage"
    assert one.level == none.level == 0.8
    assert same_cell_auc(draw(0, Design("one cell", (3,) * 6))) == replace(one, level=0.95)


@pytest.mark.parametrize("alone", [False, True], ids=["in cells", "one in a cell of its own"])
def test_the_folds_of_the_gap_leave_one_lineage_out(*, alone: bool) -> None:
    """A lineage without look-alikes counts as well: without it the look-alike AUC is as it was."""
    table = draw(3, Design("gap", (3, 2, 4, 2, 3, 2, 2, 3, 1), n_cells=3, same_cell=1.0, separation=0.5))
    if alone:
        frame = table.frame.copy()
        for end in "ab":
            frame.loc[frame[f"lineage_{end}"] == table.lineages[8], f"architecture_{end}"] = "another"
        table = ScoreTable(frame)
        assert 8 not in Wins.of(table, "look-alike").lineages
    everybody, alike = Wins.of(table), Wins.of(table, "look-alike")
    folds = []
    for lineage in range(len(table.lineages)):
        rest = ScoreTable(table.frame[(table.lineage_a != lineage) & (table.lineage_b != lineage)])
        folds.append(Wins.of(rest).estimate - Wins.of(rest, "look-alike").estimate)
    expected = difference_interval(
        everybody.estimate - alike.estimate,
        np.array(folds),
        0.8,
        auc_gap(everybody, alike).method,
        units=min(everybody.units, alike.units),
        n_pairs=int(table.derived.sum() + table.independent.sum()),
        n_models=len(table.models),
        n_lineages=len(table.lineages),
    )
    found = auc_gap(everybody, alike, 0.8)
    assert astuple(found)[:3] == pytest.approx(astuple(expected)[:3], abs=1e-6)
    assert astuple(found)[3:-1] == astuple(expected)[3:-1]
    assert "jackknife" in found.method


@pytest.mark.parametrize("side", ["n_positive", "n_negative"])
def test_there_is_no_gap_without_both_aucs(side: str) -> None:
    table = draw(3)
    everybody, alike = Wins.of(table), Wins.of(table, "look-alike")
    for one, other in (
        (replace(everybody, **{side: 0}), alike),
        (everybody, replace(alike, **{side: 0})),
    ):
        found = auc_gap(one, other, 0.8)
        assert found.reason == "one of the two AUCs is undefined"
        assert (found.level, found.method) == (0.8, auc_gap(everybody, alike).method)


def test_an_audit_is_its_three_looks() -> None:
    table = draw(3)
    found = architecture_detector(table, 0.8)
    assert found.auc == same_cell_auc(table, 0.8)
    assert found.gap == auc_gap(Wins.of(table), Wins.of(table, "look-alike"), 0.8)
    frame = table.frame.assign(same_shape=table.cell_a == table.cell_b)
    found = architecture_detector(ScoreTable(frame), 0.8)
    assert (found.regression, found.reason) == dyadic_regression(ScoreTable(frame), 0.8)
    assert found.reason == "left out: same shape (determined by the others)"


@pytest.mark.parametrize(
    "design",
    [
        Design("strong effects", (3,) * 12, 2, "hub", 1.0, 1.0, lineage_sd=1.5, lineage_pair_sd=2.0),
        Design("unequal", (5, 3, 4, 2, 3, 4, 3), 2, "hub", 1.0, 1.0),
    ],
    ids=lambda value: value.name,
)
def test_errors_and_degrees_of_freedom_by_fitting_again_without_each_lineage(design: Design) -> None:
    table = draw(1, design)
    status = np.where(np.arange(len(table)) % 7 == 3, "abstained", "ok")
    relation = np.where(np.arange(len(table)) % 11 == 5, "disputed", table.relation)
    table = ScoreTable(table.frame.assign(status=status, relation=relation))
    rows = np.flatnonzero(table.comparable & (table.relation != "disputed"))
    relation = table.relation[rows]
    same = table.cell_a[rows] == table.cell_b[rows]
    x = np.column_stack([np.ones(len(rows)), relation == "derived", relation == "sibling", same]).astype(
        float
    )
    y = rankdata(table.score[rows]) / len(rows)
    fit = sm.OLS(y, x).fit()
    touching = [
        (table.lineage_a[rows] == g) | (table.lineage_b[rows] == g) for g in range(len(table.lineages))
    ]
    touching = [own for own in touching if own.any()]
    g = len(touching)
    folds = np.array([sm.OLS(y[~own], x[~own]).fit().params for own in touching])
    error = np.sqrt((g - 1) / g * ((folds - fit.params) ** 2).sum(axis=0))
    found, reason = dyadic_regression(table, 0.8)
    assert reason == ""
    assert [one.name for one in found] == ["derived", "sibling", "same cell"]
    for k, one in enumerate(found, 1):
        own = sm.OLS(x[:, k], np.delete(x, k, axis=1)).fit().resid ** 2
        information = np.array([own[rows_].sum() for rows_ in touching])
        freedom = information.sum() ** 2 / (information**2).sum() - 1
        assert one.effect.estimate == pytest.approx(fit.params[k])
        reach = student(freedom).isf(0.1) * error[k]
        assert one.effect.low == pytest.approx(fit.params[k] - reach)
        assert one.effect.high == pytest.approx(fit.params[k] + reach)
        assert one.p_value == pytest.approx(2 * student(freedom).sf(abs(fit.params[k]) / error[k]))
        assert (one.effect.level, one.effect.n_pairs, one.effect.n_lineages) == (0.8, len(rows), g)
        assert "jackknife" in one.effect.method


def test_one_giant_lineage_is_refused_or_kept_in_bounds() -> None:
    """It holds nearly all derived pairs: a sandwich of residuals called half of the catalogs significant."""
    rng = np.random.default_rng(3)
    for sizes, refused in (((40, *(2,) * 12), True), ((8, *(3,) * 14), False)):
        design = Design("giant", sizes, lineage_sd=0.2, lineage_pair_sd=0.8, pair_sd=0.3)
        found = [dyadic_regression(design.draw(rng))[0][0] for _ in range(100)]
        assert all(np.isnan(one.p_value) == refused for one in found)
        assert all(one.effect.reason.startswith("lineages too uneven") == refused for one in found)
        rejected = sum(one.p_value <= 0.05 for one in found)
        assert binomtest(rejected, 100, 0.05, alternative="greater").pvalue > 0.01


def test_a_property_of_one_lineage_alone_has_no_error() -> None:
    table = draw(0, Design("alone", (4, 1, 1, 1, 1, 1)))
    found, _ = dyadic_regression(table)
    assert [one.name for one in found] == ["derived"]
    assert found[0].effect.reason == "only one lineage has information on it"
    assert math.isnan(found[0].effect.low)
    assert math.isfinite(found[0].effect.estimate)


def test_properties_that_one_lineage_alone_tells_apart_have_no_errors() -> None:
    """Without it one is the other, although each of them still varies."""
    table = draw(0, Design("together", (3,) * 8, n_cells=1))
    odd = (table.lineage_a == 0) & (table.lineage_b == 1)
    found, _ = dyadic_regression(ScoreTable(table.frame.assign(same_depth=table.derived | odd)))
    assert [one.name for one in found] == ["derived", "same depth"]
    for one in found:
        assert one.effect.reason == "only one lineage has information on it"
        assert math.isfinite(one.effect.estimate)


def test_a_score_that_its_properties_tell_has_no_errors() -> None:
    table = draw(0)
    found, reason = dyadic_regression(table.with_scores(table.derived.astype(float)), 0.8)
    assert reason == ""
    assert [one.name for one in found] == ["derived", "same cell"]
    for one in found:
        assert one.effect.estimate == pytest.approx(0.5 if one.name == "derived" else 0.0, abs=1e-9)
        assert one.effect.reason == "the residuals do not vary"
        assert (one.effect.level, one.effect.method) == (0.8, dyadic_regression(table)[0][0].effect.method)
        assert math.isnan(one.effect.low)
        assert math.isnan(one.effect.high)
        assert math.isnan(one.p_value)


def test_a_regression_takes_two_lineages_more_than_properties() -> None:
    design = Design("three", (4, 4, 4), n_cells=1)
    (found,), _ = dyadic_regression(draw(0, design))
    assert found.name == "derived"
    assert 0 < found.p_value < 1
    table = draw(0, design)
    frame = table.frame.assign(same_luck=np.arange(len(table)) % 2 == 0)
    assert dyadic_regression(ScoreTable(frame)) == ((), "3 lineages are too few for 2 coefficients")
    disputed = ScoreTable(table.frame.assign(relation="disputed"))
    assert dyadic_regression(disputed) == ((), "no property differs between the pairs: nothing to regress on")
    alone = ScoreTable(table.frame[table.independent])
    assert dyadic_regression(alone) == ((), "no property differs between the pairs: nothing to regress on")


def test_which_columns_are_properties() -> None:
    table = draw(0)
    n = len(table)
    rng = np.random.default_rng(3)
    frame = table.frame.assign(
        same_shape=table.cell_a == table.cell_b,
        same_head_width=rng.random(n) < 0.5,
        same_depth=[None, None, *(rng.random(n - 2) < 0.5)],
        hidden_act_a=rng.choice(["relu", "silu"], n),
        hidden_act_b=rng.choice(["relu", "silu"], n),
        corpus_a=[None, *["web"] * (n - 1)],
        corpus_b=[*["web"] * (n - 1), None],
        licence_a="mit",
        remark=rng.random(n),
        same_vendor=rng.choice(["yes", "no"], n),
        same_era=True,
        same_century=False,
    )
    found, reason = dyadic_regression(ScoreTable(frame))
    assert [one.name for one in found] == ["derived", "same cell", "same head width", "same hidden act"]
    assert reason == (
        "left out: same depth (unknown for 2 pairs), same corpus (unknown for 2 pairs),"
        f" same vendor (unknown for {n} pairs), same shape (determined by the others)"
    )
    alike = frame["hidden_act_a"] == frame["hidden_act_b"]
    x = np.column_stack(
        [np.ones(n), table.derived, table.cell_a == table.cell_b, frame["same_head_width"], alike]
    )
    fit = sm.OLS(rankdata(table.score) / n, x.astype(float)).fit()
    assert [one.effect.estimate for one in found] == pytest.approx(fit.params[1:])
    partly = table.frame.copy()
    for end in "ab":
        partly.loc[partly[f"model_{end}"] == table.models[0], f"architecture_{end}"] = None
    assert [one.name for one in dyadic_regression(ScoreTable(partly))[0]] == ["derived"]


@pytest.mark.parametrize(("hair", "told"), [(1e-6, True), (1e-3, False)])
def test_a_property_that_differs_by_a_hair_from_another_is_told_by_it(hair: float, told: bool) -> None:
    table = draw(0)
    noise = np.random.default_rng(1).normal(size=len(table))
    frame = table.frame.assign(same_depth=(table.cell_a == table.cell_b) + hair * noise)
    found, reason = dyadic_regression(ScoreTable(frame))
    assert ("same depth" in [one.name for one in found]) != told
    assert (reason == "left out: same depth (determined by the others)") == told
