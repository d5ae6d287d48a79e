"""Populations without a lineage signal in which models are not exchangeable, and how often the tests reject.

A pair of models i and j of the lineages g and h scores by levels of lineages (a), models (b), lineage pairs
(c) and itself (e), from heavy-tailed or skewed distributions; pairs inside a lineage are drawn like all
others. Levels add up, or multiply; scores may be cut to a few values, pairs may have none, one lineage may
hold most models, lineages may hold merges. No design and no seed here was used to choose how the tests work;
levels that multiply by a beta distribution were, with other parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.inference.confounding import dyadic_regression
from analysis.inference.permutation import separation_test, separation_tests
from analysis.table import ScoreTable
from studies.simulation.designs import Design, spread
from studies.simulation.experiment import Experiment

__all__ = ["NULLS", "NullDesign", "run_nulls", "run_regression", "run_smallest"]

Floats = npt.NDArray[np.float64]
N_RESAMPLES: Final = 199
LEVEL: Final = 0.05
SHIFT: Final = 0.95
"""Signal for the power, in standard deviations of the independent pairs' scores: an AUC of 0.75 if normal."""
DISTRIBUTIONS: Final[dict[str, Callable[[np.random.Generator, tuple[int, ...]], Floats]]] = {
    "normal": lambda rng, size: rng.normal(size=size),
    "t3": lambda rng, size: rng.standard_t(3, size) / np.sqrt(3),
    "laplace": lambda rng, size: rng.laplace(size=size) / np.sqrt(2),
    "gamma": lambda rng, size: (rng.gamma(0.7, size=size) - 0.7) / np.sqrt(0.7),
    "lognormal": lambda rng, size: (rng.lognormal(0, 0.8, size) - np.exp(0.32)) / 1.305,
}
"""Of mean 0 and standard deviation 1."""


@dataclass(frozen=True)
class NullDesign:
    """A population of catalogs without a lineage signal.

    Attributes
    ----------
    name : str
    sizes : tuple of int
        Models of each lineage.
    sds : tuple of float
        Standard deviations of the effects of lineage, model, lineage pair and pair.
    distribution : str
        Of all effects.
    levels : {"add", "beta", "exp", "lower"}
        Lineage levels add up, or multiply: drawn from a beta distribution, or the exponential of the effect.
        lower: the lower of two levels from a beta distribution, which no null of the test covers.
    n_values : int
        Distinct scores; 0 for continuous ones.
    n_cells : int
        Lineage g stands in cell g mod n_cells; pairs inside one score two standard deviations higher.
    shape : {"chain", "hub", "merge"}
        As in `Design`; merge: every fifth model of a lineage merges the children of two founders.
    missing : float
        Share of pairs without a score.
    """

    name: str
    sizes: tuple[int, ...]
    sds: tuple[float, float, float, float]
    distribution: str = "normal"
    levels: Literal["add", "beta", "exp", "lower"] = "add"
    n_values: int = 0
    n_cells: int = 1
    shape: Literal["chain", "hub", "merge"] = "chain"
    missing: float = 0.0

    @cached_property
    def labels(self) -> ScoreTable:
        """The table that all draws share."""
        shape: Literal["chain", "hub"] = "hub" if self.shape == "hub" else "chain"
        table = Design(self.name, self.sizes, n_cells=self.n_cells, shape=shape).labels
        if self.shape != "merge":
            return table
        first = np.cumsum([0, *self.sizes])[table.lineage_of]
        role = (np.arange(len(table.models)) - first) % 5
        a, b = role[table.model_a], role[table.model_b]
        inside = table.lineage_a == table.lineage_b
        unrelated = inside & np.isin(a * 5 + b, [1, 3, 7, 13])  # founders, and each with the other's child
        return ScoreTable(table.frame.assign(relation=np.where(unrelated, "independent", table.relation)))

    def draw(self, rng: np.random.Generator, shift: float = 0.0) -> ScoreTable:
        """Draw one catalog; `shift` moves derived pairs, in standard deviations of independent pairs."""
        table, effect = self.labels, DISTRIBUTIONS[self.distribution]
        lineage, model, pair, own = self.sds
        n = len(table.lineages)
        g, h = table.lineage_a, table.lineage_b
        b = model * effect(rng, (len(table.models),))
        c = pair * effect(rng, (n, n))
        if self.levels == "add":
            a = lineage * effect(rng, (n,))
            score = a[g] + a[h]
        else:
            exponential = self.levels == "exp"
            a = np.exp(lineage * effect(rng, (n,))) if exponential else rng.beta(1.5, 2.5, n)
            score = np.minimum(a[g], a[h]) if self.levels == "lower" else a[g] * a[h]
            score = score * (1.0 if exponential else 4 * lineage)
        score = score + b[table.model_a] + b[table.model_b] + c[np.minimum(g, h), np.maximum(g, h)]
        score += own * effect(rng, (len(table),))
        # A measure of spread that tails do not move.
        low, high = np.quantile(score[table.independent], [0.16, 0.84])
        sd = (high - low) / 2
        score += sd * (shift * table.derived + 2.0 * (self.n_cells > 1) * (table.cell_a == table.cell_b))
        if self.n_values:
            cuts = np.quantile(score, np.linspace(0, 1, self.n_values + 1)[1:-1] ** 0.7)
            score = np.searchsorted(cuts, score).astype(np.float64)
        if not self.missing:
            return table.with_scores(score)
        status = np.where(rng.random(len(table)) < self.missing, "abstained", "ok")
        return ScoreTable(table.frame.assign(score=score, status=status))


