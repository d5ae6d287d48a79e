"""``leaderboard RUN...``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import Document, Json, Quiet
from benchmark.cli.printing import check_document, show_document

__all__ = ["leaderboard"]


def leaderboard(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Run directories; metrics are ranked on the pairs of the first."),
    ],
    out: Document = None,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Rank the metrics of several runs; two ranks differ only where a paired test separates them."""
    from rich.text import Text

    from benchmark.leaderboards.board import leaderboard as board_of
    from benchmark.leaderboards.board_text import board_html, board_markdown, board_notes, board_table
    from benchmark.session.progress import Reporter

    check_document(out)
    with Reporter(quiet=quiet).phase("comparisons") as advance:
        board = board_of(runs, advance=advance)
    show_document(
        board.to_json(),
        out,
        json_,
        page=lambda: board_html(board),
        markdown=lambda: board_markdown(board),
        tables=lambda: [board_table(board), *map(Text, board_notes(board))],
    )
