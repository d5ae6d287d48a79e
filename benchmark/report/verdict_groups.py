"""Verdicts as a reader meets them: three groups, an order, a mark each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from analysis import ClaimWord, VerdictWord
from analysis.summary import MetricSummary

__all__ = [
    "CLAIM_SLUGS",
    "GROUPS",
    "QUESTION",
    "Group",
    "best_first",
    "group_of",
    "standing",
    "verdict_slug",
]

QUESTION: Final = "Does a lineage metric tell children from look-alikes?"
CLAIM_SLUGS: Final[Mapping[str, str]] = {
    ClaimWord.HOLDS: "yes",
    ClaimWord.FAILS: "no",
    ClaimWord.NONE_STATED: "unknown",
    ClaimWord.CANNOT_SAY: "unknown",
}
"""Which group's colour a verdict on a claim has."""
Result = TypeVar("Result", bound=MetricSummary)


@dataclass(frozen=True)
class Group:
    """One column of the ten-second answer."""

    slug: str
    title: str
    says: str
    verdicts: tuple[str, ...]


GROUPS: Final = (
    Group(
        "yes",
        "Separates",
        "Shown to score children above independent models of the same shape.",
        (VerdictWord.SEPARATES, VerdictWord.WITHIN_LIMITS),
    ),
    Group(
        "no",
        "Does not separate",
        "Shown to score look-alikes like children.",
        (VerdictWord.ARCHITECTURE, VerdictWord.FAILS),
    ),
    Group(
        "unknown",
        "Cannot say",
        "This catalog has too little data to decide.",
        (VerdictWord.CANNOT_SAY,),
    ),
)
ORDER: Final = tuple(verdict for group in GROUPS for verdict in group.verdicts)
SLUGS: Final = dict(zip(ORDER, ("separates", "limits", "architecture", "fails", "unknown"), strict=True))


def group_of(verdict: str) -> Group:
    """Which column a verdict stands in."""
    return next(group for group in GROUPS if verdict in group.verdicts)


def verdict_slug(verdict: str) -> str:
    """Name of a verdict's mark in the page."""
    return SLUGS[verdict]


def standing(result: MetricSummary) -> tuple[int, float, str]:
    """What metrics are ordered by: the verdict, best first, then the look-alike AUC, then the name."""
    auc = result.look_alike_auc.estimate
    return (ORDER.index(result.verdict), 2.0 if math.isnan(auc) else -auc, result.metric)


def best_first(results: Iterable[Result]) -> list[Result]:
    """Order metrics by verdict, best first, then by look-alike AUC."""
    return sorted(results, key=standing)
