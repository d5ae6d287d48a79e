"""Thresholds: calibrated, judged on what they have not seen, certified or refused."""

from __future__ import annotations

import itertools
import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy.stats import binomtest

import analysis
from analysis import ScoreTable
from analysis.thresholds.calibration import _matching, _umbrella, certified_value, independent_negatives
from analysis.thresholds.heldout import held_out_rates, smallest_threshold
from analysis.thresholds.rates import share_interval
from studies.simulation.designs import Design

POPULATION = Design("", (2,) * 124, 3, separation=2.0, same_cell=0.4)


def test_ties_stay_out_whole_and_zero_is_above_the_maximum() -> None:
    scores = np.array([5.0, 4, 4, 4, 3, 2, 1, 0, 0, 0])
    just_above_4 = np.nextafter(4.0, np.inf)
    assert smallest_threshold(scores, 0.0) == np.nextafter(5.0, np.inf)
    assert smallest_threshold(scores, 0.1) == just_above_4
    assert smallest_threshold(scores, 0.3) == just_above_4
    assert smallest_threshold(scores, 0.4) == np.nextafter(3.0, np.inf)
    assert smallest_threshold(scores, 1.0) == -math.inf
    assert math.isnan(smallest_threshold(np.array([]), 0.1))
    assert math.isnan(smallest_threshold(np.array([np.inf, 0.0]), 0.1))
    for max_fpr in (0.0, 0.1, 0.25, 0.5, 0.7):
        threshold = smallest_threshold(scores, max_fpr)
        assert np.mean(scores >= threshold) <= max_fpr
        assert np.mean(scores >= np.nextafter(threshold, -np.inf)) > max_fpr


def test_order_statistic_of_the_certificate() -> None:
    """59 negatives: the maximum certifies 5 % at 95 %; 93 allow one to pass, 58 nothing."""
    for n, rank in ((59, 59), (92, 92), (93, 92), (124, 122)):
        sample = np.random.default_rng(n).permutation(np.arange(n, dtype=float))
        assert _umbrella(sample, 0.05, 0.95) == np.nextafter(rank - 1.0, np.inf)
    assert math.isnan(_umbrella(np.append(np.zeros(58), np.inf), 0.05, 0.95))


@pytest.mark.parametrize(("max_fpr", "needed"), [(0.05, 118), (0.01, 598), (0.001, 5990)])
def test_refusal_names_the_lineages_that_would_do(max_fpr: float, needed: int) -> None:
    table = Design("", (3,) * 20, 2, separation=1.5).draw(np.random.default_rng(0))
    found = analysis.calibrate_threshold(table, max_fpr)
    assert not found.certified
    assert found.lineages_needed == needed
    assert f"{needed} lineages would do" in found.reason
    assert found.n_independent == 10
    assert np.mean(table.score[table.independent] >= found.value) <= max_fpr
    assert found.lineages_needed == analysis.lineages_needed(max_fpr, 0.95)


def test_certified_where_the_catalog_allows() -> None:
    table = POPULATION.draw(np.random.default_rng(1))
    found = analysis.calibrate_threshold(table, 0.05)
    assert found.certified
    assert found.reason == ""
    assert found.n_independent == 62
    assert found.fpr.estimate <= 0.05
    assert found == analysis.calibrate_threshold(table, 0.05)
    assert not analysis.calibrate_threshold(table, 0.05, 0.99).certified


@pytest.mark.parametrize(("draw", "larger"), [(0, "bound"), (15, "value")])
def test_a_certified_threshold_is_the_larger_of_its_value_and_its_bound(draw: int, larger: str) -> None:
    """The bound guarantees the rate on fresh lineages; the value keeps it on the pairs of this catalog."""
    table = next(itertools.islice(POPULATION.draws(draw + 1, 9), draw, None))
    bound = _umbrella(independent_negatives(table, seed=draw), 0.05, 0.95)
    value = smallest_threshold(np.sort(table.score[table.independent])[::-1], 0.05)
    assert (bound > value) == (larger == "bound")
    found, certified, _, _ = certified_value(table, 0.05, 0.95, seed=draw)
    assert certified
    assert found == max(value, bound)


