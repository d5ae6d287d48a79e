"""The sentence that an expert could sign, and what nobody should read into a case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from benchmark.comparison.calibration_run import CalibrationRun
from benchmark.comparison.compared_model import ComparedModel
from benchmark.comparison.joint_evidence import JointEvidence
from benchmark.comparison.metric_evidence import MetricEvidence

__all__ = ["cannot_say", "leading", "quoted", "sentence"]

TRUSTED: Final = ("separates", "separates within limits")
FEW_LINEAGES: Final = 8


def leading(found: Sequence[MetricEvidence]) -> MetricEvidence | None:
    """The metric to quote: of those that separate, the one whose evidence costs least on other lineages.

    Chosen by the calibration, never by what it says of the case.
    """
    able = [one for one in found if one.verdict in TRUSTED and one.weight.defined]
    return min(able, key=lambda one: one.weight.cllr, default=None)


def quoted(lead: MetricEvidence | None, joint: JointEvidence | None) -> JointEvidence | None:
    """The metrics together, where they cost no more on other lineages than the lead alone (or there is none).

    Chosen by the calibration, as the lead is.
    """
    if joint is None or not joint.weight.defined or lead is None:
        return None
    return joint if joint.weight.cllr <= lead.weight.cllr else None


def sentence(
    models: Sequence[ComparedModel], lead: MetricEvidence | None, joint: JointEvidence | None
) -> str:
    """What the evidence comes to, in words of the scale; empty where no metric can be trusted."""
    if lead is None:
        return ""
    together = quoted(lead, joint)
    if together is not None and len(together.combination.metrics) > 1:
        such = f"{len(together.combination.metrics)} metrics weighed together: scores such as these are"
    else:
        named = lead.metric if together is None else together.combination.metrics[0]
        such = f"{named} gives {lead.score:.4g}: it is"
    if together is not None:
        weight, negatives = together.weight, together.combination.negatives
    else:
        weight = lead.weight
        negatives = "look-alike" if lead.against_look_alikes.defined else "independent"
    low, high = weight.ends
    derived = "one of the two models descends from the other"
    independent = "they are independent models" + (" of the same shapes" if negatives == "look-alike" else "")
    likelier, other = (derived, independent) if weight.log10_lr >= 0 else (independent, derived)
    held = ", which is as far as this calibration can go" if weight.at_bound else ""
    unsure = (
        " The interval holds even odds: a calibration on other lineages might not bear this out."
        if low < 0 < high and weight.supports is not None
        else ""
    )
    extrapolated = (
        " The calibration has no independent pair of these shapes, so this is extrapolated."
        if lead.extrapolated
        else ""
    )
    return (
        f"On {models[0].label} and {models[1].label}, {such} about {10 ** abs(weight.log10_lr):.2g} times"
        f" more probable if {likelier} than if {other} (log10 LR {weight.log10_lr:+.2f},"
        f" {weight.level:.0%} interval {low:+.2f} to {high:+.2f}, never beyond {weight.lower:+.2f} to"
        f" {weight.upper:+.2f}{held}; {weight.n_lineages} lineages, those of the two models left out)."
        f" In words: {weight.words}.{unsure}{extrapolated}"
    )


def cannot_say(
    found: Sequence[MetricEvidence],
    lead: MetricEvidence | None,
    joint: JointEvidence | None,
    calibration: CalibrationRun | None,
    unknown: Sequence[str],
) -> list[str]:
    """What a reader must not take from the case, most important first.

    Parameters
    ----------
    found : sequence of MetricEvidence
    lead : MetricEvidence or None
    joint : JointEvidence or None
    calibration : CalibrationRun or None
    unknown : sequence of str
        Metrics of the calibration that are not registered here.
    """
    if calibration is None:
        return ["How much any of these scores weighs: there is no calibration (--calibration RUN)."]
    said = []
    if lead is None:
        said.append(
            "How much these scores weigh: no metric both separates in the calibration and has evidence here."
        )
    place = next((one.place for one in found if one.place is not None), None)
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
    if joint is None or not joint.weight.defined:
        why = joint.weight.reason if joint is not None else "no metric has evidence here"
        said.append(f"What the metrics weigh together ({why}); their ratios are not multiplied.")
    else:
        said.append(
            "That metrics which agree are so many witnesses: they look at the same weights, so their ratios"
            " are not multiplied but fitted together."
        )
        low, high = joint.weight.ends
        if low < 0 < high:
            said.append("Which way the metrics together point: the interval holds both sides of 0.")
    said.append(
        "Which model came first, by what act, or whether a common ancestor, a shared initialisation or"
        " distillation explains it: only derivation and independence are weighed."
    )
    said += [f"{name}: calibrated in this run, but not registered here." for name in unknown]
    return said + calibration.doubts()
