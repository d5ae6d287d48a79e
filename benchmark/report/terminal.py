"""The short table at the end of a run, for a terminal of 80 columns."""

from __future__ import annotations

from typing import Final

from rich import box
from rich.table import Table
from rich.text import Text

from analysis.metric_report import reversed_scores
from benchmark.report.notation import interval
from benchmark.report.verdict_groups import CLAIM_SLUGS, best_first, group_of
from benchmark.results.schema import Results

__all__ = ["verdict_table"]

STYLES: Final = {"yes": "bold blue", "no": "bold yellow", "unknown": "dim"}


def verdict_table(results: Results) -> Table:
    """Lay out metric, look-alike AUC, whether it separates, and whether its authors' claim holds.

    Parameters
    ----------
    results : Results

    Returns
    -------
    rich.table.Table
        Best verdict first; what is undefined is a dash; the caption names metrics that can be deceived,
        and those whose scores run the wrong way.
    """
    found = best_first(results.metrics)
    forged = [one.metric for one in found if one.forgeable]
    told = f"\nCan be forged or laundered: {', '.join(forged)}." if forged else ""
    told += "".join(f"\n{one.metric}: {said}." for one in found if (said := reversed_scores(one.auc)))
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        caption="Look-alike AUC: how often a child outscores an independent pair of its own shape.\n"
        "Separates: by joint bounds over all metrics. Claim: whether the authors' claim holds." + told,
        caption_justify="left",
    )
    table.add_column("Metric", overflow="fold")
    table.add_column("Look-alike AUC", no_wrap=True)
    table.add_column("Separates?", overflow="fold")
    table.add_column("Claim?", overflow="fold")
    for one in found:
        table.add_row(
            Text(one.metric),
            Text(interval(one.look_alike_auc)),
            Text(one.verdict, style=STYLES[group_of(one.verdict).slug]),
            Text(one.claim_verdict, style=STYLES[CLAIM_SLUGS[one.claim_verdict]]),
        )
    return table
