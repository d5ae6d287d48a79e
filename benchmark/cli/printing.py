"""Results on stdout, everything else on stderr, documents in files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmark.session.errors import UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["check_document", "print_json", "print_table", "say", "write_document"]

DOCUMENTS: Final = (".html", ".json", ".md")


def say(text: str) -> None:
    """One line on stderr."""
    print(text, file=sys.stderr, flush=True)


def print_json(value: object) -> None:
    """A result on stdout as strict JSON."""
    print(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


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
        raise UsageError(f"--out {out}: name a .html, .json or .md file")


def write_document(
    out: Path, *, value: Mapping[str, object], page: Callable[[], str], markdown: Callable[[], str]
) -> None:
    """Write a result as JSON, page or Markdown, as the file's suffix says."""
    from benchmark.session.files import write_json, write_text

    if out.suffix == ".json":
        write_json(out, value)
    else:
        write_text(out, page() if out.suffix == ".html" else markdown())
