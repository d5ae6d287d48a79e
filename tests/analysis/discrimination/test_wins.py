"""The block matrix equals re-weighting pair by pair."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.metrics import roc_auc_score

from analysis import ScoreTable
from analysis.discrimination import wins
from analysis.discrimination.wins import Wins
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


@pytest.mark.parametrize("kind", ["independent", "look-alike"])
@pytest.mark.parametrize("design", DESIGNS, ids=lambda d: d.name)
def test_equals_reweighting_pair_by_pair(design: Design, kind: str) -> None:
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


@pytest.mark.parametrize("kind", ["independent", "look-alike"])
def test_small_blocks_give_the_same(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    table = DESIGNS[1].draw(np.random.default_rng(2))
    whole = Wins.of(table, kind)
    m = np.random.default_rng(3).integers(0, 3, size=(40, whole.n_lineages))
    expected = whole.auc(m), whole.jackknife(), whole.pair_variance()
    monkeypatch.setattr(wins, "BLOCK_ENTRIES", 17)
    monkeypatch.setattr(wins, "KEPT_ENTRIES", 0)
    parts = Wins.of(table, kind)
    assert sum(1 for _ in parts.blocks()) > sum(1 for _ in whole.blocks())
    for got, value in zip((parts.auc(m), parts.jackknife(), parts.pair_variance()), expected, strict=True):
        np.testing.assert_allclose(got, value, rtol=1e-13)


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
