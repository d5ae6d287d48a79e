"""What the caution of the intervals costs and buys: how much one lineage more is taken to lose.

An interval allows for one lineage more on which the metric wins half of what it wins on the others
(`analysis.discrimination.intervals`). Here the same interval with a lineage that loses less, or nothing: its
width beside an oracle's where effects are benign, and its coverage where they are not. Beside it, how often a
table is said to hang on one lineage.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

from analysis.discrimination.auc import auc_share
from analysis.discrimination.intervals import AREA, intervals_at_once
from analysis.discrimination.wins import Wins
from analysis.results import Interval
from studies.simulation.experiment import Experiment
from studies.simulation.scenarios import BENIGN, SCENARIOS, Scenario, scenario

__all__ = ["judged_by_caution", "run_caution"]

Floats = npt.NDArray[np.float64]
LOST: Final = (0.5, 0.35, 0.25, 0.1, 0.0)
LINEAGES: Final = (12, 24, 36)
SKEWED: Final = ("skewed up, lognormal", "skewed down, lognormal", "skewed, gamma", "three levels, skewed")
FLOOR: Final = 0.93
WANTED: Final = 1.5
"""Width over the oracle's that one would like."""
ALONE: Final = "one lineage of"
"""How the warning begins that one lineage decides."""


def judged_by_caution(
    intervals: dict[float, list[Interval]], truth: float, error: float
) -> list[dict[str, object]]:
    """Coverage, width over the oracle's and share of warnings: one row a loss.

    Parameters
    ----------
    intervals : dict
        What one lineage more loses → the intervals of all catalogs.
    truth, error : float
        True value and true standard error.
    """
    rows: list[dict[str, object]] = []
    reach = float(ndtri(0.975)) * error
    for lost, found in intervals.items():
        low, high, estimate = (
            np.array([getattr(one, end) for one in found]) for end in ("low", "high", "estimate")
        )
        oracle = float(np.mean(np.minimum(1, estimate + reach) - np.maximum(0, estimate - reach)))
        rows.append(
            {
                "lost": lost,
                "coverage": float(np.mean((low <= truth) & (truth <= high))),
                "over oracle": float(np.mean(high - low)) / oracle if oracle else float("nan"),
                "warned": float(
                    np.mean([any(said.startswith(ALONE) for said in one.warnings) for one in found])
                ),
            }
        )
    return rows


def _measured(population: Scenario, n_catalogs: int, seed: int) -> list[dict[str, object]]:
    shares: dict[str, list[tuple[Wins, Floats]]] = {"AUC": [], "look-alike AUC": []}
    values: dict[str, list[float]] = {name: [] for name in shares}
    for i, table in enumerate(population.draws(2 * n_catalogs, seed)):
        for name in shares:
            wins = Wins.of(table, "look-alike" if name.startswith("look") else "independent")
            values[name].append(wins.estimate)
            if i < n_catalogs:
                shares[name].append((wins, wins.jackknife()))
    rows = []
    for name, found in shares.items():
        by_loss = {
            lost: intervals_at_once(
                [auc_share(wins, folds, 0.95, replace(AREA, lost=lost)) for wins, folds in found]
            )
            for lost in LOST
        }
        truth, error = float(np.mean(values[name])), float(np.std(values[name], ddof=1))
        about = {"scenario": population.name, "lineages": population.n_lineages, "statistic": name}
        rows += [about | row for row in judged_by_caution(by_loss, truth, error)]
    return rows


def run_caution(quick: bool, seed: int) -> Experiment:
    """Width and coverage of AUC intervals by what one lineage more is taken to lose."""
    n, n_skewed = (10, 20) if quick else (120, 400)
    rows = []
    for lineages in (12,) if quick else LINEAGES:
        for i, name in enumerate(SCENARIOS):
            each = n_skewed if name in SKEWED else n
            rows += _measured(scenario(name, lineages), each, 15_485_863 * seed + 31 * i + lineages)
    details = pd.DataFrame(rows)
    benign = details["scenario"].isin(BENIGN)
    skewed = details["scenario"].isin(SKEWED)
    traded = []
    for lost in LOST:
        here = details["lost"] == lost
        hard = details.loc[here & ~benign, "coverage"]
        traded.append(
            {
                "lost": lost,
                "benign, over oracle": float(details.loc[here & benign, "over oracle"].mean()),
                "benign, lowest coverage": float(details.loc[here & benign, "coverage"].min()),
                "hard, over oracle": float(details.loc[here & ~benign, "over oracle"].mean()),
                "hard, mean coverage": float(hard.mean()),
                "hard, lowest coverage": float(hard.min()),
                "hard, below 0.93": float((hard < FLOOR).mean()),
            }
        )
    shown = details[details["lost"] == AREA.lost]
    table = shown[skewed[shown.index]].pivot_table(
        index=["scenario", "lineages"], columns="statistic", values=["coverage", "warned"]
    )
    table.columns = [f"{column[1]}, {column[0]}" for column in table.columns]
    fired = {kind: float(shown.loc[mask, "warned"].mean()) for kind, mask in
             (("skewed", skewed[shown.index]), ("benign", benign[shown.index]))}  # fmt: skip
    now, margin = traded[0], 1.96 * np.sqrt(0.05 * 0.95 / n_skewed)
    narrow = next((row for row in traded if row["benign, over oracle"] <= WANTED), traded[-1])
    cover = shown.loc[skewed[shown.index], "coverage"]
    return Experiment(
        "caution",
        (
            f"Skewed lineage effects at {details['lineages'].min()} to {details['lineages'].max()} lineages:"
            f" coverage {cover.mean():.3f} on average, lowest {cover.min():.3f} ({n_skewed} catalogs each,"
            f" ±{margin:.3f}). The warning that one lineage accounts for more than half of the variation"
            f" comes up in {fired['skewed']:.2f} of these tables and"
            f" {fired['benign']:.2f} of the benign ones.",
            f"As they are, intervals are {now['benign, over oracle']:.2f} times as wide as an oracle's where"
            f" effects are benign, and cover less than 0.93 in {now['hard, below 0.93']:.2f} of the hard"
            f" settings, lowest {now['hard, lowest coverage']:.3f} ({n} catalogs each); with an additional"
            f" lineage that loses {narrow['lost']:g} they are"
            f" {narrow['benign, over oracle']:.2f} times as wide,"
            f" and cover less than 0.93 in {narrow['hard, below 0.93']:.2f}, lowest"
            f" {narrow['hard, lowest coverage']:.3f}.",
        ),
        (
            ("AUC intervals by what the additional lineage loses (0.5: the interval shown)",
             pd.DataFrame(traded)),
            ("Skewed lineage effects, 95% intervals; warned: share of tables with the warning that one"
             " lineage accounts for more than half of the variation", table.reset_index()),
        ),
        details,
    )  # fmt: skip
