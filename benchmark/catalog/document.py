"""YAML to plain values with a line number for every field, refusing what YAML lets slip."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, TypeAlias

import yaml

from benchmark.catalog.problems import CatalogError, Problem

__all__ = ["SCALARS", "Document", "Place", "read_document", "read_text"]

Place: TypeAlias = tuple[str | int, ...]


#: What is no text in YAML 1.2: tag, pattern, first characters.
SCALARS: Final = (
    ("null", r"(?:null|~|)", ["n", "~", ""]),
    ("bool", r"(?:true|false)", list("tf")),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
)


class _CoreLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's C safe loader with the scalars of YAML 1.2: `no` is a word, 1e-3 a number, dates are text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _tag, _pattern, _first in SCALARS:
    _CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^{_pattern}$"), _first)


class Document:
    """A parsed file.

    Attributes
    ----------
    file : str
        Name for messages.
    value : object
        Plain Python values.
    lines : dict
        Path of keys and indices → line, counted from 1.
    problems : list of Problem
        Duplicate keys, anchors, keys that are not text.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.value: object = None
        self.lines: dict[Place, int] = {}
        self.problems: list[Problem] = []
        self._files: dict[Place, str] = {}
        self._within: dict[Place, list[Place]] = {}

    def take(self, other: Document, place: Place, here: Place) -> None:
        """Take over where an entry of another document stands, file and lines."""
        self._files[here] = other.file
        self.lines.setdefault(here[:1], other.line(place[:1]))
        for theirs in other.places(place):
            self.lines[(*here, *theirs[len(place) :])] = other.lines[theirs]

    def value_at(self, place: Place) -> object:
        """What stands at a place; one item may be written where a list is meant."""
        here = self.value
        for part in place:
            if isinstance(part, str):
                here = here.get(part) if isinstance(here, dict) else None
            elif isinstance(here, list):
                here = here[part]
        return here

    def places(self, start: Place) -> tuple[Place, ...]:
        """The places of an entry (two parts long) and of all in it."""
        if not self._within:
            for place in self.lines:
                self._within.setdefault(place[:2], []).append(place)
        return tuple(self._within.get(start, ()))

    def file_of(self, place: Place) -> str:
        """The file in which a place stands."""
        return self._files.get(place[:2], self.file)

    def line(self, place: Place) -> int:
        """Line of the nearest enclosing field that stands in the file (0 if none does).

        Indices that are not in the file are skipped: one item may be written where a list is meant.
        """
        here: Place = ()
        for part in place:
            if (*here, part) in self.lines:
                here = (*here, part)
            elif not isinstance(part, int):
                break
        return self.lines.get(here, 0)

    def add_model(self, entry: dict[str, object], line: int, file: str) -> Place:
        """Take in a model that is not written out but follows from what stands at a line; its place."""
        assert isinstance(self.value, dict)
        models = self.value.setdefault("models", [])
        models.append(entry)
        place: Place = ("models", len(models) - 1)
        self.lines.setdefault(("models",), line)
        self.lines[place] = line
        self._files[place] = file
        return place

    def problem(self, place: Place, message: str) -> Problem:
        """A problem at a place, named as readers would: models by their id."""
        return Problem(self.file_of(place), self.line(place), self._spell(place), message)

    def _spell(self, place: Place) -> str:
        text, here = "", self.value
        for part in place:
            if isinstance(part, int):
                if not isinstance(here, list) or part >= len(here):
                    continue
                here = here[part]
                name = here.get("id") if isinstance(here, dict) else None
                text += f"[{name if isinstance(name, str) else part}]"
            else:
                text += f".{part}" if text else part
                here = here.get(part) if isinstance(here, dict) else None
        return text


def read_document(text: str, file: str) -> Document:
    """Parse YAML text.

    Parameters
    ----------
    text : str
    file : str
        Name for messages.

    Raises
    ------
    CatalogError
        The text is not YAML; file and line are given.
    """
    document = Document(file)
    loader = _CoreLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise CatalogError((Problem(file, 0, "", "is empty; a catalog needs `schema: 1` and `models:`"),))
        _walk(document, node, (), set())
        if not document.problems:
            document.value = loader.construct_document(node)
    except yaml.YAMLError as error:
        raise CatalogError((_syntax_problem(error, file, text),)) from None
    finally:
        loader.dispose()
    return document


def _syntax_problem(error: yaml.YAMLError, file: str, text: str) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    what = getattr(error, "problem", None) or str(error).splitlines()[0]
    line = (
        min(mark.line + 1, len(text.splitlines())) if mark else 0
    )  # the end of the text is on its last line
    return Problem(file, line, "", f"not valid YAML: {what}")


def _walk(document: Document, node: yaml.Node, place: Place, seen: set[int]) -> None:
    """Note the line of every field; find duplicate keys, anchors and odd keys."""
    if id(node) in seen:
        line = node.start_mark.line + 1
        message = "an anchor (&, *) repeats this part; write it out, or name a shape under `cells`"
        document.problems.append(Problem(document.file, line, _plain(place), message))
        return
    seen.add(id(node))
    document.lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(document, item, (*place, index), seen)
    elif isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, item in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                written = f" {key.value}" if isinstance(key, yaml.ScalarNode) else ""
                message = f"key{written} is not text; put it in quotes"
                document.problems.append(Problem(document.file, line, _plain(place), message))
                continue
            name = key.value
            if name in first:
                message = f"duplicate key {name!r} (first at line {first[name]}); keep one"
                document.problems.append(Problem(document.file, line, _plain((*place, name)), message))
                continue
            first[name] = line
            document.lines[(*place, name)] = line
            _walk(document, item, (*place, name), seen)


def _plain(place: Place) -> str:
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text


def read_text(path: Path) -> str:
    """Read a catalog file, with one clear line when that is not possible.

    Raises
    ------
    CatalogError
        The file is missing, a folder, unreadable, or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        message = "no such file; give a catalog with --catalog, or leave it out for the shipped one"
        raise CatalogError((Problem(str(path), 0, "", message),)) from None
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text (byte {error.start})"
        raise CatalogError((Problem(str(path), 0, "", message),)) from None
    except OSError as error:
        raise CatalogError((Problem(str(path), 0, "", f"cannot be read: {error.strerror}"),)) from None