def test_independent_negatives_share_no_lineage() -> None:
    labels = POPULATION.labels
    coded = labels.with_scores(np.arange(len(labels), dtype=float))
    for negatives in ("independent", "look-alike"):
        rows = independent_negatives(coded, negatives, seed=3).astype(int)
        used = np.concatenate([labels.lineage_a[rows], labels.lineage_b[rows]])
        assert len(np.unique(used)) == 2 * len(rows)
        assert labels.negatives(negatives)[rows].all()
        assert len(rows) >= 60
    different = independent_negatives(coded, seed=4)
    assert set(different) != set(independent_negatives(coded, seed=3))


def test_a_certified_threshold_keeps_its_promise() -> None:
    """Over fresh catalogs at most 5 % of certified thresholds exceed their rate."""
    exceeded = [
        POPULATION.rate(certified_value(table, 0.05, 0.95, seed=i)[0], "fpr") > 0.05
        for i, table in enumerate(POPULATION.draws(120, 9))
    ]
    assert binomtest(sum(exceeded), len(exceeded), 0.05, alternative="greater").pvalue > 0.01


def held_out_by_definition(table: ScoreTable, max_fpr: float, by: str) -> dict[str, dict[int, bool]]:
    """Independent and derived rows that can be judged, and whether they pass the threshold of the others."""
    of_model = table.lineage_of if by == "lineage" else table.cell_of
    member: dict[int, set[int]] = {}
    for model, group in enumerate(of_model.tolist()):
        member.setdefault(group, set()).add(int(table.lineage_of[model]))
    limits: dict[tuple[int, int], float] = {}
    hits: dict[str, dict[int, bool]] = {"independent": {}, "derived": {}}
    for row in range(len(table)):
        ends = int(of_model[table.model_a[row]]), int(of_model[table.model_b[row]])
        if table.relation[row] not in hits or min(ends) < 0:
            continue
        if ends not in limits:
            out = list(member[ends[0]] | member[ends[1]])
            left = table.independent & ~np.isin(table.lineage_a, out) & ~np.isin(table.lineage_b, out)
            limits[ends] = smallest_threshold(np.sort(table.score[left])[::-1], max_fpr)
        if not math.isnan(limits[ends]):
            hits[table.relation[row]][row] = bool(table.score[row] >= limits[ends])
    return hits


def assert_held_out(table: ScoreTable, max_fpr: float, by: Literal["lineage", "architecture"]) -> None:
    """Compare estimates, intervals and what they are called with those of the definition."""
    hits = held_out_by_definition(table, max_fpr, by)
    kinds: tuple[tuple[Literal["fpr", "tpr"], str], ...] = (("fpr", "independent"), ("tpr", "derived"))
    for found, (kind, relation) in zip(held_out_rates(table, max_fpr, by=by, level=0.8), kinds, strict=True):
        rows = np.array(list(hits[relation]))
        passed = np.array(list(hits[relation].values()))
        expected = share_interval(table, rows, passed, pairs_of=kind, level=0.8)
        assert found.n_pairs == len(rows)
        assert found.estimate == pytest.approx(np.mean(passed))
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
        assert found.level == 0.8
        assert found.method == f"calibrated with the {by} left out"


@pytest.mark.parametrize("max_fpr", [0.01, 0.2])
@pytest.mark.parametrize("by", ["lineage", "architecture"])
def test_held_out_rates_are_those_of_the_definition(by: Any, max_fpr: float) -> None:
    table = Design("", (3, 1, 2, 4, 2, 3, 1), 4, separation=1.0).draw(np.random.default_rng(2))
    assert_held_out(table.with_scores(np.round(table.score, 1)), max_fpr, by)


def test_held_out_rates_where_the_best_thousand_pairs_are_held_out() -> None:
    """Two lineages hold the 1,088 highest scores: the threshold without them lies far down the list."""
    table = Design("", (8,) * 10, separation=1.0).draw(np.random.default_rng(5))
    high = (table.lineage_a < 2) | (table.lineage_b < 2)
    assert_held_out(table.with_scores(table.score + 20.0 * high), 0.05, "lineage")


