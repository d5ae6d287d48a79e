"""A model and its candidate parents: which of them remain, as a set with stated coverage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import analysis
from benchmark.comparison.calibration_run import CalibrationFacts
from benchmark.comparison.compared_model import ComparedModel
from benchmark.comparison.reference_pairs import Place

__all__ = ["CandidateCase", "CandidateEvidence"]

SCHEMA: Final = 2
NO_ACCUSATION: Final = "Not being excluded is not evidence of derivation: some unrelated models remain, too."


@dataclass(frozen=True)
class CandidateEvidence:
    """What is known of one candidate.

    Attributes
    ----------
    model : ComparedModel
    same_cell : bool
        Whether it has the shape of the model in question.
    metrics : tuple of str
        What is weighed together on this pair.
    place : Place or None
        Where its score falls among pairs of the same two shapes; None where it is not judged.
    silent : dict of str to str
        Metrics that say nothing on this pair, and why.
    """

    model: ComparedModel
    same_cell: bool
    metrics: tuple[str, ...]
    place: Place | None
    silent: dict[str, str]


@dataclass(frozen=True)
class CandidateCase:
    """A model, its candidate parents, and those that remain.

    Attributes
    ----------
    model : ComparedModel
    evidence : dict of str to CandidateEvidence
        By the candidate's label.
    found : CandidateSet
        By the same labels.
    forged : tuple of str
        What the catalog, or the calibration, knows of the model or a candidate that was forged.
    calibration : CalibrationFacts
    cannot_say : tuple of str
    failures : tuple of str
        What failed: metric, pair and reason of each.
    """

    model: ComparedModel
    evidence: dict[str, CandidateEvidence]
    found: analysis.CandidateSet
    forged: tuple[str, ...]
    calibration: CalibrationFacts
    cannot_say: tuple[str, ...]
    failures: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The answer, as it may be quoted."""
        found, label = self.found, self.model.label
        n_judged = len(found.candidates) - len(found.not_judged)
        sure, wrong = f"{found.confidence:.0%}", f"{1 - found.confidence:.0%}"
        if not n_judged:
            n = len(found.candidates)
            said = f"None of the {n} candidates could be judged, so nothing can be said about them."
        elif not found.remaining:
            said = (
                f"None of the {n_judged} candidates that could be judged remains as an ancestor of {label}:"
                " each scores lower than nearly all derived pairs of other lineages. A true one would have"
                f" been excluded with probability at most {wrong}."
            )
        elif not found.excluded:
            said = (
                f"None of the {n_judged} candidates that could be judged can be excluded as an ancestor of"
                f" {label} at {sure} confidence."
            )
        else:
            said = (
                f"{len(found.remaining)} of {n_judged} candidates that could be judged are not excluded as"
                f" ancestors of {label}: {', '.join(found.remaining)}. A true ancestor among those judged is"
                f" one of these with probability at least {sure}."
            )
        if n_judged and found.not_judged:
            said += f" {len(found.not_judged)} more could not be judged."
        known = "".join(f"{note}. " for note in self.forged)
        return f"{known}{said} {NO_ACCUSATION}" if found.remaining else f"{known}{said}"

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "schema": SCHEMA,
            "model": analysis.as_json(self.model),
            "calibration": self.calibration.to_json(),
            "confidence": self.found.confidence,
            "answer": self.found.answer,
            "remaining": list(self.found.remaining),
            "excluded": list(self.found.excluded),
            "not_judged": list(self.found.not_judged),
            "known_forgeries": list(self.forged),
            "candidates": [self._row(one) for one in self.found.candidates],
            "sentence": self.sentence,
            "cannot_say": list(self.cannot_say),
        }

    def _row(self, one: analysis.Candidate) -> dict[str, object]:
        evidence = self.evidence[one.name]
        return {
            "model": one.name,
            "digest": evidence.model.digest,
            "cell": evidence.model.cell,
            "same_cell": evidence.same_cell,
            "metrics": list(evidence.metrics),
            "score": analysis.as_json(one.score),
            "derivation_p": analysis.as_json(one.derivation_p),
            "look_alikes": evidence.place.look_alikes.to_json() if evidence.place else None,
            "derived": evidence.place.derived.to_json() if evidence.place else None,
            "standing": one.standing,
            "n_lineages": one.n_lineages,
            "same_cell_only": one.same_cell_only,
            "reason": one.reason,
        }

    def _repr_html_(self) -> str:
        # The page needs only the type of a case, so that there is no circle.
        from benchmark.comparison.candidates_page import candidates_fragment

        return candidates_fragment(self)
