"""One case: two models, what every metric says of them, what that weighs, and what cannot be said.

The two propositions are that one of the models descends from the other, and that they are independent models
of the same shapes (look-alikes). Without look-alikes of these very shapes nothing is
weighed. Evidence is fitted on a calibration run from which the lineages of both models are left out. Metrics
look at the same weights and depend on one another: their likelihood ratios are never multiplied; their scores
are weighed jointly, on the same terms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import analysis
from benchmark.comparison.alternatives import Alternative
from benchmark.comparison.calibration_run import CalibrationFacts
from benchmark.comparison.compared_model import ComparedModel
from benchmark.comparison.joint_evidence import JointEvidence
from benchmark.comparison.layers import LayerPicture
from benchmark.comparison.metric_evidence import MetricEvidence
from benchmark.comparison.posterior_odds import OddsTable
from benchmark.comparison.sentences import quoted
from benchmark.comparison.verbal_scale import DERIVATION, INDEPENDENCE, SOURCE
from benchmark.results.published_places import PublishedPlace

__all__ = ["Background", "Case", "OpenDispute"]

SCHEMA: Final = 3

NOTHING: Final = "no statement an expert could sign"


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
        What the metrics that can be relied on weigh together.
    alternatives : tuple of Alternative
        What is quoted, against other explanations than independence; empty without a lead.
    odds : OddsTable or None
        What is quoted, for some priors and costs.
    forged : tuple of str
        What the catalog, or the calibration, knows of a model of the pair that was forged.
    version, date : str
        Of the program, and of the day (UTC) that the case was made.
    sentence : str
        What an expert could sign; empty if nothing. It quotes the metrics together where that costs no more
        on other lineages than the lead alone.
    cannot_say : tuple of str
    background : Background or None
    published_scores : tuple of PublishedPlace
        What was published of the pair: told, not used.
    layers : LayerPicture
        Where the two agree, layer by layer.
    """

    models: tuple[ComparedModel, ComparedModel]
    metrics: tuple[MetricEvidence, ...]
    calibration: CalibrationFacts | None
    lead: MetricEvidence | None
    joint: JointEvidence | None
    alternatives: tuple[Alternative, ...]
    odds: OddsTable | None
    forged: tuple[str, ...]
    version: str
    date: str
    sentence: str
    cannot_say: tuple[str, ...]
    background: Background | None
    published_scores: tuple[PublishedPlace, ...]
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
                groups[one.supports or "neither"].append(one.metric)
        return groups

    @property
    def quoted(self) -> MetricEvidence | JointEvidence | None:
        """What the sentence quotes."""
        return quoted(self.lead, self.joint) or self.lead

    @property
    def supports(self) -> str | None:
        """The proposition that what is quoted supports; None for neither, and where nothing can be said."""
        return self.quoted.supports if self.quoted and not self.forged else None

    @property
    def answer(self) -> str:
        """The answer in a few words."""
        if self.forged:
            return self.forged[0]
        return self.quoted.words if self.quoted and self.sentence else NOTHING

    def to_json(self) -> dict[str, object]:
        """The case as plain values."""
        return {
            "schema": SCHEMA,
            "models": [analysis.as_json(model) for model in self.models],
            "calibration": self.calibration.to_json() if self.calibration else None,
            "metrics": [one.to_json() for one in self.metrics],
            "agreement": self.agreement,
            "lead": self.lead.metric if self.lead else None,
            "combined": self.joint.to_json() if self.joint else None,
            "supports": self.supports,
            "alternatives": [analysis.as_json(one) for one in self.alternatives],
            "odds": analysis.as_json(self.odds),
            "known_forgeries": list(self.forged),
            "answer": self.answer,
            "sentence": self.sentence or None,
            "program": self.version,
            "date": self.date,
            "scale": SOURCE,
            "cannot_say": list(self.cannot_say),
            "background": analysis.as_json(self.background),
            "published_scores": [analysis.as_json(one) for one in self.published_scores],
            "layers": self.layers.to_json(),
        }

    def _repr_html_(self) -> str:
        # The page needs only the type of a case, so that there is no circle; it draws, so it comes late.
        from benchmark.comparison.case_page import case_fragment

        return case_fragment(self)
