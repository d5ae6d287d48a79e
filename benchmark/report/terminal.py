"""The short table at the end of a run, for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from textwrap import wrap
from typing import Final

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from analysis import Interval
from analysis.metric_report import reversed_scores
from benchmark.report.notation import interval
from benchmark.report.verdict_groups import CLAIM_SLUGS, best_first, group_of
from benchmark.results.schema import MetricResult, Results

__all__ = ["verdict_table"]

LONGEST: Final = 23
"""Columns for the name of a metric; longer ones take two lines, broken at a hyphen."""
STYLES: Final = {"yes": "bold blue", "no": "bold yellow", "unknown": "dim"}


@dataclass(frozen=True)
class _Area:
    """Which AUC the table shows."""

    head: str
    caption: str
    of: Callable[[MetricResult], Interval]


def _area(results: Results) -> _Area:
    """The look-alike AUC, which decides; where no metric has one, the other, and what is missing."""
    reasons = dict.fromkeys(one.look_alike_auc.reason for one in results.metrics)
    known = any(one.look_alike_auc.defined for one in results.metrics)
    if known or not any(one.auc.defined for one in results.metrics):
        said = "Look-alike AUC: how often a child outscores an independent pair of its own shape."
        return _Area("Look-alike AUC", said, lambda one: one.look_alike_auc)
    missing = "; ".join(filter(None, reasons))
    said = (
        "AUC: how often a child outscores an independent pair of any shape; that alone decides nothing. No"
        f" look-alike AUC: {missing}."
    )
    return _Area("AUC, independent pairs", said, lambda one: one.auc)


def verdict_table(results: Results) -> Table:
    """Lay out metric, look-alike AUC, whether it separates, and whether its authors' claim holds.

    Parameters
    ----------
    results : Results

    Returns
    -------
    rich.table.Table
        Best verdict first; what is undefined is a dash, and without any look-alike AUC the other is shown;
        the caption names metrics that can be deceived,
        and those whose scores run the wrong way.
    """
    found = best_first(results.metrics)
    forged = [one.metric for one in found if one.forgeable]
    told = f"\nCan be forged or laundered: {', '.join(forged)}." if forged else ""
    told += "".join(f"\n{one.metric}: {said}." for one in found if (said := reversed_scores(one.auc)))
    shown = _area(results)
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        caption=f"{shown.caption}\nSeparates: by joint bounds over all metrics."
        " Claim: whether the authors' claim holds." + told,
        caption_justify="left",
    )
    names = ["\n".join(wrap(one.metric, LONGEST)) for one in found]
    table.add_column("Metric", overflow="fold", min_width=max(map(cell_len, "\n".join(names).split("\n"))))
    table.add_column(shown.head, no_wrap=True)
    table.add_column("Separates?", overflow="fold")
    table.add_column("Claim?", overflow="fold")
    for one, name in zip(found, names, strict=True):
        table.add_row(
            Text(name),
            Text(interval(shown.of(one))),
            Text(one.verdict, style=STYLES[group_of(one.verdict).slug]),
            Text(one.claim_verdict, style=STYLES[CLAIM_SLUGS[one.claim_verdict]]),
        )
    return table
