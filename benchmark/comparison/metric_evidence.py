"""What one metric says of two models, and what that weighs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import analysis
import fpcore
from benchmark.comparison.calibration_run import NOTHING_LEFT, CalibrationRun
from benchmark.comparison.evidence_weight import EvidenceWeight, weight_of_score
from benchmark.comparison.pair_scores import MetricScore
from benchmark.comparison.reference_pairs import Place, place_of

__all__ = ["MetricEvidence", "weigh_metric"]


@dataclass(frozen=True)
class MetricEvidence:
    """What one metric says of the case.

    Attributes
    ----------
    metric, title : str
    version : int
    status : str
        ok, abstained, failed; with `reason` for the last two.
    score : float
    verdict, because : str
        How the calibration run judged the metric; empty without one.
    fails_on : tuple of str
        Derivations on which it failed there: a low score says nothing against these.
    place : Place or None
    against_look_alikes, against_independents : EvidenceWeight
    """

    metric: str
    title: str
    version: int
    status: str
    reason: str
    score: float
    verdict: str
    because: str
    fails_on: tuple[str, ...]
    place: Place | None
    against_look_alikes: EvidenceWeight
    against_independents: EvidenceWeight

    @property
    def weight(self) -> EvidenceWeight:
        """The weight to quote: against look-alikes; against all independents where there are none."""
        one = self.against_look_alikes
        return one if one.defined or not self.against_independents.defined else self.against_independents

    @property
    def extrapolated(self) -> bool:
        """Whether the calibration has no look-alikes of these shapes, or none that this metric scores."""
        return self.place is None or not self.place.look_alikes.n_pairs

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "metric": self.metric,
            "title": self.title,
            "version": self.version,
            "status": self.status,
            "reason": self.reason,
            "score": analysis.as_json(self.score),
            "verdict": self.verdict,
            "because": self.because,
            "fails_on": list(self.fails_on),
            "look_alikes": self.place.look_alikes.to_json() if self.place else None,
            "derived": self.place.derived.to_json() if self.place else None,
            "extrapolating": self.place is not None and self.extrapolated,
            "log10_lr": analysis.as_json(self.weight.log10_lr),
            "interval": analysis.as_json(self.weight.interval),
            "words": self.weight.words,
            "evidence": {
                "look-alike": analysis.as_json(self.against_look_alikes),
                "independent": analysis.as_json(self.against_independents),
            },
        }


def weigh_metric(
    metric: fpcore.Metric,
    scored: MetricScore,
    cells: tuple[str, str],
    calibration: CalibrationRun | None,
    left_out: Collection[str],
) -> MetricEvidence:
    """Weigh the score of two models by the calibration less some lineages.

    Parameters
    ----------
    metric : Metric
    scored : MetricScore
        What it says of the two.
    cells : tuple of two str
        Their architecture cells.
    calibration : CalibrationRun or None
    left_out : collection of str
        Lineages of the calibration that take no part: those of the two models.
    """
    judged = calibration.results.get(metric.name) if calibration else None
    place = None
    alike = others = EvidenceWeight.none(scored.reason)
    if scored.status == "ok":
        missing = "no calibration" if calibration is None else calibration.lacks(metric)
        table = None if missing or calibration is None else calibration.without(metric.name, left_out)
        if table is None:
            alike = others = EvidenceWeight.none(missing or NOTHING_LEFT)
        else:
            place = place_of(table, cells, scored.score)
            alike = weight_of_score(table, scored.score, negatives="look-alike")
            # An interval for the weight that is quoted.
            others = weight_of_score(
                table, scored.score, negatives="independent", with_interval=not alike.defined
            )
    return MetricEvidence(
        metric=metric.name,
        title=metric.title,
        version=metric.version,
        status=scored.status,
        reason=scored.reason,
        score=scored.score,
        verdict=judged.verdict if judged else "",
        because=judged.because if judged else "",
        fails_on=judged.fails_on if judged else (),
        place=place,
        against_look_alikes=alike,
        against_independents=others,
    )
