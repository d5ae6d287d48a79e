"""Certificates: on what they rest, what they promise, and that no seed and no name moves them."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, binomtest

import analysis
from analysis import ScoreTable, Threshold
from analysis.thresholds.calibration import calibrate_thresholds, certified_value
from analysis.thresholds.certificate import (
    WeighedNegatives,
    allowed_share,
    balanced_weights,
    enough,
    lineages_worth,
    negatives_needed,
    shared_confidence,
    worth,
)
from analysis.thresholds.heldout import held_out_rates, smallest_threshold
from studies.simulation.designs import Design

POPULATION = Design("", (2,) * 124, 3, separation=2.0, same_cell=0.4)
KINDS = ("look-alike", "independent")


def weights_of(edges: list[tuple[int, int]]) -> dict[tuple[int, int], float]:
    first, second = np.array(edges).T
    return dict(zip(edges, balanced_weights(first, second).tolist(), strict=True))


def clique(*lineages: int) -> list[tuple[int, int]]:
    return [(a, b) for a in lineages for b in lineages if a < b]


def at_lineages(weights: dict[tuple[int, int], float], n: int) -> list[float]:
    return [sum(weight for edge, weight in weights.items() if g in edge) for g in range(n)]


@pytest.mark.parametrize("m", [2, 3, 4, 7, 118])
def test_look_alike_lineages_share_their_weight_evenly(m: int) -> None:
    weights = weights_of(clique(*range(m)))
    assert list(weights.values()) == pytest.approx([1 / (m - 1)] * len(weights))
    assert sum(weights.values()) == pytest.approx(m / 2)


@pytest.mark.parametrize(
    ("edges", "n", "total"),
    [
        ([(0, 1), (0, 2), (0, 3)], 4, 1.0),  # one lineage that all others look like: one pair at most
        ([(0, 3), (0, 4), (1, 3), (2, 3)], 5, 2.0),
        (clique(0, 1, 2, 3) + clique(3, 4, 5), 6, 3.0),  # a lineage with models in two cells
        (clique(0, 1, 2) + clique(3, 4, 5), 6, 3.0),  # matched whole, each cell would hold one pair only
        ([(a, b) for a in range(3) for b in range(3, 10)], 10, 3.0),  # dense by mixtures of experts
        ([(0, 1), (1, 2), (2, 3)], 4, 2.0),
        ([(0, 1), (0, 2), (1, 2), (2, 3)], 4, 2.0),  # a lineage whose one partner has others
        # What fades is told by the lineages of the pair: 1/59 is even where every two of 60 are a pair.
        ([(60, 61), (60, 62), (61, 62), (62, 63), *clique(*range(60))], 64, 32.0),
    ],
)
def test_no_lineage_counts_for_more_than_one_and_no_weight_is_left(
    edges: list[tuple[int, int]], n: int, total: float
) -> None:
    weights = weights_of(edges)
    assert max(at_lineages(weights, n)) <= 1 + 1e-12
    assert min(weights.values()) >= 0
    assert sum(weights.values()) == pytest.approx(total, abs=1e-6)


def test_any_table_of_pairs_is_weighed_within_its_bounds() -> None:
    rng = np.random.default_rng(0)
    for n in (2, 5, 13, 40):
        for share in (0.05, 0.2, 0.7):
            a, b = np.triu_indices(n, 1)
            kept = rng.random(len(a)) < share
            kept[0] = True
            weights = weights_of(list(zip(a[kept].tolist(), b[kept].tolist(), strict=True)))
            assert max(at_lineages(weights, n)) <= 1 + 1e-12
            assert all(0 <= weight <= 1 for weight in weights.values())


def test_weights_follow_the_structure_and_not_the_names() -> None:
    edges = clique(0, 1, 2, 3) + clique(3, 4, 5) + [(5, 6), (6, 7), (2, 7)]
    named = weights_of(edges)
    rng = np.random.default_rng(1)
    for _ in range(5):
        new = rng.permutation(8)
        renamed = weights_of([(int(new[a]), int(new[b])) for a, b in edges])
        for a, b in edges:
            assert renamed[int(new[a]), int(new[b])] == pytest.approx(named[a, b], abs=1e-9)


def test_the_weight_of_two_lineages_is_spread_over_their_models() -> None:
    table = Design("", (3, 1, 2, 2), 2).draw(np.random.default_rng(0))
    for negatives, total in (("look-alike", 2.0), ("independent", 2.0)):
        weighed = WeighedNegatives.of(table, negatives)
        rows = np.flatnonzero(table.negatives(negatives))
        order = rows[np.argsort(-table.score[rows], kind="stable")]
        assert weighed.rows.tolist() == order.tolist()
        assert weighed.descending.tolist() == table.score[order].tolist()
        assert weighed.n == pytest.approx(total)
        frame = pd.DataFrame({"a": table.lineage_a[order], "b": table.lineage_b[order], "w": weighed.weights})
        lineages = frame.groupby(["a", "b"])["w"]
        assert (lineages.nunique() == 1).all()
        assert lineages.sum().tolist() == pytest.approx([total / lineages.ngroups] * lineages.ngroups)
        assert worth(table, negatives) == pytest.approx(total)


def test_an_independent_pair_inside_a_lineage_weighs_nothing() -> None:
    """Two models trained from scratch by one laboratory, say: the pair is no evidence on another lineage."""
    table = Design("", (2, 1, 1, 1, 1)).draw(np.random.default_rng(0))
    first, second = table.lineages[3:]
    table = ScoreTable(table.frame.replace({"lineage_a": {second: first}, "lineage_b": {second: first}}))
    weighed = WeighedNegatives.of(table, "independent")
    inside = table.lineage_a[weighed.rows] == table.lineage_b[weighed.rows]
    assert inside.sum() == 1
    assert weighed.weights[inside].tolist() == [0.0]
    assert (weighed.weights[~inside] > 0).all()
    assert weighed.n == pytest.approx(2.0)


def test_abstentions_take_part_in_what_a_catalog_is_worth_and_in_no_certificate() -> None:
    table = Design("", (2,) * 6).draw(np.random.default_rng(0))
    frame = table.frame.copy()
    silent = (table.lineage_a == 5) | (table.lineage_b == 5)
    frame.loc[silent, "status"] = "abstained"
    some = ScoreTable(frame)
    assert WeighedNegatives.of(some, "independent").n == pytest.approx(2.5)
    assert worth(some, "independent") == pytest.approx(3.0)
    assert [lineages_worth(n) for n in (2.5, 3 - 1e-9, 3.0)] == [4, 6, 6]
    nothing = WeighedNegatives.of(ScoreTable(frame[table.derived]), "look-alike")
    assert (nothing.n, len(nothing.weights)) == (0.0, 0)


def test_how_many_negatives_are_needed_and_what_may_pass_among_them() -> None:
    assert [negatives_needed(rate, 0.95) for rate in (0.05, 0.01, 0.001)] == [59, 299, 2995]
    assert shared_confidence(0.95, 1) == pytest.approx(0.95)
    assert shared_confidence(0.95, 5) == pytest.approx(0.99)
    for rate, confidence in ((0.05, 0.95), (0.3, 0.6), (0.01, 0.999)):
        least = negatives_needed(rate, confidence)
        assert (1 - rate) ** least <= 1 - confidence < (1 - rate) ** (least - 1)
        shares = [allowed_share(n, rate, confidence) for n in (least, 2 * least, 50 * least, 10**7 * least)]
        assert shares == sorted(shares)
        assert 0 <= shares[0] < shares[-1] < rate
        assert shares[-1] == pytest.approx(rate, rel=2e-3)
    share = allowed_share(100, 0.05, 0.95)
    divergence = share * math.log(share / 0.05) + (1 - share) * math.log((1 - share) / 0.95)
    assert math.exp(-100 * divergence) == pytest.approx(0.05)
    assert allowed_share(1.0, 0.5, 0.5) == 0.0


@pytest.mark.parametrize("n", [59, 80, 150, 400])
def test_independent_negatives_keep_the_promise_by_the_binomial_law(n: int) -> None:
    share = allowed_share(n, 0.05, 0.95)
    assert binom.cdf(math.floor(share * n + 1e-9), n, 0.05) <= 0.05


def test_a_negative_without_weight_costs_nothing() -> None:
    """Nothing may pass here, and the highest score is a pair's whose lineages count in other pairs."""
    score, weight = np.array([3.0, 2.0, 1.0]), np.array([0.0, 1.0, 1.0])
    weighed = WeighedNegatives("independent", np.arange(3), score, weight, 2.0)
    assert allowed_share(2.0, 0.5, 0.75) == 0
    assert weighed.certified(0.5, 0.75) == np.nextafter(2.0, np.inf)


