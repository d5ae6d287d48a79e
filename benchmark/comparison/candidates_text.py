"""The answer about candidate parents for a terminal of 80 columns, and as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich import box
from rich.table import Table
from rich.text import Text

import analysis
from benchmark.comparison.reference_pairs import NO_CALIBRATION
from benchmark.comparison.text_layout import bullets, table_of_rows, wrapped
from benchmark.report.notation import UNDEFINED, p_value

if TYPE_CHECKING:
    from benchmark.comparison.candidate_case import CandidateCase

__all__ = [
    "HEAD",
    "KEY",
    "candidates_markdown",
    "candidates_notes",
    "candidates_table",
    "row_of",
    "told_calibration",
]

NOBODY: Final = "none (the model is not in it)"
HEAD: Final = ("Candidate", "Answer", "Too low: p", "Look-alikes", "Derived", "Judged by")
KEY: Final = (
    "Too low: p-value for an ancestor scoring no higher. Look-alikes, Derived: pairs of the same shapes"
    " scoring at least as high, out of all such pairs. Judged by: number of lineages with derived pairs, of"
    " the same shapes (like) or of any (all)."
)


def row_of(case: CandidateCase, one: analysis.Candidate) -> tuple[str, ...]:
    """Cells under `HEAD` of one candidate."""
    place = case.evidence[one.name].place
    return (
        one.name,
        _standing(one),
        p_value(one.derivation_p),
        place.look_alikes.told if place else UNDEFINED,
        place.derived.told if place else UNDEFINED,
        _judged(one),
    )


def _standing(one: analysis.Candidate) -> str:
    if one.standing == "not judged":
        return f"not judged: {NO_CALIBRATION}" if one.reason.startswith(NO_CALIBRATION) else "not judged"
    return "not excluded" if one.standing == "remains" else "excluded"


def _judged(one: analysis.Candidate) -> str:
    if one.standing == "not judged":
        return "none"
    return f"{one.n_lineages}, {'like' if one.same_cell_only else 'all'}"


def candidates_table(case: CandidateCase) -> Table:
    """Lay out the candidates for a terminal of 80 columns."""
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        caption=KEY,
        caption_justify="left",
    )
    for head in HEAD:
        table.add_column(head, overflow="fold", no_wrap=head not in {"Candidate", "Answer"})
    for one in case.found.candidates:
        table.add_row(*(Text(cell) for cell in row_of(case, one)))
    return table


def told_calibration(case: CandidateCase) -> str:
    """Which run judges the candidates, and without whom."""
    return f"{case.calibration.told(NOBODY)} The lineage of each candidate is left out when it is judged."


def _about(case: CandidateCase) -> str:
    return f"{case.model.label}: {case.model.cell}, digest {case.model.digest[:12]}\n{told_calibration(case)}"


def candidates_notes(case: CandidateCase) -> str:
    """Write all that the table does not hold, wrapped for a terminal."""
    return "\n\n".join(
        [
            wrapped(case.sentence),
            "What cannot be said:\n" + bullets(case.cannot_say),
            wrapped(_about(case)),
        ]
    )


def candidates_markdown(case: CandidateCase) -> str:
    """Write the answer as Markdown."""
    blocks = [
        f"# {case.model.label} and its candidate parents",
        case.sentence,
        table_of_rows(HEAD, (row_of(case, one) for one in case.found.candidates)),
        KEY,
        "## What cannot be said",
        "\n".join(f"- {item}" for item in case.cannot_say),
        _about(case),
    ]
    return "\n\n".join(blocks) + "\n"