def test_held_out_rates_leave_models_of_unknown_architecture_out() -> None:
    table = Design("", (3, 2, 2, 4, 2, 3), 4, separation=1.0).draw(np.random.default_rng(2))
    frame = table.frame.copy()
    for end in "ab":
        frame.loc[frame[f"model_{end}"].isin(table.models[[0, 3, 8]]), f"architecture_{end}"] = None
    unknown = ScoreTable(frame)
    assert (unknown.cell_of < 0).sum() == 3
    assert_held_out(unknown, 0.2, "architecture")


def test_three_lineages_can_be_held_out_and_two_cannot() -> None:
    three = Design("", (3, 3, 3), separation=1.0).draw(np.random.default_rng(2))
    _, tpr = held_out_rates(three, 0.2, by="lineage")
    assert tpr.n_pairs == three.derived.sum()
    assert tpr.level == 0.95
    two = Design("", (3, 3), separation=1.0).draw(np.random.default_rng(2))
    for found in held_out_rates(two, 0.2, by="lineage", level=0.8):
        assert found.reason == "fewer than three groups (2) by lineage: none is left to calibrate on"
        assert (found.level, found.method) == (0.8, "calibrated with the lineage left out")
    no_negatives = ScoreTable(three.frame[three.derived])
    for found in held_out_rates(no_negatives, 0.2, by="lineage", level=0.8):
        assert found.reason == "no pair is left to judge with its lineage left out"
        assert (found.level, found.method) == (0.8, "calibrated with the lineage left out")


def test_a_held_out_score_on_its_threshold_passes() -> None:
    labels = Design("", (3,) * 6).labels
    table = labels.with_scores(np.where(labels.derived, np.nextafter(0.0, 1.0), 0.0))
    fpr, tpr = held_out_rates(table, 0.05, by="lineage")
    assert (fpr.estimate, tpr.estimate) == (0.0, 1.0)
    everything = held_out_rates(table, 1.0, by="lineage")
    assert [found.estimate for found in everything] == [1.0, 1.0]


def test_many_lineages_are_held_out_in_groups() -> None:
    table = POPULATION.draw(np.random.default_rng(3))
    fpr, tpr = held_out_rates(table, 0.05, by="lineage")
    assert fpr.n_pairs == table.independent.sum()
    assert fpr.estimate == pytest.approx(0.05, abs=0.02)
    assert tpr.n_pairs == table.derived.sum()


def test_odd_tables() -> None:
    labels = Design("", (3,) * 6, 2).labels
    constant = analysis.calibrate_threshold(labels, 0.05)
    assert constant.value == np.nextafter(0.0, 1.0)
    assert constant.fpr.estimate == 0
    assert constant.tpr.estimate == 0
    infinite = analysis.calibrate_threshold(labels.with_scores(np.full(len(labels), np.inf)), 0.05)
    assert math.isnan(infinite.value)
    assert "+infinity" in infinite.reason
    assert "no threshold" in infinite.fpr.reason
    derived = ScoreTable(labels.frame[labels.derived])
    nothing = analysis.calibrate_threshold(derived, 0.05)
    assert math.isnan(nothing.value)
    assert "nothing to calibrate on" in nothing.reason
    assert nothing.held_out_fpr.reason
    no_cells = labels.frame.drop(columns=["architecture_a", "architecture_b"])
    assert "unknown" in analysis.calibrate_threshold(ScoreTable(no_cells)).new_architecture_fpr.reason
    alone = pd.DataFrame([("a", "b", 0.5, "derived")], columns=["model_a", "model_b", "score", "relation"])
    assert math.isnan(analysis.calibrate_threshold(ScoreTable(alone)).value)
    with pytest.raises(ValueError, match="max_fpr"):
        analysis.calibrate_threshold(labels, 0.0)


def test_audit_of_a_claimed_threshold() -> None:
    table = Design("", (4,) * 10, 2, separation=1.0, same_cell=0.8).draw(np.random.default_rng(0))
    found = analysis.audit_threshold(table, 0.9)
    assert found.threshold == 0.9
    assert found.fpr == analysis.rate(table, 0.9)
    assert found.tpr == analysis.rate(table, 0.9, "tpr")
    assert found.look_alike_fpr == analysis.rate(table, 0.9, negatives="look-alike")
    assert found.look_alike_fpr.estimate > found.fpr.estimate


