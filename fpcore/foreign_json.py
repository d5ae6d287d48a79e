"""JSON of strangers: bounded in length, depth and number of values, each key once, nothing but whole text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias, cast

from fpcore.errors import BadCheckpoint
from fpcore.printable import shown

__all__ = ["DEEPEST", "LARGEST", "Json", "parse_json"]

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

DEEPEST: Final = 64
"""Lists and objects within each other: no file of a model has a third of that."""
LARGEST: Final = 16 << 20
"""Bytes of a configuration."""
MOST: Final = 8_000_000  # values: what one takes in memory is many times its text
SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


class _GivenTwice(ValueError):
    """A key that stands twice in one object, with two values."""


def parse_json(
    content: bytes, where: str, what: str = "JSON", *, largest: int = LARGEST, most: int = MOST
) -> Json:
    """Parse JSON that anybody may have written.

    Numbers are as Python reads them, ``NaN`` and ``Infinity`` included, which configurations do hold; where a
    count belongs `fpcore.counts` refuses them.

    Parameters
    ----------
    content : bytes
        UTF-8.
    where : str
        Named in errors.
    what : str
        What it should be.
    largest : int
        Bytes.
    most : int
        Values, keys included.

    Raises
    ------
    BadCheckpoint
        It is no JSON, too large or too deep, holds a key twice with different values, or half a character.

    Examples
    --------
    >>> parse_json(b'{"layers": 4}', "config.json")
    {'layers': 4}
    """
    if len(content) > largest:
        raise BadCheckpoint(f"{where}: {len(content):,} bytes, too large for {what} ({largest:,} at most)")
    if content.count(b",") + content.count(b"[") + content.count(b"{") > most:
        raise BadCheckpoint(f"{where}: too many values for {what} ({most:,} at most)")
    try:
        value = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise BadCheckpoint(
            f"{where}: not {what}: byte {error.start:,} is not UTF-8; fetch it again"
        ) from error
    except RecursionError as error:
        raise BadCheckpoint(f"{where}: not {what}: nested too deep; fetch it again") from error
    except _GivenTwice as error:
        raise BadCheckpoint(f"{where}: not {what}: {error}; keep one") from error
    except ValueError as error:
        raise BadCheckpoint(f"{where}: not {what} ({error}); fetch it again") from error
    _check(value, where, what, surrogates=SURROGATE.search(content) is not None)
    return cast("Json", value)


def _object(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        first: dict[str, object] = {}
        for key, value in pairs:
            if key in first and first[key] != value:
                raise _GivenTwice(f"{shown(key)} is given twice, with two values")
            first.setdefault(key, value)
    return found


def _check(value: object, where: str, what: str, *, surrogates: bool) -> None:
    """Depth, without going as deep; and whether each text is text."""
    level: list[object] = [value]
    for _ in range(DEEPEST):
        if surrogates:
            for item in level:
                _check_texts(item, where)
        level = [
            part
            for item in level
            for part in (item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())
            if isinstance(part, dict | list)
        ]
        if not level:
            return
    raise BadCheckpoint(f"{where}: not {what}: nested more than {DEEPEST} levels deep; fetch it again")


def _check_texts(item: object, where: str) -> None:
    parts = [*item, *item.values()] if isinstance(item, dict) else item if isinstance(item, list) else [item]
    for part in parts:
        if isinstance(part, str):
            try:
                part.encode()
            except UnicodeEncodeError as error:
                raise BadCheckpoint(
                    f"{where}: {shown(part)} contains half a character (a lone surrogate); correct it"
                ) from error
