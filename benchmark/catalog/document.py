"""YAML to plain values with a line number for every field, refusing what YAML lets slip."""

from __future__ import annotations

import math
import re
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import yaml

from benchmark.catalog.problems import MOST_PROBLEMS, CatalogError, Problem
from benchmark.session.errors import UsageError
from benchmark.session.files import read_regular

__all__ = ["SCALARS", "Document", "Place", "read_document", "read_text"]

Place: TypeAlias = tuple[str | int, ...]


#: What is no text in YAML 1.2: tag, pattern, first characters.
SCALARS: Final = (
    ("null", r"(?:null|~|)", ["n", "~", ""]),
    ("bool", r"(?:true|false)", list("tf")),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
)
DEEPEST: Final = 32  # lists and mappings within each other
LARGEST: Final = 256 << 20  # bytes of a file
LONGEST_NUMBER: Final = 400  # characters
_NO_TEXT: Final = frozenset(first for _, _, firsts in SCALARS for first in firsts)
_PATTERNS: Final = {tag: re.compile(f"^{pattern}$") for tag, pattern, _ in SCALARS}
# Controls but for tabs and line breaks, marks of direction, invisible characters.
HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
_DROPPED: Final = "\0 dropped"  # a key that no value is kept under; YAML has no NUL
_PLAIN_TAGS: Final = {f"tag:yaml.org,2002:{kind}": kind for kind in ("str", "null", "bool", "int", "float")}
_WHOLE_TAGS: Final = frozenset({None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})


class Parser(Protocol):
    """A parser of YAML."""

    def get_event(self) -> yaml.Event:
        """The next event."""

    def dispose(self) -> None:
        """Give back what it holds."""


class Document:
    """A parsed file.

    Attributes
    ----------
    file : str
        Name for messages.
    value : object
        Plain Python values.
    problems : list of Problem
        Duplicate keys, aliases, keys that are not text.
    """

    def __init__(self, file: str, text: str = "") -> None:
        self.file = file
        self.value: object = None
        self.problems: list[Problem] = []
        self._text = text
        self._outer: dict[Place, int] = {}
        self._made: dict[Place, tuple[str, int]] = {}
        self._taken: dict[Place, tuple[Document, Place]] = {}

    @cached_property
    def _lines(self) -> dict[Place, int]:
        """Path of keys and indices → line, counted from 1, of every field: for messages."""
        reader = _Reader(self._text, Document(self.file), every=True)
        reader.read()
        return reader.lines

    def take(self, other: Document, place: Place, here: Place) -> None:
        """Take over where an entry of another document stands, file and lines."""
        self._taken[here] = other, place
        self._taken.setdefault(here[:1], (other, place[:1]))

    def value_at(self, place: Place) -> object:
        """What stands at a place; one item may be written where a list is meant."""
        here = self.value
        for part in place:
            if isinstance(part, str):
                here = here.get(part) if isinstance(here, dict) else None
            elif isinstance(here, list):
                here = here[part]
        return here

    def file_of(self, place: Place) -> str:
        """The file in which a place stands."""
        if place[:2] in self._made:
            return self._made[place[:2]][0]
        if place[:2] in self._taken:
            other, there = self._taken[place[:2]]
            return other.file_of(there)
        return self.file

    def line(self, place: Place) -> int:
        """Line of the nearest enclosing field that stands in the file (0 if none does).

        Indices that are not in the file are skipped: one item may be written where a list is meant.
        """
        if place[:2] in self._made:
            return self._made[place[:2]][1]
        for known in (place[:2], place[:1]):
            if known in self._taken:
                other, there = self._taken[known]
                return other.line((*there, *place[len(known) :]))
        if place in self._outer:
            return self._outer[place]
        here: Place = ()
        for part in place:
            if (*here, part) in self._lines:
                here = (*here, part)
            elif not isinstance(part, int):
                break
        return self._lines.get(here, 0)

    def add_model(self, entry: dict[str, object], line: int, file: str) -> Place:
        """Take in a model that is not written out but follows from what stands at a line; its place."""
        assert isinstance(self.value, dict)
        models = self.value.setdefault("models", [])
        models.append(entry)
        place: Place = ("models", len(models) - 1)
        self._made[place] = file, line
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
    document = Document(file, text)
    reader = _Reader(text, document)
    try:
        document.value = reader.read()
    except yaml.YAMLError as error:
        raise CatalogError((_syntax_problem(error, file, text),)) from None
    document._outer = reader.lines
    return document


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return 0 if mark is None else int(mark.line) + 1


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}…")


