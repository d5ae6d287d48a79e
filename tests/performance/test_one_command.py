"""One command measures all, and says which of them failed."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
command = importlib.import_module("tests.performance.__main__")


def test_every_benchmark_says_what_it_measures_and_runs_by_its_name() -> None:
    files = {path.stem for path in HERE.glob("*.py")} - {"__main__", "test_one_command"}
    found = command.benchmarks()
    assert set(found) == files
    for name, said in found.items():
        assert said.endswith("."), name
        text = (HERE / f"{name}.py").read_text(encoding="utf-8")
        assert 'if __name__ == "__main__":' in text, name


def test_list_measures_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.performance", "--list"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [f"{name}: {said}" for name, said in command.benchmarks().items()]


def test_a_failed_benchmark_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = {"metric_cost": 0, "many_lineages": 1}

    def finished(arguments: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(arguments, codes[arguments[-1].rpartition(".")[2]])

    monkeypatch.setattr(command.subprocess, "run", finished)
    assert command.main(["metric_cost"]) == 0
    assert command.main(["metric_cost", "many_lineages"]) == 1
    assert "failed: many_lineages" in capsys.readouterr().out


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        command.main(["nothing"])
    assert left.value.code == 2
    assert "no benchmark called nothing" in capsys.readouterr().err


def test_the_page_names_only_benchmarks_that_exist() -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    named = set(re.findall(r"tests\.performance ([a-z_]+)", page))
    assert named
    assert named <= set(command.benchmarks())
