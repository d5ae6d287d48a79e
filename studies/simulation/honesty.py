"""Intervals where effects are not normal or a few lineages fail: coverage, and width beside an oracle's."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
from scipy.special import ndtri

from analysis.discrimination.auc import auc_interval
from analysis.discrimination.comparison import compare_metrics
from analysis.discrimination.wins import Wins
from analysis.results import Interval
from analysis.table import ScoreTable
from analysis.thresholds.rates import rate
from studies.simulation.experiment import Experiment
from studies.simulation.scenarios import BENIGN, SCENARIOS, Scenario, scenario

__all__ = ["measure", "run_differences", "run_scenarios"]

CATALOGS: Final = {12: (300, 600), 24: (200, 400), 60: (120, 240)}
"""By number of lineages: catalogs with intervals, and further ones for the true value."""
#: What is measured on every scenario: false and true positive rates at the thresholds below.
FPR_AT: Final = 0.05
TPR_AT: Final = 0.9
Statistic = Callable[[ScoreTable], Interval]
Value = Callable[[ScoreTable], float]


def measure(population: Scenario, n_catalogs: int, n_truth: int, seed: int) -> list[dict[str, object]]:
    """Coverage, one-sided misses, width and the oracle's width: one row a statistic.

    Parameters
    ----------
    population : Scenario
    n_catalogs : int
        Catalogs on which intervals are computed.
    n_truth : int
        Further catalogs for the true value and the true standard error.
    seed : int
    """
    pilot = [population.draw(rng) for rng in np.random.default_rng((seed, 1)).spawn(20)]
    strangers = np.concatenate([t.score[t.independent & t.comparable] for t in pilot])
    children = np.concatenate([t.score[t.derived & t.comparable] for t in pilot])
    at_fpr = float(np.quantile(strangers, 1 - FPR_AT))
    at_tpr = float(np.quantile(children, 1 - TPR_AT))
    statistics: dict[str, tuple[Statistic, Value]] = {
        "AUC": (
            lambda t: auc_interval(Wins.of(t, "independent")),
            lambda t: Wins.of(t, "independent").estimate,
        ),
        "look-alike AUC": (
            lambda t: auc_interval(Wins.of(t, "look-alike")),
            lambda t: Wins.of(t, "look-alike").estimate,
        ),
        "FPR": (
            lambda t: rate(t, at_fpr),
            lambda t: float(np.mean(t.score[t.independent & t.comparable] >= at_fpr)),
        ),
        "TPR": (
            lambda t: rate(t, at_tpr, "tpr"),
            lambda t: float(np.mean(t.score[t.derived & t.comparable] >= at_tpr)),
        ),
    }
    true: dict[str, list[float]] = {name: [] for name in statistics}
    for table in population.draws(n_truth, 2 * seed + 1):
        for name, (_, value) in statistics.items():
            true[name].append(value(table))
    found: dict[str, list[Interval]] = {name: [] for name in statistics}
    for table in population.draws(n_catalogs, 2 * seed):
        for name, (interval, _) in statistics.items():
            found[name].append(interval(table))
    return [
        {
            "scenario": population.name,
            "lineages": population.n_lineages,
            "statistic": name,
            **_judged(found[name], np.array([*true[name], *[i.estimate for i in found[name]]])),
        }
        for name in statistics
    ]


def _area(negatives: str) -> tuple[Statistic, Value]:
    return (
        lambda table: auc_interval(Wins.of(table, negatives)),
        lambda table: Wins.of(table, negatives).estimate,
    )


def _judged(intervals: list[Interval], values: np.ndarray) -> dict[str, object]:
    truth, error = float(values.mean()), float(values.std(ddof=1))
    low = np.array([i.low for i in intervals])
    high = np.array([i.high for i in intervals])
    unseen = np.array([i.unseen for i in intervals])
    estimate = np.array([i.estimate for i in intervals])
    outer_low, outer_high = np.minimum(low, unseen), np.maximum(high, unseen)
    seen_badly = np.where(unseen <= estimate, low > truth, high < truth)
    reach = float(ndtri(0.975)) * error
    oracle = float(np.mean(np.minimum(1, estimate + reach) - np.maximum(0, estimate - reach)))
    return {
        "truth": truth,
        "coverage": float(np.mean((low <= truth) & (truth <= high))),
        "too good": float(np.mean(seen_badly)),
        "with an unseen kind": float(np.mean((outer_low <= truth) & (truth <= outer_high))),
        "width": float(np.mean(high - low)),
        "over oracle": float(np.mean(high - low)) / oracle if oracle else math.nan,
        "warned": float(np.mean([bool(i.warnings) for i in intervals])),
    }


def run_scenarios(quick: bool, seed: int) -> Experiment:
    """Coverage and width of the intervals on all scenarios."""
    rows = []
    for lineages, (n, n_truth) in ({24: (20, 40)} if quick else CATALOGS).items():
        for i, name in enumerate(SCENARIOS):
            rows += measure(scenario(name, lineages), n, n_truth, 7919 * seed + 31 * i + lineages)
    details = pd.DataFrame(rows)
    details["kind"] = np.where(details["scenario"].isin(BENIGN), "benign", "hard")
    ours = details.groupby(["kind", "statistic"])
    summary = ours.agg(
        coverage=("coverage", "mean"),
        lowest=("coverage", "min"),
        unseen=("with an unseen kind", "min"),
        width=("width", "mean"),
        over_oracle=("over oracle", "mean"),
    )
    summary = summary.rename(columns={"over_oracle": "over oracle"}).reset_index()
    hard = details[details["kind"] == "hard"]
    by_name = hard.pivot_table(index="scenario", columns="statistic", values="coverage", aggfunc="min")
    by_size = details.pivot_table(
        index=["kind", "lineages"], columns="statistic", values=["coverage", "over oracle"], aggfunc="mean"
    )
    by_size.columns = [f"{column[1]}, {column[0]}" for column in by_size.columns]
    benign = details[(details["kind"] == "benign") & details["statistic"].isin(["AUC", "look-alike AUC"])]
    worst = min(rows, key=lambda row: float(str(row["coverage"])))
    return Experiment(
        "scenarios",
        (
            f"{len(SCENARIOS)} populations at {details['lineages'].min()} to {details['lineages'].max()}"
            f" lineages, at least {n} catalogs each, four statistics: coverage"
            f" {details['coverage'].mean():.3f} on average, lowest {worst['coverage']:.3f}"
            f" ({worst['statistic']}, {worst['scenario']}, {worst['lineages']} lineages).",
            f"On the {len(BENIGN)} benign populations AUC intervals are {benign['over oracle'].mean():.2f}"
            " times as wide as those of an oracle that knows the true standard error.",
        ),
        (
            (
                "Nominal 95% intervals, mean over populations and numbers of lineages (unseen: lowest"
                " coverage of the bound for an unseen kind of lineage)",
                summary,
            ),
            ("Lowest coverage of each hard population over numbers of lineages", by_name.reset_index()),
            ("Mean coverage, and width over the oracle's", by_size.reset_index()),
        ),
        details,
    )


def run_differences(quick: bool, seed: int) -> Experiment:
    """Paired differences of two metrics, some nearly perfect: coverage, errors of direction, power."""
    rows = []
    n, n_truth = (20, 40) if quick else (300, 1500)
    for lineages in (24,) if quick else (12, 24, 48):
        for name, pair in DIFFERENCES.items():
            first, second = (replace(each, n_lineages=lineages) for each in pair)
            rows.append(
                {"populations": name, "lineages": lineages}
                | _difference(first, second, n, n_truth, 104729 * seed + lineages)
            )
    details = pd.DataFrame(rows)
    return Experiment(
        "differences",
        (
            f"{len(DIFFERENCES)} pairs of metrics at 12 to 48 lineages, {n} catalogs each: the difference"
            f" is covered in {details['coverage'].mean():.3f} of catalogs on average,"
            f" lowest {details['coverage'].min():.3f};"
            f" the wrong metric is called better in at most {details['wrong way'].max():.3f}.",
        ),
        (("Nominal 95% intervals of a paired difference of two look-alike AUCs", details),),
        details,
    )


_BOTH: Final = Scenario("both", pattern=(3, 4), per_cell=8)
#: Two metrics on the same pairs; what they have in common is drawn once for both.
DIFFERENCES: Final[dict[str, tuple[Scenario, Scenario]]] = {
    "equal, AUC 0.8": (replace(_BOTH, separation=0.95), replace(_BOTH, separation=0.95)),
    "equal, AUC 0.99": (replace(_BOTH, separation=2.7), replace(_BOTH, separation=2.7)),
    "0.99 and 0.93": (replace(_BOTH, separation=2.7), replace(_BOTH, separation=1.75)),
    "0.999 and 0.8": (replace(_BOTH, separation=4.0), replace(_BOTH, separation=0.95)),
    "perfect, and 4% of lineages fail": (
        replace(_BOTH, separation=5.0),
        replace(_BOTH, separation=5.0, failing=0.04),
    ),
    "perfect, and 10% of lineages fail": (
        replace(_BOTH, separation=5.0),
        replace(_BOTH, separation=5.0, failing=0.1),
    ),
    "t(3) effects, 0.97 and 0.9": (
        replace(_BOTH, separation=2.6, effects="t(3)"),
        replace(_BOTH, separation=1.8, effects="t(3)"),
    ),
}


def _difference(first: Scenario, second: Scenario, n: int, n_truth: int, seed: int) -> dict[str, object]:
    seen: list[Interval] = []
    values = []
    for i in range(n_truth):
        # The same draws for what both metrics see, up to the first difference of the two populations.
        a = first.labels.with_scores(first.scores(np.random.default_rng((seed, i))))
        noise = np.random.default_rng((seed, i, 1)).normal(0, 0.3, len(a))
        b = second.labels.with_scores(second.scores(np.random.default_rng((seed, i))) + noise)
        values.append(Wins.of(a, "look-alike").estimate - Wins.of(b, "look-alike").estimate)
        if i < n:
            seen.append(compare_metrics(a, b).difference)
    truth = float(np.mean(values))
    low, high = np.array([i.low for i in seen]), np.array([i.high for i in seen])
    better = (
        np.where(truth > 0, low > 0, high < 0) if not math.isclose(truth, 0, abs_tol=5e-4) else low > high
    )
    wrong = np.where(truth > 0, high < 0, low > 0) if truth else (low > 0) | (high < 0)
    return {
        "truth": truth,
        "coverage": float(np.mean((low <= truth) & (truth <= high))),
        "told apart": float(np.mean(better)),
        "wrong way": float(np.mean(wrong)),
        "width": float(np.mean(high - low)),
    }
