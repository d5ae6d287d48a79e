"""Scores of pairs of models → evidence: intervals, tests, thresholds and verdicts that respect lineages.

What is asked for is imported when it is asked for: a name costs the libraries behind it, and no others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from analysis.breakdown import by_look_alike as by_look_alike
    from analysis.breakdown import by_method as by_method
    from analysis.discrimination.auc import (
        auc as auc,
    )
    from analysis.discrimination.auc import (
        auc_with_abstentions_worst as auc_with_abstentions_worst,
    )
    from analysis.discrimination.auc import (
        look_alike_auc as look_alike_auc,
    )
    from analysis.discrimination.auc import (
        pairs_without_look_alikes as pairs_without_look_alikes,
    )
    from analysis.discrimination.comparison import (
        Comparison as Comparison,
    )
    from analysis.discrimination.comparison import (
        compare_all as compare_all,
    )
    from analysis.discrimination.comparison import (
        compare_metrics as compare_metrics,
    )
    from analysis.discrimination.comparison import (
        holm as holm,
    )
    from analysis.discrimination.ranks import Rank as Rank
    from analysis.discrimination.ranks import ranks as ranks
    from analysis.discrimination.roc import (
        RocCurve as RocCurve,
    )
    from analysis.discrimination.roc import (
        partial_auc as partial_auc,
    )
    from analysis.discrimination.roc import (
        roc_curve as roc_curve,
    )
    from analysis.evidence.candidates import (
        Candidate as Candidate,
    )
    from analysis.evidence.candidates import (
        CandidateSet as CandidateSet,
    )
    from analysis.evidence.candidates import (
        Entry as Entry,
    )
    from analysis.evidence.candidates import (
        derivation_p_value as derivation_p_value,
    )
    from analysis.evidence.candidates import (
        exclude_candidates as exclude_candidates,
    )
    from analysis.evidence.candidates import (
        stranger_p_value as stranger_p_value,
    )
    from analysis.evidence.combination import (
        Combination as Combination,
    )
    from analysis.evidence.combination import (
        combine_evidence as combine_evidence,
    )
    from analysis.evidence.likelihood_ratio import (
        Evidence as Evidence,
    )
    from analysis.evidence.likelihood_ratio import (
        calibrate_evidence as calibrate_evidence,
    )
    from analysis.evidence.lr_interval import evidence_interval as evidence_interval
    from analysis.evidence.quality import cllr as cllr
    from analysis.evidence.quality import cllr_min as cllr_min
    from analysis.example import example_table as example_table
    from analysis.full_analysis import Analysis as Analysis
    from analysis.full_analysis import analyse as analyse
    from analysis.inference.claims import (
        Claim as Claim,
    )
    from analysis.inference.claims import (
        PValueAudit as PValueAudit,
    )
    from analysis.inference.claims import (
        audit_p_values as audit_p_values,
    )
    from analysis.inference.confounding import (
        ArchitectureAudit as ArchitectureAudit,
    )
    from analysis.inference.confounding import (
        architecture_detector as architecture_detector,
    )
    from analysis.inference.confounding import (
        dyadic_regression as dyadic_regression,
    )
    from analysis.inference.permutation import (
        PermutationTest as PermutationTest,
    )
    from analysis.inference.permutation import (
        separation_test as separation_test,
    )
    from analysis.inference.permutation import (
        separation_tests as separation_tests,
    )
    from analysis.look_alikes import look_alike_pairs as look_alike_pairs
    from analysis.metric_report import MetricReport as MetricReport
    from analysis.results import Interval as Interval
    from analysis.results import as_json as as_json
    from analysis.summary import (
        CatalogSummary as CatalogSummary,
    )
    from analysis.summary import (
        MetricSummary as MetricSummary,
    )
    from analysis.summary import (
        Summary as Summary,
    )
    from analysis.table import BadTable as BadTable
    from analysis.table import ScoreTable as ScoreTable
    from analysis.thresholds.calibration import (
        Threshold as Threshold,
    )
    from analysis.thresholds.calibration import (
        ThresholdAudit as ThresholdAudit,
    )
    from analysis.thresholds.calibration import (
        audit_threshold as audit_threshold,
    )
    from analysis.thresholds.calibration import (
        calibrate_threshold as calibrate_threshold,
    )
    from analysis.thresholds.power import (
        certifiable_fpr as certifiable_fpr,
    )
    from analysis.thresholds.power import (
        lineages_needed as lineages_needed,
    )
    from analysis.thresholds.power import (
        minimal_detectable_auc_difference as minimal_detectable_auc_difference,
    )
    from analysis.thresholds.rates import rate as rate
    from analysis.validation import BadArgument as BadArgument
    from analysis.verdicts import VERDICTS as VERDICTS
    from analysis.verdicts import Verdict as Verdict
    from analysis.verdicts import verdict as verdict

_CONTENTS: Final = {
    "analysis.discrimination.auc": (
        "auc",
        "auc_with_abstentions_worst",
        "look_alike_auc",
        "pairs_without_look_alikes",
    ),
    "analysis.breakdown": ("by_look_alike", "by_method"),
    "analysis.example": ("example_table",),
    "analysis.look_alikes": ("look_alike_pairs",),
    "analysis.thresholds.rates": ("rate",),
    "analysis.results": ("Interval", "as_json"),
    "analysis.discrimination.roc": ("RocCurve", "partial_auc", "roc_curve"),
    "analysis.table": ("BadTable", "ScoreTable"),
    "analysis.thresholds.calibration": (
        "Threshold",
        "ThresholdAudit",
        "audit_threshold",
        "calibrate_threshold",
    ),
    "analysis.full_analysis": ("Analysis", "analyse"),
    "analysis.metric_report": ("MetricReport",),
    "analysis.inference.claims": ("Claim", "PValueAudit", "audit_p_values"),
    "analysis.evidence.combination": ("Combination", "combine_evidence"),
    "analysis.evidence.lr_interval": ("evidence_interval",),
    "analysis.discrimination.comparison": ("Comparison", "compare_all", "compare_metrics", "holm"),
    "analysis.inference.confounding": ("ArchitectureAudit", "architecture_detector", "dyadic_regression"),
    "analysis.evidence.likelihood_ratio": ("Evidence", "calibrate_evidence"),
    "analysis.evidence.quality": ("cllr", "cllr_min"),
    "analysis.inference.permutation": ("PermutationTest", "separation_test", "separation_tests"),
    "analysis.evidence.candidates": (
        "Candidate",
        "CandidateSet",
        "Entry",
        "derivation_p_value",
        "exclude_candidates",
        "stranger_p_value",
    ),
    "analysis.thresholds.power": ("certifiable_fpr", "lineages_needed", "minimal_detectable_auc_difference"),
    "analysis.discrimination.ranks": ("Rank", "ranks"),
    "analysis.validation": ("BadArgument",),
    "analysis.verdicts": ("VERDICTS", "Verdict", "verdict"),
    "analysis.summary": ("CatalogSummary", "MetricSummary", "Summary"),
}
_HOMES: Final = {name: module for module, names in _CONTENTS.items() for name in names}

__all__ = [*_HOMES]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
