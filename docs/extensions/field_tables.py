"""``{fields} package.module.Class``: every key of a file, from the dataclasses that read and write it.

The dataclass and each one that stands in it get a section: what it is, then key, type and meaning. Types are
those of the hints, meanings those of the docstrings (numpydoc, section Attributes).
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from importlib import import_module
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ATTRIBUTES = re.compile(r"^Attributes\n-+\n(.*?)(?=^\w+\n-+\n|\Z)", re.DOTALL | re.MULTILINE)
PLAIN = {float: "number or null", int: "integer", bool: "true or false", str: "text", object: "any value"}
NAMES = re.compile(r"^(\w+(?:, \w+)*)(?: : .*)?$")


def meanings(kind: type) -> dict[str, str]:
    """Field → what its docstring says of it; what a class does not say itself is taken from its bases."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        section = ATTRIBUTES.search(own_doc(one))
        names: list[str] = []
        for line in section[1].splitlines() if section else ():
            if line[:1].isspace():
                for name in names:
                    found[name] = f"{found[name]} {line.strip()}".strip()
            elif named := NAMES.match(line):
                names = named[1].split(", ")
                found.update(dict.fromkeys(names, ""))
    return found


def summary(kind: type) -> str:
    """First paragraph of a class's docstring."""
    return " ".join(own_doc(kind).split("\n\n")[0].split())


def own_doc(kind: type) -> str:
    """A class's own docstring, dedented; empty where it has none."""
    return inspect.cleandoc(kind.__dict__.get("__doc__") or "")


def meaning(kind: type, key: str) -> str:
    """What a field is: by its own words, else by those of the dataclass that it holds."""
    held = next(reached(stored(kind)[key]), None)
    return meanings(kind).get(key) or (summary(held) if held is not None else "")


def inner(hint: Any) -> tuple[Any, ...]:
    """The types that a hint is made of."""
    return () if get_origin(hint) is Literal else get_args(hint)


def stored(kind: type) -> dict[str, Any]:
    """Field → type, of the fields that stand in the file."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind) if field.init}


def reached(kind: Any) -> Iterator[type]:
    """The dataclasses that a type holds, itself first, in the order in which a reader meets them."""
    if is_dataclass(kind) and isinstance(kind, type):
        yield kind
        for hint in stored(kind).values():
            yield from reached(hint)
    for part in inner(kind):
        yield from reached(part)


def type_nodes(hint: Any) -> list[nodes.Node]:
    """A type in the words of JSON; a dataclass is a link to its section."""
    if is_dataclass(hint) and isinstance(hint, type):
        return [nodes.reference("", hint.__name__, refid=section_id(hint), internal=True)]
    if hint in PLAIN:
        return [nodes.Text(PLAIN[hint])]
    # From numpy 2.5 on, NDArray is an alias that has what it stands for as a value.
    origin, parts = get_origin(getattr(hint, "__value__", hint)), get_args(hint)
    words = isinstance(hint, type) and issubclass(hint, Enum)
    if origin is Literal or words:
        values = [one.value for one in hint] if words else parts
        told = [[nodes.literal("", str(value))] for value in values]
        return [node for i, one in enumerate(told) for node in ([nodes.Text(" or ")] * (i > 0) + one)]
    if origin in (Union, types.UnionType):
        (rest,) = [part for part in parts if part is not type(None)]
        return type_nodes(rest) if rest is float else [*type_nodes(rest), nodes.Text(" or null")]
    if origin is tuple and parts[-1] is not Ellipsis:
        return [nodes.Text(f"list of {len(parts)}: ")] + [
            node for i, part in enumerate(parts) for node in ([nodes.Text(", ")] * (i > 0) + type_nodes(part))
        ]
    if origin is tuple:
        return [nodes.Text("list of "), *type_nodes(parts[0])]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return [nodes.Text("object of "), *type_nodes(parts[1])]
    if origin is np.ndarray:
        return [nodes.Text("list of number or null")]
    raise TypeError(f"{hint!r}: say in docs/extensions/field_tables.py what it is in JSON")


def section_id(kind: type) -> str:
    """Where a dataclass is described on its page."""
    return f"fields-{kind.__name__}"


class Fields(SphinxDirective):
    """A section for each dataclass of a file."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Describe the dataclass named and all that stand in it."""
        module, _, name = self.arguments[0].rpartition(".")
        root = getattr(import_module(module), name)
        return [self.section(kind) for kind in dict.fromkeys(reached(root))]

    def section(self, kind: type) -> nodes.section:
        """What a dataclass is, and its keys."""
        section = nodes.section(ids=[section_id(kind)], names=[kind.__name__])
        section += nodes.title(text=kind.__name__)
        section += self.parse_text_to_nodes(summary(kind))
        body = nodes.tbody()
        for key, hint in stored(kind).items():
            row = nodes.row()
            for content in (
                [nodes.paragraph("", "", nodes.literal("", key))],
                [nodes.paragraph("", "", *type_nodes(hint))],
                self.parse_text_to_nodes(as_sentence(meaning(kind, key))),
            ):
                row += nodes.entry("", *content)
            body += row
        head = nodes.row()
        for title in ("key", "type", "meaning"):
            head += nodes.entry("", nodes.paragraph(text=title))
        columns = [nodes.colspec(colwidth=width) for width in (28, 22, 50)]
        group = nodes.tgroup("", *columns, nodes.thead("", head), body, cols=len(columns))
        section += nodes.table("", group, classes=["colwidths-given"])
        return section


def as_sentence(text: str) -> str:
    """A docstring's words as Markdown and in those of JSON: None and NaN are null there."""
    return re.sub(r"\b(None|NaN)\b", "null", text.replace("``", "`"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("fields", Fields)
    return {"parallel_read_safe": True}
