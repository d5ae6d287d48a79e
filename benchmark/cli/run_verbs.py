"""``run``, ``analyse`` and ``report``: what fills a run directory, and renders it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.exits import UNIT_FAILED
from benchmark.cli.options import (
    CatalogFile,
    Device,
    Json,
    Metrics,
    Models,
    Out,
    Quiet,
    Seed,
    Tier,
    Workers,
)
from benchmark.cli.printing import print_json, print_table, say, say_failures

if TYPE_CHECKING:
    from benchmark.pipeline.execute import Finished
    from benchmark.pipeline.plan import Plan

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
    limit: Annotated[int | None, typer.Option(min=2, help="Only the first so many models.")] = None,
    pairs_per_lineage_pair: Annotated[
        int,
        typer.Option(
            min=1, metavar="K", help="Independent pairs a costly metric scores of any two lineages."
        ),
    ] = 4,
    device: Device = None,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Turn a catalog into a calibration report: fingerprints, scores, statistics, report.html."""
    from benchmark.catalog import load_catalog
    from benchmark.pipeline.execute import execute
    from benchmark.pipeline.metric_choice import choose_metrics
    from benchmark.pipeline.plan import make_plan
    from benchmark.pipeline.workers import default_workers
    from benchmark.session.files import cache_directory
    from benchmark.session.progress import Reporter

    loaded = load_catalog(catalog)
    plan = make_plan(
        loaded,
        choose_metrics(metrics),
        tier=tier,
        models=models,
        limit=limit,
        pairs_per_lineage_pair=pairs_per_lineage_pair,
        seed=seed,
    )
    if dry_run:
        if json_:
            print_json(_planned(plan))
        else:
            print(plan)
        return
    directory = out or default_out()
    finished = execute(
        loaded,
        plan,
        directory,
        cache=cache_directory(),
        workers=workers or default_workers(),
        seed=seed,
        reporter=Reporter(quiet=quiet),
        record={
            "command": "run",
            "arguments": {
                "catalog": str(catalog) if catalog else None,
                "tier": tier,
                "metrics": list(plan.metrics),
                "models": models,
                "limit": limit,
                "pairs_per_lineage_pair": pairs_per_lineage_pair,
            },
            "tier": tier,
            "device": device,
            "catalog": catalog_facts(loaded),
        },
    )
    _conclude(finished, json_)


def _planned(plan: Plan) -> dict[str, object]:
    """A plan as plain values."""
    return {
        "models": list(plan.models),
        "n_lineages": plan.n_lineages,
        "n_pairs": len(plan.pairs),
        "relations": plan.pairs["relation"].value_counts().to_dict(),
        "metrics": {name: int(chosen.sum()) for name, chosen in plan.chosen.items()},
        "n_forgeries": len(plan.forgeries),
    }


def _conclude(finished: Finished, json_: bool) -> None:
    """Say what came out, on stdout, and leave with the code that fits."""
    from benchmark.report import verdict_table

    if json_:
        print_json(finished.results)
    else:
        print_table(verdict_table(finished.results))
        print(f"Report: {finished.directory.path / 'report.html'}")
    say_failures(finished)
    if finished.failures:
        raise typer.Exit(UNIT_FAILED)


def analyse(
    scores: Annotated[Path, typer.Argument(metavar="SCORES", help="A score table, .csv or .parquet.")],
    catalog: Annotated[
        Path | None, typer.Option("--catalog", metavar="F", help="Labels for a table that has none.")
    ] = None,
    out: Out = None,
    seed: Seed = 0,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """The statistics alone, on any score table: no weights are needed."""
    from benchmark.catalog import load_catalog
    from benchmark.pipeline.score_tables import analyse_table, read_scores
    from benchmark.session.progress import Reporter

    labels = load_catalog(catalog) if catalog else None
    table = read_scores(scores, labels)
    finished = analyse_table(
        table,
        out or default_out(),
        catalog=labels,
        seed=seed,
        reporter=Reporter(quiet=quiet),
        source=scores,
        facts=catalog_facts(labels) if labels else None,
    )
    _conclude(finished, json_)


def report(
    run_directory: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    open_: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    json_: Json = False,
) -> None:
    """Render a run again."""
    import webbrowser

    from benchmark.report import render

    written = [str(path) for path in render(run_directory)]
    if json_:
        print_json({"report": written[0], "files": written})
    else:
        print("\n".join(written))
    if open_:
        webbrowser.open((run_directory / "report.html").resolve().as_uri())
