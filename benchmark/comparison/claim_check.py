"""A model and the base that it states: consistent with the weights, not consistent, or not to be said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import analysis
from benchmark.catalog.stated_base import StatedBase
from benchmark.comparison.alternatives import Alternative
from benchmark.comparison.calibration_run import CalibrationFacts
from benchmark.comparison.claim_metrics import JUDGED_BY
from benchmark.comparison.compared_model import ComparedModel
from benchmark.comparison.joint_evidence import JointEvidence
from benchmark.comparison.metric_evidence import MetricEvidence
from benchmark.comparison.verbal_scale import DERIVATION, INDEPENDENCE, SOURCE
from benchmark.comparison.weighing import Weighed

__all__ = ["Answer", "BaseCheck", "ClaimCheck", "SideEvidence"]

SCHEMA: Final = 1
Answer = Literal["consistent", "not consistent", "cannot say"]

NOT_WHY: Final = (
    "This does not say why: another checkpoint of the same name, a mistake in the model card, weights"
    " altered since, or training further than any in the calibration would look the same."
)
NOT_PROOF: Final = (
    "This does not show that it is this very base: its ancestors, siblings and descendants score alike."
)


@dataclass(frozen=True)
class SideEvidence:
    """The metrics that may speak on one side, and what they weigh.

    Attributes
    ----------
    side : str
        "derivation" or "independence".
    weighed : Weighed or None
        None where no metric may speak on it.
    left_aside : dict of str to str
        Metrics that may not, and why.
    sentence : str
        What an expert could sign of it; empty if nothing.
    """

    side: str
    weighed: Weighed | None
    left_aside: dict[str, str]
    sentence: str

    @property
    def quoted(self) -> MetricEvidence | JointEvidence | None:
        """What the sentence quotes."""
        return None if self.weighed is None else self.weighed.quoted

    @property
    def supported(self) -> bool:
        """Whether the evidence supports this side: its interval does not hold even odds."""
        return self.quoted is not None and self.quoted.supports == self.side

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        quoted = self.quoted
        return {
            "metrics": [] if self.weighed is None else [one.to_json() for one in self.weighed.metrics],
            "combined": self.weighed.joint.to_json() if self.weighed and self.weighed.joint else None,
            "lead": self.weighed.lead.metric if self.weighed and self.weighed.lead else None,
            "weight": analysis.as_json(quoted.weight) if quoted else None,
            "supports": quoted.supports if quoted else None,
            "words": quoted.words if quoted else None,
            "left_aside": self.left_aside,
            "sentence": self.sentence or None,
        }


@dataclass(frozen=True)
class BaseCheck:
    """One stated base beside the model.

    Attributes
    ----------
    base : ComparedModel
    answer : {"consistent", "not consistent", "cannot say"}
    because : str
    sides : tuple of SideEvidence
        For derivation, then for independence; empty where nothing had to be weighed.
    judged : tuple of Candidate
        Whether the base is excluded as an ancestor: by all metrics, as in a pool of candidates, and by those
        of the second side.
    left_out : tuple of str
        Lineages of the calibration that took no part.
    """

    base: ComparedModel
    answer: Answer
    because: str
    sides: tuple[SideEvidence, ...] = ()
    judged: tuple[analysis.Candidate, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def evidence(self) -> SideEvidence | None:
        """The evidence that the answer rests on; where there is no answer, that for derivation."""
        wanted = INDEPENDENCE if self.answer == "not consistent" else DERIVATION
        return next((side for side in self.sides if side.side == wanted), None)

    @property
    def alternatives(self) -> tuple[Alternative, ...]:
        """What the evidence weighs against other explanations."""
        held = self.evidence
        return held.weighed.alternatives if held is not None and held.weighed is not None else ()

    def sentence(self, model: ComparedModel) -> str:
        """The answer, as it may be quoted."""
        base = self.base.label
        if self.answer == "cannot say":
            return (
                f"Whether the weights of {model.label} are consistent with the stated base {base} cannot be"
                f" said: {self.because}."
            )
        held = self.evidence.sentence if self.evidence else ""
        ending = NOT_PROOF if self.answer == "consistent" else NOT_WHY
        parts = [
            f"The weights of {model.label} are {self.answer} with the stated base {base}: {self.because}.",
            held,
            ending if self.sides else "",
        ]
        return " ".join(part for part in parts if part)

    def to_json(self, model: ComparedModel) -> dict[str, object]:
        """Plain values."""
        return {
            "base": analysis.as_json(self.base),
            "answer": self.answer,
            "because": self.because,
            "sentence": self.sentence(model),
            "as_a_candidate": {
                by: analysis.as_json(one) for by, one in zip(JUDGED_BY, self.judged, strict=False)
            },
            "left_out": list(self.left_out),
            "evidence": {side.side: side.to_json() for side in self.sides},
            "alternatives": [analysis.as_json(one) for one in self.alternatives],
        }


@dataclass(frozen=True)
class ClaimCheck:
    """A model, what it states, and whether its weights are consistent with it.

    Attributes
    ----------
    model : ComparedModel
    claim : StatedBase
    confidence : float
        A true statement is called "not consistent" with a probability of at most one less this, over
        lineages and derivations like those of the calibration.
    bases : tuple of BaseCheck
        One a stated base.
    calibration : CalibrationFacts or None
    version, date : str
        Of the program, and of the day (UTC).
    cannot_say : tuple of str
    failures : tuple of str
        What failed: metric, pair and reason of each.
    """

    model: ComparedModel
    claim: StatedBase
    confidence: float
    bases: tuple[BaseCheck, ...]
    calibration: CalibrationFacts | None
    version: str
    date: str
    cannot_say: tuple[str, ...]
    failures: tuple[str, ...]

    @property
    def answer(self) -> Answer:
        """The worst of the answers: any base that is not consistent, then any that cannot be said."""
        answers = {one.answer for one in self.bases}
        if "not consistent" in answers:
            return "not consistent"
        return "consistent" if answers == {"consistent"} else "cannot say"

    @property
    def sentence(self) -> str:
        """The answers, as they may be quoted."""
        return " ".join(one.sentence(self.model) for one in self.bases)

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "schema": SCHEMA,
            "model": analysis.as_json(self.model),
            "claim": analysis.as_json(self.claim),
            "confidence": self.confidence,
            "calibration": self.calibration.to_json() if self.calibration else None,
            "answer": self.answer,
            "sentence": self.sentence,
            "bases": [one.to_json(self.model) for one in self.bases],
            "program": self.version,
            "date": self.date,
            "scale": SOURCE,
            "cannot_say": list(self.cannot_say),
        }

    def _repr_html_(self) -> str:
        # The page needs only the type of a check, so that there is no circle.
        from benchmark.comparison.claim_page import claim_fragment

        return claim_fragment(self)
