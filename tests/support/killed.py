"""A command that is killed at a chosen point of its work: by what it has written, not by a clock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Every Python process of the command loads it, and asks itself before a file takes its place.
HOOK = """
import os, signal, sys

FOLDER, SUFFIX, KEPT = os.environ["KILL_IN"], os.environ["KILL_SUFFIX"], int(os.environ["KILL_KEPT"])

def kill_before_one_more(event, arguments):
    if event == "os.rename":
        target = os.path.abspath(os.fsdecode(arguments[1]))
        if target.startswith(FOLDER) and target.endswith(SUFFIX):
            there = [file for _, _, files in os.walk(FOLDER) for file in files]
            if sum(file.endswith(SUFFIX) and file[0] != "." for file in there) >= KEPT:
                os.killpg(0, signal.SIGKILL)

sys.addaudithook(kill_before_one_more)
"""


def run_until_killed(
    arguments: Sequence[object], folder: Path, suffix: str, kept: int, *, cache: Path, scratch: Path
) -> None:
    """Run the command line; kill it, and all it started, when it goes to write one file too many.

    Parameters
    ----------
    arguments
        Of ``python -m benchmark``.
    folder, suffix, kept
        Files so named, in or below the folder, of which so many are to stand.
    cache
        Of the command.
    scratch
        A folder for the hook.
    """
    (scratch / "sitecustomize.py").write_text(HOOK)
    watched = {"KILL_IN": str(folder.absolute()), "KILL_SUFFIX": suffix, "KILL_KEPT": str(kept)}
    ended = subprocess.run(
        [sys.executable, "-m", "benchmark", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **watched, "PYTHONPATH": str(scratch), "LOOKALIKE_CACHE": str(cache)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, "it never came to the point where it was to be killed"


# The same, at the n-th step that some process takes on files in the folders: before it opens one to write,
# moves or removes one, or makes a folder. WHO: the one process that was started, its whole group, or the
# first to come so far of those that work for it.
AT_A_STEP = """
import os, sys, time
from contextlib import suppress

FOLDERS, N, WHO = os.environ["KILL_IN"].split(os.pathsep), int(os.environ["KILL_AT"]), os.environ["KILL_WHO"]
SIGNAL, TIMES = int(os.environ["KILL_BY"]), int(os.environ["KILL_TIMES"])
MARK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "killed")
steps = 0

def strike():
    if WHO != "worker":
        (os.killpg if WHO == "group" else os.kill)(os.getpgid(0), SIGNAL)
    elif os.getpid() != os.getpgid(0):
        with suppress(FileExistsError):
            open(MARK, "x").close()
            os.kill(os.getpid(), SIGNAL)

def kill_at_a_step(event, arguments):
    global steps
    if event == "open":
        writes = isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        touched = arguments[:1] if writes else ()
    elif event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.utime"):
        touched = arguments[:2]
    else:
        return
    named = [one for one in touched if isinstance(one, (str, bytes, os.PathLike))]
    paths = [os.path.abspath(os.fsdecode(one)) for one in named]
    if any(path.startswith(folder) for path in paths for folder in FOLDERS):
        steps += 1
        if steps == N:
            for _ in range(TIMES):
                with suppress(ProcessLookupError):  # whoever was started may have ended
                    strike()
                time.sleep(0.01)

sys.addaudithook(kill_at_a_step)
"""


def run_and_kill_at(
    command: Sequence[object], folders: Sequence[Path], step: int, who: str, *, cache: Path, scratch: Path
) -> bool:
    """Run a Python command and kill it at a step of its work on files; whether it came so far.

    Parameters
    ----------
    command
        Arguments of Python.
    folders
        In which steps count, whichever of its processes takes them.
    step
        At which it is killed, before that is done; each process counts its own.
    who
        "group": all of its processes at once; "one": the one that was started, and the others are left alone.
    cache
        Of the command.
    scratch
        A folder for the hook.
    """
    ended = run_and_signal_at(command, folders, step, who, signal.SIGKILL, cache=cache, scratch=scratch)
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return ended.returncode != 0


def run_and_signal_at(
    command: Sequence[object],
    folders: Sequence[Path],
    step: int,
    who: str,
    number: signal.Signals,
    times: int = 1,
    *,
    cache: Path,
    scratch: Path,
) -> subprocess.CompletedProcess[str]:
    """Run a Python command, send a signal so many times at a step, and wait until all of it has ended.

    Parameters are those of `run_and_kill_at`; whoever holds its stderr is still at work for it. Besides,
    `who` may be "worker": of those that work for the command the first to come so far, which leaves a file
    `killed` in `scratch`.
    """
    (scratch / "sitecustomize.py").write_text(AT_A_STEP)
    watched = {
        "KILL_IN": os.pathsep.join(str(folder.absolute()) for folder in folders),
        "KILL_AT": str(step),
        "KILL_WHO": who,
        "KILL_BY": str(int(number)),
        "KILL_TIMES": str(times),
    }
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        env={
            **os.environ,
            **watched,
            "PYTHONPATH": os.pathsep.join([str(scratch), str(ROOT)]),
            "LOOKALIKE_CACHE": str(cache),
            "OMP_NUM_THREADS": "1",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        check=False,
        timeout=600,
    )
