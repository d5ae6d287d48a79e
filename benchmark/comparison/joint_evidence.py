"""What the metrics of a case weigh together, with their dependence accounted for."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import analysis
from analysis.evidence.negatives import LOOK_ALIKE
from benchmark.comparison.calibration_run import CalibrationRun
from benchmark.comparison.evidence_weight import EvidenceWeight, weigh_scores
from benchmark.comparison.metric_evidence import MetricEvidence
from benchmark.comparison.verbal_scale import DERIVATION, INDEPENDENCE, NEITHER

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
    withheld : str
        Why it supports nothing though it weighs something; empty otherwise.
    """

    combination: analysis.Combination
    weight: EvidenceWeight
    best_alone: str
    best_alone_cllr: float
    left_aside: dict[str, str]
    withheld: str

    @property
    def supports(self) -> str | None:
        """The proposition that they support; None for neither."""
        return None if self.withheld else self.weight.supports

    @property
    def words(self) -> str:
        """What they support, on the verbal scale."""
        return f"{NEITHER}: {self.withheld}" if self.withheld else self.weight.words

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        joint = self.combination
        return {
            "metrics": list(joint.metrics),
            "slopes": analysis.as_json(joint.slopes),
            "negatives": joint.negatives,
            "weight": analysis.as_json(self.weight),
            "supports": self.supports,
            "words": self.words,
            "cllr_min": analysis.as_json(joint.cllr_min),
            "best_alone": {"metric": self.best_alone, "cllr": analysis.as_json(self.best_alone_cllr)},
            "left_aside": self.left_aside,
        }


def weigh_together(
    found: Sequence[MetricEvidence],
    cells: tuple[str, str],
    calibration: CalibrationRun,
    left_out: Collection[str],
) -> JointEvidence | None:
    """Combine the metrics that have evidence on the case and can be relied on.

    Parameters
    ----------
    found : sequence of MetricEvidence
        With their standings.
    cells : tuple of two str
        Architecture cells of the pair.
    calibration : CalibrationRun
    left_out : collection of str
        Lineages of the two models.

    Returns
    -------
    JointEvidence or None
        None if no metric does.
    """
    speaking = [one for one in found if one.status == "ok" and one.weight.defined]
    useless = {one.metric: why for one in speaking if (why := _of_no_use(one))}
    tables = {
        one.metric: table
        for one in speaking
        if one.metric not in useless and (table := calibration.near(one.metric, cells, left_out)) is not None
    }
    if not tables:
        return None
    chosen, aside = choose_for_combination(tables)
    by_name = {one.metric: one for one in found}
    weight, joint = weigh_scores(
        [tables[name] for name in chosen],
        [by_name[name].score for name in chosen],
        cells,
        partial(calibration.combine, negatives=LOOK_ALIKE, lineages=left_out),
    )
    if joint is None:
        return None
    alone = (
        {name: calibration.cost_alone(tables[name], joint, left_out) for name in chosen}
        if joint.defined
        else {}
    )
    best = min(alone, key=lambda name: alone[name], default="")
    return JointEvidence(
        combination=joint,
        weight=weight,
        best_alone=best,
        best_alone_cllr=alone.get(best, math.nan),
        left_aside=useless | aside,
        withheld=_withheld([by_name[name] for name in chosen], weight.supports),
    )


def _of_no_use(one: MetricEvidence) -> str:
    if not one.standing.trusted:
        return f"in the calibration: {one.standing.verdict}"
    return one.standing.framed_like_a_child()


def _withheld(taking_part: Sequence[MetricEvidence], side: str | None) -> str:
    """Why metrics together support nothing: one of them that forgeries deceive towards this side suffices."""
    if side not in (DERIVATION, INDEPENDENCE):
        return ""
    deceived = [one.metric for one in taking_part if one.standing.withheld(side, one.score)]
    what = "an unrelated model was forged" if side == DERIVATION else "a descendant was altered"
    return f"in the calibration {what} to deceive {', '.join(deceived)}" if deceived else ""


def choose_for_combination(
    tables: Mapping[str, analysis.ScoreTable],
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Metrics that speak on nearly all lineages with derived pairs, and why the others are left aside."""
    holders = {
        name: len(set(table.lineage_a[table.derived & table.comparable])) for name, table in tables.items()
    }
    most = max(holders.values())
    aside = {
        name: f"it scores derived pairs of only {count} of {most} lineages"
        for name, count in holders.items()
        if count < (1 - MOST_LOST) * most
    }
    return tuple(name for name in tables if name not in aside), aside
