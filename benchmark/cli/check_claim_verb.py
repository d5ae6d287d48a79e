"""``check-claim``: whether the base that a model states is consistent with its weights."""

from __future__ import annotations

from typing import Annotated

import typer

from benchmark.cli.exits import GATE_FAILED, UNIT_FAILED
from benchmark.cli.options import (
    Calibration,
    CatalogFiles,
    CycloneDx,
    Device,
    Document,
    Json,
    NoCalibration,
    Quiet,
    calibration_meant,
)
from benchmark.cli.printing import check_document, say, show_document

__all__ = ["check_claim"]


def check_claim(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Catalog id, path, or org/name.")],
    calibration: Calibration = None,
    no_calibration: NoCalibration = False,
    base: Annotated[
        list[str] | None,
        typer.Option(metavar="X", help="Check this base instead of the stated one; repeatable."),
    ] = None,
    confidence: Annotated[
        float, typer.Option(metavar="C", help="A true base is rejected with probability at most 1 - C.")
    ] = 0.95,
    metrics: Annotated[
        str | None, typer.Option(metavar="a,b", help="Metric names, globs, or all; default: the run's.")
    ] = None,
    catalog: CatalogFiles = None,
    gate: Annotated[bool, typer.Option("--gate", help='Exit 3 if the answer is "not consistent".')] = False,
    out: Document = None,
    cyclonedx: CycloneDx = None,
    device: Device = None,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check whether a model's stated base is consistent with its weights.

    The stated base is what the catalog says for catalog models, otherwise base_model in README.md or on the
    hub, otherwise the base of an adapter, otherwise _name_or_path in config.json. The answer is "consistent",
    "not consistent" or "cannot say".
    """
    from benchmark.catalog import load_catalog
    from benchmark.comparison.check_claim import check_claim as check
    from benchmark.comparison.claim_text import claim_markdown, claim_notes, claim_tables

    check_document(out)

    def page() -> str:
        from benchmark.comparison.claim_page import claim_page

        return claim_page(found)

    loaded = load_catalog(catalog)
    found = check(
        model,
        base=base,
        calibration=calibration_meant(calibration, no_calibration),
        metrics=metrics,
        confidence=confidence,
        catalog=loaded,
        device=device,
        quiet=quiet,
    )
    show_document(
        found.to_json(),
        out,
        json_,
        page=page,
        markdown=lambda: claim_markdown(found),
        tables=lambda: claim_tables(found),
        notes=claim_notes(found),
    )
    if cyclonedx is not None:
        from benchmark.comparison.cyclonedx import claim_document
        from benchmark.session.files import write_json

        write_json(cyclonedx, claim_document(found, loaded))
    for what in found.failures:
        say(f"failed: {what}")
    if found.failures:
        raise typer.Exit(UNIT_FAILED)
    if gate and found.answer == "not consistent":
        say(f"gate: the weights of {found.model.label} are not consistent with its stated base")
        raise typer.Exit(GATE_FAILED)
