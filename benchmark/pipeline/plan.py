"""What to extract and what to compare, made whole before any work starts."""

from __future__ import annotations

import difflib
import fnmatch
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

import analysis
import fpcore
from benchmark.catalog import Catalog, CatalogLike, load_catalog
from benchmark.pipeline.checkpoints import locate
from benchmark.pipeline.chosen_metric import ChosenMetric, choose
from benchmark.pipeline.forgeries import planned_forgeries
from benchmark.pipeline.metric_names import choose_metrics
from benchmark.pipeline.transfer import (
    DEFAULT_BUDGET,
    Transfer,
    TransferFacts,
    bytes_in_words,
    planned_transfer,
    with_cells,
)
from benchmark.session.cache import byte_size
from benchmark.session.errors import UsageError
from benchmark.session.session import Session

__all__ = ["Network", "Plan", "PlanFacts", "balanced_subset", "make_plan", "parsed_budget", "plan"]

TIERS: Final = ("zoo", "hub", "all")
#: Up to so many pairs a cheap metric scores all of them; beyond, all but a part of those that are neither
#: related nor look-alikes, whose number grows with the square of the models and which say the least.
ALL_PAIRS: Final = 40_000
#: How many more of any two lineages a cheap metric then scores than a costly one does look-alikes.
CHEAP_TIMES: Final = 4
#: And with so many other lineages a costly one scores each lineage in pairs that are no look-alikes.
OTHER_LINEAGES: Final = 20

Mask = npt.NDArray[np.bool_]


class PlanFacts(TypedDict):
    """A plan as plain values: counts of models, lineages, pairs by relation, pairs by metric, forgeries."""

    models: list[str]
    n_lineages: int
    n_pairs: int
    relations: dict[str, int]
    metrics: dict[str, int]
    n_forgeries: int
    transfer: TransferFacts | None


@dataclass(frozen=True)
class Plan:
    """The work of one run.

    Attributes
    ----------
    models : tuple of str
        Catalog ids, in catalog order.
    metrics : tuple of ChosenMetric
    pairs : pandas.DataFrame
        The catalog's pairs among the models, with their labels (model_a < model_b).
    chosen : mapping of str to ndarray of bool
        For each metric, which rows of `pairs` it scores.
    forgeries : pandas.DataFrame
        The catalog's forgeries of, and aimed at, these models; every metric scores all of them, apart.
    transfer : Transfer or None
        What comes from the hub; None where nothing does.
    """

    models: tuple[str, ...]
    metrics: tuple[ChosenMetric, ...]
    pairs: pd.DataFrame = field(repr=False)
    chosen: Mapping[str, Mask] = field(repr=False)
    forgeries: pd.DataFrame = field(repr=False)
    transfer: Transfer | None = None

    def __str__(self) -> str:
        lines = [
            f"{len(self.models)} models in {self.n_lineages} lineages, {len(self.pairs)} pairs: "
            + ", ".join(f"{count} {name}" for name, count in self.pairs["relation"].value_counts().items()),
            f"{len(self.metrics)} metrics:",
        ]
        lines += [f"  {metric.name}: {int(self.chosen[metric.name].sum())} pairs" for metric in self.metrics]
        if len(self.forgeries):
            lines.append(
                "forgeries, each scored against its target before and after: "
                + ", ".join(f"{n} {kind}" for kind, n in self.forgeries["kind"].value_counts().items())
            )
        if self.transfer is not None:
            lines.append(str(self.transfer))
        return "\n".join(lines)

    @property
    def forged_models(self) -> tuple[str, ...]:
        """Catalog ids of the forgeries."""
        return tuple(self.forgeries["forged"])

    @property
    def n_lineages(self) -> int:
        """Lineages among the planned models."""
        return len(set(self.pairs["lineage_a"]) | set(self.pairs["lineage_b"]))

    def to_json(self) -> PlanFacts:
        """The plan as plain values."""
        relations = self.pairs["relation"].value_counts()
        return {
            "models": list(self.models),
            "n_lineages": self.n_lineages,
            "n_pairs": len(self.pairs),
            "relations": {str(name): int(count) for name, count in relations.items()},
            "metrics": {name: int(chosen.sum()) for name, chosen in self.chosen.items()},
            "n_forgeries": len(self.forgeries),
            "transfer": None if self.transfer is None else self.transfer.to_json(),
        }


