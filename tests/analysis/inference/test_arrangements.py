"""Every way in which derived pairs could lie, counted and walked once more by brute force."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from cell_families import families

from analysis.inference.arrangements import MANY, Arrangements
from analysis.table import ScoreTable
from studies.simulation.designs import Design

Ends = Iterable[int]


def arrangements(table: ScoreTable) -> Arrangements:
    rows = np.flatnonzero(table.derived)
    rows = rows[np.argsort(table.lineage_a[rows], kind="stable")]
    ends = table.model_a[rows].astype(np.intp), table.model_b[rows].astype(np.intp)
    return Arrangements(table.cell_of.astype(np.intp), *ends, table.lineage_a[rows].astype(np.intp))


def named(lineage: list[int], a: Ends, b: Ends) -> frozenset[frozenset[frozenset[int]]]:
    """The lineages of one arrangement as sets of pairs: what makes two arrangements the same."""
    groups: dict[int, set[frozenset[int]]] = {}
    for g, i, j in zip(lineage, a, b, strict=True):
        groups.setdefault(g, set()).add(frozenset((int(i), int(j))))
    return frozenset(map(frozenset, groups.values()))


def everything(found: Arrangements) -> set[frozenset[frozenset[frozenset[int]]]]:
    """Every arrangement, from every permutation of the models inside every cell."""
    members = [np.flatnonzero(found.cell == cell).tolist() for cell in np.unique(found.cell)]
    every = set()
    for orders in itertools.product(*(itertools.permutations(group) for group in members)):
        to = dict(zip(itertools.chain(*members), itertools.chain(*orders), strict=True))
        every.add(
            named(
                found.lineage.tolist(), [to[i] for i in found.a.tolist()], [to[j] for j in found.b.tolist()]
            )
        )
    return every


def of(cell: list[int], *lineages: list[tuple[int, int]]) -> Arrangements:
    """Arrangements from the derived pairs of each lineage."""
    pairs = np.array(list(itertools.chain(*lineages)), dtype=np.intp)
    lineage = np.repeat(np.arange(len(lineages)), [len(own) for own in lineages])
    return Arrangements(np.array(cell, dtype=np.intp), pairs[:, 0], pairs[:, 1], lineage)


CLIQUES = {
    "pairs": arrangements(families({"x": (2, 2, 1)}, lambda a, b, same: 0.0)),
    "two cells": arrangements(families({"x": (2, 1), "y": (2, 2)}, lambda a, b, same: 0.0)),
    "three and two": arrangements(families({"x": (3, 2)}, lambda a, b, same: 0.0)),
    "a cell without derived pairs comes first": of([0, 0, 1, 1, 1, 1], [(2, 3)]),
    "a lineage in two cells": of([0, 0, 0, 1, 1, 1], [(0, 3)]),
    "two lineages in two cells": of([0, 0, 0, 1, 1, 1], [(0, 3)], [(1, 4)]),
    "unlike shares of two cells": of([0, 0, 0, 0, 1, 1, 1], [(0, 1), (0, 4), (1, 4)], [(2, 5)]),
    "equal shares of one cell, unlike ones of another": of([0, 0, 0, 0, 1, 1], [(0, 1)], [(2, 4)]),
}
OTHERS = {
    "chain": of([0, 0, 0, 0, 0], [(0, 1), (1, 2)], [(3, 4)]),
    "star of four": of([0, 0, 0, 0, 0], [(0, 1), (0, 2), (0, 3)]),
    "two families of one lineage": of([0, 0, 0, 0, 0, 0], [(0, 1), (2, 3)], [(4, 5)]),
    "ends in falling order": of([0, 0, 0, 1, 1], [(4, 0), (1, 4), (1, 0)], [(3, 2)]),
    "stars in falling order": of([0, 0, 0, 0, 0, 1], [(5, 4), (4, 3), (3, 5)], [(2, 1), (2, 0)]),
}


@pytest.mark.parametrize("found", [*CLIQUES.values(), *OTHERS.values()], ids=[*CLIQUES, *OTHERS])
def test_every_arrangement_is_walked_once(found: Arrangements) -> None:
    every = everything(found)
    drawn = found.enumerate(len(every))
    assert drawn is not None
    a, b = drawn
    assert (a[0].tolist(), b[0].tolist()) == (found.a.tolist(), found.b.tolist())
    assert {named(found.lineage.tolist(), *row) for row in zip(a, b, strict=True)} == every
    assert len(a) == len(b) == len(every)
    assert found.enumerate(len(every) - 1) is None
    assert 1 <= found.at_least <= len(every)


@pytest.mark.parametrize("found", CLIQUES.values(), ids=list(CLIQUES))
def test_where_all_pairs_of_a_family_are_derived_the_lower_bound_is_the_count(found: Arrangements) -> None:
    assert found.at_least == len(everything(found))


def test_the_numbers_of_the_lineages_do_not_matter() -> None:
    found = of([0, 0, 0, 0, 0, 0], [(0, 1)], [(2, 3)], [(4, 5)])
    expected = found.enumerate(1_000)
    other = replace(found, lineage=2 * found.lineage + 1).enumerate(1_000)
    assert expected is not None
    assert other is not None
    assert [ends.tolist() for ends in other] == [ends.tolist() for ends in expected]


def test_labels_that_cannot_move_have_one_arrangement() -> None:
    found = of([0, 1, 2, 2], [(0, 1)])
    assert found.at_least == 1
    drawn = found.enumerate(1)
    assert drawn is not None
    assert [ends.tolist() for ends in drawn] == [[[0]], [[1]]]
    assert [(a.tolist(), b.tolist()) for a, b in found.draw(2, np.random.default_rng(0))] == [
        ([[0], [0]], [[1], [1]])
    ]


def test_the_lower_bound_is_capped() -> None:
    assert MANY == 10**15
    assert arrangements(Design("d", (4,) * 20).labels).at_least == 10**15
    # Seventeen pairs of thirty-four models of one cell: 33!! ways, more than the cap; thirteen are below.
    for n in (13, 17):
        pairs = [[(2 * i, 2 * i + 1)] for i in range(n)]
        ways = math.prod(range(1, 2 * n, 2))
        assert of([0] * (2 * n), *pairs).at_least == min(ways, 10**15)


def test_the_lower_bound_counts_cells_apart_and_lineages_of_equal_shares_once() -> None:
    # Two cells, two models of each lineage in each: 6 ways a cell, two orders of the lineages.
    cell = np.array([0, 0, 1, 1, 0, 0, 1, 1, 2])
    found = Arrangements(
        cell, np.array([0, 1, 2, 4, 5, 6]), np.array([1, 2, 3, 5, 6, 7]), np.repeat([0, 1], 3)
    )
    assert found.at_least == 6 * 6 // 2


def test_draws_come_in_blocks_and_stay_inside_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.inference.arrangements.BLOCK", 50)
    table = families({"x": (2, 1), "y": (2, 2), "z": (1,)}, lambda a, b, same: 0.0)
    found = arrangements(table)
    blocks = list(found.draw(6_002, np.random.default_rng(0)))
    assert [len(a) for a, _ in blocks] == [50 // 8] * (6_002 // 6) + [6_002 % 6]
    a, b = (np.concatenate(ends) for ends in zip(*blocks, strict=True))
    assert (found.cell[a] == found.cell[found.a]).all()
    assert (found.cell[b] == found.cell[found.b]).all()
    pairs = np.sort(np.stack([a[:, 0], b[:, 0]]), axis=0)
    counts = np.unique(pairs, axis=1, return_counts=True)[1]
    assert len(counts) == 3
    assert (np.abs(counts - 6_002 / 3) < 5 * math.sqrt(6_002 * 2 / 9)).all()


def test_a_block_is_as_wide_as_the_models_or_the_derived_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    clique = list(itertools.combinations(range(5), 2))
    found = of([0] * 6, clique)
    for block, sizes in ((30, [3, 3, 1]), (3, [1] * 7), (70, [7])):
        monkeypatch.setattr("analysis.inference.arrangements.BLOCK", block)
        assert [len(a) for a, _ in found.draw(7, np.random.default_rng(0))] == sizes


def test_models_of_cells_without_derived_pairs_do_not_change_what_is_drawn() -> None:
    """Nor do cells of one model, whose number comes before or after."""
    ends = [(0, 1), (1, 2)]
    alone, among = of([1, 1, 1, 1], ends), of([1, 1, 1, 1, 0, 0, 0, 2, 2, 3], ends)
    (one,), (other,) = (found.draw(50, np.random.default_rng(3)) for found in (alone, among))
    assert [ends.tolist() for ends in one] == [ends.tolist() for ends in other]
