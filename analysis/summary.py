"""What a file keeps of an analysis: the numbers of each metric report, and arrays only as curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from analysis.discrimination.breakdown import LookAlikeClass, MethodClass
from analysis.discrimination.comparison import Comparison
from analysis.discrimination.roc import RocCurve
from analysis.inference.claims import PValueAudit, RejectionRate
from analysis.inference.confounding import ArchitectureAudit
from analysis.inference.permutation import PermutationTest
from analysis.notebook import Shown
from analysis.results import Interval
from analysis.table import RELATIONS, ScoreTable
from analysis.thresholds.calibration import Threshold
from analysis.thresholds.power import certifiable_fpr, lineages_needed, minimal_detectable_auc_difference

if TYPE_CHECKING:
    from analysis.evidence.likelihood_ratio import Evidence
    from analysis.metric_report import MetricReport

__all__ = [
    "AucIntervals",
    "CatalogSummary",
    "CellSummary",
    "ClaimAudit",
    "Coverage",
    "Curves",
    "EceCurve",
    "EvidenceSummary",
    "MetricSummary",
    "PValueSummary",
    "QuantileCurve",
    "RelationScores",
    "TippettCurve",
    "share",
]

Floats = npt.NDArray[np.float64]
Masks = npt.NDArray[np.bool_]
QUANTILES: Final = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
T = TypeVar("T")


@dataclass(frozen=True)
class Coverage(Shown):
    """Shares of pairs with a score, in [0, 1]; NaN where there is no such pair."""

    derived: float
    independent: float
    look_alike: float


@dataclass(frozen=True)
class AucIntervals(Shown):
    """The AUC against all independent pairs: "jackknife", "bootstrap", "percentile" and "delong"."""

    auc: Mapping[str, Interval]


@dataclass(frozen=True)
class ClaimAudit(Shown):
    """What a metric's authors claim, and what the claimed threshold does.

    Attributes
    ----------
    threshold, auc : float or None
        As claimed.
    p_values : bool
        Whether the score is said to be (minus log10 of) a p-value.
    text, source : str
    fpr, tpr, look_alike_fpr : Interval or None
        At the claimed threshold; None where none is claimed, `reason` then says so.
    reason : str
    """

    threshold: float | None
    auc: float | None
    p_values: bool
    text: str
    source: str
    fpr: Interval | None
    tpr: Interval | None
    look_alike_fpr: Interval | None
    reason: str

    @classmethod
    def of(cls, report: MetricReport) -> ClaimAudit | None:
        """The audit of a report's claim; None where nothing is claimed."""
        claim, audit = report.claim, report.claim_audit
        if claim is None:
            return None
        return cls(
            threshold=claim.threshold,
            auc=claim.auc,
            p_values=claim.p_values,
            text=claim.text,
            source=claim.source,
            fpr=audit.fpr if audit else None,
            tpr=audit.tpr if audit else None,
            look_alike_fpr=audit.look_alike_fpr if audit else None,
            reason="" if audit else "no threshold is claimed",
        )


@dataclass(frozen=True)
class PValueSummary(Shown):
    """How often claimed p-values of independent pairs lie at or below usual levels."""

    rates: tuple[RejectionRate, ...]
    verdict: str
    because: str
    n_pairs: int
    reason: str


@dataclass(frozen=True)
class EvidenceSummary(Shown):
    """The quality of a metric's likelihood ratios; the fields of `Evidence` that are numbers."""

    cllr: float
    cllr_min: float
    cllr_cal: float
    cllr_isotonic: float
    lower: float
    upper: float
    max_abs_log10_lr: float
    n_derived: int
    n_independent: int
    n_lineages: int
    reason: str


@dataclass(frozen=True)
class RelationScores(Shown):
    """Where the scores of one relation lie.

    Attributes
    ----------
    n, n_scored : int
        Pairs, and those with a score.
    median : float
    quantiles : mapping of str to float
        Probability, as text → a score that is there; NaN without any.
    """

    n: int
    n_scored: int
    median: float
    quantiles: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class TippettCurve(Shown):
    """Shares of derived and of independent weight with at least this log10 likelihood ratio."""

    log10_lr: Floats
    derived: Floats
    independent: Floats


@dataclass(frozen=True, eq=False)
class EceCurve(Shown):
    """Empirical cross-entropy in bits over the prior's log10 odds."""

    log10_odds: Floats
    logistic: Floats
    pav: Floats
    neutral: Floats


@dataclass(frozen=True, eq=False)
class QuantileCurve(Shown):
    """Claimed p-values of independent pairs beside those expected if they were uniform."""

    expected: Floats
    observed: Floats


