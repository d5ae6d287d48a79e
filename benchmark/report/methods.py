"""By which statistical method each kind of number in a report was found, as the results themselves say."""

from __future__ import annotations

from typing import Final

from benchmark.results.schema import Results

__all__ = ["INTERVALS", "methods"]

INTERVALS: Final = {
    "jackknife": "lineage jackknife",
    "bootstrap": "lineage bootstrap",
    "percentile": "percentile bootstrap",
    "delong": "DeLong",
}
"""Names of the intervals that are compared for one AUC."""


def methods(results: Results) -> list[tuple[str, str]]:
    """What was computed and how; nothing for what these results do not hold."""
    metrics = results.metrics
    thresholds = [item for result in metrics for item in result.thresholds]
    found = (
        ("AUC and look-alike AUC", (result.look_alike_auc.method for result in metrics)),
        ("Partial AUC", (result.partial_auc.method for result in metrics)),
        ("Gap", (result.architecture.gap.method for result in metrics)),
        ("AUC for shape", (result.architecture.auc.method for result in metrics)),
        ("What lifts a score", (row.effect.method for one in metrics for row in one.architecture.regression)),
        ("ROC bands", (result.curves.roc.method for result in metrics)),
        ("FPR and TPR", (item.fpr.method for item in thresholds)),
        ("Rates, lineages left out", (item.held_out_fpr.method for item in thresholds)),
        ("Rates, cells left out", (item.new_architecture_fpr.method for item in thresholds)),
        ("Metrics compared", (comparison.difference.method for comparison in results.comparisons)),
    )
    told = ((what, "; or ".join(dict.fromkeys(filter(None, how)))) for what, how in found)
    return [(what, how) for what, how in told if how]
