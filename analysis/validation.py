"""What may be given to a public function: each check names the argument, the value, and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from numbers import Integral, Real
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

__all__ = [
    "BadArgument",
    "check_choice",
    "check_class",
    "check_count",
    "check_instance",
    "check_instances",
    "check_mapping",
    "check_mask",
    "check_names",
    "check_number",
    "check_probability",
    "check_scores",
    "check_seed",
    "check_weight",
    "with_article",
]

T = TypeVar("T")
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
LONGEST: Final = 60
"""Values are quoted up to so many characters; of longer ones the type is named."""


class BadArgument(ValueError, TypeError):
    """An argument that a function cannot work with; the message names it, its value, and what is allowed.

    Both a `ValueError` and a `TypeError`, so that either is caught by who expects it.
    """


def _refused(name: str, allowed: str, value: object) -> BadArgument:
    return BadArgument(f"{name} must be {allowed}, not {_quoted(value)}")


def _quoted(value: object) -> str:
    plain = value.item() if isinstance(value, np.generic) else value
    text = repr(plain)
    kind = type(value).__name__
    simple = isinstance(plain, bool | int | float | str | type(None) | tuple | list | dict)
    return text if simple and len(text) <= LONGEST else with_article(kind)


def with_article(name: str) -> str:
    """Put "a" or "an" before the name of a class."""
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def check_instance(value: object, name: str, kind: type[T], hint: str = "") -> T:
    """Check that a value is of a class.

    Parameters
    ----------
    value : object
    name : str
        What the caller calls it.
    kind : type
    hint : str
        How to come by one.

    Raises
    ------
    BadArgument
        It is not.
    """
    if not isinstance(value, kind):
        raise _refused(name, f"{with_article(kind.__name__)}{f' ({hint})' if hint else ''}", value)
    return value


def check_instances(value: object, name: str, kind: type[T], hint: str = "") -> tuple[T, ...]:
    """Check that a value is a sequence of objects of one class."""
    allowed = f"a sequence of {kind.__name__}{f' ({hint})' if hint else ''}"
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _refused(name, allowed, value)
    for place, item in enumerate(value):
        check_instance(item, f"{name}[{place}]", kind, hint)
    return tuple(value)


def check_mapping(value: object, name: str, kind: type[T]) -> Mapping[str, T]:
    """Check that a value maps names to objects of one class."""
    if not isinstance(value, Mapping):
        raise _refused(name, f"a mapping of str to {kind.__name__}", value)
    for key, item in value.items():
        if not isinstance(key, str) or not isinstance(item, kind) or isinstance(item, bool):
            raise _refused(f"{name}[{key!r}]", f"{with_article(kind.__name__)} by its metric's name", item)
    return value


def check_names(value: object, name: str) -> tuple[str, ...]:
    """Check that a value is a collection of names: not one name, whose letters would be taken for names."""
    if isinstance(value, str) or not isinstance(value, Collection):
        raise _refused(name, "a collection of str", value)
    if not all(isinstance(item, str) for item in value):
        raise _refused(name, "a collection of str", value)
    return tuple(value)


def check_choice(value: object, name: str, choices: Collection[str]) -> str:
    """Check that a value is one of a few words."""
    if not isinstance(value, str) or value not in choices:
        raise _refused(name, " or ".join(f'"{choice}"' for choice in choices) or "left out", value)
    return value


def check_number(value: object, name: str, *, nan: bool = False) -> float:
    """Check that a value is a real number, infinite ones included; NaN only where it means something."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise _refused(name, "a number", value)
    if math.isnan(value) and not nan:
        raise _refused(name, "a number", value)
    return float(value)


def check_probability(value: object, name: str, *, low: bool = False, high: bool = False) -> float:
    """Check that a value is a share between 0 and 1.

    Parameters
    ----------
    value : object
    name : str
    low, high : bool
        Whether 0, and 1, are allowed.

    Raises
    ------
    BadArgument
        It is not; percentages are recognised.
    """
    ends = f"{'[' if low else '('}0, 1{']' if high else ')'}"
    allowed = f"a number between 0 and 1, in {ends}"
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise _refused(name, allowed, value)
    share = float(value)
    if 1 < share <= 100:
        allowed += f" (write {share:g}% as {share / 100:g})"
    if not (0 < share < 1 or (low and share == 0) or (high and share == 1)):
        raise _refused(name, allowed, value)
    return share


def check_count(value: object, name: str, *, least: int = 1) -> int:
    """Check that a value is a whole number, at least so large."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Integral) or value < least:
        raise _refused(name, f"an integer, {least} or more", value)
    return int(value)


def check_seed(value: object, name: str = "seed") -> int:
    """Check that a value is a seed: a whole number, from which every procedure makes a stream of its own."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Integral) or value < 0:
        allowed = "an integer, 0 or more (each procedure makes its own random stream from it)"
        raise _refused(name, allowed, value)
    return int(value)


def check_mask(value: object, name: str, n: int) -> Mask:
    """Check that a value is an array of n yes or no."""
    mask = np.asarray(value)
    if mask.dtype != np.bool_ or mask.shape != (n,):
        raise BadArgument(f"{name} must be an array of bool of shape ({n},), not {_described(value, mask)}")
    return mask


def check_scores(value: object, name: str, *, ndim: int | None = 1, nan: bool = True) -> Floats:
    """Check that a value is an array of numbers.

    Parameters
    ----------
    value : object
    name : str
    ndim : int or None
        Its number of dimensions; None for any.
    nan : bool
        Whether NaN is allowed.

    Raises
    ------
    BadArgument
        It is not.
    """
    allowed = "an array of numbers" + ("" if ndim is None else f" with {ndim} dimension{'s' * (ndim > 1)}")
    try:
        array = np.asarray(value)
        floats = np.asarray(array, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise _refused(name, allowed, value) from error
    if array.dtype.kind in "bUSMm" or (ndim is not None and array.ndim != ndim):
        raise BadArgument(f"{name} must be {allowed}, not {_described(value, array)}")
    if not nan and np.isnan(floats).any():
        raise BadArgument(f"{name} must be {allowed} without NaN; element {_first(np.isnan(floats))} is NaN")
    return floats


def check_class(value: object, name: str, n: int) -> Mask:
    """Check that a value says of n pairs whether they are of the positive class, some of them being so."""
    mask = check_mask(value, name, n)
    if not (mask.any() and not mask.all()):
        raise BadArgument(f"{name} must hold both classes, True and False, not {n} of one")
    return mask


def check_weight(value: object, name: str, positive: Mask) -> Floats:
    """Check that a value weighs every pair, and both classes with more than 0."""
    weight = check_scores(value, name, nan=False)
    if weight.shape != positive.shape or not (np.isfinite(weight) & (weight >= 0)).all():
        raise BadArgument(f"{name} must be finite numbers, 0 or more, of shape ({len(positive)},)")
    if not (weight[positive].sum() > 0 and weight[~positive].sum() > 0):
        raise BadArgument(f"{name} must give both classes some weight, not 0 to one of them")
    return weight


def _first(of: npt.NDArray[np.bool_]) -> str:
    place = tuple(int(i) for i in np.argwhere(of)[0])
    return str(place[0] if len(place) == 1 else place)


def _described(value: object, array: npt.NDArray[np.generic]) -> str:
    return _quoted(value) if array.ndim == 0 else f"one of {array.dtype} of shape {array.shape}"
