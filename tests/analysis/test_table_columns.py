"""Columns of a score table: what is taken for a name or a number, and what an error says of the rest."""

from __future__ import annotations

import copy
import math
import pickle
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from analysis.table_columns import BadTable, columns_found, labelled, names_as_text, real_numbers


def column(*values: object) -> tuple[pd.Series, pd.Index]:
    frame = pd.DataFrame({"score": pd.Series(values, dtype=object)})
    return frame["score"], labelled(frame)


def refused(value: object) -> str:
    with pytest.raises(BadTable) as caught:
        real_numbers(*column(1.0, value))
    said = caught.value.told
    assert said.startswith("row 2 has score ")
    return said.partition(", ")[2] if "," not in str(value) else said.rpartition("', ")[2]


def test_rows_are_counted_from_one_unless_the_index_says_where_they_stand() -> None:
    frame = pd.DataFrame({"score": [1, 2, 3]})
    assert labelled(frame).tolist() == [1, 2, 3]
    assert labelled(frame).name == "row"
    lines = pd.Index([4, 6, 9], name="line")
    assert labelled(frame.set_axis(lines)) is not None
    assert labelled(frame.set_axis(lines)).tolist() == [4, 6, 9]
    assert labelled(frame.set_axis(pd.Index([4, 6, 9], name="other"))).tolist() == [1, 2, 3]


def test_an_error_survives_its_way_between_processes() -> None:
    error = BadTable("row 3 has none", "scores.csv")
    for same in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (str(same), same.told, same.source) == ("scores.csv: row 3 has none", error.told, error.source)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ([], "columns found: none"),
        (["a", 1], "columns found: a, 1"),
        ([str(n) for n in range(12)], "columns found: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11"),
        ([str(n) for n in range(14)], "columns found: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more"),
        (["a\tb"], "columns found: a\\tb"),
        (["x" * 60], f"columns found: {'x' * 60}"),
        (["x" * 61], f"columns found: {'x' * 60}…"),
    ],
)
def test_columns_that_there_are(columns: list[object], said: str) -> None:
    assert columns_found(columns) == said


@pytest.mark.parametrize(
    ("names", "note"),
    [
        ([" a", "b"], "whitespace around 1 name was stripped (' a')"),
        ([" a", "b "], "whitespace around 2 names was stripped (' a', 'b ')"),
        ([" a", "b ", " c", " d"], "whitespace around 4 names was stripped (' a', 'b ', ' c')"),
    ],
)
def test_blanks_around_names_are_taken_off_and_told(names: list[str], note: str) -> None:
    frame = pd.DataFrame({"model_a": [*names, "", None]})
    found, notes = names_as_text(frame, ["model_a", "model_b"], labelled(frame))
    assert notes == (note,)
    assert found["model_a"].dropna().tolist() == [name.strip() for name in names]
    assert found["model_a"].isna().tolist() == [*(False for _ in names), True, True]


@pytest.mark.parametrize("dtype", [None, "string", object])
def test_text_comes_out_alike_however_pandas_holds_it(dtype: str | type | None) -> None:
    frame = pd.DataFrame({"model_a": pd.Series(["a", None], dtype=dtype)})
    found, notes = names_as_text(frame, ["model_b", "model_a"], labelled(frame))
    assert notes == ()
    assert found["model_a"].dtype == pd.Series(["a", "b"]).dtype
    assert found["model_a"].isna().tolist() == [False, True]
    nothing = frame.iloc[1:]
    assert names_as_text(nothing, ["model_a"], labelled(nothing))[0]["model_a"].tolist() == [None]


def test_unusual_characters_that_hide_nothing_stand_in_names() -> None:
    frame = pd.DataFrame({"model_a": ["a\N{NO-BREAK SPACE}b", "\ue000"]})
    found, notes = names_as_text(frame, ["model_a"], labelled(frame))
    assert (found["model_a"].tolist(), notes) == (frame["model_a"].tolist(), ())


def test_whole_numbers_are_names_and_others_are_not() -> None:
    frame = pd.DataFrame({"model_a": pd.Series([7, np.int64(8), "007"], dtype=object)})
    assert names_as_text(frame, ["model_a"], labelled(frame))[0]["model_a"].tolist() == ["7", "8", "007"]
    for value, fault in ((3.1, "a float; names are text"), (True, "a bool; names"), ("a\0", "with a NUL")):
        frame = pd.DataFrame({"model_a": pd.Series(["x", value], dtype=object)})
        with pytest.raises(BadTable, match=f"row 2 has model_a .*, {fault}"):
            names_as_text(frame, ["model_a"], labelled(frame))
    halves = pd.DataFrame({"model_a": pd.Series([1.5], dtype="Float32")})
    with pytest.raises(BadTable, match=r"row 1 has model_a 1\.5, a float; names are text"):
        names_as_text(halves, ["model_a"], labelled(halves))


def test_numbers_however_they_are_written() -> None:
    values, places = column(
        "1.5", " 2 ", 3, Decimal("4.25"), "NaN", "n/a", None, pd.NA, "-inf", "0", "0e5", "-0.0"
    )
    found = real_numbers(values, places)
    np.testing.assert_array_equal(found, [1.5, 2, 3, 4.25, *[math.nan] * 4, -math.inf, 0, 0, 0])
    whole = pd.Series([1, pd.NA, 3], dtype="Int64")
    np.testing.assert_array_equal(real_numbers(whole, labelled(whole.to_frame())), [1, math.nan, 3])
    halves = pd.Series([0.5, 1], dtype="float32")
    assert real_numbers(halves, labelled(halves.to_frame())).dtype == np.float64


@pytest.mark.parametrize("text", ["1,5", "-1,5", "+0,25", "1.234,5"])
def test_a_decimal_comma_gets_a_hint(text: str) -> None:
    assert refused(text) == "which is not a number; use a decimal point"


@pytest.mark.parametrize("text", ["1,2,3", "high", "1.2.3", "1,5-", "X1,5", "1.2.3,4", "a,b", ",", "1_000"])
def test_other_text_gets_none(text: str) -> None:
    assert refused(text) == "which is not a number"


def test_numbers_without_an_order_and_beyond_a_double() -> None:
    assert refused(1 + 2j) == "a complex number; scores must be real numbers"
    for text in ("1+2j", "3i"):
        assert refused(text) == "which is not a number; scores must be real numbers"
    for value in ("1e400", 10**400):
        assert refused(value) == "too large for a double (at most 1.8e308)"
    for text in ("1e-400", "0.3E-400", "9e-999"):
        assert refused(text) == "too close to 0 for a double (at least 5e-324)"
    assert refused(["1"]) == "which is not a number"


def test_a_long_or_unprintable_score_is_shown_short() -> None:
    with pytest.raises(BadTable) as caught:
        real_numbers(*column("x" * 100))
    assert caught.value.told == f"row 1 has score '{'x' * 59}…, which is not a number"
    values = pd.Series([1j])
    with pytest.raises(BadTable, match="complex score"):
        real_numbers(values, labelled(values.to_frame()))
