"""How many look-alikes of each family a metric calls derived: a row a family, a column a metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.report.notation import UNDEFINED
from benchmark.results.schema import FamilyClass, MetricResult

__all__ = ["FamilyCount", "family_counts"]


@dataclass(frozen=True)
class FamilyCount:
    """Look-alikes of a family, or of two: how many there are, and how many each metric calls derived."""

    families: str
    n_pairs: int
    confused: tuple[str, ...]


def family_counts(results: Sequence[MetricResult]) -> tuple[FamilyCount, ...]:
    """Count confused look-alikes, families in the order of the results.

    A cell is "12 of 300"; a dash where a metric scores none of them or has no threshold.
    """
    columns = [{row.families: row for row in result.by_family} for result in results]
    names = dict.fromkeys(name for column in columns for name in column)
    return tuple(
        FamilyCount(
            name,
            max(column[name].n_pairs for column in columns if name in column),
            tuple(_cell(column.get(name)) for column in columns),
        )
        for name in names
    )


def _cell(row: FamilyClass | None) -> str:
    if row is None or row.n_confused is None:
        return UNDEFINED
    return f"{row.n_confused:,} of {row.n_pairs:,}"
