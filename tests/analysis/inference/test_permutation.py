"""The permutation test: exact, honest about what it cannot tell, of the right size, and with power."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from cell_families import families
from hypothesis import given, settings, strategies as st
from scipy.stats import binomtest

from analysis.inference.arrangements import Arrangements
from analysis.inference.permutation import (
    NULL,
    PermutationTest,
    _Family,
    separation_test,
    separation_tests,
)
from analysis.inference.separation_statistic import SeparationStatistic
from analysis.table import ScoreTable
from studies.simulation.designs import UNEQUAL, Design, spread

LINEAGE_EFFECTS = {"lineage_sd": 0.4, "model_sd": 0.3, "lineage_pair_sd": 0.3, "pair_sd": 0.5}
NOISE = {"lineage_sd": 0.0, "model_sd": 0.0, "lineage_pair_sd": 0.0, "pair_sd": 1.0}


def redraw(design: Design, rng: np.random.Generator, metric: str = "score") -> ScoreTable:
    return ScoreTable(design.labels.frame.assign(score=design.scores(rng), metric=metric))


def test_a_perfect_score_reaches_the_smallest_p_of_a_small_catalog():
    table = families({"x": (2, 2, 2, 2)}, lambda a, b, same: float(same))
    test = separation_test(table)
    assert test.exact
    assert test.n_arrangements == 105  # perfect matchings of eight models
    assert test.exchangeable_p_value == pytest.approx(1 / 105)
    assert test.lineage_p_value == 2**-4  # no spread at all: four signs
    assert test.p_value == max(test.exchangeable_p_value, test.lineage_p_value)
    assert test.adjusted_p_value == test.p_value
    assert (test.n_pairs, test.n_models, test.n_lineages) == (4, 8, 4)


@pytest.mark.parametrize(
    ("sizes", "star", "expected"),
    [
        ({"x": (2, 2, 1, 1)}, False, math.comb(6, 2) * math.comb(4, 2) // 2),
        ({"x": (3, 3)}, False, 10),
        ({"x": (3, 3)}, True, 90),
        ({"x": (2, 2), "y": (2, 2)}, False, 9),
        ({"x": (3, 1), "y": (2,)}, False, 4),
    ],
)
def test_distinct_arrangements_are_counted(sizes, star, expected):
    table = families(sizes, lambda a, b, same: float(same), star=star)
    assert separation_test(table, level=0.5).n_arrangements == expected


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        (
            {"x": (4,), "y": (3,), "z": (2,)},
            "every architecture cell that holds derived pairs holds one lineage",
        ),
        ({"x": (2, 2)}, "only 3 arrangements"),
        ({"x": (1, 1, 1)}, "no derived pair has a score"),
        ({"x": (4,)}, "no independent pair has a score"),
        ({"x": (3, 1, 1, 1, 1)}, "one lineage holds all derived pairs that have look-alikes"),
    ],
)
def test_what_cannot_be_tested_is_refused_with_the_reason(sizes, words):
    test = separation_test(families(sizes, lambda a, b, same: float(same)))
    assert test.reason.startswith(words)
    assert math.isnan(test.p_value)
    assert math.isnan(test.adjusted_p_value)


def test_without_architectures_it_refuses():
    frame = families({"x": (3, 3, 3)}, lambda a, b, same: float(same)).frame
    table = ScoreTable(frame.drop(columns=["architecture_a", "architecture_b"]))
    expected = "no architectures given: lineage cannot be told from architecture"
    assert separation_test(table).reason == expected


def test_too_few_permutations_are_refused():
    test = separation_test(families({"x": (4, 4, 4, 4)}, lambda a, b, same: float(same)), n_resamples=10)
    assert "only 10 permutations" in test.reason


def test_a_constant_score_gives_p_one():
    test = separation_test(families({"x": (4, 4, 4)}, lambda a, b, same: 0.7))
    assert test.p_value == 1.0
    assert test.statistic == 0.0


def test_infinite_scores_rank():
    table = families({"x": (3, 3, 3)}, lambda a, b, same: math.inf if same else -math.inf)
    assert separation_test(table, n_resamples=999).exchangeable_p_value == pytest.approx(1 / 280)


def test_exact_and_randomised_agree():
    rng = np.random.default_rng(3)
    table = families({"x": (2, 2, 2, 2, 1)}, lambda a, b, same: rng.normal() + 0.7 * same)
    exact = separation_test(table, n_resamples=2_000)
    drawn = separation_test(table, n_resamples=900)
    assert exact.exact
    assert exact.n_arrangements == 945
    assert not drawn.exact
    shares = drawn.exchangeable_p_value, exact.exchangeable_p_value
    assert binomtest(round(shares[0] * 901), 901, shares[1]).pvalue > 1e-3


def test_p_is_never_zero_and_the_seed_decides():
    table = redraw(Design("d", (4,) * 10, separation=9.0, **NOISE), np.random.default_rng(0))
    test = separation_test(table, n_resamples=199, seed=5)
    assert test.p_value == test.exchangeable_p_value == pytest.approx(1 / 200)
    assert test == separation_test(table, n_resamples=199, seed=5)


def test_a_score_that_only_knows_the_cell_is_not_separation():
    table = families({"x": (3, 3), "y": (3, 3, 2), "z": (4, 2)}, lambda a, b, same: float(a[0] == b[0]))
    assert separation_test(table).p_value == 1.0


def rejections(design: Design, n: int, seed: int, keep: float = 1.0) -> int:
    rng = np.random.default_rng(seed)
    total = 0
    for i in range(n):
        table = redraw(design, rng)
        if keep < 1:
            gone = table.independent & (rng.random(len(table)) > keep)
            table = ScoreTable(table.frame[~gone])
        total += separation_test(table, n_resamples=99, seed=i).p_value <= 0.05
    return total


SIZE_DESIGNS = [
    Design("confounded", (4,) * 12, n_cells=3, same_cell=3.0, **NOISE),
    Design("hubs", (6, 6, 6, *(1,) * 6), shape="hub", **(NOISE | {"model_sd": 1.0})),
    Design(
        "confounded hubs", (5,) * 12, n_cells=3, shape="hub", same_cell=3.0, **(NOISE | {"model_sd": 1.0})
    ),
    Design("lineage effects", (4,) * 15, n_cells=1, **LINEAGE_EFFECTS),
    Design("unequal, lineage effects", spread(20, UNEQUAL), n_cells=2, shape="hub", **LINEAGE_EFFECTS),
]


@pytest.mark.thorough
@pytest.mark.parametrize(
    "design",
    [
        pytest.param(d, id=d.name, marks=[pytest.mark.slow] if i != 1 else [])
        for i, d in enumerate(SIZE_DESIGNS)
    ],
)
def test_size_lies_between_3_and_7_percent(design):
    n = 200
    rejected = rejections(design, n, seed=11)
    assert binomtest(rejected, n, 0.07, alternative="greater").pvalue > 0.01, rejected / n
    assert binomtest(rejected, n, 0.03, alternative="less").pvalue > 0.01, rejected / n


@pytest.mark.slow
def test_founders_that_resemble_everything_are_no_lineage_signal():
    rng = np.random.default_rng(2)
    design = Design("d", (4,) * 12, shape="hub", **NOISE)
    founder = np.arange(48) % 4 == 0
    boost = 1.0 * founder[design.labels.model_a] + founder[design.labels.model_b]
    rejected = sum(
        separation_test(
            ScoreTable(design.labels.frame.assign(score=design.scores(rng) + boost)), 99, seed=i
        ).p_value
        <= 0.05
        for i in range(200)
    )
    assert binomtest(rejected, 200, 0.07, alternative="greater").pvalue > 0.01


@pytest.mark.slow
def test_an_incomplete_table_does_not_reject_more():
    design = Design("sparse", (4,) * 12, n_cells=2, shape="hub", same_cell=2.0, **NOISE)
    rejected = rejections(design, 150, seed=4, keep=0.15)
    assert binomtest(rejected, 150, 0.05, alternative="greater").pvalue > 0.01


@pytest.mark.thorough
def test_power_at_a_look_alike_auc_of_three_quarters():
    design = Design("power", (4,) * 30, shape="hub", **LINEAGE_EFFECTS).at_auc(0.75)
    rejected = rejections(design, 40, seed=8)
    assert binomtest(rejected, 40, 0.8, alternative="less").pvalue > 0.05


@pytest.mark.thorough
def test_power_on_an_incomplete_table():
    design = Design("sparse power", (4,) * 30, n_cells=3, shape="hub", **LINEAGE_EFFECTS).at_auc(0.75)
    rejected = rejections(design, 30, seed=8, keep=0.1)
    assert binomtest(rejected, 30, 0.8, alternative="less").pvalue > 0.05


@pytest.mark.thorough
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["cube", "exp", "affine"]))
def test_monotone_maps_and_new_names_change_nothing(seed, kind):
    rng = np.random.default_rng(seed)
    table = redraw(Design("d", (3,) * 6, n_cells=2, separation=1.0), rng)
    shape = {"cube": lambda x: x**3, "exp": np.exp, "affine": lambda x: 3 * x - 100}[kind]
    before = separation_test(table, 99, seed=1)
    mapped = ScoreTable(table.frame.assign(score=shape(table.score)))
    assert separation_test(mapped, 99, seed=1) == before
    swapped = table.frame.rename(
        columns=lambda c: c[:-1] + {"a": "b", "b": "a"}[c[-1]] if c[-2] == "_" else c
    )
    assert separation_test(ScoreTable(swapped), 99, seed=1) == before


@pytest.mark.slow
def test_max_t_keeps_the_family_wise_error():
    rng = np.random.default_rng(6)
    design = Design("family", (4,) * 8, n_cells=2, same_cell=1.0, **NOISE)
    any_raw = any_adjusted = 0
    n = 60
    for i in range(n):
        tests = separation_tests([redraw(design, rng, f"m{k}") for k in range(6)], 99, seed=i).values()
        any_raw += any(test.p_value <= 0.05 for test in tests)
        any_adjusted += any(test.adjusted_p_value <= 0.05 for test in tests)
        assert all(test.adjusted_p_value >= test.p_value for test in tests)
    assert binomtest(any_adjusted, n, 0.05, alternative="greater").pvalue > 0.01
    # The larger of two p-values is often above what either would be: six metrics reject less than 26%.
    assert binomtest(any_raw, n, 0.05, alternative="greater").pvalue < 0.05


def test_a_family_keeps_the_p_value_that_each_metric_has_alone():
    rng = np.random.default_rng(7)
    design = Design("d", (4,) * 8, n_cells=2, separation=0.4)
    one, two = redraw(design, rng, "one"), redraw(design, rng, "two")
    broken = two.model_a == 3
    broken |= two.model_b == 3
    status = np.where(broken, "abstained", "ok")
    two = ScoreTable(two.frame.assign(status=status))
    nothing = ScoreTable(one.frame.assign(metric="none", status="abstained"))
    tests = separation_tests([one, two, nothing], 199, seed=3)
    for table in (one, two):
        alone = separation_test(table, 199, seed=3)
        assert replace(tests[table.metric], adjusted_p_value=alone.p_value) == alone
    assert tests["two"].n_models == 31
    assert "no derived pair" in tests["none"].reason


def test_an_adjusted_p_value_is_never_below_the_metric_s_own():
    """A metric is permuted by itself; in the family's draws it may look better, by chance."""
    rng = np.random.default_rng(35)
    design = Design("d", (4,) * 8, n_cells=2, separation=0.4, **NOISE)
    for seed in range(20):
        one = redraw(design, rng, "one")
        status = np.where((one.model_a == 3) | (one.model_b == 3), "abstained", "ok")
        two = ScoreTable(one.frame.assign(metric="two", status=status))
        tests = separation_tests([one, two], 59, seed=seed)
        assert all(test.adjusted_p_value >= test.p_value for test in tests.values())


