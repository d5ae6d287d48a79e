"""The command line as a whole: its verbs, and what a user sees when one of them cannot go on."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from benchmark.cli import cache_verbs, catalog_verbs, zoo_verbs
from benchmark.cli.compare_verb import compare
from benchmark.cli.evaluate_verb import evaluate
from benchmark.cli.exits import BAD_INPUT, INTERRUPTED, message
from benchmark.cli.fingerprint_verb import fingerprint
from benchmark.cli.leaderboard_verb import leaderboard
from benchmark.cli.metrics_verb import metrics
from benchmark.cli.power_verb import power
from benchmark.cli.printing import say
from benchmark.cli.run_verbs import analyse, report, run

__all__ = ["app", "main"]

app = typer.Typer(
    name="lookalike",
    help="Does a lineage metric tell children from look-alikes?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (run, analyse, fingerprint, evaluate, compare, leaderboard, report, metrics, power):
    app.command()(verb)
app.add_typer(catalog_verbs.app, name="catalog")
app.add_typer(zoo_verbs.app, name="zoo")
app.add_typer(cache_verbs.app, name="cache")


def main() -> None:
    """Run the command line; bad input is one clear line and exit code 2, never a traceback."""
    try:
        code = app(standalone_mode=False)
    except Exception as error:
        told = message(error)
        if told is None:
            raise
        say(told)
        sys.exit(BAD_INPUT)
    if code == INTERRUPTED:
        say("interrupted; the work done is kept: the same command goes on where it was")
    sys.exit(code or 0)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"lookalike {version('lookalike')}")
        except PackageNotFoundError:
            print("lookalike, not installed")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Options before the verb."""
