"""Entries as a person would write them in a catalog, and put into a file that keeps all else as it was."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import yaml

from benchmark.catalog.document import SCALARS
from benchmark.session.errors import UsageError

__all__ = ["appended", "entries_text", "new_catalog"]

Entry = Mapping[str, object]
WIDTH: Final = 110
OLD_WORDS: Final = re.compile(r"^(?:yes|no|on|off|y|n|true|false)$", re.IGNORECASE)
"""Booleans of YAML 1.1, which other readers of the file may take a plain word for."""


class _Writer(yaml.SafeDumper):
    """Quotes whatever the catalog's own reader would not take for text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def ignore_aliases(self, data: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists below their key."""
        super().increase_indent(flow, indentless=False)


for _tag, _pattern, _first in (*SCALARS, ("bool", OLD_WORDS.pattern, list("yYnNoOtTfF"))):
    _Writer.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$", re.IGNORECASE), _first
    )


def entries_text(entries: Sequence[Entry], indent: int = 2) -> str:
    """Entries as items of a list.

    Parameters
    ----------
    entries : sequence of mapping
        As in the form of the file, plain values.
    indent : int
        Blanks before each dash.

    Examples
    --------
    >>> print(entries_text([{"id": "a", "source": {"hub": "org/a"}, "notes": "no"}]), end="")
      - id: a
        source: {hub: org/a}
        notes: 'no'
    """
    items = []
    for entry in entries:
        text = yaml.dump(
            [dict(entry)],
            Dumper=_Writer,
            sort_keys=False,
            allow_unicode=True,
            width=WIDTH,
            default_flow_style=None,
        )
        items.append(
            "".join(f"{' ' * indent}{line}" if line.strip() else line for line in text.splitlines(True))
        )
    return "\n".join(items)


def new_catalog(models: Sequence[Entry], disputes: Sequence[Entry] = ()) -> str:
    """The text of a catalog that holds some entries."""
    text = f"schema: 1\n\nmodels:\n{entries_text(models)}"
    return f"{text}\ndisputes:\n{entries_text(disputes)}" if disputes else text


def appended(text: str, part: str, entries: Sequence[Entry], file: str) -> str:
    """Put entries at the end of a part of a catalog; everything that is there stays as it is.

    Parameters
    ----------
    text : str
        Of a sound catalog.
    part : {"models", "disputes"}
    entries : sequence of mapping
    file : str
        Name for messages.

    Raises
    ------
    UsageError
        The part is written in one line, in brackets: nothing can be added below it.
    """
    if not entries:
        return text
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith(("\n", "\r")):
        lines[-1] += newline
    keys, values = _parts(text)
    if part not in keys:
        added = f"\n{part}:\n{entries_text(entries)}"
        return "".join([*lines, added.replace("\n", newline)])
    value = values[part]
    if not isinstance(value, yaml.SequenceNode) or value.flow_style or not value.value:
        raise UsageError(
            f"{file}: `{part}:` is written on one line; put each item on a line of its own, after a dash,"
            " and import again"
        )
    first = lines[value.value[0].start_mark.line]
    indent = len(first) - len(first.lstrip(" "))
    after = sorted(line for line in keys.values() if line > keys[part])
    end = after[0] if after else len(lines)
    # What stands before the next part, at the margin or blank, belongs to that one.
    while end > keys[part] + 1 and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
        end -= 1
    added = f"\n{entries_text(entries, indent)}"
    return "".join([*lines[:end], added.replace("\n", newline), *lines[end:]])


def _parts(text: str) -> tuple[dict[str, int], dict[str, yaml.Node]]:
    """The parts of a catalog: key → its line (from 0), and key → what it holds."""
    node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    assert isinstance(node, yaml.MappingNode)
    return (
        {key.value: key.start_mark.line for key, _ in node.value},
        {key.value: value for key, value in node.value},
    )
