"""The metrics of a run as page, text and figures show them: a typed result, and what only drawing needs."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import pandas as pd

from analysis import ScoreTable, Threshold, ThresholdAudit
from analysis.summary import MetricSummary
from analysis.verdict_words import FAIR, GOOD, VerdictWord
from benchmark.report import dots
from benchmark.report.families import NAMED, tally
from benchmark.report.notation import ends, goal, percent, plain, unit
from benchmark.report.training_distance import finite, look_alike_band
from benchmark.report.training_runs import finite_points
from benchmark.report.verdict_groups import CLAIM_SLUGS, Group, best_first, group_of, verdict_slug
from benchmark.results.decision import Decision, deciding_threshold
from benchmark.results.schema import (
    DecayPoint,
    MetricDescription,
    MetricResult,
    Results,
    RunPoint,
    RunRecord,
)

__all__ = [
    "MetricSection",
    "ThresholdLine",
    "anchors",
    "calibrated",
    "certificate",
    "claimed",
    "metric_sections",
]

LONGEST: Final = 80
"""Letters of a name in an address: file names have a limit, names of metrics have none."""


@dataclass(frozen=True)
class ThresholdLine:
    """A threshold as a line through a score plot: where, in percent across."""

    slug: str
    label: str
    share: float


@dataclass(frozen=True)
class MetricSection:
    """One metric in the report.

    Attributes
    ----------
    result : MetricResult
    description : MetricDescription or None
        None where the run opened no model (`analyse`).
    anchor : str
        Id of the section in the page.
    table : ScoreTable
    scale : dots.Scale
        Axis of the score plot.
    rows : tuple of dots.Row
        Of the score plot.
    look_alike_band : (float, float, float) or None
        5%, 50% and 95% quantiles of the look-alikes' scores; None without a score.
    """

    result: MetricResult
    description: MetricDescription | None
    anchor: str
    table: ScoreTable = field(repr=False)
    scale: dots.Scale
    rows: tuple[dots.Row, ...] = field(repr=False)
    look_alike_band: tuple[float, float, float] | None

    @property
    def name(self) -> str:
        """Of the metric."""
        return self.result.metric

    @property
    def group(self) -> Group:
        """The column of the ten-second answer."""
        return group_of(self.result.verdict)

    @property
    def mark(self) -> str:
        """Name of the verdict's mark."""
        return verdict_slug(self.result.verdict)

    @property
    def claim_slug(self) -> str:
        """Which group's colour the verdict on the claim has."""
        return CLAIM_SLUGS[self.result.claim_verdict]

    @property
    def claimed(self) -> ThresholdAudit | None:
        """The threshold that the metric's authors claim, with its rates."""
        return claimed(self.result)

    @property
    def calibrated(self) -> Threshold | None:
        """The calibrated threshold that tables quote."""
        return calibrated(self.result)

    @property
    def decision(self) -> Decision:
        """The threshold that makes the calls."""
        return deciding_threshold(self.result)

    @property
    def decay(self) -> tuple[DecayPoint, ...]:
        """Trained children that can be drawn."""
        return finite(self.result.decay)

    @property
    def run_points(self) -> tuple[RunPoint, ...]:
        """Points of training runs that can be drawn."""
        return finite_points(self.result.run_points)

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
            f"{self.n_scored - left:,} of {self.n_scored:,} pairs are drawn: all derived pairs and, in every"
            " other row, the lowest and highest scores and an even sample in between. Outlines cover all."
        )

    @property
    def lines(self) -> tuple[ThresholdLine, ...]:
        """The thresholds that the score plot draws: the claimed one and the calibrated one."""
        found = []
        stated, own = self.claimed, self.calibrated
        if stated and math.isfinite(stated.threshold):
            found.append(self._line("claimed", f"claimed {plain(stated.threshold)}", stated.threshold))
        if own and math.isfinite(own.value):
            at = f"{goal(own.max_fpr)} FPR among {own.against}" + ("" if own.certified else ", not certified")
            found.append(self._line("calibrated", f"calibrated {plain(own.value)} ({at})", own.value))
        # The outer line is labelled first: labels point inwards, so no line then crosses the other's label.
        return tuple(sorted(found, key=lambda line: -abs(line.share - 50)))

    def _line(self, slug: str, label: str, value: float) -> ThresholdLine:
        return ThresholdLine(slug, label, round(self.scale.share(value) * 100, 2))

    @property
    def class_warning(self) -> str:
        """The warning that stands most often in the tables by class; empty where none does."""
        methods, classes = self.result.by_method.values(), self.result.by_look_alike.values()
        intervals = [value for one in methods for value in (one.auc, one.look_alike_auc, one.tpr)]
        intervals += [value for one in classes for value in (one.auc, one.fpr)]
        told = Counter(warning for value in intervals for warning in value.warnings)
        return min(told, key=lambda warning: (-told[warning], warning), default="")

    @property
    def short(self) -> str:
        """Why the verdict is what it is, short enough for a table: limits are counted, not listed."""
        result = self.result
        if self.group.slug == "yes" and self.limits:
            return self.limits
        bounds = result.bounds.look_alike_auc
        if self.group.slug == "unknown" and bounds.low < FAIR <= bounds.high:
            return f"bounds {ends(bounds)} include {unit(FAIR, 2)}"
        if self.group.slug == "no":
            same = result.architecture.auc
            shape = f"; AUC for shape {unit(same.estimate, 2)}" if same.defined else ""
            return f"upper bound {unit(bounds.high, 2)}{shape}"
        return result.because

    @property
    def limits(self) -> str:
        """Where a metric that separates does not: methods it fails on, and how much it leaves unscored."""
        result, told = self.result, []
        if result.verdict == VerdictWord.WITHIN_LIMITS and result.bounds.look_alike_auc.low <= GOOD:
            told.append(f"lower bound {unit(result.bounds.look_alike_auc.low, 2)}")
        if result.fails_on:
            of = f"{result.methods.failed} of {result.methods.total} derivation methods: "
            told.append(f"fails on {of if len(result.fails_on) > NAMED else ''}{tally(result.fails_on)}")
        if result.coverage.derived < 1:
            told.append(f"no score for {percent(1 - result.coverage.derived)} of derived pairs")
        return "; ".join(told)

    @property
    def threshold_reasons(self) -> tuple[str, ...]:
        """Why thresholds are not certified, each once."""
        every = (*self.result.thresholds, *self.result.independent_thresholds)
        return tuple(dict.fromkeys(item.reason for item in every if item.reason))

    @property
    def thresholds(self) -> tuple[Threshold, ...]:
        """The calibrated thresholds: each goal against look-alikes, then against all independent pairs."""
        alike = (item for item in self.result.thresholds if item.negatives == "look-alike")
        return (*alike, *self.result.independent_thresholds)

    @property
    def first_thresholds(self) -> tuple[Threshold, ...]:
        """Those for the largest allowed FPR: against look-alikes, then against all independent pairs."""
        at = max((item.max_fpr for item in self.thresholds), default=math.nan)
        return tuple(item for item in self.thresholds if item.max_fpr == at)

    @cached_property
    def unscored(self) -> tuple[tuple[str, int], ...]:
        """Why pairs have no score: "status: reason" with how many, most frequent first."""
        rows = self.table.frame[~self.table.comparable]
        told = Counter(zip(rows["status"].astype(str), rows["reason"].astype(str), strict=True))
        ordered = sorted(told.items(), key=lambda item: (-item[1], item[0]))
        return tuple((f"{status}: {reason or 'no reason given'}", n) for (status, reason), n in ordered)


