"""One piece of work for each layer, several at a time: the same numbers whatever the number of threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from threadpoolctl import threadpool_limits

from fpcore.checkpoints.base import Checkpoint

__all__ = ["each_layer", "sampled_layers"]

T = TypeVar("T")

# Of a sample, layers that are read whatever its share: a standard error from fewer says little.
FEWEST_SAMPLED: Final = 6

# Matrices of layers at work together may take so many bytes; one layer is worked on whatever it takes.
ROOM: Final = 10 << 30


def sampled_layers(models: Sequence[Checkpoint], count: int) -> list[int]:
    """Which of `count` layers are read: all, or those of the sample that the models were opened with."""
    sample = models[0].sample
    if any(model.sample != sample for model in models):
        raise ValueError(f"{' and '.join(model.name for model in models)} were opened with different samples")
    if sample is None:
        return list(range(count))
    found: list[int] = sample.places(count, "layers", fewest=FEWEST_SAMPLED).tolist()
    return found


def each_layer(
    work: Callable[[int], T],
    places: Sequence[int],
    models: Sequence[Checkpoint],
    *,
    what: str,
    size: int = 0,
) -> list[T]:
    """``[work(place) for place in places]``, on as many threads as the models were opened with.

    A layer is one thread's, in which linear algebra has one thread too: sums are made in the same order on
    any number of cores.

    Parameters
    ----------
    work : callable
    places : sequence of int
    models : sequence of Checkpoint
        Say how many threads there are, whether several may read, and whom to tell of layers of large models
        that are done.
    what : str
        What they are told.
    size : int
        Bytes that the work on one layer takes; 0 for small models, which no thread is worth.
    """
    told, total = models[0].told, len(places)
    done, lock = 0, threading.Lock()

    def one(place: int) -> T:
        nonlocal done
        found = work(place)
        with lock:
            done += 1
            if size and told is not None:
                told(done, total, what)
        return found

    if not size:
        return [one(place) for place in places]
    import torch

    allowed = (model.threads if model.side_by_side else 1 for model in models)
    threads = max(1, min(total, *allowed, ROOM // size))
    before = torch.get_num_threads()
    with (
        threadpool_limits(1),
        ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        try:
            return list(pool.map(one, places))
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(before)
