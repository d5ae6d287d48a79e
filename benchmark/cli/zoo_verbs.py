"""``zoo build|verify``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.exits import UNIT_FAILED
from benchmark.cli.options import CatalogFile, Json, Quiet, Workers
from benchmark.cli.printing import print_json
from benchmark.cli.verb_help import Verb

__all__ = ["app"]

app = typer.Typer(help="Retrain the zoo models, or verify the shipped weights.", no_args_is_help=True)


@app.command("build", cls=Verb, short_help="Retrain the zoo models; resumable.")
def zoo_build(
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Directory for the weights; default: zoo-build."),
    ] = None,
    catalog: CatalogFile = None,
    workers: Workers = None,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Retrain the zoo models; finished ones are kept, so an interrupted build resumes."""
    from benchmark.catalog import load_catalog
    from benchmark.session.progress import Reporter
    from benchmark.session.session import default_workers
    from benchmark.zoo.build import build

    with Reporter(quiet=quiet).phase("training", "models") as advance:
        manifest = build(
            load_catalog(catalog).zoo_recipes,
            out or Path("zoo-build"),
            workers=workers or default_workers(),
            progress=advance,
        )
    if json_:
        print_json(json.loads(manifest.read_text(encoding="utf-8")))
    else:
        print(manifest)


@app.command("verify", cls=Verb, short_help="Check the shipped weights and retrain a sample.")
def zoo_verify(
    sample: Annotated[int, typer.Option(min=1, metavar="N", help="Number of models to retrain.")] = 3,
    catalog: CatalogFile = None,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check the shipped weights against their manifest and retrain a sample."""
    from benchmark.catalog import load_catalog
    from benchmark.session.progress import Reporter
    from benchmark.zoo.verify import verify

    with Reporter(quiet=quiet).phase("verifying", "models") as advance:
        checks = verify(load_catalog(catalog).zoo_recipes, sample=sample, progress=advance)
    if json_:
        print_json([asdict(check) for check in checks])
    else:
        for check in checks:
            print(check)
    if not all(check.passed for check in checks):
        raise typer.Exit(UNIT_FAILED)
