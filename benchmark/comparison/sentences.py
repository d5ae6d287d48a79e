"""The statement that an expert could sign, and what nobody should read into a case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from benchmark.comparison.calibration_run import CalibrationFacts, CalibrationRun
from benchmark.comparison.compared_model import ComparedModel
from benchmark.comparison.evidence_weight import EvidenceWeight
from benchmark.comparison.joint_evidence import JointEvidence
from benchmark.comparison.metric_evidence import MetricEvidence
from benchmark.comparison.posterior_odds import NO_PROBABILITY
from benchmark.comparison.reference_pairs import NO_CALIBRATION
from benchmark.comparison.verbal_scale import DERIVATION, INDEPENDENCE, NEITHER
from benchmark.results.same_shapes import FEWEST

__all__ = ["cannot_say", "leading", "of_samples", "quoted", "sentence", "times"]

FEW_LINEAGES: Final = 8
DERIVED: Final = "one of the two models descends from the other"
ONLY_SMALL: Final = "The shipped calibration is on the zoo's small models; use --calibration RUN for another."
INDEPENDENT: Final = "they are independent models of the same shapes"


def leading(found: Sequence[MetricEvidence]) -> MetricEvidence | None:
    """The metric to quote: of those that separate, the one whose evidence costs least on other lineages.

    One by which no forgery of the calibration passes for a child goes before one by which some does. Chosen
    by the calibration without the lineages of the case, never by what it says of the case.
    """
    able = [one for one in found if one.standing.trusted and one.weight.defined]
    return min(
        able, key=lambda one: (bool(one.standing.framed_like_a_child()), one.weight.cllr), default=None
    )


def quoted(lead: MetricEvidence | None, joint: JointEvidence | None) -> JointEvidence | None:
    """The metrics together, where they cost no more on other lineages than the lead alone (or there is none).

    Chosen by the calibration, as the lead is.
    """
    if joint is None or not joint.weight.defined or lead is None:
        return None
    return joint if joint.weight.cllr <= lead.weight.cllr else None


def times(low: float, high: float) -> str:
    """Say a range of log10 ratios in plain numbers.

    Examples
    --------
    >>> times(0.6, 1.2), times(0.4771, 0.4771), times(-0.3, 0.6)
    ('between 4 and 16 times', 'about 3 times', 'between 0.5 and 4 times')
    """
    first, last = (_plain(10**end) for end in (low, high))
    return f"about {first} times" if first == last else f"between {first} and {last} times"


def _plain(ratio: float) -> str:
    """Two digits, never as a power of ten."""
    return f"{float(f'{ratio:.2g}'):,.10g}"


def sentence(
    models: Sequence[ComparedModel],
    lead: MetricEvidence | None,
    joint: JointEvidence | None,
    calibration: CalibrationFacts | None,
    version: str,
    date: str,
) -> str:
    """What the evidence comes to, in words of the scale; empty where no metric can be trusted.

    Parameters
    ----------
    models : sequence of two ComparedModel
    lead : MetricEvidence or None
    joint : JointEvidence or None
    calibration : CalibrationFacts or None
    version, date : str
        Of the program, and of the day.
    """
    if lead is None or calibration is None:
        return ""
    together = quoted(lead, joint)
    if together is not None and len(together.combination.metrics) > 1:
        such = f"{len(together.combination.metrics)} metrics weighed together give scores that are"
    else:
        named = lead if together is None else None
        name = named.metric if named else together.combination.metrics[0] if together else ""
        such = f"{name} gives a score that is" if named is None else f"{name} gives {lead.score:.4g}: it is"
    evidence = lead if together is None else together
    weight = evidence.weight
    return (
        f"On {models[0].label} and {models[1].label}, {such} {_range(weight, evidence.supports)}"
        f" In words: {evidence.words}. {_rests_on(weight, calibration)} {NO_PROBABILITY}"
        f" {_made(models, calibration, version, date)}"
    )


def _range(weight: EvidenceWeight, side: str | None) -> str:
    low, high = weight.ends
    held = " (as far as this calibration can go)" if weight.at_bound else ""
    if side == INDEPENDENCE:
        return f"{times(-high, -low)}{held} more probable if {INDEPENDENT} than if {DERIVED}."
    if side == DERIVATION:
        return f"{times(low, high)}{held} more probable if {DERIVED} than if {INDEPENDENT}."
    return f"{times(low, high)}{held} as probable if {DERIVED} as if {INDEPENDENT}: {NEITHER}."


def _rests_on(weight: EvidenceWeight, calibration: CalibrationFacts) -> str:
    return (
        f"Calibrated on {calibration.population}: {weight.n_derived:,} derived pairs and"
        f" {weight.n_independent:,} look-alikes of {weight.n_lineages} lineages, of which"
        f" {weight.n_of_these_shapes:,} look-alikes of {weight.n_lineages_of_these_shapes} lineages have"
        f" these shapes; the lineages of the two models are left out; {weight.level:.0%} interval."
    )


def _made(models: Sequence[ComparedModel], calibration: CalibrationFacts, version: str, date: str) -> str:
    digests = " and ".join(model.digest[:12] for model in models)
    return (
        f"(Made on {date} by lookalike {version}; models {digests}; calibration {calibration.digest[:12]} of"
        f" {calibration.ended[:10]}, seed {calibration.seed}.)"
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
        return ["How strong the evidence is: no calibration was used."]
    said = _shapes_and_trust(found, lead, calibration)
    place = next((one.place for one in found if one.place is not None), None)
    if lead is not None and lead.weight.n_lineages_of_these_shapes < FEW_LINEAGES:
        said.append(
            f"How look-alikes of this shape score in general: the calibration has only"
            f" {lead.weight.n_of_these_shapes:,} pairs from {lead.weight.n_lineages_of_these_shapes}"
            " lineages."
        )
    if lead is not None and place is not None and not place.derived.n_pairs:
        said.append(
            "How children of this shape score: without the lineages of the case the calibration has none."
        )
    if lead is not None:
        said.append(
            f"A ratio above {10**lead.weight.upper:.2g} for derivation, or {10**-lead.weight.lower:.2g} for"
            f" independence, by {lead.metric}: so few lineages cannot support more."
        )
        if lead.weight.beyond:
            said.append(
                "The weight of a score outside the calibrated range: the nearest calibrated score was used."
            )
        if lead.standing.fails_on:
            failing = ", ".join(lead.standing.fails_on)
            said.append(
                f"Whether a low {lead.metric} score rules out {failing}: the metric fails on these methods."
            )
    if lead is not None and (joint is None or not joint.weight.defined):
        why = joint.weight.reason if joint is not None else "no trusted metric is left to combine"
        said.append(f"The combined weight of the metrics ({why}); ratios are never multiplied.")
    elif joint is not None and joint.weight.defined:
        said.append(
            "That agreeing metrics are independent witnesses: they use the same weights, so their ratios are"
            " fitted jointly, not multiplied."
        )
        low, high = joint.weight.ends
        if low <= 0 <= high:
            said.append("Which way the combined metrics point: the interval includes even odds.")
    said.append(
        "Which model came first, how it was derived, or whether a common ancestor, a shared initialisation or"
        " distillation explains the similarity: the quoted evidence only weighs derivation against"
        " independence."
    )
    said += [f"{name}: calibrated in this run, but not registered here." for name in unknown]
    return said + calibration.doubts()


def _shapes_and_trust(
    found: Sequence[MetricEvidence], lead: MetricEvidence | None, calibration: CalibrationRun
) -> list[str]:
    """Why nothing is weighed; empty where something is."""
    if lead is not None:
        return []
    refused = [one.weight.reason for one in found if one.weight.reason.startswith(NO_CALIBRATION)]
    if refused and not any(one.weight.defined for one in found):
        small = f" {ONLY_SMALL}" if calibration.shipped else ""
        return [
            f"How strong the evidence is: {refused[0]}.{small} Needed: a run with derived pairs of these"
            f" shapes and independent models of them from at least {FEWEST} other lineages; for a ratio of up"
            " to k, 2k - 2 lineages."
        ]
    return ["How strong the evidence is: no metric both separates in the calibration and has evidence here."]


def of_samples(sample: bool, run: CalibrationRun | None, models: str) -> list[str]:
    """What cannot be said because models, or those of the calibration, were sampled.

    Parameters
    ----------
    sample : bool
        Whether the models of the case were.
    run : CalibrationRun or None
    models : str
        What to call them.
    """
    calibrated = run is not None and bool(run.record.arguments.get("sample"))
    if run is None or sample == calibrated:
        return []
    one, other = (models, "the calibration") if sample else ("the calibration", models)
    return [
        f"Whether sampling changes a verdict: scores of {one} are from slices, those of {other} from whole"
        " weights.",
        f"Whether the calibration has {models} under another name: sampled models cannot be identified by"
        " content, so only lineages of catalog ids are left out.",
    ]
