"""A limit on how long somebody's code may take."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

from benchmark.session.errors import UsageError

__all__ = ["USUAL_SECONDS", "TookTooLong", "deadline", "time_limit_in_seconds"]

SUPPORTED: Final = hasattr(signal, "setitimer")
"""Whether this system has interval timers (POSIX)."""
USUAL_SECONDS: Final = 60.0
"""For one model, or one pair, under somebody else's metric."""


class TookTooLong(BaseException):
    """The limit passed. Not an `Exception`: the code that was stopped must not take it for one of its own."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"took longer than {seconds:g} s")


def time_limit_in_seconds(asked: float | None) -> float | None:
    """The limit that a user's metric gets.

    Parameters
    ----------
    asked : float or None
        Seconds; 0: no limit. None: a minute where this process can keep it, else no limit.

    Raises
    ------
    UsageError
        A limit that cannot be kept: there are no timers, or this is not the process's main thread.
    """
    able = SUPPORTED and threading.current_thread() is threading.main_thread()
    if asked is None:
        return USUAL_SECONDS if able else None
    if asked < 0:
        raise UsageError(f"--time-limit: {asked:g} is negative; give 0 for no limit")
    if asked and not able:
        why = "is called outside the main thread" if SUPPORTED else "runs on a system without interval timers"
        raise UsageError(f"--time-limit: it cannot be enforced, as this {why}; give 0 for no limit")
    return asked or None


@contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Stop the block after so many seconds of wall time.

    Works by a timer signal, so on POSIX only and in a process's main thread only, which is where units of
    work run. Python code is stopped at once; one long call into a library is stopped when it returns.

    Parameters
    ----------
    seconds : float or None
        None: no limit.

    Raises
    ------
    TookTooLong
    """
    if seconds is None:
        yield
        return

    def ring(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise TookTooLong(seconds)

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
