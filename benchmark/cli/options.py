"""What the verbs share: exit codes, options, and how a result or a problem is said."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from benchmark.session.errors import UsageError

if TYPE_CHECKING:
    from benchmark.catalog import Catalog
    from benchmark.results.schema import CatalogFacts

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
    "catalog_facts",
    "default_out",
    "print_json",
    "say",
    "say_failures",
]

DONE, UNIT_FAILED, BAD_INPUT, GATE_FAILED, INTERRUPTED = 0, 1, 2, 3, 130
FAILURES_SAID: Final = 10
"""Failures named on stderr; run.json and the report have all."""


def _choose_device(name: str | None) -> str:
    from fpcore.forward import NoDevice, current_device, use_device

    try:
        use_device(name or current_device())
    except NoDevice as error:
        raise UsageError(f"--device {error}") from error
    return current_device()


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
        callback=_choose_device,
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


def default_out() -> Path:
    """A run directory named by the time."""
    return Path("runs") / datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")


def catalog_facts(catalog: Catalog) -> CatalogFacts:
    """What run.json says of a catalog."""
    from benchmark.results.schema import CatalogFacts

    return CatalogFacts(
        digest=catalog.digest,
        path=Path(catalog.file).name,
        n_models=len(catalog.models),
        n_lineages=len(set(catalog.lineages.values())),
        n_cells=len({model.cell for model in catalog.models.values()} - {None}),
    )


def say_failures(finished: Any) -> None:
    """Name what failed in a run, on stderr, each with its model or pair."""
    for failure in finished.failures[:FAILURES_SAID]:
        where = "" if failure.model in failure.error else f"{failure.model}: "
        say(f"failed: {where}{failure.error}")
    more = len(finished.failures) - FAILURES_SAID
    if more > 0:
        say(f"failed: {more} more of the kind; {finished.directory.path / 'run.json'} names them all")
    if finished.failures:
        say(f"{len(finished.failures)} units of work failed; the rest is complete and in the report")