@pytest.mark.parametrize("change", [{"status": "abstained"}, {"relation": "sibling"}])
def test_a_metric_without_derived_pairs_of_a_lineage_is_judged_by_the_others(change):
    """The family knows those of the first lineage; this metric has no score of them, or another label."""
    table = redraw(Design("d", (3,) * 8, n_cells=2, separation=1.0, **NOISE), np.random.default_rng(1), "one")
    silent = table.derived & (table.lineage_a == 0)
    frame = table.frame.assign(metric="two")
    for column, value in change.items():
        frame[column] = np.where(silent, value, frame[column])
    two = ScoreTable(frame)
    together, alone = separation_tests([table, two], 99)["two"], separation_test(two, 99)
    assert together.n_models == alone.n_models == 24
    assert together.n_lineages == 7
    assert replace(together, adjusted_p_value=alone.p_value) == alone


def test_models_of_cells_without_derived_pairs_take_no_part():
    rng = np.random.default_rng(2)
    table = families({"a": (1, 1), "x": (3, 3, 2), "z": (1, 1, 1)}, lambda a, b, same: rng.normal() + same)
    inside = table.frame["architecture_a"].eq("x") & table.frame["architecture_b"].eq("x")
    alone = ScoreTable(table.frame[inside])
    assert len(alone) < len(table)
    assert separation_test(table) == separation_test(alone)


