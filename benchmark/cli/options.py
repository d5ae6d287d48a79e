"""Options and arguments that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Against",
    "CatalogFile",
    "CatalogFiles",
    "CycloneDx",
    "Device",
    "Document",
    "DryRun",
    "Force",
    "Json",
    "Limit",
    "Metrics",
    "ModelName",
    "Models",
    "Out",
    "Quiet",
    "Sample",
    "Seed",
    "Tier",
    "Workers",
]

Against = Annotated[
    list[Path] | None,
    typer.Option(
        "--against",
        metavar="RUN",
        help="A real table beside the zoo: a run of analyse --citation, or of --tier hub; repeatable.",
    ),
]
CatalogFile = Annotated[
    Path | None, typer.Option("--catalog", metavar="F", help="A catalog; default: the shipped one.")
]
CatalogFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--catalog",
        metavar="F",
        help="A catalog; repeatable: they are merged. Default: the shipped one, which is called shipped.",
    ),
]
CycloneDx = Annotated[
    Path | None,
    typer.Option(
        "--cyclonedx",
        metavar="FILE",
        help="Write the answer as a CycloneDX 1.6 document: the model's pedigree, with its numbers.",
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="cpu|cuda",
        help="Where metrics that run models run them; default: $LOOKALIKE_DEVICE, else cpu.",
    ),
]
Document = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Write the result here: .html, .json or .md.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")]
Force = Annotated[bool, typer.Option("--force", help="Replace results of other settings that --out holds.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Limit = Annotated[int | None, typer.Option(min=2, help="Only the first so many models.")]
Metrics = Annotated[
    str | None,
    typer.Option("--metrics", metavar="a,b", help="Names and globs, or all; default: those marked cheap."),
]
ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="An id or alias of the catalog.")]
Models = Annotated[str | None, typer.Option(metavar="GLOB", help="Only models whose id fits.")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="The run directory; default: runs/<utc time>.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
Sample = Annotated[
    bool,
    typer.Option(
        "--sample",
        help="Measure slices of large weights in place of all; standard errors stand beside the values.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Random seed.")]
Tier = Annotated[str, typer.Option(help="zoo (no network), hub, or all.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; default: one a core.")]
