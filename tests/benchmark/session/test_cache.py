"""The cache: counted by kind, bounded by dropping what was used longest ago, and never the user's files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmark.session.cache import Cache, Contents, byte_size


def name(number: int, suffix: str = ".json") -> str:
    return f"{number:064x}{suffix}"


def put(path: Path, size: int, used: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (used, used))
    return path


def filled(folder: Path, limit: int = 10**9) -> tuple[Cache, list[Path]]:
    """Four files of 100 bytes, the first used longest ago."""
    cache = Cache(folder, limit)
    places = [
        cache.fingerprints / "norm-std-v1" / "00" / name(1),
        cache.scores / "norm-std-v1" / f"{2:032x}.parquet",
        cache.results / name(3),
        cache.figures / name(4),
    ]
    return cache, [put(path, 100, 1000.0 + place) for place, path in enumerate(places)]


def test_info_counts_by_kind(tmp_path: Path) -> None:
    cache, _ = filled(tmp_path)
    put(cache.fingerprints / "norm-std-v1" / "00" / name(1, ".safetensors"), 50, 1.0)
    info = cache.info()
    assert (info.path, info.limit) == (tmp_path, 10**9)
    assert info.kinds == {
        "fingerprints": Contents(2, 150),
        "scores": Contents(1, 100),
        "results": Contents(1, 100),
        "figures": Contents(1, 100),
        "calibrations": Contents(0, 0),
        "pieces": Contents(0, 0),
        "trials": Contents(0, 0),
    }
    assert (info.files, info.bytes) == (5, 450)


def test_parts_of_models_count_by_the_room_they_take_and_go_together(tmp_path: Path) -> None:
    cache, _ = filled(tmp_path, limit=500)
    folder = cache.pieces / f"{5:064x}"
    folder.mkdir(parents=True)
    with (folder / "model.safetensors").open("wb") as stream:
        stream.truncate(10**9)
        stream.write(b"x" * 5000)
    (folder / "model.safetensors.journal").write_text("0 5000 1")
    held = cache.info().kinds["pieces"]
    assert held.files == 1
    assert 5000 <= held.bytes < 10**5
    assert cache.trim() == 0, "a run at work may need them"
    assert folder.is_dir()
    for path in folder.iterdir():
        os.utime(path, (1.0, 1.0))
    assert cache.trim() == held.bytes, "the oldest go first"
    assert not folder.exists()
    folder.mkdir(parents=True)
    put(cache.pieces / "notes" / "mine.txt", 10, 1.0)  # not ours
    cache.clear()
    assert [path.name for path in cache.pieces.iterdir()] == ["notes"]


def test_a_cache_that_is_not_there_is_empty(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "nowhere")
    assert cache.info().files == cache.clear().files == cache.trim() == 0
    assert not cache.path.exists()


def test_trim_drops_what_was_used_longest_ago(tmp_path: Path) -> None:
    cache, files = filled(tmp_path, limit=250)
    written = files[0].stat().st_mtime_ns
    cache.used(files[0])
    assert files[0].stat().st_mtime_ns == written
    assert cache.trim() == 200
    assert [path.exists() for path in files] == [True, False, False, True]
    assert cache.trim() == 0
    # Folders that hold nothing go too; the cache itself stays.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures", "fingerprints", "trimmed"]


def test_a_cache_trimmed_of_late_is_not_counted_again(tmp_path: Path) -> None:
    cache, _ = filled(tmp_path, limit=400)
    assert cache.trim(every=60) == 0
    put(cache.results / name(9), 100, 2000.0)
    assert cache.trim(every=60) == 0  # over the limit by now
    os.utime(tmp_path / "trimmed", (0, 0))
    assert cache.trim(every=60) == 100
    assert cache.info().files == 4


def test_within_the_limit_nothing_is_dropped(tmp_path: Path) -> None:
    cache, files = filled(tmp_path, limit=400)
    assert cache.trim() == 0
    assert all(path.exists() for path in files)


def test_an_unfinished_file_of_a_run_at_work_stays(tmp_path: Path) -> None:
    cache, files = filled(tmp_path, limit=0)
    left_behind = put(cache.scores / f".{2:032x}.parquet.abc", 10, 1000.0)
    at_work = cache.scores / f".{9:032x}.parquet.abc"
    at_work.write_bytes(b"x")
    cache.trim()
    assert not left_behind.exists()
    assert at_work.exists()
    assert not any(path.exists() for path in files)


def test_clear_leaves_what_is_not_the_caches(tmp_path: Path) -> None:
    """A cache in a folder of other things: only files named by a digest in its own four folders go."""
    cache, files = filled(tmp_path)
    own = [
        tmp_path / "notes.txt",
        tmp_path / "results" / "paper.json",
        tmp_path / "figures" / "a" / "plot.svg",
        tmp_path / name(7),
    ]
    for path in own:
        put(path, 10, 1.0)
    assert cache.clear().bytes == 400
    assert cache.info().files == 0
    assert not any(path.exists() for path in files)
    assert all(path.exists() for path in own)


def test_a_file_dropped_meanwhile_is_no_error(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.used(cache.results / name(1))


@pytest.mark.parametrize(
    ("text", "size"), [("12", 12), ("3 kb", 3000), ("1.5G", 1_500_000_000), ("2TB", 2 * 10**12)]
)
def test_sizes(text: str, size: int) -> None:
    assert byte_size(text, "limit") == size
