"""Score tables: what is refused, what is derived, lineages."""

from __future__ import annotations

import math
import pickle
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis import BadTable, Interval, ScoreTable, as_json
from analysis.lineages import connected_components
from analysis.table import check_table, check_tables

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
        ({"model_a": ["b", "a", "c", "b"], "model_b": ["a", "c", "d", "a"]}, "appears twice"),
        ({"model_a": ["a", "a", "c", "a"]}, "paired with itself"),
        ({"score": [0.9, np.nan, 0.8, 0.3]}, "a – c, has no score"),
        ({"score": ["high", 1, 2, 3]}, "not a number"),
        ({"relation": ["derived", "unrelated", "sibling", "independent"]}, "relation 'unrelated'"),
        ({"status": ["ok", "ok", "lost", "ok"]}, "status 'lost'"),
        ({"metric": ["m", "n", "m", "m"]}, "2 metrics (m, n)"),
        ({"architecture_a": ["X", "X", "X", "Y"]}, "two different values of architecture"),
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


LABELS = {"lineage_a": ["1", "1", "2", "1"], "lineage_b": ["1", "2", "2", "2"]}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"model_a": ["b", "a", "c", "b"], "model_b": ["a", "c", "d", "a"]},
            "pair a – b appears twice, in row 1 and row 4; each pair may appear once per metric",
        ),
        ({"model_a": ["b", "c", "d", "c"]}, "row 2: c is paired with itself; drop such rows"),
        (
            {"score": [0.9, 0.1, 0.8, np.nan]},
            "row 4, pair a – d, has no score though its status is ok; mark it abstained or failed, with a"
            " reason",
        ),
        (
            {"relation": ["derived", "unrelated", "odd", "independent"]},
            "row 2 has relation 'unrelated'; known: derived, sibling, independent, shared-init, distilled,"
            " disputed",
        ),
        ({"status": ["ok", "ok", "lost", "ok"]}, "row 3 has status 'lost'; known: ok, abstained, failed"),
        ({"metric": ["p", "n", "m", "m"]}, "3 metrics (m, n, p); pass one table per metric"),
        ({"model_a": ["b", "a", "c", None]}, "row 4 has no model_a"),
        ({"model_b": ["a", None, None, "d"]}, "row 2 has no model_b"),
        (
            {"architecture_b": ["Y", "X", "Y", "X"]},
            "model d has two different values of architecture; a model has one",
        ),
        (
            LABELS | {"lineage_b": ["1", "2", "2", "1"]},
            "model d has two different values of lineage; a model has one",
        ),
        (
            LABELS | {"lineage_b": ["1", None, "2", "2"]},
            "row 2 has no lineage; fill it or leave the column out",
        ),
        (
            {"relation": ["independent", "derived", "sibling", "derived"]} | LABELS,
            "derived pair a – c spans two lineages (1, 2); a derivation joins them into one",
        ),
    ],
)
def test_a_refusal_says_what_is_wrong_and_what_to_do(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadTable) as caught:
        ScoreTable(GOOD.assign(**change))
    assert str(caught.value) == f"score table: {sentence}"


def test_a_score_that_is_no_number_is_told_with_the_place() -> None:
    with pytest.raises(BadTable) as caught:
        ScoreTable(GOOD.assign(score=pd.Series([1, "high", 2, 3], dtype=object)))
    assert str(caught.value) == "score table: row 2 has score 'high', which is not a number"


def test_some_of_many_metrics_are_named() -> None:
    many = pd.concat([GOOD.assign(metric=f"m{k}") for k in range(6)])
    with pytest.raises(BadTable) as caught:
        ScoreTable(many)
    assert str(caught.value) == "score table: 6 metrics (m0, m1, m2, m3, m4); pass one table per metric"


def test_missing_columns_are_named() -> None:
    with pytest.raises(BadTable) as caught:
        ScoreTable(GOOD[["model_a", "model_b"]])
    assert str(caught.value) == (
        "score table: no column score, relation; it needs model_a, model_b, score, relation"
        " (labels can come from a catalog); columns found: model_a, model_b"
    )
    with pytest.raises(ValueError, match=r"^frame must be a DataFrame, not a list$"):
        ScoreTable([GOOD])  # type: ignore[arg-type]


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


