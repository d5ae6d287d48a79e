"""The values every procedure of this package answers with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, TypeAlias, overload

import numpy as np

from analysis.notebook import Shown, number
from analysis.validation import BadArgument, with_article

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["JSON", "Interval", "Result", "as_json"]

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"
"""What JSON can say."""

PLAIN: Final = frozenset({str, int, bool, type(None)})
"""Types whose values are JSON as they are; derived ones are looked at."""


class Result(Shown):
    """A result: equal to another of its class where all fields are, NaN being equal to NaN.

    Its dataclass must say ``eq=False``: the comparison that dataclasses make fails on arrays, and from
    Python 3.13 on no undefined value would equal itself.
    """

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(_same(one, two) for one, two in zip(self._compared(), other._compared(), strict=True))

    def __hash__(self) -> int:
        return hash(tuple(map(_hashable, self._compared())))

    def _compared(self) -> list[object]:
        return [getattr(self, item.name) for item in fields(self) if item.compare]  # type: ignore[arg-type]


def _same(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return type(one) is type(other) and np.array_equal(one, other, equal_nan=True)  # type: ignore[arg-type]
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, tuple | list) and type(one) is type(other):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other)


def _hashable(value: object) -> object:
    """What is hashed of a field: every NaN has a hash of its own."""
    if isinstance(value, tuple):
        return tuple(map(_hashable, value))
    return None if isinstance(value, float) and math.isnan(value) else value


@dataclass(frozen=True, eq=False)
class Interval(Result):
    """An estimate with its confidence interval.

    Attributes
    ----------
    estimate, low, high : float
        The estimate and the two ends. NaN where undefined; `reason` then says why.
    level : float
        Nominal coverage, in (0, 1).
    method : str
        The procedure in one phrase, with what it assumes.
    n_pairs, n_models, n_lineages : int
        What the interval rests on.
    reason : str
        Why a value is undefined; empty when it is defined.
    warnings : tuple of str
        What a reader must know before quoting the interval.
    unseen : float
        How bad it may be if a kind of lineage exists that is not among those seen: the end in the
        unfavourable direction when such a kind is as frequent as can stay unseen among so many lineages, and
        everything goes wrong on it. NaN where that has no meaning.

    Examples
    --------
    >>> from analysis import Interval
    >>> print(Interval(0.9231, 0.8104, 0.9692, 0.95, "lineage jackknife", 1234, 71, 36))
    0.9231 [0.8104, 0.9692] (95%, lineage jackknife; 36 lineages, 1,234 pairs)
    >>> print(Interval.undefined("the table has no derived pair", level=0.95, method="lineage jackknife"))
    undefined (the table has no derived pair)
    """

    estimate: float
    low: float
    high: float
    level: float
    method: str
    n_pairs: int = 0
    n_models: int = 0
    n_lineages: int = 0
    reason: str = ""
    warnings: tuple[str, ...] = ()
    unseen: float = math.nan

    @classmethod
    def undefined(
        cls,
        reason: str,
        *,
        level: float,
        method: str,
        n_pairs: int = 0,
        n_models: int = 0,
        n_lineages: int = 0,
    ) -> Interval:
        """An interval that cannot be given, with the reason."""
        return cls(math.nan, math.nan, math.nan, level, method, n_pairs, n_models, n_lineages, reason=reason)

    @property
    def defined(self) -> bool:
        """Whether the estimate is a number."""
        return not math.isnan(self.estimate)

    def __str__(self) -> str:
        if not self.defined:
            return f"undefined ({self.reason})"
        counted = ((self.n_lineages, "lineage"), (self.n_pairs, "pair"), (len(self.warnings), "warning"))
        basis = [f"{n:,} {what}{'s' * (n > 1)}" for n, what in counted if n]
        basis += [f"no ends: {self.reason}"] if self.reason else []
        told = "; ".join(text for text in (self.method, ", ".join(basis)) if text)
        return f"{self._cell()} ({100 * self.level:g}%, {told})"

    def _cell(self) -> str:
        if not self.defined:
            return f"— ({self.reason})" if self.reason else "—"
        ends = f" [{number(self.low)}, {number(self.high)}]" if not math.isnan(self.low) else ""
        return number(self.estimate) + ends


@overload
def as_json(value: DataclassInstance | Mapping[str, object]) -> dict[str, JSON]: ...
@overload
def as_json(value: object) -> JSON: ...
def as_json(value: object) -> JSON:
    """Turn results into plain JSON values: dataclasses to objects, NaN to null, infinities to text.

    Parameters
    ----------
    value : object
        A result dataclass, or mappings, sequences and scalars of them.

    Returns
    -------
    dict, list, str, int, float, bool or None
        And nothing else inside.

    Raises
    ------
    BadArgument
        Something in it has no JSON form.

    Examples
    --------
    >>> import numpy as np
    >>> from analysis import as_json
    >>> as_json({"low": float("nan"), "high": float("inf"), "counts": np.array([1, 2])})
    {'low': None, 'high': 'inf', 'counts': [1, 2]}
    """
    kind = type(value)
    if kind is float:  # most of what there is
        return _number(value)  # type: ignore[arg-type]
    if kind in PLAIN:
        return value  # type: ignore[return-value]
    if is_dataclass(value) and not isinstance(value, type):
        # Not `asdict`, which would turn nested results into bare dicts.
        return {name: as_json(getattr(value, name)) for name in _names(kind)}  # type: ignore[arg-type]
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        plain: object = value.tolist()
        return as_json(plain)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, bool | int | str):
        return value
    raise BadArgument(
        f"value must hold results, numbers and text only, not {with_article(type(value).__name__)}"
    )


def _number(value: float) -> float | str | None:
    if math.isfinite(value):
        return value
    return None if math.isnan(value) else "inf" if value > 0 else "-inf"


@cache
def _names(kind: type[DataclassInstance]) -> tuple[str, ...]:
    """The fields of a type of results; there are few types, and thousands of results."""
    return tuple(item.name for item in fields(kind))
