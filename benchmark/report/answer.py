"""What a run is, whether it is whole, and what its catalog can certify, in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from analysis import CatalogSummary, Threshold
from benchmark.report.headline import goals, lineages_that_count
from benchmark.report.notation import count, goal, percent, plain
from benchmark.report.sections import MetricSection
from benchmark.results.schema import Results, RunRecord

__all__ = [
    "Alarm",
    "alarms",
    "certify",
    "lead",
    "level_note",
]


@dataclass(frozen=True)
class Alarm:
    """Something a reader must know before reading on."""

    title: str
    text: str


def lead(record: RunRecord, results: Results, scores: pd.DataFrame) -> str:
    """What was run, in one or two sentences."""
    pairs = scores[["model_a", "model_b"]].drop_duplicates()
    n_models = pd.concat([pairs["model_a"], pairs["model_b"]]).nunique()
    counted = (
        f"{count(n_models, 'model')} in {count(results.catalog.n_lineages, 'lineage')}",
        count(len(pairs), "pair"),
        count(len(results.metrics), "metric"),
    )
    told = [f"Run of {record.started[:10]}", f"seed {record.seed}"]
    told += [f"tier {record.tier}"] if record.tier else []
    return f"{'; '.join(counted)}. {', '.join(told)}."


def alarms(record: RunRecord) -> tuple[Alarm, ...]:
    """What is incomplete about a run."""
    failed = sum(failure.count for failure in record.failures)
    if failed:
        return (Alarm("Partial.", f"{count(failed, 'unit')} of work failed; everything else is complete."),)
    if record.status == "partial":
        return (Alarm("Partial.", "Part of the work did not finish."),)
    return ()


def level_note(sections: Sequence[MetricSection]) -> str:
    """The level of the intervals quoted, as a phrase."""
    levels = {section.result.look_alike_auc.level for section in sections}
    return f" with {goal(levels.pop())} intervals" if len(levels) == 1 else ""


def _worth(n: float, what: str) -> str:
    return f"equivalent to {n:.4g} {what} pairs"


def _holders(thresholds: Sequence[tuple[str, Threshold]], against: str) -> list[str]:
    """For each goal, whose thresholds are certified, and how many metrics the statement is about."""
    told = []
    for at in sorted({item.max_fpr for _, item in thresholds}, reverse=True):
        some = [(name, item) for name, item in thresholds if item.max_fpr == at and item.finds_any]
        held = [(name, item) for name, item in some if item.certified]
        for metrics in sorted({item.n_metrics for _, item in held}, reverse=True):
            names = ", ".join(name for name, item in held if item.n_metrics == metrics)
            jointly = _together(metrics, len(thresholds))
            told.append(f"Certified at {goal(at)} against {against}{jointly}: {names}.")
    return told


def _together(metrics: int, judged: int) -> str:
    """For how many metrics a certificate holds at once."""
    if metrics > 1:
        return f", {metrics} metrics together"
    return ", each metric by itself" if judged > 1 else ""


def certify(catalog: CatalogSummary, sections: Sequence[MetricSection]) -> list[str]:
    """What this catalog can and cannot certify, in sentences."""
    have = count(catalog.n_lineages, "lineage")
    told = [
        f"The pairs come from {have}, {_worth(catalog.n_look_alike_negatives, 'independent look-alike')}."
    ]
    if not math.isnan(catalog.certifiable_fpr):
        together = f" for {catalog.n_metrics} metrics together" if catalog.n_metrics > 1 else ""
        told.append(
            "With no error among them, they can certify a false-positive rate among look-alikes no lower than"
            f" {percent(catalog.certifiable_fpr)} at {goal(catalog.confidence)} confidence{together}"
            f" (among all independent pairs: {percent(catalog.certifiable_independent_fpr)}). The rate is a"
            " mean over lineages, each counted in at most one pair."
        )
    short = [(at, need) for at, need in goals(catalog) if need > lineages_that_count(catalog)]
    if short:
        needs = "; ".join(f"{goal(at)} needs {count(need, 'lineage')}" for at, need in short)
        together = f" for {catalog.n_metrics} metrics together" if catalog.n_metrics > 1 else ""
        told.append(f"Out of reach{together}: {needs}.")
    alike = [(section.name, item) for section in sections for item in section.result.thresholds]
    alike = [(name, item) for name, item in alike if item.negatives == "look-alike"]
    every = [(section.name, item) for section in sections for item in section.result.independent_thresholds]
    told += _holders(alike, "look-alikes") + _holders(every, "all independent pairs")
    if not any(item.certified for _, item in alike):
        told.append(
            "No threshold of any metric is certified against look-alikes here:"
            " the calibrated thresholds below are estimates, not guarantees."
        )
    if not math.isnan(catalog.minimal_detectable_auc_difference):
        least = plain(catalog.minimal_detectable_auc_difference)
        told.append(f"Two metrics whose AUCs differ by less than {least} will probably not be told apart.")
    return told