def test_names_are_sorted_and_coded_small() -> None:
    frame = GOOD.assign(lineage_a=["z", "z", "k", "z"], lineage_b=["z", "k", "k", "k"])
    table = ScoreTable(frame)
    assert table.models.tolist() == ["a", "b", "c", "d"]
    assert table.lineages.tolist() == ["k", "z"]
    assert table.cells.tolist() == ["X", "Y"]
    assert table.lineage_of.tolist() == [1, 1, 0, 0]
    for codes in (table.model_a, table.lineage_b, table.cell_a, table.lineage_of, table.cell_of):
        assert codes.dtype == np.int32
    for names in (table.models, table.lineages, table.cells, table.relation):
        assert names.dtype == object
    numbered = ScoreTable(ScoreTable(GOOD).frame.assign(lineage_a=[1, 1, 1, 2], lineage_b=[1, 2, 2, 2]))
    assert (numbered.lineages.tolist(), numbered.lineages.dtype) == (["1", "2"], object)
    assert table.frame.index.tolist() == [0, 1, 2, 3]
    assert (table.model_a.tolist(), table.model_b.tolist()) == ([0, 0, 0, 2], [1, 2, 3, 3])


def test_a_cell_may_be_unknown_and_a_lineage_may_not() -> None:
    unknown = ScoreTable(
        GOOD.assign(architecture_a=["X", None, "X", None], architecture_b=[None, "X", "Y", "Y"])
    )
    assert unknown.cell_of.tolist() == [-1, 0, 0, 1]
    assert unknown.cell_pair.tolist() == [-1, -1, -1, 1]
    lineage = {"lineage_a": ["1", "1", "2", "1"], "lineage_b": ["1", "2", "2", None]}
    with pytest.raises(BadTable, match=r"score table: row 4 has no lineage; fill it or leave the column out"):
        ScoreTable(GOOD.assign(**lineage))
    with pytest.raises(BadTable, match=r"row 1 has no lineage"):
        ScoreTable(GOOD.assign(lineage_a=[None, "1", "2", "1"], lineage_b=["1", "2", "2", "2"]))


def test_contradictions_name_the_model_and_pairs_the_pair() -> None:
    with pytest.raises(BadTable, match="model a has two different values of architecture; a model has one"):
        ScoreTable(GOOD.assign(architecture_a=["X", "X", "X", "Y"]))
    with pytest.raises(BadTable, match="pair a – b appears twice"):
        ScoreTable(GOOD.assign(model_a=["b", "a", "c", "b"], model_b=["a", "c", "d", "a"]))
    with pytest.raises(BadTable, match=r"derived pair a – b spans two lineages \(2, 1\)"):
        ScoreTable(GOOD.assign(lineage_a=["1", "2", "2", "2"], lineage_b=["2", "2", "2", "2"]))
    with pytest.raises(BadTable, match="row 2 has no model_b"):
        ScoreTable(GOOD.assign(model_b=["a", None, "d", "d"]))
    with pytest.raises(
        BadTable, match="row 2 has relation 'unrelated'; known: derived, sibling, independent, "
    ):
        ScoreTable(GOOD.assign(relation=["derived", "unrelated", "sibling", "independent"]))
    with pytest.raises(BadTable, match="a is paired with itself"):
        ScoreTable(GOOD.assign(model_a=["a", "a", "c", "a"]))


def test_siblings_across_stated_lineages_contradict_themselves() -> None:
    stated = LABELS | {"lineage_b": ["1", "2", "3", "3"]}
    with pytest.raises(BadTable) as caught:
        ScoreTable(GOOD.assign(**stated))
    assert str(caught.value) == (
        "score table: sibling pair c – d spans two lineages (2, 3);"
        " siblings share a founder, which joins them into one"
    )
    for relation in ("shared-init", "distilled", "disputed"):  # each trained on its own
        assert len(
            ScoreTable(GOOD.assign(**stated, relation=[*GOOD["relation"][:2], relation, "independent"]))
        )


def test_rows_are_named_as_the_frame_names_them() -> None:
    """A file's lines stay those of the file, in whatever order the table puts its rows."""
    lines = GOOD.set_axis(pd.Index([2, 4, 5, 9], name="line"), axis=0)
    with pytest.raises(BadTable, match="line 4, pair a – c, has no score"):
        ScoreTable(lines.assign(score=[0.9, None, 0.8, 0.3]))
    with pytest.raises(BadTable, match="line 9 has no model_a"):
        ScoreTable(lines.assign(model_a=["b", "a", "c", None]))
    with pytest.raises(BadTable, match="line 5 has no lineage"):
        ScoreTable(lines.assign(lineage_a=["1", "1", None, "1"], lineage_b=["1", "2", "2", "2"]))
    with pytest.raises(BadTable, match="pair a – b appears twice, in line 2 and line 9"):
        ScoreTable(lines.assign(model_b=["a", "c", "d", "b"]))


