"""Scores of pairs of models → evidence: intervals, tests, thresholds and verdicts that respect lineages.

A name is imported when it is first asked for, with the libraries behind it and no others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from analysis.breakdown import (
        by_look_alike as by_look_alike,
        by_method as by_method,
    )
    from analysis.claim_verdicts import (
        ClaimVerdict as ClaimVerdict,
        claim_verdict as claim_verdict,
    )
    from analysis.discrimination.auc import (
        auc as auc,
        auc_with_abstentions_worst as auc_with_abstentions_worst,
        look_alike_auc as look_alike_auc,
        pairs_without_look_alikes as pairs_without_look_alikes,
    )
    from analysis.discrimination.comparison import (
        Comparison as Comparison,
        compare_all as compare_all,
        compare_metrics as compare_metrics,
        holm as holm,
    )
    from analysis.discrimination.ranks import (
        Rank as Rank,
        ranks as ranks,
    )
    from analysis.discrimination.roc import (
        RocCurve as RocCurve,
        partial_auc as partial_auc,
        roc_curve as roc_curve,
    )
    from analysis.evidence.candidates import (
        Candidate as Candidate,
        CandidateSet as CandidateSet,
        Entry as Entry,
        exclude_candidates as exclude_candidates,
    )
    from analysis.evidence.combination import (
        Combination as Combination,
        combine_evidence as combine_evidence,
    )
    from analysis.evidence.likelihood_ratio import (
        Evidence as Evidence,
        calibrate_evidence as calibrate_evidence,
    )
    from analysis.evidence.lr_interval import (
        evidence_interval as evidence_interval,
    )
    from analysis.evidence.quality import (
        cllr as cllr,
        cllr_min as cllr_min,
    )
    from analysis.evidence.rank_p_values import (
        derivation_p_value as derivation_p_value,
        stranger_p_value as stranger_p_value,
    )
    from analysis.example import (
        example_table as example_table,
    )
    from analysis.full_analysis import (
        Analysis as Analysis,
        analyse as analyse,
    )
    from analysis.inference.claims import (
        Claim as Claim,
        PValueAudit as PValueAudit,
        audit_p_values as audit_p_values,
    )
    from analysis.inference.confounding import (
        ArchitectureAudit as ArchitectureAudit,
        architecture_detector as architecture_detector,
        dyadic_regression as dyadic_regression,
    )
    from analysis.inference.permutation import (
        PermutationTest as PermutationTest,
        separation_test as separation_test,
        separation_tests as separation_tests,
    )
    from analysis.influence.influence import (
        Influence as Influence,
        SeedInfluence as SeedInfluence,
    )
    from analysis.influence.sensitivities import (
        Sensitivity as Sensitivity,
        sensitivity as sensitivity,
    )
    from analysis.look_alikes import (
        look_alike_pairs as look_alike_pairs,
    )
    from analysis.metric_report import (
        MetricReport as MetricReport,
    )
    from analysis.results import (
        Interval as Interval,
        as_json as as_json,
    )
    from analysis.summary import (
        CatalogSummary as CatalogSummary,
        MetricSummary as MetricSummary,
        Summary as Summary,
    )
    from analysis.table import (
        BadTable as BadTable,
        ScoreTable as ScoreTable,
    )
    from analysis.thresholds.calibration import (
        Threshold as Threshold,
        ThresholdAudit as ThresholdAudit,
        audit_threshold as audit_threshold,
        calibrate_threshold as calibrate_threshold,
    )
    from analysis.thresholds.power import (
        certifiable_fpr as certifiable_fpr,
        lineages_needed as lineages_needed,
        minimal_detectable_auc_difference as minimal_detectable_auc_difference,
    )
    from analysis.thresholds.rates import (
        rate as rate,
    )
    from analysis.validation import (
        BadArgument as BadArgument,
    )
    from analysis.verdict_bounds import (
        SeparationBounds as SeparationBounds,
        separation_bounds as separation_bounds,
    )
    from analysis.verdict_words import (
        CLAIM_VERDICTS as CLAIM_VERDICTS,
        VERDICTS as VERDICTS,
        ClaimWord as ClaimWord,
        MethodState as MethodState,
        MethodTally as MethodTally,
        VerdictWord as VerdictWord,
    )
    from analysis.verdicts import (
        Verdict as Verdict,
        verdict as verdict,
    )

_CONTENTS: Final = {
    "analysis.breakdown": ("by_look_alike", "by_method"),
    "analysis.claim_verdicts": ("ClaimVerdict", "claim_verdict"),
    "analysis.discrimination.auc": (
        "auc",
        "auc_with_abstentions_worst",
        "look_alike_auc",
        "pairs_without_look_alikes",
    ),
    "analysis.discrimination.comparison": ("Comparison", "compare_all", "compare_metrics", "holm"),
    "analysis.discrimination.ranks": ("Rank", "ranks"),
    "analysis.discrimination.roc": ("RocCurve", "partial_auc", "roc_curve"),
    "analysis.evidence.candidates": ("Candidate", "CandidateSet", "Entry", "exclude_candidates"),
    "analysis.evidence.combination": ("Combination", "combine_evidence"),
    "analysis.evidence.likelihood_ratio": ("Evidence", "calibrate_evidence"),
    "analysis.evidence.lr_interval": ("evidence_interval",),
    "analysis.evidence.quality": ("cllr", "cllr_min"),
    "analysis.evidence.rank_p_values": ("derivation_p_value", "stranger_p_value"),
    "analysis.example": ("example_table",),
    "analysis.full_analysis": ("Analysis", "analyse"),
    "analysis.inference.claims": ("Claim", "PValueAudit", "audit_p_values"),
    "analysis.inference.confounding": ("ArchitectureAudit", "architecture_detector", "dyadic_regression"),
    "analysis.inference.permutation": ("PermutationTest", "separation_test", "separation_tests"),
    "analysis.look_alikes": ("look_alike_pairs",),
    "analysis.metric_report": ("MetricReport",),
    "analysis.results": ("Interval", "as_json"),
    "analysis.influence.influence": ("Influence", "SeedInfluence"),
    "analysis.influence.sensitivities": ("Sensitivity", "sensitivity"),
    "analysis.summary": ("CatalogSummary", "MetricSummary", "Summary"),
    "analysis.table": ("BadTable", "ScoreTable"),
    "analysis.thresholds.calibration": (
        "Threshold",
        "ThresholdAudit",
        "audit_threshold",
        "calibrate_threshold",
    ),
    "analysis.thresholds.power": ("certifiable_fpr", "lineages_needed", "minimal_detectable_auc_difference"),
    "analysis.thresholds.rates": ("rate",),
    "analysis.validation": ("BadArgument",),
    "analysis.verdict_bounds": ("SeparationBounds", "separation_bounds"),
    "analysis.verdict_words": (
        "CLAIM_VERDICTS",
        "ClaimWord",
        "MethodState",
        "MethodTally",
        "VERDICTS",
        "VerdictWord",
    ),
    "analysis.verdicts": ("Verdict", "verdict"),
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
