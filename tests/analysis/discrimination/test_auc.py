"""AUC and its intervals: published values, invariants, and an answer for every odd table."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import norm

import analysis
from analysis import Interval, ScoreTable
from analysis.breakdown import ANYTHING
from analysis.discrimination.auc import (
    METHODS as LABELS,
    auc_interval,
    auc_share,
    pairs_without_look_alikes,
)
from analysis.discrimination.delong import delong_variance
from analysis.discrimination.intervals import (
    AREA,
    effective_number,
    intervals_at_once,
    lineage_interval,
)
from analysis.discrimination.wins import Wins
from analysis.randomness import generator
from studies.simulation.designs import UNEQUAL, Design, spread

DESIGN = Design("base", spread(12, (4, 2, 1, 3)), 3, separation=1.2, same_cell=0.4)
METHODS = ("jackknife", "bootstrap", "percentile", "delong")


@pytest.fixture(scope="module")
def table() -> ScoreTable:
    return DESIGN.draw(np.random.default_rng(5))


def rows(*pairs: tuple[str, str, float, str], cells: dict[str, str] | None = None) -> ScoreTable:
    frame = pd.DataFrame(pairs, columns=["model_a", "model_b", "score", "relation"])
    if cells is not None:
        frame["architecture_a"] = frame["model_a"].map(cells)
        frame["architecture_b"] = frame["model_b"].map(cells)
    return ScoreTable(frame)


def same(a: Interval, b: Interval) -> None:
    np.testing.assert_allclose(
        [a.estimate, a.low, a.high], [b.estimate, b.low, b.high], rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize(
    ("positive", "negative", "area", "error"),
    [
        pytest.param(
            [-3] * 2 + [-4] * 3 + [-5] * 13 + [-6] * 9 + [-7] * 4,
            [-4] * 2 + [-5] + [-6] * 3 + [-7] + [-8] * 3 + [-9, -10],
            0.7258,
            0.1028,
            id="K-G score",
        ),
    ],
)
def test_delong_meets_the_published_value(
    positive: list[int], negative: list[int], area: float, error: float
) -> None:
    """49 patients of DeLong et al. 1988, as worked in SAS/STAT's manual: AUC 0.7258, error 0.1028."""
    p, n = np.array(positive, dtype=float), np.array(negative, dtype=float)
    won = np.mean((p[:, None] > n) + 0.5 * (p[:, None] == n))
    assert won == pytest.approx(area, abs=5e-5)
    assert math.sqrt(delong_variance([(p, n)])) == pytest.approx(error, abs=5e-5)


def test_effective_number() -> None:
    assert effective_number([5, 5, 5, 0]) == pytest.approx(3)
    assert effective_number([1, 3]) == pytest.approx(16 / 10)
    assert effective_number([0, 0]) == 0


@pytest.mark.parametrize("negatives", ["independent", "look-alike"])
@pytest.mark.parametrize("method", METHODS)
def test_monotone_maps_leave_it_alone(table: ScoreTable, method: str, negatives: str) -> None:
    mapped = table.with_scores(np.exp(table.score / 3) * 1e-4 - 2)
    same(
        analysis.auc(table, negatives, method=method),  # type: ignore[arg-type]
        analysis.auc(mapped, negatives, method=method),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("negatives", ["independent", "look-alike"])
@pytest.mark.parametrize("method", ["jackknife", "delong"])
def test_names_and_order_do_not_matter(table: ScoreTable, method: str, negatives: str) -> None:
    frame = table.frame.sample(frac=1, random_state=3)
    new = {name: f"x{(7919 * i) % 1009:04d}" for i, name in enumerate(table.models)}
    frame = frame.assign(model_a=frame["model_a"].map(new), model_b=frame["model_b"].map(new))
    ends = {
        f"{what}_{a}": f"{what}_{b}" for what in ("model", "lineage", "architecture") for a, b in ("ab", "ba")
    }
    frame = frame.rename(columns=ends)
    same(
        analysis.auc(table, negatives, method=method),  # type: ignore[arg-type]
        analysis.auc(ScoreTable(frame), negatives, method=method),  # type: ignore[arg-type]
    )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), digits=st.integers(0, 2), level=st.sampled_from([0.8, 0.95, 0.99]))
