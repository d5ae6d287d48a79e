"""Steps of a unit that another process does are told in this one while it lasts."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from benchmark.pipeline import engine as engine_module
from benchmark.pipeline.distant_steps import StepNote, listening
from benchmark.pipeline.engine import Engine
from fpcore.checkpoints.base import Told


class Shared:
    """Tells of steps."""

    told: Told | None = None


def slow(shared: Shared, unit: tuple[int, Path]) -> int:
    """The second unit tells of a step, and ends when somebody heard of it."""
    number, pipe = unit
    if number:
        assert shared.told is not None
        shared.told(3, 7, f"MB of model {os.getpid()}")
        pipe.read_text()
    return number


@pytest.mark.skipif(os.name != "posix", reason="named pipes")
def test_a_step_is_told_before_its_unit_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(engine_module, "START_SECONDS", 0.0)
    pipe = tmp_path / "heard"
    os.mkfifo(pipe)
    engine = Engine(Shared, workers=2)
    heard: list[tuple[int, int, str]] = []

    def told(done: int, of: int, what: str) -> None:
        heard.append((done, of, what))
        pipe.write_text("yes")

    engine.here.told = told
    found = dict(engine.run(slow, [(0, pipe), (1, pipe)], advance=lambda done, total, text: None, name=str))
    assert found == {0: 0, 1: 1}
    ((done, of, what),) = heard
    assert (done, of) == (3, 7)
    assert what.startswith("MB of model")
    assert not what.endswith(str(os.getpid()))


def test_a_note_is_told_once_and_goes_with_its_unit(tmp_path: Path) -> None:
    told = threading.Event()
    heard: list[tuple[int, int, str]] = []
    shared = Shared()

    def hear(done: int, of: int, what: str) -> None:
        heard.append((done, of, what))
        told.set()

    shared.told = hear
    note = StepNote(tmp_path / "4")
    assert (tmp_path / "4").exists()
    with listening(tmp_path, shared):
        note(1, 2, "layers of a model")
        note(2, 2, "layers of a model")  # in the same second
        assert told.wait(60)
    assert heard == [(1, 2, "layers of a model")]
    note.end()
    assert not (tmp_path / "4").exists()