def test_names_are_text_without_blanks_around_them() -> None:
    spaced = ScoreTable(
        GOOD.assign(model_b=["a ", "c", " d", "d"], relation=[f"{r} " for r in GOOD["relation"]])
    )
    pd.testing.assert_frame_equal(spaced.frame, ScoreTable(GOOD).frame)
    assert spaced.notes == (
        "whitespace around 5 names was stripped ('derived ', 'independent ', 'sibling ')",
    )
    assert ScoreTable(GOOD).notes == ()
    numbered = ScoreTable(GOOD.assign(model_a=[2, 1, 3, 1], model_b=["1", "3", "04", "04"]))
    assert numbered.models.tolist() == ["04", "1", "2", "3"]
    named = GOOD.replace({"a": "NA", "d": "None"})
    assert ScoreTable(named).models.tolist() == ["NA", "None", "b", "c"]


def test_names_that_differ_only_in_case_are_counted_apart_and_said() -> None:
    table = ScoreTable(GOOD.replace({"d": "B"}))
    assert table.models.tolist() == ["B", "a", "b", "c"]
    assert table.notes == ("models whose names differ only in case or form are counted apart: B and b",)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"model_a": [3.1, 3.2, 3.3, 3.2]},
            "row 1 has model_a 3.1, a float; names are text: read the file with dtype=str, or 3.1 and 3.10"
            " become one",
        ),
        ({"model_b": ["a", "c\0", "d", "d"]}, "row 2 has model_b 'c\\x00', with a NUL character"),
        (
            {"lineage_a": [True] * 4, "lineage_b": [True] * 4},
            "row 1 has lineage_a True, a bool; names are text",
        ),
        ({"metric": ["m", None, "m", None]}, "row 2 has no metric; fill it or leave the column out"),
        ({"metric": ["m", "m", " ", "m"]}, "row 3 has no metric; fill it or leave the column out"),
        ({"model_a": ["b", "a", "  ", "a"]}, "row 3 has no model_a"),
        (
            {"score": [1 + 2j, 0, 0, 0]},
            "row 1 has a complex score; scores must be real numbers",
        ),
        (
            {"score": ["1", "2", "1+2j", "3"]},
            "row 3 has score '1+2j', which is not a number; scores must be",
        ),
        (
            {"score": ["1", "0,5", "1", "3"]},
            "row 2 has score '0,5', which is not a number; use a decimal point",
        ),
        ({"score": ["1", "1_0", "1", "3"]}, "row 2 has score '1_0', which is not a number"),
        ({"score": ["1", "1e309", "1", "3"]}, "row 2 has score '1e309', too large for a double"),
        (
            {"score": ["1", "0", "1e-400", "3"]},
            "row 3 has score '1e-400', too close to 0 for a double",
        ),
        ({"score": ["1", "2", "NA", "3"]}, "row 3, pair c – d, has no score though its status is ok"),
    ],
)
def test_what_is_no_name_and_no_score_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadTable) as caught:
        ScoreTable(GOOD.assign(**change))
    assert str(caught.value).startswith(f"score table: {sentence}")
    assert "\n" not in str(caught.value)
    assert "\0" not in str(caught.value)


def test_a_column_that_stands_twice_is_refused() -> None:
    with pytest.raises(BadTable, match="column score appears twice; keep one of them"):
        ScoreTable(pd.concat([GOOD, GOOD[["score"]]], axis=1))


def test_scores_may_be_any_kind_of_number() -> None:
    wanted = [0.5, 1.0, 2.0, 0.25]
    for kind in ("float32", "Float64", "object", "string", "category"):
        table = ScoreTable(GOOD.assign(score=pd.Series([0.5, 1, 0.25, 2]).astype(kind)))
        assert sorted(table.score) == sorted(wanted)
    decimals = ScoreTable(GOOD.assign(score=[Decimal("0.5"), Decimal(1), Decimal("0.25"), Decimal(2)]))
    assert sorted(decimals.score) == sorted(wanted)
    gaps = pd.Series([0.5, None, 0.25, None], dtype="Float64")
    silent = ScoreTable(GOOD.assign(score=gaps, status=["ok", "abstained", "ok", "failed"]))
    assert silent.comparable.tolist() == [True, False, False, True]


def test_a_refusal_travels_between_processes() -> None:
    fault = pickle.loads(pickle.dumps(BadTable("no rows", "a.csv")))
    assert (str(fault), fault.told, fault.source) == ("a.csv: no rows", "no rows", "a.csv")


def test_half_a_label_is_no_label() -> None:
    """A lineage of one end only says nothing; lineages then come from the table's own pairs."""
    table = ScoreTable(GOOD.assign(lineage_a="one"))
    assert table.lineages.tolist() == ["a", "c"]
    assert ScoreTable(GOOD.drop(columns="architecture_b")).cells.tolist() == []


def test_coverage_is_the_share_with_a_score() -> None:
    table = ScoreTable(GOOD.assign(status=["ok", "failed", "ok", "abstained"]))
    assert table.coverage(table.derived) == 1.0
    assert table.coverage(table.independent) == 0.0
    assert table.coverage(np.ones(4, dtype=bool)) == 0.5
    assert math.isnan(table.coverage(np.zeros(4, dtype=bool)))


