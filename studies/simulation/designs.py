"""Catalogs drawn from known populations: the ground truth that the procedures are measured on.

The score of a pair (i, j) of models of the lineages g and h is

    s = separation·[derived] + same_cell·[same architecture cell]
        + a_g + a_h + b_i + b_j + c_gh + e_ij

with independent normal effects of lineage (a), model (b), lineage pair (c) and pair (e). All lineages are
drawn afresh in every catalog; sizes, cells and which pairs are derived belong to the design. Because
everything is normal, the values that intervals must cover are known without simulating.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from analysis.table import ScoreTable

__all__ = ["UNEQUAL", "Design", "spread"]

Floats = npt.NDArray[np.float64]
UNEQUAL = (8, 1, 3, 2, 1, 5, 1, 2, 4, 1)
"""Sizes of very unequal lineages, repeated as often as needed: from one model to eight."""


def spread(n_lineages: int, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Repeat a pattern of sizes over so many lineages."""
    return tuple(sizes[i % len(sizes)] for i in range(n_lineages))


@dataclass(frozen=True)
class Design:
    """A population of catalogs.

    Attributes
    ----------
    name : str
    sizes : tuple of int
        Models of each lineage; a lineage of one model has no derived pair.
    n_cells : int
        Architecture cells; lineage g stands in cell g mod n_cells.
    shape : {"chain", "hub"}
        chain: every pair inside a lineage is derived. hub: the first model is the parent of all others,
        which are siblings of each other.
    separation : float
        Mean score of derived pairs above that of independent pairs.
    same_cell : float
        Mean score of pairs inside one cell above that of pairs across cells (the architecture's share).
    lineage_sd, model_sd, lineage_pair_sd, pair_sd : float
        Standard deviations of the four effects.
    """

    name: str
    sizes: tuple[int, ...]
    n_cells: int = 1
    shape: Literal["chain", "hub"] = "chain"
    separation: float = 0.0
    same_cell: float = 0.0
    lineage_sd: float = 0.4
    model_sd: float = 0.3
    lineage_pair_sd: float = 0.3
    pair_sd: float = 0.5

    @property
    def n_lineages(self) -> int:
        """Number of lineages."""
        return len(self.sizes)

    @cached_property
    def labels(self) -> ScoreTable:
        """The table that all draws share, with every score zero."""
        lineage = np.repeat(np.arange(self.n_lineages), self.sizes)
        first = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        a, b = np.triu_indices(len(lineage), 1)
        same = lineage[a] == lineage[b]
        derived = same & ((self.shape == "chain") | np.isin(a, first))
        relation = np.where(derived, "derived", np.where(same, "sibling", "independent"))
        model = np.array([f"m{i:05d}" for i in range(len(lineage))])
        group = np.array([f"l{g:04d}" for g in range(self.n_lineages)])
        cell = np.array([f"cell{g % self.n_cells:03d}" for g in range(self.n_lineages)])
        return ScoreTable(
            pd.DataFrame(
                {
                    "model_a": model[a],
                    "model_b": model[b],
                    "score": 0.0,
                    "relation": relation,
                    "lineage_a": group[lineage[a]],
                    "lineage_b": group[lineage[b]],
                    "architecture_a": cell[lineage[a]],
                    "architecture_b": cell[lineage[b]],
                }
            )
        )

    @cached_property
    def mean(self) -> Floats:
        """Expected score of every pair, shape (n_pairs,)."""
        table = self.labels
        mean: Floats = self.separation * table.derived + self.same_cell * (table.cell_a == table.cell_b)
        return mean

    def scores(self, rng: np.random.Generator) -> Floats:
        """Draw the scores of one catalog, in the row order of `labels`, shape (n_pairs,)."""
        table = self.labels
        g, h = table.lineage_a, table.lineage_b
        a = rng.normal(0, self.lineage_sd, self.n_lineages)
        b = rng.normal(0, self.model_sd, len(table.models))
        c = rng.normal(0, self.lineage_pair_sd, (self.n_lineages, self.n_lineages))
        e = rng.normal(0, self.pair_sd, len(table))
        pair = c[np.minimum(g, h), np.maximum(g, h)]
        scores: Floats = self.mean + a[g] + a[h] + b[table.model_a] + b[table.model_b] + pair + e
        return scores

    def draw(self, rng: np.random.Generator) -> ScoreTable:
        """Draw one catalog."""
        return self.labels.with_scores(self.scores(rng))

    def draws(self, n: int, seed: int) -> Iterator[ScoreTable]:
        """Draw n catalogs, one at a time."""
        rng = np.random.default_rng(np.random.SeedSequence((seed, self.n_lineages, sum(self.sizes))))
        for _ in range(n):
            yield self.draw(rng)

    @property
    def derived_sd(self) -> float:
        """Standard deviation of the score of a derived pair (its lineage's effect counts twice)."""
        return float(np.sqrt(4 * self.lineage_sd**2 + self._own_variance))

    @property
    def independent_sd(self) -> float:
        """Standard deviation of the score of an independent pair."""
        return float(np.sqrt(2 * self.lineage_sd**2 + self._own_variance))

    @property
    def _own_variance(self) -> float:
        return 2 * self.model_sd**2 + self.lineage_pair_sd**2 + self.pair_sd**2

    def rate(self, threshold: float, kind: Literal["fpr", "tpr"]) -> float:
        """True share of independent ("fpr") or derived ("tpr") pairs with a score at or above a threshold."""
        mask, sd = (
            (self.labels.independent, self.independent_sd)
            if kind == "fpr"
            else (self.labels.derived, self.derived_sd)
        )
        return float(np.mean(ndtr((self.mean[mask] - threshold) / sd)))

    def threshold_at(self, rate: float, kind: Literal["fpr", "tpr"] = "fpr") -> float:
        """Score at which the true rate has this value (one cell, or no cell effect: exact)."""
        low, high = -20.0, 20.0 + self.separation + self.same_cell
        for _ in range(80):
            middle = (low + high) / 2
            low, high = (middle, high) if self.rate(middle, kind) > rate else (low, middle)
        return (low + high) / 2

    def auc(self, *, matched: bool = False) -> float:
        """Expected AUC over fresh catalogs of this design, exactly.

        A derived pair and an independent pair that share a lineage, or a model, share effects; each kind of
        overlap has its own normal difference, and the expectation is their mean over all pairs of pairs.

        Parameters
        ----------
        matched : bool
            The look-alike AUC instead: each derived pair against independent pairs of its own cell pair, the
            mean over derived pairs that have such look-alikes.
        """
        table = self.labels
        negative = table.independent
        wins, used = 0.0, 0
        own = self._own_variance
        for g in range(self.n_lineages):
            positive = table.derived & (table.lineage_a == g)
            n_positive = int(positive.sum())
            among = negative & (table.cell_pair == table.cell_pair[positive][0]) if n_positive else negative
            rivals = among if matched else negative
            if not n_positive or not rivals.any():
                continue
            degree = np.bincount(
                np.concatenate([table.model_a[positive], table.model_b[positive]]),
                minlength=len(table.models),
            )
            touches = rivals & ((table.lineage_a == g) | (table.lineage_b == g))
            inside = np.where(table.lineage_a == g, table.model_a, table.model_b)[touches]
            shares_model = degree[inside] / n_positive
            mean = self.mean[positive][0] - self.mean

            apart = ndtr(mean[rivals & ~touches] / np.sqrt(6 * self.lineage_sd**2 + 2 * own)).sum()
            beside = mean[touches] / np.sqrt(2 * self.lineage_sd**2 + 2 * own)
            joined = mean[touches] / np.sqrt(2 * self.lineage_sd**2 + 2 * own - 2 * self.model_sd**2)
            touching = ((1 - shares_model) * ndtr(beside) + shares_model * ndtr(joined)).sum()
            wins += n_positive * float(apart + touching) / int(rivals.sum())
            used += n_positive
        return wins / used if used else float("nan")

    def at_auc(self, auc: float) -> Design:
        """The same design with the separation at which its expected AUC has this value."""
        start = ndtri(auc) * np.hypot(self.derived_sd, self.independent_sd)

        def excess(separation: float) -> float:
            return self._separated(separation).auc() - auc

        return self._separated(float(brentq(excess, start - 2.0, start + 2.0 + self.same_cell, xtol=1e-5)))

    def _separated(self, separation: float) -> Design:
        design = replace(self, separation=separation)
        design.__dict__["labels"] = self.labels
        return design
