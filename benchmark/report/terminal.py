"""The short table at the end of a run, for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich import box
from rich.table import Table
from rich.text import Text

from benchmark.report.forgery_panel import forged
from benchmark.report.notation import NARROW, UNDEFINED, interval, percent
from benchmark.report.reading import Estimate, estimate, mapping, sequence, text
from benchmark.report.story import best_first
from benchmark.report.wording import group_of

__all__ = ["verdict_table"]

STYLES: Final = {"yes": "bold blue", "no": "bold yellow", "unknown": "dim"}


def verdict_table(results: Mapping[str, Any]) -> Table:
    """Lay out metric, look-alike AUC, the claimed threshold's FPR among look-alikes, and verdict.

    Parameters
    ----------
    results : mapping
        Contents of results.json.

    Returns
    -------
    rich.table.Table
        Best verdict first; what is undefined is a dash; the caption names metrics that can be forged.
    """
    entries = best_first([mapping(item) for item in sequence(results.get("metrics"))])
    fooled = [text(entry.get("metric")) for entry in entries if _forgeable(entry)]
    told = f"\nForged at no cost: {', '.join(fooled)}." if fooled else ""
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        caption="Look-alike AUC: how often a child outscores an independent pair of its own shape.\n"
        "Claim: share of those pairs that the claimed threshold calls derived." + told,
        caption_justify="left",
    )
    table.add_column("Metric", overflow="fold")
    table.add_column("Look-alike AUC", no_wrap=True)
    table.add_column("Claim", no_wrap=True)
    table.add_column("Verdict", overflow="fold")
    for entry in entries:
        verdict = text(entry.get("verdict")) or "cannot say"
        claim = mapping(entry.get("claim"))
        table.add_row(
            Text(text(entry.get("metric"))),
            Text(interval(estimate(entry.get("look_alike_auc")))),
            Text(_rate(estimate(claim.get("look_alike_fpr")))),
            Text(verdict, style=STYLES[group_of(verdict).slug]),
        )
    return table


def _forgeable(entry: Mapping[str, Any]) -> bool:
    return any(row.succeeded for row in forged(entry.get("forgeries")))


def _rate(value: Estimate) -> str:
    """The rate alone; its interval is in the report and would not fit beside a long name."""
    return f"{percent(value.estimate)}{NARROW}%" if value.defined else UNDEFINED
