"""How a result shows itself: as one line where it is printed, as a small table in a notebook."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from html import escape
from typing import ClassVar, Final

__all__ = ["Shown", "number", "rows_html", "table_html"]

UNDEFINED: Final = "—"
ABBREVIATIONS: Final = {"auc", "fpr", "tpr", "lr", "roc"}
MOST: Final = 12
"""Entries of a mapping or sequence that are shown; more are counted."""


class Shown:
    """A result that prints as one line (``__str__``) and that a notebook shows as a table (``_repr_html_``).

    Attributes
    ----------
    _shown : tuple of str
        Attributes shown, in this order. Empty: the fields of the dataclass that are in its repr.
    _headline : str
        The attribute that stands for the result where there is one cell for it.
    """

    _shown: ClassVar[tuple[str, ...]] = ()
    _headline: ClassVar[str] = ""

    def _facts(self) -> dict[str, object]:
        """What is shown, by its label; reasons and warnings only where there are any."""
        names = self._shown or tuple(item.name for item in fields(self) if item.repr)  # type: ignore[arg-type]
        facts = {name: getattr(self, name) for name in names}
        return {
            name: value for name, value in facts.items() if not (name in {"reason", "warnings"} and not value)
        }

    def _cell(self) -> str:
        """The result in one cell, as text."""
        return _text(getattr(self, self._headline)) if self._headline else type(self).__name__

    def __str__(self) -> str:
        facts = [f"{_label(name)} {_text(value)}" for name, value in self._facts().items()]
        return f"{type(self).__name__}: {'; '.join(facts)}"

    def _repr_html_(self) -> str:
        rows = [(f"<b>{escape(_label(name))}</b>", _html(value)) for name, value in self._facts().items()]
        return table_html(type(self).__name__, (), rows)


def number(value: float) -> str:
    """Write a number with four significant digits, and more where four would make it 1.

    >>> number(0.98765), number(0.999996), number(float("nan")), number(3)
    ('0.9877', '0.999996', '—', '3')
    """
    if isinstance(value, int):
        return f"{value:,}"
    if math.isnan(value):
        return UNDEFINED
    if math.isinf(value):
        return "∞" if value > 0 else "\N{MINUS SIGN}∞"
    text = f"{value:.4g}"
    return f"{value:.7g}" if float(text) == 1.0 else text


def table_html(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; cells are HTML already, caption and head are text."""
    parts = ["<table>"]
    parts += [f'<caption style="text-align:left">{escape(caption)}</caption>'] if caption else []
    if head:
        cells = "".join(f'<th scope="col" style="text-align:left">{escape(name)}</th>' for name in head)
        parts.append(f"<thead><tr>{cells}</tr></thead>")
    parts.append("<tbody>")
    parts += [
        "<tr>" + "".join(f'<td style="text-align:left">{cell}</td>' for cell in row) + "</tr>" for row in rows
    ]
    return "".join(parts) + "</tbody></table>"


def rows_html(rows: Sequence[Mapping[str, object]], names: Sequence[str] = ()) -> str:
    """Write values as a table, one row a mapping and columns by its keys; `names` head the rows."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[escape(_text(row[key])) if key in row else "" for key in keys] for row in rows]
    if names:
        cells = [[f"<b>{escape(name)}</b>", *row] for name, row in zip(names, cells, strict=True)]
    return table_html("", [*([""] if names else []), *map(_label, keys)], cells)


def _html(value: object) -> str:
    """A value as HTML: several results or mappings as a table, the rest as text."""
    if isinstance(value, list | tuple) and value and all(isinstance(item, Shown) for item in value):
        return rows_html([item._facts() for item in value])
    if isinstance(value, Mapping) and value:
        rows = [item._facts() if isinstance(item, Shown) else item for item in value.values()]
        if all(isinstance(row, Mapping) for row in rows):
            return rows_html(rows, list(map(str, value)))
    return escape(_text(value))


def _label(name: str) -> str:
    words = name.replace("_", " ").split()
    return " ".join(word.upper() if word in ABBREVIATIONS else word for word in words)


def _text(value: object) -> str:
    """A value in one cell."""
    if value is None:
        return UNDEFINED
    if isinstance(value, Shown):
        return value._cell()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, Mapping):
        return _several([f"{name}: {_text(item)}" for name, item in value.items()])
    if isinstance(value, list | tuple | set | frozenset):
        return _several([_text(item) for item in value])
    shape = getattr(value, "shape", None)
    return f"{type(value).__name__} of shape {tuple(shape)}" if shape else str(value)


def _several(items: list[str]) -> str:
    more = f" and {len(items) - MOST} more" if len(items) > MOST else ""
    return ", ".join(items[:MOST]) + more
