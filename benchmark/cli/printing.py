"""Results on stdout, everything else on stderr, documents in files."""

from __future__ import annotations

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmark.session.errors import UsageError
from benchmark.session.untrusted_text import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from benchmark.pipeline.plan import Plan
    from benchmark.results.schema import Failure

__all__ = [
    "check_document",
    "print_json",
    "print_table",
    "print_text",
    "say",
    "say_failures",
    "show_document",
    "show_plan",
]

DOCUMENTS: Final = (".html", ".json", ".md")
NARROWEST: Final = 40
#: How a line begins: its indent and the drawing of a tree, and a name if two spaces or more follow it.
NAMED: Final = re.compile(r"[\s│├└─]*(?:\S+ {2,})?")
FAILURES_SAID: Final = 10
"""Failures named on stderr; run.json and the report have all."""


def say(text: str) -> None:
    """A line on stderr, or several."""
    print("\n".join(map(printable, text.split("\n"))), file=sys.stderr, flush=True)


def say_failures(failures: Sequence[Failure], run: Path) -> None:
    """Name what failed in a run, on stderr: each cause once, with its first model or pair."""
    for failure in failures[:FAILURES_SAID]:
        say(f"failed: {failure.told}")
    more = len(failures) - FAILURES_SAID
    if more > 0:
        say(f"failed: {more:,} more causes; {run / 'run.json'} lists them all")
    if failures:
        n = sum(failure.count for failure in failures)
        units = "1 unit" if n == 1 else f"{n:,} units"
        say(f"{units} of work failed; the rest is complete and in the report")


def print_json(value: object) -> None:
    """A result on stdout as strict JSON."""
    print(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def print_text(text: str) -> None:
    """Lines on stdout: filled to the terminal where there is one, whole where a file or a program reads them.

    What does not fit goes on below its value, past the indent and the name that a line begins with.
    """
    if _to_a_terminal():
        width = max(NARROWEST, shutil.get_terminal_size().columns)
        text = "\n".join(_fitting(line, width) for line in text.splitlines())
    print(text)


def _to_a_terminal() -> bool:
    return sys.stdout.isatty()


def _fitting(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    begun = NAMED.match(line)
    indent = begun.end() if begun is not None and begun.end() <= width // 2 else 2
    return textwrap.fill(
        line, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )


def show_plan(planned: Plan, json_: bool) -> None:
    """Print what would be done."""
    if json_:
        print_json(planned.to_json())
    else:
        print_text(str(planned))


def print_table(*tables: RenderableType) -> None:
    """Tables on stdout, as wide as the terminal."""
    from rich.console import Console

    console = Console()
    for table in tables:
        console.print(table)


def check_document(out: Path | None) -> None:
    """See before any work that a document can be written under that name.

    Raises
    ------
    UsageError
        Another suffix than ``.html``, ``.json`` or ``.md``.
    """
    if out is not None and out.suffix not in DOCUMENTS:
        raise UsageError(f"--out {out}: give a .html, .json or .md file")


def show_document(
    value: Mapping[str, object],
    out: Path | None,
    json_: bool,
    *,
    page: Callable[[], str],
    markdown: Callable[[], str],
    tables: Callable[[], Sequence[RenderableType]],
    notes: str = "",
) -> None:
    """Write a result to a file if there is one, as its suffix says, and print it.

    Parameters
    ----------
    value : mapping
        The result as plain values.
    out : Path or None
        As `check_document` wants it.
    json_ : bool
        Print `value`, not tables and notes.
    page, markdown, tables : callable
        The result as HTML, as Markdown, and for a terminal.
    notes : str
        What follows the tables.
    """
    from benchmark.session.files import write_json, write_text

    if out is not None:
        if out.suffix == ".json":
            write_json(out, value)
        else:
            write_text(out, page() if out.suffix == ".html" else markdown())
    if json_:
        print_json(value)
    else:
        print_table(*tables())
        if notes:
            print(notes)
