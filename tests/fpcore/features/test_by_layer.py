"""Work on layers: which are read, on how many threads, and what is left behind."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from test_metrics import model
from threadpoolctl import threadpool_info, threadpool_limits

import fpcore
from fpcore import Sample
from fpcore.features import by_layer
from fpcore.features.by_layer import ROOM, each_layer, sampled_layers


@pytest.fixture
def two() -> list[fpcore.Checkpoint]:
    return [model(seed=1), model(seed=2)]


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many each pool was made of."""
    asked: list[int] = []

    class Noted(ThreadPoolExecutor):
        def __init__(self, workers: int, **rest: Any) -> None:
            asked.append(workers)
            super().__init__(workers, **rest)

    monkeypatch.setattr(by_layer, "ThreadPoolExecutor", Noted)
    return asked


def test_all_layers_are_read_or_those_of_the_sample(two: list[fpcore.Checkpoint]) -> None:
    assert sampled_layers(two, 9) == list(range(9))
    for each in two:
        each.sample = Sample(0.5, 3)
    assert sampled_layers(two, 40) == Sample(0.5, 3).places(40, "layers").tolist()
    assert len(sampled_layers(two, 8)) == 6, "a standard error needs at least six"
    assert sampled_layers(two[:1], 40) == sampled_layers(two, 40)
    two[1].sample = Sample(0.5, 4)
    with pytest.raises(ValueError, match=r"^qwen2-1 and qwen2-2 were opened with different samples$"):
        sampled_layers(two, 40)


def test_there_are_as_many_threads_as_every_model_allows(
    two: list[fpcore.Checkpoint], threads: list[int]
) -> None:
    def on(layers: int, size: int) -> int:
        assert each_layer(lambda place: place**2, range(layers), two, what="layers", size=size) == [
            place**2 for place in range(layers)
        ]
        return threads.pop()

    two[0].threads, two[1].threads = 4, 3
    assert on(20, 1) == 3
    assert on(2, 1) == 2
    assert on(20, ROOM // 2) == 2
    assert on(20, ROOM // 2 + 1) == 1
    assert on(20, 2 * ROOM) == 1, "one layer is worked on whatever it takes"
    two[1].side_by_side = False
    assert on(20, 1) == 1
    assert each_layer(lambda place: -place, range(3), two, what="small ones") == [0, -1, -2]
    assert threads == [], "no thread is worth a small model"


def test_a_layer_is_one_threads_and_others_get_theirs_back(two: list[fpcore.Checkpoint]) -> None:
    def of_libraries() -> set[int]:
        return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}

    here, before = threading.get_ident(), torch.get_num_threads()
    two[0].threads = two[1].threads = 2
    with threadpool_limits(2):
        torch.set_num_threads(3)
        try:
            seen = each_layer(
                lambda _: (threading.get_ident() == here, torch.get_num_threads(), of_libraries()),
                range(4),
                two,
                what="layers",
                size=1,
            )
            assert seen == [(False, 1, {1})] * 4
            assert torch.get_num_threads() == 3
            assert 1 not in of_libraries()
        finally:
            torch.set_num_threads(before)


def test_layers_of_large_models_that_are_done_are_told(two: list[fpcore.Checkpoint]) -> None:
    told: list[tuple[int, int, str]] = []
    two[0].told = lambda done, total, what: told.append((done, total, what))
    each_layer(str, range(3), two, what="small ones")
    each_layer(str, range(3), two[::-1], what="of another model", size=1)
    assert told == []
    each_layer(str, range(3), two, what="layers", size=1)
    assert told == [(1, 3, "layers"), (2, 3, "layers"), (3, 3, "layers")]


def test_a_layer_that_fails_ends_the_work(
    two: list[fpcore.Checkpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    ending, begun, before = threading.Event(), [], torch.get_num_threads()

    class Waiting(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            ending.set()
            super().shutdown(wait=wait)

    def work(place: int) -> None:
        begun.append(place)
        if place == 0:
            raise fpcore.BadCheckpoint("torn")
        if not ending.wait(5):
            ending.set()  # nobody was let go: all others go on at once

    monkeypatch.setattr(by_layer, "ThreadPoolExecutor", Waiting)
    two[0].threads = two[1].threads = 1
    with pytest.raises(fpcore.BadCheckpoint, match="torn"):
        each_layer(work, range(50), two, what="layers", size=1)
    assert begun in ([0], [0, 1]), "whoever waits is let go"
    assert torch.get_num_threads() == before
