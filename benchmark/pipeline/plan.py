"""What to extract and what to compare, made whole before any work starts."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark.catalog import Catalog
from benchmark.pipeline.forgeries import planned_forgeries
from benchmark.pipeline.metric_choice import load_metric
from benchmark.session.errors import UsageError

__all__ = ["Plan", "balanced_subset", "make_plan"]

TIERS = ("zoo", "hub", "all")


@dataclass(frozen=True)
class Plan:
    """The work of one run.

    Attributes
    ----------
    models : tuple of str
        Catalog ids, in catalog order.
    metrics : tuple of str
        Registry names or ``FILE.py:Class``.
    pairs : pandas.DataFrame
        The catalog's pairs among the models, with their labels (model_a < model_b).
    chosen : mapping of str to ndarray of bool
        For each metric, which rows of `pairs` it scores.
    forgeries : pandas.DataFrame
        The catalog's forgeries of, and aimed at, these models; every metric scores all of them, apart.
    """

    models: tuple[str, ...]
    metrics: tuple[str, ...]
    pairs: pd.DataFrame
    chosen: dict[str, np.ndarray]
    forgeries: pd.DataFrame

    def __str__(self) -> str:
        lines = [
            f"{len(self.models)} models in {self.n_lineages} lineages, {len(self.pairs)} pairs: "
            + ", ".join(f"{count} {name}" for name, count in self.pairs["relation"].value_counts().items()),
            f"{len(self.metrics)} metrics:",
        ]
        lines += [f"  {metric}: {int(self.chosen[metric].sum())} pairs" for metric in self.metrics]
        if len(self.forgeries):
            lines.append(
                "forgeries, each scored against its target before and after: "
                + ", ".join(f"{n} {kind}" for kind, n in self.forgeries["kind"].value_counts().items())
            )
        return "\n".join(lines)

    @property
    def forged_models(self) -> tuple[str, ...]:
        """Catalog ids of the forgeries."""
        return tuple(self.forgeries["forged"])

    @property
    def n_lineages(self) -> int:
        """Lineages among the planned models."""
        return len(set(self.pairs["lineage_a"]) | set(self.pairs["lineage_b"]))


def make_plan(
    catalog: Catalog,
    metrics: Sequence[str],
    *,
    tier: str = "zoo",
    models: str | None = None,
    limit: int | None = None,
    pairs_per_lineage_pair: int = 4,
    seed: int = 0,
) -> Plan:
    """Decide the work of a run.

    Parameters
    ----------
    catalog : Catalog
    metrics : sequence of str
        Registry names or ``FILE.py:Class``.
    tier : {"zoo", "hub", "all"}
        ``zoo``: what lies on this machine; ``hub``: what must be read over the network.
    models : str, optional
        Only models whose id fits this glob.
    limit : int, optional
        Only the first so many models.
    pairs_per_lineage_pair : int
        Costly metrics score at most so many independent pairs of the same two lineages, look-alikes first.
    seed : int
        Of the choice among those.

    Raises
    ------
    UsageError
        Nothing, or a single model, is left to compare.
    """
    if tier not in TIERS:
        raise UsageError(f"--tier: {tier!r}; known: {', '.join(TIERS)}")
    wanted = [
        model.id
        for model in catalog.models.values()
        if model.available
        and (tier == "all" or (tier == "hub") == model.remote)
        and (models is None or fnmatch.fnmatch(model.id, models))
    ][:limit]
    if len(wanted) < 2:
        raise UsageError(
            f"{len(wanted)} models fit --tier {tier}"
            + (f" --models {models!r}" if models else "")
            + "; at least two are needed (`catalog check` lists them)"
        )
    pairs = catalog.pairs(wanted).reset_index(drop=True)
    # A re-upload whose origin is here too stands in no pair: there is nothing to do for it.
    paired = set(pairs["model_a"]) | set(pairs["model_b"])
    wanted = [model for model in wanted if model in paired]
    subset = balanced_subset(pairs, pairs_per_lineage_pair, seed)
    chosen = {
        spec: np.ones(len(pairs), bool) if load_metric(spec).cost == "cheap" else subset for spec in metrics
    }
    return Plan(tuple(wanted), tuple(metrics), pairs, chosen, planned_forgeries(catalog, wanted))


def balanced_subset(pairs: pd.DataFrame, per_lineage_pair: int, seed: int) -> np.ndarray:
    """All pairs that are not independent, and of the independent ones a few for each two lineages.

    Pairs of the same two lineages say little more together than one, so the number is balanced over
    lineage pairs; look-alikes come first because they are what decides.
    """
    derived = pairs[pairs["relation"] == "derived"]
    cells = {
        frozenset(cell) for cell in zip(derived["architecture_a"], derived["architecture_b"], strict=True)
    }
    cell_pair = [
        frozenset(cell) for cell in zip(pairs["architecture_a"], pairs["architecture_b"], strict=True)
    ]
    order = pd.DataFrame(
        {
            "lineages": [
                "\0".join(sorted(two)) for two in zip(pairs["lineage_a"], pairs["lineage_b"], strict=True)
            ],
            "last": [cell not in cells for cell in cell_pair],
            "lot": np.random.default_rng(np.random.SeedSequence((seed, 0x70616972))).random(len(pairs)),
        }
    )
    independent = order[pairs["relation"] == "independent"]
    rank = independent.sort_values(["lineages", "last", "lot"]).groupby("lineages").cumcount()
    keep = (pairs["relation"] != "independent").to_numpy(copy=True)
    keep[rank.index[rank < per_lineage_pair]] = True
    return keep