def test_one_table_a_metric():
    table = redraw(Design("d", (2,) * 4), np.random.default_rng(0))
    with pytest.raises(ValueError, match="appears twice"):
        separation_tests([table, table])


def test_p_counts_arrangements_at_least_as_large_itself_among_them():
    statistics = np.array([[3.0, 1.0, 4.0, 3.0, 2.0], [30.0, 10.0, 30.0, 20.0, 30.0]])
    family = _Family(statistics, 5, exact=True)
    assert family.p_values().tolist() == [[0.6, 1.0, 0.2, 0.6, 0.8], [0.6, 1.0, 0.6, 0.8, 0.6]]
    assert (family.n_resamples, family.smallest) == (0, 0.2)
    drawn = _Family(statistics, 10**6, exact=False)
    assert drawn.p_values().tolist() == family.p_values().tolist()
    assert (drawn.n_resamples, drawn.smallest) == (4, 0.2)


def test_rounding_never_makes_p_smaller():
    for size in (0.5, 1.0, 1e6):
        near = size + 0.5e-7 * max(1.0, size)
        far = size + 1.5e-7 * max(1.0, size)
        assert _Family(np.array([[near, size]]), 2, exact=True).p_values()[0, 0] == 1.0
        assert _Family(np.array([[far, size]]), 2, exact=True).p_values()[0, 0] == 0.5


