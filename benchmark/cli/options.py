"""What the verbs share: exit codes, options, and how a result or a problem is said."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

__all__ = [
    "BAD_INPUT",
    "GATE_FAILED",
    "INTERRUPTED",
    "UNIT_FAILED",
    "CatalogFile",
    "Device",
    "Json",
    "Metrics",
    "ModelName",
    "Models",
    "Out",
    "Quiet",
    "Seed",
    "Tier",
    "Workers",
    "print_json",
    "say",
    "say_failures",
]

DONE, UNIT_FAILED, BAD_INPUT, GATE_FAILED, INTERRUPTED = 0, 1, 2, 3, 130
FAILURES_SAID: Final = 10
"""Failures named on stderr; run.json and the report have all."""


CatalogFile = Annotated[
    Path | None, typer.Option("--catalog", metavar="F", help="A catalog; default: the shipped one.")
]
Metrics = Annotated[
    str | None,
    typer.Option("--metrics", metavar="a,b", help="Names and globs, or all; default: those marked cheap."),
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="The run directory; default: runs/<utc time>.")
]
Tier = Annotated[str, typer.Option(help="zoo (no network), hub, or all.")]
Models = Annotated[str | None, typer.Option(metavar="GLOB", help="Only models whose id fits.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; default: one a core.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of everything that draws random numbers.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="cpu|cuda",
        help="Where metrics that run models run them; default: $LOOKALIKE_DEVICE, else cpu.",
    ),
]
ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="An id or alias of the catalog.")]


def say(text: str) -> None:
    """One line on stderr."""
    print(text, file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """A result on stdout as strict JSON."""
    print(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def say_failures(finished: Any) -> None:
    """Name what failed in a run, on stderr, each with its model or pair."""
    for failure in finished.record.failures[:FAILURES_SAID]:
        where = "" if failure.model in failure.error else f"{failure.model}: "
        say(f"failed: {where}{failure.error}")
    more = len(finished.record.failures) - FAILURES_SAID
    if more > 0:
        say(f"failed: {more} more of the kind; {finished.path / 'run.json'} names them all")
    if finished.record.failures:
        say(f"{len(finished.record.failures)} units of work failed; the rest is complete and in the report")
