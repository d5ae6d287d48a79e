"""Processes that are killed: their units are done again, the run goes on, and nobody is left behind."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from analysis.processes import in_processes
from benchmark.pipeline import engine as engine_module
from benchmark.pipeline.engine import Engine

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and named pipes")

SECONDS = 120


@dataclass(frozen=True)
class Unit:
    """A number; where it says who works on it; how often it waits there to be killed; who made it."""

    number: int
    pipe: Path
    deaths: int = 0
    home: int = field(default_factory=os.getpid)


def started() -> None:
    """Units share nothing."""


def work(_: None, unit: Unit) -> tuple[int, int]:
    wait_to_be_killed(unit)
    return unit.number, os.getpid()


def wait_to_be_killed(unit: Unit) -> None:
    attempts = unit.pipe.with_name(f"attempts-{unit.number}")
    with attempts.open("a") as stream:
        stream.write(f"{os.getpid()}\n")
    if len(attempts.read_text().split()) <= unit.deaths:
        with unit.pipe.open("w") as stream:
            stream.write(f"{os.getpid()}\n")
        signal.pause()


def attempts_of(unit: Unit) -> list[int]:
    return [int(text) for text in unit.pipe.with_name(f"attempts-{unit.number}").read_text().split()]


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "who"
    os.mkfifo(path)
    return path


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start other processes at once: after the first unit."""
    monkeypatch.setattr(engine_module, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(engine_module, "START_SECONDS", 0.0)


@pytest.fixture
def killer(pipe: Path) -> Iterator[list[int]]:
    """Kills every process that says at the pipe that it waits for that."""
    killed: list[int] = []

    def kill() -> None:
        while text := pipe.read_text().split():
            for pid in map(int, text):
                if not pid:
                    return
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    thread = threading.Thread(target=kill)
    thread.start()
    yield killed
    pipe.write_text("0\n")
    thread.join(SECONDS)


def run(units: list[Unit], lost: object = None) -> dict[int, tuple[int, int] | str]:
    engine = Engine(started, workers=2)
    told: list[int] = []
    found = dict(
        engine.run(
            work,
            units,
            advance=lambda done, total, text: told.append(done),
            name=lambda unit: str(unit.number),
            lost=lost,  # type: ignore[arg-type]
        )
    )
    assert told == list(range(1, len(units) + 1))
    return found  # type: ignore[return-value]


def test_a_unit_whose_process_is_killed_is_done_again(eager: None, pipe: Path, killer: list[int]) -> None:
    units = [Unit(number, pipe, deaths=int(number == 3)) for number in range(8)]
    found = run(units)
    assert [found[place][0] for place in range(8)] == list(range(8))
    first, second = attempts_of(units[3])
    assert killer == [first]
    assert second not in (first, os.getpid())


def test_a_unit_whose_process_is_killed_twice_is_lost_alone(
    eager: None, pipe: Path, killer: list[int]
) -> None:
    units = [Unit(number, pipe, deaths=2 * (number == 3)) for number in range(8)]
    found = run(units, lost=lambda unit: f"lost {unit.number}")
    assert found.pop(3) == "lost 3"
    assert {place: value[0] for place, value in found.items()} == {n: n for n in range(8) if n != 3}
    assert killer == attempts_of(units[3])
    assert len(killer) == 2


def add_one(unit: Unit) -> int:
    if os.getpid() != unit.home:
        wait_to_be_killed(unit)
    return unit.number + 1


@pytest.mark.parametrize("deaths", [1, 2])
def test_values_handed_to_processes_all_come_back(pipe: Path, killer: list[int], deaths: int) -> None:
    units = [Unit(number, pipe, deaths=deaths * (number == 1)) for number in range(4)]
    assert list(in_processes(add_one, units, 2)) == [1, 2, 3, 4]
    assert len(killer) == deaths


PARENT = """
import sys
from pathlib import Path
from benchmark.pipeline import engine
from tests.benchmark.pipeline.test_killed_processes import hold, started

engine.LOOK_SECONDS = engine.START_SECONDS = 0.0
units = [None, *[Path(path) for path in sys.argv[1:]]]
found = engine.Engine(started, workers=2).run(
    hold, units, advance=lambda done, total, text: None, name=str
)
list(found)
"""


def hold(_: None, pipe: Path | None) -> None:
    """Say who works here, and keep the pipe open until the end."""
    if pipe is not None:
        stream = pipe.open("w")
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        signal.pause()


def test_nobody_works_on_for_a_parent_that_was_killed(tmp_path: Path) -> None:
    pipes = [tmp_path / name for name in "ab"]
    for pipe in pipes:
        os.mkfifo(pipe)
    parent = subprocess.Popen([sys.executable, "-c", PARENT, *map(str, pipes)], stderr=subprocess.DEVNULL)
    streams = [pipe.open() for pipe in pipes]
    workers = [int(stream.readline()) for stream in streams]
    assert parent.pid not in workers
    parent.kill()
    parent.wait()
    for stream in streams:
        # The end of the file comes when whoever held it is gone.
        assert select.select([stream], [], [], SECONDS)[0]
        assert stream.read() == ""
        stream.close()
