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
