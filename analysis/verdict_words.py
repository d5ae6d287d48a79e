"""The words that judge a metric, and the lines that they are about: each is written here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from analysis.results import Result

__all__ = [
    "CLAIM_VERDICTS",
    "FAIR",
    "FAMILY_ERROR",
    "GOOD",
    "VERDICTS",
    "ClaimWord",
    "MethodState",
    "MethodTally",
    "VerdictWord",
    "family_level",
]

GOOD: Final = 0.9
"""Look-alike AUC of a metric that separates: a child beats nine look-alikes of ten."""
FAIR: Final = 0.75
"""Look-alike AUC below which a score is of no use: a child beats fewer than three look-alikes of four."""
FAMILY_ERROR: Final = 0.05
"""Chance that any bound of a family of statements is on the wrong side."""


class VerdictWord(StrEnum):
    """Whether the score separates children from look-alikes."""

    SEPARATES = "separates"
    WITHIN_LIMITS = "separates within limits"
    ARCHITECTURE = "architecture detector"
    FAILS = "does not separate"
    CANNOT_SAY = "cannot say"

    @classmethod
    def of_bounds(cls, low: float, high: float) -> VerdictWord:
        """What the bounds of the look-alike AUC alone say; NaN bounds say nothing.

        >>> from analysis.verdict_words import VerdictWord
        >>> print(VerdictWord.of_bounds(0.8, 0.97))
        separates within limits
        """
        if high < FAIR:
            return cls.FAILS
        if low > GOOD:
            return cls.SEPARATES
        return cls.WITHIN_LIMITS if low > FAIR else cls.CANNOT_SAY


class ClaimWord(StrEnum):
    """Whether what the authors of the metric state holds."""

    HOLDS = "holds"
    FAILS = "fails"
    NONE_STATED = "none stated"
    CANNOT_SAY = "cannot say"


class MethodState(StrEnum):
    """What is known of a metric on the children of one derivation method."""

    HELD = "held"
    UNDECIDED = "undecided"
    FAILED = "failed"
    NO_SCORE = "no score"


VERDICTS: Final = tuple(VerdictWord)
CLAIM_VERDICTS: Final = tuple(ClaimWord)


@dataclass(frozen=True, eq=False)
class MethodTally(Result):
    """How many derivation methods are in which state: every method is in one.

    Attributes
    ----------
    held, undecided, failed, no_score : int
        Derivation methods in that state.
    """

    held: int
    undecided: int
    failed: int
    no_score: int

    @classmethod
    def of(cls, states: Iterable[MethodState]) -> MethodTally:
        """Count the states of all methods.

        Examples
        --------
        >>> from analysis.verdict_words import MethodState, MethodTally
        >>> print(MethodTally.of([MethodState.HELD, MethodState.FAILED, MethodState.NO_SCORE]))
        of 3 derivation methods, 1 fails, 1 has no score, 0 are undecided, 1 holds
        """
        found = [MethodState(state) for state in states]
        tally = cls(*(found.count(state) for state in MethodState))
        assert tally.total == len(found)
        return tally

    @property
    def total(self) -> int:
        """All methods: the one denominator."""
        return self.held + self.undecided + self.failed + self.no_score

    def __str__(self) -> str:
        def counted(n: int, one: str, more: str) -> str:
            return f"{n} {one if n == 1 else more}"

        return (
            f"of {counted(self.total, 'derivation method', 'derivation methods')},"
            f" {counted(self.failed, 'fails', 'fail')}, {counted(self.no_score, 'has', 'have')} no score,"
            f" {counted(self.undecided, 'is', 'are')} undecided, {counted(self.held, 'holds', 'hold')}"
        )


def family_level(n_statements: int) -> float:
    """Level of each two-sided interval (Bonferroni) at which so many of them hold together.

    >>> from analysis.verdict_words import family_level
    >>> family_level(1), family_level(10)
    (0.95, 0.995)
    """
    return 1 - FAMILY_ERROR / max(n_statements, 1)