def test_negatives_that_fall_short_by_rounding_only_let_nothing_pass() -> None:
    assert enough(2 - 5e-7, 2)
    assert not enough(2 - 2e-6, 2)
    assert allowed_share(2 - 5e-7, 0.5, 0.75) == 0


def test_a_certified_threshold_lets_the_allowed_share_pass() -> None:
    table = Design("", (2,) * 160, 4, same_cell=0.5).draw(np.random.default_rng(0))
    for negatives in KINDS:
        weighed = WeighedNegatives.of(table, negatives)
        bound = weighed.certified(0.05, 0.95)
        allowed = allowed_share(80, 0.05, 0.95)
        passing = weighed.weights[weighed.descending >= bound].sum() / weighed.n
        below = weighed.weights[weighed.descending >= np.nextafter(bound, -np.inf)].sum() / weighed.n
        assert passing <= allowed < below
        value, reason = certified_value(weighed, 0.05, 0.95)
        assert (value, reason) == (max(bound, smallest_threshold(weighed.descending, 0.05)), "")
        assert certified_value(weighed, 0.05, 0.95, n_metrics=2)[0] > value


def test_a_threshold_keeps_its_rate_on_the_pairs_even_where_lineages_weigh_less() -> None:
    """One lineage of 60 models holds most pairs, all high: the mean over lineages lets it pass."""
    table = Design("", (60,) + (1,) * 399).draw(np.random.default_rng(0))
    giant = (table.lineage_a == 0) | (table.lineage_b == 0)
    table = table.with_scores(np.where(giant, table.score + 50, table.score))
    weighed = WeighedNegatives.of(table, "independent")
    assert weighed.n == pytest.approx(200)
    found = analysis.calibrate_threshold(table, 0.05, negatives="independent")
    assert found.certified
    assert found.value == smallest_threshold(weighed.descending, 0.05) > weighed.certified(0.05, 0.95)
    assert found.fpr.estimate <= 0.05