def independent_metrics(n: int, rng: np.random.Generator) -> list[ScoreTable]:
    return [redraw(Design("few", (2,) * 8, **NOISE), rng, f"m{k}") for k in range(n)]


def test_adjusted_p_counts_the_observed_arrangement_among_those_that_could_have_been():
    """Best of all arrangements in one of five metrics: five of them are best in some metric."""
    rng = np.random.default_rng(0)
    for i in range(40):
        tests = separation_tests(independent_metrics(5, rng), 39, seed=i).values()
        for test in tests:
            assert test.adjusted_p_value >= test.p_value
        best = min(tests, key=lambda test: test.p_value)
        if best.p_value == 1 / 40:
            assert best.adjusted_p_value >= 2 / 40
            return
    pytest.fail("no metric reached the smallest p-value")


@pytest.mark.slow
@pytest.mark.parametrize("n_resamples", [19, pytest.param(99, marks=pytest.mark.slow)])
def test_the_family_keeps_its_level_where_the_smallest_p_is_the_level(n_resamples: int):
    """Without the observed arrangement in the pool, six metrics reject in a quarter of the catalogs at 19."""
    rng = np.random.default_rng(1)
    n = 60
    rejected = 0
    for i in range(n):
        tests = separation_tests(independent_metrics(6, rng), n_resamples, seed=i).values()
        rejected += any(test.adjusted_p_value <= 0.05 for test in tests)
    assert binomtest(rejected, n, 0.05, alternative="greater").pvalue > 0.01


