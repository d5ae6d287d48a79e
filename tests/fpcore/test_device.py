"""Names of devices, and how many threads are used where nothing else is said."""

from __future__ import annotations

import os

import pytest
import torch

from fpcore.device import check_device, usable_threads
from fpcore.errors import NoDevice


def test_a_device_is_one_that_this_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name in ("cpu", "cuda", "cuda:0", "cuda:1"):
        assert check_device(name) == name
    for name in ("gpu", "cpu:1", "cuda:x", "cuda:-1", ""):
        with pytest.raises(NoDevice, match="is not a device"):
            check_device(name)
    with pytest.raises(NoDevice, match="cuda:2: there are 2 CUDA devices, counted from 0"):
        check_device("cuda:2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert check_device("cpu") == "cpu"
    with pytest.raises(NoDevice, match="cuda: PyTorch finds no CUDA device here"):
        check_device("cuda")


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