@dataclass(frozen=True, eq=False)
class Curves(Shown):
    """What plots of a metric draw; None where there is nothing to draw."""

    roc: RocCurve
    look_alike_roc: RocCurve
    tippett: TippettCurve | None
    ece: EceCurve | None
    qq: QuantileCurve | None

    @classmethod
    def of(cls, report: MetricReport) -> Curves:
        """The curves of a report."""
        evidence, audit = report.evidence, report.p_values
        return cls(
            report.roc,
            report.look_alike_roc,
            TippettCurve(**evidence.tippett) if evidence.tippett else None,
            EceCurve(**evidence.ece) if evidence.ece else None,
            None if audit is None else QuantileCurve(audit.expected, audit.observed),
        )


@dataclass(frozen=True, eq=False)
class MetricSummary(Shown):
    """All that a file keeps of one metric's analysis.

    Attributes
    ----------
    metric : str
    version : int or None
        Of the metric's definition; None where it is not registered.
    n_pairs : int
        Rows of the score table.
    n_derived, n_independent, n_look_alike : int
        Pairs with a score, by relation; look-alikes are a part of the independent pairs.
    n_models, n_lineages : int
        Among the pairs with a score.
    abstained, failed : int
        Pairs without a score.
    coverage : Coverage
    auc, look_alike_auc, partial_auc : Interval
        Against all independent pairs; against look-alikes, matched; up to a small false positive rate.
    auc_with_abstentions_worst, look_alike_auc_with_abstentions_worst : Interval
        With every pair that has no score ranked worst.
    intervals : AucIntervals
    permutation : PermutationTest
    thresholds : tuple of Threshold
        One a goal, the largest allowed false positive rate first.
    claim : ClaimAudit or None
    p_values : PValueSummary or None
        Where the authors claim that the metric gives p-values.
    evidence : EvidenceSummary
    architecture : ArchitectureAudit
    by_method, by_look_alike : mapping
        Derivation method, or class of look-alikes, → what the metric makes of it.
    relations : mapping of str to RelationScores
    without_look_alikes : tuple of (str, str)
        Derived pairs without any look-alike.
    intraclass_correlation : Interval
    curves : Curves
    verdict, because : str
    fails_on : tuple of str
        Derivation methods on which the metric fails, worst first.
    warnings : tuple of str
        What a reader must know before quoting the numbers.
    """

    _headline = "metric"
    _shown = ("metric", "verdict", "look_alike_auc", "auc", "permutation", "thresholds", "claim", "warnings")

    metric: str
    version: int | None
    n_pairs: int
    n_derived: int
    n_independent: int
    n_look_alike: int
    n_models: int
    n_lineages: int
    abstained: int
    failed: int
    coverage: Coverage
    auc: Interval
    look_alike_auc: Interval
    partial_auc: Interval
    auc_with_abstentions_worst: Interval
    look_alike_auc_with_abstentions_worst: Interval
    intervals: AucIntervals
    permutation: PermutationTest
    thresholds: tuple[Threshold, ...]
    claim: ClaimAudit | None
    p_values: PValueSummary | None
    evidence: EvidenceSummary
    architecture: ArchitectureAudit
    by_method: Mapping[str, MethodClass]
    by_look_alike: Mapping[str, LookAlikeClass]
    relations: Mapping[str, RelationScores]
    without_look_alikes: tuple[tuple[str, str], ...]
    intraclass_correlation: Interval
    curves: Curves = field(repr=False)
    verdict: str
    because: str
    fails_on: tuple[str, ...]
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, report: MetricReport) -> MetricSummary:
        """Summarise a report."""
        table = report.table
        known = np.concatenate([table.model_a[table.comparable], table.model_b[table.comparable]])
        lineages = np.concatenate([table.lineage_a[table.comparable], table.lineage_b[table.comparable]])
        status = table.frame["status"].to_numpy(dtype=object)
        judged = report.verdict
        return cls(
            metric=report.metric,
            version=report.version,
            n_pairs=len(table),
            n_derived=int((table.derived & table.comparable).sum()),
            n_independent=int((table.independent & table.comparable).sum()),
            n_look_alike=int((table.look_alike & table.comparable).sum()),
            n_models=len(np.unique(known)),
            n_lineages=len(np.unique(lineages)),
            abstained=int((status == "abstained").sum()),
            failed=int((status == "failed").sum()),
            coverage=Coverage(
                report.derived_coverage,
                share(table.independent, table.comparable),
                share(table.look_alike, table.comparable),
            ),
            auc=report.auc,
            look_alike_auc=report.look_alike_auc,
            partial_auc=report.partial_auc,
            auc_with_abstentions_worst=report.worst_auc,
            look_alike_auc_with_abstentions_worst=report.worst_look_alike_auc,
            intervals=AucIntervals(dict(report.intervals)),
            permutation=report.permutation,
            thresholds=report.thresholds,
            claim=ClaimAudit.of(report),
            p_values=None if report.p_values is None else _part(PValueSummary, report.p_values),
            evidence=_part(EvidenceSummary, report.evidence),
            architecture=report.architecture,
            by_method=report.by_method,
            by_look_alike=report.by_look_alike,
            relations=_relations(table),
            without_look_alikes=report.unmatched,
            intraclass_correlation=report.intraclass_correlation,
            curves=Curves.of(report),
            verdict=judged.verdict,
            because=judged.because,
            fails_on=judged.fails_on,
            warnings=report.warnings,
        )


