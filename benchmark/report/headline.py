"""The first sentences of a report: how many metrics separate, which resist forgery, which are certified."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from analysis import CatalogSummary, Threshold, VerdictWord
from benchmark.report.notation import count, goal, percent, unit
from benchmark.report.sections import MetricSection

__all__ = ["certified", "goals", "headline", "lineages_that_count", "of_use", "standfirst"]

SPELLED: Final = 6  # names that a sentence spells out; with more, the rest are counted
HALF: Final = 0.5  # of the derived pairs, which a threshold must find to be of use


def headline(sections: Sequence[MetricSection]) -> str:
    """Say in one sentence what came out: what separates and resists, and how much is certified.

    Parameters
    ----------
    sections : sequence of MetricSection
        Every metric of the run.
    """
    if not sections:
        return "No metric was evaluated."
    separating = _separating(sections)
    of = f"of {count(len(sections), 'metric')}"
    if not separating:
        return f"None {of} is shown to separate children from look-alikes."
    limited = [one for one in separating if one.result.verdict is not VerdictWord.SEPARATES]
    limits = " within limits" if len(limited) == len(separating) else ""
    told = f"{len(separating)} {of} {_verb(separating, 'separate')} children from look-alikes{limits}"
    attacked = [section for section in separating if section.result.tried]
    if attacked:
        safe = [section for section in attacked if section.result.resists]
        told += f"; {len(safe) or 'none'} of these {_verb(safe, 'resist')} forgery and laundering"
    return f"{told}; {_how_many_certified(sections)}."


def standfirst(sections: Sequence[MetricSection], catalog: CatalogSummary) -> list[str]:
    """Name what the headline counts: who is certified, or what that would take, and who resists forgery."""
    safe = [section for section in _separating(sections) if section.result.resists]
    named = [f"Separates, and resists every forgery and laundering tried: {_names(safe)}."] if safe else []
    return [*_certificates(sections, catalog), *named]


def certified(threshold: Threshold) -> bool:
    """Whether a threshold that some derived pair reaches is certified against look-alikes."""
    return threshold.certified and threshold.negatives == "look-alike" and threshold.finds_any


def lineages_that_count(catalog: CatalogSummary) -> int:
    """Lineages that a certificate against look-alikes can rest on: two for each independent look-alike."""
    return round(2 * catalog.n_look_alike_negatives)


def goals(catalog: CatalogSummary) -> tuple[tuple[float, int], ...]:
    """False positive rates, the largest first, and the lineages that certifying each needs."""
    needed = ((float(rate), lineages) for rate, lineages in catalog.lineages_needed.items())
    return tuple(sorted(needed, reverse=True))


def _separating(sections: Iterable[MetricSection]) -> list[MetricSection]:
    return [section for section in sections if section.group.slug == "yes"]


def _held(sections: Sequence[MetricSection]) -> tuple[float, list[tuple[MetricSection, Threshold]]]:
    """The largest allowed false-positive rate, and what is certified at it; NaN without a threshold."""
    firsts = [(section, section.calibrated) for section in sections]
    at = max((item.max_fpr for _, item in firsts if item), default=math.nan)
    return at, [(one, item) for one, item in firsts if item and item.max_fpr == at and certified(item)]


def _how_many_certified(sections: Sequence[MetricSection]) -> str:
    at, held = _held(sections)
    if math.isnan(at):
        return "no threshold could be calibrated"
    if not held:
        return f"none is certified at {goal(at)} false positives"
    useful = sum(of_use(item) for _, item in held)
    if not useful:
        return f"none that finds half of the children is certified at {goal(at)} false positives"
    by_itself = ", each by itself" if _alone(held, sections) and useful > 1 else ""
    return f"{useful} {'are' if useful > 1 else 'is'} certified at {goal(at)} false positives{by_itself}"


def _certificates(sections: Sequence[MetricSection], catalog: CatalogSummary) -> list[str]:
    """Who is certified against look-alikes, or what that would take.

    A certificate says nothing about the derived pairs: a threshold that finds less than half of them is named
    apart.
    """
    at, held = _held(sections)
    if math.isnan(at):
        return []
    if not held:
        return [_out_of_reach(at, catalog)]
    named = [
        f"{one.name} (≥ {unit(item.value)}, finds {percent(item.tpr.estimate)})"
        for one, item in held
        if of_use(item)
    ]
    for_whom = ""
    if _alone(held, sections):
        for_whom = ", each metric by itself (choose yours before seeing any scores)"
    elif held[0][1].n_metrics > 1:
        for_whom = f", {held[0][1].n_metrics} metrics together"
    names = ", ".join(named) or "none that finds half of the derived pairs"
    told = [f"Certified at {goal(at)} false positives among look-alikes{for_whom}: {names}."]
    blind = [one for one, item in held if not of_use(item)]
    if blind:
        told.append(f"Certified, but finding fewer than half of the derived pairs: {_names(blind)}.")
    return told


def of_use(threshold: Threshold) -> bool:
    """Whether a threshold finds at least half of the derived pairs."""
    return threshold.tpr.estimate >= HALF


def _alone(held: Sequence[tuple[MetricSection, Threshold]], sections: Sequence[MetricSection]) -> bool:
    """Whether each certificate is about one of several metrics by itself, not about all of them together."""
    return held[0][1].n_metrics == 1 and len(sections) > 1


def _out_of_reach(at: float, catalog: CatalogSummary) -> str:
    needed = dict(goals(catalog)).get(at, 0)
    have = lineages_that_count(catalog)
    if math.isnan(catalog.certifiable_fpr) or needed <= have:
        return f"No threshold is certified at {goal(at)} false positives among look-alikes."
    return (
        f"Certifying {goal(at)} among look-alikes takes {count(needed, 'lineage')} that share their shapes;"
        f" this catalog has {have}, enough for {percent(catalog.certifiable_fpr)} at best."
    )


def _names(sections: Sequence[MetricSection]) -> str:
    names = [section.name for section in sections]
    more = len(names) - SPELLED
    return ", ".join(names[:SPELLED]) + (f" and {more} more" if more > 0 else "")


def _verb(sections: Sequence[MetricSection], verb: str) -> str:
    return f"{verb}s" if len(sections) == 1 else verb