def test_look_alikes_are_the_headline_and_all_independents_stand_beside() -> None:
    table = POPULATION.draw(np.random.default_rng(1))
    found = analysis.calibrate_threshold(table, 0.05)
    assert (found.negatives, found.against) == ("look-alike", "look-alikes")
    assert found == analysis.calibrate_threshold(table, 0.05, negatives="look-alike")
    assert found.n_negatives == pytest.approx(62)
    assert found.certified
    assert found.reason == ""
    other = analysis.calibrate_threshold(table, 0.05, negatives="independent")
    assert (other.negatives, other.against) == ("independent", "all independent pairs")
    assert other.value != found.value
    shapeless = ScoreTable(table.frame.drop(columns=["architecture_a", "architecture_b"]))
    assert analysis.calibrate_threshold(shapeless, 0.05).negatives == "independent"
    assert analysis.calibrate_threshold(shapeless, 0.05).value == other.value


@pytest.mark.parametrize(("max_fpr", "needed"), [(0.05, 59), (0.01, 299), (0.001, 2995)])
def test_refusal_names_the_negatives_there_are_and_those_that_would_do(max_fpr: float, needed: int) -> None:
    table = Design("", (3,) * 21, 3, separation=1.5).draw(np.random.default_rng(0))
    found = analysis.calibrate_threshold(table, max_fpr)
    assert not found.certified
    assert found.n_negatives == pytest.approx(10.5)
    assert (found.negatives_needed, found.lineages_needed) == (needed, 2 * needed)
    assert f"needs {needed:,} independent look-alikes" in found.reason
    assert "its lineages provide 10.5" in found.reason
    assert f"{2 * needed:,} lineages that share their shapes would suffice" in found.reason
    assert np.mean(table.score[table.look_alike] >= found.value) <= max_fpr
    jointly = analysis.calibrate_threshold(table, max_fpr, n_metrics=5, negatives="independent")
    assert jointly.lineages_needed == analysis.lineages_needed(max_fpr, n_metrics=5) > 2 * needed
    assert "for 5 metrics together" in jointly.reason
    assert "independent negatives, its lineages provide" in jointly.reason


@pytest.mark.parametrize(("lineages", "enough"), [(118, True), (116, False)])
def test_a_certificate_takes_as_many_negatives_as_it_says_and_no_more(lineages: int, enough: bool) -> None:
    found = analysis.calibrate_threshold(Design("", (1,) * lineages).draw(np.random.default_rng(0)))
    assert (found.certified, found.n_negatives) == (enough, pytest.approx(lineages / 2))
    assert bool(found.reason) != enough