def test_adjusted_p_is_how_often_the_best_metric_does_as_well():
    """Exact: every perfect matching of eight models, each metric's p among them by the definition."""
    rng = np.random.default_rng(3)
    tables = [
        redraw(Design("d", (2,) * 4, separation=1.5, **NOISE), rng, name) for name in ("one", "two", "three")
    ]
    tests = separation_tests(tables, 999)
    assert all(test.exact and test.n_arrangements == 105 for test in tests.values())

    def matchings(models: tuple[int, ...]) -> list[list[tuple[int, int]]]:
        if not models:
            return [[]]
        first, rest = models[0], models[1:]
        return [
            [(first, other), *more]
            for other in rest
            for more in matchings(tuple(model for model in rest if model != other))
        ]

    every = matchings(tuple(range(8)))
    code = {f"m{i:05d}": i for i in range(8)}
    statistics = np.array(
        [
            SeparationStatistic.of(
                table,
                code,
                Arrangements(
                    np.zeros(8, dtype=np.intp), np.arange(0, 8, 2), np.arange(1, 8, 2), np.arange(4)
                ),
                np.arange(4),
            )((np.array(every)[:, :, 0], np.array(every)[:, :, 1]))
            for table in tables
        ]
    )
    p = (statistics[:, None, :] >= statistics[:, :, None] - 1e-7).mean(axis=2)
    best = p.min(axis=0)
    for test in tests.values():
        expected = max(test.p_value, float(np.mean(best <= test.p_value * (1 + 1e-12))))
        assert test.adjusted_p_value == pytest.approx(expected)


def renamed(table: ScoreTable, rng: np.random.Generator) -> ScoreTable:
    """New names of models, lineages and cells, rows in another order, pairs turned round."""
    frame = table.frame.copy()
    for what, prefix in (("model", "x"), ("lineage", "y"), ("architecture", "z")):
        names = sorted({*frame[f"{what}_a"], *frame[f"{what}_b"]})
        to = {
            name: f"{prefix}{number:04d}"
            for name, number in zip(names, rng.permutation(len(names)), strict=True)
        }
        for end in "ab":
            frame[f"{what}_{end}"] = frame[f"{what}_{end}"].map(to)
    turned = rng.random(len(frame)) < 0.5
    for what in ("model", "lineage", "architecture"):
        a, b = frame[f"{what}_a"].to_numpy(), frame[f"{what}_b"].to_numpy()
        frame[f"{what}_a"], frame[f"{what}_b"] = np.where(turned, b, a), np.where(turned, a, b)
    return ScoreTable(frame.sample(frac=1, random_state=int(rng.integers(1000))))


SMALL = Design("enumerated", (3, 2, 2, 1), n_cells=2, separation=0.5)
DRAWN = Design("drawn", (4, 2, 3, 3, 2, 1), n_cells=2, shape="hub", separation=0.5)


