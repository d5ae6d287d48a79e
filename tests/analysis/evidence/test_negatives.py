"""Derived pairs and their alternatives are matched by shape: what tells shapes only weighs nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

import analysis
from analysis.evidence.labelled_pairs import LabelledPairs
from analysis.evidence.likelihood_ratio import calibrate_evidence, evidence_pairs
from analysis.evidence.negatives import ALTERNATIVES, Contrast
from analysis.validation import BadArgument
from studies.simulation.designs import Design

Floats = np.ndarray
KIN = ("sibling", "shared-init", "distilled")


def catalog(seed: int = 0, lineages: int = 16) -> analysis.ScoreTable:
    """Lineages of four models in one of four shapes, the last child of every second one in the next shape.

    Two children are siblings of each other; in some lineages pairs are distilled, in others of one
    initialisation. A fifth shape has no derived pair.
    """
    rng = np.random.default_rng(seed)
    members = [(g, k) for g in range(lineages) for k in range(4 if g % 8 < 7 else 1)]
    cell = [4 if g % 8 == 7 else (g + (k == 3 and g % 2 == 0)) % 4 for g, k in members]
    rows = []
    for i, (g, k) in enumerate(members):
        for j in range(i + 1, len(members)):
            h, m = members[j]
            relation = "independent" if g != h else "derived" if k == 0 else "sibling"
            if g == h and (k, m) == (2, 3):
                relation = "distilled" if g % 3 else "shared-init"
            rows.append(
                {
                    "model_a": f"m{i:02d}", "model_b": f"m{j:02d}", "relation": relation,
                    "score": rng.normal() + 1.5 * (relation == "derived"),
                    "status": "abstained" if rng.random() < 0.05 else "ok",
                    "lineage_a": f"l{g:02d}", "lineage_b": f"l{h:02d}",
                    "architecture_a": f"c{cell[i]}", "architecture_b": f"c{cell[j]}",
                }
            )  # fmt: skip
    return analysis.ScoreTable(pd.DataFrame(rows))


@pytest.fixture(scope="module")
def table() -> analysis.ScoreTable:
    return catalog()


def shapes(table: analysis.ScoreTable, rows: Floats) -> list[frozenset[str]]:
    frame = table.frame.iloc[rows]
    return [frozenset(two) for two in zip(frame["architecture_a"], frame["architecture_b"], strict=True)]


@pytest.mark.parametrize("negatives", ALTERNATIVES)
def test_both_classes_are_of_the_shapes_that_both_have(table: analysis.ScoreTable, negatives: str) -> None:
    found = Contrast.of(table, negatives)
    relation = table.frame["relation"].iloc[found.rows]
    kind = "independent" if negatives == "look-alike" else negatives
    assert set(relation[found.derived]) == {"derived"}
    assert set(relation[~found.derived]) == {kind}
    assert table.comparable[found.rows].all()
    all_of_it = {one: np.flatnonzero((table.relation == one) & table.comparable) for one in ("derived", kind)}
    ours, others = (set(shapes(table, all_of_it[one])) for one in ("derived", kind))
    if negatives == "independent":
        assert len(found.rows) == len(all_of_it["derived"]) + len(all_of_it[kind])
        assert not found.stratum.any()
        return
    both = ours & others
    assert both
    assert len(found.rows) == sum(two in both for rows in all_of_it.values() for two in shapes(table, rows))
    # One stratum a pair of shapes.
    of_shape = dict(zip(shapes(table, found.rows), found.stratum.tolist(), strict=True))
    assert [of_shape[two] for two in shapes(table, found.rows)] == found.stratum.tolist()
    assert sorted(of_shape.values()) == list(range(len(both)))


def test_unknown_shapes_are_of_no_stratum(table: analysis.ScoreTable) -> None:
    bare = analysis.ScoreTable(table.frame.drop(columns=["architecture_a", "architecture_b"]))
    for negatives in ALTERNATIVES:
        assert bool(len(Contrast.of(bare, negatives).rows)) is (negatives == "independent")
    with pytest.raises(BadArgument, match=r"^negatives must be"):
        Contrast.of(table, "stranger")


def by_hand(pairs: LabelledPairs, part: Floats) -> Floats:
    """Weight of each pair of a part: negatives of a stratum weigh what its derived pairs do."""
    weight = np.where(part, pairs.weight, 0.0)
    for one in np.unique(pairs.stratum):
        here = pairs.stratum == one
        ours, others = weight[here & pairs.derived].sum(), weight[here & ~pairs.derived].sum()
        weight[here] *= 0.0 if ours == 0 or others == 0 else 1.0
        weight[here & ~pairs.derived] *= ours / others if others > 0 else 0.0
    return weight


def test_two_strata_are_matched_as_many_are() -> None:
    table = Design("two shapes", (3,) * 12, n_cells=2, separation=1.0).draw(np.random.default_rng(0))
    pairs = evidence_pairs(table)
    assert np.unique(pairs.stratum).tolist() == [0, 1]
    at, expected = np.array([0.8]), []
    for lineage in range(pairs.n_lineages):
        weight = by_hand(pairs, (pairs.code != lineage).all(axis=0))
        lighter = replace(pairs, stratum=np.zeros_like(pairs.stratum), weight=weight)
        expected.append(float(lighter.fit()(at)))
    np.testing.assert_allclose(pairs.left_out_one_by_one(at, pairs.fit()), expected, atol=1e-9)


@pytest.mark.parametrize("negatives", ALTERNATIVES)
def test_weights_are_matched_and_lineages_count_the_same(table: analysis.ScoreTable, negatives: str) -> None:
    pairs = evidence_pairs(table, negatives)
    for side in (pairs.derived, ~pairs.derived):
        assert pairs.weight[side].sum() == pytest.approx(1.0)
    mass = [np.bincount(pairs.stratum[side], pairs.weight[side]) for side in (pairs.derived, ~pairs.derived)]
    np.testing.assert_allclose(*mass)
    two = np.sort(pairs.code, axis=0)
    for stratum in np.unique(pairs.stratum):
        here = ~pairs.derived & (pairs.stratum == stratum)
        totals = {
            tuple(key): pairs.weight[here & (two == key[:, None]).all(axis=0)].sum()
            for key in np.unique(two[:, here], axis=1).T
        }
        assert np.ptp(list(totals.values())) == pytest.approx(0.0, abs=1e-12)
    ours = [pairs.weight[pairs.derived & (pairs.code[0] == one)].sum() for one in np.unique(pairs.code)]
    assert np.ptp([value for value in ours if value]) == pytest.approx(0.0, abs=1e-12)


def test_every_part_of_the_pairs_is_matched_anew(table: analysis.ScoreTable) -> None:
    """What is left without one lineage, or without two groups of them, is fitted as if weighed by hand."""
    pairs = evidence_pairs(table)
    fit = pairs.fit()
    at = np.array([0.8])
    expected = []
    for lineage in range(pairs.n_lineages):
        part = (pairs.code != lineage).all(axis=0)
        weight = by_hand(pairs, part)
        lighter = LabelledPairs(
            "independent", pairs.rows, pairs.scores, pairs.code, pairs.derived,
            np.zeros_like(pairs.stratum), weight, pairs.n_models, pairs.n_lineages, pairs.negative_units,
        )  # fmt: skip
        expected.append(float(lighter.fit()(at)))
        assert np.bincount(pairs.stratum[part]).min() > 0
    np.testing.assert_allclose(pairs.left_out_one_by_one(at, fit), expected, atol=1e-9)
    unmatched = LabelledPairs(
        "independent", pairs.rows, pairs.scores, pairs.code, pairs.derived,
        np.zeros_like(pairs.stratum), pairs.weight, pairs.n_models, pairs.n_lineages, pairs.negative_units,
    )  # fmt: skip
    assert np.abs(unmatched.left_out_one_by_one(at, fit) - expected).max() > 1e-4


@pytest.mark.parametrize("seed", range(3))
def test_a_score_of_the_shapes_alone_weighs_nothing_against_look_alikes(seed: int) -> None:
    """Also where it ranks pairs of shapes as derived pairs are spread over them."""
    table = catalog(seed)
    own = pd.Series(table.cell_pair[table.derived & table.comparable]).value_counts()
    level = pd.Series(table.cell_pair).map(own).fillna(0.0).to_numpy(dtype=np.float64)
    found = calibrate_evidence(table.with_scores(level))
    assert found.cllr == pytest.approx(1.0, abs=1e-6)
    assert found.max_abs_log10_lr < 0.02
    assert np.abs(found.held_out).max() < 0.02
    pooled = calibrate_evidence(table.with_scores(level), "independent")
    assert pooled.cllr < 0.9
    look_alikes = table.look_alike[evidence_pairs(table, "independent").rows]
    assert pooled.held_out[look_alikes].mean() > 0.05


def test_noise_beside_the_shape_weighs_nothing_for_a_look_alike() -> None:
    """Over catalogs, look-alikes weigh 0 or less on average."""
    means, costs = [], []
    for seed in range(8):
        table = catalog(seed)
        noise = np.random.default_rng(seed).normal(0.0, 0.3, len(table))
        pairs = evidence_pairs(table)
        found = calibrate_evidence(table.with_scores((table.cell_a == table.cell_b) + noise))
        negative = ~pairs.derived
        means.append(np.average(found.held_out[negative], weights=pairs.weight[negative]))
        costs.append(found.cllr)
    assert np.mean(means) <= 0.005
    assert np.mean(costs) == pytest.approx(1.0, abs=0.03)


def test_the_same_function_weighs_against_kin() -> None:
    table = catalog(1)
    score = np.where(table.derived, 6.0, np.where(table.relation == "sibling", 0.0, 3.0))
    table = table.with_scores(score + np.random.default_rng(0).normal(0, 0.3, len(table)))
    for negatives in ("sibling", "distilled"):
        found = calibrate_evidence(table, negatives)
        assert found.negatives == negatives
        assert found.cllr < 0.5
        assert found.log10_lr(6.0) > 0.3
        assert f" {negatives} pairs of " in str(found)
        joint = analysis.combine_evidence([table], negatives=negatives)
        assert (joint.cllr, joint.upper) == (found.cllr, found.upper)
    # A score between the two: against one it speaks for descent, against the other not.
    assert calibrate_evidence(table, "sibling").log10_lr(4.5) > calibrate_evidence(
        table, "distilled"
    ).log10_lr(4.5)


@pytest.mark.parametrize("negatives", KIN)
def test_kin_of_too_few_lineages_is_refused_with_the_reason(
    table: analysis.ScoreTable, negatives: str
) -> None:
    holders = sorted(set(table.frame["lineage_a"][(table.relation == negatives) & table.comparable]))
    gone = (table.relation == negatives) & ~np.isin(table.frame["lineage_a"], holders[:2])
    few = calibrate_evidence(analysis.ScoreTable(table.frame[~gone]), negatives)
    assert math.isnan(few.cllr)
    assert "lineages with " in few.reason
    assert negatives in few.reason
    none = calibrate_evidence(analysis.ScoreTable(table.frame[table.relation != negatives]), negatives)
    assert none.reason == f"no {negatives} pair has a score"


def test_two_lineages_of_kin_are_named() -> None:
    """Of shapes that enough lineages with derived pairs have."""
    table = catalog(2)
    one_shape = analysis.ScoreTable(table.frame.assign(architecture_a="c", architecture_b="c"))
    keep = (one_shape.relation != "distilled") | np.isin(one_shape.frame["lineage_a"], ["l01", "l02"])
    found = calibrate_evidence(analysis.ScoreTable(one_shape.frame[keep]), "distilled")
    assert found.reason == ("2 lineages with distilled pairs: leave-one-out needs at least 3")


def units(
    code: list[tuple[int, int]], stratum: list[int] | None = None, weight: list[float] | None = None
) -> float:
    from analysis.evidence.labelled_pairs import _units

    return _units(
        np.array(code).T,
        np.array(stratum or [0] * len(code)),
        np.array(weight or [1.0] * len(code), dtype=np.float64),
    )


def test_negatives_are_worth_the_pairs_that_share_no_lineage() -> None:
    four = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    assert units(four) == 2.0
    assert units([(0, 0), (1, 1), (1, 1), (2, 2)]) == 3.0
    # All pairs of one lineage of the one shape with five of the other are one observation.
    assert units([(0, k) for k in range(1, 6)]) == 1.0
    # Two shapes of four lineages each: two observations each, by their weight.
    twice = four + [(a + 4, b + 4) for a, b in four]
    assert units(twice, [0] * 6 + [1] * 6) == pytest.approx(4.0)
    assert units(twice, [0] * 6 + [1] * 6, [1.0] * 6 + [3.0] * 6) == pytest.approx(16 / (1 / 2 + 9 / 2))
    # The same lineages in two strata are not worth more than once.
    assert units(four + four, [0] * 6 + [1] * 6) == 2.0


def most_disjoint(code: Floats) -> float:
    """Weigh pairs of lineages, each lineage 1 at most: the largest sum there is."""
    edges = np.unique(np.sort(code, axis=0), axis=1)
    at_lineage = np.array([(edges == one).any(axis=0) for one in np.unique(edges)], dtype=np.float64)
    n_lineages, n_edges = at_lineage.shape
    found = linprog(-np.ones(n_edges), A_ub=at_lineage, b_ub=np.ones(n_lineages))
    return float(-found.fun)


@pytest.mark.parametrize("seed", range(30))
def test_no_name_moves_what_negatives_are_worth(seed: int) -> None:
    """Whichever lineage a pair names first, they are worth what pairs can weigh with no lineage above 1."""
    rng = np.random.default_rng(seed)
    lineages = int(rng.integers(2, 9))
    first = rng.integers(lineages, size=int(rng.integers(1, 12)))
    code = np.stack([first, (first + rng.integers(1, lineages, len(first))) % lineages], axis=1)
    turned = np.where(rng.random(len(code))[:, None] < 0.5, code, code[:, ::-1])
    assert units(code.tolist()) == units(turned.tolist()) == pytest.approx(most_disjoint(code.T))


@pytest.mark.parametrize("negatives", ALTERNATIVES)
def test_negatives_of_a_table_are_worth_that_by_shape(table: analysis.ScoreTable, negatives: str) -> None:
    """Kish's number over shapes, by their weight; and never more than without the shapes."""
    pairs = evidence_pairs(table, negatives)
    code, stratum, weight = (of[..., ~pairs.derived] for of in (pairs.code, pairs.stratum, pairs.weight))

    def worth(code: Floats) -> float:
        return len(np.unique(code)) if (code[0] == code[1]).all() else most_disjoint(code)

    mass = np.array([weight[stratum == one].sum() for one in np.unique(stratum)])
    parts = [worth(code[:, stratum == one]) for one in np.unique(stratum)]
    expected = min(worth(code), mass.sum() ** 2 / np.sum(mass**2 / parts))
    assert pairs.negative_units == pytest.approx(expected)


def test_no_negatives_are_worth_nothing(table: analysis.ScoreTable) -> None:
    assert evidence_pairs(analysis.ScoreTable(table.frame[table.derived])).negative_units == 0.0
