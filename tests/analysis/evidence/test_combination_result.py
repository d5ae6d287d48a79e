"""What a combination of two metrics holds and says, on a small catalog joined pair by pair."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis.evidence.combination import Combination
from analysis.evidence.labelled_pairs import LabelledPairs
from analysis.evidence.lr_interval import METHOD, lr_interval
from analysis.evidence.out_of_lineage import OutOfLineage
from analysis.validation import BadArgument

combine_evidence = partial(analysis.combine_evidence, negatives="independent")
"""Only the first table states shapes."""

SIZES = (2, 3, 2, 2, 3, 1)


def one_table(seed: int, name: str, cells: bool) -> analysis.ScoreTable:
    """All pairs of six lineages, shuffled, some silent; models of two shapes, or of shapes unknown."""
    rng = np.random.default_rng(seed)
    lineage = np.repeat(np.arange(len(SIZES)), SIZES)
    a, b = np.triu_indices(len(lineage), 1)
    order = rng.permutation(len(a))
    a, b = a[order], b[order]
    derived = lineage[a] == lineage[b]
    silent = rng.random(len(a)) < 0.1
    frame = pd.DataFrame(
        {
            "metric": name,
            "model_a": [f"m{k:02d}" for k in a],
            "model_b": [f"m{k:02d}" for k in b],
            "score": np.where(silent, np.nan, np.round(rng.normal(size=len(a)) + 1.5 * derived, 1)),
            "status": np.where(silent, "abstained", "ok"),
            "relation": np.where(derived, "derived", "independent"),
            "lineage_a": [f"l{lineage[k]}" for k in a],
            "lineage_b": [f"l{lineage[k]}" for k in b],
        }
    )
    if cells:
        # Every lineage is of one shape, so pairs of lineages of one shape are look-alikes.
        frame["architecture_a"] = [f"c{lineage[k] % 2}" for k in a]
        frame["architecture_b"] = [f"c{lineage[k] % 2}" for k in b]
    return analysis.ScoreTable(frame)


@pytest.fixture(scope="module")
def tables() -> tuple[analysis.ScoreTable, analysis.ScoreTable]:
    return one_table(1, "wide", cells=True), one_table(2, "near", cells=False)


@pytest.fixture(scope="module")
def joint(tables: tuple[analysis.ScoreTable, analysis.ScoreTable]) -> Combination:
    return combine_evidence(tables)


@pytest.fixture(scope="module")
def undefined(tables: tuple[analysis.ScoreTable, analysis.ScoreTable]) -> Combination:
    """The first speaks on derived pairs alone."""
    first = tables[0]
    return combine_evidence([analysis.ScoreTable(first.frame[first.derived]), tables[1]])


def by_hand(
    tables: tuple[analysis.ScoreTable, analysis.ScoreTable],
) -> tuple[analysis.ScoreTable, np.ndarray]:
    """Rows of the first table on which both speak, and both scores."""
    second = {
        (row.model_a, row.model_b): row.score for row in tables[1].frame.itertuples() if row.status == "ok"
    }
    rows, scores = [], []
    for place, row in enumerate(tables[0].frame.itertuples()):
        if row.status == "ok" and (row.model_a, row.model_b) in second:
            rows.append(place)
            scores.append((row.score, second[row.model_a, row.model_b]))
    return analysis.ScoreTable(tables[0].frame.iloc[rows]), np.array(scores, dtype=np.float64)


@pytest.mark.parametrize("negatives", ["independent", "look-alike"])
def test_a_combination_is_the_fit_on_the_pairs_on_which_both_speak(
    tables: tuple[analysis.ScoreTable, analysis.ScoreTable], joint: Combination, negatives: str
) -> None:
    found = joint if negatives == "independent" else combine_evidence(tables, negatives=negatives)
    both, scores = by_hand(tables)
    assert 0 < len(both) < min(table.comparable.sum() for table in tables)
    pairs = LabelledPairs.of(both, scores, negatives)
    fit = pairs.fit()
    judged = OutOfLineage.of(pairs, fit)
    assert found.metrics == ("wide", "near")
    assert list(found.slopes) == ["wide", "near"]
    assert list(found.slopes.values()) == pytest.approx(fit.slopes.tolist(), abs=1e-9)
    assert min(found.slopes.values()) > 0
    assert [found.cllr, found.cllr_min, found.lower, found.upper] == pytest.approx(
        [judged.cllr, judged.cllr_min, judged.lower, judged.upper], abs=1e-9
    )
    assert found.cllr_cal == found.cllr - found.cllr_min
    assert (found.n_derived, found.n_negative) == (pairs.n_derived, pairs.n_negative)
    assert found.n_lineages == pairs.n_lineages
    assert (found.negatives, found.reason, found.defined) == (negatives, "", True)
    # Each pair with its out-of-lineage value as its score, labelled as in the first table.
    assert found.table is not None
    assert found.table.metric == "wide+near"
    known = both.frame.iloc[pairs.rows].assign(score=judged.weighed)
    names = ["model_a", "model_b"]
    ours, theirs = (frame.set_index(names).sort_index() for frame in (found.table.frame, known))
    np.testing.assert_allclose(ours["score"], theirs["score"], atol=1e-9)
    for label in ("relation", "lineage_a", "lineage_b", "architecture_a", "architecture_b"):
        assert list(ours[label]) == list(theirs[label])
    at = np.array([[0.3, 1.0], [2.0, -0.4], [-9.0, 9.0], [9.0, 9.0], [math.nan, 1.0]])
    np.testing.assert_allclose(found.log10_lr(at, bounded=False), fit(at), atol=1e-9)
    np.testing.assert_allclose(found.log10_lr(at), np.clip(fit(at), judged.lower, judged.upper), atol=1e-9)
    np.testing.assert_array_equal(found.log10_lr(at[0]), found.log10_lr(at[:1]))
    for level in (0.5, 0.95):
        known_interval = lr_interval(pairs, fit, at[0], (judged.lower, judged.upper), level)
        interval = found.interval(at[0], level)
        assert (interval.level, interval.method) == (level, METHOD)
        assert [interval.estimate, interval.low, interval.high] == pytest.approx(
            [known_interval.estimate, known_interval.low, known_interval.high], abs=1e-6
        )
    assert found.interval(at[0]).level == 0.95


def test_look_alikes_are_other_evidence(
    tables: tuple[analysis.ScoreTable, analysis.ScoreTable], joint: Combination
) -> None:
    other = combine_evidence(tables, negatives="look-alike")
    assert 0 < other.n_negative < joint.n_negative
    assert "look-alike pairs of 6 lineages" in str(other)


def test_a_combination_says_what_it_found(joint: Combination) -> None:
    numbers = [analysis.notebook.number(x) for x in (joint.cllr, joint.cllr_min, joint.cllr_cal)]
    low, high = analysis.notebook.number(joint.lower), analysis.notebook.number(joint.upper)
    assert str(joint) == (
        f"wide, near together: Cllr {numbers[0]} (min {numbers[1]}, cal {numbers[2]}); log10 LR from {low} to"
        f" {high}; {joint.n_derived} derived and {joint.n_negative} independent pairs of 6 lineages"
    )


def test_without_negatives_there_is_nothing_but_the_reason(undefined: Combination) -> None:
    reason = "no derived and independent pairs that all of them score"
    assert undefined.reason == reason
    assert str(undefined) == f"no joint evidence of wide, near ({reason})"
    assert not undefined.defined
    assert (undefined.metrics, undefined.slopes, undefined.negatives) == (("wide", "near"), {}, "independent")
    numbers = ("cllr", "cllr_min", "cllr_cal", "lower", "upper")
    assert all(math.isnan(getattr(undefined, name)) for name in numbers)
    assert (undefined.n_derived, undefined.n_negative, undefined.n_lineages) == (0, 0, 0)
    assert undefined.table is None
    for bounded in (True, False):
        np.testing.assert_array_equal(undefined.log10_lr(np.ones((3, 2)), bounded=bounded), [np.nan] * 3)
    interval = undefined.interval([1.0, 1.0], 0.8)
    assert (interval.reason, interval.level, interval.method) == (reason, 0.8, METHOD)
    assert math.isnan(interval.estimate)


def test_each_reason_is_said(tables: tuple[analysis.ScoreTable, analysis.ScoreTable]) -> None:
    first = tables[0]
    others = analysis.ScoreTable(first.frame[first.independent])
    assert combine_evidence([others, tables[1]]).reason == (
        "no derived and independent pairs that all of them score"
    )
    none = combine_evidence([others, tables[1]], negatives="look-alike")
    assert none.reason == "no derived and look-alike pairs that all of them score"
    assert none.negatives == "look-alike"
    some = analysis.ScoreTable(first.frame[(first.lineage_a < 3) & (first.lineage_b < 3)])
    few = combine_evidence([some, tables[1]])
    assert few.reason == (
        "2 lineages with derived pairs, of 3 in all, that all of them score: leave-one-out needs at"
        " least 3 of 4"
    )
    assert (few.metrics, few.negatives) == (("wide", "near"), "independent")


def test_bad_arguments_are_refused_by_name(
    tables: tuple[analysis.ScoreTable, analysis.ScoreTable], joint: Combination
) -> None:
    with pytest.raises(BadArgument, match=r"^tables must hold at least one table, not none$"):
        combine_evidence([])
    with pytest.raises(BadArgument, match=r"^tables must hold one table per metric; 'wide' appears twice"):
        combine_evidence([tables[0], tables[0]])
    with pytest.raises(BadArgument, match=r"^negatives must"):
        combine_evidence(tables, negatives="other")
    shape = r"^scores must have shape \(n, 2\), a column for each of wide, near, not "
    with pytest.raises(BadArgument, match=shape + r"\(1, 3\)$"):
        joint.log10_lr([1.0, 2.0, 3.0])
    with pytest.raises(BadArgument, match=shape + r"\(4, 2, 2\)$"):
        joint.log10_lr(np.zeros((4, 2, 2)))
    with pytest.raises(BadArgument, match=r"^scores must be an array of numbers, "):
        joint.log10_lr("x")
    with pytest.raises(
        BadArgument, match=r"^scores must have shape \(2,\), one of each of wide, near, not \(1,\)$"
    ):
        joint.interval([1.0])
    with pytest.raises(BadArgument, match=r"^scores must be an array of numbers with 1 dimension"):
        joint.interval([[1.0, 2.0]])
    with pytest.raises(BadArgument, match=r"^level must"):
        joint.interval([1.0, 2.0], 1.0)


def test_fits_without_a_lineage_are_made_once_and_where_they_are_needed(
    tables: tuple[analysis.ScoreTable, analysis.ScoreTable], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are what an interval costs, and the same for every pair."""
    made: list[LabelledPairs] = []
    fits = LabelledPairs.left_out_fits
    monkeypatch.setattr(
        LabelledPairs, "left_out_fits", lambda pairs, start: made.append(pairs) or fits(pairs, start)
    )
    fresh = combine_evidence(tables)
    assert not fresh.interval([math.nan, 1.0]).defined
    assert made == []
    for point in ([0.3, 1.0], [2.0, -0.4]):
        assert fresh.interval(point).defined
        assert len(made) == 1
