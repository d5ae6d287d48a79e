"""``run``, ``analyse`` and ``report``: what fills a run directory, and renders it again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.exits import UNIT_FAILED
from benchmark.cli.options import (
    Against,
    CatalogFiles,
    Device,
    DryRun,
    Force,
    Json,
    Limit,
    Metrics,
    Models,
    Out,
    Quiet,
    Sample,
    Seed,
    Tier,
    Workers,
)
from benchmark.cli.printing import print_json, print_table, say, say_failures, show_plan
from benchmark.session.errors import UsageError

if TYPE_CHECKING:
    from benchmark.results.run import Run

__all__ = ["analyse", "report", "run"]


def run(
    catalog: CatalogFiles = None,
    tier: Tier = "zoo",
    metrics: Metrics = None,
    models: Models = None,
    out: Out = None,
    workers: Workers = None,
    seed: Seed = 0,
    dry_run: DryRun = False,
    limit: Limit = None,
    pairs_per_lineage_pair: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="K",
            help="Independent pairs per pair of lineages that costly metrics score. Above 40,000 pairs,"
            " cheap metrics score all look-alikes and four times as many others.",
        ),
    ] = 4,
    all_pairs: Annotated[
        bool,
        typer.Option(
            "--all-pairs", help="Score every pair with every metric, however many there are; K is ignored."
        ),
    ] = False,
    dask: Annotated[
        str | None,
        typer.Option("--dask", metavar="ADDRESS", help="Run on the Dask cluster with this scheduler."),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(metavar="BYTES", help="Download budget for hub models; default: 10GB."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep downloaded files in the hub cache.")] = False,
    sample: Sample = False,
    against: Against = None,
    force: Force = False,
    device: Device = None,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Turn a catalog into a calibration report: fingerprints, scores, statistics, report.html."""
    most = None if all_pairs else pairs_per_lineage_pair
    if dry_run:
        from benchmark.pipeline.plan import plan
        from benchmark.session.session import Session

        Session.start(device=device, workers=workers)  # refuses what the run would refuse
        planned = plan(
            catalog=catalog,
            tier=tier,
            metrics=metrics,
            models=models,
            limit=limit,
            pairs_per_lineage_pair=most,
            seed=seed,
            device=device,
            budget=budget,
            sample=sample,
            quiet=quiet,
        )
        show_plan(planned, json_)
        return
    from benchmark.pipeline.run import run as calibrate

    finished = calibrate(
        catalog=catalog,
        tier=tier,
        metrics=metrics,
        models=models,
        out=out,
        limit=limit,
        pairs_per_lineage_pair=most,
        seed=seed,
        workers=workers,
        device=device,
        quiet=quiet,
        dask=dask,
        budget=budget,
        keep=keep,
        sample=sample,
        force=force,
    )
    if against:
        _rendered(finished.path, against)
    _conclude(finished, json_)


def analyse(
    scores: Annotated[Path, typer.Argument(metavar="SCORES", help="Score table, .csv or .parquet.")],
    catalog: Annotated[
        list[str] | None,
        typer.Option(
            "--catalog",
            metavar="FILE",
            help="Catalog with the labels, for a table without them; repeatable, as in run.",
        ),
    ] = None,
    out: Out = None,
    citation: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Source of the scores, for reports that quote them.")
    ] = None,
    own_units: Annotated[
        bool, typer.Option("--own-units", help="Scores are on a scale of their own: compare ranks only.")
    ] = False,
    seed: Seed = 0,
    force: Force = False,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compute the statistics of any score table; no weights are needed."""
    from benchmark.pipeline.analyse import analyse as analyse_table

    found = analyse_table(
        scores,
        catalog=catalog or None,
        out=out,
        citation=citation,
        own_units=own_units,
        seed=seed,
        force=force,
        quiet=quiet,
    )
    _conclude(found, json_)


def _rendered(
    run: Path, others: list[Path], *, figures: Sequence[str] = ("svg",), tables: Sequence[str] = ()
) -> list[str]:
    """Render a run, first set against others where there are any; the files written."""
    from benchmark.report import render

    if others:
        from benchmark.results.carried_over import set_against

        for sentence in set_against(run, others).sentences:
            say(sentence)
    return [str(path) for path in render(run, figures=figures, tables=tables)]


def _conclude(run: Run, json_: bool) -> None:
    """Say what came out, and leave with the code that fits."""
    from analysis import as_json
    from benchmark.report import verdict_table

    if json_:
        print_json(as_json(run.results))
    else:
        print_table(verdict_table(run.results))
        print(f"Report: {run.report}")
        if (traffic := run.record.traffic) is not None:
            print(
                f"Fetched: {traffic.bytes:,} bytes in {traffic.requests:,} requests (per model in run.json)"
            )
    say_failures(run.record.failures, run.path)
    if run.record.failures:
        raise typer.Exit(UNIT_FAILED)


def report(
    run_directory: Annotated[Path, typer.Argument(metavar="RUN", help="Run directory.")],
    against: Against = None,
    figures: Annotated[
        str, typer.Option(metavar="svg,pdf", help="Formats of figures/: svg, pdf, or both.")
    ] = "svg",
    tables: Annotated[
        str | None,
        typer.Option(
            metavar="csv,latex", help="Also write tables/: all numbers as CSV, LaTeX tables for papers."
        ),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Recompute results and some scores; exit 1 if they differ."),
    ] = False,
    pairs: Annotated[
        int, typer.Option(min=0, metavar="K", help="With --verify: pairs rescored per metric.")
    ] = 8,
    catalog: Annotated[
        list[str] | None,
        typer.Option("--catalog", metavar="FILE", help="With --verify: the run's catalog; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="With --verify: random seed.")] = 0,
    workers: Workers = None,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Re-render the report of a run, beside runs on real models (--against), or recompute it (--verify)."""
    if verify:
        if against or open_ or tables:
            raise UsageError("report --verify: renders nothing; leave out --against, --tables and --open")
        _verify(run_directory, catalog, pairs, seed, workers, json_, quiet)
        return
    from benchmark.report.tables import FIGURES, TABLES, kinds

    drawn = kinds(figures, FIGURES, "--figures")
    asked = kinds(tables, TABLES, "--tables") if tables else ()
    written = _rendered(run_directory, against or [], figures=drawn, tables=asked)
    if json_:
        print_json({"report": written[0], "files": written})
    else:
        print("\n".join(written))
    if open_:
        import webbrowser

        webbrowser.open((run_directory / "report.html").resolve().as_uri())


def _verify(
    run: Path, catalog: list[str] | None, pairs: int, seed: int, workers: int | None, json_: bool, quiet: bool
) -> None:
    """Compute a run again, and say whether it agrees."""
    from benchmark.pipeline.verify import verify

    found = verify(run, catalog=catalog or None, n_pairs=pairs, seed=seed, workers=workers, quiet=quiet)
    if json_:
        print_json(found.to_json())
    else:
        print(found)
    if not found.agrees:
        raise typer.Exit(UNIT_FAILED)
