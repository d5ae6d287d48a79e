"""One thread a unit of work: sums in a fixed order, whatever the machine and the number of workers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

__all__ = ["one_blas_thread", "one_thread"]


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold linear algebra to one thread, without torch: statistics have threads of their own."""
    with threadpool_limits(1):
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold torch and the linear algebra libraries to one thread: equal bytes with any number of cores.

    Work that needs no torch does not wait for it: where it is not there yet it is told to begin with one.
    """
    with one_blas_thread(), _one_torch_thread() if "torch" in sys.modules else _torch_to_come():
        yield


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _torch_to_come() -> Iterator[None]:
    """Torch takes its number of threads from these variables when it is imported."""
    before = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    os.environ.update(dict.fromkeys(before, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        if "torch" in sys.modules:
            import torch

            torch.set_num_threads(int(before["OMP_NUM_THREADS"] or len(os.sched_getaffinity(0))))
