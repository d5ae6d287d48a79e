"""Ctrl-C, SIGTERM and `kill -9`: a message, 130, nobody left behind, and the same command goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import command
from held_run import Held, held, write_held_metric
from killed import ROOT
from small_catalog import write_catalog

from benchmark.cli.interrupts import FAREWELL, Farewell

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and process groups")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalog(tmp_path_factory.mktemp("models"), founders=3, children=1)


def evaluated(metric: Path, catalog: Path, out: Path, workers: int) -> tuple[object, ...]:
    return (
        "evaluate", f"{metric}:Held", "--catalog", catalog, "--against", "norm-pearson", "--out", out,
        "--workers", workers, "--time-limit", 0, "--quiet",
    )  # fmt: skip


def goes_on(arguments: tuple[object, ...], out: Path, cache: Path) -> None:
    """The same command ends well, with what it would have found undisturbed."""
    assert json.loads((out / "run.json").read_text())["status"] == "running"
    refused = command("report", out, cache=cache)
    assert refused.code == 2
    assert "run.json says running" in refused.err
    said = command(*arguments, cache=cache)
    assert said.code == 0, said.err
    undisturbed = out.with_name("undisturbed")
    elsewhere = [undisturbed if one == out else one for one in arguments]
    assert command(*elsewhere, cache=cache.with_name("cache of its own")).code == 0
    for name in ("results.json", "scores.parquet"):
        assert (out / name).read_bytes() == (undisturbed / name).read_bytes(), name
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("workers", "number", "times"),
    [
        pytest.param(1, signal.SIGTERM, 1, marks=pytest.mark.slow),
        pytest.param(2, signal.SIGINT, 1, marks=pytest.mark.slow),
        pytest.param(2, signal.SIGTERM, 2, marks=pytest.mark.slow),
        pytest.param(1, signal.SIGINT, 2, marks=pytest.mark.slow),
        pytest.param(1, signal.SIGINT, 1, marks=pytest.mark.slow),
        pytest.param(2, signal.SIGTERM, 1, marks=pytest.mark.slow),
        pytest.param(2, signal.SIGINT, 2, marks=pytest.mark.slow),
    ],
)
def test_a_signal_ends_it_in_one_way(
    catalog: Path, tmp_path: Path, workers: int, number: signal.Signals, times: int
) -> None:
    metric, place = write_held_metric(tmp_path)
    arguments = evaluated(metric, catalog, tmp_path / "out", workers)
    with held(arguments, place, tmp_path / "cache") as run:
        run.wait_for(workers)
        for _ in range(times):
            run.process.send_signal(number)
        out, err = run.process.communicate(timeout=60)
        assert run.process.returncode == 130
        assert out == ""
        assert [line for line in err.splitlines() if line] == [FAREWELL]
        run.nobody_is_left()
    goes_on(arguments, tmp_path / "out", tmp_path / "cache")


ON_IMPORT = """
import os, signal, sys
def interrupt(event, arguments):
    if event == "import" and arguments[0] == {module!r}:
        for _ in range({times}):
            os.kill(os.getpid(), signal.{name})
sys.addaudithook(interrupt)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_command_that_has_only_begun_ends_in_the_same_way(tmp_path: Path, name: str, times: int) -> None:
    """While it imports itself."""
    text = ON_IMPORT.format(module="benchmark.cli.printing", name=name, times=times)
    (tmp_path / "sitecustomize.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", "metrics"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", f"{FAREWELL}\n")


def test_a_farewell_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    farewell = Farewell()
    farewell.say()
    farewell.say()
    assert capsys.readouterr().err == f"{FAREWELL}\n"


@pytest.mark.slow
def test_a_terminal_interrupts_all_processes_and_one_speaks(catalog: Path, tmp_path: Path) -> None:
    """As a terminal does it: the signal goes to every process of the group."""
    metric, place = write_held_metric(tmp_path)
    with held(evaluated(metric, catalog, tmp_path / "out", 2), place, tmp_path / "cache") as run:
        run.wait_for(2)
        os.killpg(run.process.pid, signal.SIGINT)
        _, err = run.process.communicate(timeout=60)
        assert (run.process.returncode, [line for line in err.splitlines() if line]) == (130, [FAREWELL])
        run.nobody_is_left()


@pytest.mark.slow
def test_nobody_works_on_for_a_command_that_was_killed(catalog: Path, tmp_path: Path) -> None:
    """Not even who has been given no work yet: of three processes two have a model each, and one has none."""
    metric, place = write_held_metric(tmp_path)
    arguments = evaluated(metric, catalog, tmp_path / "out", 2)
    with held(arguments, place, tmp_path / "cache") as run:
        run.wait_for(2)
        run.process.kill()
        run.process.wait()
        run.nobody_is_left()
    goes_on(arguments, tmp_path / "out", tmp_path / "cache")


def second(run: Held, arguments: tuple[object, ...], cache: Path) -> str:
    """What the same command says while the first is at work; the file that holds it is taken away."""
    run.place.rename(run.place.with_name("put by"))
    said = command(*arguments, cache=cache)
    run.place.with_name("put by").rename(run.place)
    assert said.code == 2, said.err
    (line,) = said.err.splitlines()
    return line


@pytest.mark.slow
def test_two_runs_do_not_mix_in_one_directory(catalog: Path, tmp_path: Path) -> None:
    metric, place = write_held_metric(tmp_path)
    out = tmp_path / "out"
    arguments = evaluated(metric, catalog, out, 1)
    with held(arguments, place, tmp_path / "cache") as run:
        run.wait_for(1)
        line = second(run, arguments, tmp_path / "cache")
        holder = f"another process is writing there (process {run.process.pid})"
        assert line.startswith(f"error: --out {out}: {holder}")
        run.process.kill()
        run.process.wait()
    goes_on(arguments, out, tmp_path / "cache")


@pytest.mark.slow
def test_a_finished_run_stays_until_another_takes_its_place(catalog: Path, tmp_path: Path) -> None:
    metric, place = write_held_metric(tmp_path)
    out = tmp_path / "out"
    arguments = evaluated(metric, catalog, out, 1)
    assert command(*arguments, cache=tmp_path / "cache").code == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    shutil.rmtree(tmp_path / "cache")
    with held(arguments, place, tmp_path / "cache") as run:
        run.wait_for(1)
        assert "another process is writing there" in second(run, ("report", out), tmp_path / "cache")
        run.process.terminate()
        assert run.process.wait(60) == 130
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert command("report", out, cache=tmp_path / "cache").code == 0
