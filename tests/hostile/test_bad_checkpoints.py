"""Checkpoints of strangers: each is one line, in bounded memory and time, or a model; never anything else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostile_checkpoints import ANY_END, REFUSED, sound, sound_gguf
from limited import Ended, limited
from used import use

DECLARED = {"BadCheckpoint", "UnknownTensor", "ShapeContradiction", "NotComparable", "UnreadableTensor"}
MEGABYTES, SECONDS = 400, 60


def ended(folder: Path) -> Ended:
    found = limited(use, folder, megabytes=1_000, seconds=SECONDS)
    if found.how != "value":
        assert found.kind in DECLARED, found
        assert found.text == "".join(found.text.splitlines()), "more than one line"
        assert found.text.isprintable(), found.text
        assert 20 < len(found.text) < 1_000
    assert found.megabytes < MEGABYTES, found
    return found


def test_what_is_sound_is_read(tmp_path: Path) -> None:
    assert "weight-cosine" in ended(sound(tmp_path / "model")).text
    assert "weight-cosine" in ended(sound_gguf(tmp_path / "model.gguf")).text


@pytest.mark.thorough
@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    folder = sound(tmp_path / "model")
    REFUSED[name](folder)
    assert ended(folder).how == "raised"


@pytest.mark.slow
@pytest.mark.parametrize("name", ANY_END)
def test_read_in_part_or_refused(name: str, tmp_path: Path) -> None:
    folder = sound(tmp_path / "model")
    ANY_END[name](folder)
    ended(folder)
    assert not Path("ran").exists()