@dataclass(frozen=True)
class CellSummary(Shown):
    """Models and lineages of one architecture cell."""

    n_models: int
    n_lineages: int


@dataclass(frozen=True)
class CatalogSummary(Shown):
    """What the models of all tables together are, and what so many lineages can certify.

    Attributes
    ----------
    n_models, n_lineages, n_cells : int
    cells : mapping of str to CellSummary
    confidence : float
        Of the certificates below.
    certifiable_fpr : float
        Lowest false positive rate that so many lineages can certify; NaN where none.
    lineages_needed : mapping of str to int
        A false positive rate, as text → lineages that a certificate needs.
    minimal_detectable_auc_difference : float
    """

    n_models: int
    n_lineages: int
    n_cells: int
    cells: Mapping[str, CellSummary]
    confidence: float
    certifiable_fpr: float
    lineages_needed: Mapping[str, int]
    minimal_detectable_auc_difference: float

    @classmethod
    def of(cls, tables: Sequence[ScoreTable], goals: Sequence[float], confidence: float) -> CatalogSummary:
        """Count the models of several tables."""
        lineage: dict[str, str] = {}
        cell: dict[str, str] = {}
        for table in tables:
            for i, model in enumerate(table.models.tolist()):
                lineage[model] = str(table.lineages[table.lineage_of[i]])
                if table.cell_of[i] >= 0:
                    cell[model] = str(table.cells[table.cell_of[i]])
        held: dict[str, list[str]] = {name: [] for name in sorted(set(cell.values()))}
        for model, own in cell.items():
            held[own].append(model)
        n = len(set(lineage.values()))
        return cls(
            n_models=len(lineage),
            n_lineages=n,
            n_cells=len(held),
            cells={
                name: CellSummary(len(models), len({lineage[model] for model in models}))
                for name, models in held.items()
            },
            confidence=confidence,
            certifiable_fpr=certifiable_fpr(n, confidence),
            lineages_needed={f"{goal:g}": lineages_needed(goal, confidence) for goal in goals},
            minimal_detectable_auc_difference=minimal_detectable_auc_difference(
                n, max(2, round(len(lineage) / max(n, 1)))
            ),
        )


@dataclass(frozen=True, eq=False)
class Summary(Shown):
    """All that a file keeps of an analysis: its metrics, paired differences, and what the models are."""

    metrics: tuple[MetricSummary, ...]
    comparisons: tuple[Comparison, ...]
    catalog: CatalogSummary


def share(of: Masks, having: Masks) -> float:
    """Share of the first that has the second; NaN where the first is empty."""
    total = int(of.sum())
    return int((of & having).sum()) / total if total else float("nan")


def _part(kind: type[T], value: PValueAudit | Evidence) -> T:
    """The fields of a result that a summary of it keeps."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    kept: dict[str, Any] = {name: getattr(value, name) for name in names}
    return kind(**kept)


def _relations(table: ScoreTable) -> dict[str, RelationScores]:
    """How many pairs of each relation there are, and where their scores lie."""
    found = {}
    for relation in RELATIONS:
        mask = table.relation == relation
        if not mask.any():
            continue
        scores = table.score[mask & table.comparable]
        # "lower" takes a score that is there, so that infinite ones make no NaN.
        at = {
            q: float(np.quantile(scores, q, method="lower")) if len(scores) else float("nan")
            for q in QUANTILES
        }
        found[relation] = RelationScores(
            int(mask.sum()), len(scores), at[0.5], {f"{q:g}": value for q, value in at.items()}
        )
    return found
