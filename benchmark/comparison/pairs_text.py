"""Many cases for a terminal of 80 columns: a pair a row, and what can be said of it."""

from __future__ import annotations

from typing import Final

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from benchmark.comparison.case import Case
from benchmark.comparison.compare_pairs import ComparedPair, ComparedPairs
from benchmark.comparison.text_layout import signed
from benchmark.report.notation import UNDEFINED

__all__ = ["pairs_table"]

HEAD: Final = ("Pair", "log10 LR [95%]", "Answer")
KEY: Final = (
    "log10 LR: derivation against independent models of the same shapes. Whole cases: --json or --out."
)


def pairs_table(found: ComparedPairs) -> Table:
    """Lay out the pairs, each with what it weighs and the answer in a few words."""
    weighed_by = escape(f" {found.calibration.about}.") if found.calibration else ""
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        caption=f"{KEY}{weighed_by}",
        caption_justify="left",
    )
    for head in HEAD:
        table.add_column(head, overflow="fold", no_wrap=head == HEAD[1])
    for pair in found.pairs:
        table.add_row(*(Text(cell) for cell in _row(pair)))
    return table


def _unsaid(case: Case) -> str:
    first = case.cannot_say[0]
    return f"cannot be said: {first[:1].lower()}{first[1:]}"


def _row(pair: ComparedPair) -> tuple[str, str, str]:
    both = f"{pair.model_a}\n{pair.model_b}"
    if pair.case is None:
        return both, UNDEFINED, f"failed: {pair.error}"
    case = pair.case
    quoted = case.quoted
    if quoted is None or case.forged or not quoted.weight.defined:
        return both, UNDEFINED, case.answer if case.sentence or case.forged else _unsaid(case)
    low, high = quoted.weight.ends
    return both, f"{signed(quoted.weight.log10_lr)} [{signed(low)}, {signed(high)}]", case.answer
