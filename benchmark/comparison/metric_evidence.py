"""What one metric says of two models, and what that weighs."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

import analysis
import fpcore
from analysis.evidence.negatives import LOOK_ALIKE
from benchmark.comparison.calibration_run import NOTHING_LEFT, CalibrationRun
from benchmark.comparison.evidence_weight import EvidenceWeight, weigh_scores
from benchmark.comparison.metric_standing import MetricStanding
from benchmark.comparison.pair_scores import MetricScore
from benchmark.comparison.reference_pairs import Place, place_of
from benchmark.comparison.verbal_scale import NEITHER
from benchmark.report.notation import plain

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
    standing : MetricStanding
        How the calibration run judges the metric, without the lineages of the case.
    place : Place or None
    weight : EvidenceWeight
        Against look-alikes of these shapes.
    standard_error : float
        What sampling adds to the score; NaN where all was measured, or the error is not known.
    """

    metric: str
    title: str
    version: int
    status: str
    reason: str
    score: float
    standing: MetricStanding
    place: Place | None
    weight: EvidenceWeight
    standard_error: float = math.nan

    @property
    def told_score(self) -> str:
        """The score in a few digits, with what sampling adds to it; the status where there is none."""
        if self.status != "ok":
            return self.status
        error = f" ± {self.standard_error:.1g}" if self.standard_error > 0.0 else ""
        return f"{plain(self.score)}{error}"

    @property
    def withheld(self) -> str:
        """Why it supports nothing though it weighs something; empty otherwise."""
        return self.standing.withheld(self.weight.supports, self.score) if self.weight.defined else ""

    @property
    def supports(self) -> str | None:
        """The proposition that it supports; None for neither."""
        return None if self.withheld else self.weight.supports

    @property
    def words(self) -> str:
        """What it supports, on the verbal scale."""
        return f"{NEITHER}: {self.withheld}" if self.withheld else self.weight.words

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "metric": self.metric,
            "title": self.title,
            "version": self.version,
            "status": self.status,
            "reason": self.reason,
            "score": analysis.as_json(self.score),
            **({} if math.isnan(self.standard_error) else {"standard_error": self.standard_error}),
            "in_the_calibration": analysis.as_json(self.standing),
            "look_alikes": self.place.look_alikes.to_json() if self.place else None,
            "derived": self.place.derived.to_json() if self.place else None,
            "weight": analysis.as_json(self.weight),
            "supports": self.supports,
            "words": self.words,
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

    Returns
    -------
    MetricEvidence
        Its standing is not known yet.
    """
    place = None
    weight = EvidenceWeight.none(scored.reason)
    if scored.status == "ok":
        missing = "no calibration" if calibration is None else calibration.lacks(metric)
        table = None if missing or calibration is None else calibration.near(metric.name, cells, left_out)
        if table is None or calibration is None:
            weight = EvidenceWeight.none(missing or NOTHING_LEFT)
        else:
            place = place_of(table, cells, scored.score)
            combine = partial(calibration.combine, negatives=LOOK_ALIKE, lineages=left_out)
            weight, _ = weigh_scores([table], [scored.score], cells, combine)
    return MetricEvidence(
        metric=metric.name,
        title=metric.title,
        version=metric.version,
        status=scored.status,
        reason=scored.reason,
        score=scored.score,
        standing=MetricStanding.unknown(),
        place=place,
        weight=weight,
        standard_error=scored.standard_error,
    )
