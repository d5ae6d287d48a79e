"""Work on many things in processes of their own, each handed over as it is when it is asked for."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, Literal, TypeVar

import joblib
from joblib.externals.loky import process_executor
from joblib.externals.loky.process_executor import BrokenProcessPool

__all__ = [
    "PROCESS_DIED",
    "end_with_parent",
    "in_processes",
    "interrupts_held",
    "quiet_about_workers",
    "started_meanwhile",
    "worker_processes",
]

Given = TypeVar("Given")
Found = TypeVar("Found")

PROCESS_DIED: Final = BrokenProcessPool
"""What is raised where a process that works for this one was killed: all of them are gone then."""
REPLACED: Final = "A worker stopped while some jobs were given to the executor"
HELD: Final = 1 << 30
"""Bytes by which a process may grow before joblib replaces it. By joblib's own limit of 0.3 GB, which imports
reach, every step of a run began with new processes, and each of these with seconds of imports."""
LOOK_SECONDS: Final = 0.5
"""Between two looks of a process whether the one that it works for is still there."""

# Of this process, if it works for another one: the thread that looks after that one.
_watch: threading.Thread | None = None


def quiet_about_workers() -> None:
    """Say nothing where joblib replaces a worker that holds much memory: that is as it should be."""
    warnings.filterwarnings("ignore", message=REPLACED, category=UserWarning)


def worker_processes(n: int, return_as: Literal["generator", "generator_unordered"]) -> joblib.Parallel:
    """Processes that work for this one and end with it; they are started within `interrupts_held`.

    Parameters
    ----------
    n : int
        How many; one is this process itself.
    return_as : str
        As for `joblib.Parallel`.
    """
    quiet_about_workers()
    # From their beginning, whether they are given work or not.
    return joblib.Parallel(
        n_jobs=n, return_as=return_as, backend="loky", initializer=_begin, initargs=(os.getpid(),)
    )


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Start processes that no Ctrl-C reaches: it comes to all of a terminal, also before they can ignore it.

    To this process it comes when they are started. What holds a signal back is handed on to new processes.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def started_meanwhile(n: int, load: Callable[[], None]) -> Iterator[None]:
    """Have processes start while the block runs; at its end they are there, and have loaded what they need.

    Parameters
    ----------
    n : int
        How many; 2 or more.
    load : callable
        Called in each of them; a function of a module, so that other processes find it.
    """
    jobs = worker_processes(n, "generator_unordered")
    with interrupts_held():
        started: Iterator[None] = jobs(joblib.delayed(load)() for _ in range(n))
    yield
    with suppress(PROCESS_DIED):  # whoever has work for them starts them again
        for _ in started:
            pass


def _begin(parent: int) -> None:
    """Be a process that works for another one: a Ctrl-C is for that to answer, and with it this one ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    process_executor._MAX_MEMORY_LEAK_SIZE = HELD
    end_with_parent(parent)


def end_with_parent(parent: int) -> None:
    """Have this process end soon after the one that it works for, however that ends.

    A process that is killed takes leave of nobody: those that work for it would finish what they have, and
    wait for more. POSIX only: elsewhere a process cannot see that its parent is gone.

    Parameters
    ----------
    parent : int
        Its process id.
    """
    global _watch
    if _watch is not None or os.name != "posix" or parent == os.getpid():
        return

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_SECONDS)
        os._exit(1)

    _watch = threading.Thread(target=look, name="looks after the parent", daemon=True)
    _watch.start()


def in_processes(function: Callable[[Given], Found], given: Sequence[Given], workers: int) -> Iterator[Found]:
    """Begin to call a function on each of some values, in processes.

    What is given is packed at once: joblib packs in a thread, and a table keeps what is derived from it, so
    that packing it while it is worked on fails. Where a process is killed, what is left is begun once more in
    new ones; if that happens again, it is done in this process.

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
    packed = [pickle.dumps(each) for each in given]

    def begun(first: int) -> Iterator[Found]:
        jobs = worker_processes(min(workers, len(given)), "generator")
        with interrupts_held():
            found: Iterator[Found] = jobs(
                joblib.delayed(_unpacked)(function, each) for each in packed[first:]
            )
        return found

    return _finished(begun, begun(0), packed, function)


def _finished(
    begin: Callable[[int], Iterator[Found]],
    begun: Iterator[Found],
    packed: Sequence[bytes],
    function: Callable[[Given], Found],
) -> Iterator[Found]:
    done = 0
    for again in (True, False):
        try:
            for found in begun:
                done += 1
                yield found
            return
        except PROCESS_DIED:
            if again:
                begun = begin(done)
    for each in packed[done:]:
        yield function(pickle.loads(each))


def _unpacked(function: Callable[[Given], Found], packed: bytes) -> Found:
    return function(pickle.loads(packed))