@pytest.mark.parametrize("n_metrics", [5, 14])
def test_metrics_together_take_more(n_metrics: int) -> None:
    needed = analysis.lineages_needed(0.05, n_metrics=n_metrics)
    enough = Design("", (1,) * needed).draw(np.random.default_rng(0))
    assert analysis.calibrate_threshold(enough, n_metrics=n_metrics).certified
    assert not analysis.calibrate_threshold(enough, n_metrics=n_metrics + 1).certified
    alone = analysis.calibrate_threshold(enough)
    assert alone.value < analysis.calibrate_threshold(enough, n_metrics=n_metrics).value
    assert alone.n_metrics == 1


def test_what_is_out_of_reach_together_is_certified_alone_on_request() -> None:
    table = Design("", (1,) * 120).draw(np.random.default_rng(0))
    five, one = calibrate_thresholds(table, (0.05, 0.01), n_metrics=14, or_alone=True)
    assert (five.certified, five.n_metrics) == (True, 1)
    assert five == analysis.calibrate_threshold(table)
    # One metric alone takes more than there is, too: the reason speaks of all of them.
    assert (one.certified, one.n_metrics) == (False, 14)
    assert "14 metrics together" in one.reason
    (together,) = calibrate_thresholds(table, (0.05,), n_metrics=14)
    assert (together.certified, together.n_metrics) == (False, 14)
    large = Design("", (1,) * 220).draw(np.random.default_rng(0))
    (joint,) = calibrate_thresholds(large, (0.05,), n_metrics=14, or_alone=True)
    assert (joint.certified, joint.n_metrics) == (True, 14)


def test_infinite_negatives_leave_no_certificate() -> None:
    table = Design("", (1,) * 130).draw(np.random.default_rng(0))
    score = np.where((table.lineage_a == 0) | (table.lineage_b == 0), np.inf, table.score)
    found = analysis.calibrate_threshold(table.with_scores(score))
    assert math.isfinite(found.value)
    assert not found.certified
    assert found.reason == "too many independent pairs score +infinity: no threshold can exclude them"


def renamed(table: ScoreTable, seed: int) -> ScoreTable:
    """The same pairs under other names of models, lineages and cells."""
    rng = np.random.default_rng(seed)
    frame = table.frame.copy()
    for what, names in (("model", table.models), ("lineage", table.lineages), ("architecture", table.cells)):
        new = dict(zip(names, (f"{what}{i}" for i in rng.permutation(len(names))), strict=True))
        for end in "ab":
            frame[f"{what}_{end}"] = frame[f"{what}_{end}"].map(new)
    return ScoreTable(frame.sample(frac=1, random_state=seed))


@pytest.mark.parametrize("negatives", KINDS)
def test_neither_a_name_nor_a_seed_moves_a_certificate(negatives: str) -> None:
    """Lineages of several sizes, one with models in two cells: weights that are not all alike."""
    table = Design("", (3, 2, 1, 4) * 12, 4, separation=2.0, same_cell=0.6).draw(np.random.default_rng(6))
    frame = table.frame.copy()
    moved = table.models[0]
    for end in "ab":
        frame.loc[frame[f"model_{end}"] == moved, f"architecture_{end}"] = "cell001"
    table = ScoreTable(frame)
    assert len(set(WeighedNegatives.of(table, negatives).weights.round(12))) > 2
    values = [
        analysis.calibrate_threshold(one, 0.2, 0.9, negatives=negatives)
        for one in (table, *(renamed(table, seed) for seed in range(5)))
    ]
    assert all(found.certified for found in values)
    assert len({found.value for found in values}) == 1
    for function in (analysis.calibrate_threshold, certified_value, WeighedNegatives.of, balanced_weights):
        assert "seed" not in inspect.signature(function).parameters


def test_no_certified_threshold_falls_where_a_negative_rises() -> None:
    table = POPULATION.draw(np.random.default_rng(3))
    rng = np.random.default_rng(4)
    before = analysis.calibrate_threshold(table).value
    for row in rng.choice(np.flatnonzero(table.look_alike), 40, replace=False):
        score = table.score.copy()
        score[row] += rng.exponential(3.0)
        after = WeighedNegatives.of(table.with_scores(score), "look-alike")
        assert certified_value(after, 0.05, 0.95)[0] >= before


