"""One case: two models, what every metric says of them, what that weighs, and what cannot be said.

The two propositions are that one of the models descends from the other, and that they are independent models
of the same shapes (look-alikes). Evidence is fitted on a calibration run from which the lineages of both
models are left out. Metrics look at the same weights and depend on one another: their likelihood ratios are
never multiplied; their scores are weighed jointly, on the same terms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import analysis
from benchmark.comparison.calibration_run import CalibrationFacts
from benchmark.comparison.compared_model import ComparedModel
from benchmark.comparison.joint_evidence import JointEvidence
from benchmark.comparison.layers import LayerPicture
from benchmark.comparison.metric_evidence import MetricEvidence
from benchmark.comparison.verbal_scale import DERIVATION, INDEPENDENCE, SOURCE

__all__ = ["Background", "Case", "OpenDispute"]

SCHEMA: Final = 1


@dataclass(frozen=True)
class OpenDispute:
    """An open dispute of the catalog about the pair."""

    id: str
    title: str
    status: str


@dataclass(frozen=True)
class Background:
    """What the catalog has of the pair: told, not used.

    Attributes
    ----------
    relation, method : str
    disputes : tuple of OpenDispute
    """

    relation: str
    method: str
    disputes: tuple[OpenDispute, ...]


@dataclass(frozen=True)
class Case:
    """Two models and what can be said of them.

    Attributes
    ----------
    models : tuple of two ComparedModel
    metrics : tuple of MetricEvidence
    calibration : CalibrationFacts or None
        Which run, and which of its lineages were left out.
    lead : MetricEvidence or None
        The metric whose evidence the sentence quotes: the one that costs least (Cllr) on pairs of other
        lineages, of those that separate; chosen by the calibration, never by what it says of this case.
    joint : JointEvidence or None
        What the metrics that speak weigh together.
    sentence : str
        What an expert could sign; empty if nothing. It quotes the metrics together where that costs no more
        on other lineages than the lead alone.
    cannot_say : tuple of str
    background : Background or None
    layers : LayerPicture
        Where the two agree, layer by layer.
    """

    models: tuple[ComparedModel, ComparedModel]
    metrics: tuple[MetricEvidence, ...]
    calibration: CalibrationFacts | None
    lead: MetricEvidence | None
    joint: JointEvidence | None
    sentence: str
    cannot_say: tuple[str, ...]
    background: Background | None
    layers: LayerPicture

    @property
    def failures(self) -> tuple[str, ...]:
        """What failed: metric, pair and reason of each."""
        pair = " – ".join(model.typed for model in self.models)
        return tuple(
            f"{one.metric} on {pair}: {one.reason}" for one in self.metrics if one.status == "failed"
        )

    @property
    def agreement(self) -> dict[str, list[str]]:
        """Metrics by what they support."""
        groups: dict[str, list[str]] = {
            name: [] for name in (DERIVATION, INDEPENDENCE, "neither", "no evidence", "abstained", "failed")
        }
        for one in self.metrics:
            if one.status != "ok":
                groups[one.status].append(one.metric)
            elif not one.weight.defined:
                groups["no evidence"].append(one.metric)
            else:
                groups[one.weight.supports or "neither"].append(one.metric)
        return groups

    def to_json(self) -> dict[str, object]:
        """The case as plain values."""
        return {
            "schema": SCHEMA,
            "models": [analysis.as_json(model) for model in self.models],
            "calibration": analysis.as_json(self.calibration),
            "metrics": [one.to_json() for one in self.metrics],
            "agreement": self.agreement,
            "lead": self.lead.metric if self.lead else None,
            "combined": self.joint.to_json() if self.joint else None,
            "sentence": self.sentence or None,
            "scale": SOURCE,
            "cannot_say": list(self.cannot_say),
            "background": analysis.as_json(self.background),
            "layers": self.layers.to_json(),
        }

    def _repr_html_(self) -> str:
        # The page needs only the type of a case, so that there is no circle; it draws, so it comes late.
        from benchmark.comparison.case_page import case_fragment

        return case_fragment(self)
