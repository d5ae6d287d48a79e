"""How often nominal 95% intervals hold the true value: AUC, look-alike AUC, rates."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import pandas as pd

from analysis.discrimination.auc import Method, auc_interval
from analysis.discrimination.delong import delong_variance
from analysis.discrimination.wins import Wins, comparisons
from analysis.results import Interval
from analysis.table import ScoreTable
from analysis.thresholds.rates import rate
from studies.simulation.designs import UNEQUAL, Design, spread
from studies.simulation.experiment import Experiment

__all__ = ["EFFECTS", "SIZES", "auc_designs", "few_lineages", "measure_auc", "run_auc", "run_rates"]

EFFECTS: Final[dict[str, tuple[float, float, float, float]]] = {
    "mixed": (0.35, 0.25, 0.35, 0.45),
    "lineage": (0.7, 0.15, 0.25, 0.35),
    "lineage pair": (0.15, 0.25, 0.7, 0.35),
    "model": (0.25, 0.6, 0.15, 0.35),
    "independent pairs": (0.0, 0.0, 0.0, 1.0),
}
"""Standard deviations of the effects of lineage, model, lineage pair and pair."""
SIZES: Final[dict[str, tuple[int, ...]]] = {"2": (2,), "3–5": (3, 5), "7": (7,), "1–8": UNEQUAL}
"""Models a lineage."""
CELLS: Final = {5: 1, 7: 2, 10: 2, 18: 3, 36: 5, 72: 9}
AUCS: Final = (0.65, 0.78, 0.88, 0.95, 0.99)
OURS: Final[tuple[Method, ...]] = ("jackknife", "bootstrap")
PAIR_LIMIT: Final = 10_000
"""The bootstrap over pairs, for comparison, is run on tables up to this size."""


def auc_designs(n_each: int, seed: int = 0) -> list[Design]:
    """Designs of 10 to 72 lineages and AUC 0.65 to 0.99, each combination with so many draws of the rest."""
    return [
        design
        for lineages in (10, 18, 36, 72)
        for auc in AUCS
        for design in _drawn(lineages, auc, n_each, seed)
    ]


def few_lineages(seed: int = 0) -> list[Design]:
    """Designs below the number of lineages for which coverage is claimed."""
    return [design for lineages in (5, 7) for auc in AUCS for design in _drawn(lineages, auc, 1, seed)]


def _drawn(lineages: int, auc: float, n: int, seed: int) -> list[Design]:
    rng = np.random.default_rng((seed, lineages, int(1000 * auc)))
    every = [
        (sizes, effects, shape)
        for sizes in SIZES
        for effects in EFFECTS
        for shape in ("chain", "hub")
        if not (lineages == 72 and sizes == "7")
    ]
    chosen = [every[i] for i in rng.permutation(len(every))[:n]]
    return [design(lineages, sizes, effects, shape).at_auc(auc) for sizes, effects, shape in chosen]


def design(lineages: int, sizes: str, effects: str, shape: str, *, cells: int | None = None) -> Design:
    """One design by the names of its parts."""
    lineage, model, pair, own = EFFECTS[effects]
    return Design(
        name=f"{lineages} lineages · {sizes} models · {effects} · {shape}",
        sizes=spread(lineages, SIZES[sizes]),
        n_cells=CELLS[lineages] if cells is None else cells,
        shape="hub" if shape == "hub" else "chain",
        lineage_sd=lineage,
        model_sd=model,
        lineage_pair_sd=pair,
        pair_sd=own,
    )


def measure_auc(
    population: Design, n_catalogs: int, seed: int, *, n_bootstrap: int = 300, n_compared: int = 100
) -> list[dict[str, object]]:
    """Coverage and mean width of every method on one design: one row a statistic.

    Parameters
    ----------
    population : Design
    n_catalogs : int
    seed : int
    n_bootstrap : int
        Resamples of each lineage bootstrap (and of the bootstrap over pairs).
    n_compared : int
        On the first so many catalogs also all other methods than the default, which cost more.
    """
    rows = []
    truth = {kind: population.auc(matched=kind == "look-alike") for kind in ("independent", "look-alike")}
    found: dict[tuple[str, str], list[Interval]] = {}
    rng = np.random.default_rng((seed, 1))
    for i, table in enumerate(population.draws(n_catalogs, seed)):
        for kind in truth:
            wins = Wins.of(table, kind)
            compared = i < n_compared
            for method in OURS if compared else OURS[:1]:
                interval = auc_interval(wins, method=method, rng=rng, n_resamples=n_bootstrap)
                found.setdefault((kind, method), []).append(interval)
            if compared:
                for other, ends in _comparators(table, kind, wins, rng, n_bootstrap).items():
                    found.setdefault((kind, other), []).append(Interval(wins.estimate, *ends, 0.95, other))
    for kind, true in truth.items():
        row: dict[str, object] = {"statistic": kind, "truth": true}
        for (of, name), intervals in found.items():
            if of == kind:
                held = [i.low - 1e-12 <= true <= i.high + 1e-12 for i in intervals]
                row[name] = float(np.mean(held))
                row[f"{name} width"] = float(np.nanmean([i.high - i.low for i in intervals]))
        rows.append(row)
    return rows


def _comparators(
    table: ScoreTable, kind: str, wins: Wins, rng: np.random.Generator, n_bootstrap: int
) -> dict[str, tuple[float, float]]:
    """Ends of the intervals that take pairs for independent, or lineages for many."""
    resampled = wins.bootstrap(n_bootstrap, rng)
    low, high = np.nanquantile(resampled, [0.025, 0.975])
    ours, theirs = np.flatnonzero(table.derived), np.flatnonzero(table.independent)
    groups = [(table.score[p], table.score[n]) for p, n in comparisons(table, ours, theirs, kind)]
    error = 1.96 * np.sqrt(delong_variance(groups))
    ends = {
        "percentile": (float(low), float(high)),
        "DeLong": (wins.estimate - error, wins.estimate + error),
    }
    if kind == "independent" and len(table) <= PAIR_LIMIT:
        ends["pair bootstrap"] = _pair_bootstrap(*groups[0], rng, n_bootstrap)
    return ends


def _pair_bootstrap(
    positive: np.ndarray, negative: np.ndarray, rng: np.random.Generator, n: int
) -> tuple[float, float]:
    positive, negative = np.sort(positive), np.sort(negative)
    place = np.searchsorted(negative, positive)
    values = np.empty(n)
    for i in range(n):
        drawn = np.bincount(rng.integers(len(negative), size=len(negative)), minlength=len(negative))
        below = np.append(0, np.cumsum(drawn))[place]
        values[i] = below[rng.integers(len(positive), size=len(positive))].mean() / len(negative)
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def run_auc(quick: bool, seed: int) -> Experiment:
    """Coverage of the intervals for AUC and look-alike AUC."""
    designs = auc_designs(1 if quick else 3, seed)
    n_catalogs = 60 if quick else 400
    rows = []
    for i, population in enumerate([*designs, *few_lineages(seed)]):
        rows += [
            {"design": population.name, "lineages": population.n_lineages, **row}
            for row in measure_auc(population, n_catalogs, seed * 1000 + i)
        ]
    details = pd.DataFrame(rows)
    enough = details[details["lineages"] >= 8]
    methods = ["jackknife", "bootstrap", "percentile", "DeLong", "pair bootstrap"]
    by_statistic = enough.groupby("statistic")
    summary = pd.concat(
        [
            by_statistic[methods].mean().T.add_prefix("mean, "),
            by_statistic[methods].min().T.add_prefix("lowest, "),
        ],
        axis=1,
    )
    ours = {kind: part["jackknife"] for kind, part in by_statistic}
    return Experiment(
        "coverage",
        (
            f"{len(designs)} designs of 10 to 72 lineages, {n_catalogs} catalogs each. The default interval"
            f" covers {ours['independent'].mean():.3f} on average (lowest {ours['independent'].min():.3f})"
            f" for the AUC, {ours['look-alike'].mean():.3f} (lowest {ours['look-alike'].min():.3f}) for the"
            " look-alike AUC.",
            f"Each design is measured to ±{1.96 * np.sqrt(0.05 * 0.95 / n_catalogs):.3f}; the other methods,"
            " on the first 100 catalogs of each, to ±0.043.",
        ),
        (
            ("Coverage of nominal 95% intervals, all designs", _indexed(summary, "method")),
            (
                "By number of lineages (5 and 7 come with a warning)",
                _indexed(details.groupby(["statistic", "lineages"])[methods].mean(), ""),
            ),
            ("By true AUC, 8 lineages or more", _indexed(_by_truth(enough)[methods].mean(), "")),
            (
                "Mean width",
                _indexed(
                    enough.groupby(["statistic", "lineages"])[[f"{m} width" for m in methods[:4]]].mean(), ""
                ),
            ),
        ),
        details,
    )


def _by_truth(details: pd.DataFrame) -> pd.api.typing.DataFrameGroupBy:  # type: ignore[type-arg]
    nominal = details["truth"].map(lambda t: min(AUCS, key=lambda a: abs(a - t)))
    return details.assign(AUC=nominal).groupby(["statistic", "AUC"])


def _indexed(table: pd.DataFrame, name: str) -> pd.DataFrame:
    return table.rename_axis(name).reset_index() if name else table.reset_index()


def _words(column: str) -> str:
    return column.replace("_", " ")


def run_rates(quick: bool, seed: int) -> Experiment:
    """Coverage of the intervals for false and true positive rates, at zero counts too."""
    n_catalogs = 60 if quick else 400
    rows = []
    rng = np.random.default_rng((seed, 2))
    for lineages in (10, 18, 36, 72):
        for effects in EFFECTS:
            for sizes in rng.permutation([s for s in SIZES if (lineages, s) != (72, "7")])[
                : 1 if quick else 3
            ]:
                shape = str(rng.choice(["chain", "hub"]))
                population = design(lineages, str(sizes), effects, shape, cells=1)
                for kind, truths in (("fpr", (0.001, 0.01, 0.05, 0.2)), ("tpr", (0.5, 0.9, 0.99))):
                    rows += _measure_rates(population, kind, truths, n_catalogs, seed)  # type: ignore[arg-type]
    details = pd.DataFrame(rows)
    table = (
        details.groupby(["kind", "truth"])
        .agg(
            coverage=("coverage", "mean"),
            lowest=("coverage", "min"),
            none_seen=("edge", "mean"),
            covered_then=("edge_coverage", "mean"),
            width=("width", "mean"),
        )
        .rename(columns=_words)
        .reset_index()
    )
    by_kind = details.groupby("kind")["coverage"]
    return Experiment(
        "rates",
        tuple(
            f"{str(kind).upper()}: {part.mean():.3f} on average over {len(part)} settings,"
            f" lowest {part.min():.3f}."
            for kind, part in by_kind
        ),
        (
            (
                "Coverage of nominal 95% intervals for rates (none seen: share of catalogs without a hit, or"
                " with hits only; covered then: coverage in those)",
                table,
            ),
        ),
        details,
    )


def _measure_rates(
    population: Design, kind: Literal["fpr", "tpr"], truths: tuple[float, ...], n_catalogs: int, seed: int
) -> list[dict[str, object]]:
    thresholds = [population.threshold_at(truth, kind) for truth in truths]
    found: list[list[Interval]] = [[] for _ in truths]
    for table in population.draws(n_catalogs, seed):
        for intervals, threshold in zip(found, thresholds, strict=True):
            intervals.append(rate(table, threshold, kind))
    rows: list[dict[str, object]] = []
    for truth, intervals in zip(truths, found, strict=True):
        held = np.array([i.low <= truth <= i.high for i in intervals])
        edge = np.array([i.estimate in (0.0, 1.0) for i in intervals])
        rows.append(
            {
                "design": population.name,
                "kind": kind,
                "truth": truth,
                "coverage": float(held.mean()),
                "edge": float(edge.mean()),
                "edge_coverage": float(held[edge].mean()) if edge.any() else float("nan"),
                "width": float(np.mean([i.high - i.low for i in intervals])),
            }
        )
    return rows
