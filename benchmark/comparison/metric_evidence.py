"""What one metric says of two models, and what that weighs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import analysis
import fpcore
from benchmark.comparison.calibration_run import (
    NOTHING_LEFT,
    CalibrationRun,
    Place,
    Weight,
    place_of,
    weight_of,
)
from benchmark.comparison.verbal_scale import in_words

__all__ = ["DERIVATION", "INDEPENDENCE", "Party", "Reading", "read", "score_pair", "uncalibrated"]

DERIVATION: Final = "derivation"
INDEPENDENCE: Final = "independence"


@dataclass(frozen=True)
class Party:
    """One of the two models.

    Attributes
    ----------
    typed, name, digest, cell : str
        As the user named it, as it calls itself, its content, its architecture cell.
    catalog_id : str or None
        Its catalog entry.
    """

    typed: str
    name: str
    digest: str
    cell: str
    catalog_id: str | None

    @property
    def label(self) -> str:
        """What the case calls it."""
        return self.catalog_id or self.name


@dataclass(frozen=True)
class Reading:
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
    against_look_alikes, against_independents : Weight
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
    against_look_alikes: Weight
    against_independents: Weight

    @property
    def weight(self) -> Weight:
        """The weight to quote: against look-alikes; against all independents where there are none."""
        one = self.against_look_alikes
        return one if one.defined or not self.against_independents.defined else self.against_independents

    @property
    def words(self) -> str:
        """The weight on the verbal scale."""
        return in_words(self.weight.log10_lr, DERIVATION, INDEPENDENCE)

    def to_json(self) -> dict[str, Any]:
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
            "extrapolating": self.place is not None and not self.place.look_alikes.n_pairs,
            "log10_lr": analysis.as_json(self.weight.log10_lr),
            "interval": analysis.as_json(self.weight.interval),
            "words": self.words,
            "evidence": {
                "look-alike": analysis.as_json(self.against_look_alikes),
                "independent": analysis.as_json(self.against_independents),
            },
        }


def read(
    name: str,
    checkpoints: Sequence[fpcore.Checkpoint],
    parties: Sequence[Party],
    yardstick: CalibrationRun | None,
    left_out: set[str],
) -> Reading:
    """Score two models under a metric and weigh the score by the calibration less `left_out`."""
    metric = fpcore.metric(name)
    status, reason, score = score_pair(metric, checkpoints, parties)
    judged = yardstick.results.get(name) if yardstick else None
    place, alike, others = None, Weight.none(reason), Weight.none(reason)
    if status == "ok":
        missing = uncalibrated(metric, yardstick)
        table = None if missing or yardstick is None else yardstick.without(name, left_out)
        if table is None:
            alike = others = Weight.none(missing or NOTHING_LEFT)
        else:
            place = place_of(table, frozenset(party.cell for party in parties), score)
            alike = weight_of(table, score, negatives="look-alike")
            # An interval for the weight that is quoted.
            others = weight_of(table, score, negatives="independent", with_interval=not alike.defined)
    return Reading(
        metric=name,
        title=metric.title,
        version=metric.version,
        status=status,
        reason=reason,
        score=score,
        verdict=judged.verdict if judged else "",
        because=judged.because if judged else "",
        fails_on=judged.fails_on if judged else (),
        place=place,
        against_look_alikes=alike,
        against_independents=others,
    )


def score_pair(
    metric: fpcore.Metric, checkpoints: Sequence[fpcore.Checkpoint], parties: Sequence[Party]
) -> tuple[str, str, float]:
    """Status, reason and score of the pair."""
    first, second = checkpoints
    if parties[0].label > parties[1].label:
        # In name order, as in every score table: the same sums to the last digit.
        first, second = second, first
    try:
        value = float(metric.similarity(metric.fingerprint(first), metric.fingerprint(second)))
    except fpcore.NotComparable as error:
        return "abstained", error.reason, math.nan
    except fpcore.BadCheckpoint:
        raise
    except Exception as error:
        # A metric is somebody's code: the others still have something to say.
        return "failed", f"{type(error).__name__}: {error}", math.nan
    if math.isnan(value):
        return "failed", "the score is NaN", math.nan
    return "ok", "", value


def uncalibrated(metric: fpcore.Metric, yardstick: CalibrationRun | None) -> str:
    """Why the calibration says nothing of a metric; empty if it does."""
    if yardstick is None:
        return "no calibration"
    if metric.name not in yardstick.metrics:
        return f"the calibration does not have {metric.name}; run it again with this metric"
    version = yardstick.results[metric.name].version
    if version is not None and version != metric.version:
        return f"calibrated at version {version}, this is version {metric.version}; run it again"
    return ""
