"""Packages that bring metrics are imported on trial: whatever that does, the program says so and goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

from fpcore import plugin_trial
from fpcore.errors import BadPlugin
from fpcore.plugin_trial import _files, _verdict, ending, try_import

ROOT = Path(__file__).parents[2]
SOUND = """
import fpcore
print("not for the result of a command")

class Mine(fpcore.Metric):
    name = "mine"
    title = "from elsewhere"

    def fingerprint(self, model):
        return self.make_fingerprint(model, {})

    def similarity(self, a, b):
        return 0.0
"""
posix = pytest.mark.skipif(os.name != "posix", reason="signals")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package as `pip install --target` leaves it, sound, and an empty cache; returns its module."""
    about = tmp_path / "site" / "visiting-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: visiting\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[lookalike.metrics]\nmine = visiting_metrics:Mine\n")
    module = tmp_path / "site" / "visiting_metrics.py"
    module.write_text(SOUND)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("LOOKALIKE_CACHE", str(tmp_path / "cache"))
    return module


def installed() -> list[EntryPoint]:
    return [point for point in entry_points(group="lookalike.metrics") if point.name == "mine"]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import os; os._exit(0)", "its import ended by itself (exit code 0)"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        pytest.param("import os; os.abort()", "its import was ended by SIGABRT", marks=posix),
        ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
def test_an_import_that_ends_the_process_is_one_line(package: Path, code: str, why: str) -> None:
    package.write_text(code)
    with pytest.raises(BadPlugin) as refused:
        try_import(installed())
    assert str(refused.value) == (
        "the metric 'mine' of entry point 'visiting_metrics:Mine' of the package visiting 1.0 cannot be"
        f" imported ({why}); repair or uninstall the package that brings it"
    )


def test_one_that_asks_for_metrics_starts_no_trial_of_itself(package: Path) -> None:
    package.write_text("import fpcore; fpcore.metrics()")
    with pytest.raises(BadPlugin, match=r"partially initialized module"):
        try_import(installed())


def test_a_failure_is_not_kept(package: Path) -> None:
    package.write_text("import os; os._exit(0)")
    for _ in range(2):
        with pytest.raises(BadPlugin):
            try_import(installed())


def test_an_import_that_does_not_come_back_is_given_up(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package.write_text("while True: pass")
    monkeypatch.setattr(plugin_trial, "SECONDS", 0.5)
    with pytest.raises(BadPlugin, match=r"its import took longer than 0\.5 s"):
        try_import(installed())


def test_what_came_through_is_not_tried_again_until_it_changes(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    run = subprocess.run
    monkeypatch.setattr(
        plugin_trial.subprocess, "run", lambda *args, **named: tried.append(args) or run(*args, **named)
    )
    for _ in range(3):
        try_import(installed())
    assert len(tried) == 1
    package.write_text(SOUND + "\n# changed\n")
    try_import(installed())
    assert len(tried) == 2
    assert "visiting_metrics" not in sys.modules  # nothing of it ran here


def test_where_nothing_can_be_kept_it_does_without(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LOOKALIKE_CACHE", str(tmp_path / "file"))
    package.write_text("Mine = int")
    try_import(installed())


@pytest.mark.parametrize(("code", "status"), [("import os; os._exit(0)", 2), (SOUND, 0)])
def test_the_command_line_survives_it(package: Path, tmp_path: Path, code: str, status: int) -> None:
    package.write_text(code)
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", "metrics", "mine"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(package.parent)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    if status:
        (line,) = done.stderr.splitlines()
        assert line.startswith(
            "error: the metric 'mine' of entry point 'visiting_metrics:Mine' of the package"
        )
        assert done.stdout == ""
    else:
        assert done.stdout.startswith("mine ")
        assert done.stderr == "not for the result of a command\n"


def test_a_verdict_is_about_all_that_an_import_depends_on(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (point,) = installed()
    found = [_verdict(point)]
    assert found[0].parent == tmp_path / "cache" / "trials"
    assert found[0].suffix == ".imported"
    assert _verdict(point) == found[0]
    facts = (point.name, point.value, point.group)
    found += [_verdict(EntryPoint(*facts))]
    found += [_verdict(EntryPoint(*facts[:place], "other", *facts[place + 1 :])) for place in range(3)]
    about = tmp_path / "site" / "visiting-1.0.dist-info" / "METADATA"
    about.write_text(about.read_text().replace("Version: 1.0", "Version: 1.1"))
    found += [_verdict(*installed())]
    os.utime(package, ns=(0, 0))
    found += [_verdict(*installed())]
    for fact in ("version", "executable"):
        monkeypatch.setattr(sys, fact, "another")
        found += [_verdict(*installed())]
    assert len(set(found)) == len(found) == 9


def test_verdicts_stand_in_the_cache_of_the_user(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (point,) = installed()
    monkeypatch.delenv("LOOKALIKE_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert _verdict(point).parent == tmp_path / "xdg" / "lookalike" / "trials"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert _verdict(point).parent == tmp_path / "home" / ".cache" / "lookalike" / "trials"


def test_files_of_a_package_are_all_below_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    names = ["visited/__init__.py", "visited/deep/__pycache__/a.pyc", "visited/deep/a.py", "visited/z.json"]
    for name in (*names, "beside.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        os.utime(path, ns=(7, 7))
    (tmp_path / "visited" / "nowhere").symlink_to(tmp_path / "gone")
    kept = [name for name in names if "pycache" not in name]
    files = [line for line in _files("visited") if not line.startswith(f"{tmp_path / 'visited' / 'deep'} ")]
    assert files == [f"{tmp_path / name} {len(name)} 7" for name in kept]
    assert _files("beside") == [f"{tmp_path / 'beside.py'} 9 7"]
    for name in ("sys", "nowhere_at_all", ""):
        assert _files(name) == []


def test_signals_without_a_name_have_their_number() -> None:
    assert ending(-99) == "was ended by signal 99"
