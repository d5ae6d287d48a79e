"""What one lineage, label or architecture changes: against tables that are changed and analysed anew."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from analysis import (
    BadArgument,
    Influence,
    ScoreTable,
    SeedInfluence,
    calibrate_evidence,
    example_table,
    look_alike_auc,
    sensitivity,
    separation_test,
)
from analysis.discrimination.wins import Wins
from analysis.evidence.quality import empirical_bounds
from analysis.influence.weighed_pairs import WeighedPairs
from analysis.thresholds.heldout import smallest_threshold
from studies.simulation.designs import Design

pytestmark = pytest.mark.thorough

DESIGN = Design("sensitivity", (3, 2, 4, 1) * 4, n_cells=3, separation=1.0, same_cell=0.5)


def table(seed: int = 0, rounded: bool = False) -> ScoreTable:
    found = DESIGN.draw(np.random.default_rng(seed))
    score = np.round(found.score, 0 if rounded else 9)
    frame = found.frame.assign(
        score=score, status=np.where(np.arange(len(score)) % 11 == 3, "abstained", "ok")
    )
    return ScoreTable(frame)


def relabelled(of: ScoreTable, row: int) -> float:
    """Look-alike AUC with one label turned, the sets of compared cells kept."""
    derived = of.derived.copy()
    derived[row] = ~derived[row]
    alike = of.look_alike.copy()
    alike[row] = not derived[row]
    wins = Wins.of(of, "look-alike", positive=derived, negative=alike)
    return wins.estimate if wins.n_positive else math.nan


@pytest.mark.parametrize("rounded", [False, True])
def test_every_label_that_is_turned_gives_the_auc_of_that_table(rounded):
    of = table(1, rounded)
    rows = np.flatnonzero(of.comparable & (of.derived | of.look_alike))
    values = [relabelled(of, int(row)) for row in rows]
    found = sensitivity(of).label_auc
    assert found.estimate == pytest.approx(look_alike_auc(of).estimate, abs=1e-12)
    assert (found.low, found.high) == pytest.approx((min(values), max(values)), abs=1e-12)
    farthest = rows[int(np.argmax(np.abs(np.array(values) - found.estimate)))]
    assert found.worst == pytest.approx(relabelled(of, int(farthest)), abs=1e-12)
    row = next(
        row for row in rows
        if found.by.startswith(f"{of.models[of.model_a[row]]} – {of.models[of.model_b[row]]} taken as ")
    )  # fmt: skip
    assert relabelled(of, int(row)) == pytest.approx(found.worst, abs=1e-12)
    assert found.by.endswith("independent" if of.derived[row] else "derived")


@pytest.mark.parametrize("max_fpr", [0.05, 0.2])
@pytest.mark.parametrize("rounded", [False, True])
def test_the_threshold_is_that_of_the_changed_look_alikes(max_fpr, rounded):
    of = table(2, rounded)
    alike = np.flatnonzero(
        of.comparable & of.look_alike & np.isin(of.cell_pair, of.cell_pair[of.derived & of.comparable])
    )
    ours = np.flatnonzero(of.comparable & of.derived & np.isin(of.cell_pair, of.cell_pair[alike]))

    def threshold(rows):
        return smallest_threshold(np.sort(of.score[rows])[::-1], max_fpr)

    turned = [threshold(np.append(alike, row)) for row in ours]
    turned += [threshold(np.setdiff1d(alike, [row])) for row in alike]
    found = sensitivity(of, max_fpr=max_fpr)
    assert found.label_threshold.estimate == threshold(alike)
    assert (found.label_threshold.low, found.label_threshold.high) == (min(turned), max(turned))
    a, b = of.lineage_a[alike], of.lineage_b[alike]
    left = [threshold(alike[(a != g) & (b != g)]) for g in np.unique([a, b])]
    assert (found.lineage_threshold.low, found.lineage_threshold.high) == (min(left), max(left))


def test_without_a_lineage_the_auc_is_that_of_the_smaller_table():
    of = table(3)
    found = sensitivity(of).lineage_auc
    frame = of.frame
    values = {}
    for name in of.lineages:
        kept = frame[(frame["lineage_a"] != name) & (frame["lineage_b"] != name)]
        values[str(name)] = look_alike_auc(ScoreTable(kept)).estimate
    assert found.low == pytest.approx(min(values.values()))
    assert found.high == pytest.approx(max(values.values()))
    assert found.worst == pytest.approx(values[found.by])


def test_without_an_architecture_the_auc_is_that_of_the_smaller_table():
    of = table(4)
    found = sensitivity(of)
    frame = of.frame
    values = {}
    for name in of.cells:
        kept = frame[(frame["architecture_a"] != name) & (frame["architecture_b"] != name)]
        values[str(name)] = look_alike_auc(ScoreTable(kept)).estimate
    assert found.architecture_auc.n_changes == 3
    assert found.architecture_auc.worst == pytest.approx(values[found.architecture_auc.by])
    assert (found.architecture_auc.low, found.architecture_auc.high) == pytest.approx(
        (min(values.values()), max(values.values()))
    )
    assert found.architecture_cllr.n_changes == 3


def test_an_architecture_that_carries_the_verdict_is_named():
    """One of three cells holds every child that is not told from its look-alikes."""
    design = Design("carried", (4,) * 90, n_cells=3)
    labels = design.labels
    bad = labels.cells[labels.cell_of[labels.model_a]] == "cell000"
    rng = np.random.default_rng(0)
    score = np.where(labels.derived & ~bad, 5.0, 0.0) + rng.normal(size=len(labels))
    found = sensitivity(labels.with_scores(score))
    assert found.architecture_verdicts.get("cell000") == "separates"
    assert found.architecture_auc.by == "cell000"


def test_the_bound_of_the_whole_is_that_of_the_evidence():
    of = table(5)
    evidence = calibrate_evidence(of)
    found = sensitivity(of, evidence=evidence)
    assert found.lineage_lr_bound.estimate == found.label_lr_bound.estimate == evidence.upper
    assert found.lineage_lr_bound.low <= evidence.upper <= found.label_lr_bound.high


FEW = Design("few", (2, 1, 1) * 5, separation=2.0)
WEAK = Design("weak", (3,) * 8, separation=0.6)
UNEVEN = Design("uneven", (2, 5, 3) * 4, n_cells=2, separation=2.5, same_cell=0.5)


def bound(pairs, kept, label, weight):
    """By the definition, from what is left."""
    a, b = pairs.table.lineage_a[pairs.rows][kept], pairs.table.lineage_b[pairs.rows][kept]
    label, weight = label[kept], weight[kept]
    if label.all() or not label.any():
        return math.nan
    others = len(np.unique(np.concatenate([a[~label], b[~label]])))
    counts = (len(np.unique(a[label])), pairs.units * others)
    return empirical_bounds(pairs.log10_lr[kept], label, weight, *counts)[1]


@pytest.mark.parametrize("design", [FEW, WEAK, UNEVEN], ids=lambda design: design.name)
def test_the_bound_with_each_change_is_that_of_the_changed_pairs(design):
    """One label turned, with the weight of an average pair of its new class; or one lineage left out."""
    of = design.draw(np.random.default_rng(4))
    pairs = WeighedPairs.of(of, calibrate_evidence(of))
    everything = np.ones(len(pairs.rows), dtype=bool)
    values = []
    for at in range(len(pairs.rows)):
        label, weight = pairs.derived.copy(), pairs.weight.copy()
        label[at] = ~label[at]
        weight[at] = pairs.weight[pairs.derived == label[at]].mean()
        values.append(bound(pairs, everything, label, weight))
    found = pairs.turned()
    assert (found.low, found.high) == pytest.approx((min(values), max(values)))
    assert found.n_changes == len(values)
    assert found.low < found.estimate or found.high > found.estimate
    a, b = of.lineage_a[pairs.rows], of.lineage_b[pairs.rows]
    left = [
        bound(pairs, (a != g) & (b != g), pairs.derived, pairs.weight)
        for g in np.unique(np.concatenate([a, b])).tolist()
    ]
    found = pairs.without_lineage()
    assert (found.low, found.high) == pytest.approx((np.nanmin(left), np.nanmax(left)))
    assert found.n_changes == np.isfinite(left).sum()


def test_one_related_pair_taken_as_independent_lowers_the_bound():
    """The hidden child scores like a child: the table says that an independent pair can do so."""
    design = Design("mislabelled", (3,) * 30, n_cells=3, separation=5.0)
    of = design.draw(np.random.default_rng(1))
    before = sensitivity(of).label_lr_bound
    assert before.worst == before.low < before.estimate
    assert before.by.endswith("taken as independent")


def test_coarser_cells_are_those_of_a_direct_count():
    of = table(6)
    found = sensitivity(of).coarser_auc
    ours, theirs = (np.flatnonzero(side & of.comparable) for side in (of.derived, of.independent))

    def share(p, n):
        d = of.score[p][:, None] - of.score[n][None]
        return ((d > 0) + (d == 0) / 2).mean(axis=1)

    same = of.cell_a == of.cell_b
    parts = [
        share(ours[same[ours] == w], theirs[same[theirs] == w])
        for w in (True, False)
        if (same[ours] == w).any()
    ]
    assert found["within or across"] == pytest.approx(np.concatenate(parts).mean())
    assert found["independent"] == pytest.approx(share(ours, theirs).mean())


def test_the_seed_moves_a_p_value_by_its_monte_carlo_error():
    of = table(7)
    test = separation_test(of, 199)
    found = sensitivity(of, permutation=test).seed
    assert found.low <= found.p_value <= found.high
    others = [separation_test(of, 199, seed=seed).p_value for seed in range(1, 6)]
    assert all(found.low - 0.006 <= p <= found.high + 0.006 for p in others)
    assert sensitivity(of).seed.reason == "no permutation test"


def test_an_enumerated_p_value_does_not_move():
    tiny = example_table(n_lineages=4)
    test = separation_test(tiny)
    found = SeedInfluence.of(test)
    assert math.isnan(test.p_value) or not test.exact or found.low == found.high == test.p_value


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"architecture_a": None, "architecture_b": None}, "no derived pair with a score has a look-alike"),
        ({"status": "abstained"}, "no derived pair with a score has a look-alike"),
    ],
)
def test_what_cannot_be_told_has_its_reason(change, reason):
    found = sensitivity(ScoreTable(example_table().frame.assign(**change)))
    assert reason in found.lineage_auc.reason
    assert reason in found.label_threshold.reason
    assert found.architecture_auc.reason
    assert math.isnan(found.label_auc.estimate)


def test_one_architecture_is_not_left_out():
    found = sensitivity(ScoreTable(example_table().frame.assign(architecture_a="x", architecture_b="x")))
    assert found.architecture_auc.reason == "there is one architecture"


def test_an_influence_without_changes_says_so():
    assert Influence.of(0.5, [], str).reason == "there is nothing to change"
    assert Influence.of(0.5, [math.nan], str).reason == "no data left to compute it from"
    inf = Influence.of(math.inf, [math.inf, 1.0], str)
    assert (inf.worst, inf.by, inf.n_changes) == (1.0, "1", 2)


def test_bad_arguments_are_named():
    of = example_table()
    with pytest.raises(BadArgument, match="max_fpr"):
        sensitivity(of, max_fpr=5.0)
    with pytest.raises(BadArgument, match="n_metrics"):
        sensitivity(of, n_metrics=0)
    with pytest.raises(BadArgument, match="evidence"):
        sensitivity(of, evidence=3)  # type: ignore[arg-type]
    with pytest.raises(BadArgument, match="permutation"):
        sensitivity(of, permutation=3)  # type: ignore[arg-type]
    with pytest.raises(BadArgument, match="table"):
        sensitivity(pd.DataFrame())  # type: ignore[arg-type]


def test_evidence_of_another_table_is_refused():
    with pytest.raises(BadArgument, match="another table"):
        sensitivity(table(1), evidence=calibrate_evidence(example_table()))