@pytest.mark.thorough
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([SMALL, DRAWN]), st.sampled_from([0, 3]))
def test_names_order_of_rows_and_order_inside_a_pair_change_nothing(seed: int, design: Design, n_values: int):
    """Neither where every arrangement is looked at nor where they are drawn, one metric or two."""
    rng = np.random.default_rng(seed)
    tables = [redraw(design, rng, name) for name in ("one", "two")]
    if n_values:
        tables = [table.with_scores(np.clip(np.round(table.score), 0, n_values - 1)) for table in tables]
    before = separation_tests(tables, 199, seed=1, level=0.5)
    again = np.random.default_rng(seed + 1)
    state = again.bit_generator.state
    others = []
    for table in tables:
        again.bit_generator.state = state  # the same names in both tables
        others.append(renamed(table, again))
    after = separation_tests(others, 199, seed=1, level=0.5)
    for name, test in before.items():
        one, other = (
            (it.p_value, it.adjusted_p_value, it.exchangeable_p_value, it.lineage_p_value, it.statistic)
            for it in (test, after[name])
        )
        assert one == pytest.approx(other, rel=1e-6, abs=1e-9, nan_ok=True)
        assert (test.n_arrangements, test.reason) == (after[name].n_arrangements, after[name].reason)


def test_the_result_says_what_it_refutes():
    test = separation_test(redraw(Design("d", (3,) * 6, **NOISE), np.random.default_rng(1)), 99)
    assert test.null == NULL
    assert "exchangeable" in test.null
    assert "levels of their models and lineages" in test.null


def test_what_is_asked_by_default():
    table = redraw(Design("d", (3,) * 6, separation=0.4, **NOISE), np.random.default_rng(1))
    stated = separation_test(table, 9_999, 0, level=0.05)
    assert separation_test(table) == stated
    assert stated.exchangeable_p_value != separation_test(table, 9_999, 1).exchangeable_p_value
    assert stated.n_resamples == 9_999
    assert separation_tests([table])["score"] == stated
    assert "level is 0.05" in separation_test(table, 10).reason
    assert "level is 0.05" in separation_tests([table], 10)["score"].reason


def test_a_test_in_one_line_and_in_one_cell():
    test = PermutationTest(
        "m", 2.5, 0.01, 0.02, 5_000, 999, exact=False, n_pairs=12, n_models=8, n_lineages=4
    )
    what = "8 models, 12 derived pairs in 4 lineages"
    assert str(test) == f"p 0.01 (adjusted 0.02, statistic 2.5; 999 permutations of {what})"
    assert test._cell() == "p 0.02"
    exact = replace(test, exact=True, n_resamples=0)
    assert str(exact) == f"p 0.01 (adjusted 0.02, statistic 2.5; all 5,000 arrangements of {what})"
    assert str(replace(test, reason="too few")) == "refused (too few)"


def test_a_p_value_as_small_as_the_level_is_small_enough():
    table = families({"x": (2, 2)}, lambda a, b, same: float(same))
    assert separation_test(table, level=1 / 3).exchangeable_p_value == pytest.approx(1 / 3)
    refused = separation_test(table, level=0.33)
    assert refused.reason == (
        "only 3 arrangements of the labels inside architecture cells: no p-value below 0.33 can be reached,"
        " the level is 0.33"
    )
    assert (refused.n_arrangements, refused.n_resamples, refused.exact) == (3, 0, True)
    assert (refused.n_pairs, refused.n_models, refused.n_lineages) == (2, 4, 2)
    assert not math.isnan(refused.statistic)
    assert refused.metric == "score"
    many = families({"x": (4, 4, 4, 4)}, lambda a, b, same: float(same))
    assert separation_test(many, 19).reason == ""
    drawn = separation_test(many, 18)
    for untold in (refused, drawn):
        assert math.isnan(untold.exchangeable_p_value)
        assert math.isnan(untold.lineage_p_value)
    # The statistic is that of the labels as they are, whatever is drawn.
    assert drawn.statistic == separation_test(many, 19, seed=1).statistic
    assert drawn.reason == (
        "only 18 permutations were drawn: no p-value below 0.053 can be reached, the level is 0.05"
    )
    assert (drawn.n_resamples, drawn.exact) == (18, False)
    assert drawn.n_arrangements == math.factorial(16) // math.factorial(4) ** 5
    never = separation_test(families({"x": (1, 1, 1)}, lambda a, b, same: 1.0))
    assert (never.n_arrangements, never.n_resamples, never.exact) == (1, 0, True)
    assert never.reason == "no derived pair has a score"
    assert math.isnan(never.statistic)
    assert never.metric == "score"


