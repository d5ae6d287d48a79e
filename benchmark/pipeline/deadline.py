"""A limit on how long somebody's code may take."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

__all__ = ["SUPPORTED", "TookTooLong", "deadline"]

SUPPORTED = hasattr(signal, "setitimer")
"""Whether this system has interval timers (POSIX)."""


class TookTooLong(BaseException):
    """The limit passed. Not an `Exception`: the code that was stopped must not take it for one of its own."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"took longer than {seconds:g} s")


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

    def ring(*_: Any) -> NoReturn:
        raise TookTooLong(seconds)

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
