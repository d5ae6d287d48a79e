"""One thread a unit of work: sums in a fixed order, whatever the machine and the number of workers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Final

from threadpoolctl import ThreadpoolController

from fpcore.device import usable_threads

__all__ = ["one_blas_thread", "one_thread"]

OMP: Final = "OMP_NUM_THREADS"


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold linear algebra to one thread, without torch: statistics have threads of their own."""
    with _libraries(len(sys.modules)).limit(limits=1):
        yield


@lru_cache(maxsize=1)
def _libraries(_modules: int) -> ThreadpoolController:
    """The libraries with threads of their own: found in milliseconds, and anew once a module is imported."""
    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold torch and the linear algebra libraries to one thread: equal bytes with any number of cores.

    Torch is not imported for that: what imports it in the block finds one thread.
    """
    torch = sys.modules.get("torch")
    before = None if torch is None else torch.get_num_threads()
    stated = os.environ.get(OMP)
    if torch is None:
        os.environ[OMP] = "1"
    else:
        torch.set_num_threads(1)
    try:
        with one_blas_thread():
            yield
    finally:
        if torch is None:
            os.environ.pop(OMP)
            if stated is not None:
                os.environ[OMP] = stated
        if (torch := sys.modules.get("torch")) is not None:
            torch.set_num_threads(before or usable_threads())
