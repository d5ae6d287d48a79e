"""A Dask scheduler and workers on this machine, each with folders of its own, and watched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Loaded by a worker before any unit: it notes what it opens where it has no business, and each unit; and it
# dies as if by `kill -9` in the middle of one.
PRELOAD = """
import os, signal, sys
from pathlib import Path

NOTES, FORBIDDEN, UNITS = Path(os.environ["NOTES"]), os.environ["FORBIDDEN"], int(os.environ["UNITS"])

def note(text):
    with NOTES.open("a") as stream:
        stream.write(text + "\\n")

def watch(event, arguments):
    if event in ("open", "os.rename", "os.listdir", "os.scandir") and isinstance(arguments[0], (str, bytes)):
        path = os.fsdecode(arguments[0])
        if path.startswith(FORBIDDEN):
            note(f"opened {path}")

from benchmark.pipeline import cluster

def _on_worker(*arguments):
    note("unit")
    if NOTES.read_text().count("unit") == UNITS:
        os.kill(os.getpid(), signal.SIGKILL)
    return do(*arguments)

if not hasattr(cluster, "watched"):  # Dask loads a file more than once
    cluster.watched, do = True, cluster._on_worker
    cluster._on_worker = _on_worker
    sys.addaudithook(watch)
"""


@dataclass(frozen=True)
class Worker:
    """A worker process.

    Attributes
    ----------
    process : subprocess.Popen
    notes : Path
        What it did.
    """

    process: subprocess.Popen[bytes]
    notes: Path

    @property
    def units(self) -> int:
        """Units that it began."""
        return self.notes.read_text().splitlines().count("unit") if self.notes.exists() else 0

    @property
    def opened(self) -> list[str]:
        """Files that it opened and should not know of."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return [line for line in lines if line != "unit"]


@contextmanager
def dask_cluster(
    folder: Path, forbidden: Path, deaths: Sequence[int | None]
) -> Iterator[tuple[str, list[Worker]]]:
    """Start a scheduler, and a worker for each entry of `deaths`.

    Parameters
    ----------
    folder : Path
        Theirs.
    forbidden : Path
        The caller's: none of theirs is below it.
    deaths : sequence of int or None
        In the middle of which unit each worker is killed; None: never.

    Yields
    ------
    tuple of str and list of Worker
        Address of the scheduler, and the workers.
    """
    address = folder / "address.json"
    with ExitStack() as stack:
        command = [
            sys.executable,
            "-m",
            "distributed.cli.dask_scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
        ]
        command += ["--no-dashboard", "--scheduler-file", str(address)]
        scheduler = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=(folder / "scheduler.log").open("wb"),
        )
        stack.callback(_stop, scheduler)
        workers = [
            _worker(stack, folder / f"worker-{place}", address, forbidden, death)
            for place, death in enumerate(deaths)
        ]
        from distributed import Client

        while not address.exists():
            time.sleep(0.05)
        with Client(scheduler_file=str(address), set_as_default=False) as client:
            client.wait_for_workers(len(workers), timeout=120)
            found: str = client.scheduler.address
        yield found, workers


def _worker(stack: ExitStack, folder: Path, scheduler: Path, forbidden: Path, death: int | None) -> Worker:
    folder.mkdir()
    (folder / "preload.py").write_text(PRELOAD)
    notes = folder / "notes.txt"
    notes.touch()
    command = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(scheduler)]
    command += ["--nthreads", "1", "--no-dashboard", "--no-nanny", "--host", "127.0.0.1"]
    command += ["--local-directory", str(folder / "own"), "--preload", str(folder / "preload.py")]
    surroundings = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "NOTES": str(notes),
        "FORBIDDEN": str(forbidden),
        "UNITS": str(death or 0),
        "LOOKALIKE_CACHE": str(folder / "cache"),
        "HF_HUB_CACHE": str(folder / "hub-cache"),
        "HF_HUB_DISABLE_XET": "1",
        "OMP_NUM_THREADS": "1",
    }
    process = subprocess.Popen(
        command, cwd=folder, env=surroundings, stderr=(folder / "worker.log").open("wb")
    )
    stack.callback(_stop, process)
    return Worker(process, notes)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait()
