"""Scores of pairs of models → evidence: intervals, tests, thresholds and verdicts that respect lineages."""

from __future__ import annotations

from analysis.breakdown import by_look_alike, by_method
from analysis.discrimination.auc import (
    auc,
    auc_with_abstentions_worst,
    look_alike_auc,
    pairs_without_look_alikes,
)
from analysis.discrimination.comparison import Comparison, compare_all, compare_metrics, holm
from analysis.discrimination.ranks import Rank, ranks
from analysis.discrimination.roc import RocCurve, partial_auc, roc_curve
from analysis.evidence.candidates import (
    Candidate,
    CandidateSet,
    Entry,
    derivation_p_value,
    exclude_candidates,
    stranger_p_value,
)
from analysis.evidence.combination import Combination, combine_evidence
from analysis.evidence.likelihood_ratio import Evidence, calibrate_evidence
from analysis.evidence.lr_interval import evidence_interval
from analysis.evidence.quality import cllr, cllr_min
from analysis.example import example_table
from analysis.full_analysis import Analysis, analyse
from analysis.inference.claims import Claim, PValueAudit, audit_p_values
from analysis.inference.confounding import ArchitectureAudit, architecture_detector, dyadic_regression
from analysis.inference.permutation import PermutationTest, separation_test, separation_tests
from analysis.look_alikes import look_alike_pairs
from analysis.metric_report import MetricReport
from analysis.results import Interval, as_json
from analysis.summary import CatalogSummary, MetricSummary, Summary
from analysis.table import BadTable, ScoreTable
from analysis.thresholds.calibration import Threshold, ThresholdAudit, audit_threshold, calibrate_threshold
from analysis.thresholds.power import certifiable_fpr, lineages_needed, minimal_detectable_auc_difference
from analysis.thresholds.rates import rate
from analysis.validation import BadArgument
from analysis.verdicts import VERDICTS, Verdict, verdict

__all__ = [
    "VERDICTS",
    "Analysis",
    "ArchitectureAudit",
    "BadArgument",
    "BadTable",
    "Candidate",
    "CandidateSet",
    "CatalogSummary",
    "Claim",
    "Combination",
    "Comparison",
    "Entry",
    "Evidence",
    "Interval",
    "MetricReport",
    "MetricSummary",
    "PValueAudit",
    "PermutationTest",
    "Rank",
    "RocCurve",
    "ScoreTable",
    "Summary",
    "Threshold",
    "ThresholdAudit",
    "Verdict",
    "analyse",
    "architecture_detector",
    "as_json",
    "auc",
    "auc_with_abstentions_worst",
    "audit_p_values",
    "audit_threshold",
    "by_look_alike",
    "by_method",
    "calibrate_evidence",
    "calibrate_threshold",
    "certifiable_fpr",
    "cllr",
    "cllr_min",
    "combine_evidence",
    "compare_all",
    "compare_metrics",
    "derivation_p_value",
    "dyadic_regression",
    "evidence_interval",
    "example_table",
    "exclude_candidates",
    "holm",
    "lineages_needed",
    "look_alike_auc",
    "look_alike_pairs",
    "minimal_detectable_auc_difference",
    "pairs_without_look_alikes",
    "partial_auc",
    "ranks",
    "rate",
    "roc_curve",
    "separation_test",
    "separation_tests",
    "stranger_p_value",
    "verdict",
]
