"""What an experiment of the study returns, and how it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

__all__ = ["Experiment", "markdown"]


@dataclass(frozen=True)
class Experiment:
    """Measured behaviour of a procedure on simulated catalogs.

    Attributes
    ----------
    name : str
        Also the name of its section in `docs/explanation/statistics.md`.
    findings : tuple of str
        One sentence each, with the figures.
    tables : tuple of (str, pandas.DataFrame)
        Caption and table; what the page shows.
    details : pandas.DataFrame
        One row a design: everything measured.
    """

    name: str
    findings: tuple[str, ...]
    tables: tuple[tuple[str, pd.DataFrame], ...]
    details: pd.DataFrame

    def text(self) -> str:
        """The experiment in Markdown."""
        parts = ["\n".join(f"- {finding}" for finding in self.findings)]
        parts += [f"**{caption}**\n\n{markdown(table)}" for caption, table in self.tables]
        return "\n\n".join(parts)


def markdown(table: pd.DataFrame) -> str:
    """Write a table in Markdown; shares to three places, other fractions to four digits."""
    rows: list[Sequence[object]] = [list(table.columns), ["---"] * table.shape[1]]
    rows += table.to_numpy(dtype=object).tolist()
    return "\n".join("| " + " | ".join(_cell(value) for value in row) + " |" for row in rows)


def _cell(value: object) -> str:
    if isinstance(value, float):
        if value != value:
            return "–"
        if 0 <= value < 1:
            return f"{value:.3f}"
        return f"{value:g}" if value.is_integer() else f"{value:#.4g}"
    return str(value)
