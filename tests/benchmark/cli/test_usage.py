"""Nonsense after every verb: one clear line on stderr, nothing on stdout, exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import command

NONSENSE = {
    "": "no-such-verb",
    "run": "--limit x",
    "run ": "--limit 1",
    "run  ": "surplus",
    "run   ": "--out TEXT --metrics config-match --limit 4 --quiet",
    "run    ": "--out /proc/nowhere --metrics config-match --limit 4 --quiet",
    "run     ": "--catalog FOLDER",
    "run      ": "--catalog BINARY",
    "evaluate": "",
    "evaluate ": "TEXT",
    "evaluate  ": "nowhere.py:f",
    "evaluate   ": "METRIC:f --gate nonsense",
    "evaluate    ": "METRIC:f --gate auc=much",
    "evaluate     ": "METRIC:one",
    "evaluate      ": "--new /proc/nowhere/m.py",
    "analyse": "",
    "analyse ": "BINARY",
    "analyse  ": "TEXT",
    "analyse   ": "FOLDER",
    "compare": "zoo/qwen-a zoo/qwen-a",
    "compare ": "zoo/qwen-a zoo/qwen-b --calibration FOLDER",
    "fingerprint": "FOLDER",
    "fingerprint ": "zoo/qwen-a --metrics no-such-metric",
    "fingerprint  ": "zoo/qwen-a --metrics config-match --out /proc/nowhere/f.json",
    "report": "FOLDER",
    "leaderboard": "",
    "leaderboard ": "TEXT",
    "metrics": "surplus",
    "power": "--lineages 0",
    "power ": "--max-fpr nan",
    "power  ": "--confidence 2",
    "power   ": "--tier attic",
    "cache": "no-such-verb",
    "cache info": "surplus",
    "catalog": "no-such-verb",
    "catalog check": "FOLDER",
    "catalog check ": "BINARY",
    "catalog check  ": "TEXT",
    "catalog import": "org/name",
    "catalog import ": "org/name --catalog TEXT",
    "catalog import  ": "neither-nor --out new.yaml",
    "catalog show": "",
    "catalog tree": "nobody",
    "catalog pairs": "--relation cousin",
    "zoo build": "--out TEXT --quiet",
    "zoo verify": "--sample 0",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("nonsense")
    (folder / "text.csv").write_text("this is a table\nof nothing\n")
    (folder / "binary.csv").write_bytes(b"\x00\x01\xff\xfe")
    (folder / "metric.py").write_text("def f(a, b):\n    return 0.0\n\n\ndef one(a):\n    return 0.0\n")
    (folder / "empty").mkdir()
    return {
        "TEXT": folder / "text.csv",
        "BINARY": folder / "binary.csv",
        "METRIC": folder / "metric.py",
        "FOLDER": folder / "empty",
    }


@pytest.mark.parametrize("verb", NONSENSE, ids=lambda verb: f"{verb.strip()} {NONSENSE[verb]}")
def test_nonsense_is_one_clear_line(
    verb: str, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rest = NONSENSE[verb]
    for word, path in files.items():
        rest = rest.replace(word, str(path))
    said = command(*verb.split(), *rest.split(), cache=tmp_path / "cache")
    assert said.code == 2
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith(("error: ", str(files["FOLDER"].parent))), line
    assert "Errno" not in line
    assert not list(tmp_path.glob("runs/*/results.json"))


@pytest.mark.parametrize("group", ["", "cache", "catalog", "zoo"])
def test_a_group_without_a_verb_shows_what_there_is(group: str, tmp_path: Path) -> None:
    said = command(*group.split(), cache=tmp_path)
    assert said.code == 2
    assert "Commands:" in said.err
    assert "Traceback" not in said.err


def test_an_error_that_is_ours_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(*_: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("benchmark.cli.power_verb.power_of", fault)
    said = command("power", "--lineages", 5, cache=tmp_path)
    assert said.code == 70
    assert "ZeroDivisionError: a defect" in said.err
    assert said.err.splitlines()[-1].startswith("error: internal error in lookalike (ZeroDivisionError)")


@pytest.mark.parametrize("group", ["", "cache", "catalog", "zoo"])
def test_lists_of_verbs_are_whole_at_80_columns(group: str, tmp_path: Path) -> None:
    told = command(*group.split(), "--help", cache=tmp_path).out
    listed = told[told.index("Commands:") :].splitlines()[1:]
    assert listed
    assert [line for line in listed if len(line) > 80 or line.endswith("...")] == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("metrics", "norm-cosin"), "norm-cosine"),
        (("fingerprint", "zoo/qwen-a", "--metrics", "weight-cosin"), "weight-cosine"),
        (("catalog", "show", "zoo/qwne-a"), "zoo/qwen-a"),
        (("compare", "zoo/qwne-a", "zoo/qwen-b"), "zoo/qwen-a"),
        (("fingerprint", "zoo/qwne-a"), "zoo/qwen-a"),
        (("run", "--models", "zoo/qwne-a*", "--dry-run"), "zoo/qwen-a"),
        (("comapre", "a", "b"), "compare"),
        (("runs", "dif", "a", "b"), "diff"),
    ],
)
def test_a_mistyped_name_is_answered_by_the_nearest(
    typed: tuple[str, ...], meant: str, tmp_path: Path
) -> None:
    said = command(*typed, cache=tmp_path)
    assert said.code == 2
    assert f"did you mean {meant}" in said.err.lower().replace("'", "")


def test_one_metric_is_described_alone(tmp_path: Path) -> None:
    told = command("metrics", "norm-c*", cache=tmp_path).out
    assert told.startswith("norm-cosine  (version ")
    assert "attention-std" not in told
