"""Look-alikes: independent pairs in the cells of a derived pair, and never by an unknown cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis import ScoreTable, look_alike_pairs
from analysis.look_alikes import cell_pairs

UNKNOWN = [None, np.nan, pd.NA]


def test_the_order_of_the_two_cells_does_not_matter() -> None:
    relation = ["derived", "independent", "independent", "independent"]
    found = look_alike_pairs(relation, ["x", "x", "y", "x"], ["y", "y", "x", "x"])
    np.testing.assert_array_equal(found, [False, True, True, False])


@pytest.mark.parametrize("relation", ["sibling", "shared-init", "distilled", "disputed"])
def test_only_derived_pairs_make_look_alikes_and_only_independent_pairs_are_some(relation: str) -> None:
    assert not look_alike_pairs([relation, "independent"], ["x", "x"], ["x", "x"]).any()
    assert not look_alike_pairs(["derived", relation], ["x", "x"], ["x", "x"]).any()
    assert look_alike_pairs(["derived", relation, "independent"], ["x"] * 3, ["x"] * 3).tolist() == [
        False, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize("unknown", UNKNOWN)
def test_an_unknown_cell_makes_no_look_alike_and_is_none(unknown: object) -> None:
    """A derived pair of unknown cells would otherwise make every unknown pair its look-alike."""
    relation = ["derived", "derived", "independent", "independent", "independent"]
    first = pd.Series([unknown, "x", unknown, "x", unknown], dtype=object)
    second = pd.Series([unknown, unknown, unknown, unknown, "x"], dtype=object)
    assert not look_alike_pairs(relation, first, second).any()
    # In a plain list too, of which numpy would make text: NaN is not a cell named "nan".
    assert not look_alike_pairs(relation, list(first), list(second)).any()


def test_codes_and_names_agree() -> None:
    rng = np.random.default_rng(0)
    names = np.array(["a", "b", "c", None], dtype=object)
    code = rng.integers(0, 4, (2, 300))
    relation = rng.choice(np.array(["derived", "independent", "sibling"]), 300, p=[0.02, 0.7, 0.28])
    known = np.where(code == 3, -1, code)
    by_name = look_alike_pairs(relation, *names[code])
    np.testing.assert_array_equal(look_alike_pairs(relation, *known), by_name)
    np.testing.assert_array_equal(
        look_alike_pairs(pd.Series(relation), *map(pd.Series, names[code])), by_name
    )
    np.testing.assert_array_equal(np.argsort(cell_pairs(*known), kind="stable"),
                                  np.argsort(cell_pairs(*names[code]), kind="stable"))  # fmt: skip
    assert 0 < by_name.sum() < (relation == "independent").sum()


def test_pairs_of_cells_are_numbered_in_the_order_of_their_names() -> None:
    found = cell_pairs(["b", "a", "c", "c", None, "a"], ["a", "a", "c", "b", "a", np.nan])
    np.testing.assert_array_equal(found, [1, 0, 8, 5, -1, -1])
    assert found.dtype == np.int64
    code = np.array([0, 2], dtype=np.int8), np.array([1, 2], dtype=np.int32)
    assert cell_pairs(*code).dtype == np.int64
    np.testing.assert_array_equal(cell_pairs(*code), [1, 8])
    many = np.full(2, 100_000, dtype=np.int32)
    assert cell_pairs(many, many).tolist() == [100_000 * 100_001 + 100_000] * 2


def test_numbers_name_cells_where_the_other_end_has_an_unknown_one() -> None:
    some = np.array([1, None, 1], dtype=object)
    np.testing.assert_array_equal(cell_pairs([0, 1, 1], some), [1, -1, 3])
    np.testing.assert_array_equal(cell_pairs(some, [0, 1, 1]), [1, -1, 3])


def test_a_score_table_has_the_same_look_alikes() -> None:
    rng = np.random.default_rng(1)
    models = [f"m{k:02d}" for k in range(24)]
    cell = dict(zip(models, rng.choice(np.array(["x", "y", "z", None], dtype=object), 24), strict=True))
    rows = [
        (a, b, 0.0, "derived" if i // 2 == j // 2 else "independent", cell[a], cell[b])
        for i, a in enumerate(models)
        for j, b in enumerate(models)
        if i < j
    ]
    columns = ["model_a", "model_b", "score", "relation", "architecture_a", "architecture_b"]
    table = ScoreTable(pd.DataFrame(rows, columns=columns))
    frame = table.frame
    expected = look_alike_pairs(frame["relation"], frame["architecture_a"], frame["architecture_b"])
    np.testing.assert_array_equal(table.look_alike, expected)
    assert 0 < expected.sum() < table.independent.sum()


def test_nothing_is_no_look_alike() -> None:
    assert look_alike_pairs([], [], []).tolist() == []
    assert look_alike_pairs(["independent"], ["x"], ["x"]).tolist() == [False]


@pytest.mark.parametrize(
    ("relation", "cell_a", "cell_b"),
    [
        (["derived"], ["x", "x"], ["x", "x"]),
        (["derived"], ["x"], ["x", "y"]),
        (["derived"], [["x"]], [["x"]]),
    ],
)
def test_what_does_not_fit_together_is_refused(relation: list[str], cell_a: object, cell_b: object) -> None:
    with pytest.raises(ValueError, match="shape"):
        look_alike_pairs(relation, cell_a, cell_b)  # type: ignore[arg-type]
