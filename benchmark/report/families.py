"""Ways of deriving a child, sorted into the families that a reader thinks in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from benchmark.catalog.model import TRAINING_METHODS

__all__ = ["FAMILIES", "NAMED", "STEP", "Family", "family_of", "tally"]

STEP: Final = " > "  # between the steps of a chain, as the catalog writes it
NAMED: Final = 2  # ways that are named one by one; more are counted by family


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
    Family("several steps", "Several steps", frozenset()),
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
    """Name a few ways, count many by family.

    >>> tally(["launder:noise"]), tally(["merge:ties", "merge:dare", "cast:fp8"])
    ('launder:noise', 'merging 2, casting 1')
    """
    ways = list(methods)
    if len(ways) <= NAMED:
        return ", ".join(ways)
    found = Counter(family_of(way).word for way in ways)
    return ", ".join(f"{family.word} {found[family.word]}" for family in FAMILIES if found[family.word])
