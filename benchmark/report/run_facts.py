"""How a run was made, and by which methods its numbers were found, as the results themselves say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from benchmark.report.notation import seconds
from benchmark.results.schema import Results, RunRecord

__all__ = ["INTERVALS", "making", "methods"]

INTERVALS: Final = {
    "jackknife": "lineage jackknife",
    "bootstrap": "lineage bootstrap",
    "percentile": "percentile bootstrap",
    "delong": "DeLong",
}
"""Names of the intervals that are compared for one AUC."""


def making(record: RunRecord) -> list[tuple[str, str]]:
    """How the run was made; what does not apply is left out."""
    catalog, machine = record.catalog, record.machine
    facts = [
        ("Command", record.command),
        ("Arguments", _listed(record.arguments)),
        ("Seed", str(record.seed)),
        ("Status", record.status),
        ("Started", record.started),
        ("Ended", record.ended),
        ("Time taken", ", ".join(f"{phase} {seconds(spent)}" for phase, spent in record.seconds.items())),
        ("Catalog", catalog.path if catalog else ""),
        ("Catalog digest", catalog.digest if catalog else ""),
        ("Read by naming convention", ", ".join(_by_convention(record))),
        ("Packages", _listed(record.packages)),
        ("Machine", _listed(vars(machine))),
    ]
    return [(name, value) for name, value in facts if value]


def _by_convention(record: RunRecord) -> list[str]:
    """The models whose type has no table of tensor names."""
    return [name for name, model in record.models.items() if model.reading == "by convention"]


def methods(results: Results) -> list[tuple[str, str]]:
    """What was computed and how; nothing for what these results do not hold."""
    metrics = results.metrics
    thresholds = [item for result in metrics for item in (*result.thresholds, *result.independent_thresholds)]
    found = (
        ("AUC and look-alike AUC", (result.look_alike_auc.method for result in metrics)),
        ("Partial AUC", (result.partial_auc.method for result in metrics)),
        ("Gap", (result.architecture.gap.method for result in metrics)),
        ("AUC for shape", (result.architecture.auc.method for result in metrics)),
        (
            "Effects on the score",
            (row.effect.method for one in metrics for row in one.architecture.regression),
        ),
        ("ROC bands", (result.curves.roc.method for result in metrics)),
        ("FPR and TPR", (item.fpr.method for item in thresholds)),
        ("Rates, lineages held out", (item.held_out_fpr.method for item in thresholds)),
        ("Rates, cells held out", (item.new_architecture_fpr.method for item in thresholds)),
        ("Metrics compared", (comparison.difference.method for comparison in results.comparisons)),
    )
    told = ((what, "; or ".join(dict.fromkeys(filter(None, how)))) for what, how in found)
    return [(what, how) for what, how in told if how]


def _listed(values: Mapping[str, object]) -> str:
    told = (
        (name, " ".join(map(str, value)) if isinstance(value, list | tuple) else value)
        for name, value in values.items()
    )
    return ", ".join(f"{name} {value}" for name, value in told if value not in (None, ""))
