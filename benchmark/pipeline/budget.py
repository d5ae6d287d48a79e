"""Which models a number of bytes buys: lineages with look-alikes, then derived pairs, then more."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["choose_within"]

Kind = tuple[str, str]
"""The two architecture cells of a pair, in order."""


@dataclass(frozen=True)
class Derived:
    """A derived pair of the catalog."""

    models: tuple[str, str]
    method: str


class Choice:
    """Models that were chosen, and what they cost together.

    Parameters
    ----------
    pairs : pandas.DataFrame
        With models, relation, method, lineages and architectures.
    costs : mapping of str to int
        Model → bytes; models that are not in it cannot be had.
    budget : int
    seed : int
        Decides between models of one cost.
    """

    def __init__(self, pairs: pd.DataFrame, costs: Mapping[str, int], budget: int, seed: int) -> None:
        self.costs, self.budget = costs, budget
        self.chosen: set[str] = set()
        self.spent = 0
        self.lineage: dict[str, str] = {}
        self.cell: dict[str, str] = {}
        for end in "ab":
            names = pairs[f"model_{end}"].astype(str)
            self.lineage.update(zip(names, pairs[f"lineage_{end}"].astype(str), strict=True))
            known = pairs[f"architecture_{end}"].notna()
            cells = pairs.loc[known, f"architecture_{end}"].astype(str)
            self.cell.update(zip(names[known], cells, strict=True))
        ids = sorted(self.lineage)
        lots = np.random.default_rng(np.random.SeedSequence((seed, 0x62756467))).permutation(len(ids))
        self.lot = dict(zip(ids, lots.tolist(), strict=True))
        derived = pairs[pairs["relation"] == "derived"]
        self.derived = [
            Derived((str(a), str(b)), str(method))
            for a, b, method in zip(derived["model_a"], derived["model_b"], derived["method"], strict=True)
            if str(a) in costs and str(b) in costs
        ]
        self.kinds: dict[Kind, list[Derived]] = defaultdict(list)
        for pair in self.derived:
            if all(model in self.cell for model in pair.models):
                first, second = sorted(self.cell[model] for model in pair.models)
                self.kinds[first, second].append(pair)
        self.members: dict[str, list[str]] = defaultdict(list)
        for model in sorted(self.cell, key=self.rank):
            if model in costs:
                self.members[self.cell[model]].append(model)

    def rank(self, model: str) -> tuple[int, int]:
        """Smallest first, then by lot."""
        return self.costs.get(model, 0), self.lot[model]

    def price(self, models: Iterable[str]) -> int:
        """Bytes that some models cost beyond those that are chosen."""
        return sum(self.costs[model] for model in set(models) - self.chosen)

    def fits(self, price: int) -> bool:
        """Whether there is room for so many bytes more."""
        return self.spent + price <= self.budget

    def take(self, models: Iterable[str]) -> None:
        """Choose models."""
        new = set(models) - self.chosen
        self.spent += self.price(new)
        self.chosen |= new

    def cheapest(self, pairs: Iterable[Derived]) -> Derived:
        """The derived pair that costs least more."""
        return min(pairs, key=lambda pair: (self.price(pair.models), sorted(map(self.rank, pair.models))))

    def lineages_with_look_alikes(self) -> None:
        """Choose, again and again, what brings one more such lineage at the lowest price."""
        covered: set[str] = set()
        while True:
            offers = [offer for kind in self.kinds for offer in self.offers(kind, covered)]
            offers = [offer for offer in offers if self.fits(offer[1])]
            if not offers:
                return
            _, _, _, models, gained = min(offers, key=lambda offer: (offer[0], offer[2], sorted(offer[3])))
            self.take(models)
            covered |= gained

    def offers(self, kind: Kind, covered: set[str]) -> Iterator[tuple[float, int, Kind, set[str], set[str]]]:
        """What more models of two cells would cost and cover: a derived pair there, and strangers beside it.

        With a derived pair of a kind, every other lineage with a model in one of its cells has a look-alike.
        """
        pair = self.cheapest(self.kinds[kind])
        own = self.lineage[pair.models[0]]
        strangers: dict[str, str] = {}  # lineage → its model that costs least more
        here = [model for cell in dict.fromkeys(kind) for model in self.members[cell]]
        for model in sorted(here, key=lambda one: (self.price([one]), self.rank(one))):
            strangers.setdefault(self.lineage[model], model)
        strangers.pop(own, None)
        models = set(pair.models)
        present = {lineage for lineage, model in strangers.items() if model in self.chosen}
        gained = (present | {own}) - covered if present else set()
        if gained:
            price = self.price(models)
            yield price / len(gained), price, kind, set(models), set(gained)
        for lineage, model in strangers.items():
            if lineage in covered or lineage in present:
                continue
            models.add(model)
            gained = gained | ({lineage, own} - covered)
            price = self.price(models)
            yield price / len(gained), price, kind, set(models), set(gained)

    def derived_by_method(self) -> None:
        """Choose derived pairs, always of the method that has fewest."""
        left = defaultdict(list)
        for pair in self.derived:
            left[pair.method].append(pair)
        while left:
            counts = Counter(pair.method for pair in self.derived if set(pair.models) <= self.chosen)
            method = min(left, key=lambda name: (counts[name], name))
            left[method] = [pair for pair in left[method] if not set(pair.models) <= self.chosen]
            if not left[method] or not self.fits(self.price((best := self.cheapest(left[method])).models)):
                del left[method]
                continue
            self.take(best.models)

    def smallest_first(self) -> None:
        """Choose what else there is room for."""
        for model in sorted(set(self.costs) & set(self.lineage), key=self.rank):
            if self.fits(self.price([model])):
                self.take([model])


def choose_within(
    pairs: pd.DataFrame, costs: Mapping[str, int], budget: int, *, seed: int = 0
) -> frozenset[str]:
    """Choose models that cost no more than so many bytes together.

    First as many lineages with look-alikes as can be had (a certificate counts them), greedily by what one
    more costs; then derived pairs, of each method in turn; then whatever else fits, smallest first.

    Parameters
    ----------
    pairs : pandas.DataFrame
        The catalog's pairs with their labels.
    costs : mapping of str to int
        Model → bytes; only these can be chosen.
    budget : int
        Bytes.
    seed : int
        Decides between models of one cost: the same budget and seed choose the same models.

    Examples
    --------
    >>> import pandas as pd
    >>> columns = ["model_a", "model_b", "relation", "method", "lineage_a", "lineage_b"]
    >>> pairs = pd.DataFrame(
    ...     [["a", "a2", "derived", "fine-tune", "a", "a"], ["a", "b", "independent", "", "a", "b"],
    ...      ["a2", "b", "independent", "", "a", "b"]], columns=columns
    ... ).assign(architecture_a="cell", architecture_b="cell")
    >>> sorted(choose_within(pairs, {"a": 10, "a2": 10, "b": 10}, 30))
    ['a', 'a2', 'b']
    >>> sorted(choose_within(pairs, {"a": 10, "a2": 10, "b": 10}, 20))
    ['a', 'a2']
    """
    choice = Choice(pairs, costs, budget, seed)
    choice.lineages_with_look_alikes()
    choice.derived_by_method()
    choice.smallest_first()
    return frozenset(choice.chosen)
