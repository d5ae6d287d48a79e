"""What the scores of a model and its stated base come to: one of three answers, and why.

*Consistent*: the metrics that no forgery deceived find the scores more probable if one of the two descends
from the other than if they are independent models of the same shapes. *Not consistent* takes three things
together: the metrics that miss no children find them less probable; those that no forgery deceived do not
contradict; and the base is excluded as an ancestor at the stated confidence, by all metrics as in a pool of
candidates and by those that miss no children alone. Everything else cannot be said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import analysis
from benchmark.comparison.claim_check import Answer, SideEvidence
from benchmark.comparison.reference_pairs import NO_CALIBRATION

__all__ = ["answer_claim"]


def answer_claim(
    sides: Sequence[SideEvidence], judged: Sequence[analysis.Candidate], confidence: float
) -> tuple[Answer, str]:
    """Answer, and say why.

    Parameters
    ----------
    sides : sequence of two SideEvidence
        For derivation and for independence.
    judged : sequence of Candidate
        The base as a candidate: by all metrics, and by those of the second side.
    confidence : float
        At which it is excluded.
    """
    descent, apart = sides
    excluded = all(one.standing == "excluded" for one in judged)
    if descent.supported and apart.supported:
        return "cannot say", (
            "the metrics disagree: those that no forgery deceived point to derivation, those that miss no"
            " children point to independence"
        )
    if descent.supported and any(one.standing == "excluded" for one in judged):
        return "cannot say", (
            "the metrics disagree: the likelihood ratio points to derivation, but the base is excluded as an"
            " ancestor"
        )
    if descent.supported:
        return "consistent", "they agree as closely as the weights of a model and its child"
    if apart.supported and excluded and not _contradicts(descent):
        p = max(one.derivation_p for one in judged)
        return "not consistent", (
            f"they agree less than nearly all derived pairs of {min(one.n_lineages for one in judged)} other"
            f" lineages do (p = {p:.2g}; a true base is rejected with probability at most"
            f" {1 - confidence:.2g})"
        )
    return "cannot say", _unanswered(descent, apart, judged)


def _contradicts(side: SideEvidence) -> bool:
    """Whether the evidence on a side leaves room for it: its interval is not all below even odds."""
    return side.quoted is not None and side.quoted.weight.defined and side.quoted.weight.ends[1] >= 0


def _unanswered(descent: SideEvidence, apart: SideEvidence, judged: Sequence[analysis.Candidate]) -> str:
    """Why neither answer may be given, the first reason first."""
    refused = _refusals(descent) + _refusals(apart)
    weighing = [one for one in (descent, apart) if one.quoted is not None and one.quoted.weight.defined]
    if not weighing:
        shapes = [why for why in refused if why.startswith(NO_CALIBRATION)]
        left = descent.left_aside | apart.left_aside
        return next(
            iter([*shapes, *refused]),
            f"no metric of this calibration may speak for or against a stated base: {_first(left)}",
        )
    for side in weighing:
        assert side.quoted is not None
        low, high = side.quoted.weight.ends
        if low <= 0 <= high:
            return (
                f"the interval of the log10 likelihood ratio, {low:.2f} to {high:.2f}, includes even odds"
                f" ({_names(side)})"
            )
    if _contradicts(descent) and apart.supported:
        return "the metrics disagree on which of the two is more probable"
    if apart.supported:
        kept = next(one for one in judged if one.standing != "excluded")
        why = kept.reason or f"derived pairs of other lineages score as low (p = {kept.derivation_p:.2g})"
        return f"the scores point to independence, but the base is not excluded as an ancestor: {why}"
    leaning = weighing[0].quoted
    assert leaning is not None
    if leaning.weight.log10_lr > 0:
        return f"the scores lean towards derivation, but not far enough: {leaning.words}"
    if apart.quoted is None or not apart.quoted.weight.defined:
        said = _first(apart.left_aside) if apart.weighed is None else "; ".join(_refusals(apart)[:1])
        return (
            f"the scores are low, but no metric of this calibration may speak against a stated base: {said}"
        )
    return f"the scores are low, but not low enough: {apart.quoted.words}"


def _refusals(side: SideEvidence) -> list[str]:
    """Why metrics of a side weigh nothing."""
    if side.weighed is None:
        return []
    return [one.weight.reason or one.reason for one in side.weighed.metrics if not one.weight.defined]


def _names(side: SideEvidence) -> str:
    return ", ".join(one.metric for one in side.weighed.metrics) if side.weighed else ""


def _first(left_aside: Mapping[str, str]) -> str:
    """The reasons of a few metrics."""
    said = [f"{name} ({why})" for name, why in left_aside.items()]
    more = f", and {len(said) - 3} more" if len(said) > 3 else ""
    return ", ".join(said[:3]) + more if said else "it has none"
