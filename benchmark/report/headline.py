"""The answer in ten seconds: a handful of counted facts, each with the names behind it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from benchmark.report.notation import goal, percent
from benchmark.report.story import Power
from benchmark.report.view import MetricView

__all__ = ["Fact", "facts"]

NAMED: Final = 4  # names that a fact spells out; the others stand in the columns below


@dataclass(frozen=True)
class Fact:
    """One counted fact: a number, what is counted, and a line below it."""

    slug: str
    figure: str
    of: str
    title: str
    says: str


def facts(views: Sequence[MetricView], power: Power | None) -> list[Fact]:
    """Count what separates, what sees shape only, what fails, what can be forged and what is certified.

    Parameters
    ----------
    views : sequence of MetricView
    power : Power or None
        What the catalog can certify, where the results tell.
    """
    separating = [view for view in views if view.group.slug == "yes"]
    limited = [view for view in separating if view.verdict != "separates"]
    detectors = [view for view in views if view.verdict == "architecture detector"]
    failing = [view for view in views if view.verdict == "does not separate"]
    unknown = [view for view in views if view.group.slug == "unknown"]
    told = [
        _fact(
            "yes", separating, views, "separate", f"{len(limited)} of them within limits" if limited else ""
        ),
        _fact("no", detectors, views, "see only the architecture", _names(detectors)),
        _fact("no", failing, views, "do not separate", _names(failing)),
    ]
    if unknown:
        told.append(_fact("unknown", unknown, views, "cannot be judged here", _names(unknown)))
    attacked = [view for view in views if view.forgeries]
    if attacked:
        fooled = [view for view in attacked if view.forgeable]
        told.append(_fact("no", fooled, attacked, "can be forged at no cost", _names(fooled)))
    told += _certified(views, power)
    return told


def _fact(
    slug: str, counted: Sequence[MetricView], among: Sequence[MetricView], title: str, says: str
) -> Fact:
    return Fact(slug if counted else "none", str(len(counted)), f"of {len(among)}", title, says)


def _names(views: Iterable[MetricView]) -> str:
    names = [view.name for view in views]
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _certified(views: Sequence[MetricView], power: Power | None) -> list[Fact]:
    """How many thresholds are certified at the first goal, and what stands in the way."""
    firsts = [view.first for view in views if view.first]
    if not firsts:
        return []
    at = max(item.max_fpr for item in firsts)
    held = [item for item in firsts if item.certified and item.max_fpr == at]
    says = ""
    if power is not None and not math.isnan(power.lowest):
        needed = next((need for rate, need in power.goals if rate == at), None)
        says = f"{power.n_lineages} lineages allow {percent(power.lowest)} % at best"
        says += f"; {needed} would do" if needed and needed > power.n_lineages else ""
    slug = "yes" if held else "unknown"
    return [
        Fact(slug, str(len(held)), f"of {len(firsts)}", f"certified at {goal(at)} % false positives", says)
    ]
