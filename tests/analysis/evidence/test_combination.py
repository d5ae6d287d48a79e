"""Joint evidence: what metrics share counts once, what says nothing adds nothing, and bounds hold."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

import analysis
from analysis.evidence.labelled_pairs import LabelledPairs, lineage_folds, lineage_weights
from analysis.evidence.lr_interval import evidence_interval
from analysis.evidence.out_of_lineage import OutOfLineage

Rng = np.random.Generator
combine_evidence = partial(analysis.combine_evidence, negatives="independent")
"""These tables state no shapes."""


def labels(lineages: int, per: int = 3) -> pd.DataFrame:
    """All pairs of a catalog of equal lineages."""
    lineage = np.repeat(np.arange(lineages), per)
    a, b = np.triu_indices(len(lineage), 1)
    name = np.array([f"m{k:03d}" for k in range(len(lineage))])
    group = np.array([f"l{k:02d}" for k in lineage])
    return pd.DataFrame(
        {
            "model_a": name[a],
            "model_b": name[b],
            "relation": np.where(lineage[a] == lineage[b], "derived", "independent"),
            "lineage_a": group[a],
            "lineage_b": group[b],
        }
    )


def scored(frame: pd.DataFrame, name: str, score: np.ndarray) -> analysis.ScoreTable:
    return analysis.ScoreTable(frame.assign(metric=name, score=score))


def signal(frame: pd.DataFrame, rng: Rng, shift: float = 2.0, lineage_sd: float = 0.5) -> np.ndarray:
    """Normal scores of unit variance in both classes, with effects of lineages."""
    code = np.stack([np.searchsorted(np.unique(frame["lineage_a"]), frame[f"lineage_{end}"]) for end in "ab"])
    n = int(code.max()) + 1
    apart, inside = rng.normal(size=(2, n)) * lineage_sd
    derived = (frame["relation"] == "derived").to_numpy()
    noise = rng.normal(size=len(frame)) * math.sqrt(1 - lineage_sd**2)
    between = (apart[code[0]] + apart[code[1]]) / math.sqrt(2)
    return np.where(derived, shift + inside[code[0]], between) + noise


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return labels(15)


@pytest.mark.parametrize("lineages", [15, 45])
def test_the_evidence_of_one_metric_is_the_combination_of_it_alone(lineages: int) -> None:
    """To the last digit: 45 lineages hold more pairs than a fit has levels."""
    frame = labels(lineages)
    table = scored(frame, "one", signal(frame, np.random.default_rng(0)))
    evidence, joint = analysis.calibrate_evidence(table, "independent"), combine_evidence([table])
    for name in (
        "cllr",
        "cllr_min",
        "cllr_cal",
        "lower",
        "upper",
        "n_derived",
        "n_negative",
        "n_lineages",
    ):
        assert getattr(joint, name) == getattr(evidence, name)
    at = np.array([-np.inf, *np.linspace(-2, 4, 13), np.inf])
    np.testing.assert_array_equal(joint.log10_lr(at[:, None]), evidence.log10_lr(at))
    value = evidence_interval(table, 1.3, evidence)
    assert value == joint.interval([1.3])
    assert value.estimate == evidence.log10_lr([1.3])[0]
    assert evidence.lower <= value.low < value.estimate < value.high <= evidence.upper
    assert joint.table is not None
    held_out = np.clip(joint.table.score, joint.lower, joint.upper)
    np.testing.assert_array_equal(
        np.concatenate([held_out[joint.table.derived], held_out[joint.table.independent]]), evidence.held_out
    )


def test_two_identical_metrics_weigh_what_one_does(frame: pd.DataFrame) -> None:
    score = signal(frame, np.random.default_rng(1))
    one = combine_evidence([scored(frame, "one", score)])
    # The same order on another scale is the same evidence.
    two = combine_evidence([scored(frame, "one", score), scored(frame, "two", np.exp(score))])
    at = np.linspace(-2, 4, 13)
    # Not at the knots: between them another scale is not the same straight line.
    knots = np.sort(score)[::40]
    np.testing.assert_allclose(
        two.log10_lr(np.stack([knots, np.exp(knots)], axis=1)), one.log10_lr(knots[:, None]), atol=1e-5
    )
    three = combine_evidence([scored(frame, name, score) for name in ("one", "two", "three")])
    np.testing.assert_allclose(
        three.log10_lr(np.stack([at] * 3, axis=1)), one.log10_lr(at[:, None]), atol=1e-5
    )
    assert two.cllr == pytest.approx(one.cllr, abs=1e-5)
    assert sum(three.slopes.values()) == pytest.approx(one.slopes["one"], abs=1e-4)


def test_independent_metrics_add_what_they_know(frame: pd.DataFrame) -> None:
    rng = np.random.default_rng(2)
    tables = [scored(frame, name, signal(frame, rng, 1.5)) for name in ("one", "two")]
    both = combine_evidence(tables)
    singles = [combine_evidence([table]).cllr for table in tables]
    assert both.cllr < min(singles) - 0.05
    point = np.array([[1.5, 1.5]])
    alone = [combine_evidence([table]).log10_lr([[1.5]])[0] for table in tables]
    assert both.log10_lr(point)[0] > max(alone)


@pytest.mark.slow
def test_strong_dependence_is_not_counted_twice() -> None:
    """Two views of one signal: calibrated together, where the product of their ratios misleads."""
    frame = labels(20)
    rng = np.random.default_rng(3)
    cost_joint, cost_product, cost_best = [], [], []
    for _ in range(4):
        common = signal(frame, rng, 1.2)
        tables = [
            scored(frame, name, common + 0.05 * rng.normal(size=len(frame))) for name in ("a", "b", "c")
        ]
        joint = combine_evidence(tables)
        singles = [combine_evidence([table]) for table in tables]
        assert joint.table is not None
        held = [np.clip(one.table.score, one.lower, one.upper) for one in singles if one.table is not None]
        code = np.stack([joint.table.lineage_a, joint.table.lineage_b]).astype(np.intp)
        weight = lineage_weights(code, joint.table.derived)
        cost_joint.append(joint.cllr)
        cost_product.append(analysis.cllr(np.sum(held, axis=0), joint.table.derived, weight))
        cost_best.append(min(single.cllr for single in singles))
        assert joint.cllr_cal < 0.12
    assert np.mean(cost_joint) < np.mean(cost_product) - 0.02
    assert np.mean(cost_joint) < np.mean(cost_best) + 0.03


def test_nonsense_adds_nothing(frame: pd.DataFrame) -> None:
    rng = np.random.default_rng(4)
    good = scored(frame, "good", signal(frame, rng))
    one = combine_evidence([good])
    nonsense = [scored(frame, f"noise {k}", rng.normal(size=len(frame))) for k in range(3)]
    many = combine_evidence([good, *nonsense])
    assert many.cllr < one.cllr + 0.03
    for k in range(3):
        assert many.slopes[f"noise {k}"] < 0.25 * many.slopes["good"]
    alone = combine_evidence(nonsense[:1])
    assert alone.cllr == pytest.approx(1.0, abs=0.05)
    assert abs(alone.log10_lr([[1.0]])[0]) < 0.15


def test_bounds_and_intervals(frame: pd.DataFrame) -> None:
    tables = [scored(frame, name, signal(frame, np.random.default_rng(k), 6)) for k, name in enumerate("ab")]
    joint = combine_evidence(tables)
    assert -math.log10(15) <= joint.lower < 0 < joint.upper <= math.log10(15)
    for point in ([-9.0, -9.0], [0.0, 3.0], [3.0, 3.1], [50.0, math.inf]):
        value = joint.interval(point)
        assert joint.lower <= value.low <= value.estimate <= value.high <= joint.upper
        assert value.high - value.low > 0.05
        assert value.estimate == joint.log10_lr([point])[0]
    assert joint.log10_lr([[9.0, 9.0]], bounded=False)[0] > joint.upper
    assert np.isnan(joint.log10_lr([[np.nan, 1.0]])).all()
    assert not joint.interval([math.nan, 1.0]).defined


@pytest.mark.slow
@pytest.mark.parametrize("at", [0.5, 1.5, 2.5])
def test_interval_holds_the_true_ratio(at: float) -> None:
    rng = np.random.default_rng(int(at * 10))
    frame, shift, hits, n = labels(14, 2), 2.0, 0, 25
    true = shift * (at - shift / 2) / math.log(10)
    for _ in range(n):
        joint = combine_evidence([scored(frame, "one", signal(frame, rng, shift))])
        value = joint.interval([at])
        bounded = float(np.clip(true, joint.lower, joint.upper))
        hits += value.low - 1e-9 <= bounded <= value.high + 1e-9
    assert binomtest(hits, n, 0.95, alternative="less").pvalue > 0.01


def test_abstentions_leave_pairs_out(frame: pd.DataFrame) -> None:
    rng = np.random.default_rng(5)
    first, second = (signal(frame, rng) for _ in range(2))
    silent = frame["lineage_a"].isin(["l00", "l01"]) | frame["lineage_b"].isin(["l00", "l01"])
    partly = analysis.ScoreTable(
        frame.assign(
            metric="partly",
            score=np.where(silent, np.nan, second),
            status=np.where(silent, "abstained", "ok"),
        )
    )
    joint = combine_evidence([scored(frame, "all", first), partly])
    assert joint.n_lineages == 13
    assert joint.table is not None
    assert not {"l00", "l01"} & set(joint.table.lineages)
    none = combine_evidence(
        [scored(frame, "all", first), analysis.ScoreTable(partly.frame.assign(status="abstained"))]
    )
    assert not none.defined
    assert "that all of them score" in none.reason
    assert np.isnan(none.log10_lr([[1.0, 1.0]])).all()
    assert not none.interval([1.0, 1.0]).defined


def test_too_few_lineages_is_said() -> None:
    small = labels(3)
    joint = combine_evidence([scored(small, "one", signal(small, np.random.default_rng(6)))])
    assert not joint.defined
    assert "3 of 4" in joint.reason
    assert math.isnan(joint.cllr)


def test_pairs_are_matched_by_name(frame: pd.DataFrame) -> None:
    rng = np.random.default_rng(7)
    first, second = (signal(frame, rng) for _ in range(2))
    order = rng.permutation(len(frame))
    straight = combine_evidence([scored(frame, "a", first), scored(frame, "b", second)])
    shuffled = combine_evidence([scored(frame, "a", first), scored(frame.iloc[order], "b", second[order])])
    assert shuffled.cllr == straight.cllr
    assert shuffled.slopes == straight.slopes


def test_no_pair_is_weighed_by_its_own_lineages(frame: pd.DataFrame) -> None:
    """Whatever the other pairs of its groups of lineages score, a pair weighs what it weighed."""
    rng = np.random.default_rng(8)
    score = signal(frame, rng)
    table = scored(frame, "one", score)
    pairs = LabelledPairs.of(table, score[:, None], "independent")
    group = lineage_folds(pairs.code, pairs.derived)[pairs.code]
    weighed = OutOfLineage.of(pairs, pairs.fit()).weighed
    for here in (0, int(np.flatnonzero(~pairs.derived)[100])):
        own = np.isin(group, group[:, here]).any(axis=0)
        own[here] = False
        assert own.sum() > 50
        others = replace(pairs, scores=np.where(own[:, None], rng.normal(5, 2, (len(own), 1)), pairs.scores))
        assert OutOfLineage.of(others, others.fit()).weighed[here] == pytest.approx(weighed[here], abs=1e-12)
        moved = replace(pairs, scores=np.where(own[:, None], pairs.scores, pairs.scores[::-1]))
        assert abs(OutOfLineage.of(moved, moved.fit()).weighed[here] - weighed[here]) > 0.01


def test_bad_use_is_refused(frame: pd.DataFrame) -> None:
    table = scored(frame, "one", signal(frame, np.random.default_rng(9)))
    with pytest.raises(ValueError, match="appears twice"):
        combine_evidence([table, table])
    with pytest.raises(ValueError, match="at least one"):
        combine_evidence([])


def test_it_shows_itself(frame: pd.DataFrame) -> None:
    joint = combine_evidence([scored(frame, "one", signal(frame, np.random.default_rng(9)))])
    assert "cllr" in joint._repr_html_().lower()
