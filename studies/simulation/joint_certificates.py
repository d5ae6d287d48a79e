"""Do certificates hold, whatever the seed and for all metrics together? On populations nothing was tuned on.

Lineages stand in cells of three to seven, so that odd cells leave a lineage over, and hold one to three
models. The score of a pair of look-alikes comes from effects of its lineages, models, lineage pair and of its
own by one of the laws below: none of them is a sum of normal effects alone. Metrics are independent of each
other, or share most of every effect.

Beside the certificates stands what a matching drawn by a seed gives (lineage pairs that share no lineage, one
random pair of models each, an order statistic with its binomial bound): with one seed, with the best of
twenty, and for several metrics without allowing for their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr
from scipy.stats import binom, t as student

from analysis.table import ScoreTable
from analysis.thresholds.calibration import certified_value
from analysis.thresholds.certificate import WeighedNegatives
from studies.simulation.experiment import Experiment

__all__ = [
    "HUB",
    "LAWS",
    "Population",
    "by_order_statistic",
    "matched",
    "measure",
    "run_joint_certificates",
    "true_scores",
]

Floats = npt.NDArray[np.float64]
MAX_FPR: Final = 0.05
CONFIDENCE: Final = 0.95
SEEDS: Final = 20
RENAMED: Final = 5
"""Catalogs of each design that are also certified under twenty other namings."""
HUB: Final = 1 - np.sqrt(1 - 0.0505)
"""Share of hubs among lineages with which 5.05% of pairs hold one: just too many."""


def _hubs(a: Floats, b: Floats) -> Floats:
    hit: Floats = np.maximum(ndtr(a) < HUB, ndtr(b) < HUB).astype(np.float64)
    return hit


LAWS: Final[dict[str, Callable[[Floats, Floats, Floats, Floats], Floats]]] = {
    "heavy tails": lambda a, b, pair, own: student.ppf(ndtr(a), 3) + student.ppf(ndtr(b), 3) + 0.5 * own,
    "multiplicative": lambda a, b, pair, own: np.exp(a + b + 0.3 * own),
    "hubs": lambda a, b, pair, own: 9 * _hubs(a, b) + own,
    "hubs in noise": lambda a, b, pair, own: 5 * _hubs(a, b) + a + b + own,
    "five levels": lambda a, b, pair, own: np.clip(np.round(0.8 * (a + b) + 0.5 * own), -1, 3),
    "lineage pairs": lambda a, b, pair, own: np.exp(1.5 * pair) + 0.1 * own,
}
"""Score of a pair by the effects of its two lineages, its pair of lineages, and its models and itself."""


@dataclass(frozen=True)
class Population:
    """Catalogs of several metrics on lineages that stand in cells of three to seven.

    Attributes
    ----------
    n_lineages : int
    law : str
        A name in `LAWS`.
    n_metrics : int
    shared : float
        Correlation of each effect between two metrics, in [0, 1).
    """

    n_lineages: int
    law: str
    n_metrics: int
    shared: float

    @cached_property
    def labels(self) -> ScoreTable:
        """Derived pairs and look-alikes, every score zero."""
        sizes, cells = (2, 1, 3, 1, 1, 2, 2), (5, 3, 7, 4, 6)
        cell = np.concatenate([np.full(cells[i % 5], i) for i in range(self.n_lineages)])[: self.n_lineages]
        # A last cell of one lineage has no look-alike: it joins the one before.
        cell[cell == cell[-1]] -= int((cell == cell[-1]).sum() == 1)
        size = np.array([sizes[g % 7] for g in range(self.n_lineages)])
        _, first = np.unique(cell, return_index=True)
        size[first] = 2
        lineage = np.repeat(np.arange(self.n_lineages), size)
        a, b = np.triu_indices(len(lineage), 1)
        kept = cell[lineage[a]] == cell[lineage[b]]
        a, b = a[kept], b[kept]
        names = np.array([f"m{i:04d}" for i in range(len(lineage))])
        frame = {"model_a": names[a], "model_b": names[b], "score": 0.0}
        frame["relation"] = np.where(lineage[a] == lineage[b], "derived", "independent")
        for end, models in (("a", a), ("b", b)):
            frame[f"lineage_{end}"] = [f"l{g:04d}" for g in lineage[models]]
            frame[f"architecture_{end}"] = [f"c{c:03d}" for c in cell[lineage[models]]]
        return ScoreTable(pd.DataFrame(frame))

    def _effects(self, n: int, rng: np.random.Generator) -> Iterator[Floats]:
        """Standard normal effects, one array a metric, correlated between metrics."""
        common = rng.normal(size=n)
        for _ in range(self.n_metrics):
            yield np.sqrt(self.shared) * common + np.sqrt(1 - self.shared) * rng.normal(size=n)

    def draw(self, rng: np.random.Generator) -> list[ScoreTable]:
        """Draw one catalog: a table a metric."""
        table = self.labels
        g, h, n = table.lineage_a, table.lineage_b, self.n_lineages
        effects = zip(
            self._effects(n, rng),
            self._effects(n * n, rng),
            self._effects(len(table.models), rng),
            self._effects(len(table), rng),
            strict=True,
        )
        return [
            table.with_scores(
                LAWS[self.law](
                    lineage[g],
                    lineage[h],
                    pair[np.minimum(g, h) * n + np.maximum(g, h)],
                    (model[table.model_a] + model[table.model_b] + own) / np.sqrt(3),
                )
            )
            for lineage, pair, model, own in effects
        ]


def true_scores(law: str, n: int = 4_000_000, seed: int = 0) -> Floats:
    """Scores of so many pairs of fresh look-alikes, no two of which share anything; highest last."""
    rng = np.random.default_rng((seed, 99))
    drawn = (rng.normal(size=n) for _ in range(4))
    return np.sort(LAWS[law](*drawn))


def matched(table: ScoreTable, rng: np.random.Generator) -> Floats:
    """Scores of look-alikes that share no lineage, drawn at random, highest last."""
    rows = np.flatnonzero(table.look_alike)
    taken: set[int] = set()
    chosen = []
    ends = list(
        zip(rows.tolist(), table.lineage_a[rows].tolist(), table.lineage_b[rows].tolist(), strict=True)
    )
    for place in rng.permutation(len(rows)).tolist():
        row, a, b = ends[place]
        if a not in taken and b not in taken:
            taken |= {a, b}
            chosen.append(row)
    return np.sort(table.score[chosen])


def by_order_statistic(sample: Floats) -> float:
    """Least score of independent negatives above which the rate is guaranteed; infinite with too few."""
    rank = np.arange(1, len(sample) + 1)
    safe = rank[binom.sf(rank - 1, len(sample), 1 - MAX_FPR) <= 1 - CONFIDENCE]
    return float(np.nextafter(sample[safe[0] - 1], np.inf)) if len(safe) else np.inf


def run_joint_certificates(quick: bool, seed: int) -> Experiment:
    """How often certificates exceed their rate: by one seed and by the best of many, alone and together."""
    n_catalogs = 60 if quick else 250
    rows = [
        measure(Population(lineages, law, n_metrics, shared), n_catalogs, seed)
        for law in LAWS
        for n_metrics, lineages, shared in (
            (1, 144, 0.0),
            (5, 190, 0.0),
            (5, 190, 0.8),
            (14, 230, 0.0),
            (14, 230, 0.8),
        )
    ]
    details = pd.DataFrame(rows)
    alone, together = details[details["metrics"] == 1], details[details["metrics"] > 1]
    error = 1.96 * np.sqrt(0.05 * 0.95 / n_catalogs)
    return Experiment(
        "joint-certificates",
        (
            f"One metric: a certificate exceeds its rate in {alone['exceeded'].max():.3f} of catalogs at most"
            f" ({n_catalogs} catalogs per design, ±{error:.3f}), and as often under the best of {SEEDS} other"
            f" namings; one from a randomly drawn matching in {alone['matching'].max():.3f}, from the best of"
            f" {SEEDS} seeds in up to {alone['best seed'].max():.3f}.",
            "Five and fourteen metrics: some certificate exceeds its rate in"
            f" {together['exceeded'].max():.3f} of catalogs at most; with matchings and no allowance for the"
            f" number of metrics, in up to {together['matching'].max():.3f}.",
            f"The price: a certified threshold lets {details['true FPR'].mean():.4f} of fresh look-alikes"
            f" pass on average, one from a matching {details['matching FPR'].mean():.4f}"
            f" (allowed: {MAX_FPR}).",
        ),
        ((f"Share of catalogs in which some certified threshold lets more than {MAX_FPR} pass", details),),
        details,
    )


def measure(population: Population, n_catalogs: int, seed: int) -> dict[str, object]:
    """How often certificates, and matchings drawn by seeds, exceed their rate on one population."""
    truth = true_scores(population.law)

    def fpr(threshold: float) -> float:
        return 1 - float(np.searchsorted(truth, threshold)) / len(truth)

    rng = np.random.default_rng((seed, population.n_lineages, population.n_metrics, len(population.law)))
    exceeded, drawn, best, certified = [], [], [], []
    rates, drawn_rates, moved = [], [], 0
    for catalog in range(n_catalogs):
        tables = population.draw(rng)
        values = [_certified(table, population.n_metrics) for table in tables]
        certified.append(np.isfinite(values).mean())
        ours = [fpr(value) for value in values]
        theirs = [fpr(by_order_statistic(matched(table, rng))) for table in tables]
        exceeded.append(max(ours) > MAX_FPR)
        drawn.append(max(theirs) > MAX_FPR)
        rates += ours
        drawn_rates += theirs
        if population.n_metrics == 1:
            seeds = [fpr(by_order_statistic(matched(tables[0], rng))) for _ in range(SEEDS)]
            best.append(max(seeds) > MAX_FPR)
            if catalog < RENAMED:
                others = [_certified(_renamed(tables[0], rng), 1) for _ in range(SEEDS)]
                moved += any(other != values[0] for other in others)
    if moved:
        raise AssertionError(f"{population}: other names gave other certificates in {moved} catalogs")
    return {
        "law": population.law,
        "metrics": population.n_metrics,
        "correlation": population.shared,
        "lineages": population.n_lineages,
        "certified": float(np.mean(certified)),
        "exceeded": float(np.mean(exceeded)),
        "matching": float(np.mean(drawn)),
        "best seed": float(np.mean(best)) if best else float("nan"),
        "true FPR": float(np.mean(rates)),
        "matching FPR": float(np.mean(drawn_rates)),
    }


def _certified(table: ScoreTable, n_metrics: int) -> float:
    """The certified threshold; infinite where there is none."""
    weighed = WeighedNegatives.of(table, "look-alike")
    value, reason = certified_value(weighed, MAX_FPR, CONFIDENCE, n_metrics=n_metrics)
    return np.inf if reason else value


def _renamed(table: ScoreTable, rng: np.random.Generator) -> ScoreTable:
    frame = table.frame.copy()
    for what, names in (("model", table.models), ("lineage", table.lineages), ("architecture", table.cells)):
        new = dict(zip(names, (f"{i:04d}" for i in rng.permutation(len(names))), strict=True))
        for end in "ab":
            frame[f"{what}_{end}"] = frame[f"{what}_{end}"].map(new)
    return ScoreTable(frame)
