"""One writer at a time: a lock keeps others out, ends with its holder, and follows no link."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.session.errors import UsageError
from benchmark.session.locks import LOCK, locked

HOLDER = """
import sys, time
from pathlib import Path
from benchmark.session.locks import locked
with locked(Path(sys.argv[1]), "--out"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_second_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with (
        locked(folder, "--out"),
        pytest.raises(UsageError, match=r"--out .*b: another process is writing there"),
        locked(folder, "--out"),
    ):
        raise AssertionError("both write")
    assert list(folder.iterdir()) == []
    with locked(folder, "--out"):
        assert (folder / LOCK).is_file()


def test_a_lock_ends_with_its_holder(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match=rf"\(process {holder.pid}\)"), locked(tmp_path, "--out"):
            raise AssertionError("both write")
        holder.kill()
    assert (tmp_path / LOCK).exists(), "as the killed leave it"
    with locked(tmp_path, "--out"):
        pass
    assert not (tmp_path / LOCK).exists()


def test_no_link_is_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / LOCK).symlink_to(outside)
    with pytest.raises(OSError, match=LOCK), locked(folder, "--out"):
        raise AssertionError("a link was followed")
    assert outside.read_text() == "mine"