@pytest.mark.parametrize("negatives", ["independent", "look-alike"])
def test_a_threshold_is_made_of_its_parts(negatives: str) -> None:
    """Every argument reaches what it is for."""
    table = Design("", (3,) * 30, 4, separation=2.0, same_cell=0.6).draw(np.random.default_rng(4))
    found = analysis.calibrate_threshold(table, 0.2, 0.7, negatives=negatives, level=0.8, seed=5)
    value, certified, reason, n = certified_value(table, 0.2, 0.7, negatives=negatives, seed=5)
    assert (found.value, found.certified, found.reason, found.n_independent) == (value, certified, reason, n)
    assert certified
    assert (found.max_fpr, found.confidence, found.negatives) == (0.2, 0.7, negatives)
    assert found.lineages_needed == analysis.lineages_needed(0.2, 0.7)
    assert found.fpr == analysis.rate(table, value, "fpr", negatives=negatives, level=0.8)
    assert found.tpr == analysis.rate(table, value, "tpr", level=0.8)
    lineage = held_out_rates(table, 0.2, negatives=negatives, by="lineage", level=0.8)
    cell = held_out_rates(table, 0.2, negatives=negatives, by="architecture", level=0.8)
    assert (found.held_out_fpr, found.held_out_tpr) == lineage
    assert (found.new_architecture_fpr, found.new_architecture_tpr) == cell
    assert "lineage left out" in lineage[0].method
    assert "architecture left out" in cell[0].method
    assert len({found.fpr, found.tpr, *lineage, *cell}) == 6


def test_defaults_of_a_threshold() -> None:
    table = Design("", (3,) * 12, 3, separation=2.0, same_cell=0.6).draw(np.random.default_rng(4))
    stated = analysis.calibrate_threshold(table, 0.05, 0.95, negatives="independent", level=0.95, seed=0)
    assert analysis.calibrate_threshold(table) == stated
    assert certified_value(table, 0.3, 0.9) == certified_value(
        table, 0.3, 0.9, negatives="independent", seed=0
    )
    by_lineage = held_out_rates(table, 0.1, by="lineage")
    assert by_lineage == held_out_rates(table, 0.1, negatives="independent", by="lineage", level=0.95)


def test_other_seeds_and_other_negatives_certify_other_values() -> None:
    table = Design("", (3,) * 30, 2, separation=2.0, same_cell=2.0).draw(np.random.default_rng(6))
    values = {
        certified_value(table, 0.2, 0.9, negatives=negatives, seed=seed)[0]
        for negatives in ("independent", "look-alike")
        for seed in (0, 1)
    }
    assert len(values) == 4


def test_the_seed_is_0_where_none_is_given() -> None:
    """On a table whose certified value depends on which negatives are drawn."""
    table = Design("", (3,) * 30, 2, separation=2.0, same_cell=2.0).draw(np.random.default_rng(6))
    values = [certified_value(table, 0.2, 0.9, seed=seed)[0] for seed in (0, 1)]
    assert values[0] != values[1]
    assert certified_value(table, 0.2, 0.9)[0] == values[0]
    assert analysis.calibrate_threshold(table, 0.2, 0.9).value == values[0]