GIANT: Final = (36, *spread(17, (2, 3, 2, 4)))
UNEVEN: Final = spread(22, (6, 2, 1, 3, 2, 4, 1, 2))
NULLS: Final = (
    NullDesign("10 lineages of 3 · lineage pairs", (3,) * 10, (0.1, 0.1, 1.0, 0.2)),
    NullDesign("18 of 5, 3 cells · lineage pairs, t3", (5,) * 18, (0.3, 0.2, 1.0, 0.3), "t3", n_cells=3),
    NullDesign("16 of 3, 8 cells · lineage pairs", (3,) * 16, (0.3, 0.2, 1.0, 0.3), n_cells=8),
    NullDesign("24 of 2 · lineage pairs, lognormal", (2,) * 24, (0.2, 0.2, 1.0, 0.3), "lognormal"),
    NullDesign("20 of 4 · lineages, lognormal", (4,) * 20, (0.9, 0.2, 0.3, 0.4), "lognormal"),
    NullDesign("20 of 4 · multiplied, beta", (4,) * 20, (0.5, 0.15, 0.15, 0.25), levels="beta"),
    NullDesign("9 of 4 · multiplied, beta", (4,) * 9, (0.5, 0.15, 0.15, 0.25), levels="beta"),
    NullDesign(
        "20 of 4, 4 cells · multiplied, beta", (4,) * 20, (0.5, 0.1, 0.2, 0.3), levels="beta", n_cells=4
    ),
    NullDesign("14 of 4 · multiplied, t3", (4,) * 14, (0.35, 0.1, 0.2, 0.3), "t3", levels="exp"),
    NullDesign("20 of 3 · 3 values", (3,) * 20, (0.7, 0.3, 0.4, 0.4), "laplace", n_values=3),
    NullDesign("20 of 3 · 5 values", (3,) * 20, (0.7, 0.3, 0.4, 0.4), "gamma", n_values=5),
    NullDesign("20 of 3, 4 cells · 7 values", (3,) * 20, (0.7, 0.3, 0.4, 0.4), n_values=7, n_cells=4),
    NullDesign(
        "14 of 4 · multiplied, 5 values", (4,) * 14, (0.5, 0.1, 0.2, 0.3), "gamma", levels="exp", n_values=5
    ),
    NullDesign("one giant of 36, 17 of 2–4 · lineage pairs", GIANT, (0.3, 0.2, 0.9, 0.3), "laplace"),
    NullDesign("one giant hub of 36 · lineages, t3", GIANT, (0.8, 0.4, 0.3, 0.4), "t3", shape="hub"),
    NullDesign("one giant of 36 · 5 values", GIANT, (0.7, 0.3, 0.4, 0.4), "gamma", n_values=5),
    NullDesign(
        "22 uneven hubs, 2 cells · models", UNEVEN, (0.3, 0.8, 0.3, 0.4), "gamma", n_cells=2, shape="hub"
    ),
    NullDesign("12 with merges · lineage pairs", (5,) * 12, (0.3, 0.3, 0.8, 0.3), "t3", shape="merge"),
    NullDesign("20 of 4 · half without a score, t3", (4,) * 20, (0.4, 0.3, 0.6, 0.5), "t3", missing=0.5),
    NullDesign("15 of 4 · independent pairs, lognormal", (4,) * 15, (0.0, 0.0, 0.0, 1.0), "lognormal"),
    NullDesign("16 of 4 · the lower of two levels", (4,) * 16, (0.5, 0.2, 0.2, 0.3), levels="lower"),
)
"""From heavy tails to few values; each holds what an exchangeable model would not."""


