"""Score tables: what is refused, what is derived, lineages."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from analysis import BadTable, Interval, ScoreTable, as_json
from analysis.lineages import connected_components

GOOD = pd.DataFrame(
    {
        "model_a": ["b", "a", "c", "a"],
        "model_b": ["a", "c", "d", "d"],
        "score": [0.9, 0.1, 0.8, 0.3],
        "relation": ["derived", "independent", "sibling", "independent"],
        "architecture_a": ["X", "Y", "X", "Y"],
        "architecture_b": ["Y", "X", "Y", "Y"],
    }
)


def test_pairs_are_ordered_and_labels_with_them() -> None:
    table = ScoreTable(GOOD)
    assert list(zip(table.frame["model_a"], table.frame["model_b"], strict=True)) == [
        ("a", "b"), ("a", "c"), ("a", "d"), ("c", "d"),
    ]  # fmt: skip
    np.testing.assert_array_equal(table.score, [0.9, 0.1, 0.3, 0.8])
    assert [str(table.cells[c]) for c in table.cell_of] == ["Y", "X", "X", "Y"]
    assert [str(table.lineages[g]) for g in table.lineage_of] == ["a", "a", "c", "c"]
    np.testing.assert_array_equal(table.look_alike, [False, True, False, False])  # X × Y, as a – b
    assert "2 lineages" in repr(table)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_a": ["b", "a", "c", "b"], "model_b": ["a", "c", "d", "a"]}, "stands twice"),
        ({"model_a": ["a", "a", "c", "a"]}, "paired with itself"),
        ({"score": [0.9, np.nan, 0.8, 0.3]}, "a – c has no score"),
        ({"score": ["high", 1, 2, 3]}, "no number"),
        ({"relation": ["derived", "unrelated", "sibling", "independent"]}, "relation 'unrelated'"),
        ({"status": ["ok", "ok", "lost", "ok"]}, "status 'lost'"),
        ({"metric": ["m", "n", "m", "m"]}, "2 metrics (m, n)"),
        ({"architecture_a": ["X", "X", "X", "Y"]}, "two values of architecture"),
        ({"lineage_a": ["1", "2", "2", "2"], "lineage_b": ["2", "2", "2", "2"]}, "two lineages"),
        ({"lineage_a": ["1", "1", None, "1"], "lineage_b": ["1", "2", "2", "2"]}, "no lineage"),
        ({"model_b": ["a", None, "d", "d"]}, "has no model_b"),
    ],
)
def test_bad_tables_are_refused_in_one_line(change: dict[str, list[object]], words: str) -> None:
    with pytest.raises(BadTable) as caught:
        ScoreTable(GOOD.drop(columns=["architecture_a", "architecture_b"]).assign(**change)
                   if "lineage_a" in change else GOOD.assign(**change))  # fmt: skip
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_columns_are_named() -> None:
    with pytest.raises(BadTable, match="no column score, relation"):
        ScoreTable(GOOD[["model_a", "model_b"]])


def test_new_scores_keep_labels_and_abstentions() -> None:
    table = ScoreTable(GOOD.assign(status=["ok", "ok", "ok", "abstained"]))
    other = table.with_scores([1.0, 2.0, 9.0, 3.0])
    np.testing.assert_array_equal(other.score, [1.0, 2.0, np.nan, 3.0])
    np.testing.assert_array_equal(other.frame["score"], other.score)
    np.testing.assert_array_equal(table.score, [0.9, 0.1, np.nan, 0.8])
    with pytest.raises(BadTable, match=r"\(3,\) scores for 4 pairs"):
        table.with_scores([1.0, 2.0, 3.0])
    with pytest.raises(BadTable, match="given the score NaN"):
        table.with_scores([np.nan, 2.0, 9.0, 3.0])


def test_lineages_are_connected_components_named_by_their_first_member() -> None:
    found = connected_components("abcdef", [("b", "a"), ("e", "d"), ("d", "b")])
    assert found == {"a": "a", "b": "a", "c": "c", "d": "a", "e": "a", "f": "f"}
    assert connected_components("dcba", [("a", "c"), ("b", "d")]) == {"a": "c", "b": "d", "c": "c", "d": "d"}
    with pytest.raises(ValueError, match="'z' is not among the models"):
        connected_components("ab", [("a", "z")])


def test_results_become_plain_json() -> None:
    found = as_json({"i": Interval(0.5, math.nan, np.inf, 0.95, "m"), "x": np.array([1, 2]), 3: (True, None)})
    assert found["i"]["low"] is None
    assert found["i"]["high"] == "inf"
    assert found["i"]["warnings"] == []
    assert found["x"] == [1, 2]
    assert found["3"] == [True, None]
