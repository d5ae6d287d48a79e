"""Files go into the hub's own cache as huggingface_hub lays it out, and are found there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from huggingface_hub import constants, try_to_load_from_cache

from fpcore.remote.hub_cache import cached_file, keep_file, keep_revision
from fpcore.remote.repository import Repository, RepositoryFile

COMMIT, DIGEST = "0a" * 20, "1b" * 32
FILE = RepositoryFile("deep/a.bin", 3, DIGEST)
REPOSITORY = Repository("org/name", None, COMMIT, {FILE.name: FILE})


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models--org--name"


def fetched(folder: Path, content: bytes = b"abc") -> Path:
    path = folder / "fetched"
    path.write_bytes(content)
    return path


def test_a_kept_file_is_found_by_everybody(tmp_path: Path, cache: Path) -> None:
    assert cached_file(REPOSITORY, FILE) is None
    shown = keep_file(REPOSITORY, FILE, fetched(tmp_path))
    keep_revision(REPOSITORY)
    assert shown == cache / "snapshots" / COMMIT / "deep" / "a.bin"
    assert shown.read_bytes() == b"abc"
    assert os.readlink(shown) == os.path.join("..", "..", "..", "blobs", DIGEST)
    assert [path.name for path in (cache / "blobs").iterdir()] == [DIGEST]
    assert not (tmp_path / "fetched").exists()
    assert cached_file(REPOSITORY, FILE) == shown
    assert cached_file(REPOSITORY, RepositoryFile(FILE.name, 4, DIGEST)) is None
    found = try_to_load_from_cache("org/name", "deep/a.bin", cache_dir=cache.parent)
    assert found == str(shown)


def test_a_file_that_is_there_already_is_not_kept_twice(tmp_path: Path, cache: Path) -> None:
    keep_file(REPOSITORY, FILE, fetched(tmp_path))
    other = Repository("org/name", None, "0b" * 20, {FILE.name: FILE})
    for repository in (other, REPOSITORY):
        shown = keep_file(repository, FILE, fetched(tmp_path, b"new"))
        assert shown.read_bytes() == b"abc"
        assert not (tmp_path / "fetched").exists()


def test_a_link_to_nowhere_is_made_anew(tmp_path: Path, cache: Path) -> None:
    shown = keep_file(REPOSITORY, FILE, fetched(tmp_path))
    (cache / "blobs" / DIGEST).unlink()
    assert cached_file(REPOSITORY, FILE) is None
    assert keep_file(REPOSITORY, FILE, fetched(tmp_path, b"new")) == shown
    assert shown.read_bytes() == b"new"


def test_where_there_are_no_links_the_file_stands_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", fail)
    shown = keep_file(REPOSITORY, FILE, fetched(tmp_path))
    assert not shown.is_symlink()
    assert shown.read_bytes() == b"abc"


@pytest.mark.parametrize(
    ("revision", "kept"),
    [
        (None, "main"),
        ("v1", "v1"),
        ("refs/pr/1", "refs/pr/1"),
        (COMMIT, None),
        ("../../out", None),
        ("a/..", None),
    ],
)
def test_a_revision_is_noted_unless_it_is_a_commit(
    revision: str | None, kept: str | None, cache: Path
) -> None:
    """As a file below `refs`, wherever its name would lead by itself."""
    for _ in range(2):
        keep_revision(Repository("org/name", revision, COMMIT, {}))
    noted = [path for path in cache.parent.rglob("*") if path.is_file()]
    assert noted == ([] if kept is None else [cache / "refs" / kept])
    assert all(path.read_text() == COMMIT for path in noted)


def test_a_revision_that_begins_at_the_root_does_not_lead_there(tmp_path: Path, cache: Path) -> None:
    keep_revision(Repository("org/name", str(tmp_path / "out"), COMMIT, {}))
    assert not (tmp_path / "out").exists()
    assert (cache / "refs" / str(tmp_path / "out").lstrip("/")).read_text() == COMMIT