def test_an_interval_holds_its_estimate_and_has_width(seed: int, digits: int, level: float) -> None:
    drawn = Design("", spread(6, UNEQUAL[2:8]), 2, separation=seed % 5).draw(np.random.default_rng(seed))
    drawn = drawn.with_scores(np.round(drawn.score, digits))
    for negatives in ("independent", "look-alike"):
        for method in ("jackknife", "bootstrap"):
            found = analysis.auc(drawn, negatives, level, method=method, n_resamples=50)  # type: ignore[arg-type]
            assert 0 <= found.low <= found.estimate <= found.high <= 1
            assert found.high - found.low > 1e-3
            wider = analysis.auc(drawn, negatives, 0.995, method=method, n_resamples=50)  # type: ignore[arg-type]
            assert wider.low <= found.low + 1e-12
            assert wider.high >= found.high - 1e-12


def test_swapping_the_classes_mirrors_the_interval() -> None:
    folds = np.array([0.91, 0.9, 0.93, 0.88, 0.92, 0.9, 0.915, 0.89])
    options = {"kind": AREA, "units": 4.0, "level": 0.95, "method": "", "n_lineages": 8}
    one = lineage_interval(0.905, folds, **options)  # type: ignore[arg-type]
    other = lineage_interval(1 - 0.905, 1 - folds, **options)  # type: ignore[arg-type]
    assert (one.low, one.high) == pytest.approx((1 - other.high, 1 - other.low))


def test_look_alike_auc_is_the_mean_share_of_own_look_alikes_beaten() -> None:
    cells = {"a": "X", "b": "X", "c": "X", "d": "X", "e": "Y", "f": "Y", "g": "Y", "h": "Z", "i": "Z"}
    found = rows(
        ("a", "b", 0.9, "derived"),
        ("e", "f", 0.5, "derived"),
        ("h", "i", 0.1, "derived"),  # no look-alike in Z
        ("a", "c", 0.95, "independent"),
        ("a", "d", 0.2, "independent"),
        ("b", "d", 0.9, "independent"),
        ("e", "g", 0.4, "independent"),
        ("a", "e", 0.99, "independent"),  # X × Y: no derived pair there
        cells=cells,
    )
    area = analysis.look_alike_auc(found)
    assert area.estimate == pytest.approx(((0 + 1 + 0.5) / 3 + 1) / 2)
    assert area == analysis.auc(found, "look-alike")
    assert area.n_pairs == 6
    assert analysis.pairs_without_look_alikes(found) == [("h", "i")]
    assert "1 derived pairs without any look-alike are not used: h – i" in area.warnings


def test_a_score_that_only_knows_the_cell_has_look_alike_auc_one_half() -> None:
    labels = Design("", spread(12, (3,)), 4).labels
    found = labels.with_scores((labels.cell_a == labels.cell_b).astype(float))
    assert analysis.auc(found).estimate > 0.85
    matched = analysis.look_alike_auc(found)
    assert matched.estimate == 0.5
    assert matched.high - matched.low > 0.1
    assert any("no lineage differs" in w for w in matched.warnings)


@pytest.mark.parametrize("method", ["jackknife", "bootstrap"])
@pytest.mark.parametrize("score", ["perfect", "reversed", "constant", "infinite"])
def test_extremes_are_bounded_by_effective_lineages(score: str, method: str) -> None:
    labels = Design("", (3,) * 12, 2).labels
    values = {
        "perfect": labels.derived * 1.0,
        "reversed": labels.derived * -1.0,
        "constant": np.zeros(len(labels)),
        "infinite": np.where(labels.derived, np.inf, -np.inf),
    }[score]
    truth = {"perfect": 1.0, "reversed": 0.0, "constant": 0.5, "infinite": 1.0}[score]
    found = analysis.auc(labels.with_scores(values), method=method)  # type: ignore[arg-type]
    assert found.estimate == truth
    # One lineage more, of the weight that twelve leave to it, wins half of what the others win.
    hidden = 1 - 0.025 ** (1 / 12)
    expected = (truth * (1 - hidden / 2), 1 - (1 - truth) * (1 - hidden / 2))
    assert (found.low, found.high) == pytest.approx(expected, abs=3e-3)
    for other in ("percentile", "delong"):
        empty = analysis.auc(labels.with_scores(values), method=other)  # type: ignore[arg-type]
        if score != "constant" or other == "percentile":
            assert math.isnan(empty.low)
            assert math.isnan(empty.high)
            assert "without width" in empty.reason


def test_a_single_error_is_not_taken_for_precision() -> None:
    """One lineage bears the only lost comparison: without it the AUC is 1."""
    labels = Design("", (3,) * 12, 2).labels
    values = labels.derived * 1.0
    values[np.flatnonzero(labels.independent)[0]] = 2.0
    found = analysis.auc(labels.with_scores(values))
    assert 0.99 < found.estimate < 1
    perfect = analysis.auc(labels.with_scores(labels.derived * 1.0))
    assert found.low < perfect.low
    assert found.high - found.low > perfect.high - perfect.low


