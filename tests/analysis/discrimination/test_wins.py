"""Counting wins equals re-weighting pair by pair."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.metrics import roc_auc_score

from analysis import ScoreTable
from analysis.discrimination import wins
from analysis.discrimination.wins import Wins, comparisons
from studies.simulation.designs import UNEQUAL, Design, spread

DESIGNS = (
    Design("equal", spread(9, (4,)), 3, separation=0.5),
    Design("unequal hub", spread(10, UNEQUAL), 2, shape="hub", same_cell=0.5),
    Design("one cell", spread(7, (3, 1)), 1),
)


def pair_by_pair(table: ScoreTable, m: np.ndarray, kind: str) -> float:
    """The definition: weight m inside a lineage, the product of both across; ties one half."""
    positive, negative = np.flatnonzero(table.derived), np.flatnonzero(table.independent)
    g, h = table.lineage_a[negative], table.lineage_b[negative]
    weight = np.where(g == h, m[g], m[g] * m[h])
    won = held = 0.0
    for p in positive:
        meets = (
            table.cell_pair[negative] == table.cell_pair[p]
            if kind == "look-alike"
            else np.ones(len(negative), dtype=bool)
        )
        total = weight[meets].sum()
        if total > 0:
            other = table.score[negative[meets]]
            beaten = ((table.score[p] > other) + 0.5 * (table.score[p] == other)) @ weight[meets]
            won += m[table.lineage_a[p]] * beaten / total
            held += m[table.lineage_a[p]]
    return won / held if held else np.nan


@pytest.mark.parametrize("dense", [0, 10_000], ids=["sparse", "dense"])
@pytest.mark.parametrize("kind", ["independent", "look-alike"])
@pytest.mark.parametrize("design", DESIGNS, ids=lambda d: d.name)
def test_equals_reweighting_pair_by_pair(
    monkeypatch: pytest.MonkeyPatch, design: Design, kind: str, dense: int
) -> None:
    monkeypatch.setattr(wins, "DENSE", dense)
    rng = np.random.default_rng(1)
    table = design.draw(rng)
    table = table.with_scores(np.round(table.score, 1))  # ties
    counted = Wins.of(table, kind)
    n = len(table.lineages)
    m = rng.multinomial(n, np.full(n, 1 / n), size=25).astype(float)
    expected = np.array([pair_by_pair(table, row, kind) for row in m])
    np.testing.assert_allclose(counted.auc(m[:, counted.lineages]), expected, rtol=1e-13)
    np.testing.assert_allclose(counted.estimate, pair_by_pair(table, np.ones(n), kind), rtol=1e-13)
    left_out = [pair_by_pair(table, 1.0 - np.eye(n)[g], kind) for g in counted.lineages]
    np.testing.assert_allclose(counted.jackknife(), left_out, rtol=1e-13)


@pytest.mark.parametrize("dense", [0, 10_000], ids=["sparse", "dense"])
@pytest.mark.parametrize("kind", ["independent", "look-alike"])
def test_small_steps_give_the_same(monkeypatch: pytest.MonkeyPatch, kind: str, dense: int) -> None:
    monkeypatch.setattr(wins, "DENSE", dense)
    table = DESIGNS[1].draw(np.random.default_rng(2))
    whole = Wins.of(table, kind)
    m = np.random.default_rng(3).integers(0, 3, size=(40, whole.n_lineages))
    expected = whole.auc(m)
    monkeypatch.setattr(wins, "ENTRIES", 7)
    monkeypatch.setattr(wins, "COLUMNS", 2)
    parts = Wins.of(table, kind)
    np.testing.assert_array_equal(parts.auc(m), expected)
    assert all(len(of.blocks) > 1 for of in parts._strata)
    assert all(len(of.blocks) == 1 for of in whole._strata)


def test_negatives_inside_one_lineage_weigh_m_not_m_squared() -> None:
    """A merge joins two founders, independent of each other, into one lineage."""
    table = ScoreTable(
        pd.DataFrame(
            [
                ("a", "b", 0.5, "independent"),
                ("a", "m", 0.9, "derived"),
                ("b", "m", 0.4, "derived"),
                ("c", "d", 0.7, "derived"),
                ("a", "c", 0.6, "independent"),
            ],
            columns=["model_a", "model_b", "score", "relation"],
        )
    )
    counted = Wins.of(table)
    assert counted.n_lineages == 2
    for m in ([1, 1], [2, 1], [3, 2], [1, 0]):
        weights = np.array(m, dtype=float)
        assert counted.auc([m])[0] == pytest.approx(pair_by_pair(table, weights, "independent"), rel=1e-14)


@pytest.mark.parametrize("kind", ["independent", "look-alike"])
def test_negatives_inside_a_lineage_are_left_out_with_it_once(kind: str) -> None:
    """Also where the lineage has positives of its own, whose wins over them go too."""
    table = Design("", (2, 2, 3, 1, 2), 2, separation=0.5).draw(np.random.default_rng(1))
    first, second = table.lineages[:2]
    table = ScoreTable(table.frame.replace({"lineage_a": {second: first}, "lineage_b": {second: first}}))
    assert (table.independent & (table.lineage_a == table.lineage_b)).sum() == 4
    left = [pair_by_pair(table, one, kind) for one in 1.0 - np.eye(len(table.lineages))]
    np.testing.assert_allclose(Wins.of(table, kind).jackknife(), left, rtol=1e-12)


def test_lineages_with_only_one_kind_of_pair_take_part() -> None:
    table = Design("", (1, 1, 4, 1), 1).draw(np.random.default_rng(0))
    counted = Wins.of(table)
    assert counted.n_lineages == 4
    np.testing.assert_array_equal(counted.positives, [0, 0, 6, 0])
    assert np.isnan(counted.jackknife()).sum() == 1  # without the only lineage of derived pairs


@settings(max_examples=40, deadline=None)
@given(
    scores=st.lists(st.integers(-3, 3) | st.sampled_from([np.inf, -np.inf]), min_size=105, max_size=105),
)
def test_estimate_is_the_auc_of_scikit_learn(scores: list[float]) -> None:
    design = Design("", (3,) * 5)
    table = design.labels.with_scores(scores)
    finite = np.clip(table.score, -9, 9)  # the same order, which is all that counts
    assert Wins.of(table).estimate == pytest.approx(roc_auc_score(table.derived, finite), rel=1e-12)


@pytest.mark.parametrize("kind", ["independent", "look-alike"])
@pytest.mark.parametrize("design", DESIGNS, ids=lambda d: d.name)
def test_what_takes_part_is_counted(design: Design, kind: str) -> None:
    """Everything that `Wins` counts, counted again pair by pair."""
    table = design.draw(np.random.default_rng(6))
    silent = np.arange(len(table)) % 4 == 1
    table = ScoreTable(table.frame.assign(status=np.where(silent, "abstained", "ok")))
    ours = [i for i in range(len(table)) if table.derived[i] and not silent[i]]
    theirs = [i for i in range(len(table)) if table.independent[i] and not silent[i]]

    def meet(i: int, j: int) -> bool:
        return kind == "independent" or table.cell_pair[i] == table.cell_pair[j]

    positive = [i for i in ours if any(meet(i, j) for j in theirs)]
    negative = [j for j in theirs if any(meet(i, j) for i in ours)]
    counted = Wins.of(table, kind)
    assert (counted.n_positive, counted.n_negative) == (len(positive), len(negative))
    used = positive + negative
    models = {int(m) for i in used for m in (table.model_a[i], table.model_b[i])}
    assert counted.n_models == len(models)
    held = sorted({int(g) for i in used for g in (table.lineage_a[i], table.lineage_b[i])})
    assert counted.lineages.tolist() == held
    assert counted.n_lineages == len(held)
    assert counted.unmatched.tolist() == [i for i in ours if i not in positive]
    own = [sum(table.lineage_a[i] == g for i in positive) for g in held]
    assert counted.positives.tolist() == own
    touching = [sum(g in (table.lineage_a[i], table.lineage_b[i]) for i in negative) for g in held]
    assert counted.negatives.tolist() == touching
    effective = [sum(c) ** 2 / sum(x * x for x in c) for c in (own, touching)]
    assert counted.units == pytest.approx(max(1.0, min(effective)))
    assert counted.n_strata == (
        len({int(table.cell_pair[i]) for i in positive}) if kind == "look-alike" else 1
    )


def test_other_sets_and_scores_can_be_counted() -> None:
    table = DESIGNS[0].draw(np.random.default_rng(8))
    silent = np.arange(len(table)) % 5 == 0
    table = ScoreTable(table.frame.assign(status=np.where(silent, "failed", "ok")))
    some = np.arange(len(table)) % 2 == 0
    counted = Wins.of(table, positive=table.derived & some, negative=table.independent & ~some)
    assert counted.n_positive == (table.derived & some & ~silent).sum()
    assert counted.n_negative == (table.independent & ~some & ~silent).sum()
    score = np.random.default_rng(9).normal(size=len(table))
    everything = Wins.of(table, score=score)
    assert everything.n_positive == table.derived.sum()
    assert everything.n_negative == table.independent.sum()
    assert everything.estimate == pytest.approx(
        roc_auc_score(
            table.derived[table.derived | table.independent], score[table.derived | table.independent]
        )
    )


def test_lineages_numbered_beyond_a_byte_keep_their_columns() -> None:
    """Pairs of 300 lineages have codes above 65,535."""
    n = 300
    pairs = [(f"{g:03d}a", f"{g:03d}b", float(g % 7), "derived") for g in range(n)]
    pairs += [(f"{g:03d}a", f"{(g * 7 + 1) % n:03d}b", float(g % 5), "independent") for g in range(n)]
    table = ScoreTable(pd.DataFrame(pairs, columns=["model_a", "model_b", "score", "relation"]))
    counted = Wins.of(table)
    assert counted.n_lineages == n
    left_out = [pair_by_pair(table, 1.0 - np.eye(n)[g], "independent") for g in (0, 150, 299)]
    np.testing.assert_allclose(counted.jackknife()[[0, 150, 299]], left_out, rtol=1e-12)


@pytest.mark.parametrize("kind", ["independent", "look-alike"])
def test_a_table_without_one_kind_has_no_wins(kind: str) -> None:
    table = DESIGNS[0].draw(np.random.default_rng(0))
    for relation in ("derived", "independent"):
        counted = Wins.of(ScoreTable(table.frame[table.relation == relation]), kind)
        assert (counted.n_positive, counted.n_negative, counted.n_models, counted.n_strata) == (0, 0, 0, 0)
        assert len(counted.unmatched) == (table.derived.sum() if relation == "derived" else 0)
        assert np.isnan(counted.estimate)


@pytest.mark.parametrize("kind", ["derived", "independent"])
def test_without_one_kind_no_resample_has_an_area(kind: str) -> None:
    table = Design("", (2, 1, 3), 1).draw(np.random.default_rng(0))
    nothing = Wins.of(ScoreTable(table.frame[table.relation == kind]))
    assert np.isnan(nothing.auc(np.ones((4, nothing.n_lineages)))).tolist() == [True] * 4
    assert np.isnan(nothing.jackknife()).tolist() == [True] * nothing.n_lineages


def test_one_positive_is_enough() -> None:
    table = Design("", (2, 1, 1, 1), 1).draw(np.random.default_rng(0))
    assert table.derived.sum() == 1
    share = (table.score[table.derived] > table.score[table.independent]).mean()
    assert Wins.of(table).estimate == pytest.approx(share)


def test_groups_are_all_pairs_or_those_of_one_cell_pair() -> None:
    table = DESIGNS[0].draw(np.random.default_rng(0))
    ours, theirs = np.flatnonzero(table.derived), np.flatnonzero(table.independent)
    ((one, two),) = comparisons(table, ours, theirs)
    np.testing.assert_array_equal(one, ours)
    np.testing.assert_array_equal(two, theirs)
    assert comparisons(table, ours[:0], theirs) == comparisons(table, ours, theirs[:0]) == []
    groups = comparisons(table, ours, theirs, "look-alike")
    assert len(groups) == 3
    for p, n in groups:
        code = table.cell_pair[p[0]]
        np.testing.assert_array_equal(p, ours[table.cell_pair[ours] == code])
        np.testing.assert_array_equal(n, theirs[table.cell_pair[theirs] == code])
    unknown = ScoreTable(table.frame.drop(columns=["architecture_a", "architecture_b"]))
    assert comparisons(unknown, ours, theirs, "look-alike") == []
    with pytest.raises(ValueError, match="negatives must be"):
        comparisons(table, ours, theirs, "siblings")


def test_the_bootstrap_draws_as_many_lineages_as_there_are() -> None:
    counted = Wins.of(DESIGNS[1].draw(np.random.default_rng(2)))
    n = counted.n_lineages
    drawn = np.random.default_rng(4).multinomial(n, [1 / n] * n, size=30)
    np.testing.assert_array_equal(counted.bootstrap(30, np.random.default_rng(4)), counted.auc(drawn))


def test_the_matrix_is_built_where_it_is_no_larger_than_the_table_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Few lineages with many pairs: dense; as many lineages as models: sparse."""
    few = Design("", spread(5, (12,))).draw(np.random.default_rng(0))
    many = Design("", spread(60, (2,))).draw(np.random.default_rng(0))
    assert [Wins.of(table)._strata[0].dense is None for table in (few, many)] == [False, True]
    (stratum,) = Wins.of(few)._strata
    entries = int((stratum.positives > 0).sum()) * len(stratum.starts)
    monkeypatch.setattr(wins, "DENSE", entries / len(stratum.below))
    assert Wins.of(few)._strata[0].dense is not None
    monkeypatch.setattr(wins, "DENSE", (entries - 1) / len(stratum.below))
    assert Wins.of(few)._strata[0].dense is None


def test_the_jackknife_needs_no_matrix() -> None:
    counted = Wins.of(DESIGNS[1].draw(np.random.default_rng(2)), "look-alike")
    counted.jackknife()
    for stratum in counted._strata:
        assert not {"dense", "sparse"} & vars(stratum).keys()