def plan(
    *,
    catalog: CatalogLike = None,
    tier: str = "zoo",
    metrics: str | Sequence[str] | None = None,
    models: str | None = None,
    limit: int | None = None,
    pairs_per_lineage_pair: int | None = 4,
    seed: int = 0,
    device: str | None = None,
    budget: int | str | None = None,
    sample: bool = False,
    cache: Path | str | None = None,
    quiet: bool = True,
) -> Plan:
    """Decide the work of `run` without doing it; parameters and errors as there.

    A device is looked for and not used: what could not be carried out is not planned. Of models on the hub
    the headers are read, and a few megabytes to time the network; both are there for the run.

    Returns
    -------
    Plan
        ``print(plan)`` counts it.

    Examples
    --------
    >>> small = plan(models="zoo/qwen-[ab]*", metrics="norm-std")
    >>> [metric.name for metric in small.metrics], int(small.chosen["norm-std"].sum()) == len(small.pairs)
    (['norm-std'], True)
    """
    session = Session.start(device=device, cache=cache, quiet=quiet)  # refuses what the run would refuse
    return make_plan(
        load_catalog(catalog),
        [choose(name) for name in choose_metrics(metrics)],
        tier=tier,
        models=models,
        limit=limit,
        pairs_per_lineage_pair=pairs_per_lineage_pair,
        seed=seed,
        budget=parsed_budget(budget),
        network=Network(session, sample=sample),
    )


@dataclass(frozen=True)
class Network:
    """How models on the hub are looked at while a plan is made.

    Attributes
    ----------
    session : Session
    log : Path or None
        Where what is fetched is noted.
    sample : bool
        Whether slices of large weights are read in place of all.
    """

    session: Session
    log: Path | None = None
    sample: bool = False

    def opener(self, catalog: Catalog) -> Callable[[str], fpcore.Checkpoint]:
        """What opens a model of a catalog."""
        fetching = fpcore.Fetching(self.session.cache.pieces, log=self.log)

        def opened(model: str) -> fpcore.Checkpoint:
            checkpoint = locate(catalog, model).open(self.session.device, fetching)
            return fpcore.SampledCheckpoint(checkpoint) if self.sample else checkpoint

        return opened


def parsed_budget(budget: int | str | None) -> int:
    """Bytes that may be fetched: as given, or the usual.

    Raises
    ------
    UsageError
        It is not a number of bytes.
    """
    if budget is None:
        return DEFAULT_BUDGET
    return byte_size(budget, "--budget") if isinstance(budget, str) else budget


def make_plan(
    catalog: Catalog,
    metrics: Sequence[ChosenMetric],
    *,
    tier: str = "zoo",
    models: str | None = None,
    limit: int | None = None,
    pairs_per_lineage_pair: int | None = 4,
    seed: int = 0,
    budget: int = DEFAULT_BUDGET,
    network: Network | None = None,
) -> Plan:
    """Decide the work of a run.

    Parameters
    ----------
    catalog : Catalog
    metrics : sequence of ChosenMetric
    tier : {"zoo", "hub", "all"}
        ``zoo``: what lies on this machine; ``hub``: what must be read over the network.
    models : str, optional
        Only models whose id fits this glob.
    limit : int, optional
        Only the first so many models.
    pairs_per_lineage_pair : int, optional
        Costly metrics score at most so many independent pairs of the same two lineages, look-alikes first.
        Of more than `ALL_PAIRS` pairs, costly ones score of the others one with each of `OTHER_LINEAGES`
        lineages, and cheap ones all look-alikes and four times so many others. None: every metric scores all.
    seed : int
        Of the choice among those.
    budget : int
        Bytes that may come from the hub.
    network : Network, optional
        How to look at models there; without it they are planned unseen, whatever they cost.

    Raises
    ------
    UsageError
        Nothing, or a single model, is left to compare.
    """
    if tier not in TIERS:
        raise UsageError(f"--tier: no tier {tier!r}; known: {', '.join(TIERS)}")
    wanted = [
        model.id
        for model in catalog.models.values()
        if model.available
        and (tier == "all" or (tier == "hub") == model.remote)
        and (models is None or fnmatch.fnmatch(model.id, models))
    ][:limit]
    if len(wanted) < 2:
        raise UsageError(
            f"{len(wanted)} models match --tier {tier}"
            + (f" --models {models!r}{'' if wanted else _meant(models, catalog)}" if models else "")
            + "; at least two are needed (`catalog check` lists them)"
        )
    transfer: Transfer | None = None
    cells: dict[str, str] = {}
    if network is not None and any(catalog.models[model].remote for model in wanted):
        wanted, cells, transfer = planned_transfer(
            catalog,
            wanted,
            [metric.load() for metric in metrics],
            network.opener(catalog),
            budget=budget,
            seed=seed,
            sample=network.sample,
            progress=network.session.progress,
        )
        if len(wanted) < 2:
            raise UsageError(
                f"--budget: {bytes_in_words(budget)} is enough for {len(wanted)} of"
                f" {transfer.n_considered} models; at least two are needed: raise it, or use fewer --metrics"
            )
    pairs = with_cells(catalog.pairs(wanted).reset_index(drop=True), cells)
    # A re-upload whose origin is here too stands in no pair: there is nothing to do for it.
    paired = set(pairs["model_a"]) | set(pairs["model_b"])
    wanted = [model for model in wanted if model in paired]
    everything = np.ones(len(pairs), dtype=np.bool_)
    subset = cheap = everything
    costly, many = any(metric.cost == "costly" for metric in metrics), len(pairs) > ALL_PAIRS
    if pairs_per_lineage_pair is not None and (costly or many):
        # Which pairs are look-alikes decides the choice, so the shapes must be known before it is made.
        pairs = with_cells(pairs, shapes(catalog, _shapeless(pairs)))
        few = OTHER_LINEAGES if many else None
        subset = balanced_subset(pairs, pairs_per_lineage_pair, seed, other_lineages=few)
        if many:
            cheap = balanced_subset(pairs, CHEAP_TIMES * pairs_per_lineage_pair, seed, all_look_alikes=True)
    chosen = {metric.name: cheap if metric.cost == "cheap" else subset for metric in metrics}
    forgeries = planned_forgeries(catalog, wanted)
    return Plan(tuple(wanted), tuple(metrics), pairs, chosen, forgeries, transfer)


