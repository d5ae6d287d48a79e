"""Catalogs that are not Gaussian: what intervals and tests must bear and nothing was chosen on.

The score of a pair (i, j) of models of the lineages g and h is

    s = separation·[derived]·k_g + same_cell·[same architecture cell] + a_g + a_h + b_i + b_j + c_gh + e_ij

with effects of the distributions that a scenario names; k is 0 in a lineage whose children resemble their
parent no more than a stranger. What follows (hubs, levels, abstentions, merges) is done to these scores. The
values that intervals must cover have no closed form; they are means over many fresh catalogs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.table import ScoreTable

__all__ = ["BENIGN", "EFFECTS", "SCENARIOS", "Scenario", "scenario"]

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]

#: Effects of mean 0 and, where they have one, standard deviation 1.
EFFECTS: Final[dict[str, Draw]] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "uniform": lambda rng, n: rng.uniform(-(3**0.5), 3**0.5, n),
    "laplace": lambda rng, n: rng.laplace(0, 0.5**0.5, n),
    "t(3)": lambda rng, n: rng.standard_t(3, n) / 3**0.5,
    "t(2)": lambda rng, n: rng.standard_t(2, n) / 2,
    "lognormal": lambda rng, n: (rng.lognormal(0, 0.8, n) - np.exp(0.32)) / 1.3096,
    "-lognormal": lambda rng, n: -(rng.lognormal(0, 0.8, n) - np.exp(0.32)) / 1.3096,
    "gamma": lambda rng, n: (rng.gamma(0.5, 1.0, n) - 0.5) / 0.5**0.5,
}


@dataclass(frozen=True)
class Scenario:
    """A population of catalogs.

    Attributes
    ----------
    name : str
    n_lineages : int
    pattern : tuple of int
        Models of each lineage, repeated over all.
    giant : int
        Models of the first lineage; 0: as the others.
    per_cell : int
        Lineages that an architecture cell holds, or more.
    shape : {"chain", "hub"}
        Derived pairs: all pairs of a lineage, or those with its first model.
    separation, same_cell : float
        What a derived pair, and a pair inside one cell, scores above others.
    effects : str
        Distribution of the effects of lineages and lineage pairs (`EFFECTS`); models and pairs are normal.
    lineage_sd, model_sd, lineage_pair_sd, pair_sd : float
        Standard deviations of the effects of lineage, model, lineage pair and pair.
    failing : float
        Share of lineages whose children resemble their parent no more than a stranger.
    hubs : float
        Share of lineages that resemble everything as a child its parent.
    multiplicative : bool
        Lineages have levels that multiply: the whole score times exp(a_g + a_h), not plus a_g + a_h.
    levels : int
        The score takes so many values; 0: any.
    abstaining : float
        Share of pairs without a score (the same in every catalog), twice as many in every second lineage.
    merged : float
        Share of lineages of which a half descends from a second founder, whom it resembles as strangers do
        (unlabelled: such pairs are in no statistic).
    """

    name: str
    n_lineages: int = 24
    pattern: tuple[int, ...] = (3, 5)
    giant: int = 0
    per_cell: int = 6
    shape: Literal["chain", "hub"] = "chain"
    separation: float = 2.0
    same_cell: float = 0.0
    effects: str = "normal"
    lineage_sd: float = 0.35
    model_sd: float = 0.25
    lineage_pair_sd: float = 0.35
    pair_sd: float = 0.45
    failing: float = 0.0
    hubs: float = 0.0
    multiplicative: bool = False
    levels: int = 0
    abstaining: float = 0.0
    merged: float = 0.0

    @property
    def sizes(self) -> tuple[int, ...]:
        """Models of each lineage."""
        sizes = [self.pattern[g % len(self.pattern)] for g in range(self.n_lineages)]
        return (self.giant or sizes[0], *sizes[1:])

    @cached_property
    def labels(self) -> ScoreTable:
        """The table that all draws share, with every score zero."""
        lineage = np.repeat(np.arange(self.n_lineages), self.sizes)
        place = np.concatenate([np.arange(n) for n in self.sizes])
        size = np.asarray(self.sizes)[lineage]
        merged = np.arange(self.n_lineages) < round(self.merged * self.n_lineages)
        founder = np.where(merged[lineage] & (place >= (size + 1) // 2), 1, 0)
        a, b = np.triu_indices(len(lineage), 1)
        same = lineage[a] == lineage[b]
        apart = same & (founder[a] != founder[b])
        derived = same & ~apart & ((self.shape == "chain") | (place[a] == 0))
        relation = np.select(
            [apart, derived, same], ["disputed", "derived", "sibling"], default="independent"
        )
        model = np.array([f"m{i:05d}" for i in range(len(lineage))])
        group = np.array([f"l{g:04d}" for g in range(self.n_lineages)])
        n_cells = max(1, self.n_lineages // self.per_cell)
        cell = np.array([f"cell{g % n_cells:03d}" for g in range(self.n_lineages)])
        share = self.abstaining * np.where(np.arange(self.n_lineages) % 2, 4 / 3, 2 / 3)[lineage]
        silent = np.random.default_rng(len(a)).random(len(a)) < (share[a] + share[b]) / 2
        return ScoreTable(
            pd.DataFrame(
                {
                    "model_a": model[a],
                    "model_b": model[b],
                    "score": np.where(silent, np.nan, 0.0),
                    "status": np.where(silent, "abstained", "ok"),
                    "relation": relation,
                    "lineage_a": group[lineage[a]],
                    "lineage_b": group[lineage[b]],
                    "architecture_a": cell[lineage[a]],
                    "architecture_b": cell[lineage[b]],
                }
            )
        )

    def scores(self, rng: np.random.Generator) -> Floats:
        """Draw the scores of one catalog, in the row order of `labels`, shape (n_pairs,)."""
        table, n, effect = self.labels, self.n_lineages, EFFECTS[self.effects]
        g, h = table.lineage_a, table.lineage_b
        a = self.lineage_sd * effect(rng, (n,))
        b = rng.normal(0, self.model_sd, len(table.models))
        c = self.lineage_pair_sd * effect(rng, (n, n))
        e = rng.normal(0, self.pair_sd, len(table))
        related = self.separation * table.derived
        related[(rng.random(n) < self.failing)[g] & table.derived] = 0.0
        hub = rng.random(n) < self.hubs
        near = np.where((hub[g] | hub[h]) & ~table.derived, self.separation, related)
        fixed = near + self.same_cell * (table.cell_a == table.cell_b)
        own = b[table.model_a] + b[table.model_b] + c[np.minimum(g, h), np.maximum(g, h)] + e
        scores: Floats = (
            (1.5 + fixed + own) * np.exp(a[g] + a[h]) if self.multiplicative else fixed + own + a[g] + a[h]
        )
        if self.levels:
            # Evenly from the bulk of strangers to that of children.
            edges = np.linspace(-0.5, 1.0, self.levels - 1) * max(self.separation, 1.0)
            scores = np.searchsorted(edges, scores).astype(np.float64)
        return scores

    def draw(self, rng: np.random.Generator) -> ScoreTable:
        """Draw one catalog."""
        return self.labels.with_scores(self.scores(rng))

    def draws(self, n: int, seed: int) -> Iterator[ScoreTable]:
        """Draw n catalogs, one at a time."""
        rng = np.random.default_rng(np.random.SeedSequence((seed, self.n_lineages, *self.name.encode())))
        for _ in range(n):
            yield self.draw(rng)


_ALL: Final = (
    Scenario("normal, AUC 0.8", separation=0.95, per_cell=8),
    Scenario("normal, AUC 0.93", separation=1.75),
    Scenario("normal, AUC 0.99, founders' children", separation=2.7, shape="hub", pattern=(4, 2, 3)),
    Scenario("uniform effects", effects="uniform", separation=1.4),
    Scenario("Laplace effects, architecture", effects="laplace", separation=1.9, same_cell=0.6),
    Scenario("independent pairs", lineage_sd=0.0, model_sd=0.0, lineage_pair_sd=0.0, pair_sd=1.0),
    Scenario("heavy tails, t(3)", effects="t(3)", lineage_sd=0.6, separation=2.2),
    Scenario("heavy tails, t(2)", effects="t(2)", lineage_sd=0.8, separation=3.0),
    Scenario("skewed up, lognormal", effects="lognormal", lineage_sd=0.9, separation=2.4),
    Scenario("skewed down, lognormal", effects="-lognormal", lineage_sd=0.9, separation=2.4),
    Scenario("skewed, gamma", effects="gamma", lineage_sd=0.7, separation=2.0),
    Scenario("multiplicative levels", multiplicative=True, lineage_sd=0.3, separation=2.0),
    Scenario("1.5% of lineages fail", failing=0.015, separation=3.2, pattern=(4,)),
    Scenario("3% of lineages fail", failing=0.03, separation=3.2, pattern=(4,)),
    Scenario("5% of lineages fail", failing=0.05, separation=3.2, pattern=(2, 4)),
    Scenario("10% of lineages fail", failing=0.1, separation=3.2, pattern=(2, 4)),
    Scenario("2% of lineages are hubs", hubs=0.02, separation=3.2, pattern=(4,)),
    Scenario("5% of lineages are hubs", hubs=0.05, separation=3.2, pattern=(3,)),
    Scenario("one giant lineage", giant=30, pattern=(2, 3), separation=2.2, lineage_sd=0.6),
    Scenario("five levels", levels=5, separation=2.2),
    Scenario("three levels, skewed", levels=3, separation=2.2, effects="lognormal", lineage_sd=0.6),
    Scenario("a quarter abstains", abstaining=0.25, separation=2.0),
    Scenario("a fifth of lineages merged", merged=0.2, separation=2.0, pattern=(5, 4)),
)
SCENARIOS: Final = {each.name: each for each in _ALL}
BENIGN: Final = tuple(SCENARIOS)[:6]
"""The scenarios without rare, skewed or heavy parts."""


def scenario(name: str, n_lineages: int) -> Scenario:
    """A scenario of `SCENARIOS` at a number of lineages."""
    return replace(SCENARIOS[name], n_lineages=n_lineages)
