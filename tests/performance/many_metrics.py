"""`analyse` of a table of 200 metrics, from an empty cache.

``python -m tests.performance many_metrics [--metrics 200] [--models 48]``

Seconds by the clock, memory of all processes together and the size of the page, which must stay below 5 MB;
and, of the comparisons of every two metrics, CPU seconds together and one by one (timed on a few and scaled).
They must be equal to the bit, and together at least five times as fast: exit status 1 otherwise.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

import analysis
from studies.simulation.designs import Design, spread
from tests.performance.thousand_models import MOST_PAGE, measured

FEW = 200
TIMES = 5.0


def scores(metrics: int, models: int) -> pd.DataFrame:
    """A score table: founders with two children each, metrics that are more alike than chance makes them."""
    rng = np.random.default_rng(0)
    design = Design("many", spread(models // 3, (3,)), n_cells=4, separation=2.0)
    common = design.scores(rng)
    frames = [
        design.labels.frame.assign(metric=f"metric-{number:03d}", score=common + design.scores(rng))
        for number in range(metrics)
    ]
    return pd.concat(frames, ignore_index=True)


def comparisons(frame: pd.DataFrame) -> bool:
    """Every two metrics, together and one by one; whether together takes longer than it may."""
    tables = [analysis.ScoreTable(one) for _, one in frame.groupby("metric", sort=False)]
    begun = time.process_time()
    found = analysis.compare_all(tables)
    together = time.process_time() - begun
    few = list(combinations(tables, 2))[:FEW]
    begun = time.process_time()
    alone = [analysis.compare_metrics(a, b) for a, b in few]
    plain = (time.process_time() - begun) * len(found) / len(few)
    for one, other in zip(found, alone, strict=False):
        assert (one.difference, one.p_value) == (other.difference, other.p_value)
    print(f"{len(found):,} comparisons: {together:.1f} s of CPU; alone {plain:.0f} s (scaled from {FEW})")
    return together * TIMES > plain


def main() -> None:
    """Print the figures; exit status 1 where one of them is worse than it may be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--metrics", type=int, default=200)
    parser.add_argument("--models", type=int, default=48)
    asked = parser.parse_args()
    frame = scores(asked.metrics, asked.models)
    print(f"{asked.metrics} metrics of {len(frame) // asked.metrics:,} pairs of {asked.models} models")
    slow = comparisons(frame)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        frame.to_parquet(folder / "scores.parquet")
        command = ["analyse", folder / "scores.parquet", "--out", folder / "out", "--quiet"]
        measured("analyse", command, folder / "cache")
        page = (folder / "out" / "report.html").stat().st_size
    print(f"report.html: {page / 1e6:.2f} MB")
    sys.exit(int(slow or page > MOST_PAGE))


if __name__ == "__main__":
    main()
