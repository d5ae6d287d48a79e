"""``--json`` on every verb: stdout holds one JSON document and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from conftest import Evaluated, Said, command

from benchmark.cli.app import app
from benchmark.zoo import build, verify

# Verb → what follows it. CATALOG, RUN, MODEL … stand for files of the fixture; the zoo's verbs take minutes.
VERBS: dict[str, tuple[str, ...]] = {
    "run": ("--catalog", "CATALOG", "--metrics", "config-match", "--out", "OUT", "--limit", "12"),
    "run --dry-run": ("--catalog", "CATALOG", "--metrics", "config-match"),
    "evaluate": ("OWN:MyMetric", "--catalog", "CATALOG", "--against", "config-match", "--out", "OUT"),
    "evaluate --new": ("NEW",),
    "analyse": ("SCORES", "--out", "OUT"),
    "compare": ("MODEL", "MODEL_B", "--catalog", "CATALOG", "--calibration", "RUN"),
    "check-claim": ("MODEL_B", "--base", "MODEL", "--catalog", "CATALOG", "--calibration", "RUN"),
    "fingerprint": ("MODEL", "--catalog", "CATALOG"),
    "leaderboard": ("RUN",),
    "report": ("RUN",),
    "runs diff": ("RUN", "RUN"),
    "metrics": (),
    "cache info": (),
    "power": ("--lineages", "30"),
    "catalog check": ("CATALOG",),
    "catalog show": ("f0", "--catalog", "CATALOG"),
    "catalog tree": ("f0", "--catalog", "CATALOG"),
    "catalog pairs": ("--catalog", "CATALOG"),
    "catalog published": (),
}
ON_THEIR_OWN = {"cache clear", "catalog import", "zoo build", "zoo verify"}  # import: test_hub_import.py


def strict(text: str) -> Any:
    """One JSON document; NaN and infinities are no JSON."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture(scope="module")
def files(evaluated: Evaluated, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("json")
    models = evaluated.catalog.parent
    return {
        "CATALOG": str(evaluated.catalog),
        "RUN": str(evaluated.run),
        "OWN:MyMetric": f"{evaluated.metric}:MyMetric",
        "NEW": str(folder / "new.py"),
        "SCORES": str(evaluated.run / "scores.parquet"),
        "MODEL": str(models / "f0"),
        "MODEL_B": str(models / "f0c0"),
    }


def typed(verb: str, files: dict[str, str], out: Path, cache: Path) -> Said:
    rest = [files.get(word, str(out) if word == "OUT" else word) for word in VERBS[verb]]
    return command(*verb.split(), *rest, "--json", cache=cache)


@pytest.mark.parametrize("verb", VERBS)
def test_stdout_is_one_json_document(
    verb: str, files: dict[str, str], evaluated: Evaluated, tmp_path: Path
) -> None:
    said = typed(verb, files, tmp_path / "out", evaluated.cache)
    assert said.code == 0, said.err
    assert strict(said.out) or verb == "catalog pairs"


def verbs(group: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    below = getattr(group, "commands", {})
    return [found for name, sub in below.items() for found in verbs(sub, (*path, name))] or [path]


def test_every_verb_is_tested_here() -> None:
    known = {" ".join(path) for path in verbs(typer.main.get_command(app))}
    assert known == {verb.split(" --")[0] for verb in VERBS} | ON_THEIR_OWN


def test_zoo_verbs_say_json_too(
    evaluated: Evaluated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = [
        verify.Check("qwen-a", "digest", True, "as stated"),
        verify.Check("all", "loss", False, "too high"),
    ]
    monkeypatch.setattr(verify, "verify", lambda recipes, sample, progress: checks)
    said = command("zoo", "verify", "--json", cache=evaluated.cache)
    assert said.code == 1
    assert [one["passed"] for one in strict(said.out)] == [True, False]
    (tmp_path / "manifest.json").write_text('{"models": {}}')
    monkeypatch.setattr(build, "build", lambda recipes, out, workers, progress: tmp_path / "manifest.json")
    assert strict(command("zoo", "build", "--json", cache=evaluated.cache).out) == {"models": {}}


def test_json_says_what_the_files_say(files: dict[str, str], evaluated: Evaluated, tmp_path: Path) -> None:
    out = tmp_path / "run"
    said = strict(typed("run", files, out, evaluated.cache).out)
    assert said == json.loads((out / "results.json").read_text())
    planned = strict(typed("run --dry-run", files, out, evaluated.cache).out)
    assert (planned["n_pairs"], planned["metrics"]) == (27 * 26 // 2, {"config-match": 27 * 26 // 2})
    written = strict(typed("report", files, out, evaluated.cache).out)
    assert Path(written["report"]).name == "report.html"
    assert all(Path(path).is_file() for path in written["files"])
    pairs = strict(typed("catalog pairs", files, out, evaluated.cache).out)
    assert len(pairs) == 27 * 26 // 2


def test_an_unsound_catalog_is_told_as_json_too(evaluated: Evaluated, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(evaluated.catalog.read_text().replace("of: f1\n", "of: nobody\n"))
    said = command("catalog", "check", bad, evaluated.catalog, "--json", cache=evaluated.cache)
    assert said.code == 2
    refused, sound = strict(said.out)
    assert sound["sound"]
    assert sound["models"] == 27
    assert not refused["sound"]
    problem = refused["problems"][0]
    assert problem["file"] == str(bad)
    assert "nobody" in bad.read_text().splitlines()[problem["line"] - 1]
    assert problem["field"]
    # The same problems as lines that editors and hooks can follow: file, line, field.
    assert said.err.splitlines()[0].startswith(f"{bad}:{problem['line']}: {problem['field']}: ")


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_catalog_that_cannot_be_read(evaluated: Evaluated, tmp_path: Path, name: str) -> None:
    said = command("catalog", "check", tmp_path / name, "--json", cache=evaluated.cache)
    assert said.code == 2
    assert not strict(said.out)["sound"]
    assert len(said.err.splitlines()) == 1