def run_nulls(quick: bool, seed: int) -> Experiment:
    """Size of the separation test and of its two parts, and power beside it, at 0.05."""
    n_catalogs, n_powers = (40, 20) if quick else (300, 100)
    details = pd.DataFrame(
        [
            _rejections(design, np.random.default_rng((seed, 31, place)), n_catalogs, n_powers)
            for place, design in enumerate(NULLS)
        ]
    )
    return _nulls(details, n_catalogs)


def _rejections(
    design: NullDesign, rng: np.random.Generator, n_catalogs: int, n_powers: int
) -> dict[str, object]:
    """Rates of rejection without a signal, and with one."""
    rejected = np.zeros(3)
    for i in range(n_catalogs):
        test = separation_test(design.draw(rng), N_RESAMPLES, seed=i)
        values = (test.p_value, test.exchangeable_p_value, test.lineage_p_value)
        rejected += np.array(values) <= LEVEL
    found = sum(
        separation_test(design.draw(rng, SHIFT), N_RESAMPLES, seed=i).p_value <= LEVEL
        for i in range(n_powers)
    )
    size, permuted, over_lineages = (rejected / n_catalogs).tolist()
    return {
        "design": design.name,
        "size": size,
        "permutation alone": permuted,
        "lineages alone": over_lineages,
        "power": found / n_powers,
    }


def _nulls(details: pd.DataFrame, n_catalogs: int) -> Experiment:
    size = details["size"]
    margin = 1.96 * np.sqrt(LEVEL * (1 - LEVEL) / n_catalogs)
    return Experiment(
        "nulls",
        (
            "Where models are not exchangeable but there is no lineage signal, the test rejects at"
            f" 0.05 in {size.mean():.3f} of catalogs on average, {size.min():.3f} to {size.max():.3f} over"
            f" designs (each measured to ±{margin:.3f}); by permutation alone it would in"
            f" {details['permutation alone'].mean():.3f}, at worst {details['permutation alone'].max():.3f}.",
            f"Power against derived pairs {SHIFT} standard deviations higher: {details['power'].mean():.2f}"
            f" on average, {details['power'].min():.2f} at least.",
        ),
        (("Rejection rate at 0.05 without a lineage signal, and power beside it", details),),
        details,
    )


