"""The command line: what users type, and what each exit code means."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmark.cli import catalog_verbs as catalog_commands
from benchmark.cli import zoo_verbs as zoo_commands
from benchmark.cli.compare_verb import compare
from benchmark.cli.leaderboard_verb import leaderboard
from benchmark.cli.lookup_verbs import metrics as metrics_verb
from benchmark.cli.lookup_verbs import power, report
from benchmark.cli.options import (
    BAD_INPUT,
    GATE_FAILED,
    INTERRUPTED,
    UNIT_FAILED,
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
    print_json,
    say,
    say_failures,
)
from benchmark.session.errors import UsageError

__all__ = ["main"]

app = typer.Typer(
    name="lookalike",
    help="Does a lineage metric tell children from look-alikes?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(catalog_commands.app, name="catalog")
app.add_typer(zoo_commands.app, name="zoo")


def main() -> None:
    """Run the command line; bad input is one clear line and exit code 2, never a traceback."""
    try:
        code = app(standalone_mode=False)
    except Exception as error:
        message = _message(error)
        if message is None:
            raise
        say(message)
        sys.exit(BAD_INPUT)
    if code == INTERRUPTED:
        say("interrupted; the work done is kept: the same command goes on where it was")
    sys.exit(code or 0)


def _message(error: Exception) -> str | None:
    """What to tell the user; None where the error was not written for users."""
    import analysis
    import fpcore
    from benchmark.catalog import CatalogError

    if isinstance(error, UsageError | CatalogError | analysis.BadTable | fpcore.BadCheckpoint):
        return f"error: {error}"
    if isinstance(error, OSError) and error.filename is not None:
        return f"error: {error.filename}: {error.strerror or error}"
    told = getattr(error, "format_message", None)  # by the command-line library: a verb or option is wrong
    if told is None:
        return None
    if type(error).__name__ == "NoArgsIsHelpError":
        return str(told())
    context: Any = getattr(error, "ctx", None)
    where = f" ({context.command_path} --help)" if context is not None else ""
    return f"error: {' '.join(str(told()).split()).rstrip('.')}{where}"


def _version(wanted: bool) -> None:
    if wanted:
        from benchmark.session.packages import package_version

        print(f"lookalike {package_version('lookalike')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Options before the verb."""


@app.command()
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
    from benchmark.pipeline.plan import plan
    from benchmark.pipeline.run import run as run_it

    if dry_run:
        planned = plan(
            catalog=catalog, tier=tier, metrics=metrics, models=models, limit=limit,
            pairs_per_lineage_pair=pairs_per_lineage_pair, seed=seed,
        )  # fmt: skip
        if json_:
            print_json(planned.to_json())
        else:
            print(planned)
        return
    finished = run_it(
        catalog=catalog, tier=tier, metrics=metrics, models=models, out=out, limit=limit,
        pairs_per_lineage_pair=pairs_per_lineage_pair, seed=seed, workers=workers, device=device, quiet=quiet,
    )  # fmt: skip
    _conclude(finished, json_)


def _conclude(finished: Any, json_: bool) -> None:
    """Say what came out, on stdout, and leave with the code that fits."""
    from analysis import as_json
    from benchmark.report import verdict_table

    if json_:
        print_json(as_json(finished.results))
    else:
        from rich.console import Console

        Console().print(verdict_table(finished.results))
        print(f"Report: {finished.report}")
    say_failures(finished)
    if finished.record.failures:
        raise typer.Exit(UNIT_FAILED)


@app.command()
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
    from benchmark.pipeline.analyse import analyse as analyse_table

    _conclude(analyse_table(scores, catalog=catalog, out=out, seed=seed, quiet=quiet), json_)


@app.command()
def fingerprint(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A catalog id, a directory or file, or org/name.")
    ],
    metrics: Metrics = None,
    catalog: CatalogFile = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the JSON here.")] = None,
    device: Device = None,
    json_: Json = False,
) -> None:
    """Extract and show the fingerprint of one checkpoint."""
    from benchmark.cli.fingerprint_text import fingerprint_text
    from benchmark.pipeline.fingerprint_model import fingerprint as fingerprint_model
    from benchmark.session.files import write_json

    value = fingerprint_model(model, metrics=metrics, catalog=catalog, device=device).to_json()
    if out is not None:
        write_json(out, value)
    if json_:
        print_json(value)
    elif out is None:
        print(fingerprint_text(value))


@app.command()
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
    from benchmark.evaluation.evaluate import evaluate as judge
    from benchmark.evaluation.evaluate import write_template

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
    evaluation = judge(
        str(metric), against=against, gates=gate or (), catalog=catalog, tier=tier, models=models, out=out,
        seed=seed, time_limit=time_limit, workers=workers, device=device, quiet=quiet,
    )  # fmt: skip
    if json_:
        print_json(evaluation.to_json())
    else:
        _show_evaluation(evaluation)
    for outcome in evaluation.gates:
        say(str(outcome))
    say_failures(evaluation.run)
    if not evaluation.passed:
        raise typer.Exit(GATE_FAILED)
    if evaluation.run.record.failures:
        raise typer.Exit(UNIT_FAILED)


app.command()(compare)
app.command()(leaderboard)
app.command()(report)
app.command("metrics")(metrics_verb)
app.command()(power)


def _show_evaluation(evaluation: Any) -> None:
    from rich.console import Console

    from benchmark.evaluation.card import difference_table
    from benchmark.report import verdict_table

    console = Console()
    console.print(verdict_table(evaluation.run.results))
    if evaluation.comparisons:
        console.print(difference_table(evaluation.comparisons))
    print(f"Card:   {evaluation.card}")
    print(f"Report: {evaluation.run.report}")
