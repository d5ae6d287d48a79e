"""Whatever was done to a run directory: every command that reads one says one line, and exits 2."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from altered_run import signed_again
from conftest import Evaluated, Said, command

NAMES = ("run.json", "results.json", "scores.parquet")
FIT = "not the file that run.json belongs to"


@pytest.fixture
def run(evaluated: Evaluated, tmp_path: Path) -> Path:
    shutil.copytree(evaluated.run, tmp_path / "run")
    return tmp_path / "run"


def readers(evaluated: Evaluated, run: Path) -> dict[str, tuple[object, ...]]:
    """Commands that take a run directory."""
    return {
        "report": ("report", run),
        "verify": ("report", run, "--verify", "--catalog", evaluated.catalog),
        "leaderboard": ("leaderboard", evaluated.run, run),
        "compare": ("compare", "f0", "f1", "--catalog", evaluated.catalog, "--calibration", run),
        "pool": ("compare", "f0", "--against", "f1", "--catalog", evaluated.catalog, "--calibration", run),
        "against": ("report", evaluated.run, "--against", run),
    }


READERS = ("report", "verify", "leaderboard", "compare", "pool", "against")


def refused(evaluated: Evaluated, run: Path, by: str) -> str:
    said: Said = command(*readers(evaluated, run)[by], cache=evaluated.cache)
    assert said.code == 2, said.out + said.err
    (line,) = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert str(run) in line
    return line


def in_json(name: str, change: Callable[[dict], object]) -> Callable[[Path], None]:  # type: ignore[type-arg]
    def alter(run: Path) -> None:
        value = json.loads((run / name).read_text())
        change(value)
        (run / name).write_text(json.dumps(value))

    return alter


def in_scores(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    def alter(run: Path) -> None:
        change(pd.read_parquet(run / "scores.parquet")).to_parquet(run / "scores.parquet", index=False)

    return alter


def better(results: dict) -> None:  # type: ignore[type-arg]
    area = results["metrics"][0]["look_alike_auc"]
    area.update(estimate=1.0, low=0.99, high=1.0)


def of_another_run(run: Path) -> None:
    """Scores as another run would have left them: of one metric less."""
    in_scores(lambda scores: scores[scores["metric"] != "config-match"])(run)


#: Name → what is done, and what is said of it.
TAMPERED: dict[str, tuple[Callable[[Path], None], str]] = {
    "an AUC": (in_json("results.json", better), FIT),
    "a verdict": (in_json("results.json", lambda all_: all_["metrics"][0].update(verdict="separates")), FIT),
    "a score": (in_scores(lambda scores: scores.assign(score=scores["score"] * 1.001)), FIT),
    "a label": (in_scores(lambda scores: scores.assign(lineage_a="one")), FIT),
    "scores of another run": (of_another_run, FIT),
    "a digest": (in_json("run.json", lambda run: run["digests"].update({"results.json": "0" * 64})), FIT),
    "no digest": (in_json("run.json", lambda run: run.update(digests={})), FIT),
    "still running": (in_json("run.json", lambda run: run.update(status="running")), "run.json says running"),
}


@pytest.mark.parametrize("by", READERS)
@pytest.mark.parametrize("what", TAMPERED)
def test_a_run_that_was_changed_is_refused(evaluated: Evaluated, run: Path, what: str, by: str) -> None:
    alter, said = TAMPERED[what]
    alter(run)
    assert said in refused(evaluated, run, by)


#: Valid JSON of another form; the file says that it is of this run.
FORMS: dict[str, tuple[str, object]] = {
    "nothing": ("results.json", {}),
    "a list": ("results.json", []),
    "a text": ("results.json", "results"),
    "null": ("run.json", None),
    "a number": ("run.json", 5),
}
PARTS: dict[str, tuple[str, Callable[[dict], object], str]] = {  # type: ignore[type-arg]
    "true for a schema": ("results.json", lambda all_: all_.update(schema=True), "schema True is older"),
    "no metrics": ("results.json", lambda all_: all_.pop("metrics"), "no key metrics"),
    "a metric twice": (
        "results.json",
        lambda all_: all_["metrics"].append(all_["metrics"][0]),
        "my-metric appears twice",
    ),
    "a list for an object": ("results.json", lambda all_: all_.update(metrics={}), "expected a list"),
    "text for a number": (
        "results.json",
        lambda all_: all_["metrics"][0]["auc"].update(estimate="1"),
        "expected a number",
    ),
    "models as a list": ("run.json", lambda run: run.update(models=[]), "expected an object"),
    "status of nobody": ("run.json", lambda run: run.update(status="done"), "'done', expected 'running' or"),
    "a list for a status": ("run.json", lambda run: run.update(status=[]), "[], expected 'running' or"),
}


@pytest.mark.parametrize("what", [*FORMS, *PARTS])
def test_json_of_another_form_is_refused(evaluated: Evaluated, run: Path, what: str) -> None:
    if what in FORMS:
        name, value = FORMS[what]
        (run / name).write_text(json.dumps(value))
        told = "schema None is older or foreign"
    else:
        name, change, told = PARTS[what]
        in_json(name, change)(run)
    if name != "run.json":
        signed_again(run)
    for by in ("report", "leaderboard", "compare"):
        line = refused(evaluated, run, by)
        assert name in line
        assert told in line


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[" * 100_000, b'{"schema": NaN}', b'{"schema": 1e999}', b'{"schema": 5, "schema": 5}',
     b'{"schema": 5, "\\ud800": 1}', b"\xff\xfe", b"\0" * 1000, b"PAR1", b"9" * 10_000],
)  # fmt: skip
def test_noise_is_refused(evaluated: Evaluated, run: Path, name: str, content: bytes) -> None:
    (run / name).write_bytes(content)
    if name != "run.json":
        signed_again(run)
    assert name in refused(evaluated, run, "report")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_file_is_not_read(evaluated: Evaluated, run: Path, name: str) -> None:
    """A pipe or a device would be waited for, or read, without end."""
    (run / name).unlink()
    os.mkfifo(run / name)
    assert f"no {name}" in refused(evaluated, run, "report")
    (run / name).unlink()
    (run / name).symlink_to("/dev/zero")
    assert f"no {name}" in refused(evaluated, run, "report")


def test_scores_that_are_no_scores_are_refused(evaluated: Evaluated, run: Path) -> None:
    for change, said in (
        (lambda scores: scores.drop(columns="status"), "no column status"),
        (lambda scores: scores.assign(score=scores["score"].astype(str)), "scores that are not numbers"),
    ):
        shutil.copy(evaluated.run / "scores.parquet", run)
        in_scores(change)(run)
        signed_again(run)
        for by in ("report", "leaderboard", "compare"):
            assert said in refused(evaluated, run, by)


def test_against_of_other_results_is_refused(evaluated: Evaluated, run: Path) -> None:
    (run / "against.json").write_text("{}")
    assert "against.json" in refused(evaluated, run, "report")


def test_nothing_is_written_or_deleted_where_a_link_leads(
    evaluated: Evaluated, run: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.move(run / "figures", elsewhere)
    (elsewhere / "scores-mine.svg").write_text("mine")
    before = {path: path.read_bytes() for path in elsewhere.iterdir()}
    (run / "figures").symlink_to(elsewhere)
    assert "figures: it is a link" in refused(evaluated, run, "report")
    assert {path: path.read_bytes() for path in elsewhere.iterdir()} == before
    (run / "figures").unlink()
    outside = tmp_path / "outside.txt"
    for name in ("report.html", ".lock"):
        outside.write_text("mine")
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(outside)
        command("report", run, cache=evaluated.cache)
        assert outside.read_text() == "mine"
    assert not (run / "report.html").is_symlink()


MODEL, METRIC = 'f1c0"><script>alert(1)</script>', "../../<script>alert(2)</script>"


def test_names_are_escaped_and_no_paths(evaluated: Evaluated, run: Path) -> None:
    """Of a run whose maker named models and metrics to do harm, and signed all of it."""

    def named(text: str) -> str:
        for honest, hostile in (("f1c0", MODEL), ("weight-cosine", METRIC)):
            text = text.replace(json.dumps(honest), json.dumps(hostile))
        return text

    for name in ("run.json", "results.json"):
        (run / name).write_text(named((run / name).read_text()))
    in_scores(lambda scores: scores.replace({"f1c0": MODEL, "weight-cosine": METRIC}))(run)
    signed_again(run)
    outside = {path for path in run.parent.rglob("*") if run not in path.parents}
    said = command("report", run, "--json", cache=evaluated.cache)
    assert said.code == 0, said.err
    assert {path for path in run.parent.rglob("*") if run not in path.parents} == outside
    files = [Path(name) for name in json.loads(said.out)["files"]]
    assert run / "figures" / "scores-script-alert-2-script.svg" in files
    for path in files:
        assert path.parent in (run, run / "figures")
        text = path.read_text(encoding="utf-8")
        assert "<script>alert" not in text, path
        assert path.suffix != ".svg" or "<script" not in text, path
