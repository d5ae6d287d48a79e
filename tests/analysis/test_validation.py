"""Bad arguments: refused by every public function, in one line that names the argument, value and remedy.

The functions are found by themselves: a new one, or a new parameter, needs a line in `GOOD` and one in `BAD`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis.validation import (
    check_choice,
    check_class,
    check_count,
    check_instance,
    check_instances,
    check_mapping,
    check_mask,
    check_names,
    check_number,
    check_probability,
    check_scores,
    check_seed,
    check_weight,
    with_article,
)

TABLE = analysis.example_table(n_lineages=5)
FUNCTIONS: dict[str, Callable[..., object]] = {
    name: value for name in analysis.__all__ if inspect.isfunction(value := getattr(analysis, name))
}
GENERATOR = np.random.default_rng(0)
FRAME = TABLE.frame
SHARES = [0.0, 1.0, -0.5, 95, math.nan, "0.95", True, None]
COUNTS = [0, -3, 10.0, True, "many", None]
SEEDS = [GENERATOR, -1, 1.5, True, None, "seed"]
CLASS = [np.zeros(3), np.ones(3, dtype=bool), np.zeros((3, 1), dtype=bool), "yes"]
MASKS = [np.zeros(len(TABLE)), np.zeros(3, dtype=bool), "all"]
NUMBERS = [np.array([[1.0]]), "high", None, [math.nan] * 3, [True, False, True]]
POSITIVE = np.array([True, False, True])

GOOD: dict[str, object] = {
    "table": TABLE,
    "table_a": TABLE,
    "table_b": TABLE,
    "tables": [TABLE],
    "report": analysis.analyse([TABLE], n_resamples=19, n_bootstrap=9).metrics[0],
    "threshold": 1.0,
    "score": 1.0,
    "n_candidates": 3,
    "entries": [analysis.Entry("parent", 1.0, TABLE, True)],
    "evidence": analysis.calibrate_evidence(TABLE),
    "family": [analysis.compare_metrics(TABLE, TABLE)],
    "metrics": ["example"],
    "comparisons": [],
    "log10_lr": [1.0, -1.0, 0.5],
    "positive": POSITIVE,
    "max_fpr": 0.05,
    "claim": analysis.Claim(auc=0.9),
    "methods": analysis.by_method(TABLE),
    "n_lineages": 20,
    "relation": ["derived"],
    "cell_a": ["x"],
    "cell_b": ["x"],
    "value": 1.0,
    "cllr_min.score": [1.0, -1.0, 0.5],
}
"""What every function can work with; parameters with a default may be left out."""

BAD: dict[str, list[Any]] = {
    "table": [FRAME, None, "scores.csv"],
    "table_a": [FRAME, None],
    "table_b": [FRAME, None],
    "tables": [TABLE, [FRAME], [TABLE, TABLE], None, "scores.csv"],
    "report": [None, TABLE],
    "negatives": ["look alike", "", None, 3],
    "calibrate_threshold.negatives": ["look alike", "", 3],
    "alternatives": [["stranger"], "sibling", [1], None],
    "method": ["jacknife", "", None],
    "kind": ["ppv", None],
    "level": SHARES,
    "confidence": SHARES,
    "power": SHARES,
    "auc": SHARES,
    "max_fpr": SHARES,
    "partial_auc.max_fpr": [0.0, -0.1, 5, math.nan, "0.05", None],
    "analyse.max_fpr": [0.05, (5.0,), (0.0,), ("0.05",), None],
    "levels": [0.05, (5.0,), (0.0,), ("0.05",), None],
    "intraclass_correlation": [-0.1, 1.5, math.nan, None],
    "correlation": [-0.1, 1.0, math.nan, None],
    "seed": SEEDS,
    "n_resamples": COUNTS,
    "n_bootstrap": COUNTS,
    "n_candidates": COUNTS,
    "workers": COUNTS,
    "n_metrics": COUNTS,
    "n_together": COUNTS,
    "models_per_lineage": COUNTS,
    "n_lineages": [-1, 10.0, True, None],
    "example_table.n_lineages": COUNTS,
    "n_points": [2, *COUNTS],
    "separation": ["far", None, math.nan],
    "metric": [None, 3],
    "threshold": ["high", True, [1.0]],
    "score": ["high", None, math.nan, True],
    "evidence_interval.score": ["high", None, True],
    "cllr_min.score": NUMBERS,
    "log10_lr": NUMBERS,
    "positive": CLASS,
    "weight": [[1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 0.0, 1.0], [1.0, math.inf, 1.0], "even"],
    "mask": MASKS,
    "without": ["lineage", [1, 2], 3],
    "entries": [TABLE, [TABLE], None],
    "evidence": [TABLE, None],
    "family": [TABLE, ["a"], None],
    "metrics": ["example", [1], None],
    "comparisons": [["a"], [analysis.compare_metrics(TABLE, analysis.example_table("other"))], None],
    "focus": ["nothing", 3],
    "claim": [0.9, "auc 0.9", {"auc": 0.9}],
    "methods": [["fine-tune"], {"fine-tune": 0.9}, {1: analysis.by_method(TABLE)["fine-tune"]}, None],
    "permutation": [0.01, TABLE],
    "sensitivity.evidence": [TABLE, 0.5],
    "claims": [analysis.Claim(), {"example": 0.9}, {1: analysis.Claim()}],
    "versions": [1, {"example": "1"}, {"example": True}],
    "p_from_score": [0.05, "log"],
    "relation": [["derived", "derived"], "derived"],
    "cell_a": [["x", "y"], [["x"]], "x"],
    "cell_b": [["x", "y"], [["x"]], "x"],
    "value": [object(), {"a": {1, 2}}, FRAME],
    "told": [],  # called as it is
}
"""What no function accepts for the parameter (or for ``function.parameter``, where that differs)."""


def looked_up(values: dict[str, Any], function: str, parameter: str) -> Any:
    return values[f"{function}.{parameter}" if f"{function}.{parameter}" in values else parameter]


def cases() -> Iterator[tuple[str, str, Any]]:
    for function, called in FUNCTIONS.items():
        for parameter in inspect.signature(called).parameters:
            for value in looked_up(BAD, function, parameter):
                yield function, parameter, value


def good_arguments(function: str) -> dict[str, object]:
    parameters = inspect.signature(FUNCTIONS[function]).parameters.values()
    return {
        item.name: looked_up(GOOD, function, item.name)
        for item in parameters
        if item.default is inspect.Parameter.empty
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_good_arguments_pass(function: str) -> None:
    FUNCTIONS[function](**good_arguments(function))


@pytest.mark.parametrize(("function", "parameter", "value"), list(cases()))
def test_bad_arguments_are_refused_by_name(function: str, parameter: str, value: Any) -> None:
    with pytest.raises(analysis.BadArgument) as caught:
        FUNCTIONS[function](**(good_arguments(function) | {parameter: value}))
    told = str(caught.value)
    assert parameter in told
    assert "must " in told
    assert "\n" not in told
    assert len(told) < 240


MESSAGES: dict[str, Callable[[], object]] = {
    "level must be a number between 0 and 1, in (0, 1) (write 95% as 0.95), not 95": (
        lambda: analysis.auc(TABLE, level=95)
    ),
    "seed must be an integer, 0 or more (each procedure makes its own random stream from it), not a"
    " Generator": (
        lambda: analysis.separation_test(TABLE, seed=GENERATOR)  # type: ignore[arg-type]
    ),
    'negatives must be "independent" or "look-alike", not \'all\'': lambda: analysis.auc(TABLE, "all"),
    "n_resamples must be an integer, 1 or more, not 0": lambda: analysis.auc(TABLE, n_resamples=0),
    "table must be a ScoreTable (analysis.ScoreTable(frame) makes one), not a DataFrame": (
        lambda: analysis.auc(FRAME)  # type: ignore[arg-type]
    ),
    "tables must hold one table per metric; 'example' appears twice": lambda: analysis.analyse(
        [TABLE, TABLE]
    ),
    "max_fpr[1] must be a number between 0 and 1, in (0, 1) (write 5% as 0.05), not 5.0": (
        lambda: analysis.analyse([TABLE], max_fpr=(0.1, 5.0))
    ),
    "threshold must be a number, not True": lambda: analysis.rate(TABLE, True),
    "log10_lr must be an array of numbers with 1 dimension without NaN; element 1 is NaN": (
        lambda: analysis.cllr([0.0, math.nan], np.array([True, False]))
    ),
    "mask must be an array of bool of shape (105,), not one of float64 of shape (2,)": (
        lambda: analysis.rate(TABLE, 0.0, mask=np.zeros(2))  # type: ignore[arg-type]
    ),
    "frame must be a DataFrame, not ['a', 'b']": lambda: analysis.ScoreTable(["a", "b"]),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("message", MESSAGES)
def test_what_is_refused_is_quoted_with_what_is_allowed(message: str) -> None:
    with pytest.raises(analysis.BadArgument) as caught:
        MESSAGES[message]()
    assert str(caught.value) == message


NAN = math.nan
THREE = np.array([True, False, True])
REFUSALS: dict[str, Callable[[], object]] = {
    "x must be an object (o() makes one), not 1": lambda: check_instance(
        1, "x", _named("object"), "o() makes one"
    ),
    "x must be a Table, not None": lambda: check_instance(None, "x", _named("Table")),
    "x must be a sequence of int, not 3": lambda: check_instances(3, "x", int),
    "x must be a sequence of str (names), not 'ab'": lambda: check_instances("ab", "x", str, "names"),
    "x[1] must be an int, not 'b'": lambda: check_instances([1, "b"], "x", int),
    "x[0] must be a str (a name), not 1": lambda: check_instances((1, 2), "x", str, "a name"),
    "x must be a mapping of str to float, not [1]": lambda: check_mapping([1], "x", float),
    "x['a'] must be an int by its metric's name, not 'b'": lambda: check_mapping({"a": "b"}, "x", int),
    "x['b'] must be an int by its metric's name, not True": lambda: check_mapping(
        {"a": 1, "b": True}, "x", int
    ),
    "x[3] must be a float by its metric's name, not 0.5": lambda: check_mapping({3: 0.5}, "x", float),
    "x must be a collection of str, not 'ab'": lambda: check_names("ab", "x"),
    "x must be a collection of str, not 7": lambda: check_names(7, "x"),
    "x must be a collection of str, not ['a', 1]": lambda: check_names(["a", 1], "x"),
    'x must be "a" or "b", not \'c\'': lambda: check_choice("c", "x", ("a", "b")),
    "x must be left out, not 'c'": lambda: check_choice("c", "x", ()),
    "x must be a number, not nan": lambda: check_number(NAN, "x"),
    "x must be a number, not '1'": lambda: check_number("1", "x"),
    "x must be a number between 0 and 1, in [0, 1), not 1.0": lambda: check_probability(1.0, "x", low=True),
    "x must be a number between 0 and 1, in (0, 1], not 0": lambda: check_probability(0, "x", high=True),
    "x must be a number between 0 and 1, in [0, 1], not '0.5'": (
        lambda: check_probability("0.5", "x", low=True, high=True)
    ),
    "x must be a number between 0 and 1, in (0, 1) (write 1.5% as 0.015), not 1.5": (
        lambda: check_probability(1.5, "x")
    ),
    "x must be a number between 0 and 1, in (0, 1) (write 100% as 1), not 100": lambda: check_probability(
        100, "x"
    ),
    "x must be a number between 0 and 1, in (0, 1), not 100.5": lambda: check_probability(100.5, "x"),
    "x must be a number between 0 and 1, in (0, 1), not 1": lambda: check_probability(1, "x"),
    "x must be an integer, 2 or more, not 1": lambda: check_count(np.int64(1), "x", least=2),
    "x must be an integer, 0 or more (each procedure makes its own random stream from it), not -1": (
        lambda: check_seed(-1, "x")
    ),
    "x must be an array of bool of shape (3,), not 'yes'": lambda: check_mask("yes", "x", 3),
    "x must be an array of bool of shape (3,), not one of int64 of shape (1, 3)": (
        lambda: check_mask(np.ones((1, 3), dtype=np.int64), "x", 3)
    ),
    "x must be an array of numbers, not 'high'": lambda: check_scores("high", "x", ndim=None),
    "x must be an array of numbers with 1 dimension, not ['a', 'b']": lambda: check_scores(["a", "b"], "x"),
    "x must be an array of numbers with 2 dimensions, not one of int64 of shape (1,)": (
        lambda: check_scores(np.ones(1, dtype=np.int64), "x", ndim=2)
    ),
    "x must be an array of numbers with 1 dimension, not one of <U1 of shape (2,)": (
        lambda: check_scores(["1", "2"], "x")
    ),
    "x must be an array of numbers with 1 dimension, not one of |S1 of shape (1,)": lambda: check_scores(
        [b"1"], "x"
    ),
    "x must be an array of numbers with 1 dimension, not one of timedelta64[s] of shape (2,)": (
        lambda: check_scores(np.array([1, 2], dtype="m8[s]"), "x")
    ),
    "x must be an array of numbers with 1 dimension, not one of datetime64[s] of shape (2,)": (
        lambda: check_scores(np.array([1, 2], dtype="M8[s]"), "x")
    ),
    "x must be an array of numbers with 2 dimensions without NaN; element (1, 0) is NaN": (
        lambda: check_scores([[1.0, 2.0], [NAN, NAN]], "x", ndim=2, nan=False)
    ),
    "x must hold both classes, True and False, not 3 of one": lambda: check_class(
        np.ones(3, dtype=bool), "x", 3
    ),
    "x must be an array of numbers with 1 dimension without NaN; element 2 is NaN": (
        lambda: check_weight([1.0, 1.0, NAN], "x", THREE)
    ),
    "x must be finite numbers, 0 or more, of shape (3,)": lambda: check_weight([1.0, 1.0, -1.0], "x", THREE),
    "x must give both classes some weight, not 0 to one of them": lambda: check_weight(
        [0.0, 1.0, 0.0], "x", THREE
    ),
}
"""What each check says, as far as no public function above has said it."""


def _named(name: str) -> type:
    return type(name, (), {})


@pytest.mark.parametrize("message", REFUSALS)
def test_every_check_says_what_it_wants_and_what_it_got(message: str) -> None:
    with pytest.raises(analysis.BadArgument) as caught:
        REFUSALS[message]()
    assert str(caught.value) == message


@pytest.mark.parametrize("class_name", ["array", "Evidence", "int", "Object", "UsageError"])
def test_classes_that_begin_with_a_vowel_are_an(class_name: str) -> None:
    assert with_article(class_name) == f"an {class_name}"


@pytest.mark.parametrize("class_name", ["ndarray", "Table", "Xylophone", "str"])
def test_other_classes_are_a(class_name: str) -> None:
    assert with_article(class_name) == f"a {class_name}"


def test_values_are_quoted_up_to_60_characters_and_named_beyond() -> None:
    for text, told in (("x" * 58, repr("x" * 58)), ("x" * 59, "a str")):
        with pytest.raises(analysis.BadArgument) as caught:
            check_number(text, "x")
        assert str(caught.value) == f"x must be a number, not {told}"


def test_what_passes_comes_back_as_plain_values() -> None:
    scores = check_scores([1, 2], "x")
    assert scores.dtype == np.float64
    np.testing.assert_array_equal(check_scores(np.array([1, 2], dtype=np.uint8), "x"), [1.0, 2.0])
    np.testing.assert_array_equal(check_scores([1.0, NAN], "x"), [1.0, NAN])
    np.testing.assert_array_equal(check_weight([0, 1, 1], "x", THREE), [0.0, 1.0, 1.0])
    assert check_instances([1, 2], "x", int) == (1, 2)


@pytest.mark.parametrize("kind", [ValueError, TypeError])
def test_either_kind_of_error_catches_it(kind: type[Exception]) -> None:
    with pytest.raises(kind, match="level"):
        analysis.auc(TABLE, level=0)


def test_numbers_of_numpy_are_numbers() -> None:
    seed: Any = np.int64(3)
    assert analysis.auc(TABLE, level=np.float64(0.9), seed=seed) == analysis.auc(TABLE, level=0.9, seed=3)
    assert check_count(np.int32(4), "n") == 4
    assert check_number(np.float32(0.5), "x") == 0.5
    assert check_number(math.inf, "x") == math.inf
    assert math.isnan(check_number(math.nan, "x", nan=True))
    assert check_probability(1, "x", high=True) == 1.0
    assert check_probability(0, "x", low=True) == 0.0
    assert check_names({"a"}, "x") == ("a",)
    np.testing.assert_array_equal(check_scores([[1, 2]], "x", ndim=2), [[1.0, 2.0]])


def test_methods_of_results_refuse_bad_arguments_too() -> None:
    evidence, joint = analysis.calibrate_evidence(TABLE), analysis.combine_evidence([TABLE])
    calls: dict[str, Callable[[], object]] = {
        "method": lambda: evidence.log10_lr([1.0], "linear"),  # type: ignore[arg-type]
        "scores": lambda: evidence.log10_lr("high"),
        "scores ": lambda: joint.log10_lr([[1.0, 2.0]]),
        " scores": lambda: joint.interval([1.0, 2.0]),
        "level": lambda: joint.interval([1.0], level=95),
        "negatives": lambda: TABLE.negatives("all"),
    }
    for parameter, call in calls.items():
        with pytest.raises(analysis.BadArgument, match=parameter.strip()):
            call()


def test_a_table_with_a_strange_frame_says_what_it_wants() -> None:
    with pytest.raises(analysis.BadTable):
        analysis.ScoreTable(pd.DataFrame({"a": [1]}))
