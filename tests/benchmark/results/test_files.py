"""The files of a run: what is written reads back, and anything else is one line with path and schema."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pandas as pd
import pytest
from typed_results import metric_result, results, run_record

from analysis import as_json
from analysis.columns import COLUMNS
from benchmark.results.files import RunDirectory
from benchmark.results.schema import SCHEMA, ForgeryOutcome, MetricResult, RunRecord
from benchmark.session.errors import UsageError


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    made = RunDirectory(tmp_path)
    made.write_results(results())
    made.conclude(run_record())
    return RunDirectory(tmp_path)


def test_what_is_written_reads_back(directory: RunDirectory) -> None:
    assert as_json(directory.read_results()) == as_json(results())
    assert replace(directory.read_record(), digests={}) == run_record()
    found = directory.read_results().metric(metric_result().metric)
    assert found.look_alike_auc == metric_result().look_alike_auc


def altered(path: Path, alter) -> None:
    value = json.loads(path.read_text())
    alter(value)
    path.write_text(json.dumps(value))


@pytest.mark.parametrize("name", [field.name for field in fields(MetricResult)])
def test_every_key_of_a_metric_is_asked_for(directory: RunDirectory, name: str) -> None:
    path = directory.path / "results.json"
    altered(path, lambda value: value["metrics"][0].pop(name))
    with pytest.raises(UsageError) as error:
        directory.read_results()
    said = str(error.value)
    assert said.startswith(f"{path}: metrics[0]: no key {name} (schema {SCHEMA});")
    assert "\n" not in said


@pytest.mark.parametrize("name", [field.name for field in fields(RunRecord) if field.name != "schema"])
def test_every_key_of_the_record_is_asked_for(directory: RunDirectory, name: str) -> None:
    path = directory.path / "run.json"
    altered(path, lambda value: value.pop(name))
    with pytest.raises(UsageError, match=rf"no key {name} \(schema {SCHEMA}\)"):
        directory.read_record()


def test_unknown_keys_and_other_types_are_refused(directory: RunDirectory) -> None:
    path = directory.path / "results.json"
    altered(path, lambda value: value["metrics"][0]["auc"].update(lower=0.1))
    with pytest.raises(UsageError, match=r"metrics\[0\].auc: unknown key lower"):
        directory.read_results()
    directory.write_results(results())
    altered(path, lambda value: value.update(metrics={}))
    with pytest.raises(UsageError, match=r"metrics: \{\}, expected a list"):
        directory.read_results()


@pytest.mark.parametrize(
    ("schema", "age"), [(SCHEMA + 1, "newer"), (0, "older or foreign"), (None, "older"), (True, "foreign")]
)
def test_another_schema_is_named(directory: RunDirectory, schema: object, age: str) -> None:
    for name, read in (("results.json", directory.read_results), ("run.json", directory.read_record)):
        altered(directory.path / name, lambda value: value.update(schema=schema))
        with pytest.raises(UsageError, match=rf"{name}: schema {schema} is .*{age}"):
            read()


@pytest.mark.parametrize("schema", [float(SCHEMA), str(SCHEMA), [SCHEMA], {"a": 1}, "x" * 10_000])
def test_a_schema_that_is_no_number_is_foreign(directory: RunDirectory, schema: object) -> None:
    altered(directory.path / "results.json", lambda value: value.update(schema=schema))
    with pytest.raises(UsageError, match=r"results\.json: schema .* is older or foreign") as error:
        directory.read_results()
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("content", ["", "[", "[]", "3", "\udcff"])
def test_what_is_no_object_is_refused(directory: RunDirectory, content: str) -> None:
    path = directory.path / "results.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match=r"results\.json"):
        directory.read_results()


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    empty = RunDirectory(tmp_path)
    with pytest.raises(UsageError, match=r"no scores\.parquet; not a finished run"):
        empty.read_scores()
    (tmp_path / "scores.parquet").write_bytes(b"PAR1")
    empty.conclude(run_record())
    with pytest.raises(UsageError, match="not a readable parquet file"):
        RunDirectory(tmp_path).read_scores()
    assert RunDirectory(tmp_path).read_forgeries().empty


def test_scores_read_back(tmp_path: Path) -> None:
    table = pd.DataFrame([["m", "a", "b", 0.1, *[""] * 8]], columns=list(COLUMNS))
    written = RunDirectory(tmp_path)
    written.write_scores(table)
    written.conclude(run_record())
    pd.testing.assert_frame_equal(RunDirectory(tmp_path).read_scores(), table)
    written.write_scores(table.assign(score=0.2))
    with pytest.raises(UsageError, match=r"scores\.parquet: not the file that run"):
        RunDirectory(tmp_path).read_scores()
    for other, said in (
        (table.drop(columns="relation"), "no column relation"),
        (table.assign(score="0.1"), "scores that are not numbers"),
    ):
        written.write_scores(other)
        written.conclude(run_record())
        with pytest.raises(UsageError, match=said):
            RunDirectory(tmp_path).read_scores()


def test_an_unknown_metric_is_named() -> None:
    with pytest.raises(UsageError, match="unknown metric 'nothing' in these results; they have "):
        results().metric("nothing")


@pytest.mark.parametrize(
    ("kind", "calls", "succeeded"),
    [
        ("frame", (False, True), True),
        ("frame", (True, True), False),
        ("frame", (None, True), False),
        ("evade", (True, False), True),
        ("evade", (False, False), False),
        ("evade", (True, None), False),
    ],
)
def test_a_forgery_succeeds_where_the_call_turns_as_wanted(kind: str, calls, succeeded: bool) -> None:
    one = ForgeryOutcome("x", "y", "z", kind, "m", 0.1, 0.9, 0.5, *calls, "")
    assert one.succeeded is succeeded
    assert replace(metric_result(), forgeries=(one,)).forgeable is succeeded


@pytest.mark.parametrize(
    ("kind", "calls", "resistance"),
    [
        ("frame", (False, False), "resists forgery"),
        ("frame", (True, True), "not testable"),  # it is called derived before any forgery
        ("frame", (False, None), "not testable"),
        ("evade", (True, True), "resists forgery"),
        ("evade", (False, False), "not testable"),
    ],
)
def test_only_a_call_that_could_turn_shows_resistance(kind: str, calls, resistance: str) -> None:
    one = ForgeryOutcome("x", "y", "z", kind, "m", 0.1, 0.2, 0.5, *calls, "")
    found = replace(metric_result(), forgeries=(one,), laundering=())
    assert found.resistance == resistance
    assert found.resists is resistance.startswith("resists")
