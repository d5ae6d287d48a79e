"""Typed values and JSON: one strict reader for every file of a run; the writer is `analysis.as_json`.

The type hints of frozen dataclasses are the schema. null is NaN where a float stands, "inf" and "-inf" are
infinities; a key that is missing or not known, or a value of another type, is an error that names its place.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Hashable, Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Final, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

__all__ = ["SchemaMismatch", "from_json"]

Read = Callable[[object, str], object]
T = TypeVar("T")

INFINITIES: Final = {"inf": math.inf, "-inf": -math.inf}
NONE: Final[object] = type(None)
SHOWN: Final = 40


class SchemaMismatch(ValueError):
    """A value that is not of the schema; the message names its place."""


def from_json(kind: type[T], value: object, where: str = "") -> T:
    """Read a value of a type from parsed JSON.

    Parameters
    ----------
    kind : type
        A dataclass, or what may stand in one: float, int, bool, str, Literal, tuple, Mapping with text keys,
        ndarray of float, `object` (any JSON), and unions of these with None.
    value : object
        As `json.loads` gives it.
    where : str
        What an error calls the place of the value.

    Returns
    -------
    object
        Of type `kind`.

    Raises
    ------
    SchemaMismatch
        A missing or unknown key, or a value of another type.

    Examples
    --------
    >>> from analysis import Claim
    >>> stated = {"threshold": 0.9, "auc": None, "p_values": False, "text": "", "source": ""}
    >>> from_json(Claim, stated).threshold
    0.9
    >>> from_json(Claim, {"threshold": "high"}, "claim")
    Traceback (most recent call last):
        ...
    benchmark.results.codec.SchemaMismatch: claim: no key auc, p_values, text, source
    """
    return cast(T, _reader(cast(Hashable, kind))(value, where))


def _fail(where: str, wanted: str, value: object) -> SchemaMismatch:
    told = repr(value)
    told = told if len(told) <= SHOWN else f"{told[:SHOWN]}…"
    return SchemaMismatch(f"{where}: {told}, expected {wanted}")


def _float(value: object, where: str) -> float:
    if value is None:
        return math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and value in INFINITIES:
        return INFINITIES[value]
    raise _fail(where, "a number", value)


def _int(value: object, where: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _fail(where, "a whole number", value)


def _bool(value: object, where: str) -> bool:
    if isinstance(value, bool):
        return value
    raise _fail(where, "true or false", value)


def _str(value: object, where: str) -> str:
    if isinstance(value, str):
        return value
    raise _fail(where, "text", value)


def _list(value: object, where: str) -> list[object]:
    if isinstance(value, list):
        return value
    raise _fail(where, "a list", value)


def _object(value: object, where: str) -> dict[str, object]:
    if isinstance(value, dict):
        return value
    raise _fail(where, "an object", value)


def _array(value: object, where: str) -> npt.NDArray[np.float64]:
    numbers = [_float(item, f"{where}[{i}]") for i, item in enumerate(_list(value, where))]
    return np.array(numbers, dtype=np.float64)


PLAIN: Final[Mapping[object, Read]] = {
    float: _float,
    int: _int,
    bool: _bool,
    str: _str,
    object: lambda value, where: value,
}


@cache
def _reader(kind: Hashable) -> Read:
    """The function that reads one type; made once, since a results file holds thousands of intervals."""
    if kind in PLAIN:
        return PLAIN[kind]
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _enum_reader(kind)
    if isinstance(kind, type) and is_dataclass(kind):
        return _dataclass_reader(kind)
    # From numpy 2.5 on, NDArray is an alias that has what it stands for as a value.
    origin, inner = get_origin(getattr(kind, "__value__", kind)), get_args(kind)
    if origin in (Union, types.UnionType):
        return _optional_reader(inner)
    if origin is Literal:
        return _literal_reader(inner)
    if origin is tuple:
        return _tuple_reader(inner)
    if origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return _mapping_reader(inner[1])
    if origin is np.ndarray:
        return _array
    raise TypeError(f"{kind!r} cannot be stored in a run's files")


def _dataclass_reader(kind: type) -> Read:
    hints = get_type_hints(kind)
    readers = {field.name: _reader(hints[field.name]) for field in fields(kind) if field.init}

    def read(value: object, where: str) -> object:
        held = _object(value, where)
        if held.keys() != readers.keys():
            missing = [name for name in readers if name not in held]
            more = [name for name in held if name not in readers]
            told = f"no key {', '.join(missing)}" if missing else f"unknown key {', '.join(more)}"
            raise SchemaMismatch(f"{where}: {told}" if where else told)
        start = f"{where}." if where else ""
        return kind(**{name: own(held[name], start + name) for name, own in readers.items()})

    return read


def _optional_reader(inner: tuple[Hashable, ...]) -> Read:
    rest = [kind for kind in inner if kind is not NONE]
    if len(rest) != 1 or len(rest) == len(inner):
        raise TypeError(f"{inner!r}: a stored union must be of one type and None")
    own = _reader(rest[0])
    return lambda value, where: None if value is None else own(value, where)


def _literal_reader(inner: tuple[Hashable, ...]) -> Read:
    def read(value: object, where: str) -> object:
        if value in inner:
            return value
        raise _fail(where, " or ".join(map(repr, inner)), value)

    return read


def _enum_reader(kind: type[StrEnum]) -> Read:
    words = {str(word): word for word in kind}

    def read(value: object, where: str) -> object:
        if isinstance(value, str) and value in words:
            return words[value]
        raise _fail(where, " or ".join(map(repr, words)), value)

    return read


def _tuple_reader(inner: tuple[Hashable, ...]) -> Read:
    if len(inner) == 2 and inner[1] is Ellipsis:
        own = _reader(inner[0])
        return lambda value, where: tuple(
            own(item, f"{where}[{i}]") for i, item in enumerate(_list(value, where))
        )
    each = [_reader(kind) for kind in inner]

    def read(value: object, where: str) -> object:
        items = _list(value, where)
        if len(items) != len(each):
            raise _fail(where, f"a list of {len(each)}", value)
        return tuple(
            own(item, f"{where}[{i}]") for i, (own, item) in enumerate(zip(each, items, strict=True))
        )

    return read


def _mapping_reader(kind: Hashable) -> Read:
    own = _reader(kind)
    return lambda value, where: {
        key: own(item, f"{where}[{key!r}]") for key, item in _object(value, where).items()
    }