def test_undefined_says_why() -> None:
    only_derived = rows(("a", "b", 0.9, "derived"), ("c", "d", 0.8, "derived"))
    only_independent = rows(("a", "b", 0.9, "independent"), ("c", "d", 0.8, "independent"))
    both = rows(("a", "b", 0.9, "derived"), ("a", "c", 0.8, "independent"))
    far = rows(
        ("a", "b", 0.9, "derived"),
        ("a", "c", 0.8, "independent"),
        cells={"a": "X", "b": "X", "c": "Y"},
    )
    abstained = ScoreTable(both.frame.assign(status=["abstained", "ok"], reason=["no bias", ""]))
    for found, negatives, words in (
        (only_derived, "independent", "no independent pair"),
        (only_independent, "independent", "no derived pair"),
        (both, "look-alike", "architectures are unknown"),
        (far, "look-alike", "no derived pair has a look-alike"),
        (abstained, "independent", "all 1 abstained or failed"),
    ):
        for method in METHODS:
            area = analysis.auc(found, negatives, method=method)  # type: ignore[arg-type]
            assert math.isnan(area.estimate)
            assert math.isnan(area.low)
            assert words in area.reason
            assert not area.defined
        assert words in analysis.partial_auc(found, 0.05, negatives).reason
        curve = analysis.roc_curve(found, negatives)
        assert words in curve.reason
        assert len(curve.fpr) == 0
    assert analysis.auc_with_abstentions_worst(abstained).estimate == 0
    assert "no independent pair" in analysis.auc_with_abstentions_worst(only_derived).reason


def test_one_lineage_of_derived_pairs_gets_a_bound_and_a_warning() -> None:
    found = analysis.auc(rows(("a", "b", 0.9, "derived"), ("a", "c", 0.8, "independent")))
    assert found.estimate == 1
    assert found.low < 0.2
    assert any("all comparisons depend on one lineage" in w for w in found.warnings)
    assert any("2 lineages" in w for w in found.warnings)


def test_abstentions_ranked_worst(table: ScoreTable) -> None:
    everything = analysis.auc(table)
    same(everything, analysis.auc_with_abstentions_worst(table))
    for relation in ("derived", "independent"):
        some = np.flatnonzero(table.relation == relation)[::4]
        status = np.where(np.isin(np.arange(len(table)), some), "abstained", "ok")
        partial = ScoreTable(table.frame.assign(status=status))
        assert analysis.auc(partial).n_pairs == everything.n_pairs - len(some)
        worst = analysis.auc_with_abstentions_worst(partial)
        assert worst.n_pairs == everything.n_pairs
        assert worst.estimate < everything.estimate
        share = len(some) / (table.relation == relation).sum()
        assert worst.estimate == pytest.approx(analysis.auc(partial).estimate * (1 - share), abs=1e-12)


def test_randomness_depends_on_seed_metric_and_procedure_only() -> None:
    draw = [
        generator(*key).random()
        for key in ((0, "m", "p"), (0, "m", "p"), (1, "m", "p"), (0, "n", "p"), (0, "m", "q"), (0, "mp", ""))
    ]
    assert draw[0] == draw[1]
    assert len(set(draw)) == 5


def test_unknown_words_are_refused(table: ScoreTable) -> None:
    with pytest.raises(ValueError, match="negatives must be"):
        analysis.auc(table, "siblings")
    with pytest.raises(ValueError, match="give it a generator"):
        auc_interval(Wins.of(table), method="bootstrap")


def settings_of(wins: Wins) -> dict[str, int]:
    return {
        "n_pairs": wins.n_positive + wins.n_negative,
        "n_models": wins.n_models,
        "n_lineages": wins.n_lineages,
    }


@pytest.mark.parametrize("negatives", ["independent", "look-alike"])
def test_the_jackknife_interval_is_the_rule_on_the_folds(table: ScoreTable, negatives: str) -> None:
    wins = Wins.of(table, negatives)
    expected = lineage_interval(
        wins.estimate,
        wins.jackknife(),
        units=wins.units,
        level=0.9,
        method=LABELS["jackknife"],
        kind=AREA,
        **settings_of(wins),
    )
    assert analysis.auc(table, negatives, 0.9) == expected
    if negatives == "look-alike":
        assert analysis.look_alike_auc(table, 0.9) == expected
    assert analysis.auc_with_abstentions_worst(table, negatives, 0.9) == expected
    assert auc_interval(wins).level == analysis.auc(table, negatives).level == 0.95
    assert analysis.look_alike_auc(table).level == analysis.auc_with_abstentions_worst(table).level == 0.95


