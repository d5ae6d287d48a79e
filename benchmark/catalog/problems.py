"""What is wrong with a catalog: each problem with its place, and the error that carries them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from benchmark.session.errors import UsageError
from fpcore.printable import shortened

__all__ = ["MOST_PROBLEMS", "CatalogError", "Problem"]

MOST_PROBLEMS: Final = 1_000
"""Problems of one kind that are looked for in a file: who has more corrects these first."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a catalog file.

    Attributes
    ----------
    file : str
    line : int
        Counted from 1; 0 when it has no place in the file.
    field : str
        Where in the document, e.g. ``models[zoo/a].parents[0].method``; empty for the document.
    message : str
        What is wrong and what to do.
    """

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        message = shortened(self.message)
        return f"{place}: {shortened(self.field)}: {message}" if self.field else f"{place}: {message}"


class CatalogError(UsageError):
    """A catalog that cannot be used, or a question about a model it does not hold.

    Attributes
    ----------
    problems : tuple of Problem
        All that was found; the message shows the first and counts the rest.
    """

    def __init__(self, problems: tuple[Problem, ...] | str) -> None:
        if isinstance(problems, str):
            self.problems: tuple[Problem, ...] = ()
            super().__init__(problems)
            return
        self.problems = problems
        more = len(problems) - 1
        rest = f" (and {more} more; `catalog check` lists all)" if more else ""
        super().__init__(f"{problems[0]}{rest}")
