"""``evaluate``: a proposed metric on the catalog, beside the baselines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.exits import GATE_FAILED, UNIT_FAILED
from benchmark.cli.options import (
    CatalogFiles,
    Device,
    DryRun,
    Force,
    Json,
    Limit,
    Models,
    Out,
    Quiet,
    Seed,
    Tier,
    Workers,
)
from benchmark.cli.printing import print_json, print_table, say, say_failures, show_plan
from benchmark.session.errors import UsageError

if TYPE_CHECKING:
    from benchmark.evaluation.evaluate import Evaluation

__all__ = ["evaluate"]


def evaluate(
    metric: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE.py:Class", help="An fpcore.Metric class, or a function of two checkpoints."
        ),
    ] = None,
    new: Annotated[
        Path | None, typer.Option("--new", metavar="FILE", help="Write a metric template and exit.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="a,b", help="Baseline names, globs, or all; default: the cheap ones."),
    ] = None,
    gate: Annotated[
        list[str] | None,
        typer.Option(metavar="look_alike_auc=0.95", help="Condition the results must meet; repeatable."),
    ] = None,
    catalog: CatalogFiles = None,
    tier: Tier = "zoo",
    models: Models = None,
    dry_run: DryRun = False,
    limit: Limit = None,
    out: Out = None,
    workers: Workers = None,
    seed: Seed = 0,
    time_limit: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="SECONDS", help="Limit per model and per pair (POSIX); default: 60; 0: none."
        ),
    ] = None,
    force: Force = False,
    device: Device = None,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Evaluate your metric against baselines on the catalog; exits 3 if a gate fails."""
    if new is not None and metric is None:
        _start(new, json_)
    elif metric is not None and new is None:
        if dry_run:
            from benchmark.evaluation.evaluate import plan_evaluation

            planned = plan_evaluation(
                metric,
                against=against,
                gates=gate or (),
                catalog=catalog,
                tier=tier,
                models=models,
                limit=limit,
                seed=seed,
                time_limit=time_limit,
                workers=workers,
                device=device,
            )
            show_plan(planned, json_)
            return
        from benchmark.evaluation.evaluate import evaluate as judge

        judged = judge(
            metric,
            against=against,
            gates=gate or (),
            catalog=catalog,
            tier=tier,
            models=models,
            limit=limit,
            out=out,
            seed=seed,
            time_limit=time_limit,
            force=force,
            workers=workers,
            device=device,
            quiet=quiet,
        )
        _conclude(judged, json_)
    else:
        raise UsageError("evaluate: give FILE.py:Class, or --new FILE to write a template")


def _start(new: Path, json_: bool) -> None:
    """Write the template, and say how to try it."""
    from benchmark.evaluation.evaluate import write_template

    write_template(new)
    typed = "lookalike" if Path(sys.argv[0]).stem == "lookalike" else "python -m benchmark"
    tried = f"{typed} evaluate {new}:MyMetric"
    if json_:
        print_json({"written": str(new), "try": tried})
    else:
        print(f"Wrote {new}; try it: {tried}")


def _conclude(judged: Evaluation, json_: bool) -> None:
    """Say what came out, and leave with the code that fits."""
    from benchmark.evaluation.card import difference_table
    from benchmark.report import verdict_table

    if json_:
        print_json(judged.to_json())
    else:
        differences = [difference_table(judged.comparisons)] if judged.comparisons else []
        print_table(verdict_table(judged.run.results), *differences)
        print(f"Card:   {judged.card}\nReport: {judged.run.report}")
    for outcome in judged.gates:
        say(str(outcome))
    failures = judged.run.record.failures
    say_failures(failures, judged.run.path)
    if not judged.passed:
        raise typer.Exit(GATE_FAILED)
    if failures:
        raise typer.Exit(UNIT_FAILED)
