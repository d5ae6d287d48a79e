"""What strangers name is opened if it is a file, and read no further than expected."""

from __future__ import annotations

import os
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path

import pytest

from fpcore import plain_files
from fpcore.errors import BadCheckpoint
from fpcore.plain_files import open_file, read_file


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b"1234")
    assert read_file(path) == read_file(path, 4) == b"1234"
    with pytest.raises(BadCheckpoint, match=r"config\.json: more than 3 bytes, too large for such a file"):
        read_file(path, 3)
    with open_file(path) as stream:
        assert stream.read() == b"1234"


def test_of_what_is_longer_no_more_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = BytesIO(bytes(100))
    monkeypatch.setattr(plain_files, "open_file", lambda path: nullcontext(stream))
    with pytest.raises(BadCheckpoint, match="more than 10 bytes"):
        read_file(Path("long"), 10)
    assert stream.tell() == 11


def test_what_is_no_file_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without waiting for anybody to write to a pipe: it fails here, instead of standing still."""
    os.mkfifo(tmp_path / "pipe")
    opened, waiting = os.open, os.O_NONBLOCK

    def never_waiting(path: Path, flags: int) -> int:
        assert flags & waiting
        return opened(path, flags)

    monkeypatch.setattr(os, "open", never_waiting)
    for path in (tmp_path, tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(BadCheckpoint, match=f"{path}: not a file"):
            open_file(path)
    with pytest.raises(BadCheckpoint, match="gone: cannot be read: No such file or directory"):
        open_file(tmp_path / "gone")
    with pytest.raises(BadCheckpoint, match="cannot be read: embedded null byte"):
        open_file(tmp_path / "a\0b")
