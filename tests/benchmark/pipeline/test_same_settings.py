"""A run directory is written over by the same settings only, unless that is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Said, command
from small_catalog import write_catalog


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalog(tmp_path_factory.mktemp("models"), founders=3, children=1)


@pytest.fixture
def finished(catalog: Path, tmp_path: Path) -> Path:
    assert run(catalog, tmp_path).code == 0
    return tmp_path / "out"


def run(catalog: Path, folder: Path, *options: object, metrics: str = "config-match") -> Said:
    return command(
        *("run", "--catalog", catalog, "--out", folder / "out", "--metrics", metrics, "--workers", 1),
        *("--quiet", *options),
        cache=folder / "cache",
    )


def kept(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--seed", 3), "seed is 0, not 3"),
        (("--limit", 4), "limit is not set, not 4"),
        (("--models", "f*"), "models is not set, not f*"),
        (("--sample",), "sample is not set, not True"),
    ],
)
def test_other_settings_are_refused_by_name(
    finished: Path, catalog: Path, tmp_path: Path, options: tuple[object, ...], named: str
) -> None:
    before = kept(finished)
    said = run(catalog, tmp_path, *options)
    assert said.code == 2
    (line,) = said.err.splitlines()
    assert f"({named});" in line
    assert "--force" in line
    assert kept(finished) == before, "something was lost"


def test_force_replaces_and_leaves_nothing_of_the_other_results(
    finished: Path, catalog: Path, tmp_path: Path
) -> None:
    (finished / "tables").mkdir()
    made = [finished / "card.md", finished / "tables" / "metrics.csv"]
    for path in made:
        path.write_text("made of the results that there were")
    assert run(catalog, tmp_path).code == 0
    assert all(path.exists() for path in made), "the results are the same"
    made.append(finished / "against.json")
    made[-1].write_text("{}")
    assert run(catalog, tmp_path, "--force", metrics="norm-std").code == 0
    assert list(json.loads((finished / "run.json").read_text())["metrics"]) == ["norm-std"]
    assert not any(path.exists() for path in made)


def test_the_same_settings_go_on(finished: Path, catalog: Path, tmp_path: Path) -> None:
    before = (finished / "results.json").read_bytes()
    again = run(catalog.parent / "." / catalog.name, tmp_path, "--keep")
    assert again.code == 0, again.err
    assert (finished / "results.json").read_bytes() == before


def test_another_catalog_and_another_verb_are_refused(finished: Path, catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    larger = write_catalog(tmp_path / "more", founders=4, children=1)
    assert "catalog is " in run(larger, tmp_path).err
    said = command("analyse", finished / "scores.parquet", "--out", finished, cache=tmp_path / "cache")
    assert said.code == 2
    assert "command is run, not analyse" in said.err


def test_a_run_that_did_not_end_may_be_done_otherwise(finished: Path, catalog: Path, tmp_path: Path) -> None:
    (finished / "results.json").unlink()
    assert run(catalog, tmp_path, metrics="norm-std").code == 0


def test_results_that_nobody_can_place_are_kept(finished: Path, catalog: Path, tmp_path: Path) -> None:
    (finished / "run.json").write_text("{")
    said = run(catalog, tmp_path)
    assert said.code == 2
    assert "run.json cannot be read" in said.err


def test_of_an_older_schema_what_it_lacks_is_not_set(finished: Path, catalog: Path, tmp_path: Path) -> None:
    record = json.loads((finished / "run.json").read_text())
    del record["arguments"]["sample"]
    (finished / "run.json").write_text(json.dumps(record | {"schema": record["schema"] - 1}))
    assert run(catalog, tmp_path).code == 0


@pytest.mark.slow
def test_evaluate_takes_other_gates_and_no_other_baseline(catalog: Path, tmp_path: Path) -> None:
    metric = tmp_path / "mine.py"
    metric.write_text("def mine(a, b):\n    return 0.5\n")

    def evaluate(*options: object) -> Said:
        return command(
            *("evaluate", f"{metric}:mine", "--catalog", catalog, "--out", tmp_path / "out", "--workers", 1),
            *options,
            cache=tmp_path / "cache",
        )

    assert evaluate("--against", "config-match", "--gate", "auc=0.1").code == 0
    assert evaluate("--against", "config-match", "--gate", "auc=0.2").code == 0
    said = evaluate("--against", "norm-std")
    assert said.code == 2
    assert "against is config-match, not norm-std" in said.err