def test_a_share_of_lineages_gives_the_interval_of_the_rule(table: ScoreTable) -> None:
    """Many of them are found together elsewhere; each is the one that is found alone."""
    wins = Wins.of(table, "look-alike")
    folds = wins.jackknife()
    for one, other in (
        (auc_share(wins, folds, 0.9), auc_interval(wins, 0.9)),
        (
            auc_share(wins, folds, 0.8, ANYTHING, ("told",)),
            lineage_interval(
                wins.estimate,
                folds,
                kind=ANYTHING,
                units=wins.units,
                level=0.8,
                method=LABELS["jackknife"],
                warnings=("told",),
                **settings_of(wins),
            ),
        ),
    ):
        found = intervals_at_once([one])[0]
        same(found, other)
        assert replace(found, low=other.low, high=other.high) == other


@pytest.mark.parametrize("negatives", ["independent", "look-alike"])
def test_the_bootstraps_rest_on_the_resamples_of_their_seed(table: ScoreTable, negatives: str) -> None:
    wins = Wins.of(table, negatives)

    def drawn(method: str) -> np.ndarray:
        return wins.bootstrap(41, generator(7, table.metric, f"auc {negatives} {method}"))

    found = analysis.auc(table, negatives, 0.9, method="percentile", seed=7, n_resamples=41)
    assert (found.low, found.high) == pytest.approx(np.quantile(drawn("percentile"), [0.05, 0.95]))
    assert (found.level, found.method, found.reason) == (0.9, LABELS["percentile"], "")
    assert (found.estimate, found.warnings) == (wins.estimate, ())
    assert {name: getattr(found, name) for name in settings_of(wins)} == settings_of(wins)

    found = analysis.auc(table, negatives, 0.9, method="bootstrap", seed=7, n_resamples=41)
    expected = lineage_interval(
        wins.estimate,
        wins.jackknife(),
        units=wins.units,
        level=0.9,
        method=LABELS["bootstrap"],
        variance=float(np.var(drawn("bootstrap"))),
        kind=AREA,
        **settings_of(wins),
    )
    assert found == expected


def test_as_many_resamples_as_said(table: ScoreTable) -> None:
    class Counting(Wins):
        def bootstrap(self, n_resamples: int, rng: np.random.Generator) -> np.ndarray:
            assert n_resamples == 2_000
            return super().bootstrap(n_resamples, rng)

    wins = Counting.of(table)
    assert auc_interval(wins, method="percentile", rng=np.random.default_rng(0)).defined
    default = analysis.auc(table, method="percentile")
    assert default == analysis.auc(table, method="percentile", seed=0, n_resamples=2_000)


def test_a_single_resample_tells_no_variance(table: ScoreTable) -> None:
    one = analysis.auc(table, method="bootstrap", n_resamples=1)
    same(one, analysis.auc(table))
    two = analysis.auc(table, method="bootstrap", n_resamples=2)
    assert "no variation" not in " ".join(two.warnings)
    assert two.low != pytest.approx(one.low, rel=1e-6)


def test_resamples_without_anything_to_compare_are_left_out() -> None:
    """Of two lineages, half of all resamples hold one only."""
    found = rows(("a", "b", 0.9, "derived"), ("a", "c", 0.8, "independent"))
    for seed in range(8):
        for n in (1, 20):
            area = analysis.auc(found, method="percentile", seed=seed, n_resamples=n)
            assert area.estimate == 1
            assert math.isnan(area.low)
            assert math.isnan(area.high)
            assert area.reason == (
                "this method sees no variation here and would give an interval without width"
            )


@pytest.mark.parametrize("negatives", ["independent", "look-alike"])
def test_delong_is_the_normal_interval_of_its_variance(table: ScoreTable, negatives: str) -> None:
    derived, others = table.derived & table.comparable, table.independent & table.comparable
    groups = [(table.score[derived], table.score[others])]
    if negatives == "look-alike":
        cells = np.intersect1d(table.cell_pair[derived], table.cell_pair[others])
        groups = [
            (table.score[derived & (table.cell_pair == c)], table.score[others & (table.cell_pair == c)])
            for c in cells
        ]
    reach = norm.ppf(0.95) * math.sqrt(delong_variance(groups))
    wins = Wins.of(table, negatives)
    found = analysis.auc(table, negatives, 0.9, method="delong")
    assert (found.low, found.high) == pytest.approx((wins.estimate - reach, wins.estimate + reach))
    assert (found.level, found.method, found.reason) == (0.9, LABELS["delong"], "")
    assert (found.estimate, found.warnings) == (wins.estimate, ())
    assert {name: getattr(found, name) for name in settings_of(wins)} == settings_of(wins)
    lost = ScoreTable(table.frame.assign(status=np.where(np.arange(len(table)) % 3 == 0, "failed", "ok")))
    kept = ScoreTable(table.frame[np.arange(len(table)) % 3 != 0])
    same(
        analysis.auc(lost, negatives, method="delong"),
        analysis.auc(kept, negatives, method="delong"),
    )


