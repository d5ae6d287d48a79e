"""``import benchmark`` is the Python API: all that it names is there, and imported when it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import benchmark
import benchmark.leaderboards.board

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", benchmark.__all__)
def test_every_name_is_there_and_listed(name: str) -> None:
    assert getattr(benchmark, name).__name__.endswith(name)
    assert name in dir(benchmark)


def test_a_function_is_not_hidden_by_the_room_that_it_lives_in() -> None:
    assert benchmark.leaderboard is benchmark.leaderboards.board.leaderboard


def test_a_name_that_there_is_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'benchmark' has no attribute 'evalute'"):
        getattr(benchmark, "evalute")  # noqa: B009


def in_python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    python = (sys.executable, "-c", code)
    return subprocess.run(python, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_importing_it_imports_nothing_else(tmp_path: Path) -> None:
    told = in_python(
        "import sys, benchmark; print([m for m in sys.modules if m[:9] == 'benchmark'])", tmp_path
    )
    assert told.stdout.strip() == "['benchmark']"


def test_a_module_that_hides_ours_is_named(tmp_path: Path) -> None:
    (tmp_path / "analysis.py").write_text("auc = None\n")
    told = in_python("import benchmark; benchmark.read_run('run')", tmp_path)
    last = told.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: {tmp_path / 'analysis.py'} hides lookalike's own analysis; ")
