"""Whether a metric can be made to accuse or to acquit at no cost: what forged models score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmark.results.schema import ForgeryOutcome, MetricResult

__all__ = ["KINDS", "Attack", "Kind", "Tally", "attack"]


@dataclass(frozen=True)
class Kind:
    """A kind of forgery: its slug, what it does, and the calls that make it a success."""

    slug: str
    title: str
    says: str
    wanted: bool


KINDS: Final = (
    Kind("frame", "Framing", "makes a model look derived from an unrelated one", True),
    Kind("evade", "Evasion", "makes a derived model look independent", False),
)


@dataclass(frozen=True)
class Tally:
    """How some forgeries fare against one metric.

    Attributes
    ----------
    n : int
        Forged models whose scores before and after are known.
    flipped : int
        Of them, those that change the call as the forger wants.
    already : int
        Those that were called so before anything was forged.
    uncalled : int
        Those without a call, because the metric has no threshold.
    before, after : float
        Mean scores; NaN without any.
    """

    n: int
    flipped: int
    already: int
    uncalled: int
    before: float
    after: float

    @property
    def told(self) -> str:
        """The outcome in a few words."""
        if not self.n:
            return "not tried"
        if self.uncalled == self.n:
            return "no threshold to call by"
        tried = self.n - self.already - self.uncalled
        if not tried:
            return f"all {self.n} are called that before any forgery"
        return f"{self.flipped} of {tried} succeed" if self.flipped else f"none of {tried} succeeds"


@dataclass(frozen=True)
class Attack:
    """How forgeries of one kind fare against one metric: those aimed at it, and those aimed at others."""

    kind: Kind
    aimed: Tally
    stray: Tally

    @property
    def succeeds(self) -> bool:
        """Whether any of them does."""
        return self.aimed.flipped + self.stray.flipped > 0

    @property
    def main(self) -> Tally:
        """Those that say most: the ones made against this metric, else the others."""
        return self.aimed if self.aimed.n else self.stray

    @property
    def aside(self) -> str:
        """What to say of the others."""
        if not self.stray.n:
            return ""
        others = "made against other metrics"
        return f"{others}: {self.stray.told}" if self.aimed.n else others


def attack(result: MetricResult, kind: Kind) -> Attack:
    """Sum up the forgeries of one kind against one metric."""
    rows = [
        row for row in result.forgeries if row.kind == kind.slug and not math.isnan(row.before + row.after)
    ]
    return Attack(
        kind,
        _tally([row for row in rows if row.aimed_at == result.metric], kind),
        _tally([row for row in rows if row.aimed_at != result.metric], kind),
    )


def _tally(rows: Sequence[ForgeryOutcome], kind: Kind) -> Tally:
    called = [row for row in rows if row.before_called is not None and row.after_called is not None]
    return Tally(
        n=len(rows),
        flipped=sum(row.succeeded for row in called),
        already=sum(row.before_called is kind.wanted for row in called),
        uncalled=len(rows) - len(called),
        before=sum(row.before for row in rows) / len(rows) if rows else math.nan,
        after=sum(row.after for row in rows) / len(rows) if rows else math.nan,
    )