def hubs(n_lineages: int, share: float, n_metrics: int, rng: np.random.Generator) -> list[ScoreTable]:
    """Metrics for each of which some lineages resemble everything."""
    labels = Design("", (1,) * n_lineages).labels
    tables = []
    for _ in range(n_metrics):
        hub = rng.random(n_lineages) < share
        touched = hub[labels.lineage_a] | hub[labels.lineage_b]
        tables.append(labels.with_scores(np.where(touched, 9.0, 0.0) + rng.random(len(labels))))
    return tables


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_metrics", "n_lineages"), [(1, 118), pytest.param(5, 180, marks=pytest.mark.slow)]
)
def test_certificates_keep_their_promise_together_in_the_worst_case(n_metrics: int, n_lineages: int) -> None:
    """A hub passes or does not with all its pairs: all that a lineage says it says at once."""
    share = 1 - math.sqrt(1 - 0.0501)
    rng = np.random.default_rng(7)
    failed = 0
    for _ in range(200):
        values = [
            certified_value(WeighedNegatives.of(table, "independent"), 0.05, 0.95, n_metrics=n_metrics)[0]
            for table in hubs(n_lineages, share, n_metrics, rng)
        ]
        failed += min(values) <= 9.0  # then every pair of a hub passes: 5.01%
    assert binomtest(failed, 200, 0.05, alternative="greater").pvalue > 0.01
    assert failed > 0


def test_a_threshold_is_made_of_its_parts() -> None:
    """Every argument reaches what it is for."""
    table = Design("", (3,) * 30, 4, separation=2.0, same_cell=0.6).draw(np.random.default_rng(4))
    for negatives in KINDS:
        found = analysis.calibrate_threshold(table, 0.2, 0.7, negatives=negatives, n_metrics=2, level=0.8)
        weighed = WeighedNegatives.of(table, negatives)
        value, reason = certified_value(weighed, 0.2, 0.7, n_metrics=2)
        assert (found.value, found.reason, found.n_negatives) == (value, reason, weighed.n)
        assert found.certified
        assert (found.max_fpr, found.confidence, found.negatives) == (0.2, 0.7, negatives)
        assert found.n_metrics == 2
        assert found.lineages_needed == analysis.lineages_needed(0.2, 0.7, 2) == 2 * found.negatives_needed
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
    stated = analysis.calibrate_threshold(table, 0.05, 0.95, negatives="look-alike", n_metrics=1, level=0.95)
    assert analysis.calibrate_threshold(table) == stated
    assert calibrate_thresholds(table, (0.05,)) == (stated,)
    with pytest.raises(analysis.BadArgument, match="n_metrics"):
        analysis.calibrate_threshold(table, n_metrics=0)
    with pytest.raises(analysis.BadArgument, match="negatives"):
        analysis.calibrate_threshold(table, negatives="sibling")


def told(found: Threshold) -> str:
    return f"FPR {found.fpr._cell()}, TPR {found.tpr._cell()})"


def test_a_threshold_in_one_line() -> None:
    table = Design("", (2,) * 8, separation=2.0).draw(np.random.default_rng(0))
    found = analysis.calibrate_threshold(table, 0.5, 0.9)
    asked = "FPR ≤ 0.5 among look-alikes at confidence 0.9"
    assert str(found) == f"{found.value:.4g} (certified for {asked}; {told(found)}"
    found = analysis.calibrate_threshold(table, 0.4, 0.99, negatives="independent", n_metrics=3)
    asked = "FPR ≤ 0.4 among all independent pairs at confidence 0.99, 3 metrics together"
    assert str(found) == f"{found.value:.4g} (not certified for {asked}: {found.reason}; {told(found)}"
    nothing = analysis.calibrate_threshold(ScoreTable(table.frame[table.derived]), 0.4, 0.99)
    asked = "FPR ≤ 0.4 among all independent pairs at confidence 0.99"
    assert str(nothing) == f"no threshold for {asked} ({nothing.reason})"


@pytest.mark.parametrize(
    ("negatives", "n_metrics", "together", "told"),
    [
        ("look-alike", 1, "", "17 independent look-alikes, its lineages provide 4; 34 lineages that share"),
        ("independent", 1, "", "17 independent negatives, its lineages provide 4; 34 lineages would suffice"),
        (
            *("independent", 2, "2 metrics together"),
            "20 independent negatives, its lineages provide 4; 40 lineages would suffice",
        ),
    ],
)
def test_why_a_catalog_is_too_small(negatives: str, n_metrics: int, together: str, told: str) -> None:
    """ln(0.025) / ln(0.8) = 16.5 negatives, and ln(0.0125) / ln(0.8) = 19.6 for two metrics."""
    table = Design("", (2,) * 8, separation=2.0).draw(np.random.default_rng(0))
    found = analysis.calibrate_threshold(table, 0.2, 0.975, negatives=negatives, n_metrics=n_metrics)
    asked = f"0.2 at confidence 0.975{together and f' for {together}'}"
    assert found.reason.startswith(f"not certifiable with this catalog: {asked} needs {told}")
    assert f" at confidence 0.975{together and f', {together}'}: not certifiable" in str(found)
