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
EXACT = 0.900000000001
"""Just more than 0.9: within the tolerance its level is 2/20 to the last digit."""


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


def made(low: int, of: int, strangers: int, loud: int = 0) -> ScoreTable:
    """For a score of 0.5: lineages with a derived pair, some of them below; and a ring of strangers.

    Of the pairs of strangers some are loud: they reach 0.5. None do: the best of any pool then has
    2 / (strangers + 2); all do: it has 1.
    """
    rows: list[tuple[str, str, float, str, str, str]] = [
        (f"d{k}", f"e{k}", float(k >= low), "derived", f"d{k}", f"d{k}") for k in range(of)
    ]
    for k in range(strangers if strangers > 2 else 1):
        a, b = f"s{k}", f"s{(k + 1) % strangers}"
        rows.append((a, b, float(k < loud), "independent", a, b))
    columns = ["model_a", "model_b", "score", "relation", "lineage_a", "lineage_b"]
    return ScoreTable(pd.DataFrame(rows, columns=columns))


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


def test_the_tolerance_itself_still_is_a_tie() -> None:
    table = made(low=1, of=1, strangers=2)
    at = table.frame.assign(score=np.where(table.derived, 1e-12, -1e-12))
    assert derivation_p_value(ScoreTable(at), 0.0) == (1.0, 1)
    assert stranger_p_value(ScoreTable(at), 0.0, 1) == (1.0, 2)


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
    with pytest.raises(BadArgument, match=r"^mask must"):
        stranger_p_value(table, 1.0, 1, mask=np.array([True]))
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
        entry = Entry("x", 0.3, table, alike, {"l1"})
        p, n = as_derived(table, 0.3, mask, {"l1"})
        (one,) = exclude_candidates([entry], 1 - 1 / (n + 1)).candidates
        assert (one.name, one.score, one.reason) == ("x", 0.3, "")
        assert one.derivation_p == pytest.approx(p)
        assert one.stranger_p == pytest.approx(as_stranger(table, 0.3, 1, mask, {"l1"})[0])
        assert (one.n_lineages, one.same_cell_only) == (n, True)
    # Too few lineages of either kind to exclude one at all.
    (one,) = exclude_candidates([Entry("x", 0.3, table, True, ())], 0.95).candidates
    assert math.isnan(one.derivation_p)
    assert one.remains
    assert (one.n_lineages, one.same_cell_only) == (4, False)
    assert one.reason == "4 lineages with derived pairs: none can be excluded at 95% by fewer than 19"


def test_candidates_without_strangers_like_them_are_judged_by_all(table: ScoreTable) -> None:
    other = table.cell_a != table.cell_b
    silent = other & table.independent & ~table.comparable
    some = ScoreTable(table.frame[~(other & table.independent) | silent])
    assert silent.any()
    (one,) = exclude_candidates([Entry("x", 0.3, some, False)], 0.5).candidates
    assert one.stranger_p == pytest.approx(as_stranger(some, 0.3, 1, None, set())[0])
    assert 0.3 < one.stranger_p < 0.9


def test_as_many_lineages_as_could_exclude_one_are_enough() -> None:
    for confidence, of, judged in ((0.75, 3, True), (0.75, 2, False), (0.83, 4, False), (0.83, 5, True)):
        entry = Entry("x", 0.5, made(low=0, of=of, strangers=3), True)
        (one,) = exclude_candidates([entry], confidence).candidates
        assert one.derivation_p == pytest.approx(1 / (of + 1) if judged else math.nan, nan_ok=True)
        assert one.remains != judged
    # As many as it takes but for a billionth, exactly.
    confidence = 0.7500000000625
    assert 1 / (1 - confidence) - 1 - 1e-9 == 3
    (one,) = exclude_candidates(
        [Entry("x", 0.5, made(low=0, of=3, strangers=3), True)], confidence
    ).candidates
    assert one.derivation_p == 1 / 4


@pytest.mark.parametrize("confidence", [0.5, 0.5 + 1e-12])
def test_a_p_value_at_the_level_counts_as_below(confidence: float) -> None:
    entry = Entry("x", 0.5, made(low=0, of=1, strangers=2), True)
    (one,) = exclude_candidates([entry], confidence).candidates
    assert (one.derivation_p, one.stranger_p) == (1 / 2, 2 / 4)
    assert (one.remains, one.shown) == (False, True)


def test_the_sequence_goes_on_from_a_p_value_at_the_level() -> None:
    """2/20 is more than 1 - 0.9 by a rounding error: who is shown to be kin is taken from the pool."""
    mixed = made(low=1, of=10, strangers=18, loud=5)
    pool = [Entry("a", 0.5, made(low=1, of=10, strangers=18), True), Entry("b", 0.5, mixed, True)]
    alone, in_pool = (as_stranger(mixed, 0.5, n, None, set())[0] for n in (1, 2))
    assert 0.1 < alone < in_pool
    assert 1 - EXACT + 1e-12 == 2 / 20 > 1 - 0.9
    for confidence in (0.9, EXACT):
        kin, other = exclude_candidates(pool, confidence).candidates
        assert (kin.name, kin.shown, other.shown) == ("a", True, False)
        assert [kin.stranger_p, other.stranger_p] == pytest.approx([0.1, alone])


def test_the_best_is_taken_out_as_long_as_it_stands_out(table: ScoreTable) -> None:
    same = table.cell_a == table.cell_b
    pool = [Entry(f"{score:g}", score, table, True) for score in (1.2, 0.5, 9.0, 1.5)]

    def p(score: float, n: int) -> float:
        return as_stranger(table, score, n, same, set())[0]

    first, second, third = p(9.0, 4), p(1.5, 3), p(1.2, 2)
    assert first == second == pytest.approx(2 / 7)
    assert second < p(0.5, 1) < third < p(0.5, 2)
    for confidence, last in ((0.5, third), (0.55, p(0.5, 2))):
        assert (third > 1 - confidence) == (last != third)
        found = {one.name: one.stranger_p for one in exclude_candidates(pool, confidence).candidates}
        assert found == pytest.approx({"9": first, "1.5": second, "1.2": third, "0.5": last})


def test_the_likeliest_come_first() -> None:
    quiet, loud = 0, 10
    wanted = [
        # Name, low and all lineages of derived pairs, loud strangers; whether it remains and is shown.
        ("z", 4, 5, quiet, True, True),
        ("y", 1, 5, quiet, True, True),
        ("x", 2, 2, quiet, True, True),  # too few lineages: not judged
        ("w", 5, 5, loud, True, False),
        ("u", 1, 5, loud, True, False),
        ("v", 1, 5, loud, True, False),
        ("t", 2, 2, loud, True, False),
        ("s", 0, 9, quiet, False, True),
        ("r", 1, 9, loud, False, False),
        ("q", 0, 9, loud, False, False),
    ]
    pool = [Entry(name, 0.5, made(low, of, 10, noise), True) for name, low, of, noise, _, _ in wanted]
    found = exclude_candidates(pool[::-1], 0.75)
    assert [(one.name, one.remains, one.shown) for one in found.candidates] == [
        (name, remains, shown) for name, _, _, _, remains, shown in wanted
    ]
    assert found.answer == "these remain"
    assert exclude_candidates(pool[:7], 0.75).answer == "cannot exclude any"
    assert exclude_candidates(pool[7:], 0.75).answer == "none of them"
    assert exclude_candidates(pool[:1]).confidence == 0.9


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
