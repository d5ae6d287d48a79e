"""A function in a process of its own, with so much memory and time: what is bounded is tested by bounds."""

from __future__ import annotations

import multiprocessing
import resource
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection

__all__ = ["Ended", "limited"]

# Modules that take seconds to load are loaded once; every call begins as a copy of that process.
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    ["torch", "transformers", "gguf", "fpcore", "safetensors", "pandas", "benchmark", "limited"]
)


@dataclass(frozen=True)
class Ended:
    """How a call ended.

    Attributes
    ----------
    how : {"value", "raised", "died"}
    text : str
        What it returned, as text; the class of the exception with its message; or how it died.
    kind : str
        The exception's class.
    megabytes : float
        What its memory grew by at most.
    seconds : float
    trace : str
    """

    how: str
    text: str
    kind: str = ""
    megabytes: float = 0.0
    seconds: float = 0.0
    trace: str = ""


def limited(
    function: Callable[..., object], *arguments: object, megabytes: int = 1_000, seconds: float = 60
) -> Ended:
    """Call a function of a module by itself; memory beyond the limit is a MemoryError there.

    Parameters
    ----------
    function : callable
        Of a module, so that another process finds it.
    *arguments : object
    megabytes : int
        By which its address space may grow.
    seconds : float
        After which it is killed.
    """
    here, there = _SERVER.Pipe(duplex=False)
    process = _SERVER.Process(target=_call, args=(there, function, arguments, megabytes))
    process.start()
    there.close()
    ended = None
    try:
        if here.poll(seconds):
            ended = here.recv()
    except EOFError:
        process.join(5)
        return Ended("died", f"exit code {process.exitcode}", "died")
    finally:
        process.kill()
        process.join()
        here.close()
    return ended or Ended("died", f"no answer within {seconds:g} s", "late", seconds=seconds)


def _call(
    there: Connection, function: Callable[..., object], arguments: tuple[object, ...], megabytes: int
) -> None:
    with open("/proc/self/statm") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (megabytes << 20), resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    before, begun = _peak(), time.monotonic()
    try:
        value = function(*arguments)
        how, text, kind, trace = "value", str(value)[:2000], "", ""
    except BaseException as error:
        how, kind = "raised", type(error).__name__
        text, trace = str(error), "".join(traceback.format_exception(error, limit=-6))[-4000:]
    there.send(Ended(how, text, kind, (_peak() - before) / 1024, time.monotonic() - begun, trace))
    there.close()


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
