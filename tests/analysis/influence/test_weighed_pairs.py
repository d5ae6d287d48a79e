"""The bound of the likelihood ratio with each change, against pairs that are changed and counted anew."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis import calibrate_evidence, example_table
from analysis.evidence.quality import cllr, empirical_bounds
from analysis.influence import weighed_pairs
from analysis.influence.weighed_pairs import WeighedPairs
from studies.simulation.designs import Design

pytestmark = pytest.mark.thorough

DESIGNS = [
    Design(str(sizes), sizes)
    for sizes in ((2, 1), (2, 2), (3, 1, 1), (2, 2, 1, 1), (4, 2, 2, 1), (2, 2, 2, 1, 1, 1))
]
UNITS = 0.5


def small(seed: int) -> WeighedPairs:
    """A few pairs of a few lineages with weights and ratios of their own."""
    rng = np.random.default_rng(seed)
    table = DESIGNS[seed % len(DESIGNS)].labels
    rows = np.flatnonzero(
        (table.derived | table.independent) & (rng.random(len(table)) < rng.choice([0.3, 0.7]))
    )
    # Children are ahead, or their bound would be 0 whatever is changed.
    value = np.where(table.derived[rows], rng.normal(0.6, 0.4, len(rows)), rng.normal(-0.8, 0.5, len(rows)))
    order = np.argsort(value)
    weight = rng.choice([0.25, 0.5, 1.0], len(rows))
    return WeighedPairs(
        table, rows[order], value[order], table.derived[rows][order], weight, (-1.0, 1.0), UNITS, ""
    )


PAIRS = [pairs for pairs in map(small, range(400)) if pairs.derived.any() and not pairs.derived.all()]


def bound(pairs: WeighedPairs, kept: np.ndarray, label: np.ndarray, weight: np.ndarray) -> float:
    """By the definition, from the pairs that are kept."""
    a, b = pairs.table.lineage_a[pairs.rows][kept], pairs.table.lineage_b[pairs.rows][kept]
    label, weight = label[kept], weight[kept]
    if label.all() or not label.any():
        return math.nan
    others = len(np.unique(np.concatenate([a[~label], b[~label]])))
    counts = (len(np.unique(a[label])), UNITS * others)
    return float(empirical_bounds(pairs.log10_lr[kept], label, weight, *counts)[1])


def turned_bounds(pairs: WeighedPairs) -> np.ndarray:
    values = []
    for at in range(len(pairs.rows)):
        label, weight = pairs.derived.copy(), pairs.weight.copy()
        label[at] = ~label[at]
        weight[at] = pairs.weight[pairs.derived == label[at]].mean()
        values.append(bound(pairs, np.ones(len(label), dtype=bool), label, weight))
    return np.array(values)


def name(pairs: WeighedPairs, at: int) -> str:
    table, row = pairs.table, int(pairs.rows[at])
    return f"{table.models[table.model_a[row]]} – {table.models[table.model_b[row]]} taken as "


def test_the_pairs_hold_what_can_happen() -> None:
    assert len(PAIRS) > 150
    gone = [np.isnan(turned_bounds(pairs)) for pairs in PAIRS]
    assert any(nan.any() and not nan.all() for nan in gone)
    assert any(np.unique(turned_bounds(pairs)).size > 3 for pairs in PAIRS)


@pytest.mark.parametrize("block", [2048, 3])
def test_every_turned_label(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weighed_pairs, "BLOCK", block)
    for pairs in PAIRS:
        expected = turned_bounds(pairs)
        np.testing.assert_allclose(pairs._bounds_turned(pairs._turnings()), expected, atol=1e-9)
        found = pairs.turned()
        if np.isnan(expected).all():
            assert found.reason
            continue
        assert (found.low, found.high) == pytest.approx((np.nanmin(expected), np.nanmax(expected)), abs=1e-9)
        assert found.n_changes == np.isfinite(expected).sum()
        at = [place for place in range(len(expected)) if found.by.startswith(name(pairs, place))]
        assert expected[at[0]] == pytest.approx(found.worst, abs=1e-9)


def test_every_lineage_left_out() -> None:
    for pairs in PAIRS:
        a, b = pairs.table.lineage_a[pairs.rows], pairs.table.lineage_b[pairs.rows]
        expected = {
            str(pairs.table.lineages[g]): bound(pairs, (a != g) & (b != g), pairs.derived, pairs.weight)
            for g in np.unique([a, b])
        }
        left = [value for value in expected.values() if not math.isnan(value)]
        found = pairs.without_lineage()
        if not left:
            assert found.reason
            continue
        assert (found.low, found.high) == pytest.approx((min(left), max(left)), abs=1e-9)
        assert found.n_changes == len(left)
        assert expected[found.by] == pytest.approx(found.worst, abs=1e-9)


def test_the_cost_of_some_of_the_pairs_is_that_of_their_bounded_ratios() -> None:
    of = Design("cost", (3, 2, 4, 1) * 3, n_cells=3, separation=1.5, same_cell=0.5).draw(
        np.random.default_rng(3)
    )
    evidence = calibrate_evidence(of)
    pairs = WeighedPairs.of(of, evidence)
    everything = np.ones(len(pairs.rows), dtype=bool)
    assert pairs.cllr(everything) == pytest.approx(evidence.cllr)
    some = np.arange(len(pairs.rows)) % 3 > 0
    ratios = np.clip(pairs.log10_lr, evidence.lower, evidence.upper)
    assert pairs.cllr(some) == pytest.approx(cllr(ratios[some], pairs.derived[some], pairs.weight[some]))
    for label in (pairs.derived, ~pairs.derived):
        assert math.isnan(pairs.cllr(label))


def test_other_negatives_are_those_that_the_evidence_has() -> None:
    of = example_table()
    evidence = calibrate_evidence(of, "independent")
    pairs = WeighedPairs.of(of, evidence)
    assert len(pairs.rows) == evidence.n_derived + evidence.n_negative
    np.testing.assert_allclose(
        np.sort(np.clip(pairs.log10_lr, evidence.lower, evidence.upper)), np.sort(evidence.held_out)
    )
    np.testing.assert_array_equal(np.diff(pairs.log10_lr) >= 0, True)


@pytest.mark.parametrize("negatives", ["look-alike", "independent"])
def test_with_nothing_changed_the_bound_is_that_of_the_evidence(negatives: str) -> None:
    """Else a change would be compared with a bound that nobody quotes."""
    of = example_table(n_lineages=20)
    evidence = calibrate_evidence(of, negatives)
    pairs = WeighedPairs.of(of, evidence)
    assert pairs.table is of
    lineages = [np.count_nonzero(pairs._pairs_of(side)) for side in (pairs.derived, ~pairs.derived)]
    found = pairs._bounds(
        *map(pairs._mass_above, (pairs.derived, ~pairs.derived)), *np.array(lineages)[:, None]
    )
    assert 0 < evidence.upper == pytest.approx(found[0])


def test_without_evidence_there_is_nothing_to_change() -> None:
    of = example_table()
    pairs = WeighedPairs.of(of, calibrate_evidence(of, "shared-init"))
    assert not len(pairs.rows)
    for found in (pairs.turned(), pairs.without_lineage()):
        assert found.reason == "no shared-init pair has a score"
