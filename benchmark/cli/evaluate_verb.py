"""``evaluate``: a proposed metric on the catalog, beside the baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from benchmark.cli.exits import GATE_FAILED, UNIT_FAILED
from benchmark.cli.options import CatalogFile, Device, Json, Models, Out, Quiet, Seed, Tier, Workers
from benchmark.cli.printing import print_json, print_table, say, say_failures
from benchmark.session.errors import UsageError

__all__ = ["evaluate"]


def evaluate(
    metric: Annotated[
        str | None,
        typer.Argument(metavar="FILE.py:Class", help="A fpcore.Metric, or a function of two checkpoints."),
    ] = None,
    new: Annotated[
        Path | None, typer.Option("--new", metavar="FILE", help="Write a metric to start from, and stop.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="a,b", help="Baselines: names and globs, or all; default: those marked cheap."),
    ] = None,
    gate: Annotated[
        list[str] | None, typer.Option(metavar="look_alike_auc=0.95", help="What must hold; repeatable.")
    ] = None,
    catalog: CatalogFile = None,
    tier: Tier = "zoo",
    models: Models = None,
    out: Out = None,
    workers: Workers = None,
    seed: Seed = 0,
    time_limit: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="SECONDS", help="For one model, and one pair (POSIX); default 60, 0: no limit."
        ),
    ] = None,
    device: Device = None,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Judge a proposed metric on the catalog, beside the baselines, paired; a failed gate exits 3."""
    from benchmark.catalog import load_catalog
    from benchmark.evaluation.evaluate import default_time_limit, own_spec, write_template
    from benchmark.evaluation.evaluate import evaluate as judge
    from benchmark.evaluation.gates import parse_gates
    from benchmark.pipeline.metric_choice import choose_metrics
    from benchmark.pipeline.workers import default_workers
    from benchmark.session.files import cache_directory
    from benchmark.session.progress import Reporter

    if (metric is None) == (new is None):
        raise UsageError("evaluate: give FILE.py:Class, or --new FILE to write a metric to start from")
    if new is not None:
        write_template(new)
        tried = f"python -m benchmark evaluate {new}:MyMetric"
        if json_:
            print_json({"written": str(new), "try": tried})
        else:
            print(f"{new} is written; try it: {tried}")
        return
    gates = parse_gates(gate or [])
    spec = own_spec(str(metric))
    loaded = load_catalog(catalog)
    evaluation = judge(
        loaded,
        spec,
        against=choose_metrics(against, option="--against"),
        gates=gates,
        out=out or default_out(),
        cache=cache_directory(),
        workers=workers or default_workers(),
        seed=seed,
        reporter=Reporter(quiet=quiet),
        facts=catalog_facts(loaded),
        tier=tier,
        models=models,
        time_limit=default_time_limit() if time_limit is None else time_limit or None,
    )
    if json_:
        print_json(evaluation.to_json())
    else:
        _show_evaluation(evaluation)
    for outcome in evaluation.gates:
        say(str(outcome))
    say_failures(evaluation.finished)
    if not evaluation.passed:
        raise typer.Exit(GATE_FAILED)
    if evaluation.finished.failures:
        raise typer.Exit(UNIT_FAILED)


def _show_evaluation(evaluation: Any) -> None:
    from rich.console import Console

    from benchmark.evaluation.card import difference_table
    from benchmark.report import verdict_table

    console = Console()
    console.print(verdict_table(evaluation.finished.results))
    if evaluation.comparisons:
        console.print(difference_table(evaluation.comparisons))
    print(f"Card:   {evaluation.card}")
    print(f"Report: {evaluation.finished.directory.path / 'report.html'}")