def claimed(result: MetricSummary) -> ThresholdAudit | None:
    """The threshold that a metric's authors claim, with its rates; None where they claim none.

    Raises
    ------
    ValueError
        There is a threshold and no rates: the analysis gives none without the other.
    """
    claim = result.claim
    if claim is None or claim.threshold is None:
        return None
    if claim.fpr is None or claim.tpr is None or claim.look_alike_fpr is None:
        raise ValueError(f"the threshold claimed for {result.metric} has no rates")
    return ThresholdAudit(claim.threshold, claim.fpr, claim.tpr, claim.look_alike_fpr)


def calibrated(result: MetricSummary) -> Threshold | None:
    """The calibrated threshold with the largest allowed false positive rate, which tables quote."""
    return result.thresholds[0] if result.thresholds else None


def certificate(threshold: Threshold) -> str:
    """Whether a threshold is certified, for whom it would be, and together with how many metrics."""
    if not threshold.certified:
        return "not certified"
    jointly = f", {threshold.n_metrics} metrics together" if threshold.n_metrics > 1 else ""
    return f"certified{jointly}" if threshold.finds_any else "out of reach of every derived pair"


def anchors(names: Sequence[str], prefix: str) -> dict[str, str]:
    """Give every name an id that is unique in the page and readable in an address."""
    taken: dict[str, str] = {}
    for name in names:
        plain_ = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:LONGEST] or "x"
        anchor, again = f"{prefix}-{plain_}", 2
        while anchor in taken.values():
            anchor, again = f"{prefix}-{plain_}-{again}", again + 1
        taken[name] = anchor
    return taken


def metric_sections(
    record: RunRecord, results: Results, scores: pd.DataFrame, most: int = 100_000
) -> tuple[MetricSection, ...]:
    """Prepare every metric of a run, best verdict first, then by look-alike AUC.

    Parameters
    ----------
    record : RunRecord
    results : Results
    scores : pandas.DataFrame
        The score table of all metrics.
    most : int
        Dots of a score plot at most, about.
    """
    ids = anchors(results.names, "metric")
    frames = {str(name): frame for name, frame in scores.groupby("metric", sort=False)}
    return tuple(
        _section(
            result,
            record.metrics.get(result.metric),
            ids[result.metric],
            ScoreTable(frames[result.metric]),
            most,
        )
        for result in best_first(results.metrics)
    )


def _section(
    result: MetricResult, description: MetricDescription | None, anchor: str, table: ScoreTable, most: int
) -> MetricSection:
    stated, own = claimed(result), calibrated(result)
    marks = ([stated.threshold] if stated else []) + ([own.value] if own else [])
    scale = dots.scale(table.score, *marks)
    rows = tuple(dots.rows(table, scale, most))
    return MetricSection(result, description, anchor, table, scale, rows, look_alike_band(table))
