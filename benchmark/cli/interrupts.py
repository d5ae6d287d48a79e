"""Ctrl-C and SIGTERM end a command in one way: what is done is kept, and nobody works on."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from benchmark.cli.exits import INTERRUPTED

__all__ = ["FAREWELL", "Farewell", "interruptible"]

FAREWELL: Final = "interrupted; finished work is kept: rerun the same command to resume"
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Farewell:
    """What an interrupted command says, once."""

    def __init__(self) -> None:
        self._said = False

    def say(self) -> None:
        """Say it, unless it has been said."""
        if not self._said:
            self._said = True
            sys.stderr.write(f"{FAREWELL}\n")
            sys.stderr.flush()


@contextmanager
def interruptible() -> Iterator[Farewell]:
    """Have the first signal raise KeyboardInterrupt, and the next one end the process at once.

    Processes that work for this one see that it is gone, and end as well.
    """
    farewell = Farewell()
    if threading.current_thread() is not threading.main_thread():
        yield farewell  # signals go to the main thread, whoever's that is
        return
    heard = False

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal heard
        if heard:
            farewell.say()
            os._exit(INTERRUPTED)
        heard = True
        raise KeyboardInterrupt

    before = {number: signal.signal(number, hear) for number in SIGNALS}
    try:
        yield farewell
    finally:
        if not heard:  # else the process is about to end, and may be asked to hurry
            for number, handler in before.items():
                signal.signal(number, handler)
