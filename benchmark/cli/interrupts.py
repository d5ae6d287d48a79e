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

__all__ = ["FAREWELL", "interruptible"]

FAREWELL: Final = "interrupted; finished work is kept: run the same command again to resume"
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible() -> Iterator[None]:
    """Have the first signal raise KeyboardInterrupt, and the next one end the process at once.

    Processes that work for this one see that it is gone, and end as well.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals go to the main thread, whoever's that is
        return
    heard = False

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal heard
        if heard:
            sys.stderr.write(f"{FAREWELL}\n")
            sys.stderr.flush()
            os._exit(INTERRUPTED)
        heard = True
        raise KeyboardInterrupt

    before = {number: signal.signal(number, hear) for number in SIGNALS}
    try:
        yield
    finally:
        if not heard:  # else the process is about to end, and may be asked to hurry
            for number, handler in before.items():
                signal.signal(number, handler)
