"""Beside a user's own modules of our names the installed command works; ``python -m`` says what to type."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_catalog import write_catalog

ROOT = Path(__file__).parents[3]
THEIRS = "raise RuntimeError('a module of the user was imported')\n"
# What an installer writes as the command.
SCRIPT = "import sys\nfrom lookalike import main\nsys.exit(main())\n"
# The same, but processes start at once, so that a test of them need not take long.
SCRIPT_OF_WORKERS = """
import lookalike
lookalike.own_packages_first()
from benchmark.pipeline import engine
engine.LOOK_SECONDS = engine.START_SECONDS = 0
lookalike.main()
"""
METRIC = """
import os
from pathlib import Path
import numpy as np
import analysis
import fpcore
from my_helper import name

class Mine(fpcore.Metric):
    name, title = name, "a metric that says where it ran"

    def fingerprint(self, model):
        note = Path(__file__).with_name("ran") / str(os.getpid())
        note.write_text(f"{analysis.auc.__module__} {os.getppid()}")
        return self.take(model, {"size": np.array([len(model.tensors)])})

    def similarity(self, a, b):
        return 0.0
"""


def run(
    *arguments: object, folder: Path, path: tuple[Path, ...] = (ROOT,)
) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "LOOKALIKE_CACHE": str(folder.parent / "cache"),
    }
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "theirs"
    made.mkdir()
    return made


def take_all_names(folder: Path) -> None:
    """Put a module of the user's own under each of our names."""
    for name in ("benchmark", "studies"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(THEIRS)
    for name in ("analysis", "fpcore"):
        (folder / f"{name}.py").write_text(THEIRS)


@pytest.mark.parametrize("name", ["analysis.py", "analysis/__init__.py", "fpcore.py"])
def test_python_m_says_what_hides_what_and_what_to_type(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(THEIRS)
    ended = run("-m", "benchmark", "metrics", "--json", folder=folder)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith(
        f"error: {folder / name} hides lookalike's own {name.partition('.')[0].split('/')[0]}"
    )
    assert line.endswith("lookalike metrics --json")


@pytest.mark.parametrize("name", ["benchmark/results.csv", "analysis/plan.md", "studies/__init__.py"])
def test_what_hides_nothing_stops_nothing(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir()
    (folder / name).write_text(THEIRS)
    ended = run("-m", "benchmark", "power", "--lineages", 30, "--json", folder=folder)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.thorough
@pytest.mark.parametrize("on_path", [False, True], ids=["beside", "on PYTHONPATH"])
def test_the_command_works_where_every_name_is_taken(folder: Path, on_path: bool) -> None:
    take_all_names(folder)
    script = folder.parent / "lookalike"
    script.write_text(SCRIPT)
    path = (folder, ROOT) if on_path else (ROOT,)
    ended = run(script, "power", "--lineages", 30, "--json", folder=folder, path=path)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["n_lineages"] == 30


@pytest.mark.slow
def test_its_worker_processes_work_there_too(folder: Path) -> None:
    take_all_names(folder)
    (folder / "metrics" / "ran").mkdir(parents=True)
    (folder / "metrics" / "my_metric.py").write_text(METRIC)
    (folder / "metrics" / "my_helper.py").write_text("name = 'mine'\n")
    (folder / "models").mkdir()
    catalog = write_catalog(folder / "models", founders=3)
    script = folder.parent / "lookalike"
    script.write_text(SCRIPT_OF_WORKERS)
    ended = run(
        script,
        *("evaluate", "metrics/my_metric.py:Mine", "--catalog", catalog, "--against", "config-match"),
        *("--out", folder / "out", "--workers", 2, "--quiet"),
        folder=folder,
        path=(folder, ROOT),
    )
    assert ended.returncode == 0, ended.stderr
    said = [note.read_text().split() for note in (folder / "metrics" / "ran").iterdir()]
    assert {module.partition(".")[0] for module, _ in said} == {"analysis"}
    assert len({parent for _, parent in said}) > 1, "no worker process took part"


@pytest.mark.thorough
def test_a_metric_that_means_a_module_of_the_users_own_is_told_which_it_got(folder: Path) -> None:
    (folder / "analysis.py").write_text("def depth(model): return 1\n")
    (folder / "my_metric.py").write_text("import analysis\n\ndepth = analysis.depth\n")
    script = folder.parent / "lookalike"
    script.write_text(SCRIPT)
    ended = run(script, "evaluate", "my_metric.py:depth", folder=folder)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"error: {folder / 'my_metric.py'}: could not be imported: AttributeError")
    assert line.endswith(f"; analysis is lookalike's own, not {folder / 'analysis.py'}")


@pytest.mark.slow
def test_the_wheel_holds_all_that_the_command_needs(folder: Path) -> None:
    pytest.importorskip("hatchling", reason="the build backend is not installed (it is in the dev extra)")
    take_all_names(folder)
    site = folder.parent / "site"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    options = ("--no-deps", "--no-compile", "--no-build-isolation", "--target", site)
    subprocess.run([*pip, *options, ROOT], check=True)
    assert {entry.name for entry in site.iterdir() if entry.suffix != ".dist-info"} == {
        *("analysis", "benchmark", "bin", "fpcore", "lookalike.py")
    }
    command = site / "bin" / "lookalike"
    sound = run(command, "catalog", "check", folder=folder, path=(site,))
    assert sound.returncode == 0, sound.stderr
    assert str(site) in sound.stdout
    printed = run(command, "fingerprint", "zoo/qwen-a", "--json", folder=folder, path=(folder, site))
    assert json.loads(printed.stdout)["model"] == "zoo/qwen-a", printed.stderr
