"""Derivation methods, sorted into the families that a reader thinks in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from benchmark.catalog.model import TRAINING_METHODS

__all__ = ["FAMILIES", "NAMED", "STEP", "Family", "family_of", "tally"]

STEP: Final = " > "  # between the steps of a chain, as the catalog writes it
NAMED: Final = 2  # methods that are named one by one; more are counted by family


@dataclass(frozen=True)
class Family:
    """A kind of derivation: a short word for sentences, a title for tables, the methods that belong to it."""

    word: str
    title: str
    methods: frozenset[str]


FAMILIES: Final = (
    Family("training", "Training", TRAINING_METHODS),
    Family("merging", "Merging", frozenset({"merge"})),
    Family(
        "reshaping",
        "Change of shape",
        frozenset({"depth-upscale", "depth-prune", "width-prune", "moe-upcycle", "distil-init"}),
    ),
    Family("casting", "Casts", frozenset({"cast", "quantise", "re-upload"})),
    Family("laundering", "Laundering", frozenset({"launder"})),
    Family("multi-step", "Multi-step", frozenset()),
    Family("others", "Others", frozenset()),
)
CHAINS, OTHERS = FAMILIES[-2:]


def family_of(method: str) -> Family:
    """Which family a method belongs to, e.g. of ``launder:noise``; chains of steps are one of their own."""
    if STEP in method:
        return CHAINS
    name = method.split(":")[0]
    return next((family for family in FAMILIES if name in family.methods), OTHERS)


def tally(methods: Iterable[str]) -> str:
    """Name a few methods, count many by family.

    >>> tally(["launder:noise"]), tally(["merge:ties", "merge:dare", "cast:fp8"])
    ('launder:noise', '2 merging, 1 casting')
    """
    names = list(methods)
    if len(names) <= NAMED:
        return ", ".join(names)
    found = Counter(family_of(name).word for name in names)
    return ", ".join(f"{found[family.word]} {family.word}" for family in FAMILIES if found[family.word])
