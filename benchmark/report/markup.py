"""Markdown's building blocks: text that is shown as it is, lists, tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from benchmark.session.untrusted_text import printable

__all__ = ["bullets", "safe", "table_of"]

SPECIAL: Final = re.compile(r"([\\`*_\[\]<>|#&~])")


def safe(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return SPECIAL.sub(r"\\\1", printable(" ".join(text.split())))


def bullets(items: Iterable[str]) -> str:
    """A list, one item a line."""
    return "\n".join(f"- {safe(item)}" for item in items)


def table_of(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its head is taken as it is."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(safe(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)
