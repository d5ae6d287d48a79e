"""``runs diff``: what changed between two runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import Json, Quiet
from benchmark.cli.printing import print_json

__all__ = ["app"]

app = typer.Typer(help="Look at finished runs side by side.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Look at finished runs side by side."""


@app.command("diff", short_help="What changed between two runs, metric by metric.")
def runs_diff(
    first: Annotated[Path, typer.Argument(metavar="RUN_A", help="A run directory.")],
    second: Annotated[Path, typer.Argument(metavar="RUN_B", help="Another one.")],
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """What changed from one run to another: settings, versions, models, scores and verdicts.

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
