"""JSON with an item a line, as the standard library writes it, in a fraction of the time.

With an indent, `json.dumps` is a chain of Python generators as deep as the value: a results file of some
megabytes takes it seconds.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from json.encoder import encode_basestring
from typing import Final

__all__ = ["json_text", "json_value"]

# Every text that is written often, such as keys and names of methods, is quoted once.
WORDS: Final = 1 << 16


def json_text(value: object) -> str:
    r"""The text of ``json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)``.

    Parameters
    ----------
    value : object
        Dicts, lists, tuples, texts, numbers, booleans and None.

    Raises
    ------
    ValueError
        A number that JSON does not have.
    TypeError
        A value of another type, or a key that is no text.

    Examples
    --------
    >>> json_text({"low": 0.5, "of": [1, "é"]})
    '{\n "low": 0.5,\n "of": [\n  1,\n  "é"\n ]\n}'
    """
    return _Writer().text(value, "\n")


def json_value(content: bytes) -> object:
    """What a file of JSON says, if it says one thing: strict, so that no two readers differ on it.

    Parameters
    ----------
    content : bytes
        In UTF-8.

    Raises
    ------
    ValueError
        Not JSON, a key twice, NaN or an infinity, half of a surrogate pair, or lists too deep in each other.

    Examples
    --------
    >>> json_value(b'{"low": 0.5, "of": [1, null]}')
    {'low': 0.5, 'of': [1, None]}
    >>> json_value(b'{"low": 0.5, "low": 0.1}')
    Traceback (most recent call last):
        ...
    ValueError: key 'low' appears twice
    """
    try:
        value: object = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_once_each,
            parse_constant=_refuse,
            parse_float=_finite,
        )
        # An escape can hold half of a character, which no file can be written with.
        if b"\\ud" in content.lower():
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def _once_each(items: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(items)
    if len(found) < len(items):
        counts = Counter(name for name, _ in items)
        raise ValueError(f"key {counts.most_common(1)[0][0]!r} appears twice")
    return found


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large for a number")
    return number


class _Writer:
    def __init__(self) -> None:
        self._quoted: dict[str, str] = {}

    def text(self, value: object, line: str) -> str:
        """A value; `line` begins the line that it stands on."""
        kind = type(value)
        if kind is float:
            return _float(value)  # type: ignore[arg-type]
        if kind is str:
            return self._word(value)  # type: ignore[arg-type]
        if kind is dict:
            return self._object(value, line)  # type: ignore[arg-type]
        if kind is list or kind is tuple:
            return self._list(value, line)  # type: ignore[arg-type]
        if value is None:
            return "null"
        if kind is bool:
            return "true" if value else "false"
        if kind is int:
            return int.__repr__(value)
        # Of the few types that derive from these, such as enumerations, the standard library knows best.
        return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).replace("\n", line)

    def _object(self, value: dict[str, object], line: str) -> str:
        if not value:
            return "{}"
        inner = line + " "
        items = []
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{key!r}: keys must be text")
            items.append(f"{self._word(key)}: {self.text(item, inner)}")
        return _between("{", items, "}", line)

    def _list(self, value: list[object] | tuple[object, ...], line: str) -> str:
        if not value:
            return "[]"
        inner = line + " "
        return _between("[", (self.text(item, inner) for item in value), "]", line)

    def _word(self, text: str) -> str:
        quoted = self._quoted.get(text)
        if quoted is None:
            quoted = encode_basestring(text)
            if len(self._quoted) < WORDS:
                self._quoted[text] = quoted
        return quoted


def _between(first: str, items: Iterable[str], last: str, line: str) -> str:
    return f"{first}{line} {f',{line} '.join(items)}{line}{last}"


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"JSON cannot represent {value}")
    return float.__repr__(value)
