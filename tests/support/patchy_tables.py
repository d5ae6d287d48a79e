"""Made-up tables with gaps: pairs without scores, a disputed pair, and a lineage without look-alikes."""

from __future__ import annotations

from functools import cache

import numpy as np

import analysis

LEVEL, SEED, GOALS = 0.9, 5, (0.7, 0.05)
CLAIM = analysis.Claim(threshold=1.0, auc=0.99, p_values=True, text="≥ 1 is derived", source="a paper")


def patchy_table(metric: str = "patchy", n_lineages: int = 6, separation: float = 0.5) -> analysis.ScoreTable:
    """Scores of which some are missing; the last lineage has an architecture of its own."""
    frame = analysis.example_table(metric, n_lineages=n_lineages, separation=separation).frame
    for end in "ab":
        last = frame[f"lineage_{end}"] == f"{n_lineages - 1:02d}"
        frame.loc[last, f"architecture_{end}"] = "own cell"
    place = np.arange(len(frame))
    frame["status"] = np.select([place % 13 == 5, place % 17 == 3], ["abstained", "failed"], "ok")
    frame.loc[place == len(frame) // 2, "relation"] = "disputed"
    return analysis.ScoreTable(frame)


@cache
def patchy_report() -> analysis.MetricReport:
    """The report of that table, with a claim, a version, and options that are not the defaults."""
    table = patchy_table()
    (report,) = analysis.analyse(
        [table],
        claims={table.metric: CLAIM},
        versions={table.metric: 3},
        seed=SEED,
        level=LEVEL,
        max_fpr=GOALS,
        n_resamples=99,
        n_bootstrap=30,
    ).metrics
    return report
