"""Text of others, made harmless on its way out: no command to a terminal, no formula in a spreadsheet."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FORMULA", "csv_text", "printable", "shown_on_page", "visible"]

FORMULA: Final = re.compile(r"^[=+\-@\t\r]")
"""How a cell begins that a spreadsheet computes instead of showing."""


def printable(text: str) -> str:
    """Write out characters that a terminal would act on instead of showing; see `fpcore.printable`."""
    if text.isprintable():
        return text
    from fpcore.printable import printable as written_out  # brings what most commands do not need

    return written_out(text)


def visible(text: str) -> str:
    """The same, but line breaks and tabs stay: for pages, where they are only space."""
    if text.isprintable():
        return text
    return re.sub(r"[^\n\t]+", lambda match: printable(match[0]), text)


def shown_on_page(value: object) -> object:
    """What a template puts in, text without hidden characters; markup of ours is as it is."""
    return visible(value) if type(value) is str else value


def csv_text(frame: pd.DataFrame) -> str:
    """A table as CSV in which no text is a formula: such cells begin with an apostrophe.

    Parameters
    ----------
    frame : pandas.DataFrame
        Numbers stay as they are.

    Returns
    -------
    str
        Without the last line break.

    Examples
    --------
    >>> import pandas as pd
    >>> print(csv_text(pd.DataFrame({"model": ["=1+1", "qwen"], "score": [-0.5, 1.0]})))
    model,score
    '=1+1,-0.5
    qwen,1.0
    """

    def cell(text: str) -> str:
        return f"'{printable(text)}" if FORMULA.match(text) else printable(text)

    def cells(column: pd.Series) -> pd.Series:
        if column.dtype.kind in "biufc":
            return column
        # Millions of rows say a few thousand different things: each is looked at once.
        distinct = [text for text in column.unique() if isinstance(text, str)]
        changed = {text: new for text in distinct if (new := cell(text)) != text}
        if not changed:
            return column
        return column.map(lambda value: changed.get(value, value) if isinstance(value, str) else value)

    plain = frame.apply(cells).rename(columns=lambda name: cell(name) if isinstance(name, str) else name)
    return str(plain.to_csv(index=False)).rstrip("\n")
