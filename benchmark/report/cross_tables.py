"""Tables of classes × metrics: AUC by derivation method, and confounders.

A cell shows one figure with its interval; the others wait in the page's data, where the script finds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from analysis.breakdown import LookAlikeClass, MethodClass
from analysis.results import JSON, Interval
from benchmark.report.families import FAMILIES, family_of
from benchmark.report.notation import UNDEFINED, ends, interval, percent, percent_ends, unit
from benchmark.results.schema import FamilyClass, MetricResult, SharedPropertyClass

__all__ = [
    "Cell",
    "CrossRow",
    "CrossTable",
    "Figure",
    "by_family",
    "most_fooled",
    "shared_properties",
    "survival",
]

Grade = Callable[[float], int]
Alike = LookAlikeClass | SharedPropertyClass | FamilyClass
Class = TypeVar("Class", bound=MethodClass | Alike)
FOOLED: Final = 0.9  # AUC of children against pairs that share something, below which it fools a metric
NONE: Final = -1  # the shade of a cell without a figure


@dataclass(frozen=True)
class Figure(Generic[Class]):
    """A figure that the cells of a table can show, read from a class of pairs."""

    slug: str
    label: str
    unit: str
    read: Callable[[Class], Interval]
    grade: Grade
    legend: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """One figure of one cell: the number, its interval, and a shade from 0 (fails) to 4 (holds)."""

    text: str
    ends: str
    shade: int


@dataclass(frozen=True)
class CrossRow:
    """One way with its cells: for every figure, for every metric."""

    group: str
    name: str
    pairs: str
    notes: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class CrossTable(Generic[Class]):
    """A table of classes × metrics; the first figure is the one it opens with."""

    anchor: str
    label: str
    head: str
    figures: tuple[Figure[Class], ...]
    rows: tuple[CrossRow, ...]

    @property
    def groups(self) -> list[tuple[str, list[tuple[int, CrossRow]]]]:
        """The rows with their numbers, by group, in the order of the rows."""
        found: dict[str, list[tuple[int, CrossRow]]] = {}
        for index, row in enumerate(self.rows):
            found.setdefault(row.group, []).append((index, row))
        return list(found.items())

    @property
    def data(self) -> dict[str, JSON]:
        """What the script needs to show another figure, and to say what a cell rests on.

        ``figures``: those after the first (which stands in the table), each cell as text|ends|shade.
        ``notes``: pairs|lineages of each cell.
        """
        return {
            "figures": [
                [[f"{cell.text}|{cell.ends}|{cell.shade}" for cell in row.cells[index]] for row in self.rows]
                for index in range(1, len(self.figures))
            ],
            "notes": [list(row.notes) for row in self.rows],
        }


def _rising(*steps: float) -> Grade:
    """Shades for figures where more is better: 0 up to the first step, then one more at each."""
    return lambda value: 0 if value <= steps[0] else 1 + sum(value >= step for step in steps[1:])


def _falling(*steps: float) -> Grade:
    """Shades for figures where less is better: 4 up to the first step, then one less after each."""
    return lambda value: 4 - sum(value > step for step in steps)


AUC: Final[Figure[MethodClass]] = Figure(
    "auc",
    "Look-alike AUC",
    "",
    lambda row: row.look_alike_auc,
    _rising(0.5, 0.7, 0.9, 0.99),
    ("≤ 0.5", "0.5 – 0.7", "0.7 – 0.9", "0.9 – 0.99", "≥ 0.99"),
)
TPR: Final[Figure[MethodClass]] = Figure(
    "tpr",
    "TPR at the calibrated threshold",
    "%",
    lambda row: row.tpr,
    _rising(0.2, 0.4, 0.6, 0.8),
    ("≤ 20%", "20% – 40%", "40% – 60%", "60% – 80%", "≥ 80%"),
)
FPR: Final[Figure[Alike]] = Figure(
    "fpr",
    "FPR at the calibrated threshold",
    "%",
    lambda row: row.fpr,
    _falling(0.05, 0.1, 0.2, 0.5),
    ("> 50%", "20% – 50%", "10% – 20%", "5% – 10%", "≤ 5%"),
)
SHARED_AUC: Final[Figure[Alike]] = Figure(
    "auc",
    "AUC of derived pairs against them",
    "",
    lambda row: row.auc,
    _rising(0.5, 0.7, 0.9, 0.99),
    AUC.legend,
)


def survival(results: Sequence[MetricResult]) -> CrossTable[MethodClass]:
    """AUC by derivation method: methods × metrics, by family."""
    return _table(
        "survival",
        "AUC by derivation method",
        "Derivation method",
        (AUC, TPR),
        [result.by_method for result in results],
        lambda method: family_of(method).title,
    )


def shared_properties(results: Sequence[MetricResult]) -> CrossTable[Alike]:
    """Confounders: look-alikes by what they have in common × metrics."""
    columns: list[Mapping[str, Alike]] = [
        {row.shared: row for row in result.shared_properties} for result in results
    ]
    if not any(columns):
        columns = [result.by_look_alike for result in results]
    return _table(
        "shared",
        "Confounders",
        "Shared property",
        (SHARED_AUC, FPR),
        columns,
        lambda name: "",
    )


def by_family(results: Sequence[MetricResult]) -> CrossTable[Alike]:
    """Look-alikes by model family × metrics."""
    return _table(
        "families",
        "Look-alikes by model family",
        "Family or families",
        (SHARED_AUC, FPR),
        [{row.families: row for row in result.by_family} for result in results],
        lambda name: "",
    )


def most_fooled(results: Sequence[MetricResult]) -> list[str]:
    """For each metric with a confounder, the property it handles worst, in a sentence; the worst first.

    Only stated properties with more than one pair count, and only where children beat such pairs less often
    than nine times in ten.
    """
    found = []
    for result in results:
        rows = [row for row in result.shared_properties if row.auc.defined and row.n_pairs > 1]
        worst = min(rows, key=lambda row: row.auc.estimate, default=None)
        if worst is not None and worst.auc.estimate < FOOLED:
            told = f"{result.metric}: {worst.shared}, {interval(worst.auc)}"
            found.append((worst.auc.estimate, told))
    return [told for _, told in sorted(found)]


def _table(
    anchor: str,
    label: str,
    head: str,
    figures: tuple[Figure[Class], ...],
    columns: Sequence[Mapping[str, Class]],
    group: Callable[[str], str],
) -> CrossTable[Class]:
    order = [family.title for family in FAMILIES]
    names = list(dict.fromkeys(name for rows in columns for name in rows))
    if any(map(group, names)):
        names.sort(key=lambda name: (order.index(group(name)), name))
    rows = []
    for name in names:
        own = [column.get(name) for column in columns]
        most = max((row.n_pairs for row in own if row), default=0)
        rows.append(
            CrossRow(
                group=group(name),
                name=name,
                pairs=f"{most:,}",
                notes=tuple(f"{row.n_pairs}|{row.n_lineages}" if row else "" for row in own),
                cells=tuple(tuple(_cell(figure, row) for row in own) for figure in figures),
            )
        )
    return CrossTable(anchor, label, head, figures, tuple(rows))


def _cell(figure: Figure[Class], row: Class | None) -> Cell:
    value = figure.read(row) if row else None
    if value is None or not value.defined:
        return Cell(UNDEFINED, "", NONE)
    if figure.unit == "%":
        return Cell(percent(value.estimate), percent_ends(value), figure.grade(value.estimate))
    return Cell(unit(value.estimate, 2), ends(value), figure.grade(value.estimate))
