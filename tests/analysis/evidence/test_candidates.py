"""Sets of candidate parents: they cover, they shrink, and they say when nothing can be excluded."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import binomtest

import analysis
from analysis.evidence.candidates import (
    Entry,
    _any_of,
    derivation_p_value,
    exclude_candidates,
    stranger_p_value,
)

PER = 3


def catalog(rng: np.random.Generator, lineages: int, shift: float) -> analysis.ScoreTable:
    """A table with effects of lineages and of pairs of lineages, models in two cells."""
    lineage = np.repeat(np.arange(lineages), PER)
    a, b = np.triu_indices(len(lineage), 1)
    derived = lineage[a] == lineage[b]
    own, apart = rng.normal(size=(2, lineages))
    between = rng.normal(size=(lineages, lineages))
    between = (between + between.T) / 2
    score = np.where(
        derived,
        shift + own[lineage[a]],
        0.5 * (apart[lineage[a]] + apart[lineage[b]]) + 0.5 * between[lineage[a], lineage[b]],
    )
    score = score + 0.5 * rng.normal(size=len(a))
    return analysis.ScoreTable(
        pd.DataFrame(
            {
                "model_a": [f"m{k:03d}" for k in a],
                "model_b": [f"m{k:03d}" for k in b],
                "score": score,
                "relation": np.where(derived, "derived", "independent"),
                "lineage_a": [f"l{lineage[k]:02d}" for k in a],
                "lineage_b": [f"l{lineage[k]:02d}" for k in b],
                "architecture_a": "cell",
                "architecture_b": "cell",
            }
        )
    )


def without(table: analysis.ScoreTable, lineages: Collection[str]) -> analysis.ScoreTable:
    touched = table.frame["lineage_a"].isin(list(lineages)) | table.frame["lineage_b"].isin(list(lineages))
    return analysis.ScoreTable(table.frame[~touched])


def entries(
    table: analysis.ScoreTable, child: str, pool: Collection[str], rest: analysis.ScoreTable
) -> list[Entry]:
    found = {}
    for a, b, score in zip(table.frame["model_a"], table.frame["model_b"], table.score, strict=True):
        if child in (a, b):
            found[b if a == child else a] = float(score)
    lineage = {
        str(name): str(table.lineages[code])
        for name, code in zip(table.models, table.lineage_of, strict=True)
    }
    return [Entry(name, found[name], rest, True, {lineage[name]}) for name in pool]


def test_p_value_is_the_weighted_rank() -> None:
    frame = pd.DataFrame(
        {
            "model_a": ["a0", "a0", "a1", "b0", "c0"],
            "model_b": ["a1", "a2", "a2", "b1", "c1"],
            "score": [0.1, 0.5, 0.9, 0.4, 0.8],
            "relation": "derived",
        }
    )
    table = analysis.ScoreTable(frame)
    # Shares at or below .45: one third of lineage a, all of b, none of c.
    p, n = derivation_p_value(table, 0.45)
    assert n == 3
    assert p == pytest.approx((1 + 1 / 3 + 1 + 0) / 4)
    p, n = derivation_p_value(table, 0.45, without={"b0"})
    assert (p, n) == (pytest.approx((1 + 1 / 3) / 3), 2)
    assert derivation_p_value(table, -5.0)[0] == 1 / 4
    assert derivation_p_value(table, 0.8)[0] == pytest.approx((1 + 2 / 3 + 1 + 1) / 4)


@given(
    st.lists(
        st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=5), min_size=1, max_size=3
    ).filter(lambda rows: len({len(row) for row in rows}) == 1),
    st.integers(1, 6),
)
@settings(max_examples=60, deadline=None)
def test_chance_of_the_best_is_the_mean_over_all_draws(rows: list[list[float | None]], draws: int) -> None:
    held = np.array([[0 if x is None else 10 for x in row] for row in rows])
    hits = np.array([[0.0 if x is None else 10 * x for x in row] for row in rows])
    found = _any_of(hits, held, draws)
    for value, row in zip(found, rows, strict=True):
        chances = [x for x in row if x is not None]
        taken = min(draws, len(chances))
        misses = [math.prod(1 - x for x in some) for some in itertools.combinations(chances, taken)]
        assert value == pytest.approx(1 - np.mean(misses) if chances else 0.0, abs=1e-9)


@pytest.mark.parametrize(("lineages", "shift"), [(14, 2.0), (25, 3.0)])
def test_set_covers_as_stated(lineages: int, shift: float) -> None:
    """The parent of a child of a new lineage remains as often as stated; strangers seldom are shown."""
    rng = np.random.default_rng(lineages)
    covered = shown = size = 0
    n = 100
    for _ in range(n):
        table = catalog(rng, lineages, shift)
        rest = without(table, {"l00"})
        pool = [f"m{PER * k:03d}" for k in range(6)]
        found = exclude_candidates(entries(table, "m001", pool, rest), 0.9)
        covered += "m000" in found.remaining
        size += len(found.remaining)
        shown += bool(set(found.shown) - {"m000"})
    assert binomtest(covered, n, 0.9, alternative="less").pvalue > 0.01
    assert binomtest(shown, n, 0.1, alternative="greater").pvalue > 0.01
    assert size / n < 5.5


def test_pool_without_kin_shows_none_and_is_often_emptied() -> None:
    rng = np.random.default_rng(5)
    shown = emptied = 0
    n = 60
    for _ in range(n):
        table = catalog(rng, 24, 5.0)
        rest = without(table, {"l00"})
        found = exclude_candidates(
            entries(table, "m001", [f"m{PER * k:03d}" for k in range(1, 6)], rest), 0.9
        )
        shown += bool(found.shown)
        emptied += found.answer == "none of them"
    assert binomtest(shown, n, 0.1, alternative="greater").pvalue > 0.01
    assert emptied > 0.8 * n


def test_clear_parent_alone_remains_and_is_shown() -> None:
    table = catalog(np.random.default_rng(7), 20, 12.0)
    found = exclude_candidates(
        entries(table, "m001", [f"m{PER * k:03d}" for k in range(8)], without(table, {"l00"})), 0.9
    )
    assert found.remaining == found.shown == ("m000",)
    assert found.answer == "these remain"
    assert found.candidates[0].name == "m000"
    assert len(found.excluded) == 7
    assert "these remain" in found._repr_html_()


def test_few_lineages_exclude_nothing() -> None:
    table = catalog(np.random.default_rng(8), 9, 12.0)
    pool = [f"m{PER * k:03d}" for k in range(4)]
    rest = without(table, {"l00"})
    found = exclude_candidates(entries(table, "m001", pool, rest), 0.95)
    assert found.answer == "cannot exclude any"
    assert all("fewer than 19" in one.reason for one in found.candidates)
    # Seven lineages beside those of the case and the candidate: enough for 7 in 8, and no more.
    assert exclude_candidates(entries(table, "m001", pool, rest), 0.875).remaining == ("m000",)


def test_no_score_remains_with_the_reason() -> None:
    table = catalog(np.random.default_rng(9), 14, 12.0)
    silent = Entry("x", math.nan, None, False, reason="different depths")
    found = exclude_candidates([silent, *entries(table, "m001", ["m003"], without(table, {"l00"}))], 0.9)
    assert found.remaining == ("x",)
    assert next(one for one in found.candidates if one.name == "x").reason == "different depths"


def test_other_shapes_are_judged_by_other_shapes_where_there_are_enough() -> None:
    table = catalog(np.random.default_rng(10), 30, 12.0)
    rest = without(table, {"l00"})
    (same,) = exclude_candidates(entries(table, "m001", ["m003"], rest), 0.9).candidates
    assert same.same_cell_only
    (entry,) = entries(table, "m001", ["m003"], rest)
    other = Entry(entry.name, entry.score, rest, False, entry.lineages)
    (one,) = exclude_candidates([other], 0.9).candidates
    assert not one.same_cell_only


def test_sequence_goes_on_while_something_stands_out() -> None:
    table = catalog(np.random.default_rng(11), 24, 12.0)
    rest = without(table, {"l00"})
    kin = ["m000", "m002"]
    found = exclude_candidates(
        entries(table, "m001", [*kin, *(f"m{PER * k:03d}" for k in range(1, 6))], rest), 0.9
    )
    assert set(found.shown) == set(kin)
    ps = sorted(one.stranger_p for one in found.candidates)
    assert ps[1] >= ps[0] == pytest.approx(2 / 25)
    # More candidates make the best of them less surprising.
    middle = float(np.quantile(table.score[table.independent], 0.95))
    assert stranger_p_value(rest, middle, 8)[0] > stranger_p_value(rest, middle, 1)[0]


def test_empty_pool_and_bad_confidence() -> None:
    assert exclude_candidates([], 0.9).answer == "none of them"
    with pytest.raises(ValueError, match="between 0 and 1"):
        exclude_candidates([], 1.0)
