"""What a file keeps of an analysis: the numbers of each metric report, and arrays only as curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from analysis.breakdown import LookAlikeClass, MethodClass
from analysis.columns import RELATIONS
from analysis.discrimination.comparison import Comparison
from analysis.evidence.evidence_summary import EvidenceSummary
from analysis.evidence.likelihood_ratio import Evidence
from analysis.inference.claims import PValueAudit, PValueSummary
from analysis.inference.confounding import ArchitectureAudit
from analysis.inference.permutation import PermutationTest
from analysis.influence.sensitivities import Sensitivity
from analysis.metric_report import MetricReport
from analysis.results import Interval, Result
from analysis.summary_parts import (
    AucIntervals,
    ClaimAudit,
    Coverage,
    Curves,
    RelationScores,
)
from analysis.table import ScoreTable
from analysis.thresholds.calibration import Threshold
from analysis.thresholds.certificate import lineages_worth, worth
from analysis.thresholds.power import certifiable_fpr, lineages_needed, minimal_detectable_auc_difference
from analysis.verdict_bounds import SeparationBounds
from analysis.verdict_words import ClaimWord, MethodTally, VerdictWord

__all__ = ["CatalogSummary", "CellSummary", "MetricSummary", "Summary"]

Floats = npt.NDArray[np.float64]
QUANTILES: Final = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class MetricSummary(Result):
    """All that a file keeps of one metric's analysis.

    Attributes
    ----------
    metric : str
        Its name.
    version : int or None
        Of the metric's definition; None where it is not registered.
    n_pairs : int
        Rows of the score table.
    n_derived, n_independent, n_look_alike : int
        Pairs with a score; look-alikes are a part of the independent pairs.
    n_models, n_lineages : int
        Among the pairs with a score.
    abstained, failed : int
        Pairs without a score.
    coverage : Coverage
    auc : Interval
        How often a derived pair scores above an independent pair.
    look_alike_auc : Interval
        How often it scores above one of its own look-alikes.
    partial_auc : Interval
        Mean true positive rate over false positive rates from 0 to 0.05.
    auc_with_abstentions_worst, look_alike_auc_with_abstentions_worst : Interval
        With every pair that has no score ranked worst.
    intervals : AucIntervals
        The AUC by other methods, for comparison.
    permutation : PermutationTest
    thresholds : tuple of Threshold
        Against look-alikes, one per goal, the largest allowed false positive rate first. In a table without
        look-alikes against all independent pairs, as `negatives` of each says.
    independent_thresholds : tuple of Threshold
        The same against all independent pairs.
    claim : ClaimAudit or None
        None where nobody claims anything.
    p_values : PValueSummary or None
        Where the authors claim that the metric gives p-values.
    evidence : EvidenceSummary
        Against look-alikes.
    evidence_against : mapping of str to EvidenceSummary
        Against "independent" pairs of any shapes, "sibling", "shared-init" and "distilled" ones.
    architecture : ArchitectureAudit
    by_method : mapping of str to MethodClass
        Derivation method → what the metric makes of its derived pairs.
    by_look_alike : mapping of str to LookAlikeClass
        What look-alikes have in common beside their shape (or else their cells) → what the metric makes of
        them.
    relations : mapping of str to RelationScores
        Relation → where its scores lie; a relation without pairs is left out.
    without_look_alikes : tuple of (str, str)
        Derived pairs without any look-alike.
    intraclass_correlation : Interval
        How alike scores of derived pairs of one lineage are.
    curves : Curves
    verdict : VerdictWord
        Does the score separate children from look-alikes? "separates", "separates within limits",
        "architecture detector", "does not separate" or "cannot say".
    because : str
        The numbers that decided.
    fails_on : tuple of str
        Derivation methods on which the metric is shown to fail, worst first.
    methods : MethodTally
        How many derivation methods hold, are undecided, fail, have no score: every one is counted once.
    bounds : SeparationBounds
        What the verdict rests on: bounds for all metrics together.
    claim_verdict : ClaimWord
        Does what the authors claim hold? "holds", "fails", "none stated" or "cannot say".
    claim_because : str
        The numbers that decided.
    sensitivity : Sensitivity
        What one lineage, label, architecture, coarser cells or another seed would change.
    warnings : tuple of str
        What a reader must know before quoting the numbers.
    """

    _headline = "metric"
    _shown = (
        "metric",
        "verdict",
        "claim_verdict",
        "look_alike_auc",
        "auc",
        "permutation",
        "thresholds",
        "claim",
        "warnings",
    )

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
    independent_thresholds: tuple[Threshold, ...]
    claim: ClaimAudit | None
    p_values: PValueSummary | None
    evidence: EvidenceSummary
    evidence_against: Mapping[str, EvidenceSummary]
    architecture: ArchitectureAudit
    by_method: Mapping[str, MethodClass]
    by_look_alike: Mapping[str, LookAlikeClass]
    relations: Mapping[str, RelationScores]
    without_look_alikes: tuple[tuple[str, str], ...]
    intraclass_correlation: Interval
    curves: Curves = field(repr=False)
    verdict: VerdictWord
    because: str
    fails_on: tuple[str, ...]
    methods: MethodTally
    bounds: SeparationBounds
    claim_verdict: ClaimWord
    claim_because: str
    sensitivity: Sensitivity
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, report: MetricReport) -> MetricSummary:
        """Summarise a report."""
        table = report.table
        known = np.concatenate([table.model_a[table.comparable], table.model_b[table.comparable]])
        lineages = np.concatenate([table.lineage_a[table.comparable], table.lineage_b[table.comparable]])
        status = table.frame["status"].to_numpy()
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
                table.coverage(table.independent),
                table.coverage(table.look_alike),
            ),
            auc=report.auc,
            look_alike_auc=report.look_alike_auc,
            partial_auc=report.partial_auc,
            auc_with_abstentions_worst=report.worst_auc,
            look_alike_auc_with_abstentions_worst=report.worst_look_alike_auc,
            intervals=AucIntervals(dict(report.intervals)),
            permutation=report.permutation,
            thresholds=report.thresholds,
            independent_thresholds=report.independent_thresholds,
            claim=ClaimAudit.of(report),
            p_values=None if report.p_values is None else _part(PValueSummary, report.p_values),
            evidence=_part(EvidenceSummary, report.evidence),
            evidence_against={
                name: _part(EvidenceSummary, one) for name, one in report.evidence_against.items()
            },
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
            methods=MethodTally.of(row.state for row in report.by_method.values()),
            bounds=report.bounds,
            claim_verdict=report.claim_verdict.verdict,
            claim_because=report.claim_verdict.because,
            sensitivity=report.sensitivity,
            warnings=report.warnings,
        )


@dataclass(frozen=True, eq=False)
class CellSummary(Result):
    """What there is of one architecture cell.

    Attributes
    ----------
    n_models, n_lineages : int
        Models of that shape, and the lineages they come from.
    """

    n_models: int
    n_lineages: int


@dataclass(frozen=True, eq=False)
class CatalogSummary(Result):
    """What the models of all tables together are, and what their lineages can certify.

    Attributes
    ----------
    n_models, n_lineages, n_cells : int
        Models, lineages and architecture cells in the score tables.
    cells : mapping of str to CellSummary
        Architecture cell → what there is of it.
    confidence : float
        Of the certificates below.
    n_metrics : int
        Metrics whose certificates hold together with that confidence.
    n_look_alike_negatives, n_independent_negatives : float
        Independent look-alikes, and independent negatives of any shape, that the lineages are worth at most.
    certifiable_fpr, certifiable_independent_fpr : float
        Lowest false positive rate (mean over lineages) that so many can certify against look-alikes, and
        against all independent pairs; NaN where none.
    lineages_needed : mapping of str to int
        A false positive rate, as text → lineages that a certificate needs, each of which shares its shapes
        with another where it is against look-alikes.
    minimal_detectable_auc_difference : float
        Smallest difference of two AUCs around 0.9 that a paired test will likely find; NaN where none.
    """

    n_models: int
    n_lineages: int
    n_cells: int
    cells: Mapping[str, CellSummary]
    confidence: float
    n_metrics: int
    n_look_alike_negatives: float
    n_independent_negatives: float
    certifiable_fpr: float
    certifiable_independent_fpr: float
    lineages_needed: Mapping[str, int]
    minimal_detectable_auc_difference: float

    @classmethod
    def of(
        cls, tables: Sequence[ScoreTable], goals: Sequence[float], confidence: float, n_metrics: int = 1
    ) -> CatalogSummary:
        """Count the models of several tables; what certificates rest on is counted in the largest."""
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
        largest = max(tables, key=len, default=None)
        alike, any_ = (
            worth(largest, negatives) if largest is not None else 0.0
            for negatives in ("look-alike", "independent")
        )
        return cls(
            n_models=len(lineage),
            n_lineages=n,
            n_cells=len(held),
            cells={
                name: CellSummary(len(models), len({lineage[model] for model in models}))
                for name, models in held.items()
            },
            confidence=confidence,
            n_metrics=n_metrics,
            n_look_alike_negatives=alike,
            n_independent_negatives=any_,
            certifiable_fpr=certifiable_fpr(lineages_worth(alike), confidence, n_metrics),
            certifiable_independent_fpr=certifiable_fpr(lineages_worth(any_), confidence, n_metrics),
            lineages_needed={f"{goal:g}": lineages_needed(goal, confidence, n_metrics) for goal in goals},
            minimal_detectable_auc_difference=minimal_detectable_auc_difference(
                n, max(2, round(len(lineage) / max(n, 1)))
            ),
        )


@dataclass(frozen=True, eq=False)
class Summary(Result):
    """All that a file keeps of an analysis: its metrics, paired differences, and what the models are.

    Attributes
    ----------
    metrics : tuple of MetricSummary
        In the order of the tables.
    comparisons : tuple of Comparison
        Every two metrics, paired.
    catalog : CatalogSummary
        Of all tables together.
    """

    metrics: tuple[MetricSummary, ...]
    comparisons: tuple[Comparison, ...]
    catalog: CatalogSummary


def _part(kind: type[T], value: PValueAudit | Evidence) -> T:
    """The fields of a result that a summary of it keeps."""
    names = [item.name for item in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: getattr(value, name) for name in names})


def _relations(table: ScoreTable) -> dict[str, RelationScores]:
    """How many pairs of each relation there are, and where their scores lie."""
    found = {}
    for relation in RELATIONS:
        mask = table.relation == relation
        if not mask.any():
            continue
        scores = table.score[mask & table.comparable]
        # "lower" takes a score that is there, so that infinite ones make no NaN.
        at = {q: float(np.quantile(scores, q, method="lower")) if len(scores) else np.nan for q in QUANTILES}
        found[relation] = RelationScores(
            int(mask.sum()), len(scores), at[0.5], {f"{q:g}": value for q, value in at.items()}
        )
    return found
