"""What was fetched stays, and a hole is never taken for zeros."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from fpcore.remote.partial_file import PartialFile


def test_what_was_written_is_there_for_the_next(tmp_path: Path) -> None:
    file = PartialFile(tmp_path / "weights.bin", 100)
    file.write(10, b"abc")
    file.write(13, b"de")
    file.write(90, b"x" * 10)
    for again in (file, PartialFile(file.path, 100), pickle.loads(pickle.dumps(file))):
        assert again.present == [(10, 15), (90, 100)]
        assert again.read(11, 14) == b"bcd"
        assert again.missing([(0, 20)]) == [(0, 10), (15, 20)]
        assert not again.complete
        with pytest.raises(ValueError, match="incomplete"):
            again.read(9, 12)
    file.write(0, b"y" * 90)
    assert PartialFile(file.path, 100).complete


@pytest.mark.parametrize("damage", ["bytes", "journal", "torn", "gone", "size", "beyond"])
def test_what_cannot_be_trusted_is_a_hole(tmp_path: Path, damage: str) -> None:
    file = PartialFile(tmp_path / "weights.bin", 100)
    file.write(10, b"abc")
    file.write(50, b"def")
    if damage == "bytes":  # the machine went down before the disk had them
        content = bytearray(file.path.read_bytes())
        content[10:13] = bytes(3)
        file.path.write_bytes(content)
    elif damage == "journal":
        file.journal.write_text("10 13 0\n" + file.journal.read_text().splitlines()[1] + "\n")
    elif damage == "torn":
        text = file.journal.read_text()
        file.journal.write_text(text.splitlines()[1] + "\n" + text[: text.index("\n") - 4])
    elif damage == "gone":
        file.path.unlink()
    elif damage == "size":
        file.path.write_bytes(b"")
    else:
        file.journal.write_text("90 200 0\nnonsense\n-1 5 3\n" + file.journal.read_text().splitlines()[1])
    left = [] if damage in {"gone", "size"} else [(50, 53)]
    assert PartialFile(file.path, 100).present == left


def test_a_hole_takes_no_room(tmp_path: Path) -> None:
    file = PartialFile(tmp_path / "weights.bin", 10**10)
    file.write(5 * 10**9, b"x" * 1000)
    assert file.path.stat().st_size == 10**10
    assert file.path.stat().st_blocks * 512 < 10**6
