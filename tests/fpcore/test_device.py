"""How many threads are used where nothing else is said."""

from __future__ import annotations

import os

import pytest

from fpcore.device import usable_threads


def test_threads_are_those_of_the_environment_or_one_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    for stated, threads in (("1", 1), ("3", 3), ("4,2", 4)):
        monkeypatch.setenv("OMP_NUM_THREADS", stated)
        assert usable_threads() == threads
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 3, 5, 7, 9}, raising=False)
    for stated in ("0", "-1", "many", ""):
        monkeypatch.setenv("OMP_NUM_THREADS", stated)
        assert usable_threads() == 5
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert usable_threads() == 5
    monkeypatch.delattr(os, "sched_getaffinity")
    for cores, threads in ((6, 6), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        assert usable_threads() == threads
