"""How the texts of this room are laid out: lines of a terminal, lists, tables, signed numbers.

Names of models and metrics have hyphens, and a name torn apart cannot be copied: no line breaks at one.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["bullets", "signed", "table_of_rows", "wrapped"]

COLUMNS: Final = 80


def signed(number: float) -> str:
    """Write a log10 LR with its sign and two decimals."""
    # Adding 0 takes the sign off a rounded zero.
    return f"{round(number, 2) + 0:+.2f}".replace("-", "\N{MINUS SIGN}")


def wrapped(text: str, indent: str = "") -> str:
    """Fill lines to a terminal of 80 columns."""
    return "\n".join(_filled(line, indent, indent or "  ") for line in text.splitlines())


def bullets(items: Iterable[str]) -> str:
    """Write a list, filled to a terminal of 80 columns."""
    return "\n".join(_filled(item, "  - ", "    ") for item in items)


def _filled(text: str, first: str, others: str) -> str:
    return textwrap.fill(
        text,
        COLUMNS,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def table_of_rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table as Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