def run_smallest(quick: bool, seed: int) -> Experiment:
    """Family-wise error at the smallest p-value that can be reached, over the number of metrics."""
    n_catalogs = 60 if quick else 500
    design = Design("smallest", (2,) * 8, lineage_sd=0.0, model_sd=0.0, lineage_pair_sd=0.0, pair_sd=1.0)
    rows = []
    for n_metrics in (1, 3, 8):
        for n_resamples, level in ((19, 0.05), (99, 0.05)):
            rng = np.random.default_rng((seed, 33, n_metrics))
            rejected = 0
            for i in range(n_catalogs):
                tables = [
                    ScoreTable(design.labels.frame.assign(metric=f"m{k:02d}", score=design.scores(rng)))
                    for k in range(n_metrics)
                ]
                tests = separation_tests(tables, n_resamples, seed=i, level=level).values()
                rejected += any(test.adjusted_p_value <= level for test in tests)
            rows.append(
                {
                    "metrics": n_metrics,
                    "permutations": n_resamples,
                    "smallest p": 1 / (n_resamples + 1),
                    "family-wise error": rejected / n_catalogs,
                }
            )
    details = pd.DataFrame(rows)
    return Experiment(
        "smallest",
        (
            "Of 1 to 8 independent metrics without a signal, at least one has an adjusted p-value of 0.05 or"
            f" less in {details['family-wise error'].max():.3f} of catalogs at most, even where 0.05 is the"
            " smallest possible p-value.",
        ),
        (("Family-wise error at 0.05 with few permutations", details),),
        details,
    )


REGRESSED: Final = (
    NullDesign("one giant of 36, 17 of 2–4", GIANT, (0.2, 0.2, 0.8, 0.3), "laplace"),
    NullDesign("one giant of 36, 17 of 2–4, 3 cells, lineages", GIANT, (0.8, 0.2, 0.2, 0.3), "t3", n_cells=3),
    NullDesign("one giant hub of 36, 17 of 2–4", GIANT, (0.4, 0.3, 0.5, 0.4), "gamma", shape="hub"),
    NullDesign("22 uneven hubs, 2 cells", UNEVEN, (0.4, 0.5, 0.3, 0.4), n_cells=2, shape="hub"),
    NullDesign("3 hubs of 7 and 9 single models", (7,) * 3 + (1,) * 9, (0.2, 0.2, 0.8, 0.3), shape="hub"),
    NullDesign("16 of 4", (4,) * 16, (0.2, 0.2, 0.8, 0.3), "t3"),
    NullDesign("24 of 3, 2 cells, independent pairs", (3,) * 24, (0.0, 0.0, 0.0, 1.0), "gamma", n_cells=2),
)


def run_regression(quick: bool, seed: int) -> Experiment:
    """Size of the dyadic regression: properties that move no score, at 0.05."""
    n_catalogs = 30 if quick else 500
    rows: list[dict[str, object]] = []
    for place, design in enumerate(REGRESSED):
        rng = np.random.default_rng((seed, 32, place))
        table = design.labels
        seen: dict[str, list[tuple[bool, bool]]] = {}
        for _ in range(n_catalogs):
            frame = design.draw(rng).frame
            for name, of, members in (
                ("tokenizer", "model", table.models),
                ("corpus", "lineage", table.lineages),
            ):
                kind = dict(zip(members, rng.integers(0, 2, len(members)), strict=True))
                frame[f"{name}_a"], frame[f"{name}_b"] = (
                    frame[f"{of}_a"].map(kind),
                    frame[f"{of}_b"].map(kind),
                )
            for one in dyadic_regression(ScoreTable(frame))[0]:
                if one.name != "same cell":
                    seen.setdefault(one.name, []).append((one.p_value <= LEVEL, np.isnan(one.p_value)))
        for name, told in seen.items():
            rejected, refused = np.mean(told, axis=0).tolist()
            rows.append({"design": design.name, "property": name, "rejected": rejected, "refused": refused})
    details = pd.DataFrame(rows)
    return Experiment(
        "regression",
        (
            "The dyadic regression calls a property without any effect significant at 0.05 in"
            f" {details['rejected'].mean():.3f} of catalogs on average, {details['rejected'].max():.3f} at"
            " most; it gives no p-value if the effective number of lineages is below three.",
        ),
        (("Dyadic regression, rejection rate at 0.05 for properties without any effect", details),),
        details,
    )
