"""Text of strangers on one line: what would move a cursor, turn a line round or hide is written out."""

from __future__ import annotations

from typing import Final
from unicodedata import category

__all__ = ["LONGEST", "printable", "shortened", "shown"]

LONGEST: Final = 900
"""Characters of a message."""
NAMED: Final = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def printable(text: str) -> str:
    r"""Write out characters that a terminal, a page or a spreadsheet would act on instead of showing.

    Parameters
    ----------
    text : str
        Anything.

    Returns
    -------
    str
        One line; text without such characters is returned as it is.

    Examples
    --------
    >>> printable("a model\nerror: all is well\x1b[2J")
    'a model\\nerror: all is well\\x1b[2J'
    """
    if text.isprintable():
        return text
    # Blanks of any width are only blanks; all else that is not printed steers, hides, or is no character.
    return "".join(one if one.isprintable() or category(one) == "Zs" else _written_out(one) for one in text)


def _written_out(character: str) -> str:
    code = ord(character)
    if character in NAMED:
        return NAMED[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shown(value: object, longest: int = 60) -> str:
    """A value from a file for a message: on one line, and no longer than that."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**longest:
        return f"a number of more than {longest} digits"
    text = printable(repr(value)) if not isinstance(value, dict | list) else f"a {type(value).__name__}"
    return text if len(text) <= longest else f"{text[:longest]}…"


def shortened(text: str, longest: int = LONGEST) -> str:
    """A message without what would fill a page: what is wrong stands first, and what to do last.

    Examples
    --------
    >>> shortened("unknown cell " + "x" * 5000 + "; define it under `cells`", 90)
    'unknown cell xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx … ne it under `cells`'
    """
    end = longest * 2 // 9
    return text if len(text) <= longest else f"{text[: longest - end]} … {text[-end:]}"
