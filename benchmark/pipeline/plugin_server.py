"""The other side of `benchmark.pipeline.plugin_process`: where somebody else's code runs, and may die.

One process that has imported what is needed, and nothing of a user's, waits for orders. For each it makes a
copy of itself, which does the work: to start again after a crash takes milliseconds.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import struct
import sys
import warnings
from collections.abc import Iterator
from typing import Final, NoReturn

from analysis.processes import end_with_parent
from fpcore.errors import described

__all__ = ["serve", "wait_for_orders", "work_alone"]

DIES_WITH_PARENT: Final = 1  # PR_SET_PDEATHSIG
LEAST_MEMORY: Final = 1 << 30
"""Bytes that somebody's code may always take."""


def wait_for_orders(fd: int, parent: int, memory: int) -> NoReturn:
    """Make a worker for every order that comes, one after the other, until there is nobody to give any.

    Parameters
    ----------
    fd : int
        A socket. An order brings the socket of the worker; answers are the worker's process id, and, when it
        has ended, its exit status.
    parent : int
        The process that gives orders: this one ends with it.
    memory : int
        Bytes of data that a worker may hold; 0: no limit.
    """
    _end_with(parent)
    preload()
    here, orders = os.getpid(), socket.socket(fileno=fd)
    first = True
    while True:
        order, files, _, _ = socket.recv_fds(orders, 16, 1)
        if not order:
            os._exit(0)
        if not first:
            import torch  # noqa: F401  # whoever starts again may start often
        first = False
        with warnings.catch_warnings():  # no thread of ours runs here
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if not pid:
            orders.close()
            _end_with(here)
            os.setsid()
            serve(files[0], memory)
        os.close(files[0])
        orders.sendall(f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        orders.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def work_alone(fd: int, parent: int, memory: int) -> NoReturn:
    """Be the one worker, where a process cannot be copied."""
    end_with_parent(parent)
    preload()
    serve(fd, memory)


def preload() -> None:
    """Import what workers need."""
    import benchmark.pipeline.extract
    import benchmark.pipeline.score_unit  # noqa: F401


def serve(fd: int, memory: int) -> NoReturn:
    """Do what is asked for: call a function, and send what it yields, a line of JSON each.

    Parameters
    ----------
    fd : int
        A socket. A request is its length and a pickle of a function and its arguments; nobody writes it but
        the process that started this one, which in turn takes nothing but JSON from here.
    memory : int
        As for `wait_for_orders`.
    """
    _print_to_stderr()
    _limit(memory)
    home = os.getcwd()
    asked = socket.socket(fileno=fd)
    asked.sendall(b"[]\n")
    try:
        for request in _requests(asked):
            os.chdir(home)
            function, arguments = pickle.loads(request)
            for value in function(*arguments):
                asked.sendall(json.dumps([value]).encode() + b"\n")
                os.chdir(home)
            asked.sendall(b"[]\n")
    except BaseException as error:
        _last_words(asked, error)
    os._exit(0)  # threads and exit handlers of somebody's code are not waited for


def _print_to_stderr() -> None:
    """What is printed is not the result of the command."""
    try:
        os.dup2(2, 1)
    except OSError:  # there is no stderr
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _requests(asked: socket.socket) -> Iterator[bytes]:
    with asked.makefile("rb") as stream:
        while len(head := stream.read(8)) == 8:
            yield stream.read(struct.unpack("<Q", head)[0])


def _last_words(asked: socket.socket, error: BaseException) -> NoReturn:
    try:
        asked.sendall(json.dumps({"error": described(error)}).encode() + b"\n")
    finally:
        os._exit(1)


def _end_with(parent: int) -> None:
    """Be killed as soon as another process ends (Linux)."""
    import ctypes

    ctypes.CDLL(None).prctl(DIES_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _limit(memory: int) -> None:
    """Let no more memory be taken than there is; if it runs out, this process is the one to go."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory and sys.platform == "linux":
        most = max(memory, LEAST_MEMORY)
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        try:
            with open("/proc/self/oom_score_adj", "w", encoding="ascii") as stream:
                stream.write("1000")
        except OSError:
            pass  # a container may not let it
