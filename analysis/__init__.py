"""Scores of pairs of models → evidence: intervals, tests, thresholds and verdicts that respect lineages."""

from __future__ import annotations

# ruff: noqa: I001 — two blocks, kept apart: the core, and what is inferred from it

# --- core -----------------------------------------------------------------------------------------------
from analysis.discrimination.auc import (
    auc as auc,
    auc_with_abstentions_worst as auc_with_abstentions_worst,
    look_alike_auc as look_alike_auc,
    pairs_without_look_alikes as pairs_without_look_alikes,
)
from analysis.discrimination.breakdown import by_look_alike as by_look_alike, by_method as by_method
from analysis.example import example_table as example_table
from analysis.look_alikes import look_alike_pairs as look_alike_pairs
from analysis.thresholds.rates import rate as rate
from analysis.results import Interval as Interval, as_json as as_json
from analysis.discrimination.roc import (
    RocCurve as RocCurve,
    partial_auc as partial_auc,
    roc_curve as roc_curve,
)
from analysis.table import BadTable as BadTable, ScoreTable as ScoreTable
from analysis.thresholds.calibration import (
    Threshold as Threshold,
    ThresholdAudit as ThresholdAudit,
    audit_threshold as audit_threshold,
    calibrate_threshold as calibrate_threshold,
)

# --- inference ------------------------------------------------------------------------------------------
from analysis.metric_report import (
    Analysis as Analysis,
    MetricReport as MetricReport,
    analyse as analyse,
)
from analysis.inference.claims import (
    Claim as Claim,
    PValueAudit as PValueAudit,
    audit_p_values as audit_p_values,
)
from analysis.evidence.combination import (
    Combination as Combination,
    combine_evidence as combine_evidence,
    evidence_interval as evidence_interval,
)
from analysis.discrimination.comparison import (
    Comparison as Comparison,
    compare_all as compare_all,
    compare_metrics as compare_metrics,
    holm as holm,
)
from analysis.inference.confounding import (
    ArchitectureAudit as ArchitectureAudit,
    architecture_detector as architecture_detector,
    dyadic_regression as dyadic_regression,
)
from analysis.evidence.likelihood_ratio import (
    Evidence as Evidence,
    calibrate_evidence as calibrate_evidence,
)
from analysis.evidence.quality import cllr as cllr, cllr_min as cllr_min
from analysis.inference.permutation import (
    PermutationTest as PermutationTest,
    separation_test as separation_test,
    separation_tests as separation_tests,
)
from analysis.evidence.candidates import (
    Candidate as Candidate,
    CandidateSet as CandidateSet,
    Entry as Entry,
    derivation_p_value as derivation_p_value,
    exclude_candidates as exclude_candidates,
    stranger_p_value as stranger_p_value,
)
from analysis.thresholds.power import (
    certifiable_fpr as certifiable_fpr,
    lineages_needed as lineages_needed,
    minimal_detectable_auc_difference as minimal_detectable_auc_difference,
)
from analysis.discrimination.ranks import Rank as Rank, ranks as ranks
from analysis.validation import BadArgument as BadArgument
from analysis.verdicts import VERDICTS as VERDICTS, Verdict as Verdict, verdict as verdict
from analysis.summary import (
    CatalogSummary as CatalogSummary,
    MetricSummary as MetricSummary,
    Summary as Summary,
)
