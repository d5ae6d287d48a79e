"""The writer of JSON against the standard library, byte for byte."""

from __future__ import annotations

import json
import math
from enum import StrEnum

import pytest
from hypothesis import given, strategies as st

from benchmark.session.json_text import json_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner) | st.just([]) | st.just({})
    ),
)


class Word(StrEnum):
    ONE = "line\nbreak"


class Own(dict[str, object]):
    pass


def by_the_standard_library(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)


@given(VALUES)
def test_the_same_text(value):
    assert json_text(value) == by_the_standard_library(value)


@pytest.mark.parametrize(
    "value",
    [
        {"a": Word.ONE, Word.ONE: [Word.ONE]},
        [{"deep": Own(a=[1, {"b": "x\ny"}])}],
        {'\x1f\u2028\ud83d\ude00é"\\': [1e308, -0.0, 5e-324, 10**30, True]},
    ],
)
def test_types_that_derive_from_plain_ones(value):
    assert json_text(value) == by_the_standard_library(value)


@pytest.mark.parametrize("value", [math.nan, [math.inf], {"a": (-math.inf,)}])
def test_numbers_that_json_does_not_have(value):
    with pytest.raises(ValueError, match="JSON cannot represent"):
        json_text(value)


@pytest.mark.parametrize("value", [object(), {1: 2}, [b"bytes"], {"a": {1, 2}}])
def test_what_is_no_json(value):
    with pytest.raises(TypeError):
        json_text(value)
