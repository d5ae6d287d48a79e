"""Both p-values of a candidate and the order of the answer, counted out pair by pair."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from analysis.evidence.candidates import (
    Candidate,
    CandidateSet,
    Entry,
    derivation_p_value,
    exclude_candidates,
    stranger_p_value,
)
from analysis.table import ScoreTable
from analysis.validation import BadArgument

SIZES = (2, 3, 1, 4, 2)


@pytest.fixture(scope="module")
def table() -> ScoreTable:
    """All pairs of five lineages, with ties, some silent; two shapes of models."""
    rng = np.random.default_rng(0)
    lineage = np.repeat(np.arange(len(SIZES)), SIZES)
    a, b = np.triu_indices(len(lineage), 1)
    silent = rng.random(len(a)) < 0.1
    return ScoreTable(
        pd.DataFrame(
            {
                "model_a": [f"m{k:02d}" for k in a],
                "model_b": [f"m{k:02d}" for k in b],
                "score": np.where(silent, np.nan, np.round(rng.normal(size=len(a)), 1)),
                "status": np.where(silent, "abstained", "ok"),
                "relation": np.where(lineage[a] == lineage[b], "derived", "independent"),
                "lineage_a": [f"l{lineage[k]}" for k in a],
                "lineage_b": [f"l{lineage[k]}" for k in b],
                "architecture_a": [f"c{k % 2}" for k in a],
                "architecture_b": [f"c{k % 2}" for k in b],
            }
        )
    )


def pairs(table: ScoreTable, mask: np.ndarray | None, without: set[str]) -> list[dict[str, object]]:
    rows = table.frame[table.comparable if mask is None else table.comparable & mask]
    return [
        {str(name): value for name, value in row.items()}
        for row in rows.to_dict("records")
        if not {row["lineage_a"], row["lineage_b"]} & without
    ]


def as_stranger(
    table: ScoreTable, score: float, n: int, mask: np.ndarray | None, without: set[str]
) -> tuple[float, int]:
    reach: dict[str, dict[str, list[bool]]] = {}
    home: dict[str, str] = {}
    for row in pairs(table, mask, without):
        if row["relation"] == "independent":
            for x, y in ("ab", "ba"):
                model, other = str(row[f"model_{x}"]), str(row[f"lineage_{y}"])
                home[model] = str(row[f"lineage_{x}"])
                hit = float(str(row["score"])) >= score - 1e-9
                reach.setdefault(model, {}).setdefault(other, []).append(hit)
    chance: dict[str, list[float]] = {}
    for model, others in reach.items():
        misses = [1 - float(np.mean(hits)) for hits in others.values()]
        draws = list(itertools.combinations(misses, min(n, len(misses))))
        chance.setdefault(home[model], []).append(1 - float(np.mean([math.prod(one) for one in draws])))
    if not chance:
        return 1.0, 0
    return (2 + sum(float(np.mean(one)) for one in chance.values())) / (len(chance) + 2), len(chance)


def as_derived(
    table: ScoreTable, score: float, mask: np.ndarray | None, without: set[str]
) -> tuple[float, int]:
    low: dict[str, list[bool]] = {}
    for row in pairs(table, mask, without):
        if row["relation"] == "derived":
            low.setdefault(str(row["lineage_a"]), []).append(float(str(row["score"])) <= score + 1e-9)
    return (1 + sum(float(np.mean(one)) for one in low.values())) / (len(low) + 1), len(low)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("without", [set(), {"l1"}, {"l0", "l3", "nowhere"}, {"nowhere"}])
def test_p_values_are_counted_out(table: ScoreTable, without: set[str], masked: bool) -> None:
    mask = table.cell_a == table.cell_b if masked else None
    for score in (-3.0, -0.2, 0.1, 0.5, 1.2, 9.0):
        assert derivation_p_value(table, score, mask=mask, without=without) == pytest.approx(
            as_derived(table, score, mask, without)
        )
        for n in (1, 2, 3, 9):
            assert stranger_p_value(table, score, n, mask=mask, without=without) == pytest.approx(
                as_stranger(table, score, n, mask, without)
            )


def test_scores_within_rounding_are_ties_against_the_case(table: ScoreTable) -> None:
    for nudge in (-1e-13, 1e-13):
        assert derivation_p_value(table, 0.5 + nudge) == derivation_p_value(table, 0.5)
        assert stranger_p_value(table, 0.5 + nudge, 2) == stranger_p_value(table, 0.5, 2)


def test_without_strangers_nothing_is_surprising(table: ScoreTable) -> None:
    none = np.zeros(len(table), dtype=bool)
    assert stranger_p_value(table, 9.0, 1, mask=none) == (1.0, 0)
    assert derivation_p_value(table, -9.0, mask=none) == (1.0, 0)


def test_bad_arguments_are_refused_by_name(table: ScoreTable) -> None:
    with pytest.raises(BadArgument, match=r"^score must"):
        stranger_p_value(table, "1", 1)  # type: ignore[arg-type]
    with pytest.raises(BadArgument, match=r"^n_candidates must"):
        stranger_p_value(table, 1.0, 0)
    with pytest.raises(BadArgument, match=r"^mask must"):
        derivation_p_value(table, 1.0, mask=np.array([True]))
    with pytest.raises(BadArgument, match=r"^without must"):
        derivation_p_value(table, 1.0, without="l0")
    with pytest.raises(BadArgument, match=r"^table must"):
        derivation_p_value(table.frame, 1.0)  # type: ignore[arg-type]
    with pytest.raises(BadArgument, match=r"^entries\[0\] must"):
        exclude_candidates([table])  # type: ignore[list-item]
    with pytest.raises(BadArgument, match=r"^confidence must"):
        exclude_candidates([], 0.0)


def test_candidates_are_judged_by_pairs_like_them(table: ScoreTable) -> None:
    same = table.cell_a == table.cell_b
    for alike in (True, False):
        mask = same == alike
        entry = Entry("x", 0.3, table, alike, {"l2"})
        p, n = as_derived(table, 0.3, mask, {"l2"})
        (one,) = exclude_candidates([entry], 1 - 1 / (n + 1)).candidates
        assert (one.name, one.score, one.reason) == ("x", 0.3, "")
        assert one.derivation_p == pytest.approx(p)
        assert one.stranger_p == pytest.approx(as_stranger(table, 0.3, 1, mask, {"l2"})[0])
        assert (one.n_lineages, one.same_cell_only) == (n, True)
    # Too few lineages of either kind to exclude one at all.
    (one,) = exclude_candidates([Entry("x", 0.3, table, True, ())], 0.95).candidates
    assert math.isnan(one.derivation_p)
    assert one.remains
    assert (one.n_lineages, one.same_cell_only) == (4, False)
    assert one.reason == "4 lineages with derived pairs: none can be excluded at 95% by fewer than 19"


def test_silent_candidates_say_why(table: ScoreTable) -> None:
    pool = [Entry("a", math.nan, table, True), Entry("b", 1.0, None, True, reason="other depth")]
    found = exclude_candidates(pool, 0.5)
    assert [(one.name, one.reason) for one in found.candidates] == [("a", "no score"), ("b", "other depth")]
    for one in found.candidates:
        assert math.isnan(one.derivation_p)
        assert math.isnan(one.stranger_p)
        assert (one.remains, one.shown, one.n_lineages, one.same_cell_only) == (True, False, 0, False)
    assert found.answer == "cannot exclude any"
    assert str(found) == "cannot exclude any: a, b (confidence 0.5)"


def test_the_set_lists_who_remains_and_who_is_shown() -> None:
    def one(name: str, remains: bool, shown: bool) -> Candidate:
        return Candidate(name, 1.0, 0.5, 0.5, remains, shown, 9, True, "")

    found = CandidateSet(
        0.9, (one("a", True, True), one("b", True, False), one("c", False, False)), "these remain"
    )
    assert (found.remaining, found.excluded, found.shown) == (("a", "b"), ("c",), ("a",))
    assert str(found) == "these remain: a, b (confidence 0.9)"
    assert str(CandidateSet(0.95, (), "none of them")) == "none of them: — (confidence 0.95)"
