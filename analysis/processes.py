"""Work on many things in processes of their own, each handed over as it is when it is asked for."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

import joblib

__all__ = ["in_processes", "quiet_about_workers"]

Given = TypeVar("Given")
Found = TypeVar("Found")

REPLACED: Final = "A worker stopped while some jobs were given to the executor"


def quiet_about_workers() -> None:
    """Say nothing where joblib replaces a worker that holds much memory: that is as it should be."""
    warnings.filterwarnings("ignore", message=REPLACED, category=UserWarning)


def in_processes(function: Callable[[Given], Found], given: Sequence[Given], workers: int) -> Iterator[Found]:
    """Begin to call a function on each of some values, in processes.

    What is given is packed at once: joblib packs in a thread, and a table keeps what is derived from it, so
    that packing it while it is worked on fails.

    Parameters
    ----------
    function : callable
        Of one value; it can be pickled.
    given : sequence
        Values that can be pickled.
    workers : int
        Processes at most; 1 or more.

    Yields
    ------
    object
        Results, in order.
    """
    quiet_about_workers()
    jobs = joblib.Parallel(n_jobs=min(workers, len(given)), return_as="generator")
    packed = [pickle.dumps(each) for each in given]
    found: Iterator[Found] = jobs(joblib.delayed(_unpacked)(function, each) for each in packed)
    return found


def _unpacked(function: Callable[[Given], Found], packed: bytes) -> Found:
    return function(pickle.loads(packed))
