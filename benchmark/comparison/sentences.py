"""The sentence that an expert could sign, and what nobody should read into a case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import analysis
from benchmark.comparison.calibration_run import CalibrationRun
from benchmark.comparison.joint import Joint
from benchmark.comparison.metric_evidence import Party, Reading
from benchmark.comparison.verbal_scale import in_words

__all__ = ["cannot_say", "leading", "quoted", "sentence"]

TRUSTED: Final = ("separates", "separates within limits")
FEW_LINEAGES: Final = 8
NO_SUPPORT: Final = in_words(0.0, "", "")


def leading(readings: Sequence[Reading]) -> Reading | None:
    """The metric to quote: of those that separate, the one whose evidence costs least on other lineages.

    Chosen by the calibration, never by what it says of the case.
    """
    able = [one for one in readings if one.verdict in TRUSTED and one.weight.defined]
    return min(able, key=lambda one: one.weight.cllr, default=None)


def quoted(lead: Reading | None, joint: Joint | None) -> Joint | None:
    """The metrics together, where they cost no more on other lineages than the lead alone (or there is none).

    Chosen by the calibration, as the lead is.
    """
    if joint is None or not joint.value.defined or lead is None:
        return None
    return joint if joint.combination.cllr <= lead.weight.cllr else None


def sentence(parties: Sequence[Party], lead: Reading | None, joint: Joint | None) -> str:
    """What the evidence comes to, in words of the scale; empty where no metric can be trusted."""
    if lead is None:
        return ""
    together = quoted(lead, joint)
    weight = lead.weight
    if together is not None:
        n, negatives = len(together.combination.metrics), together.combination.negatives
        value, at_bound, words = together.value, together.at_bound, together.words
        lower, upper = together.combination.lower, together.combination.upper
        lineages = together.combination.n_lineages
        found = f"{n} metrics weighed together" if n > 1 else together.combination.metrics[0]
        such = f"{found}: scores such as these are" if n > 1 else f"{found} gives {lead.score:.4g}: it is"
    else:
        negatives = "look-alike" if lead.against_look_alikes.defined else "independent"
        estimate = weight.log10_lr
        value = weight.interval or analysis.Interval(estimate, estimate, estimate, 0.95, "")
        at_bound, words = weight.at_bound, lead.words
        lower, upper, lineages = weight.lower, weight.upper, weight.n_lineages
        such = f"{lead.metric} gives {lead.score:.4g}: it is"
    derived = "one of the two models descends from the other"
    independent = "they are independent models" + (" of the same shapes" if negatives == "look-alike" else "")
    likelier, other = (derived, independent) if value.estimate >= 0 else (independent, derived)
    held = ", which is as far as this calibration can go" if at_bound else ""
    unsure = (
        " The interval holds even odds: a calibration on other lineages might not bear this out."
        if value.low < 0 < value.high and words != NO_SUPPORT
        else ""
    )
    extrapolated = (
        " The calibration has no independent pair of these shapes, so this is extrapolated."
        if lead.place is None or not lead.place.look_alikes.n_pairs
        else ""
    )
    return (
        f"On {parties[0].label} and {parties[1].label}, {such} about {10 ** abs(value.estimate):.2g} times"
        f" more probable if {likelier} than if {other} (log10 LR {value.estimate:+.2f},"
        f" {value.level:.0%} interval {value.low:+.2f} to {value.high:+.2f}, never beyond {lower:+.2f} to"
        f" {upper:+.2f}{held}; {lineages} lineages, those of the two models left out). In words:"
        f" {words}.{unsure}{extrapolated}"
    )


def cannot_say(
    readings: Sequence[Reading],
    lead: Reading | None,
    joint: Joint | None,
    yardstick: CalibrationRun | None,
    strangers: Sequence[str],
) -> list[str]:
    """What a reader must not take from the case, most important first."""
    if yardstick is None:
        return ["How much any of these scores weighs: there is no calibration (--calibration RUN)."]
    said = []
    if lead is None:
        said.append(
            "How much these scores weigh: no metric both separates in the calibration and has evidence here."
        )
    place = next((one.place for one in readings if one.place is not None), None)
    if place is not None and not place.look_alikes.n_pairs:
        said.append("How look-alikes of this shape score: no look-alikes of this shape: extrapolating.")
    elif place is not None and place.look_alikes.n_lineages < FEW_LINEAGES:
        said.append(
            f"How look-alikes of this shape score in general: the calibration has"
            f" {place.look_alikes.n_pairs} pairs of {place.look_alikes.n_lineages} lineages only."
        )
    if place is not None and not place.derived.n_pairs:
        said.append("How children of this shape score: the calibration has none.")
    if lead is not None:
        said.append(
            f"More than a ratio of {10**lead.weight.upper:.2g} for derivation or {10**-lead.weight.lower:.2g}"
            f" for independence by {lead.metric}: {lead.weight.n_lineages} lineages back no more."
        )
        if lead.weight.beyond:
            said.append("What a score outside the calibrated range weighs: the nearest one was taken.")
        if lead.fails_on:
            said.append(
                f"That a low score of {lead.metric} excludes {', '.join(lead.fails_on)}: it fails on these."
            )
    if joint is None or not joint.value.defined:
        why = joint.value.reason if joint is not None else "no metric has evidence here"
        said.append(f"What the metrics weigh together ({why}); their ratios are not multiplied.")
    else:
        said.append(
            "That metrics which agree are so many witnesses: they look at the same weights, so their ratios"
            " are not multiplied but fitted together."
        )
        if joint.value.low < 0 < joint.value.high:
            said.append("Which way the metrics together point: the interval holds both sides of 0.")
    said.append(
        "Which model came first, by what act, or whether a common ancestor, a shared initialisation or"
        " distillation explains it: only derivation and independence are weighed."
    )
    said += [f"{name}: calibrated in this run, but not registered here." for name in strangers]
    if yardstick.record.status != "complete":
        said.append(f"Whether the calibration is whole: its status is {yardstick.record.status}.")
    return said
