"""Sets of candidate parents: they cover, they shrink, and they say when nothing can be excluded."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

import analysis
from analysis.evidence.candidates import (
    Entry,
    exclude_candidates,
)
from analysis.evidence.rank_p_values import derivation_p_value

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
    # Shares at or below 0.45: one third of lineage a, all of b, none of c.
    p, n = derivation_p_value(table, 0.45)
    assert n == 3
    assert p == pytest.approx((1 + 1 / 3 + 1 + 0) / 4)
    p, n = derivation_p_value(table, 0.45, without={"b0"})
    assert (p, n) == (pytest.approx((1 + 1 / 3) / 3), 2)
    assert derivation_p_value(table, -5.0)[0] == 1 / 4
    assert derivation_p_value(table, 0.8)[0] == pytest.approx((1 + 2 / 3 + 1 + 1) / 4)


@pytest.mark.parametrize(
    ("lineages", "shift"),
    [pytest.param(14, 2.0, marks=pytest.mark.slow), pytest.param(25, 3.0, marks=pytest.mark.slow)],
)
def test_set_covers_as_stated(lineages: int, shift: float) -> None:
    """The parent of a child of a new lineage remains as often as stated."""
    rng = np.random.default_rng(lineages)
    covered = size = 0
    n = 100
    for _ in range(n):
        table = catalog(rng, lineages, shift)
        rest = without(table, {"l00"})
        pool = [f"m{PER * k:03d}" for k in range(6)]
        found = exclude_candidates(entries(table, "m001", pool, rest), 0.9)
        covered += "m000" in found.remaining
        size += len(found.remaining)
    assert binomtest(covered, n, 0.9, alternative="less").pvalue > 0.01
    assert size / n < 5.5


@pytest.mark.thorough
def test_pool_without_kin_is_often_emptied() -> None:
    rng = np.random.default_rng(5)
    emptied = 0
    n = 60
    for _ in range(n):
        table = catalog(rng, 24, 5.0)
        rest = without(table, {"l00"})
        found = exclude_candidates(
            entries(table, "m001", [f"m{PER * k:03d}" for k in range(1, 6)], rest), 0.9
        )
        emptied += found.answer == "none of them"
    assert emptied > 0.8 * n


def test_clear_parent_alone_remains() -> None:
    table = catalog(np.random.default_rng(7), 20, 12.0)
    found = exclude_candidates(
        entries(table, "m001", [f"m{PER * k:03d}" for k in range(8)], without(table, {"l00"})), 0.9
    )
    assert found.remaining == ("m000",)
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
    assert found.remaining == found.excluded == ()
    assert len(found.not_judged) == 4
    assert all("at least 19" in one.reason for one in found.candidates)
    # Seven lineages beside those of the case and the candidate: enough for 7 in 8, and no more.
    assert exclude_candidates(entries(table, "m001", pool, rest), 0.875).remaining == ("m000",)


def test_no_score_is_not_judged_and_says_why() -> None:
    table = catalog(np.random.default_rng(9), 14, 12.0)
    silent = Entry("x", math.nan, None, False, reason="different depths")
    found = exclude_candidates([silent, *entries(table, "m001", ["m003"], without(table, {"l00"}))], 0.9)
    assert (found.remaining, found.not_judged, found.excluded) == ((), ("x",), ("m003",))
    assert found.answer == "none of those judged"
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


def test_empty_pool_and_bad_confidence() -> None:
    assert exclude_candidates([], 0.9).answer == "none of them"
    with pytest.raises(ValueError, match="between 0 and 1"):
        exclude_candidates([], 1.0)
