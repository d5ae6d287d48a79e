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
        help="A run to compare the zoo with: analyse --citation, or --tier hub; repeatable.",
    ),
]
Calibration = Annotated[
    Path | None,
    typer.Option(
        "--calibration",
        metavar="RUN",
        help="Run directory whose look-alikes and children weigh the scores; default: the shipped run of the"
        " zoo's small models.",
    ),
]
NoCalibration = Annotated[bool, typer.Option("--no-calibration", help="Scores alone: weigh nothing.")]
CatalogFile = Annotated[
    Path | None, typer.Option("--catalog", metavar="F", help="Catalog file; default: the shipped one.")
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
        help="Device for metrics that run models; default: $LOOKALIKE_DEVICE, else cpu.",
    ),
]
Document = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write the result to this file: .html, .json or .md."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")]
Force = Annotated[bool, typer.Option("--force", help="Replace results of other settings that --out holds.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Limit = Annotated[int | None, typer.Option(min=2, help="Only the first so many models.")]
Metrics = Annotated[
    str | None,
    typer.Option("--metrics", metavar="a,b", help="Metric names, globs, or all; default: the cheap ones."),
]
ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="Catalog id or alias.")]
Models = Annotated[str | None, typer.Option(metavar="GLOB", help="Only models whose id matches.")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Run directory; default: runs/<utc time>.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
Sample = Annotated[
    bool,
    typer.Option(
        "--sample",
        help="Sample slices of large weights instead of reading all; values come with standard errors.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Random seed.")]
Tier = Annotated[str, typer.Option(metavar="TIER", help="zoo (no network), hub, or all.")]
Workers = Annotated[int | None, typer.Option(min=1, metavar="N", help="Processes; default: one per core.")]


def calibration_meant(calibration: Path | None, no_calibration: bool) -> Path | str | None:
    """What `open_calibration` is to open.

    Raises
    ------
    UsageError
        One is named, and none is wanted.
    """
    if no_calibration and calibration is not None:
        raise UsageError("--no-calibration: leave out --calibration, or this")
    from benchmark.comparison.shipped_calibration import SHIPPED

    return None if no_calibration else calibration or SHIPPED
