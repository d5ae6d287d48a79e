"""A model and its candidate parents: which of them remain, as a set with stated coverage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import analysis
from benchmark.comparison.calibration_run import CalibrationFacts
from benchmark.comparison.compared_model import ComparedModel

__all__ = ["CandidateCase", "CandidateEvidence"]

SCHEMA: Final = 1


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
    log10_lr : float
        Bounded; NaN where there is none.
    silent : dict of str to str
        Metrics that say nothing on this pair, and why.
    """

    model: ComparedModel
    same_cell: bool
    metrics: tuple[str, ...]
    log10_lr: float
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
    calibration : CalibrationFacts
    cannot_say : tuple of str
    failures : tuple of str
        What failed: metric, pair and reason of each.
    """

    model: ComparedModel
    evidence: dict[str, CandidateEvidence]
    found: analysis.CandidateSet
    calibration: CalibrationFacts
    cannot_say: tuple[str, ...]
    failures: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The answer, as it may be quoted."""
        found, n = self.found, len(self.found.candidates)
        sure = f"{found.confidence:.0%}"
        label = self.model.label
        if found.answer == "none of them":
            said = (
                f"None of the {n} candidates remains as kin by derivation of {label}: each scores lower than"
                f" such pairs of other lineages do. A true one would have been excluded with probability"
                f" {1 - found.confidence:.0%} at most."
            )
        elif found.answer == "cannot exclude any":
            said = f"None of the {n} candidates can be excluded as an ancestor of {label} at {sure}."
        else:
            said = (
                f"{len(found.remaining)} of {n} candidates remain. If an ancestor of {label} is in the pool,"
                f" it is among these with a probability of at least {sure}: {', '.join(found.remaining)}."
            )
        if found.shown:
            return f"{said} Standing out from strangers: {', '.join(found.shown)}."
        if found.remaining:
            return f"{said} None of them stands out from strangers: the pool may hold no kin of it."
        return said

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "schema": SCHEMA,
            "model": analysis.as_json(self.model),
            "calibration": analysis.as_json(self.calibration),
            "confidence": self.found.confidence,
            "answer": self.found.answer,
            "remaining": list(self.found.remaining),
            "shown": list(self.found.shown),
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
            "log10_lr": analysis.as_json(evidence.log10_lr),
            "metrics": list(evidence.metrics),
            "score": analysis.as_json(one.score),
            "derivation_p": analysis.as_json(one.derivation_p),
            "stranger_p": analysis.as_json(one.stranger_p),
            "remains": one.remains,
            "shown": one.shown,
            "n_lineages": one.n_lineages,
            "same_cell_only": one.same_cell_only,
            "reason": one.reason,
        }

    def _repr_html_(self) -> str:
        # The page needs only the type of a case, so that there is no circle.
        from benchmark.comparison.candidates_page import candidates_fragment

        return candidates_fragment(self)
