"""The complete analysis of many lineages against the plain way, in one run, by hand.

``python -m tests.performance.many_lineages [--lineages 700] [--models 2]``

Seconds of one core and memory of the complete analysis of one metric on so many lineages, which must stay
below 20 s and 2 GB for 700; and of 2,000 lineage resamples of the AUC beside two baselines, timed on a few
and scaled: a product with the whole matrix of wins (lineages × lineage pairs), which is how few lineages are
resampled, and scikit-learn's `roc_auc_score` with the weights of the pairs.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

import analysis
from analysis.discrimination import wins as counting
from analysis.discrimination.wins import Wins
from studies.simulation.designs import Design, spread

RESAMPLES = 2_000
FEW = 10
MOST_SECONDS = 20.0
MOST_MEMORY = 2.0


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of processor time of a piece of work, and what it gave."""
    begun = time.process_time()
    result = work()
    return time.process_time() - begun, result


def by_scikit_learn(table: analysis.ScoreTable, wins: Wins, m: np.ndarray) -> np.ndarray:
    """The AUC of each resample, with every pair weighted by the multiplicities of its lineages."""
    used = table.derived | table.independent
    of = np.zeros((len(m), len(table.lineages)))
    of[:, wins.lineages] = m
    a, b = table.lineage_a[used], table.lineage_b[used]
    return np.array(
        [
            roc_auc_score(
                table.derived[used],
                table.score[used],
                sample_weight=np.where(a == b, row[a], row[a] * row[b]),
            )
            for row in of
        ]
    )


def main() -> None:
    """Print the figures; exit status 1 where the analysis takes more than it may."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lineages", type=int, default=700)
    parser.add_argument("--models", type=int, default=2, help="models of each lineage")
    asked = parser.parse_args()
    design = Design("many", spread(asked.lineages, (asked.models,)), n_cells=5, separation=2.0)
    table = design.draw(np.random.default_rng(0))
    print(table)
    with threadpool_limits(1):
        whole, report = timed(lambda: analysis.analyse([table]))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        wins = Wins.of(table)
        n = wins.n_lineages
        m = np.random.default_rng(1).multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float64)
        ours, found = timed(lambda: wins.auc(m))
        plain, expected = timed(lambda: by_scikit_learn(table, wins, m[:FEW]))
        np.testing.assert_allclose(found[:FEW], expected, rtol=1e-9)
        counting.DENSE = sys.maxsize
        dense = Wins.of(table)
        build, _ = timed(lambda: dense.auc(m[:1]))
        product, same = timed(lambda: dense.auc(m[:FEW]))
        np.testing.assert_array_equal(found[:FEW], same)
    share = RESAMPLES / FEW
    print(f"complete analysis of one metric: {whole:.1f} s, peak memory {peak:.2f} GiB ({report})")
    print(f"{RESAMPLES:,} lineage resamples of the AUC: {ours:.2f} s")
    print(f"  by the whole matrix: {build + product * share:.0f} s ({build:.1f} s to build, the rest scaled)")
    print(f"  by roc_auc_score with weights: {plain * share:.0f} s (scaled from {FEW})")
    sys.exit(int(whole > MOST_SECONDS or peak > MOST_MEMORY))


if __name__ == "__main__":
    main()
