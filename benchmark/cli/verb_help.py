"""How a verb's ``--help`` lists its arguments: by the names that its usage line gives them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import typer
from typer.core import TyperArgument, TyperCommand

__all__ = ["Verb"]


class Pages(Protocol):
    """What is asked of the library's formatter, whose class is private."""

    def section(self, name: str) -> AbstractContextManager[None]:
        """Indent what is written below a heading."""

    def write_dl(self, rows: Sequence[tuple[str, str]]) -> None:
        """Write names and what they mean in two columns."""


class Verb(TyperCommand):
    """A command whose help says ``RUN`` where the library writes ``RUN <list[Path]>``."""

    def format_options(self, ctx: typer.Context, formatter: Pages) -> None:  # type: ignore[override]
        """Write the sections of arguments and of options."""
        arguments, options = [], []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            if isinstance(parameter, TyperArgument):
                arguments.append((parameter.metavar or record[0], record[1]))
            else:
                options.append(record)
        for title, records in (("Arguments", arguments), ("Options", options)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
