"""One piece of work in a background thread, for which nobody waits once the caller is interrupted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

__all__ = ["in_background"]

Found = TypeVar("Found")


def in_background(work: Callable[[], Found]) -> Future[Found]:
    """Begin some work in a background thread.

    Leaving the block of a `ThreadPoolExecutor`, and the end of the interpreter, wait for its threads: after a
    Ctrl-C the terminal would stay silent for as long as the work takes. This thread ends with the process.

    Parameters
    ----------
    work : callable
        Without arguments.

    Returns
    -------
    concurrent.futures.Future
        Its `result` waits, and raises what the work raised.

    Examples
    --------
    >>> in_background(lambda: 6 * 7).result()
    42
    """
    found: Future[Found] = Future()

    def run() -> None:
        try:
            found.set_result(work())
        except BaseException as error:
            found.set_exception(error)

    threading.Thread(target=run, name="background", daemon=True).start()
    return found
