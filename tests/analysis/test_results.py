"""The values that procedures answer with: how they compare, print, and turn into JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pytest

from analysis.results import Interval, Result, as_json
from analysis.validation import BadArgument

NAN = math.nan


@dataclass(frozen=True, eq=False)
class Held(Result):
    """A result that holds anything."""

    value: object
    note: str = field(default="", compare=False)


class Other(Held):
    """Another result of the same fields."""


class Score(float):
    """A number of a type of its own."""


def same(one: object, other: object) -> bool:
    return Held(one) == Held(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (NAN, NAN),
        (np.array([1.0, NAN]), np.array([1.0, NAN])),
        ({"a": NAN, "b": np.zeros(2)}, {"b": np.zeros(2), "a": NAN}),
        ({"a": {"b": NAN}}, {"a": {"b": NAN}}),
        (Held(np.zeros(2)), Held(np.zeros(2))),
        ((1, "a"), (1, "a")),
        ((1.0, [float("nan"), (NAN,)]), (1.0, [NAN, (float("nan"),)])),
        ([np.zeros(2)], [np.zeros(2)]),
        (None, None),
    ],
)
def test_results_of_equal_values_are_equal(one: object, other: object) -> None:
    assert same(one, other)
    assert same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1.0, 2.0),
        (NAN, 1.0),
        (NAN, None),
        (NAN, "nan"),
        (np.array([1.0, NAN]), np.array([NAN, 1.0])),
        (np.zeros(2), np.zeros(3)),
        (np.ones(1), 1.0),
        (np.zeros(2), [0.0, 0.0]),
        (np.zeros(2), None),
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": 1, "b": 3}, {"a": 1, "b": 2}),
        ({"a": 1}, [("a", 1)]),
        ((1.0, NAN), (1.0, 2.0)),
        ((1.0, 2.0), (1.0,)),
        ((1.0,), [1.0]),
        (Held(np.zeros(2)), Held(np.ones(2))),
    ],
)
def test_results_of_other_values_are_not_equal(one: object, other: object) -> None:
    assert not same(one, other)
    assert not same(other, one)


def test_every_field_that_compares_must_agree_and_the_class_as_well() -> None:
    @dataclass(frozen=True, eq=False)
    class Two(Result):
        first: float
        second: npt.NDArray[np.float64]

    ones = np.ones(2)
    assert Two(NAN, ones) == Two(NAN, ones.copy())
    assert Two(1.0, ones) != Two(1.0, 2 * ones)
    assert Two(1.0, ones) != Two(2.0, ones)
    assert Held(1, "a note") == Held(1, "another")
    assert Held(1) != Other(1)
    assert Held(1) != 1


def test_what_is_equal_has_one_hash() -> None:
    undefined = [Interval(value, value, value, 0.95, "any") for value in (NAN, float("nan"))]
    assert len({*undefined, *(Held((one, 1.0)) for one in undefined)}) == 2
    assert len({Held((NAN, (NAN,))), Held((float("nan"), (float("nan"),)))}) == 1
    assert len({Held(1.0), Held(2.0), Other(1.0)}) == 3
    assert hash(Held(1, "a note")) == hash(Held(1, "another"))


INTERVAL = Interval(0.92308, 0.8101, 0.96882, 0.95, "jackknife", 1234, 71, 36)


def test_an_undefined_interval_has_no_numbers_but_its_reason_and_counts() -> None:
    found = Interval.undefined("why", level=0.9, method="m", n_pairs=1, n_models=2, n_lineages=3)
    assert math.isnan(found.estimate)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert (found.level, found.method, found.reason, found.warnings) == (0.9, "m", "why", ())
    assert (found.n_pairs, found.n_models, found.n_lineages) == (1, 2, 3)
    assert not found.defined
    assert str(found) == "undefined (why)"
    bare = Interval.undefined("why", level=0.9, method="m")
    assert (bare.n_pairs, bare.n_models, bare.n_lineages) == (0, 0, 0)


def test_an_interval_prints_its_ends_level_method_and_what_it_rests_on() -> None:
    assert INTERVAL.defined
    assert str(INTERVAL) == "0.9231 [0.8101, 0.9688] (95%, jackknife; 36 lineages, 1,234 pairs)"
    singular = replace(INTERVAL, n_lineages=1, n_pairs=1, warnings=("few",), level=0.995)
    assert str(singular) == "0.9231 [0.8101, 0.9688] (99.5%, jackknife; 1 lineage, 1 pair, 1 warning)"
    plural = replace(INTERVAL, n_lineages=2, n_pairs=2, warnings=("few", "odd"))
    assert str(plural).endswith("; 2 lineages, 2 pairs, 2 warnings)")
    assert str(replace(INTERVAL, n_lineages=0, n_pairs=0)) == "0.9231 [0.8101, 0.9688] (95%, jackknife)"
    assert str(replace(INTERVAL, method="")) == "0.9231 [0.8101, 0.9688] (95%, 36 lineages, 1,234 pairs)"


def test_an_estimate_without_ends_says_why() -> None:
    open_ended = replace(INTERVAL, low=NAN, high=NAN, reason="one lineage")
    assert str(open_ended) == "0.9231 (95%, jackknife; 36 lineages, 1,234 pairs, no ends: one lineage)"


def test_in_one_cell_an_interval_is_its_numbers_or_a_dash_with_the_reason() -> None:
    held = [INTERVAL, Interval.undefined("why", level=0.9, method="m"), replace(INTERVAL, estimate=NAN)]
    assert str(Held(held)) == "Held: value 0.9231 [0.8101, 0.9688], — (why), —; note "


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (NAN, None),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (np.float64(NAN), None),
        (Score(0.25), Score(0.25)),
        (Score(math.inf), "inf"),
        (0.25, 0.25),
        (np.float64(0.25), 0.25),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (True, True),
        (None, None),
        ("text", "text"),
        ((1, [2.0, ("a",)]), [1, [2.0, ["a"]]]),
        (np.array([[1.0, NAN], [math.inf, 2.0]]), [[1.0, None], ["inf", 2.0]]),
        (np.array(["a", None], dtype=object), ["a", None]),
        ({1: NAN, "b": {"c": (math.inf,)}}, {"1": None, "b": {"c": ["inf"]}}),
        (Held({"a": np.array([1, 2])}, "a note"), {"value": {"a": [1, 2]}, "note": "a note"}),
        (Held(Held(NAN)), {"value": {"value": None, "note": ""}, "note": ""}),
    ],
)
def test_results_turn_into_plain_json(value: object, plain: object) -> None:
    found = as_json(value)
    assert found == plain
    assert type(found) is type(plain)


@pytest.mark.parametrize(
    ("value", "told"),
    [(object(), "an object"), ({"a": [{1, 2}]}, "a set"), (Held(1j), "a complex"), (Held, "a type")],
)
def test_what_has_no_json_form_is_refused_by_its_class(value: object, told: str) -> None:
    with pytest.raises(BadArgument) as caught:
        as_json(value)
    assert str(caught.value) == f"value must hold results, numbers and text only, not {told}"
