"""``runs diff``: what changed between two runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import Json, Quiet
from benchmark.cli.printing import print_json
from benchmark.cli.verb_help import Verb

__all__ = ["app"]

app = typer.Typer(help="Compare finished runs.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Compare finished runs."""


@app.command("diff", cls=Verb, short_help="Show what changed between two runs, metric by metric.")
def runs_diff(
    first: Annotated[Path, typer.Argument(metavar="RUN_A", help="Run directory.")],
    second: Annotated[Path, typer.Argument(metavar="RUN_B", help="Run directory to compare it with.")],
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show what changed from one run to another: settings, versions, models, scores and verdicts.

    AUCs are compared with a paired interval on the pairs that both runs scored.
    """
    from benchmark.leaderboards.runs_diff import diff_runs
    from benchmark.leaderboards.runs_diff_text import runs_diff_text
    from benchmark.session.progress import Reporter

    with Reporter(quiet=quiet).phase("comparisons", "metrics") as advance:
        found = diff_runs(first, second, advance=advance)
    if json_:
        print_json(found.to_json())
    else:
        print(runs_diff_text(found))
