"""Speed of the statistics against the packages one would reach for, in one run, by hand.

``python -m tests.performance.analysis_speed [--write docs/explanation]``

One million pairs of 1,414 models in 30 lineages: seconds and memory of the complete analysis of one metric;
ratios to `scipy.stats.bootstrap` over scikit-learn's `roc_auc_score`, to `scipy.stats.permutation_test` and
to DeLong's interval; beside them, how far each standard error is from the true one; and the growth with the
number of pairs. The scipy procedures are timed on a few resamples and scaled, which is said.
"""

from __future__ import annotations

import argparse
import math
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy import stats
from sklearn.metrics import roc_auc_score

import analysis
from analysis.discrimination.intervals import jackknife_variance
from analysis.discrimination.wins import Wins
from studies.simulation.designs import Design

FEW = 10
SIZES = (150, 300, 600, 1000, 1414)


def design(models: int) -> Design:
    """So many models in 30 lineages of nearly equal size, five cells, AUC about .94."""
    share, rest = divmod(models, 30)
    return Design(str(models), tuple(share + (g < rest) for g in range(30)), n_cells=5, separation=2.0)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Wall seconds of a piece of work, and what it gave."""
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def standard_errors(table: analysis.ScoreTable) -> dict[str, float]:
    """Standard error of the AUC by three methods, before any interval is made of it."""
    wins = Wins.of(table)
    resampled = wins.bootstrap(2_000, np.random.default_rng(2))
    naive = analysis.auc(table, method="delong")
    return {
        "the lineage jackknife": math.sqrt(jackknife_variance(wins.jackknife())),
        "the lineage bootstrap": float(np.std(resampled)),
        "DeLong": (naive.high - naive.low) / (2 * stats.norm.ppf(0.975)),
    }


def ratios(draws: int) -> list[str]:
    """The comparison on one million pairs, as lines of text."""
    big = design(SIZES[-1])
    table = big.draw(np.random.default_rng(0))
    positive, negative = table.score[table.derived], table.score[table.independent]
    truth = np.concatenate([np.ones(len(positive)), np.zeros(len(negative))])
    score = np.concatenate([positive, negative])

    whole, report = timed(lambda: analysis.analyse([table]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    ours, _ = timed(lambda: [analysis.auc(table, method=name) for name in ("jackknife", "bootstrap")])
    test, _ = timed(lambda: analysis.separation_test(table))
    delong_time, _ = timed(lambda: analysis.auc(table, method="delong"))

    def auc_of(rows: np.ndarray) -> float:
        return float(roc_auc_score(truth[rows], score[rows]))

    rows, rng = np.arange(len(score)), np.random.default_rng(1)
    few, boot = timed(
        lambda: stats.bootstrap(
            (rows,),
            auc_of,
            n_resamples=FEW,
            vectorized=False,
            method="percentile",
            rng=rng,
        )
    )
    scipy_boot = few / FEW * 1000
    few, _ = timed(
        lambda: stats.permutation_test(
            (positive, negative),
            lambda x, y: float(np.mean(x) - np.mean(y)),
            n_resamples=FEW,
            vectorized=False,
            permutation_type="independent",
            rng=rng,
        )
    )
    scipy_test = few / FEW * 9_999
    seen = [analysis.auc(big.draw(np.random.default_rng(100 + i))).estimate for i in range(draws)]
    true_error = float(np.std(seen, ddof=1))
    errors = standard_errors(table) | {"the bootstrap over pairs": float(boot.standard_error)}
    return [
        f"{len(table):,} pairs, {len(table.models):,} models, 30 lineages; true AUC {big.auc():.3f}",
        f"complete analysis of one metric: {whole:.1f} s, peak memory of the process {peak:.2f} GiB"
        f" ({report.metrics[0].verdict.verdict})",
        f"AUC by the lineage jackknife, and by 2,000 lineage bootstraps: {ours:.2f} s",
        f"scipy.stats.bootstrap over roc_auc_score, 1,000 resamples: {scipy_boot:.0f} s (scaled from {FEW}),"
        f" {scipy_boot / ours:.0f} times as long",
        f"node permutation test, 9,999 permutations: {test:.2f} s; scipy.stats.permutation_test of a mean"
        f" difference: {scipy_test:.0f} s (scaled from {FEW}), {scipy_test / test:.0f} times as long",
        f"DeLong: {delong_time:.2f} s",
        f"standard error of the AUC over {draws} fresh catalogs: {true_error:.4f}; estimated by "
        + ", ".join(f"{name} {error:.4f} ({true_error / error:.1f})" for name, error in errors.items())
        + " (in brackets: how many times too small)",
    ]


def growth() -> tuple[list[int], list[float]]:
    """Pairs and seconds of the complete analysis, for growing catalogs."""
    pairs, seconds = [], []
    for models in SIZES:
        table = design(models).draw(np.random.default_rng(models))
        spent, _ = timed(lambda table=table: analysis.analyse([table]))
        pairs.append(len(table))
        seconds.append(spent)
    return pairs, seconds


def plot(pairs: list[int], seconds: list[float]) -> Figure:
    """Seconds against pairs, both logarithmic, with the n log n line through the last point."""
    figure = Figure(figsize=(5.5, 3.6), layout="constrained")
    axes = figure.subplots()
    line = [seconds[-1] * n * math.log(n) / (pairs[-1] * math.log(pairs[-1])) for n in pairs]
    axes.loglog(pairs, line, color="0.6", linestyle="--", label="n log n")
    axes.loglog(pairs, seconds, color="#0072B2", marker="o", label="complete analysis of one metric")
    axes.set_xlabel("pairs")
    axes.set_ylabel("seconds")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def main() -> None:
    """Print the figures; with --write also the plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, help="folder that gets figures/analysis-cost.svg")
    parser.add_argument("--draws", type=int, default=100, help="fresh catalogs for the true standard error")
    arguments = parser.parse_args()
    pairs, seconds = growth()
    for n, spent in zip(pairs, seconds, strict=True):
        print(f"{n:>10,} pairs  {spent:6.2f} s  {1e9 * spent / (n * math.log(n)):6.1f} ns per n log n")
    for line in ratios(arguments.draws):
        print(line)
    if arguments.write:
        target = arguments.write / "figures" / "analysis-cost.svg"
        plot(pairs, seconds).savefig(target, metadata={"Date": None})
        print(target)


if __name__ == "__main__":
    main()