def test_only_cells_with_look_alikes_take_part():
    table = families({"x": (3, 3), "y": (4,), "z": (1, 1)}, lambda a, b, same: float(same))
    test = separation_test(table, level=0.5)
    assert (test.n_pairs, test.n_models, test.n_lineages) == (6, 6, 2)
    assert test.n_arrangements == 10
    gone = (table.frame["model_a"] == "x.0.0") | (table.frame["model_b"] == "x.0.0")
    test = separation_test(
        ScoreTable(table.frame.assign(status=np.where(gone, "abstained", "ok"))), level=0.5
    )
    assert (test.n_pairs, test.n_models, test.n_lineages) == (4, 5, 2)


def test_tables_must_agree_on_cells():
    one = families({"x": (3, 3)}, lambda a, b, same: float(same))
    frame = one.frame.assign(metric="other", architecture_a="w", architecture_b="w")
    with pytest.raises(ValueError, match=r"tables must agree on cells: model x\.0\.0 stands in x and in w"):
        separation_tests([one, ScoreTable(frame)])


def test_more_arrangements_than_the_lower_bound_and_than_permutations_are_told_of():
    """Two stars of three models: 90 arrangements, of which a bound knows 10."""
    table = families({"x": (3, 3)}, lambda a, b, same: float(same), star=True)
    test = separation_test(table, 50, level=0.5)
    assert (test.n_arrangements, test.n_resamples, test.exact) == (51, 50, False)
    test = separation_test(table, 90, level=0.5)
    assert (test.n_arrangements, test.n_resamples, test.exact) == (90, 0, True)


def test_a_cell_that_one_table_does_not_know_is_taken_from_another():
    rng = np.random.default_rng(4)
    one = families({"x": (2, 2, 2), "y": (2, 2)}, lambda a, b, same: rng.normal() + same)
    frame = one.frame.assign(metric="two")
    for end in "ab":
        frame.loc[frame[f"model_{end}"] == "x.2.0", f"architecture_{end}"] = None
    two = ScoreTable(frame)
    tests = separation_tests([one, two], level=0.5)
    assert tests["score"].n_models == 10
    assert tests["two"].n_models == 9
    for table in (one, two):
        alone = separation_test(table, level=0.5)
        assert replace(tests[table.metric], adjusted_p_value=alone.p_value) == alone


@pytest.mark.parametrize(("seed", "expected"), [(0, 41), (1, 43)])
def test_a_seed_gives_the_p_value_that_it_gave_before(seed, expected):
    """Published p-values can be computed again: what is drawn is part of what the seed promises."""
    table = redraw(Design("d", (3,) * 6, separation=0.4, **NOISE), np.random.default_rng(1))
    assert separation_test(table, 499, seed).exchangeable_p_value * 500 == pytest.approx(expected)


def test_permutations_drawn_in_blocks_count_all_together(monkeypatch):
    table = families({"x": (2,) * 8}, lambda a, b, same: float(same))
    monkeypatch.setattr("analysis.inference.arrangements.BLOCK", 16 * 30)
    tests = separation_tests([table, ScoreTable(table.frame.assign(metric="too"))], 199)
    for test in tests.values():
        assert test.n_resamples == 199
        assert test.p_value == test.adjusted_p_value == pytest.approx(1 / 200)