@pytest.mark.parametrize(
    ("max_fpr", "confidence"),
    [(0.5, 1 - 0.5 ** (2 + 4e-10)), (0.999, 1 - 0.001 ** (1 + 4e-10)), (0.05, 1 - 0.95 ** (2 + 4e-10))],
)
def test_what_is_called_enough_by_rounding_certifies(max_fpr: float, confidence: float) -> None:
    needed = analysis.lineages_needed(max_fpr, confidence)
    table = Design("", (1,) * needed).draw(np.random.default_rng(0))
    value, certified, reason, n = certified_value(table, max_fpr, confidence)
    assert (certified, reason, n) == (True, "", needed // 2)
    assert value >= np.nextafter(independent_negatives(table).max(), math.inf)


def test_a_confidence_next_to_1_is_not_rounded_away() -> None:
    """Of 46 negatives only the highest will do: the next lets 47·2^-46 = 6.7e-13 through, not 1e-13."""
    assert _umbrella(np.arange(46.0), 0.5, 1 - 1e-13) == np.nextafter(45.0, np.inf)


@pytest.mark.parametrize(("lineages", "enough"), [(118, True), (116, False)])
def test_a_certificate_takes_as_many_negatives_as_it_says_and_no_more(lineages: int, enough: bool) -> None:
    table = Design("", (1,) * lineages).draw(np.random.default_rng(0))
    _, certified, reason, n = certified_value(table, 0.05, 0.95)
    assert (certified, n) == (enough, lineages // 2)
    assert bool(reason) != enough


def test_an_infinite_negative_leaves_no_certificate() -> None:
    table = Design("", (1,) * 130).draw(np.random.default_rng(0))
    score = np.where((table.lineage_a == 0) | (table.lineage_b == 0), np.inf, table.score)
    value, certified, reason, _ = certified_value(table.with_scores(score), 0.05, 0.95)
    assert math.isfinite(value)
    assert not certified
    assert reason == "an independent pair scores +infinity: no threshold can exclude it"


@pytest.mark.parametrize(
    ("n", "max_fpr", "confidence", "rank"),
    [(1, 0.5, 0.5, 1), (3, 0.5, 0.5, 2), (3, 0.5, 0.8, 3), (10, 0.9, 0.5, 2), (3, 0.5, 1e-13, 1)],
)
def test_ranks_of_small_certificates(n: int, max_fpr: float, confidence: float, rank: int) -> None:
    """Least r with P(at least r of n are above the 1 - max_fpr quantile's place) ≤ 1 - confidence."""
    assert _umbrella(np.arange(float(n)), max_fpr, confidence) == np.nextafter(rank - 1.0, np.inf)


def test_an_audit_has_the_level_asked_for() -> None:
    table = Design("", (4,) * 10, 2, separation=1.0, same_cell=0.8).draw(np.random.default_rng(0))
    found = analysis.audit_threshold(table, 0.9, 0.8)
    assert found.fpr == analysis.rate(table, 0.9, "fpr", level=0.8)
    assert found.tpr == analysis.rate(table, 0.9, "tpr", level=0.8)
    assert found.look_alike_fpr == analysis.rate(table, 0.9, "fpr", negatives="look-alike", level=0.8)


def test_a_threshold_in_one_line() -> None:
    table = Design("", (2,) * 8, separation=2.0).draw(np.random.default_rng(0))
    found = analysis.calibrate_threshold(table, 0.5, 0.9)
    rates = f"FPR {found.fpr._cell()}, TPR {found.tpr._cell()}"
    assert str(found) == f"{found.value:.4g} (certified for FPR ≤ 0.5 at confidence 0.9; {rates})"
    found = analysis.calibrate_threshold(table, 0.4, 0.99)
    rates = f"FPR {found.fpr._cell()}, TPR {found.tpr._cell()}"
    held = f"not certified for FPR ≤ 0.4 at confidence 0.99: {found.reason}"
    assert str(found) == f"{found.value:.4g} ({held}; {rates})"
    nothing = analysis.calibrate_threshold(ScoreTable(table.frame[table.derived]), 0.4, 0.99)
    assert str(nothing) == f"no threshold for FPR ≤ 0.4 at confidence 0.99 ({nothing.reason})"


@pytest.mark.parametrize(
    ("lineages", "sizes", "tried", "used"),
    [
        (6, [2, 3, 3], 2, 1),  # three pairs of six lineages: no more can be had
        (7, [2, 3, 3], 2, 1),  # of seven neither
        (9, [3, 1, 3, *[2] * 20], 16, 0),  # four could be had: all are tried, and the first largest is used
    ],
)
def test_the_largest_of_a_few_matchings_is_used(
    lineages: int, sizes: list[int], tried: int, used: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = Design("", (2,) * lineages).draw(np.random.default_rng(0))
    rng = np.random.default_rng(1)
    matchings = [rng.choice(lineages * (lineages - 1) // 2, size, replace=False).tolist() for size in sizes]
    given: list[npt.NDArray[np.int64]] = []

    def matching(pairs: npt.NDArray[np.int64], n_lineages: int, _: np.random.Generator) -> list[int]:
        assert n_lineages == lineages
        given.append(pairs)
        chosen: list[int] = matchings[len(given) - 1]
        return chosen

    monkeypatch.setattr("analysis.thresholds.calibration._matching", matching)
    found = independent_negatives(table)
    assert len(given) == tried
    lineage_pairs = [set(given[0][i].tolist()) for i in matchings[used]]
    rows = [int(np.flatnonzero(table.score == score)[0]) for score in found]
    assert [{int(table.lineage_a[row]), int(table.lineage_b[row])} for row in rows] == lineage_pairs


def test_independent_negatives_of_seed_0_and_of_nothing() -> None:
    table = POPULATION.draw(np.random.default_rng(1))
    assert independent_negatives(table).tolist() == independent_negatives(table, seed=0).tolist()
    assert independent_negatives(table).tolist() != independent_negatives(table, seed=1).tolist()
    assert len(independent_negatives(ScoreTable(table.frame[table.derived]))) == 0


@pytest.mark.parametrize(
    ("pairs", "matching"),
    [([[0, 1]], [0]), ([[0, 1], [1, 2], [2, 3]], [0, 2]), ([[0, 3], [0, 4], [1, 3], [2, 3]], None)],
)
def test_lineages_with_few_partners_choose_first(pairs: list[list[int]], matching: list[int] | None) -> None:
    """A path is matched from its ends; of a star with a tail the tail is always used."""
    for seed in range(10):
        found = _matching(np.array(pairs), 6, np.random.default_rng(seed))
        assert sorted(found) == matching if matching else len(found) == 2


@pytest.mark.parametrize("max_fpr", [0.001, 0.2, 0.5, 0.9])
def test_thresholds_without_lineages_are_found_however_deep_they_lie(max_fpr: float) -> None:
    """The pairs that are left out score highest, so that several stretches of pairs are passed over."""
    labels = Design("", (20,) * 5).labels
    rng = np.random.default_rng(3)
    touching = (labels.lineage_a < 2).astype(float) + (labels.lineage_b < 2)
    table = labels.with_scores(rng.normal(size=len(labels)) + 0.8 * touching)
    fpr, _ = held_out_rates(table, max_fpr, by="lineage")
    hits = []
    for a, b in itertools.combinations(range(5), 2):
        here = table.independent & (table.lineage_a == a) & (table.lineage_b == b)
        ends = np.stack([table.lineage_a, table.lineage_b])
        left = table.score[table.independent & ~np.isin(ends, [a, b]).any(axis=0)]
        hits.append(table.score[here] >= smallest_threshold(np.sort(left)[::-1], max_fpr))
    assert fpr.estimate == pytest.approx(np.concatenate(hits).mean(), abs=1e-12)


def test_a_stretch_may_end_at_the_last_negative_that_is_allowed() -> None:
    labels = Design("", (16,) * 4).labels
    negative = np.flatnonzero(labels.independent)
    kept = (labels.lineage_a[negative] > 1) & (labels.lineage_b[negative] > 1)
    # Of 256 kept pairs 51 are allowed: all of them in the first stretch of 1,024 pairs, the others below it.
    order = np.concatenate([np.flatnonzero(kept)[:51], np.flatnonzero(~kept)[:973]])
    order = np.concatenate([order, np.flatnonzero(kept)[51:], np.flatnonzero(~kept)[973:]])
    score = np.zeros(len(labels))
    score[negative[order]] = np.arange(len(order), 0, -1)
    table = labels.with_scores(score)
    fpr, _ = held_out_rates(table, 0.2, by="lineage")
    first = np.isin(np.arange(len(table)), negative[~kept]) & (table.lineage_a == 0) & (table.lineage_b == 1)
    limit = np.sort(score[negative[kept]])[::-1][51]
    assert limit == len(order) - 1024
    assert (score[first] > limit).all()
    assert fpr.n_pairs == len(negative)
