"""The report's sentences: what a run is, whether it is whole, what its catalog can certify, what differs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from benchmark.report.notation import count, goal, percent, plain
from benchmark.report.reading import Estimate, estimate, mapping, number, sequence, text, whole
from benchmark.report.view import MetricView
from benchmark.report.wording import verdict_rank

__all__ = [
    "Alarm",
    "Comparison",
    "Power",
    "alarms",
    "cells",
    "certify",
    "comparisons",
    "lead",
    "level_note",
    "power",
]


@dataclass(frozen=True)
class Alarm:
    """Something a reader must know before reading on."""

    title: str
    text: str


@dataclass(frozen=True)
class Power:
    """What a catalog of this size can certify.

    Attributes
    ----------
    n_lineages : int
    lowest : float
        The lowest false-positive rate that it can certify without a single error; NaN where none, or unknown.
    confidence : float
        Of the certificate; NaN where not stated.
    goals : tuple of (float, int)
        False-positive rates and the lineages that certifying each needs.
    models_per_lineage : int
        On average, rounded; 0 where not stated.
    detectable : float
        The smallest difference of two metrics' AUC that a paired test on this catalog will likely find.
    """

    n_lineages: int
    lowest: float
    confidence: float
    goals: tuple[tuple[float, int], ...]
    models_per_lineage: int = 0
    detectable: float = math.nan


def lead(run: Mapping[str, Any], results: Mapping[str, Any], scores: pd.DataFrame) -> str:
    """What was run, in one or two sentences."""
    ends = {"model_a", "model_b"} <= set(scores.columns)
    pairs = scores[["model_a", "model_b"]].drop_duplicates() if ends else scores
    names = pd.concat([pairs["model_a"], pairs["model_b"]]).nunique() if ends else 0
    n_lineages = _lineages(results, run)
    parts = [
        count(int(names), "model") + (f" in {count(n_lineages, 'lineage')}" if n_lineages else ""),
        count(len(pairs), "pair"),
        count(len(sequence(results.get("metrics"))), "metric"),
    ]
    when, seed = text(run.get("started"))[:10], run.get("seed")
    told = [f"run of {when}" if when else "", "" if seed is None else f"seed {seed}"]
    tier = text(run.get("tier"))
    told.append(f"tier {tier}" if tier else "")
    detail = ", ".join(part for part in told if part)
    return "; ".join(parts) + (f". {detail[0].upper()}{detail[1:]}." if detail else ".")


def alarms(run: Mapping[str, Any]) -> tuple[Alarm, ...]:
    """What is incomplete about a run."""
    failed = len(sequence(run.get("failures")))
    if failed:
        return (Alarm("Partial.", f"{count(failed, 'unit')} of work failed; everything else is complete."),)
    if text(run.get("status")) == "partial":
        return (Alarm("Partial.", "Part of the work did not end well."),)
    return ()


def level_note(views: Sequence[MetricView]) -> str:
    """The level of the intervals quoted, as a phrase."""
    levels = {view.look_alike_auc.level for view in views if not math.isnan(view.look_alike_auc.level)}
    return f" with {goal(levels.pop())} % intervals" if len(levels) == 1 else ""


def _lineages(results: Mapping[str, Any], run: Mapping[str, Any]) -> int | None:
    """How many lineages the run's pairs come from; the catalog's own number may include models not run."""
    stated = whole(mapping(results.get("catalog")).get("n_lineages"))
    seen = [whole(mapping(entry).get("n_lineages")) or 0 for entry in sequence(results.get("metrics"))]
    return stated or max(seen, default=0) or whole(mapping(run.get("catalog")).get("n_lineages"))


def power(results: Mapping[str, Any], run: Mapping[str, Any]) -> Power | None:
    """Read what the catalog can certify; None where the results do not tell how many lineages there are."""
    n_lineages = _lineages(results, run)
    if not n_lineages:
        return None
    stored = mapping(results.get("catalog"))
    thresholds = [
        mapping(item)
        for entry in sequence(results.get("metrics"))
        for item in sequence(mapping(entry).get("thresholds"))
    ]
    goals: dict[float, int] = {}
    for item in thresholds:
        at, needed = number(item.get("max_fpr")), whole(item.get("lineages_needed"))
        if math.isfinite(at) and needed:
            goals[at] = max(needed, goals.get(at, 0))
    goals.update(_goals(stored.get("lineages_needed")))
    confidences = {
        number(item.get("confidence")) for item in thresholds if math.isfinite(number(item.get("confidence")))
    }
    stated = number(stored.get("confidence"))
    confidence = (
        stated if math.isfinite(stated) else (confidences.pop() if len(confidences) == 1 else math.nan)
    )
    return Power(
        n_lineages,
        number(stored.get("certifiable_fpr")),
        confidence,
        tuple(sorted(goals.items(), reverse=True)),
        round((whole(stored.get("n_models")) or 0) / n_lineages),
        number(stored.get("minimal_detectable_auc_difference")),
    )


def _goals(stored: object) -> list[tuple[float, int]]:
    """Goals and lineages from an object {"0.05": 118} or a list of {"max_fpr", "lineages_needed"}."""
    read: list[tuple[object, object]]
    if isinstance(stored, Mapping):
        read = [(float(name) if _is_number(name) else None, needed) for name, needed in stored.items()]
    else:
        read = [
            (mapping(item).get("max_fpr"), mapping(item).get("lineages_needed")) for item in sequence(stored)
        ]
    known = ((number(at), whole(needed)) for at, needed in read)
    return [(at, needed) for at, needed in known if math.isfinite(at) and needed is not None]


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def certify(stated: Power | None, views: Sequence[MetricView]) -> list[str]:
    """What this catalog can and cannot certify, in sentences."""
    if stated is None:
        return ["These results do not say how many lineages they rest on, so nothing can be said here."]
    sure = "" if math.isnan(stated.confidence) else f" with {goal(stated.confidence)} % confidence"
    told = []
    if math.isnan(stated.lowest):
        told.append(f"The pairs come from {count(stated.n_lineages, 'lineage')}.")
    else:
        told.append(
            f"The pairs come from {count(stated.n_lineages, 'lineage')}. Without a single error, the lowest"
            f" false-positive rate they can certify{sure} is {percent(stated.lowest)} %."
        )
    short = [(at, need) for at, need in stated.goals if need > stated.n_lineages]
    if short:
        needs = "; ".join(f"{goal(at)} % needs {count(need, 'lineage')}" for at, need in short)
        told.append(f"Out of its reach: {needs}.")
    for at in sorted({item.max_fpr for view in views for item in view.thresholds}, reverse=True):
        holders = [
            view.name for view in views for item in view.thresholds if item.max_fpr == at and item.certified
        ]
        if holders:
            told.append(f"A threshold is certified at {goal(at)} % for {', '.join(holders)}.")
    if not any(item.certified for view in views for item in view.thresholds):
        told.append(
            "No threshold of any metric is certified here:"
            " what is calibrated below is an estimate, not a guarantee."
        )
    if not math.isnan(stated.detectable):
        least = plain(stated.detectable)
        told.append(f"Two metrics whose AUCs differ by less than {least} will likely not be told apart.")
    return told


def cells(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Architecture cells with their lineages and models, the fullest first."""
    stored = mapping(mapping(results.get("catalog")).get("cells"))
    told = [
        {"name": name, **{key: whole(mapping(item).get(key)) for key in ("n_lineages", "n_models")}}
        for name, item in stored.items()
    ]
    return sorted(told, key=lambda cell: (-(cell["n_lineages"] or 0), -(cell["n_models"] or 0), cell["name"]))


