"""The weight of evidence of derivation: a bounded log10 likelihood ratio, of one score or of several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import analysis
from benchmark.comparison.verbal_scale import in_words, supported

__all__ = ["EvidenceWeight", "Negatives", "weight_of_score", "weight_of_scores"]

Negatives = Literal["look-alike", "independent"]
LEVEL: Final = 0.95


@dataclass(frozen=True)
class EvidenceWeight:
    """What a score, or several together, weigh against one kind of independent pairs.

    Attributes
    ----------
    log10_lr : float
        Bounded; NaN where there is none (see `reason`).
    lower, upper : float
        The bounds: what so many lineages can back.
    at_bound : bool
        Whether the fitted value lies at a bound, or beyond.
    cllr : float
        Cost of such evidence on pairs whose lineages took no part in the fit: 0 perfect, 1 nothing.
    n_derived, n_independent, n_lineages : int
        What it is fitted on.
    beyond : bool
        Whether the score lies outside those it is fitted on; not told of several together.
    reason : str
    interval : analysis.Interval or None
        Of the log10 LR, over lineages; None where it was not asked for.
    """

    log10_lr: float
    lower: float
    upper: float
    at_bound: bool
    cllr: float
    n_derived: int
    n_independent: int
    n_lineages: int
    beyond: bool
    reason: str
    interval: analysis.Interval | None = None

    @classmethod
    def none(cls, reason: str, interval: analysis.Interval | None = None) -> EvidenceWeight:
        """No weight, with the reason."""
        nan = math.nan
        return cls(nan, nan, nan, False, nan, 0, 0, 0, False, reason, interval)

    @property
    def defined(self) -> bool:
        """Whether there is a value."""
        return not math.isnan(self.log10_lr)

    @property
    def bounds(self) -> tuple[float, float]:
        """What so many lineages can back."""
        return self.lower, self.upper

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends of the interval; the value itself where none was asked for."""
        held = self.interval
        return (self.log10_lr, self.log10_lr) if held is None else (held.low, held.high)

    @property
    def level(self) -> float:
        """Of the interval."""
        return LEVEL if self.interval is None else self.interval.level

    @property
    def supports(self) -> str | None:
        """The proposition that it supports; None for neither, and without a value."""
        return supported(self.log10_lr)

    @property
    def words(self) -> str:
        """The value on the verbal scale."""
        return in_words(self.log10_lr)


def weight_of_score(
    table: analysis.ScoreTable, score: float, *, negatives: Negatives, with_interval: bool = True
) -> EvidenceWeight:
    """The bounded log10 LR of a score, by derived pairs against look-alikes or all independent pairs.

    Parameters
    ----------
    table : ScoreTable
    score : float
    negatives : {"look-alike", "independent"}
        The alternative to derivation. An independent model of other shapes is told apart by its shape
        alone; in a case about models whose shapes match, look-alikes are what it has to be weighed against.
    with_interval : bool
        It costs as many fits as there are lineages.
    """
    used = table.comparable & (table.derived | table.negatives(negatives))
    if not used.any():
        return EvidenceWeight.none(f"no derived and no {negatives} pair has a score")
    kept = analysis.ScoreTable(table.frame[used])
    evidence = analysis.calibrate_evidence(kept)
    if evidence.reason:
        return EvidenceWeight.none(evidence.reason)
    value = float(evidence.log10_lr([score])[0])
    return EvidenceWeight(
        log10_lr=value,
        lower=evidence.lower,
        upper=evidence.upper,
        at_bound=value in (evidence.lower, evidence.upper),
        cllr=evidence.cllr,
        n_derived=evidence.n_derived,
        n_independent=evidence.n_independent,
        n_lineages=evidence.n_lineages,
        beyond=not kept.score.min() <= score <= kept.score.max(),
        reason="",
        interval=analysis.evidence_interval(kept, score, evidence) if with_interval else None,
    )


def weight_of_scores(joint: analysis.Combination, scores: Sequence[float]) -> EvidenceWeight:
    """The bounded log10 LR of the scores of several metrics together, with its interval.

    Parameters
    ----------
    joint : Combination
    scores : sequence of float
        In the order of its metrics.
    """
    value = joint.interval(scores)
    if not value.defined:
        return EvidenceWeight.none(value.reason, value)
    return EvidenceWeight(
        log10_lr=value.estimate,
        lower=joint.lower,
        upper=joint.upper,
        at_bound=value.estimate in (joint.lower, joint.upper),
        cllr=joint.cllr,
        n_derived=joint.n_derived,
        n_independent=joint.n_independent,
        n_lineages=joint.n_lineages,
        beyond=False,
        reason="",
        interval=value,
    )
