"""One thread a unit of work: sums in a fixed order, whatever the machine and the number of workers."""

from __future__ import annotations

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
    """Hold torch and the linear algebra libraries to one thread: equal bytes with any number of cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with one_blas_thread():
            yield
    finally:
        torch.set_num_threads(before)
