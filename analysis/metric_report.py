"""The report of one metric: all results of its table, and the verdict that follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from analysis.breakdown import LookAlikeClass, MethodClass
from analysis.claim_verdicts import ClaimVerdict
from analysis.discrimination.roc import RocCurve
from analysis.evidence.likelihood_ratio import Evidence
from analysis.inference.claims import Claim, PValueAudit
from analysis.inference.confounding import ArchitectureAudit
from analysis.inference.permutation import PermutationTest
from analysis.influence.sensitivities import Sensitivity
from analysis.results import Interval, Result
from analysis.table import ScoreTable
from analysis.thresholds.calibration import Threshold, ThresholdAudit
from analysis.verdict_bounds import SeparationBounds
from analysis.verdicts import Verdict, verdict

__all__ = ["MetricReport", "reversed_scores"]

FAR_BELOW: Final = 0.25
"""An AUC below this looks like that of a distance, however few lineages there are."""


def reversed_scores(auc: Interval) -> str:
    """Say that scores run the wrong way, as those of a distance do; empty where they do not.

    >>> from analysis import auc, example_table
    >>> from analysis.metric_report import reversed_scores
    >>> reversed_scores(auc(example_table()))
    ''
    """
    if auc.high < 0.5 or auc.estimate < FAR_BELOW:
        return (
            f"derived pairs score below independent ones (AUC {auc.estimate:.3f}): scores must be"
            " higher for more similar models; negate a distance"
        )
    return ""


@dataclass(frozen=True, eq=False)
class MetricReport(Result):
    """All that is known about one metric on one catalog.

    Attributes
    ----------
    metric : str
    version : int or None
    table : ScoreTable
    auc, look_alike_auc, partial_auc : Interval
    worst_auc, worst_look_alike_auc : Interval
        With every pair that has no score ranked worst.
    intervals : mapping of str to Interval
        The AUC by jackknife, bootstrap, percentile bootstrap and DeLong.
    permutation : PermutationTest
    thresholds, independent_thresholds : tuple of Threshold
        Against look-alikes (all independent pairs in a table without any), and against all independent pairs.
    claim : Claim or None
    claim_audit : ThresholdAudit or None
        What the claimed threshold does.
    p_values : PValueAudit or None
        Where the claim says that the metric gives p-values.
    evidence : Evidence
        Against look-alikes.
    evidence_against : mapping of str to Evidence
        Against the other alternatives: all independent pairs, siblings, and so on.
    architecture : ArchitectureAudit
    by_method, by_look_alike : mapping
    roc, look_alike_roc : RocCurve
    intraclass_correlation : Interval
    unmatched : tuple of (str, str)
        Derived pairs without any look-alike.
    bounds : SeparationBounds
        What the verdict rests on.
    claim_verdict : ClaimVerdict
        Whether what the authors claim holds.
    sensitivity : Sensitivity
    """

    _shown = (
        "metric", "verdict", "claim_verdict", "look_alike_auc", "auc", "permutation", "thresholds",
        "claim_audit", "evidence", "warnings",
    )  # fmt: skip

    metric: str
    version: int | None
    table: ScoreTable
    auc: Interval
    look_alike_auc: Interval
    partial_auc: Interval
    worst_auc: Interval
    worst_look_alike_auc: Interval
    intervals: Mapping[str, Interval]
    permutation: PermutationTest
    thresholds: tuple[Threshold, ...]
    independent_thresholds: tuple[Threshold, ...]
    claim: Claim | None
    claim_audit: ThresholdAudit | None
    p_values: PValueAudit | None
    evidence: Evidence
    evidence_against: Mapping[str, Evidence]
    architecture: ArchitectureAudit
    by_method: Mapping[str, MethodClass]
    by_look_alike: Mapping[str, LookAlikeClass]
    roc: RocCurve
    look_alike_roc: RocCurve
    intraclass_correlation: Interval
    unmatched: tuple[tuple[str, str], ...]
    bounds: SeparationBounds
    claim_verdict: ClaimVerdict
    sensitivity: Sensitivity

    def __str__(self) -> str:
        return f"{self.metric}: {self.verdict}"

    @cached_property
    def verdict(self) -> Verdict:
        """The metric judged by the one rule."""
        return verdict(self)

    @property
    def derived_coverage(self) -> float:
        """Share of derived pairs with a score; NaN without derived pairs."""
        return self.table.coverage(self.table.derived)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must know before quoting the numbers, each once."""
        said = [*self.table.notes, *self.auc.warnings, *self.look_alike_auc.warnings]
        if reversed_scores(self.auc):
            said.append(reversed_scores(self.auc))
        if self.table.derived.any() and self.derived_coverage < 1:
            missing = int((self.table.derived & ~self.table.comparable).sum())
            said.append(f"{missing} of {int(self.table.derived.sum())} derived pairs have no score")
        said += [f"threshold: {item.reason}" for item in self.thresholds[:1] if item.reason]
        said += [f"evidence: {self.evidence.reason}"] if self.evidence.reason else []
        return tuple(dict.fromkeys(said))
