"""The import of another package's metric, tried first in a process that may end by it.

A package that exits, crashes or never comes back when it is imported would take the process that asks along.
So a process of its own goes first. A package that came through is not tried again until a file of it changes:
the verdict is an empty file in the cache, named by all that it is about.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from fpcore.errors import BadPlugin
from fpcore.printable import printable

__all__ = ["ending", "named", "on_trial", "try_import"]

VARIABLE: Final = "LOOKALIKE_TRIAL"
"""Set in a process that tries an import: what is imported there may itself ask for metrics."""
SECONDS: Final = 120.0
"""For an import, on a busy machine."""
LONGEST: Final = 1 << 16
# What is printed goes nowhere; what is said, to a copy of stdout that the package does not know.
TRIAL: Final = """
import json, os, sys
told = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
sys.path[:] = json.loads(sys.argv[1])
from importlib.metadata import EntryPoint
said = ""
try:
    EntryPoint(*sys.argv[2:5]).load()
except BaseException as error:
    from fpcore.errors import described
    said = described(error)
json.dump([said], told)
told.flush()
os._exit(0)
"""


def on_trial() -> bool:
    """Whether this process is there to try an import."""
    return VARIABLE in os.environ


def try_import(points: Sequence[EntryPoint]) -> None:
    """Import what entry points name, each in a process of its own, unless that is known to end well.

    Parameters
    ----------
    points : sequence of EntryPoint

    Raises
    ------
    BadPlugin
        An import fails, ends its process, or does not come back; the message names metric and package.
    """
    for point in points:
        verdict = _verdict(point)
        if verdict.exists():
            continue
        why = _tried(point)
        if why:
            raise BadPlugin(
                f"{named(point)} cannot be imported ({why}); repair or uninstall the package that brings it"
            )
        try:
            verdict.parent.mkdir(parents=True, exist_ok=True)
            verdict.touch()
        except OSError:
            continue  # nothing can be kept here: it is tried again the next time


def named(point: EntryPoint) -> str:
    """A metric of another package, and that package, for an error."""
    package = f" of the package {point.dist.name} {point.dist.version}" if point.dist is not None else ""
    return printable(f"the metric {point.name!r} of entry point {point.value!r}{package}")


def ending(code: int) -> str:
    """How a process ended, in words.

    Examples
    --------
    >>> ending(0), ending(-11)
    ('ended by itself (exit code 0)', 'was ended by SIGSEGV')
    """
    if code >= 0:
        return f"ended by itself (exit code {code})"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _tried(point: EntryPoint) -> str:
    """Why an import does not end well; empty where it does."""
    paths = json.dumps([str(Path(path).absolute()) for path in sys.path])
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", TRIAL, paths, point.name, point.value, point.group],
            env={**os.environ, VARIABLE: "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"its import took longer than {SECONDS:g} s"
    try:
        (said,) = json.loads(done.stdout[:LONGEST])
    except ValueError:
        return f"its import {ending(done.returncode)}"
    return printable(str(said))


def _verdict(point: EntryPoint) -> Path:
    """The file that stands for an import that ended well: of this package, as it is, in this Python."""
    dist = point.dist
    about = [
        sys.executable,
        sys.version,
        *(point.name, point.value, point.group),
        "" if dist is None else f"{dist.name} {dist.version}",
        *_files(point.module.partition(".")[0]),
    ]
    name = hashlib.sha256(json.dumps(about).encode()).hexdigest()
    # As `benchmark.session.cache_folder` has it, which stands above this package.
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(os.environ.get("LOOKALIKE_CACHE") or Path(home) / "lookalike") / "trials" / f"{name}.imported"


def _files(module: str) -> list[str]:
    """A line for each file of a package or module: its path, size and time of change; nothing is imported."""
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return []
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    files = [path for folder in folders for path in folder.rglob("*") if "__pycache__" not in path.parts]
    if not folders and spec.origin is not None:
        files = [Path(spec.origin)]
    lines = []
    for path in sorted(files):
        try:
            facts = path.stat()
        except OSError:  # gone meanwhile, or a link to nowhere
            continue
        lines.append(f"{path} {facts.st_size} {facts.st_mtime_ns}")
    return lines
