"""What the report says of each metric: the values that pages, texts and figures print."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from analysis import ScoreTable
from benchmark.report import dots
from benchmark.report.families import NAMED, tally
from benchmark.report.notation import goal, percent, plain, unit
from benchmark.report.reading import Curve, Estimate
from benchmark.report.wording import Group, group_of, verdict_slug

__all__ = ["ClassRow", "Cut", "Effect", "Forged", "MetricView", "Rejection", "ThresholdView", "Travelled"]


UNSTATED: Final = Estimate()
FOOLED: Final = 0.5  # share of look-alikes from which a claimed threshold is the first thing to say


@dataclass(frozen=True)
class ThresholdView:
    """A threshold and what it does; `value` is NaN where none could be given, `reason` then says why."""

    max_fpr: float
    confidence: float
    value: float
    certified: bool
    fpr: Estimate
    tpr: Estimate
    reason: str
    lineages_needed: int | None
    look_alike_fpr: Estimate = UNSTATED
    held_out_fpr: Estimate = UNSTATED
    held_out_tpr: Estimate = UNSTATED
    new_architecture_fpr: Estimate = UNSTATED
    new_architecture_tpr: Estimate = UNSTATED


@dataclass(frozen=True)
class Cut:
    """A threshold as a line through a score plot: where, in percent across."""

    slug: str
    label: str
    share: float


@dataclass(frozen=True)
class ClassRow:
    """A method of derived pairs, or a class of look-alikes, with what the metric does on it."""

    name: str
    n_pairs: int | None
    n_lineages: int | None
    median: float
    auc: Estimate
    look_alike_auc: Estimate = UNSTATED
    tpr: Estimate = UNSTATED
    fpr: Estimate = UNSTATED


@dataclass(frozen=True)
class Effect:
    """How much a property of a pair lifts its score, in ranks, all other properties being equal."""

    name: str
    effect: Estimate
    p_value: float


@dataclass(frozen=True)
class Rejection:
    """How often claimed p-values of independent pairs, and of look-alikes, lie at or below a level."""

    level: float
    observed: Estimate
    look_alike: Estimate


@dataclass(frozen=True)
class Travelled:
    """A trained child with its score against an ancestor.

    Attributes
    ----------
    share : float
        Steps trained since the ancestor, as a share of the founder's own budget.
    """

    model: str
    ancestor: str
    method: str
    steps: int | None
    share: float
    score: float
    lineage: str


@dataclass(frozen=True)
class Forged:
    """What a forgery did to one score: `of` was turned into `forged`, its function kept, to look at `target`.

    Attributes
    ----------
    kind : str
        "frame" or "evade".
    aimed_at : str
        The metric that it was made against.
    before_called, after_called : bool or None
        Whether the threshold calls the pair derived; None where there is no threshold, `reason` says why.
    """

    forged: str
    of: str
    target: str
    kind: str
    aimed_at: str
    before: float
    after: float
    threshold: float
    before_called: bool | None
    after_called: bool | None
    reason: str

    @property
    def succeeded(self) -> bool:
        """Whether the call changed as the forger wanted."""
        calls = (self.before_called, self.after_called)
        return calls == ((False, True) if self.kind == "frame" else (True, False))


@dataclass(frozen=True)
class MetricView:
    """Everything the report shows of one metric."""

    name: str
    anchor: str
    title: str
    version: int | None
    verdict: str
    because: str
    look_alike_auc: Estimate
    auc: Estimate
    partial_auc: Estimate
    gap: Estimate
    same_cell_auc: Estimate
    worst_auc: Estimate
    derived_coverage: float
    fails_on: tuple[str, ...]
    unmatched: int
    audit: tuple[Rejection, ...]
    audit_verdict: str
    effects: tuple[Effect, ...]
    effects_reason: str
    p_value: float
    adjusted_p_value: float
    permutation_note: str
    claim: ThresholdView | None
    claims: tuple[Mapping[str, Any], ...]
    thresholds: tuple[ThresholdView, ...]
    by_method: tuple[ClassRow, ...]
    by_look_alike: tuple[ClassRow, ...]
    shared: tuple[ClassRow, ...]
    decay: tuple[Travelled, ...]
    forgeries: tuple[Forged, ...]
    look_alike_band: tuple[float, float, float] | None
    intervals: tuple[tuple[str, str, Estimate], ...]
    curves: Mapping[str, Curve]
    evidence: Mapping[str, float]
    evidence_reason: str
    counts: Mapping[str, int | None]
    reasons: tuple[tuple[str, int], ...]
    warnings: tuple[str, ...]
    facts: Mapping[str, Any]
    scale: dots.Scale
    rows: tuple[dots.Row, ...]
    table: ScoreTable | None

    @property
    def group(self) -> Group:
        """The column of the ten-second answer."""
        return group_of(self.verdict)

    @property
    def mark(self) -> str:
        """Name of the verdict's mark."""
        return verdict_slug(self.verdict)

    @property
    def first(self) -> ThresholdView | None:
        """The calibrated threshold with the largest allowed FPR, the one that tables quote."""
        return self.thresholds[0] if self.thresholds else None

    @property
    def cut_value(self) -> float:
        """The threshold that makes the calls: the claimed one, else the first calibrated; NaN without any."""
        if self.claim is not None:
            return self.claim.value
        return self.first.value if self.first else math.nan

    @property
    def forgeable(self) -> bool:
        """Whether some forgery changed this metric's call as the forger wanted."""
        return any(row.succeeded for row in self.forgeries)

    @property
    def n_scored(self) -> int:
        """Pairs with a score."""
        return sum(row.n for row in self.rows)

    @property
    def thinned(self) -> str:
        """What the score plot leaves out, in one sentence; empty where it shows every pair."""
        left = sum(row.n - len(row.pairs) for row in self.rows)
        if not left:
            return ""
        return (
            f"{self.n_scored - left:,} of {self.n_scored:,} pairs are drawn: all derived pairs; of every"
            " other row the lowest and highest scores, and an even sample between. Outlines are of all."
        )

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """The thresholds that the score plot draws: the claimed one and the calibrated one."""
        cuts = []
        if self.claim and math.isfinite(self.claim.value):
            cuts.append(self._cut("claimed", f"claimed {plain(self.claim.value)}", self.claim.value))
        if self.first and math.isfinite(self.first.value):
            at = f"{goal(self.first.max_fpr)} % FPR" + ("" if self.first.certified else ", not certified")
            cuts.append(
                self._cut("calibrated", f"calibrated {plain(self.first.value)} ({at})", self.first.value)
            )
        # The outer line is labelled first: labels point inwards, so no line then crosses the other's label.
        return tuple(sorted(cuts, key=lambda cut: -abs(cut.share - 50)))

    def _cut(self, slug: str, label: str, value: float) -> Cut:
        return Cut(slug, label, round(self.scale.share(value) * 100, 2))

    @property
    def daggers(self) -> bool:
        """Whether a table by class holds an interval with a warning."""
        rows = (*self.by_method, *self.by_look_alike)
        return any(
            value.warnings for row in rows for value in (row.auc, row.look_alike_auc, row.tpr, row.fpr)
        )

    @property
    def aside(self) -> str:
        """The one thing to know beside the look-alike AUC, for the ten-second answer."""
        if self.group.slug == "unknown":
            return self.because or self.verdict
        if self.group.slug == "yes" and self.limits:
            return self.limits
        passed = self.claim.look_alike_fpr.estimate if self.claim else math.nan
        if self.group.slug == "no" and passed > FOOLED:
            return f"its authors' threshold passes {percent(passed)} % of look-alikes"
        told = f"; {unit(self.auc.estimate)} against all independents" if self.auc.defined else ""
        return self.verdict + told

    @property
    def short(self) -> str:
        """Why the verdict is what it is, short enough for a table: limits are counted, not listed."""
        return (self.limits or self.because) if self.group.slug == "yes" else self.because

    @property
    def limits(self) -> str:
        """Where a metric that separates does not: methods it fails on, and how much it leaves unscored."""
        known = sum(row.look_alike_auc.defined for row in self.by_method)
        named = tally(self.fails_on)
        of = f"{len(self.fails_on)} of {known} ways: " if len(self.fails_on) > NAMED else ""
        told = [f"fails on {of}{named}"] if self.fails_on else []
        if self.derived_coverage < 1:
            told.append(f"no score for {percent(1 - self.derived_coverage)} % of derived pairs")
        return "; ".join(told)

    @property
    def threshold_reasons(self) -> tuple[str, ...]:
        """Why thresholds are not certified, each once."""
        return tuple(dict.fromkeys(item.reason for item in self.thresholds if item.reason))

    @property
    def abstained(self) -> int | None:
        """Pairs on which the metric abstained."""
        return self.counts.get("abstained")
