"""What the authors of metrics claim, held against a finished run: thresholds, p-values, probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

import analysis
from analysis.summary_parts import ClaimAudit
from benchmark.results.files import RunDirectory
from benchmark.results.schema import ForgeryOutcome

__all__ = ["Audit", "Forged", "Missed", "Probability", "Rejections", "audit_run", "audit_text"]

PROBABILITIES: Final = frozenset({"modeldna-probability"})
"""Metrics whose score is said to be a probability of derivation."""

LEVELS: Final = (0.05, 0.01, 0.0027, 0.001)
"""Of claimed p-values; 0.0027 is two-sided |z| > 3."""

LN10: Final = math.log(10.0)


@dataclass(frozen=True)
class Missed:
    """Derived pairs of one method below the claimed threshold."""

    method: str
    n_pairs: int
    n_below: int
    lowest: float


@dataclass(frozen=True)
class Probability:
    """A claimed probability of derivation, as it comes out.

    Attributes
    ----------
    derived, independent, look_alike : float
        Mean over such pairs; a calibrated one is near 1 and near 0.
    cllr : float
        Cost in bits of its odds taken as likelihood ratios (even prior odds); 0 perfect, 1 says nothing.
    cllr_min : float
        What a calibration of the same score would leave.
    """

    derived: float
    independent: float
    look_alike: float
    cllr: float
    cllr_min: float


@dataclass(frozen=True)
class Rejections:
    """How often a claimed p-value of unrelated pairs is at or below a level."""

    level: float
    independent: analysis.Interval
    look_alike: analysis.Interval


@dataclass(frozen=True)
class Forged:
    """Models altered at no cost to what they compute, and whether the claimed threshold falls for it.

    Attributes
    ----------
    kind : {"frame", "evade"}
        Made to look like a stranger, or unlike the own ancestor; aimed at other metrics perhaps.
    n_pairs : int
        Forgeries that the metric scored before and after.
    n_turned : int
        Called derived only after framing, or no longer after evading.
    """

    kind: str
    n_pairs: int
    n_turned: int


@dataclass(frozen=True)
class Audit:
    """One metric's claims and what the run says of them.

    `tpr`, `fpr` and `look_alike_fpr` are at the claimed threshold (None without one); `missed` lists the
    methods with children below it, `forged` what forgeries of the run did about it.
    """

    metric: str
    text: str
    source: str
    auc: analysis.Interval
    look_alike_auc: analysis.Interval
    threshold: float | None
    tpr: analysis.Interval | None
    fpr: analysis.Interval | None
    look_alike_fpr: analysis.Interval | None
    missed: tuple[Missed, ...]
    probability: Probability | None
    rejections: tuple[Rejections, ...]
    forged: tuple[Forged, ...]


def audit_run(directory: Path) -> list[Audit]:
    """Audit every metric of a run that claims something.

    Raises
    ------
    UsageError
        The directory holds no finished run.
    """
    run = RunDirectory(directory)
    frames = dict(list(run.read_scores().groupby("metric", sort=False)))
    return [
        _audit(analysis.ScoreTable(frames[one.metric]), one.claim, one.forgeries)
        for one in run.read_results().metrics
        if one.claim is not None
    ]


def _audit(table: analysis.ScoreTable, claim: ClaimAudit, forgeries: Sequence[ForgeryOutcome]) -> Audit:
    threshold = claim.threshold
    held = None if threshold is None else analysis.audit_threshold(table, threshold)
    rejections = analysis.audit_p_values(table, levels=LEVELS).rates if claim.p_values else ()
    return Audit(
        metric=table.metric,
        text=claim.text,
        source=claim.source,
        auc=analysis.auc(table),
        look_alike_auc=analysis.look_alike_auc(table),
        threshold=threshold,
        tpr=None if held is None else held.tpr,
        fpr=None if held is None else held.fpr,
        look_alike_fpr=None if held is None else held.look_alike_fpr,
        missed=() if threshold is None else _missed(table, threshold),
        probability=_probability(table) if table.metric in PROBABILITIES else None,
        rejections=tuple(Rejections(each.level, each.observed, each.look_alike) for each in rejections),
        forged=() if threshold is None else _forged(forgeries),
    )


def _missed(table: analysis.ScoreTable, threshold: float) -> tuple[Missed, ...]:
    scores = table.frame["score"][table.derived & table.comparable].groupby(table.frame["method"])
    found = (
        Missed(str(method), len(values), int((values < threshold).sum()), float(values.min()))
        for method, values in scores
    )
    return tuple(each for each in found if each.n_below)


def _forged(forgeries: Sequence[ForgeryOutcome]) -> tuple[Forged, ...]:
    called = [one for one in forgeries if one.before_called is not None and one.after_called is not None]
    found = []
    for kind in sorted({one.kind for one in called}):
        own = [one for one in called if one.kind == kind]
        found.append(Forged(kind, len(own), sum(one.succeeded for one in own)))
    return tuple(found)


def _probability(table: analysis.ScoreTable) -> Probability:
    used = table.comparable & (table.derived | table.independent)
    p, positive = table.score[used], table.derived[used]
    with np.errstate(divide="ignore"):
        log10_odds = (np.log(p) - np.log1p(-p)) / LN10

    def mean(rows: np.ndarray[Any, np.dtype[np.bool_]]) -> float:
        values = table.score[rows & table.comparable]
        return float(values.mean()) if len(values) else math.nan

    return Probability(
        derived=mean(table.derived),
        independent=mean(table.independent),
        look_alike=mean(table.look_alike),
        cllr=analysis.cllr(log10_odds, positive),
        cllr_min=analysis.cllr_min(p, positive),
    )


def audit_text(audits: list[Audit]) -> str:
    """The audits for the eye."""
    lines = []
    for each in audits:
        lines += [
            f"{each.metric}: {each.text} ({each.source})",
            f"  AUC            {_shown(each.auc)}; against look-alikes {_shown(each.look_alike_auc)}",
        ]
        if each.threshold is not None:
            lines += [
                f"  at {each.threshold:g}: called derived",
                f"    children     {_shown(each.tpr)}",
                f"    independent  {_shown(each.fpr)}",
                f"    look-alikes  {_shown(each.look_alike_fpr)}",
            ]
            lines += [
                f"    missed       {miss.n_below} of {miss.n_pairs} {miss.method} (lowest {miss.lowest:.3f})"
                for miss in each.missed
            ]
        lines += [
            f"    forged       {one.n_turned} of {one.n_pairs} made to {one.kind} do" for one in each.forged
        ]
        if each.probability is not None:
            found = each.probability
            lines += [
                f"  mean probability: children {found.derived:.3f}, independent {found.independent:.3f},"
                f" look-alikes {found.look_alike:.3f}",
                f"  Cllr of its odds {found.cllr:.3f} bits; calibrated, the same score would cost"
                f" {found.cllr_min:.3f}",
            ]
        lines += [
            f"  p ≤ {one.level:g}: independent {_shown(one.independent)},"
            f" look-alikes {_shown(one.look_alike)}"
            for one in each.rejections
        ]
        lines.append("")
    return "\n".join(lines).rstrip() or "no metric of this run claims anything"


def _shown(interval: analysis.Interval | None) -> str:
    if interval is None or math.isnan(interval.estimate):
        return "not defined"
    return f"{interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