def test_facts_count_pairs_with_a_score() -> None:
    table = ScoreTable(GOOD.assign(status=["ok", "ok", "ok", "abstained"], metric="m"))
    assert table._facts() == {
        "metric": "m",
        "pairs": "3 of 4 have a score",
        "models": "4 in 2 lineages",
        "derived": 1,
        "look_alikes": 1,
        "other_independent": 0,
    }
    assert str(table) == (
        "ScoreTable(m: 4 pairs of 4 models in 2 lineages; 1 derived, 2 independent, 1 look-alikes)"
    )


def test_scores_are_doubles_and_other_columns_stay() -> None:
    table = ScoreTable(GOOD.assign(note=["w", "x", "y", "z"], method=["ft", None, "", "m"]))
    assert table.frame["note"].tolist() == ["w", "x", "z", "y"]
    assert table.frame["method"].tolist() == ["ft", "", "m", ""]
    assert table.frame["reason"].tolist() == [""] * 4
    assert (table.metric, table.frame["metric"].tolist()) == ("score", ["score"] * 4)
    other = table.with_scores(np.array([1, 2, 3, 4], dtype=np.float32))
    assert other.score.dtype == table.score.dtype == np.float64
    assert table.count_models(np.array([0, 1])) == 3
    assert ScoreTable(GOOD.assign(score=["0.5", "1", "inf", "2"])).score.tolist() == [0.5, 1.0, 2.0, math.inf]


def test_free_words_are_text_whatever_they_are_given_as() -> None:
    """Objects of several kinds and categories, with gaps; both would else reach reports as they are."""
    objects = pd.Series([3.5, None, "", "m"], dtype=object)
    categories = pd.Series(["slow", None, "wide", "slow"], dtype="category")
    found = ScoreTable(GOOD.assign(method=objects, reason=categories)).frame
    assert found["method"].tolist() == ["3.5", "", "m", ""]
    assert found["reason"].tolist() == ["slow", "", "slow", "wide"]


def test_a_table_has_its_columns_and_no_others() -> None:
    found = ScoreTable(GOOD[["model_a", "model_b", "score", "relation"]]).frame
    assert set(found.columns) == {
        *("metric", "model_a", "model_b", "score", "relation", "status", "reason", "method"),
        *("lineage_a", "lineage_b", "architecture_a", "architecture_b"),
    }


def test_an_empty_table_is_a_table() -> None:
    table = ScoreTable(GOOD[:0])
    assert (len(table), table.metric, len(table.models)) == (0, "score", 0)
    assert not table.look_alike.any()


@pytest.mark.parametrize("relation", ["derived", "sibling", "shared-init", "distilled"])
def test_what_ties_two_models_makes_them_one_lineage(relation: str) -> None:
    assert ScoreTable(GOOD.assign(relation=[relation, *["independent"] * 3])).lineages.tolist() == [
        "a",
        "c",
        "d",
    ]


@pytest.mark.parametrize("relation", ["independent", "disputed"])
def test_other_relations_tie_nothing(relation: str) -> None:
    assert ScoreTable(GOOD.assign(relation=relation)).lineages.tolist() == ["a", "b", "c", "d"]


def test_the_index_of_a_frame_does_not_matter() -> None:
    mixed = ScoreTable(GOOD.set_axis(pd.Index([7, 7, 7, 7]), axis=0)).frame
    pd.testing.assert_frame_equal(mixed, ScoreTable(GOOD).frame)
    assert ScoreTable(GOOD.assign(score=[1, 2, 3, 4])).frame["score"].dtype == np.float64


def test_negatives_are_those_asked_for() -> None:
    table = ScoreTable(GOOD)
    np.testing.assert_array_equal(table.negatives("independent"), table.independent)
    np.testing.assert_array_equal(table.negatives("look-alike"), table.look_alike)
    assert table.independent.sum() > table.look_alike.sum() > 0


def test_tables_of_a_family_are_checked_by_name() -> None:
    table = ScoreTable(GOOD)
    assert check_table(table) is table
    assert check_tables([table]) == (table,)
    with pytest.raises(
        ValueError, match=r"^table must be a ScoreTable \(analysis.ScoreTable\(frame\) makes one\)"
    ):
        check_table(GOOD)
    with pytest.raises(ValueError, match=r"^a must be a ScoreTable"):
        check_table(GOOD, "a")
    with pytest.raises(
        ValueError, match=r"^tables\[1\] must be a ScoreTable \(analysis.ScoreTable\(frame\) makes one\)"
    ):
        check_tables([table, GOOD])
    with pytest.raises(ValueError, match=r"^family must hold one table per metric; 'score' appears twice"):
        check_tables([table, table], "family")
