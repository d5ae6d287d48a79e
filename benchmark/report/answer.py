"""The answer in ten seconds: what a run is, whether it is whole, counted facts, what can be certified."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from analysis import CatalogSummary, ClaimWord, Threshold, VerdictWord
from benchmark.report.notation import count, goal, percent, plain
from benchmark.report.sections import MetricSection
from benchmark.results.schema import Results, RunRecord

__all__ = [
    "Alarm",
    "Fact",
    "alarms",
    "certified",
    "certified_metrics",
    "certify",
    "facts",
    "goals",
    "lead",
    "level_note",
    "lineages_that_count",
]

HALF: Final = 0.5  # of the derived pairs, which a threshold must find to be of use
NAMED: Final = 4  # names that a fact spells out; the others stand in the columns below


@dataclass(frozen=True)
class Alarm:
    """Something a reader must know before reading on."""

    title: str
    text: str


@dataclass(frozen=True)
class Fact:
    """One counted fact: a number, what is counted, and a line below it."""

    slug: str
    figure: str
    of: str
    title: str
    says: str


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
    failed = len(record.failures)
    if failed:
        return (Alarm("Partial.", f"{count(failed, 'unit')} of work failed; everything else is complete."),)
    if record.status == "partial":
        return (Alarm("Partial.", "Part of the work did not end well."),)
    return ()


def level_note(sections: Sequence[MetricSection]) -> str:
    """The level of the intervals quoted, as a phrase."""
    levels = {section.result.look_alike_auc.level for section in sections}
    return f" with {goal(levels.pop())} % intervals" if len(levels) == 1 else ""


def facts(sections: Sequence[MetricSection], catalog: CatalogSummary) -> list[Fact]:
    """Count what separates, what sees shape only, what fails, what can be forged and what is certified."""
    separating = [section for section in sections if section.group.slug == "yes"]
    limited = [one for one in separating if one.result.verdict is not VerdictWord.SEPARATES]
    detectors = [section for section in sections if section.result.verdict is VerdictWord.ARCHITECTURE]
    failing = [section for section in sections if section.result.verdict is VerdictWord.FAILS]
    unknown = [section for section in sections if section.group.slug == "unknown"]
    within = f"{len(limited)} of them within limits" if limited else ""
    told = [
        _fact("yes", separating, sections, "separate", within),
        _fact("no", detectors, sections, "see only the architecture", _names(detectors)),
        _fact("no", failing, sections, "do not separate", _names(failing)),
    ]
    if unknown:
        told.append(_fact("unknown", unknown, sections, "cannot be judged here", _names(unknown)))
    stated = [one for one in sections if one.result.claim_verdict is not ClaimWord.NONE_STATED]
    if stated:
        broken = [section for section in stated if section.result.claim_verdict is ClaimWord.FAILS]
        held = [section for section in stated if section.result.claim_verdict is ClaimWord.HOLDS]
        says = "; ".join(part for part in (f"{len(held)} hold" if held else "", _names(broken)) if part)
        told.append(_fact("no", broken, stated, "claims fail", says))
    attacked = [section for section in sections if section.result.tried]
    if attacked:
        safe = [section for section in attacked if section.result.resists]
        told.append(_fact("yes", safe, attacked, "resist forgery and laundering", _names(safe)))
    return told + _certified(sections, catalog)


def _fact(
    slug: str, counted: Sequence[MetricSection], among: Sequence[MetricSection], title: str, says: str
) -> Fact:
    return Fact(slug if counted else "none", str(len(counted)), f"of {len(among)}", title, says)


def _names(sections: Iterable[MetricSection]) -> str:
    names = [section.name for section in sections]
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _all_names(sections: Iterable[MetricSection]) -> str:
    return ", ".join(section.name for section in sections)


def _certified(sections: Sequence[MetricSection], catalog: CatalogSummary) -> list[Fact]:
    """How many thresholds are certified against look-alikes at the first goal, and what stands in the way."""
    firsts = [section.calibrated for section in sections if section.calibrated]
    if not firsts:
        return []
    at = max(item.max_fpr for item in firsts)
    held = [item for item in firsts if certified(item) and item.max_fpr == at]
    others = [section.result.independent_thresholds for section in sections]
    beside = sum(item.certified and item.max_fpr == at for items in others for item in items)
    alone = bool(held) and held[0].n_metrics == 1 and catalog.n_metrics > 1
    says = "each by itself; " if alone else ""
    says += f"{beside} against all independents"
    if not math.isnan(catalog.certifiable_fpr):
        needed = next((need for rate, need in goals(catalog) if rate == at), None)
        held_here = f"{catalog.n_look_alike_negatives:.4g} independent look-alikes"
        jointly = f" for {catalog.n_metrics} metrics together" if alone else ""
        says += f"; {held_here} allow {percent(catalog.certifiable_fpr)} % at best{jointly}"
        short = needed and needed > lineages_that_count(catalog)
        says += f"; {needed // 2} (of {needed} lineages) would do" if short and needed else ""
    slug = "yes" if held else "unknown"
    title = f"certified at {goal(at)} % false positives among look-alikes"
    return [Fact(slug, str(len(held)), f"of {len(firsts)}", title, says)]


def certified(threshold: Threshold) -> bool:
    """Whether a threshold is certified against look-alikes."""
    return threshold.certified and threshold.negatives == "look-alike"


def _worth(n: float, what: str) -> str:
    return f"worth {n:.4g} {what} pairs"


def _holders(thresholds: Sequence[tuple[str, Threshold]], against: str) -> list[str]:
    """For each goal, whose thresholds are certified, and how many metrics the statement is about."""
    told = []
    for at in sorted({item.max_fpr for _, item in thresholds}, reverse=True):
        held = [(name, item) for name, item in thresholds if item.max_fpr == at and item.certified]
        for metrics in sorted({item.n_metrics for _, item in held}, reverse=True):
            names = ", ".join(name for name, item in held if item.n_metrics == metrics)
            jointly = _together(metrics, len(thresholds))
            told.append(f"Certified at {goal(at)} % against {against}{jointly}: {names}.")
    return told


def _together(metrics: int, judged: int) -> str:
    """For how many metrics a certificate holds at once."""
    if metrics > 1:
        return f", {metrics} metrics together"
    return ", each metric by itself" if judged > 1 else ""


def certified_metrics(sections: Sequence[MetricSection]) -> str:
    """Name the metrics certified against look-alikes at the first goal, with their thresholds; "" if none.

    A certificate says nothing about the derived pairs: where a certified threshold finds less than half of
    them, the metric is named apart.
    """
    firsts = [(section, section.calibrated) for section in sections if section.calibrated]
    if not firsts:
        return ""
    at = max(item.max_fpr for _, item in firsts)
    held = [(section, item) for section, item in firsts if certified(item) and item.max_fpr == at]
    if not held:
        return ""
    finds = [(one, item) for one, item in held if item.tpr.estimate >= HALF]
    blind = [one for one, item in held if not item.tpr.estimate >= HALF]
    alone = held[0][1].n_metrics == 1 and len(firsts) > 1
    told = f"Certified for at most {goal(at)} % false positives among look-alikes"
    told += (
        ", each metric by itself (choose it before looking at its scores)"
        if alone
        else _together(held[0][1].n_metrics, len(firsts))
    )
    named = [
        f"{one.name} (≥ {plain(item.value)}, finds {percent(item.tpr.estimate)} %)" for one, item in finds
    ]
    told += f": {', '.join(named) or 'none that finds half of the derived pairs'}."
    if blind:
        told += f" Certified, but finding less than half of the derived pairs: {_all_names(blind)}."
    others = [one for one, item in firsts if not (certified(item) and item.max_fpr == at)]
    if others:
        told += f" Not certified: {_all_names(others)}."
    return told


def lineages_that_count(catalog: CatalogSummary) -> int:
    """Lineages that a certificate against look-alikes can rest on: two for each independent look-alike."""
    return round(2 * catalog.n_look_alike_negatives)


def goals(catalog: CatalogSummary) -> tuple[tuple[float, int], ...]:
    """False positive rates, the largest first, and the lineages that certifying each needs."""
    needed = ((float(rate), lineages) for rate, lineages in catalog.lineages_needed.items())
    return tuple(sorted(needed, reverse=True))


def certify(catalog: CatalogSummary, sections: Sequence[MetricSection]) -> list[str]:
    """What this catalog can and cannot certify, in sentences."""
    have = count(catalog.n_lineages, "lineage")
    told = [
        f"The pairs come from {have}, {_worth(catalog.n_look_alike_negatives, 'independent look-alike')}."
    ]
    if not math.isnan(catalog.certifiable_fpr):
        together = f" for {catalog.n_metrics} metrics together" if catalog.n_metrics > 1 else ""
        told.append(
            "Without a single error, the lowest false-positive rate among look-alikes that they can certify"
            f" with {goal(catalog.confidence)} % confidence{together} is {percent(catalog.certifiable_fpr)} %"
            f" (among all independents {percent(catalog.certifiable_independent_fpr)} %); a mean over"
            " lineages, each in one pair at most."
        )
    short = [(at, need) for at, need in goals(catalog) if need > lineages_that_count(catalog)]
    if short:
        needs = "; ".join(f"{goal(at)} % needs {count(need, 'lineage')}" for at, need in short)
        told.append(f"Out of its reach: {needs}.")
    alike = [(section.name, item) for section in sections for item in section.result.thresholds]
    alike = [(name, item) for name, item in alike if item.negatives == "look-alike"]
    every = [(section.name, item) for section in sections for item in section.result.independent_thresholds]
    told += _holders(alike, "look-alikes") + _holders(every, "all independents")
    if not any(item.certified for _, item in alike):
        told.append(
            "No threshold of any metric is certified against look-alikes here:"
            " what is calibrated below is an estimate, not a guarantee."
        )
    if not math.isnan(catalog.minimal_detectable_auc_difference):
        least = plain(catalog.minimal_detectable_auc_difference)
        told.append(f"Two metrics whose AUCs differ by less than {least} will likely not be told apart.")
    return told
