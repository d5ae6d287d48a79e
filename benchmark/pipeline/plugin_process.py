"""A process for code that somebody else wrote: it may crash, hang, exit or print, and nothing else does.

What comes back from it is JSON, one value a line, each awaited for a limited time: the process that asks runs
none of the code, and believes nothing that it has not checked.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, ParamSpec

from fpcore.plugin_trial import ending

__all__ = ["ISOLATES", "PluginEnded", "PluginProcess"]

ISOLATES: Final = os.name == "posix"
"""Whether this system has what it takes: sockets and signals that processes share."""
FORKS: Final = sys.platform == "linux"
"""Whether a process that has threads of the linear algebra libraries may be copied."""

LONGEST_LINE: Final = 1 << 20
START_SECONDS: Final = 120.0
"""For a fresh Python to import numpy and pandas, on a busy machine."""
GRACE_SECONDS: Final = 1.0
GRACE: Final = 0.1
"""What the process gets beyond a limit, to keep it by itself: a tenth, and at least a second."""
BOOT: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[4]);"
    " from benchmark.pipeline import plugin_server;"
    " getattr(plugin_server, sys.argv[5])(*map(int, sys.argv[1:4]))"
)

P = ParamSpec("P")


class PluginEnded(Exception):
    """The process gave no answer: it ended, was too slow, or said something else; the message says which."""


class PluginProcess:
    """Runs functions for this process in another one, which is started again whenever it ended.

    Parameters
    ----------
    device : str
        Where metrics run models. On the processor it may hold no more data than the machine has to spare now
        (Linux); drivers of other devices map more than they take.

    Attributes
    ----------
    starts : int
        How often it was started.
    """

    def __init__(self, device: str = "cpu") -> None:
        self._memory = spare_memory() if device == "cpu" else 0
        self._held = _Held()
        self._worker: socket.socket | None = None
        self._control: socket.socket | None = None
        self._buffer = b""
        self.starts = 0
        weakref.finalize(self, self._held.kill)

    def stream(
        self,
        limit: float | None,
        function: Callable[P, Iterator[object]],
        *arguments: P.args,
        **named: P.kwargs,
    ) -> Iterator[object]:
        """Call a function there.

        Parameters
        ----------
        limit : float or None
            Seconds to wait for each value.
        function : callable
            Of a module. It yields what JSON can hold.
        *arguments, **named
            For it; they can be pickled.

        Yields
        ------
        object
            What it yields there, unchecked.

        Raises
        ------
        PluginEnded
        """
        request = pickle.dumps((_called, (function, arguments, named)))
        whole = False
        try:
            if self._worker is None:
                self._start()
            with self._errors():
                assert self._worker is not None
                self._worker.settimeout(START_SECONDS)
                self._worker.sendall(struct.pack("<Q", len(request)) + request)
            while True:
                line = self._line(limit)
                if line == b"[]":
                    whole = True
                    return
                yield _value(line)
        finally:
            if not whole:
                self._end_worker(running=True)

    @property
    def running(self) -> bool:
        """Whether it was started, and has not ended as far as is known here."""
        return self._worker is not None

    def restart(self) -> None:
        """Begin with a new process: nothing of what ran in this one is left."""
        self._end_worker(running=True)

    def close(self) -> None:
        """End the process."""
        self.restart()
        self._end_server()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        self._buffer = b""
        with theirs:
            if FORKS:
                self._held.worker = self._ordered(theirs)
            else:
                started = self._popen("work_alone", theirs)
                self._held.alone, self._held.worker = started, started.pid
        self._worker = ours
        self.starts += 1
        if self._line(START_SECONDS) != b"[]":
            raise PluginEnded("its process sent an unreadable answer")

    def _ordered(self, socket_of_worker: socket.socket) -> int:
        """Have the server make a worker; its process id."""
        for last in (False, True):
            if self._control is None:
                ours, theirs = socket.socketpair()
                with theirs:
                    self._held.server = self._popen("wait_for_orders", theirs)
                self._control = ours
            try:
                self._control.settimeout(START_SECONDS)
                socket.send_fds(self._control, [b"start"], [socket_of_worker.fileno()])
                return int(self._answer(START_SECONDS))
            except (OSError, ValueError) as error:  # somebody's code may have ended it
                self._end_server()
                if last:
                    raise PluginEnded("no process could be started for it") from error
        raise AssertionError

    def _popen(self, role: str, theirs: socket.socket) -> subprocess.Popen[bytes]:
        fd = theirs.fileno()
        paths = json.dumps([str(Path(path).absolute()) for path in sys.path])
        return subprocess.Popen(
            [sys.executable, "-P", "-c", BOOT, str(fd), str(os.getpid()), str(self._memory), paths, role],
            stdin=subprocess.DEVNULL,
            pass_fds=[fd],
            start_new_session=True,
        )

    def _answer(self, seconds: float) -> str:
        """A line from the server."""
        assert self._control is not None
        self._control.settimeout(seconds)
        text = b""
        while not text.endswith(b"\n"):
            more = self._control.recv(1)
            if not more or len(text) > 20:
                raise OSError("the server is gone")
            text += more
        return text.decode("ascii")

    def _line(self, limit: float | None) -> bytes:
        """The next line that the worker says."""
        last = None if limit is None else time.monotonic() + limit + max(GRACE_SECONDS, GRACE * limit)
        with self._errors():
            assert self._worker is not None
            while b"\n" not in self._buffer:
                if len(self._buffer) > LONGEST_LINE:
                    raise PluginEnded("its process sent an unreadable answer")
                left = None if last is None else last - time.monotonic()
                if left is not None and left <= 0:
                    raise PluginEnded(f"took longer than {limit:g} s")
                self._worker.settimeout(left)
                try:
                    more = self._worker.recv(1 << 16)
                except TimeoutError:
                    continue
                if not more:
                    raise PluginEnded(self._end_worker())
                self._buffer += more
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _errors(self) -> _Errors:
        return _Errors(self)

    def _end_worker(self, *, running: bool = False) -> str:
        """End the worker, if it has not ended; how it ended, in words."""
        if self._worker is None:
            return "its process ended"
        self._worker.close()
        self._worker = None
        held, self._held.worker = self._held.worker, None
        # A worker that closed its socket by ending is gone in a moment, and then says how it ended.
        code = None if running else self._exit_code(0.5)
        if code is None:
            if held is not None:
                kill_group(held)
            code = self._exit_code(10.0)
            if code is not None and code == -signal.SIGKILL:
                return "its process no longer answered"
        elif held is not None:
            kill_group(held)  # what it started
        if code is None:
            self._end_server()
            return "its process was killed"
        return f"its process {ending(code)}"

    def _exit_code(self, seconds: float) -> int | None:
        if self._held.alone is not None:
            with suppress(subprocess.TimeoutExpired):
                code = self._held.alone.wait(seconds)
                self._held.alone = None
                return code
            return None
        if self._control is None:
            return None
        try:
            return int(self._answer(seconds))
        except TimeoutError:
            return None
        except (OSError, ValueError):
            return None

    def _end_server(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        self._held.kill()


class _Held:
    """What has to be killed when nobody needs it any more."""

    def __init__(self) -> None:
        self.server: subprocess.Popen[bytes] | None = None
        self.alone: subprocess.Popen[bytes] | None = None
        self.worker: int | None = None

    def kill(self) -> None:
        if self.worker is not None:
            kill_group(self.worker)
            self.worker = None
        for process in (self.server, self.alone):
            if process is not None:
                process.kill()
                process.wait()
        self.server = self.alone = None


class _Errors:
    """Turns what sockets raise into `PluginEnded`."""

    def __init__(self, process: PluginProcess) -> None:
        self._process = process

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise PluginEnded(self._process._end_worker()) from error


def _called(
    function: Callable[..., Iterator[object]], arguments: tuple[object, ...], named: dict[str, object]
) -> Iterator[object]:
    return function(*arguments, **named)


def _value(line: bytes) -> object:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, dict) and isinstance(said.get("error"), str):
        raise PluginEnded(f"its process ended: {said['error']}")
    if not isinstance(said, list) or len(said) != 1:
        raise PluginEnded("its process sent an unreadable answer")
    return said[0]


def kill_group(leader: int) -> None:
    """Kill a process and those that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def spare_memory() -> int:
    """Bytes that this machine, or the container that this process runs in, has to spare; 0 if nobody says."""
    found = []
    with suppress(OSError, ValueError, IndexError):
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        found.append(int(text.partition("MemAvailable:")[2].split()[0]) << 10)
    for most, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        with suppress(OSError, ValueError):
            folder = Path("/sys/fs/cgroup")
            found.append(int((folder / most).read_text()) - int((folder / used).read_text()))
    return max(0, min(found, default=0))
