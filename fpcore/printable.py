"""Text of strangers on one line: what would move a cursor, turn a line round or hide is written out."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["printable", "shown"]

# Controls, line and paragraph separators, marks of direction, invisible characters, tags, lone surrogates.
HIDDEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
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
    return HIDDEN.sub(_written_out, text)


def _written_out(match: re.Match[str]) -> str:
    character = match[0]
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
