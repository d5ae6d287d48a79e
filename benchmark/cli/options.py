"""Options and arguments that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.session.errors import UsageError

__all__ = [
    "Against",
    "Calibration",
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
    "NoCalibration",
    "Out",
    "Quiet",
    "Sample",
    "Seed",
    "Tier",
    "Workers",
    "calibration_meant",
]

Against = Annotated[
    list[Path] | None,
    typer.Option(
        "--against",
        metavar="RUN",
        help="Run on real models to compare the zoo with (analyse --citation or --tier hub); repeatable.",
    ),
]
Calibration = Annotated[
    Path | None,
    typer.Option(
        "--calibration",
        metavar="RUN",
        help="Run directory to calibrate with; default: the shipped run on the zoo's small models.",
    ),
]
NoCalibration = Annotated[
    bool, typer.Option("--no-calibration", help="Show scores only, without weighing them.")
]
CatalogFile = Annotated[
    Path | None, typer.Option("--catalog", metavar="FILE", help="Catalog file; default: the shipped one.")
]
CatalogFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--catalog",
        metavar="FILE",
        help="Catalog file, or shipped (default) for the built-in one; repeatable: files are merged.",
    ),
]
CycloneDx = Annotated[
    Path | None,
    typer.Option(
        "--cyclonedx",
        metavar="FILE",
        help="Also write a CycloneDX 1.6 document: the model's pedigree with the figures behind it.",
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="cpu|cuda",
        help="Device for metrics that run models; default: $LOOKALIKE_DEVICE, else cpu.",
    ),
]
Document = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write the result to this file: .html, .json or .md."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and exit.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite results of other settings in --out.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Limit = Annotated[int | None, typer.Option(min=2, metavar="N", help="Use only the first N models.")]
Metrics = Annotated[
    str | None,
    typer.Option("--metrics", metavar="a,b", help="Metric names, globs, or all; default: the cheap ones."),
]
ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="Catalog id or alias.")]
Models = Annotated[str | None, typer.Option(metavar="GLOB", help="Use only models whose id matches.")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Run directory; default: runs/<utc time>.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Hide progress on stderr.")]
Sample = Annotated[
    bool,
    typer.Option(
        "--sample",
        help="Read slices of large weights instead of all of them; scores get standard errors.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Random seed.")]
Tier = Annotated[str, typer.Option(metavar="TIER", help="Models to use: zoo (no network), hub, or all.")]
Workers = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Number of processes; default: one per core.")
]


def calibration_meant(calibration: Path | None, no_calibration: bool) -> Path | str | None:
    """What `open_calibration` is to open.

    Raises
    ------
    UsageError
        One is named, and none is wanted.
    """
    if no_calibration and calibration is not None:
        raise UsageError("--no-calibration: contradicts --calibration; leave one of them out")
    from benchmark.comparison.shipped_calibration import SHIPPED

    return None if no_calibration else calibration or SHIPPED
