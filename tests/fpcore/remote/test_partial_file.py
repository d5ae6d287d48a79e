"""What was fetched stays, and a hole is never taken for zeros."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from fpcore.remote import partial_file
from fpcore.remote.partial_file import PartialFile


def test_what_was_written_is_there_for_the_next(tmp_path: Path) -> None:
    file = PartialFile(tmp_path / "very" / "deep" / "weights.bin", 100)
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
        lines = [b"90 200 0", b"nonsense", b"-1 5 3", b"a b c", b"10 13", b"10 \xff\xb3 4"]
        file.journal.write_bytes(b"\n".join([*lines, file.journal.read_bytes().splitlines()[1]]))
    left = [] if damage in {"gone", "size"} else [(50, 53)]
    assert PartialFile(file.path, 100).present == left


def test_a_hole_takes_no_room(tmp_path: Path) -> None:
    file = PartialFile(tmp_path / "weights.bin", 10**10)
    file.write(5 * 10**9, b"x" * 1000)
    assert file.path.stat().st_size == 10**10
    assert file.path.stat().st_blocks * 512 < 10**6


def test_a_file_that_somebody_else_keeps_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"abc")
    for file in (
        PartialFile(path, 3, whole=True),
        pickle.loads(pickle.dumps(PartialFile(path, 3, whole=True))),
    ):
        assert (file.present, file.complete, file.read(0, 3)) == ([(0, 3)], True, b"abc")
    assert [each.name for each in tmp_path.iterdir()] == ["weights.bin"]
    assert PartialFile(tmp_path / "empty", 0, whole=True).present == []


def test_long_spans_are_confirmed_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial_file, "READ", 4)
    file = PartialFile(tmp_path / "weights.bin", 100)
    file.write(10, bytes(range(10)))
    assert PartialFile(file.path, 100).present == [(10, 20)]


def test_nothing_is_left_of_what_is_removed(tmp_path: Path) -> None:
    file = PartialFile(tmp_path / "weights.bin", 100)
    file.write(10, b"abc")
    file.remove()
    assert list(tmp_path.iterdir()) == []
    file.remove()
