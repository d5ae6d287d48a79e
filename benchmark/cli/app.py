"""The command line as a whole: its verbs, and what a user sees when one of them cannot go on."""

from __future__ import annotations

import traceback
from typing import Annotated, Final

import typer

from benchmark.cli import cache_verbs, catalog_verbs, runs_verbs, zoo_verbs
from benchmark.cli.check_claim_verb import check_claim
from benchmark.cli.compare_verb import compare
from benchmark.cli.evaluate_verb import evaluate
from benchmark.cli.exits import BAD_INPUT, CRASHED, crash_message, message
from benchmark.cli.fingerprint_verb import fingerprint
from benchmark.cli.leaderboard_verb import leaderboard
from benchmark.cli.metrics_verb import metrics
from benchmark.cli.power_verb import power
from benchmark.cli.printing import say
from benchmark.cli.run_verbs import analyse, report, run
from benchmark.cli.verb_help import Verb

__all__ = ["app", "run_command"]

app = typer.Typer(
    name="lookalike",
    help="Does a lineage metric tell children from look-alikes?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# What the list of commands says: one line each that is whole at 80 columns.
VERBS: Final = (
    (run, "Calibrate metrics on a catalog and write the report."),
    (analyse, "Compute the statistics of a score table; no weights needed."),
    (fingerprint, "Extract and show the fingerprint of one checkpoint."),
    (evaluate, "Evaluate your own metric against the registered ones."),
    (compare, "Weigh the evidence for two models, or for candidate parents."),
    (check_claim, "Is a model's stated base consistent with its weights?"),
    (leaderboard, "Rank the metrics of several runs."),
    (report, "Re-render the report of a finished run."),
    (metrics, "Describe the metrics: evidence, invariances, claims."),
    (power, "Show what a catalog can certify and what a goal would take."),
)
for verb, told in VERBS:
    app.command(cls=Verb, short_help=told)(verb)
app.add_typer(catalog_verbs.app, name="catalog", short_help="Check, search and extend the catalog.")
app.add_typer(zoo_verbs.app, name="zoo", short_help="Retrain or verify the zoo models.")
app.add_typer(runs_verbs.app, name="runs", short_help="Show what changed between two runs.")
app.add_typer(cache_verbs.app, name="cache", short_help="Show or clear the cache.")


def run_command() -> int:
    """Run the command line; its exit code. Bad input is one clear line and code 2, a fault of ours 70."""
    try:
        code: int = app(standalone_mode=False) or 0
    except Exception as error:
        told = message(error)
        if told is None:
            traceback.print_exception(error)
            say(crash_message(error))
            return CRASHED
        say(told)
        return BAD_INPUT
    return code


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"lookalike {version('lookalike')}")
        except PackageNotFoundError:
            print("lookalike (not installed)")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show version and exit.")
    ] = False,
) -> None:
    """Options before the verb."""
