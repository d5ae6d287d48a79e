"""A command that stands still in the middle of its work, wherever that is done, until it is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECONDS = 120

# Processes are started at once, after the first unit; the command line is then what it always is.
RUNNER = """
from benchmark.pipeline import engine
engine.LOOK_SECONDS = engine.START_SECONDS = 0.0
from benchmark.cli.start import main
main()
"""

# Where a file is there to hold it, it says who it is in that file, and waits for its end.
METRIC = """
import os, time
from pathlib import Path
import numpy as np
import fpcore

class Held(fpcore.Metric):
    name = "held"
    title = "how alike two models are, after a pause"
    evidence = frozenset({{"weights"}})

    def fingerprint(self, model):
        place = Path({place!r})
        if place.exists() and model.name != "f0":
            with place.open("a") as stream:
                stream.write(f"{{os.getpid()}}\\n")
            time.sleep(600)
        return self.make_fingerprint(model, {{"size": np.array([float(model.architecture.depth)])}})

    def similarity(self, a, b):
        return float(-abs(a.arrays["size"] - b.arrays["size"]).sum())
"""


@dataclass(frozen=True)
class Held:
    """A command at work.

    Attributes
    ----------
    process : subprocess.Popen
    place : Path
        Where those who stand still have said who they are.
    """

    process: subprocess.Popen[str]
    place: Path

    @property
    def workers(self) -> list[int]:
        """Process ids of those who stand still."""
        return [int(line) for line in self.place.read_text().splitlines()]

    def wait_for(self, n: int) -> None:
        """Wait until so many stand still."""
        until = time.monotonic() + SECONDS
        while len(self.workers) < n:
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < until
            time.sleep(0.02)

    def nobody_is_left(self) -> None:
        """Wait until all of the command's processes are gone."""
        until = time.monotonic() + SECONDS
        while at_work(self.process.pid):
            assert time.monotonic() < until, "somebody works on"
            time.sleep(0.05)


def at_work(group: int) -> list[str]:
    """Processes of a group, less those that have ended and that nobody has asked about."""
    told = subprocess.run(["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(maxsplit=2) for line in told.stdout.splitlines()]
    return [row[-1] for row in rows if row[0] == str(group) and not row[1].startswith("Z")]


def write_held_metric(folder: Path) -> tuple[Path, Path]:
    """A metric, and the file by whose presence it is held."""
    place, metric = folder / "held", folder / "held_metric.py"
    metric.write_text(METRIC.format(place=str(place)))
    return metric, place


@contextmanager
def held(arguments: Sequence[object], place: Path, cache: Path) -> Iterator[Held]:
    """Start a command line that uses the held metric; what is left of it at the end is killed."""
    place.write_text("")
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNER, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LOOKALIKE_CACHE": str(cache), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield Held(process, place)
    finally:
        place.unlink(missing_ok=True)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
