"""``compare``: one pair of models as a case, or one model against a pool of candidate parents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.exits import UNIT_FAILED
from benchmark.cli.options import CatalogFile, Device, Document, Json
from benchmark.cli.printing import check_document, print_json, print_table, say, write_document
from benchmark.session.errors import UsageError

__all__ = ["compare"]


def compare(
    model_a: Annotated[str, typer.Argument(metavar="MODEL_A", help="A catalog id, a path, or org/name.")],
    model_b: Annotated[
        str | None, typer.Argument(metavar="[MODEL_B]", help="Another one; or give --against.")
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="A run directory: its look-alikes and children weigh the scores."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="POOL",
            help="Which of these remain as parents: a folder, or ids, globs and paths with commas between.",
        ),
    ] = None,
    confidence: Annotated[
        float, typer.Option(metavar="c", help="With --against: a true parent remains so surely.")
    ] = 0.9,
    metrics: Annotated[
        str | None,
        typer.Option(metavar="a,b", help="Names and globs, or all; default: the run's, else the cheap ones."),
    ] = None,
    catalog: CatalogFile = None,
    out: Document = None,
    device: Device = None,
    json_: Json = False,
) -> None:
    """One case: two models, what their scores weigh, and what cannot be said; or a pool of parents."""
    if (model_b is None) == (against is None):
        raise UsageError("compare: give MODEL_B, or --against POOL")
    check_document(out)
    if against is not None:
        if calibration is None:
            raise UsageError("compare --against: give --calibration RUN; without one nothing can be excluded")
        failed = _pool(catalog, model_a, against, calibration, metrics, confidence, out, json_)
    else:
        failed = _pair(catalog, model_a, str(model_b), calibration, metrics, out, json_)
    for what in failed:
        say(f"failed: {what}")
    if failed:
        raise typer.Exit(UNIT_FAILED)


def _pair(
    catalog: Path | None,
    model_a: str,
    model_b: str,
    calibration: Path | None,
    metrics: str | None,
    out: Path | None,
    json_: bool,
) -> list[str]:
    from benchmark.catalog import load_catalog
    from benchmark.comparison import open_case
    from benchmark.comparison.case_page import case_page
    from benchmark.comparison.case_text import case_markdown, case_notes, case_table

    case = open_case(load_catalog(catalog), model_a, model_b, calibration=calibration, metrics=metrics)
    _write(case, out, case_page, case_markdown)
    _show(case, json_, case_table, case_notes)
    return [f"{one.metric} on {model_a} – {model_b}: {one.reason}" for one in case.failed]


def _pool(
    catalog: Path | None,
    model: str,
    against: str,
    calibration: Path,
    metrics: str | None,
    confidence: float,
    out: Path | None,
    json_: bool,
) -> list[str]:
    from benchmark.catalog import load_catalog
    from benchmark.comparison import open_pool
    from benchmark.comparison.candidates_page import pool_markdown, pool_notes, pool_page, pool_table

    case = open_pool(
        load_catalog(catalog), model, against, calibration=calibration, metrics=metrics, confidence=confidence
    )
    _write(case, out, pool_page, pool_markdown)
    _show(case, json_, pool_table, pool_notes)
    return list(case.failed)


def _write(case: Any, out: Path | None, page: Callable[[Any], str], markdown: Callable[[Any], str]) -> None:
    from benchmark.session.files import write_json, write_text

    if out is None:
        return
    if out.suffix == ".json":
        write_json(out, case.to_json())
    else:
        write_text(out, page(case) if out.suffix == ".html" else markdown(case))


def _show(case: Any, json_: bool, table: Callable[[Any], Any], notes: Callable[[Any], str]) -> None:
    if json_:
        print_json(case.to_json())
        return
    from rich.console import Console

    Console().print(table(case))
    print(notes(case))
