"""What was fetched is counted once, by many threads and processes."""

from __future__ import annotations

import pickle
from pathlib import Path

from fpcore.remote.traffic import Fetched, Traffic, noted


def test_what_is_counted_is_noted_when_a_request_ends(tmp_path: Path) -> None:
    log = tmp_path / "very" / "deep" / "log"
    assert noted(log) == {}
    count, other = Traffic("org/é", log), Traffic("org/b", log)
    count.add(requests=1)
    count.add(bytes=5)
    assert not log.exists()
    count.add(bytes=2, seconds=0.0625)
    other.add(bytes=1, requests=1, seconds=1.0)
    count.add(bytes=3, requests=1, seconds=0.5)
    assert count.so_far == Fetched(10, 2, 0.5625)
    assert log.read_text("utf-8").splitlines()[0] == r'["org/\u00e9", 7, 1, 0.062]'
    assert noted(log) == {"org/é": Fetched(10, 2, 0.562), "org/b": Fetched(1, 1, 1.0)}


def test_a_counter_travels_without_its_lock(tmp_path: Path) -> None:
    count = Traffic("org/a", tmp_path / "log")
    count.add(bytes=5, seconds=1.0)
    again = pickle.loads(pickle.dumps(count))
    again.add(bytes=1, requests=1, seconds=1.0)
    assert again.so_far == Fetched(6, 1, 2.0)
    assert noted(tmp_path / "log") == {"org/a": Fetched(6, 1, 2.0)}


def test_neither_a_name_nor_a_log_is_needed(tmp_path: Path) -> None:
    count = Traffic(log=tmp_path / "log")
    count.add(bytes=5, seconds=1.0)
    assert noted(tmp_path / "log") == {"": Fetched(5, 0, 1.0)}
    count = Traffic()
    count.add(bytes=5, requests=1, seconds=1.0)
    assert count.so_far - Fetched(1, 1, 0.5) == Fetched(4, 0, 0.5)
