"""``run``, ``analyse`` and ``report``: what fills a run directory, and renders it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.exits import UNIT_FAILED
from benchmark.cli.options import (
    Against,
    CatalogFile,
    Device,
    Json,
    Metrics,
    Models,
    Out,
    Quiet,
    Sample,
    Seed,
    Tier,
    Workers,
)
from benchmark.cli.printing import print_json, print_table, say, say_failures

if TYPE_CHECKING:
    from benchmark.results.run import Run

__all__ = ["analyse", "report", "run"]


def run(
    catalog: CatalogFile = None,
    tier: Tier = "zoo",
    metrics: Metrics = None,
    models: Models = None,
    out: Out = None,
    workers: Workers = None,
    seed: Seed = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    limit: Annotated[int | None, typer.Option(min=2, metavar="N", help="Only the first N models.")] = None,
    pairs_per_lineage_pair: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="K",
            help="Independent pairs that a costly metric scores per pair of lineages; of more than"
            " 40,000 pairs, a cheap one scores all look-alikes and four times as many others.",
        ),
    ] = 4,
    dask: Annotated[
        str | None,
        typer.Option("--dask", metavar="ADDRESS", help="Run on a Dask cluster: its scheduler's address."),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(metavar="BYTES", help="Download budget, which selects hub models. Default: 10GB."),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep downloaded files in the hub's own cache.")
    ] = False,
    sample: Sample = False,
    against: Against = None,
    device: Device = None,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Turn a catalog into a calibration report: fingerprints, scores, statistics, report.html."""
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
            pairs_per_lineage_pair=pairs_per_lineage_pair,
            seed=seed,
            device=device,
            budget=budget,
            sample=sample,
            quiet=quiet,
        )
        if json_:
            print_json(planned.to_json())
        else:
            print(planned)
        return
    from benchmark.pipeline.run import run as calibrate

    finished = calibrate(
        catalog=catalog,
        tier=tier,
        metrics=metrics,
        models=models,
        out=out,
        limit=limit,
        pairs_per_lineage_pair=pairs_per_lineage_pair,
        seed=seed,
        workers=workers,
        device=device,
        quiet=quiet,
        dask=dask,
        budget=budget,
        keep=keep,
        sample=sample,
    )
    if against:
        _set_against(finished.path, against)
    _conclude(finished, json_)


def analyse(
    scores: Annotated[Path, typer.Argument(metavar="SCORES", help="Score table, .csv or .parquet.")],
    catalog: Annotated[
        Path | None,
        typer.Option(
            "--catalog", metavar="F", help="Catalog that supplies the labels of a table without any."
        ),
    ] = None,
    out: Out = None,
    citation: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Source of the scores, for reports that quote them.")
    ] = None,
    own_units: Annotated[
        bool, typer.Option("--own-units", help="Scores are on their own scale: compare only their order.")
    ] = False,
    seed: Seed = 0,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compute the statistics of any score table; no weights are needed."""
    from benchmark.pipeline.analyse import analyse as analyse_table

    found = analyse_table(
        scores,
        catalog=catalog,
        out=out,
        citation=citation,
        own_units=own_units,
        seed=seed,
        quiet=quiet,
    )
    _conclude(found, json_)


def _set_against(run: Path, others: list[Path]) -> list[str]:
    """Set a run against others and render it with the panel; the files written."""
    from benchmark.report import render
    from benchmark.results.carried_over import set_against

    found = set_against(run, others)
    for sentence in found.sentences:
        say(sentence)
    return [str(path) for path in render(run)]


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
            print(f"Fetched: {traffic.bytes:,} bytes in {traffic.requests:,} requests (run.json: by model)")
    say_failures(run.record.failures, run.path)
    if run.record.failures:
        raise typer.Exit(UNIT_FAILED)


def report(
    run_directory: Annotated[Path, typer.Argument(metavar="RUN", help="Run directory.")],
    against: Against = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    json_: Json = False,
) -> None:
    """Render a run again; with --against, compare the zoo with real tables."""
    from benchmark.report import render

    if against:
        written = _set_against(run_directory, against)
    else:
        written = [str(path) for path in render(run_directory)]
    if json_:
        print_json({"report": written[0], "files": written})
    else:
        print("\n".join(written))
    if open_:
        import webbrowser

        webbrowser.open((run_directory / "report.html").resolve().as_uri())
