"""What stands in the columns of a score table, made sure of: names are text, scores are real numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral
from typing import Final
from unicodedata import category

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.validation import with_article

__all__ = [
    "BadTable",
    "columns_found",
    "is_text",
    "labelled",
    "names_as_text",
    "no_column_twice",
    "place",
    "real_numbers",
]

Floats = npt.NDArray[np.float64]
PLACES: Final = ("row", "line")
"""What the index of a frame may be called that says where each row stands in its file."""
MISSING: Final = frozenset({"", "na", "n/a", "<na>", "nan", "null", "none"})
"""How a score is written that is not there."""
SHOWN: Final = 12
"""Columns that an error lists."""
LONGEST: Final = 60
HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of characters that steer a terminal, turn a line round or are half of one."""


class BadTable(ValueError):
    """A score table that cannot be analysed; the message says what, where and what to do.

    Parameters
    ----------
    told : str
        What is wrong.
    source : str
        Which table it is about: a path, where it came from a file.
    """

    def __init__(self, told: str, source: str = "score table") -> None:
        super().__init__(told, source)
        self.told = told
        self.source = source

    def __str__(self) -> str:
        return f"{self.source}: {self.told}"


def labelled(frame: pd.DataFrame) -> pd.Index[int]:
    """Where each row of a frame stands: its index where that says so, or else counted from 1."""
    if frame.index.name in PLACES:
        return frame.index
    return pd.RangeIndex(1, len(frame) + 1, name="row")


def place(places: pd.Index[int], row: int) -> str:
    """Name one row: "row 3", or "line 4" of a file."""
    return f"{places.name} {places[row]}"


def no_column_twice(frame: pd.DataFrame) -> None:
    """Refuse a frame in which two columns have one name."""
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise BadTable(f"column {twice[0]} appears twice; keep one of them")


def columns_found(columns: Iterable[object]) -> str:
    """List the columns that there are, for an error about one that is not."""
    names = [_shown(str(name)) for name in columns]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"columns found: {', '.join(names[:SHOWN]) or 'none'}{more}"


def names_as_text(
    frame: pd.DataFrame, columns: Iterable[str], places: pd.Index[int]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Make the names in some columns text without whitespace around them.

    Parameters
    ----------
    frame : pandas.DataFrame
    columns : iterable of str
        Those to look at; such as the frame lacks are passed over.
    places : pandas.Index
        Where each row stands, as `labelled` gives it.

    Returns
    -------
    frame : pandas.DataFrame
        With text in these columns, missing where nothing stands.
    notes : tuple of str
        What was changed.

    Raises
    ------
    BadTable
        A name that is no text: 3.1 and 3.10 are two models and one number. A name with a NUL character.
    """
    stripped: dict[str, None] = {}
    changed: dict[str, npt.NDArray[np.object_]] = {}
    for column in columns:
        if column not in frame:
            continue
        ready = is_text(frame[column])
        codes, distinct = pd.factorize(frame[column] if ready else frame[column].astype(object))
        text = np.empty(len(distinct) + 1, dtype=object)  # the last stands for what is missing: code -1
        text[-1] = None
        for i, value in enumerate(distinct):
            name, fault = _name(value)
            if fault:
                where = place(places, int(np.flatnonzero(codes == i)[0]))
                raise BadTable(f"{where} has {column} {_shown(repr(value))}, {fault}")
            text[i] = name.strip() or None
            if text[i] != name and name.strip():
                stripped[name] = None
        if not ready or not len(distinct) or any(text[i] != name for i, name in enumerate(distinct)):
            changed[column] = text[codes]
    if not stripped:
        return frame.assign(**changed), ()
    some = ", ".join(repr(name) for name in list(stripped)[:3])
    names = "name" if len(stripped) == 1 else "names"
    return frame.assign(**changed), (f"whitespace around {len(stripped)} {names} was stripped ({some})",)


def is_text(values: pd.Series[str]) -> bool:
    """Whether a column has the type that pandas gives to text: nothing else can stand in it."""
    return isinstance(values.dtype, pd.StringDtype) and values.dtype.na_value is not pd.NA


def _name(value: object) -> tuple[str, str]:
    """A name, and what is wrong with it."""
    if isinstance(value, str):
        hidden = "" if value.isprintable() else next((c for c in value if category(c) in HIDDEN), "")
        fault = "with a NUL character" if hidden == "\0" else f"with the invisible character {hidden!a}"
        return value, fault if hidden else ""
    if isinstance(value, Integral) and not isinstance(value, bool):
        return str(int(value)), ""
    kind = with_article(type(value).__name__)
    return "", f"{kind}; names are text: read the file with dtype=str, or 3.1 and 3.10 become one"


def real_numbers(values: pd.Series[float], places: pd.Index[int]) -> Floats:
    """Read the scores of a table; NaN where there is none.

    Parameters
    ----------
    values : pandas.Series
        Numbers of any kind, or text that is a number.
    places : pandas.Index
        Where each row stands.

    Raises
    ------
    BadTable
        A score that is no real number, or beyond what a double can hold.
    """
    if pd.api.types.is_complex_dtype(values.dtype):
        raise BadTable(f"{place(places, 0)} has a complex score; scores must be real numbers")
    if pd.api.types.is_numeric_dtype(values.dtype):
        return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))
    found = np.empty(len(values))
    for row, value in enumerate(values.astype(object)):
        number, fault = _number(value)
        if fault:
            raise BadTable(f"{place(places, row)} has score {_shown(repr(value))}, {fault}")
        found[row] = number
    return found


def _number(value: object) -> tuple[float, str]:
    """A score, and what is wrong with it."""
    text = value.strip() if isinstance(value, str) else ""
    if value is None or value is pd.NA or (isinstance(value, str) and text.lower() in MISSING):
        return math.nan, ""
    if isinstance(value, complex):
        return math.nan, "a complex number; scores must be real numbers"
    try:
        number = float(value)  # type: ignore[arg-type]
    except OverflowError:
        number = math.inf
    except (TypeError, ValueError):
        return math.nan, f"which is not a number{_hint(text)}"
    if "_" in text:
        return math.nan, "which is not a number"
    if math.isinf(number) and "inf" not in str(value).lower():
        return math.nan, "too large for a double (at most 1.8e308)"
    if number == 0 and any(digit in text.lower().partition("e")[0] for digit in "123456789"):
        return math.nan, "too close to 0 for a double (at least 5e-324)"
    return number, ""


def _hint(text: str) -> str:
    if "," in text and text.replace(",", "", 1).lstrip("+-").replace(".", "", 1).isdigit():
        return "; use a decimal point"
    if text[-1:] in ("j", "i"):
        return "; scores must be real numbers"
    return ""


def _shown(text: str) -> str:
    text = text if text.isprintable() else repr(text)[1:-1]
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
