"""``leaderboard RUN...``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import Json, Quiet, print_json
from benchmark.session.errors import UsageError

__all__ = ["leaderboard"]


def leaderboard(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Run directories; the first decides what is ranked."),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the board here: .html, .md or .json.")
    ] = None,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Metrics of several runs side by side, ranked only where a paired test separates them."""
    from benchmark.leaderboard.board import leaderboard as board_of
    from benchmark.leaderboard.board_text import board_html, board_markdown, board_notes, board_table
    from benchmark.session.files import write_json, write_text
    from benchmark.session.progress import Reporter

    if out is not None and out.suffix not in {".html", ".md", ".json"}:
        raise UsageError(f"--out {out}: name a .html, .md or .json file")
    with Reporter(quiet=quiet).phase("comparisons") as advance:
        board = board_of(runs, advance=advance)
    if out is not None:
        if out.suffix == ".json":
            write_json(out, board.to_json())
        else:
            write_text(out, board_html(board) if out.suffix == ".html" else board_markdown(board))
    if json_:
        print_json(board.to_json())
    else:
        from rich.console import Console
        from rich.text import Text

        console = Console()
        console.print(board_table(board))
        for note in board_notes(board):
            console.print(Text(note))