def test_delong_stays_between_zero_and_one() -> None:
    pairs = [(f"a{i}", f"b{i}", 0.5 + 0.1 * (i % 4), "derived") for i in range(5)]
    pairs += [(f"a{i}", f"a{i + 1}", 0.1 * (i % 6), "independent") for i in range(8)]
    for sign, end in ((1, "high"), (-1, "low")):
        found = analysis.auc(rows(*((a, b, sign * s, r) for a, b, s, r in pairs)), method="delong")
        assert getattr(found, end) == (1.0 if sign > 0 else 0.0)
        assert 0 < found.high - found.low < 1


@pytest.mark.parametrize(
    ("n_alone", "told"),
    [
        (1, "1 derived pairs without any look-alike are not used: x0 – y0"),
        (3, "3 derived pairs without any look-alike are not used: x0 – y0, x1 – y1, x2 – y2"),
        (4, "4 derived pairs without any look-alike are not used: x0 – y0, x1 – y1, x2 – y2 and 1 more"),
        (5, "5 derived pairs without any look-alike are not used: x0 – y0, x1 – y1, x2 – y2 and 2 more"),
    ],
)
def test_unmatched_pairs_are_named(n_alone: int, told: str) -> None:
    pairs = [("a", "b", 0.9, "derived"), ("c", "d", 0.5, "derived"), ("a", "c", 0.4, "independent")]
    pairs += [("b", "d", 0.6, "independent"), ("a", "d", 0.2, "independent")]
    pairs += [(f"x{i}", f"y{i}", 0.7, "derived") for i in range(n_alone)]
    cells = dict.fromkeys("abcd", "X") | {f"{e}{i}": f"Y{i}" for e in "xy" for i in range(n_alone)}
    found = rows(*pairs, cells=cells)
    alone = [(f"x{i}", f"y{i}") for i in range(n_alone)]
    assert pairs_without_look_alikes(found) == alone
    assert all(type(name) is str for pair in pairs_without_look_alikes(found) for name in pair)
    for method in METHODS:
        assert told in analysis.auc(found, "look-alike", method=method).warnings  # type: ignore[arg-type]
    assert told in analysis.auc_with_abstentions_worst(found, "look-alike").warnings


def test_reasons_are_exact() -> None:
    pairs = [("a", "b", 0.9, "derived"), ("a", "c", 0.8, "independent"), ("b", "c", 0.8, "independent")]
    both = rows(*pairs, cells={"a": "X", "b": "X", "c": "Y"})

    def reason(found: ScoreTable, negatives: str = "independent") -> str:
        areas = [analysis.auc(found, negatives, 0.9, method=m) for m in METHODS]  # type: ignore[arg-type]
        assert [area.method for area in areas] == [LABELS[m] for m in METHODS]
        assert {area.level for area in areas} == {0.9}
        assert len({area.reason for area in areas}) == 1
        return areas[0].reason

    silent = ScoreTable(both.frame.assign(status=["ok", "failed", "abstained"]))
    assert reason(silent) == "no independent pair has a score: all 2 abstained or failed"
    assert reason(ScoreTable(both.frame[1:])) == "the table has no derived pair"
    assert reason(rows(*pairs), "look-alike") == (
        "architectures are unknown, so that no pair is known to be a look-alike; columns architecture_a"
        " and architecture_b would make look-alikes known"
    )
    far = "no derived pair has a look-alike: no independent pair with a score shares its pair of cells"
    assert reason(both, "look-alike") == far
    assert analysis.auc_with_abstentions_worst(rows(*pairs), "look-alike").reason == (
        "architectures are unknown, so that no pair is known to be a look-alike; columns architecture_a"
        " and architecture_b would make look-alikes known"
    )
    none = ScoreTable(both.frame.assign(status="failed"))
    worst = analysis.auc_with_abstentions_worst(none, "look-alike", 0.9)
    assert (worst.reason, worst.level, worst.method) == (far, 0.9, LABELS["jackknife"])
    assert analysis.auc_with_abstentions_worst(none).estimate == 0