def _meant(pattern: str, catalog: Catalog) -> str:
    """The model that a mistyped glob is nearest to."""
    near = difflib.get_close_matches(pattern.strip("*?"), list(catalog.models), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _shapeless(pairs: pd.DataFrame) -> list[str]:
    """Models of some pairs whose architecture cell is unknown."""
    ends = [pairs.loc[pairs[f"architecture_{end}"].isna(), f"model_{end}"] for end in "ab"]
    return sorted(pd.unique(pd.concat(ends)))


def shapes(catalog: Catalog, models: Iterable[str]) -> dict[str, str]:
    """Architecture cells of models as their checkpoints show them (headers only).

    A model that cannot be opened is left out: its shape stays unknown, and its fingerprint will fail by name.
    """
    found = {}
    for model in models:
        try:
            found[model] = locate(catalog, model).open().architecture.cell
        except fpcore.BadCheckpoint:
            continue
    return found


def balanced_subset(
    pairs: pd.DataFrame,
    per_lineage_pair: int,
    seed: int,
    *,
    all_look_alikes: bool = False,
    other_lineages: int | None = None,
) -> Mask:
    """All pairs that are not independent, and of the independent ones a few for each two lineages.

    Pairs of the same two lineages say little more together than one, so the number is balanced over
    lineage pairs; look-alikes come first because they are what decides, or are all taken beside the few.
    With `other_lineages`, pairs that are no look-alikes are fewer still: one of two lineages, and of each
    lineage with so many others. How surely a rate over them is known hangs on the number of lineages.
    """
    alike = analysis.look_alike_pairs(pairs["relation"], pairs["architecture_a"], pairs["architecture_b"])
    codes, names = pd.factorize(pd.concat([pairs["lineage_a"], pairs["lineage_b"]]))
    a, b = codes[: len(pairs)], codes[len(pairs) :]
    order = pd.DataFrame(
        {
            "lineages": np.minimum(a, b) * len(names) + np.maximum(a, b),
            "last": ~alike,
            "lot": np.random.default_rng(np.random.SeedSequence((seed, 0x70616972))).random(len(pairs)),
        }
    )
    few = (pairs["relation"] == "independent").to_numpy(copy=True)
    if all_look_alikes:
        few &= ~alike
    by_lot = order[few].sort_values(["lineages", "last", "lot"])
    taken = by_lot.groupby("lineages").cumcount() < per_lineage_pair
    if other_lineages is not None:
        spread = _spread_out(by_lot[by_lot["last"]], len(names), other_lineages)
        taken &= ~by_lot["last"] | by_lot.index.isin(spread)
    keep = ~few
    keep[taken.index[taken]] = True
    return keep


def _spread_out(pairs: pd.DataFrame, n: int, most: int) -> list[Hashable]:
    """Of pairs with `lineages` (of n) and a `lot`, one of two lineages, and at most so many of a lineage."""
    met: Counter[int] = Counter()
    taken = []
    for row, lineages in pairs.drop_duplicates("lineages").sort_values("lot")["lineages"].items():
        two = divmod(lineages, n)
        if max(met[one] for one in two) < most:
            taken.append(row)
            met.update(two)
    return taken
