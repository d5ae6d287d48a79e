"""Typed values and JSON: what is written reads back as it was, and nothing else is read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import pytest

from analysis import as_json
from benchmark.results.codec import SchemaMismatch, from_json


@dataclass(frozen=True)
class Inner:
    """A value inside another."""

    number: float
    count: int


@dataclass(frozen=True, eq=False)
class Outer:
    """One field of every kind that a file may hold."""

    flag: bool
    name: str
    kind: Literal["a", "b"]
    maybe: float | None
    each: tuple[Inner, ...]
    pair: tuple[str, int]
    named: Mapping[str, Inner]
    line: npt.NDArray[np.float64]
    anything: object


VALUE = Outer(
    flag=True,
    name="x",
    kind="a",
    maybe=None,
    each=(Inner(math.nan, 1), Inner(math.inf, 2)),
    pair=("y", 3),
    named={"z": Inner(-math.inf, 4)},
    line=np.array([0.0, math.nan, math.inf]),
    anything={"free": [1, None]},
)


def plain() -> dict[str, object]:
    made: dict[str, object] = json.loads(json.dumps(as_json(VALUE), allow_nan=False))
    return made


def test_what_is_written_reads_back() -> None:
    found = from_json(Outer, plain())
    assert as_json(found) == plain()
    assert math.isnan(found.each[0].number)
    assert found.each[1].number == math.inf
    assert found.line.dtype == np.float64
    assert math.isnan(found.line[1])
    assert found.pair == ("y", 3)
    assert found.maybe is None


def test_an_array_is_read_by_whatever_name_its_type_has() -> None:
    """As numpy 2.5 names it, whichever is installed."""

    @dataclass(frozen=True)
    class Alias:
        __value__: object

    named = cast("type[npt.NDArray[np.float64]]", Alias(np.ndarray[tuple[int], np.dtype[np.float64]]))
    assert from_json(named, [0.5, "inf"]).tolist() == [0.5, math.inf]


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("flag",), 1, "top.flag: 1, expected true or false"),
        (("name",), None, "top.name: None, expected text"),
        (("kind",), "c", "top.kind: 'c', expected 'a' or 'b'"),
        (("maybe",), "high", "top.maybe: 'high', expected a number"),
        (("each",), {}, r"top.each: {}, expected a list"),
        (("each", 1, "number"), True, r"top.each[1].number: True, expected a number"),
        (("each", 0, "count"), 1.5, r"top.each[0].count: 1.5, expected a whole number"),
        (("pair",), ["y"], "top.pair: ['y'], expected a list of 2"),
        (("named", "z"), [], "top.named['z']: [], expected an object"),
        (("line", 1), "x", "top.line[1]: 'x', expected a number"),
    ],
)
def test_other_types_are_refused_with_their_place(place: tuple[str | int, ...], value, said: str) -> None:
    told = plain()
    inner = told
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    with pytest.raises(SchemaMismatch) as error:
        from_json(Outer, told, "top")
    assert str(error.value) == said


def test_missing_and_unknown_keys_are_named() -> None:
    missing, more = plain(), plain()
    del missing["each"][0]["count"]
    more["colour"] = "red"
    with pytest.raises(SchemaMismatch, match=r"top.each\[0\]: no key count"):
        from_json(Outer, missing, "top")
    with pytest.raises(SchemaMismatch, match="top: unknown key colour"):
        from_json(Outer, more, "top")


def test_a_type_that_no_file_can_hold_is_a_fault_of_the_program() -> None:
    with pytest.raises(TypeError, match="cannot be stored in a run"):
        from_json(set, [])
