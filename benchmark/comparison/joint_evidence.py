"""What the metrics of a case weigh together, with their dependence accounted for."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import analysis
from benchmark.comparison.calibration_run import CalibrationRun
from benchmark.comparison.evidence_weight import EvidenceWeight, weight_of_scores
from benchmark.comparison.metric_evidence import MetricEvidence

__all__ = ["JointEvidence", "choose_for_combination", "weigh_together"]

MOST_LOST: Final = 0.1
"""Of the calibration's lineages; a metric that would cost more of them is not combined."""


@dataclass(frozen=True)
class JointEvidence:
    """The metrics together.

    Attributes
    ----------
    combination : Combination
        Fitted on the calibration less the lineages of both models.
    weight : EvidenceWeight
        Of the case.
    best_alone : str
        The metric whose evidence costs least by itself, on the same pairs.
    best_alone_cllr : float
    left_aside : dict of str to str
        Metrics that speak on the case and yet take no part, and why.
    """

    combination: analysis.Combination
    weight: EvidenceWeight
    best_alone: str
    best_alone_cllr: float
    left_aside: dict[str, str]

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        joint = self.combination
        return {
            "metrics": list(joint.metrics),
            "slopes": analysis.as_json(joint.slopes),
            "negatives": joint.negatives,
            "log10_lr": analysis.as_json(self.weight.interval),
            "lower": analysis.as_json(joint.lower),
            "upper": analysis.as_json(joint.upper),
            "words": self.weight.words,
            "cllr": analysis.as_json(joint.cllr),
            "cllr_min": analysis.as_json(joint.cllr_min),
            "n_derived": joint.n_derived,
            "n_independent": joint.n_independent,
            "n_lineages": joint.n_lineages,
            "best_alone": {"metric": self.best_alone, "cllr": analysis.as_json(self.best_alone_cllr)},
            "left_aside": self.left_aside,
            "reason": joint.reason,
        }


def weigh_together(
    found: Sequence[MetricEvidence], calibration: CalibrationRun, left_out: Collection[str]
) -> JointEvidence | None:
    """Combine the metrics that speak on the case and have evidence; None if none does."""
    speaking = [one for one in found if one.status == "ok" and one.weight.defined]
    tables = {
        one.metric: table
        for one in speaking
        if (table := calibration.without(one.metric, left_out)) is not None
    }
    if not tables:
        return None
    alike = all(one.against_look_alikes.defined for one in speaking)
    chosen, aside = choose_for_combination(tables)
    joint = analysis.combine_evidence(
        [tables[name] for name in chosen], negatives="look-alike" if alike else "independent"
    )
    scores = {one.metric: one.score for one in found}
    alone = {name: _cost_alone(tables[name], joint) for name in chosen} if joint.defined else {}
    best = min(alone, key=lambda name: alone[name], default="")
    return JointEvidence(
        combination=joint,
        weight=weight_of_scores(joint, [scores[name] for name in chosen]),
        best_alone=best,
        best_alone_cllr=alone.get(best, math.nan),
        left_aside=aside,
    )


def choose_for_combination(
    tables: Mapping[str, analysis.ScoreTable],
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Metrics that speak on nearly all lineages with derived pairs, and why the others are left aside."""
    holders = {
        name: len(set(table.lineage_a[table.derived & table.comparable])) for name, table in tables.items()
    }
    most = max(holders.values())
    aside = {
        name: f"it speaks on derived pairs of {count} of {most} lineages: the rest would be lost to all"
        for name, count in holders.items()
        if count < (1 - MOST_LOST) * most
    }
    return tuple(name for name in tables if name not in aside), aside


def _cost_alone(table: analysis.ScoreTable, joint: analysis.Combination) -> float:
    """Cllr of one metric on the pairs of the combination."""
    assert joint.table is not None
    pairs = joint.table.frame[["model_a", "model_b"]]
    same = analysis.ScoreTable(table.frame.merge(pairs, on=["model_a", "model_b"]))
    return analysis.calibrate_evidence(same).cllr
