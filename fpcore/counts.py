"""Whole numbers where a count belongs, and nothing else."""

from __future__ import annotations

from typing import Final

from fpcore.errors import BadCheckpoint
from fpcore.printable import shown

__all__ = ["MOST", "count"]

MOST: Final = 1 << 40
"""No model has more of anything."""


def count(value: object, what: str, *, least: int = 0, most: int = MOST, exact: bool = False) -> int:
    """Read a count from a file that anybody may have written.

    Parameters
    ----------
    value : object
        As the file has it.
    what : str
        Where it stands, named in the error.
    least, most : int
        What it may be.
    exact : bool
        Whether 4.0 is no count either; some configurations write floats.

    Raises
    ------
    BadCheckpoint
        It is no whole number, or out of bounds.

    Examples
    --------
    >>> count(4, "config.json: num_hidden_layers")
    4
    >>> count(1e400, "config.json: num_hidden_layers")
    Traceback (most recent call last):
        ...
    fpcore.errors.BadCheckpoint: config.json: num_hidden_layers is inf; it must be a whole number from 0 ...
    """
    number = None
    if type(value) is int:
        number = value
    elif isinstance(value, float) and value.is_integer() and not exact:
        number = int(value)
    if number is None or not least <= number <= most:
        raise BadCheckpoint(
            f"{what} is {shown(value)}; it must be a whole number from {least:,} to {most:,}: correct it"
        )
    return number
