"""The short table at the end of a run, for a terminal of 80 columns."""

from __future__ import annotations

from typing import Final

from rich import box
from rich.table import Table
from rich.text import Text

from benchmark.report.notation import NARROW, UNDEFINED, interval, percent
from benchmark.report.sections import claimed
from benchmark.report.verdict_groups import best_first, group_of
from benchmark.results.schema import MetricResult, Results

__all__ = ["verdict_table"]

STYLES: Final = {"yes": "bold blue", "no": "bold yellow", "unknown": "dim"}


def verdict_table(results: Results) -> Table:
    """Lay out metric, look-alike AUC, the claimed threshold's FPR among look-alikes, and verdict.

    Parameters
    ----------
    results : Results

    Returns
    -------
    rich.table.Table
        Best verdict first; what is undefined is a dash; the caption names metrics that can be forged.
    """
    found = best_first(results.metrics)
    forged = [one.metric for one in found if one.forgeable]
    told = f"\nForged at no cost: {', '.join(forged)}." if forged else ""
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
    for one in found:
        table.add_row(
            Text(one.metric),
            Text(interval(one.look_alike_auc)),
            Text(_claim(one)),
            Text(one.verdict, style=STYLES[group_of(one.verdict).slug]),
        )
    return table


def _claim(result: MetricResult) -> str:
    """The rate alone; its interval is in the report and would not fit beside a long name."""
    stated = claimed(result)
    if stated is None or not stated.look_alike_fpr.defined:
        return UNDEFINED
    return f"{percent(stated.look_alike_fpr.estimate)}{NARROW}%"
