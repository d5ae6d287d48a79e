"""What each metric did on the zoo: the two tables of docs/reference/metrics.md, from a finished run.

``python -m studies.metric_tables RUN`` prints them, one of metrics that read weights and tokens and one of
those that run the model; ``--write`` puts them into the page. RUN is of `run --metrics all`.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

import fpcore
from analysis.table import ScoreTable
from benchmark.results.run import Run, read_run
from benchmark.results.schema import MetricResult

__all__ = ["in_page", "main", "tables"]

PAGE: Final = Path(__file__).parents[1] / "docs" / "reference" / "metrics.md"
SECTION: Final = re.compile(r"(<!-- zoo:(\w+) -->\n)(.*?)(<!-- /zoo -->)", re.DOTALL)
LOW: Final = 0.95
STEP: Final = " > "
MOST: Final = 4
"""Methods that are named; more are counted."""


def tables(run: Run) -> dict[str, str]:
    """Both tables with what they were measured on, by the names of their places in the page.

    Parameters
    ----------
    run : Run
        A finished run.

    Returns
    -------
    dict of str to str
        Under "weights" and "forward", Markdown; without metrics of a kind it is not there.
    """
    runs_model = {metric.name: metric.needs_forward_pass for metric in fpcore.metrics()}
    found = {}
    for place, takes in (("weights", False), ("forward", True)):
        chosen = [one for one in run.results.metrics if runs_model.get(one.metric, False) == takes]
        if not chosen:
            continue
        chosen.sort(key=lambda one: -np.nan_to_num(one.look_alike_auc.estimate, nan=-1.0))
        rows = [_row(one, run) for one in chosen]
        head = ("metric", "look-alike AUC", "interval", "AUC", "abstains", "look-alikes: median, highest",
                "lowest child", f"methods below {LOW:g}")  # fmt: skip
        lines = ["| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows)]
        measured = {one.metric for one in chosen}
        missing = [name for name, needs in runs_model.items() if needs == takes and name not in measured]
        found[place] = f"{_measured(run, chosen, missing)}\n\n" + "\n".join(lines) + "\n"
    return found


def _measured(run: Run, metrics: Sequence[MetricResult], missing: Sequence[str]) -> str:
    """On what, and which metrics of the kind the run does not have."""
    pairs = sorted({one.n_pairs for one in metrics})
    alike = sorted({one.n_look_alike for one in metrics})
    return (
        f"Measured on {run.record.ended[:10]}: {len(run.record.models):,} zoo models in"
        f" {max(one.n_lineages for one in metrics):,} lineages,"
        f" {max(one.n_derived for one in metrics):,} derived pairs, {_span(pairs)} pairs per metric,"
        f" {_span(alike)} of them look-alikes with a score."
        + (f" Not in this run: {', '.join(f'`{name}`' for name in missing)}." if missing else "")
    )


def _span(counts: Sequence[int]) -> str:
    return f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"


def _row(one: MetricResult, run: Run) -> tuple[str, ...]:
    frame = run.scores[run.scores["metric"] == one.metric]
    table = ScoreTable(frame)
    alike = table.score[table.look_alike & table.comparable]
    children = table.score[table.derived & table.comparable]
    silent = int((table.derived & ~table.comparable).sum())
    low = sorted(
        (each.look_alike_auc.estimate, name)
        for name, each in one.by_method.items()
        if each.look_alike_auc.estimate < LOW
    )
    # What a longer way shares with a single step that is low already says nothing new.
    alone = {name for _, name in low if STEP not in name}
    low = [(value, name) for value, name in low if name in alone or not alone.intersection(name.split(STEP))]
    named = ", ".join(f"{name} ({value:.2f})" for value, name in low[:MOST])
    more = f" and {len(low) - MOST} more" if len(low) > MOST else ""
    interval = one.look_alike_auc
    return (
        f"`{one.metric}`",
        f"{interval.estimate:.3f}",
        f"{interval.low:.3f} to {interval.high:.3f}",
        f"{one.auc.estimate:.3f}",
        f"{silent:,} of {int(table.derived.sum()):,}" if silent else "–",
        f"{np.median(alike):.3g}, {alike.max():.3g}" if len(alike) else "–",
        f"{children.min():.3g}" if len(children) else "–",
        named + more or "none",
    )


def in_page(page: str) -> dict[str, str]:
    """What the page shows in both places."""
    return {match[2]: match[3] for match in SECTION.finditer(page)}


def main() -> None:
    """Print the tables, or write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--write", action="store_true", help="write them into the page")
    given = parser.parse_args()
    made = tables(read_run(given.run))
    print("\n".join(made.values()))
    if given.write:
        page = PAGE.read_text(encoding="utf-8")
        text = SECTION.sub(lambda found: found[1] + made.get(found[2], found[3]) + found[4], page)
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