@dataclass(frozen=True)
class Comparison:
    """Two metrics on the same pairs."""

    first: str
    second: str
    negatives: str
    auc_first: float
    auc_second: float
    difference: Estimate
    p_value: float
    reason: str


def comparisons(results: Mapping[str, Any]) -> list[Comparison]:
    """The paired comparisons of metrics, as far as they are defined, the surest first."""
    told = [
        Comparison(
            first=text(item.get("metric_a")),
            second=text(item.get("metric_b")),
            negatives=text(item.get("negatives")),
            auc_first=number(item.get("auc_a")),
            auc_second=number(item.get("auc_b")),
            difference=estimate(item.get("difference"), text(item.get("reason"))),
            p_value=number(item.get("adjusted_p_value")),
            reason=text(item.get("reason")),
        )
        for item in map(mapping, sequence(results.get("comparisons")))
    ]
    return sorted(
        told, key=lambda row: (math.isnan(row.p_value), row.p_value if row.p_value == row.p_value else 0.0)
    )


def best_first(entries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Order metrics of results.json by verdict, then by look-alike AUC."""

    def standing(entry: Mapping[str, Any]) -> tuple[int, float, str]:
        value = number(mapping(entry.get("look_alike_auc")).get("estimate"))
        return (
            verdict_rank(text(entry.get("verdict"))),
            2.0 if math.isnan(value) else -value,
            text(entry.get("metric")),
        )

    return sorted(entries, key=standing)
