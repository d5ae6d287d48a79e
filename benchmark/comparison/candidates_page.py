"""The answer about a pool of candidate parents: as an HTML page, for a terminal, and as Markdown."""

from __future__ import annotations

import math
from typing import Any, Final

from rich import box
from rich.table import Table
from rich.text import Text

from analysis.evidence.candidates import Candidate
from benchmark.comparison.candidates import PoolCase
from benchmark.comparison.case_page import environment, stylesheet
from benchmark.comparison.case_text import bullets, signed, wrapped
from benchmark.report.notation import UNDEFINED, p_value

__all__ = ["pool_fragment", "pool_markdown", "pool_notes", "pool_page", "pool_table"]

HEAD: Final = ("Candidate", "Answer", "Too low: p", "Too high: p", "log10 LR", "Lineages")
KEY: Final = (
    "Too low: p that an ancestor scores no higher. Too high: p that the best of so many strangers scores no"
    " lower, adjusted over the sequence. log10 LR: of all metrics together, bounded. Lineages: whose derived"
    " pairs it is judged by, of like shapes or of all."
)


def pool_page(case: PoolCase) -> str:
    """Write the answer as one self-contained page, light and dark."""
    return environment().get_template("pool.html.j2").render(**_context(case))


def pool_fragment(case: PoolCase) -> str:
    """Write the answer for a notebook: the same page without its frame."""
    return environment().get_template("pool_fragment.html.j2").render(**_context(case))


def _context(case: PoolCase) -> dict[str, Any]:
    return {
        "case": case,
        "title": f"{case.party.label} and {len(case.members)} candidate parents",
        "head": HEAD,
        "key": KEY,
        "rows": [(one, _row(case, one)) for one in case.found.candidates],
        "css": stylesheet(),
    }


def _row(case: PoolCase, one: Candidate) -> tuple[str, ...]:
    return (
        one.name,
        _standing(one),
        p_value(one.derivation_p),
        p_value(one.stranger_p),
        _weight(case.members[one.name].log10_lr),
        _judged(one),
    )


def _standing(one: Candidate) -> str:
    if not one.remains:
        return "excluded"
    return "shown" if one.shown else "remains"


def _weight(value: float) -> str:
    return UNDEFINED if math.isnan(value) else signed(value)


def _judged(one: Candidate) -> str:
    if not one.n_lineages or math.isnan(one.derivation_p):
        return "none"
    return f"{one.n_lineages}, {'like' if one.same_cell_only else 'all'}"


def pool_table(case: PoolCase) -> Table:
    """Lay out the candidates for a terminal of 80 columns."""
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        caption=KEY,
        caption_justify="left",
    )
    for head in HEAD:
        table.add_column(head, overflow="fold", no_wrap=head != "Candidate")
    for one in case.found.candidates:
        table.add_row(*(Text(cell) for cell in _row(case, one)))
    return table


def _about(case: PoolCase) -> str:
    left = ", ".join(case.calibration["left_out"]) or "none, the model is not in it"
    return (
        f"{case.party.label}: {case.party.cell}, digest {case.party.digest[:12]}. Calibration"
        f" {case.calibration['run']}: {case.calibration['n_lineages']} lineages; left out: {left}; and that"
        " of each candidate where it is judged."
    )


def pool_notes(case: PoolCase) -> str:
    """Write all that the table does not hold, wrapped for a terminal."""
    return "\n\n".join(
        [
            wrapped(case.sentence),
            "What cannot be said:\n" + bullets(case.cannot_say),
            wrapped(_about(case)),
        ]
    )


def pool_markdown(case: PoolCase) -> str:
    """Write the answer as Markdown."""
    rows = [HEAD, ("---",) * len(HEAD), *(_row(case, one) for one in case.found.candidates)]
    blocks = [
        f"# {case.party.label} and its candidate parents",
        case.sentence,
        "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows),
        KEY,
        "## What cannot be said",
        "\n".join(f"- {item}" for item in case.cannot_say),
        _about(case),
    ]
    return "\n\n".join(blocks) + "\n"