def _syntax_problem(error: yaml.YAMLError, file: str, text: str) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    what = getattr(error, "problem", None) or str(error).splitlines()[0]
    line = (
        min(mark.line + 1, len(text.splitlines())) if mark else 0
    )  # the end of the text is on its last line
    return Problem(file, line, "", f"not valid YAML: {what}")


class _Reader:
    """From the parser's events to plain values, one after the other: nothing is as deep as the text.

    Parameters
    ----------
    text : str
    document : Document
        Takes problems.
    every : bool
        Whether lines are noted of every field, or only of parts and their items.
    """

    def __init__(self, text: str, document: Document, *, every: bool = False) -> None:
        self._text = text
        self._document = document
        self._noted = DEEPEST if every else 2
        self.lines: dict[Place, int] = {}
        self._open: list[dict[str, object] | list[object]] = []
        self._keys: list[str] = []  # of each that is open, the last one read
        self._awaits: list[bool] = []  # of each that is open, whether a key comes next
        self._root: object = None

    def read(self) -> object:
        """The value of the whole text."""
        # Written in C where PyYAML was built so.
        parser: Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(self._text)
        try:
            self._document_of(parser)
        finally:
            parser.dispose()
        return self._root

    def _document_of(self, parser: Parser) -> None:
        begun = 0
        while not isinstance(event := parser.get_event(), yaml.StreamEndEvent):
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event, parser)
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                self._start(event, parser)
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                for stack in (self._open, self._keys, self._awaits):
                    stack.pop()
            elif isinstance(event, yaml.AliasEvent):
                self._wrong(
                    event, "an anchor (&, *) repeats this part; write it out, or name a shape under `cells`"
                )
                self._value(None, event)
            elif isinstance(event, yaml.DocumentStartEvent):
                begun += 1
                if begun > 1:
                    message = "not valid YAML: a second document begins here; keep one"
                    raise CatalogError((self._problem(event, "", message),))
        if not begun:
            message = "the file the file is empty; a catalog needs `schema: 1` and `models:`"
            raise CatalogError((Problem(self._document.file, 0, "", message),))

    def _start(self, event: yaml.CollectionStartEvent, parser: Parser) -> None:
        """A mapping or a list begins."""
        if self._awaits and self._awaits[-1]:
            self._wrong(event, "a a key is not text; put it in quotes")
            depth = 1
            while depth:  # to its end
                within = parser.get_event()
                depth += isinstance(within, yaml.CollectionStartEvent)
                depth -= isinstance(within, yaml.CollectionEndEvent)
            self._keys[-1], self._awaits[-1] = _DROPPED, False
            return
        if event.tag not in _WHOLE_TAGS:
            raise CatalogError(
                (
                    self._problem(
                        event, self._place(), f"the YAML tag {event.tag} is not supported; remove it"
                    ),
                )
            )
        if len(self._open) == DEEPEST:
            message = f"nested more than {DEEPEST} levels deep"
            raise CatalogError((self._problem(event, "", message),))
        value: dict[str, object] | list[object] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._value(value, event)
        self._open.append(value)
        self._keys.append("")
        self._awaits.append(isinstance(value, dict))

    def _scalar(self, event: yaml.ScalarEvent, parser: Parser) -> None:
        text = event.value
        plain = event.implicit[0] and event.tag is None
        if not text.isprintable() and (hidden := HIDDEN.search(text)):
            message = f"contains the invisible character {hidden[0]!a}; remove it"
            raise CatalogError((self._problem(event, self._place(), message),))
        value = text if event.tag is None and not (plain and text[:1] in _NO_TEXT) else self._typed(event)
        if not (self._awaits and self._awaits[-1]):
            self._value(value, event)
            return
        self._awaits[-1] = False
        whole = self._open[-1]
        assert isinstance(whole, dict)
        if not isinstance(value, str):
            self._wrong(event, f"key {text} is not text; put it in quotes")
            self._keys[-1] = _DROPPED
        elif value in whole:
            first = self._document_line((*self._path()[:-1], value))
            message = f"duplicate key {value!r} (first at line {first}); keep one"
            self._keys[-1] = value
            self._wrong(event, message)
            self._keys[-1] = _DROPPED
        else:
            self._keys[-1] = value
            whole[value] = None  # stands there from now on: given again, it is a duplicate
            if len(self._open) <= self._noted:
                self.lines[self._path()] = _line(event)

    def _typed(self, event: yaml.ScalarEvent) -> object:
        """A scalar that may be no text, or bears a tag."""
        text, kind = event.value, _PLAIN_TAGS.get(event.tag) if event.tag not in {None, "!"} else ""
        if kind is None:
            raise CatalogError(
                (
                    self._problem(
                        event, self._place(), f"the YAML tag {event.tag} is not supported; remove it"
                    ),
                )
            )
        if not kind:
            if event.tag == "!" or not event.implicit[0]:
                return text
            kind = next((tag for tag, pattern in _PATTERNS.items() if pattern.match(text)), "str")
        if kind == "str":
            return text
        if not _PATTERNS[kind].match(text) or len(text) > LONGEST_NUMBER:
            raise CatalogError(
                (self._problem(event, self._place(), f"{_shown(text)} is not a valid {kind}"),)
            )
        if kind in {"null", "bool"}:
            return None if kind == "null" else text == "true"
        if kind == "int":
            return int(text.replace("_", ""))
        number = float(text)
        if math.isinf(number):
            raise CatalogError((self._problem(event, self._place(), f"{text} is out of range for a double"),))
        return number

    def _value(self, value: object, event: yaml.NodeEvent) -> None:
        """Put a value where it belongs."""
        if not self._open:
            self._root = value
            self.lines.setdefault((), _line(event))
            return
        whole = self._open[-1]
        if isinstance(whole, list):
            whole.append(value)
            if len(self._open) <= self._noted:
                self.lines[self._path()] = _line(event)
            return
        self._awaits[-1] = True
        if self._keys[-1] is not _DROPPED:
            whole[self._keys[-1]] = value

    def _path(self) -> Place:
        """Keys and indices down to what is being read."""
        return tuple(
            len(whole) - 1 if isinstance(whole, list) else key
            for whole, key in zip(self._open, self._keys, strict=True)
        )

    def _place(self) -> str:
        """The same in words."""
        text = ""
        for part in self._path():
            text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text and part else part)
        return text

    def _document_line(self, place: Place) -> int:
        """Where a key stood first."""
        if place in self.lines or len(place) <= self._noted:
            return self.lines.get(place, 0)
        everything = _Reader(self._text, Document(self._document.file), every=True)
        everything.read()
        return everything.lines.get(place, 0)

    def _problem(self, event: yaml.Event, field: str, message: str) -> Problem:
        return Problem(self._document.file, _line(event), field, message)

    def _wrong(self, event: yaml.Event, message: str) -> None:
        if len(self._document.problems) < MOST_PROBLEMS:
            self._document.problems.append(self._problem(event, self._place(), message))


def read_text(path: Path) -> str:
    """Read a catalog file, with one clear line when that is not possible.

    Raises
    ------
    CatalogError
        The file is missing, a folder, unreadable, or not UTF-8.
    """
    try:
        return read_regular(path, LARGEST).decode("utf-8")
    except UsageError as error:
        raise CatalogError((Problem(str(path), 0, "", str(error)),)) from None
    except FileNotFoundError:
        message = "no such file; give a catalog with --catalog, or leave it out for the shipped one"
        raise CatalogError((Problem(str(path), 0, "", message),)) from None
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text (byte {error.start})"
        raise CatalogError((Problem(str(path), 0, "", message),)) from None
    except OSError as error:
        raise CatalogError((Problem(str(path), 0, "", f"cannot be read: {error.strerror}"),)) from None
