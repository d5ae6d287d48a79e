"""``compare``: one pair of models as a case, or one model against a pool of candidate parents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from benchmark.cli.exits import UNIT_FAILED
from benchmark.cli.options import (
    Calibration,
    CatalogFiles,
    CycloneDx,
    Device,
    Json,
    NoCalibration,
    Quiet,
    Sample,
    calibration_meant,
)
from benchmark.cli.printing import check_document, print_json, print_table, say, show_document
from benchmark.session.errors import UsageError

__all__ = ["compare"]

TABLES: Final = (".csv", ".parquet", ".json")
CaseDocument = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        help="Write the result to this file: .html, .json or .md; with --pairs: .csv, .parquet or .json.",
    ),
]


def compare(
    model_a: Annotated[
        str | None, typer.Argument(metavar="MODEL_A", help="Catalog id, path, or org/name.")
    ] = None,
    model_b: Annotated[
        str | None, typer.Argument(metavar="MODEL_B", help="A second model, unless --against is given.")
    ] = None,
    calibration: Calibration = None,
    no_calibration: NoCalibration = False,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="POOL",
            help="Candidate parents: a folder, or comma-separated ids, globs and paths.",
        ),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            metavar="TABLE",
            help="Table of pairs (.csv or .parquet) with columns model_a and model_b.",
        ),
    ] = None,
    confidence: Annotated[
        float, typer.Option(metavar="C", help="With --against: probability of keeping a true parent.")
    ] = 0.9,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="a,b", help="Metric names, globs, or all; default: those of the run, else the cheap ones."
        ),
    ] = None,
    catalog: CatalogFiles = None,
    out: CaseDocument = None,
    cyclonedx: CycloneDx = None,
    sample: Sample = False,
    device: Device = None,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Weigh the evidence for a pair of models, a table of pairs, or a model and its candidate parents."""
    failed: Sequence[str]
    run = calibration_meant(calibration, no_calibration)
    if pairs is not None:
        if model_a is not None or against is not None:
            raise UsageError("compare --pairs: the table names the models; leave out MODEL_A and --against")
        if cyclonedx is not None:
            raise UsageError("compare --pairs: --cyclonedx describes a single pair; leave it out")
        failed = _many(pairs, run, metrics, catalog, sample, device, out, json_, quiet)
    elif model_a is None:
        raise UsageError("compare: give MODEL_A and MODEL_B, MODEL_A and --against POOL, or --pairs TABLE")
    elif model_b is not None and against is None:
        check_document(out)
        failed = _pair(model_a, model_b, run, metrics, catalog, sample, device, out, cyclonedx, json_, quiet)
    elif against is not None and model_b is None:
        check_document(out)
        if run is None:
            raise UsageError(
                "compare --against: excluding candidates needs a calibration; leave out --no-calibration"
            )
        if cyclonedx is not None:
            raise UsageError(
                "compare --against: --cyclonedx describes a single pair; give MODEL_B, or use check-claim"
            )
        failed = _pool(model_a, against, run, confidence, metrics, catalog, sample, device, out, json_, quiet)
    else:
        raise UsageError("compare: give MODEL_B, or --against POOL")
    for what in failed:
        say(f"failed: {what}")
    if failed:
        raise typer.Exit(UNIT_FAILED)


def _pair(
    model_a: str,
    model_b: str,
    calibration: Path | str | None,
    metrics: str | None,
    catalog: list[str] | None,
    sample: bool,
    device: str | None,
    out: Path | None,
    cyclonedx: Path | None,
    json_: bool,
    quiet: bool,
) -> Sequence[str]:
    """Two models; returns what failed."""
    from benchmark.catalog import load_catalog
    from benchmark.comparison.case_text import case_markdown, case_notes, case_table
    from benchmark.comparison.compare import compare as compare_models

    def page() -> str:
        from benchmark.comparison.case_page import case_page  # draws: a second of imports

        return case_page(case)

    loaded = load_catalog(catalog)
    case = compare_models(
        model_a,
        model_b,
        calibration=calibration,
        metrics=metrics,
        catalog=loaded,
        sample=sample,
        device=device,
        quiet=quiet,
    )
    show_document(
        case.to_json(),
        out,
        json_,
        page=page,
        markdown=lambda: case_markdown(case),
        tables=lambda: [case_table(case)],
        notes=case_notes(case),
    )
    if cyclonedx is not None:
        from benchmark.comparison.cyclonedx import case_document
        from benchmark.session.files import write_json

        write_json(cyclonedx, case_document(case, loaded))
    return case.failures


def _many(
    pairs: Path,
    calibration: Path | str | None,
    metrics: str | None,
    catalog: list[str] | None,
    sample: bool,
    device: str | None,
    out: Path | None,
    json_: bool,
    quiet: bool,
) -> Sequence[str]:
    """A table of pairs; returns what failed."""
    if out is not None and out.suffix not in TABLES:
        raise UsageError(f"--out {out}: give a .csv, .parquet or .json file")
    from benchmark.comparison.compare_pairs import compare_pairs
    from benchmark.comparison.pairs_text import pairs_table
    from benchmark.session.files import atomic_path, write_json
    from benchmark.session.untrusted_text import csv_text

    found = compare_pairs(
        pairs,
        calibration=calibration,
        metrics=metrics,
        catalog=catalog,
        sample=sample,
        device=device,
        quiet=quiet,
    )
    if out is not None and out.suffix == ".json":
        write_json(out, found.to_json())
    elif out is not None:
        with atomic_path(out) as temporary:
            if out.suffix == ".csv":
                temporary.write_text(csv_text(found.table()) + "\n", encoding="utf-8")
            else:
                found.table().to_parquet(temporary, index=False)
    if json_:
        print_json(found.to_json())
    else:
        print_table(pairs_table(found))
    return found.failures


def _pool(
    model: str,
    against: str,
    calibration: Path | str,
    confidence: float,
    metrics: str | None,
    catalog: list[str] | None,
    sample: bool,
    device: str | None,
    out: Path | None,
    json_: bool,
    quiet: bool,
) -> Sequence[str]:
    """A model and candidate parents; returns what failed."""
    from benchmark.comparison.candidates_text import candidates_markdown, candidates_notes, candidates_table
    from benchmark.comparison.find_parents import find_parents

    def page() -> str:
        from benchmark.comparison.candidates_page import candidates_page

        return candidates_page(case)

    case = find_parents(
        model,
        against,
        calibration=calibration,
        confidence=confidence,
        metrics=metrics,
        catalog=catalog,
        sample=sample,
        device=device,
        quiet=quiet,
    )
    show_document(
        case.to_json(),
        out,
        json_,
        page=page,
        markdown=lambda: candidates_markdown(case),
        tables=lambda: [candidates_table(case)],
        notes=candidates_notes(case),
    )
    return case.failures
