"""A disk that takes no more, wherever that happens: one line that names a file, exit 2, nothing in part."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Said, command
from small_catalog import write_catalog

from benchmark.session.files import atomic_path, write_bytes

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits of file sizes")
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalog(tmp_path_factory.mktemp("models"), founders=2, children=1)


def calibration(catalog: Path, out: Path) -> tuple[object, ...]:
    metric = ("--metrics", "attention-std")
    return ("run", "--catalog", catalog, *metric, "--out", out, "--workers", 1, "--quiet")


@pytest.fixture(scope="module")
def whole(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    assert command(*calibration(catalog, folder / "run"), cache=folder / "cache").code == 0
    return folder


def one_line(said: Said, *names: Path) -> None:
    assert said.code == 2, said.out + said.err
    (line,) = said.err.splitlines()
    assert line.startswith("error: ")
    assert any(str(name) in line for name in names), line


def never_complete(out: Path) -> None:
    """What says complete is."""
    record = out / "run.json"
    if record.exists() and json.loads(record.read_text())["status"] != "running":
        names = {"scores.parquet", "results.json", "report.html", "report.md", "figures"}
        assert names <= {path.name for path in out.iterdir()}
    assert not [path for path in out.rglob(".*") if path.name != ".lock"]


def room_for(files: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many more files take their places; then the disk is full."""
    replace, left = os.replace, files

    def refuse(source: object, target: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)  # type: ignore[arg-type]

    monkeypatch.setattr("benchmark.session.files.os.replace", refuse)


def test_no_file_is_written_in_part(
    whole: Path, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full again and again, each time after one file more, until there is room for all."""
    out, cache, code, room = tmp_path / "run", tmp_path / "cache", 2, 0
    while code == 2:
        with monkeypatch.context() as patch:
            room_for(room, patch)
            said = command(*calibration(catalog, out), cache=cache)
        code, room = said.code, room + 1
        if code:
            one_line(said, out, cache)
            assert os.strerror(errno.ENOSPC) in said.err
            never_complete(out)
        assert room < 60
    assert code == 0
    assert room > 8, "it was full while results were written, too"
    for name in ("results.json", "scores.parquet"):
        assert (out / name).read_bytes() == (whole / "run" / name).read_bytes(), name


@pytest.mark.parametrize("name", ["scores.parquet", "results.json", "report.html", "report.md", "roc.svg"])
def test_a_run_without_all_its_files_is_not_complete(
    whole: Path, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Also where an earlier run lies there: what is new and what is old are not taken for one run."""
    out = tmp_path / "run"
    shutil.copytree(whole / "run", out)
    replace = os.replace

    def refuse(source: object, target: object) -> None:
        if Path(str(target)).name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)  # type: ignore[arg-type]

    monkeypatch.setattr("benchmark.session.files.os.replace", refuse)
    said = command(*calibration(catalog, out), cache=whole / "cache")
    one_line(said, out / name, out / "figures" / name)
    assert json.loads((out / "run.json").read_text())["status"] == "running"
    monkeypatch.undo()
    assert command("leaderboard", out, cache=whole / "cache").code == 2
    assert command(*calibration(catalog, out), cache=whole / "cache").code == 0
    for same in ("results.json", "scores.parquet"):
        assert (out / same).read_bytes() == (whole / "run" / same).read_bytes(), same


@pytest.mark.parametrize(
    "limit", [300, *(pytest.param(limit, marks=pytest.mark.slow) for limit in (1500, 8000))]
)
def test_files_of_a_limited_size(whole: Path, catalog: Path, tmp_path: Path, limit: int) -> None:
    """The system refuses, in the middle of a file: whoever writes it, the command names it."""
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}));"
        "from benchmark.cli.start import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, calibration(catalog, tmp_path / "run"))],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LOOKALIKE_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    one_line(Said(done.returncode, done.stdout, done.stderr), tmp_path)
    assert os.strerror(errno.EFBIG) in done.stderr
    never_complete(tmp_path / "run")
    assert command(*calibration(catalog, tmp_path / "run"), cache=tmp_path / "cache").code == 0
    assert (tmp_path / "run" / "results.json").read_bytes() == (whole / "run" / "results.json").read_bytes()


def test_a_folder_that_cannot_be_made_is_named(whole: Path, catalog: Path, tmp_path: Path) -> None:
    """As on a disk that is read-only; root is refused nothing by a folder's mode."""
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    one_line(command(*calibration(catalog, blocked / "run"), cache=whole / "cache"), blocked)
    assert blocked.read_text() == "not a folder"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_full_cache_that_is_read_only_serves(whole: Path, catalog: Path, tmp_path: Path) -> None:
    for folder, _, _ in os.walk(whole / "cache"):
        os.chmod(folder, 0o555)
    try:
        assert command(*calibration(catalog, tmp_path / "run"), cache=whole / "cache").code == 0
    finally:
        for folder, _, _ in os.walk(whole / "cache"):
            os.chmod(folder, 0o755)


def test_an_error_of_writing_names_the_file_and_one_of_another_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(OSError, match="No space") as nameless, atomic_path(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert nameless.value.filename == str(path)
    with pytest.raises(FileNotFoundError) as other, atomic_path(path):
        (tmp_path / "other.txt").read_text()
    assert other.value.filename == str(tmp_path / "other.txt")
    with pytest.raises(OSError, match="it broke") as told, atomic_path(path):
        raise OSError("it broke")
    assert told.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    path.symlink_to(outside)
    write_bytes(path, b"new")
    assert (outside.read_text(), path.read_text(), path.is_symlink()) == ("mine", "new", False)
