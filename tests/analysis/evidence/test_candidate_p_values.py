"""The places of scores among derived pairs and strangers, and the order of the answer, counted out."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from analysis.evidence.candidates import Candidate, CandidateSet, Entry, Standing, exclude_candidates
from analysis.evidence.rank_p_values import derivation_p_value, stranger_p_value
from analysis.table import ScoreTable
from analysis.validation import BadArgument

pytestmark = pytest.mark.thorough

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
    table: ScoreTable, score: float, mask: np.ndarray | None, without: set[str]
) -> tuple[float, int]:
    reach: dict[frozenset[str], list[bool]] = {}
    sides: dict[str, set[str]] = {}
    across = True
    for row in pairs(table, mask, without):
        if row["relation"] == "independent":
            two = frozenset((str(row["lineage_a"]), str(row["lineage_b"])))
            reach.setdefault(two, []).append(float(str(row["score"])) >= score - 1e-9)
            across &= row["architecture_a"] != row["architecture_b"]
            for end in "ab":
                sides.setdefault(str(row[f"architecture_{end}"]), set()).add(str(row[f"lineage_{end}"]))
    if not reach:
        return 1.0, 0
    n = min(map(len, sides.values())) if across else len(set().union(*sides.values()))
    share = float(np.mean([np.mean(hits) for hits in reach.values()]))
    return min(1.0, 2 * (1 + n * share) / (n + 2)), n


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
        assert stranger_p_value(table, score, mask=mask, without=without) == pytest.approx(
            as_stranger(table, score, mask, without)
        )


def test_between_two_shapes_the_shape_with_fewer_lineages_counts(table: ScoreTable) -> None:
    across = table.cell_a != table.cell_b
    for score in (-1.0, 0.2, 9.0):
        found = stranger_p_value(table, score, mask=across)
        assert found == pytest.approx(as_stranger(table, score, across, set()))
    # Lineage l2 has one model, of one shape: it stands on one side only.
    assert found[1] == 4


@pytest.mark.parametrize("n_lineages", [5, 8])
def test_no_arrangement_of_scores_makes_strangers_high_too_often(n_lineages: int) -> None:
    """A hub, and orders found by climbing: of all pairs no more than a share a has p of a or less."""
    edges = list(itertools.combinations(range(n_lineages), 2))
    rng = np.random.default_rng(n_lineages)
    by_hub = np.array([-10.0 * min(edge) + rng.random() for edge in edges])
    order = by_hub
    worst = excess(edges, order)
    for _ in range(80):
        other = order.copy()
        i, j = rng.integers(len(edges), size=2)
        other[[i, j]] = other[[j, i]]
        if (found := excess(edges, other)) >= worst:
            worst, order = found, other
    assert excess(edges, by_hub) <= 1 + 1e-9
    assert 0.5 < worst <= 1 + 1e-9


def excess(edges: list[tuple[int, int]], score: np.ndarray) -> float:
    """Most that the share of pairs with p of a or less exceeds a."""
    table = ScoreTable(
        pd.DataFrame(
            {
                "model_a": [f"m{a}" for a, _ in edges],
                "model_b": [f"m{b}" for _, b in edges],
                "score": score,
                "relation": "independent",
            }
        )
    )
    ps = np.array(
        [
            stranger_p_value(table, value, without={f"m{a}", f"m{b}"})[0]
            for (a, b), value in zip(edges, score, strict=True)
        ]
    )
    return max(float((ps <= a + 1e-9).mean() / a) for a in np.unique(ps))


def test_scores_within_rounding_are_ties_against_the_case(table: ScoreTable) -> None:
    for nudge in (-1e-13, 1e-13):
        assert derivation_p_value(table, 0.5 + nudge) == derivation_p_value(table, 0.5)
        assert stranger_p_value(table, 0.5 + nudge) == stranger_p_value(table, 0.5)


def test_without_strangers_nothing_is_surprising(table: ScoreTable) -> None:
    none = np.zeros(len(table), dtype=bool)
    assert stranger_p_value(table, 9.0, mask=none) == (1.0, 0)
    assert derivation_p_value(table, -9.0, mask=none) == (1.0, 0)


def test_bad_arguments_are_refused_by_name(table: ScoreTable) -> None:
    with pytest.raises(BadArgument, match=r"^score must"):
        stranger_p_value(table, "1")  # type: ignore[arg-type]
    with pytest.raises(BadArgument, match=r"^table must"):
        stranger_p_value(table.frame, 1.0)  # type: ignore[arg-type]
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
        entry = Entry("x", 0.3, table, alike, {"l1"})
        p, n = as_derived(table, 0.3, mask, {"l1"})
        assert n < as_derived(table, 0.3, mask, set())[1]
        (one,) = exclude_candidates([entry], 1 - 1 / (n + 1)).candidates
        assert (one.name, one.score, one.reason) == ("x", 0.3, "")
        assert one.derivation_p == pytest.approx(p)
        assert one.standing == ("excluded" if p <= 1 / (n + 1) + 1e-9 else "remains")
        assert (one.n_lineages, one.same_cell_only) == (n, True)
    # Too few lineages of either kind to exclude one at all, be it by one lineage.
    for confidence, said in (
        (0.95, "95% confidence needs at least 19"),
        (5 / 6, "83% confidence needs at least 5"),
    ):
        (one,) = exclude_candidates([Entry("x", 0.3, table, True, ())], confidence).candidates
        assert math.isnan(one.derivation_p)
        assert one.standing == "not judged"
        assert (one.n_lineages, one.same_cell_only) == (4, False)
        assert one.reason == f"4 lineages with derived pairs: excluding a candidate at {said}"


def test_silent_candidates_say_why(table: ScoreTable) -> None:
    pool = [Entry("a", math.nan, table, True), Entry("b", 1.0, None, True, reason="other depth")]
    found = exclude_candidates(pool, 0.5)
    assert [(one.name, one.reason) for one in found.candidates] == [("b", "other depth"), ("a", "no score")]
    for one in found.candidates:
        assert math.isnan(one.derivation_p)
        assert (one.standing, one.n_lineages, one.same_cell_only) == ("not judged", 0, False)
    assert found.answer == "cannot exclude any"
    assert str(found) == "cannot exclude any: —; not judged: b, a (confidence 0.5)"


def test_the_set_lists_who_remains_and_who_is_not_judged() -> None:
    def one(name: str, standing: Standing) -> Candidate:
        return Candidate(name, 1.0, 0.5, standing, 9, True, "")

    found = CandidateSet(
        0.9, (one("a", "remains"), one("b", "not judged"), one("c", "excluded")), "these remain"
    )
    assert (found.remaining, found.not_judged, found.excluded) == (("a",), ("b",), ("c",))
    assert str(found) == "these remain: a; not judged: b (confidence 0.9)"
    assert str(CandidateSet(0.95, (), "none of them")) == "none of them: — (confidence 0.95)"


def test_candidates_are_listed_by_their_place(table: ScoreTable) -> None:
    pool = [
        Entry("low", -9.0, table, True), Entry("silent", math.nan, None, True),
        Entry("middle", 0.2, table, True), Entry("high", 9.0, table, True),
        Entry("higher", 10.0, table, True),
    ]  # fmt: skip
    found = exclude_candidates(pool, 0.8)
    assert [one.name for one in found.candidates] == ["higher", "high", "middle", "silent", "low"]
    assert found.answer == "these remain"
    assert str(found) == "these remain: higher, high, middle; not judged: silent (confidence 0.8)"
    assert exclude_candidates([]).confidence == 0.9
    assert exclude_candidates(pool[:1], 0.8).answer == "none of them"
    assert exclude_candidates(pool[:2], 0.8).answer == "none of those judged"
    assert exclude_candidates(pool[1:], 0.8).answer == "cannot exclude any"


def test_a_high_place_comes_before_a_high_score() -> None:
    """Pairs of one shape score 1 to 5, those of two shapes a tenth of that."""
    rows = [
        (f"l{k}-{end}", f"l{k}-z", score, "derived", "c0", cell)
        for k in range(1, 6)
        for end, score, cell in (("a", float(k), "c0"), ("b", k / 10, "c1"))
    ]
    columns = ["model_b", "model_a", "score", "relation", "architecture_a", "architecture_b"]
    table = ScoreTable(pd.DataFrame(rows, columns=columns))
    found = exclude_candidates([Entry("third", 3.0, table, True), Entry("fourth", 0.4, table, False)], 0.5)
    assert [(one.name, one.n_lineages) for one in found.candidates] == [("fourth", 5), ("third", 5)]
    assert [one.derivation_p for one in found.candidates] == pytest.approx([5 / 6, 4 / 6])
