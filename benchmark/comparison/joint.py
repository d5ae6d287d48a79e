"""What the metrics of a case weigh together, with their dependence accounted for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import analysis
from analysis.evidence.combination import Combination, combine_evidence
from benchmark.comparison.calibration_run import CalibrationRun
from benchmark.comparison.metric_evidence import DERIVATION, INDEPENDENCE, Reading
from benchmark.comparison.verbal_scale import in_words

__all__ = ["Joint", "choose_for_combination", "weigh_together"]

MOST_LOST: Final = 0.1
"""Of the calibration's lineages; a metric that would cost more of them is not combined."""


@dataclass(frozen=True)
class Joint:
    """The metrics together.

    Attributes
    ----------
    combination : Combination
        Fitted on the calibration less the lineages of both models.
    value : analysis.Interval
        The bounded log10 LR of the case.
    best_alone : str
        The metric whose evidence costs least by itself, on the same pairs.
    best_alone_cllr : float
    left_aside : dict of str to str
        Metrics that speak on the case and yet take no part, and why.
    """

    combination: Combination
    value: analysis.Interval
    best_alone: str
    best_alone_cllr: float
    left_aside: dict[str, str]

    @property
    def words(self) -> str:
        """The weight on the verbal scale."""
        return in_words(self.value.estimate, DERIVATION, INDEPENDENCE)

    @property
    def at_bound(self) -> bool:
        """Whether the calibration can go no further."""
        return self.value.estimate in (self.combination.lower, self.combination.upper)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        joint = self.combination
        return {
            "metrics": list(joint.metrics),
            "slopes": analysis.as_json(joint.slopes),
            "negatives": joint.negatives,
            "log10_lr": analysis.as_json(self.value),
            "lower": analysis.as_json(joint.lower),
            "upper": analysis.as_json(joint.upper),
            "words": self.words,
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
    readings: Sequence[Reading], yardstick: CalibrationRun, left_out: Collection[str]
) -> Joint | None:
    """Combine the metrics that speak on the case and have evidence; None if none does."""
    speaking = [one for one in readings if one.status == "ok" and one.weight.defined]
    tables = {
        one.metric: table
        for one in speaking
        if (table := yardstick.without(one.metric, left_out)) is not None
    }
    if not tables:
        return None
    alike = all(one.against_look_alikes.defined for one in speaking)
    chosen, aside = choose_for_combination(tables)
    joint = combine_evidence(
        [tables[name] for name in chosen], negatives="look-alike" if alike else "independent"
    )
    scores = {one.metric: one.score for one in readings}
    alone = {name: _alone(tables[name], joint) for name in chosen} if joint.defined else {}
    best = min(alone, key=lambda name: alone[name], default="")
    return Joint(
        combination=joint,
        value=joint.interval([scores[name] for name in chosen]),
        best_alone=best,
        best_alone_cllr=alone.get(best, float("nan")),
        left_aside=aside,
    )


def choose_for_combination(
    tables: dict[str, analysis.ScoreTable],
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


def _alone(table: analysis.ScoreTable, joint: Combination) -> float:
    """Cllr of one metric on the pairs of the combination."""
    assert joint.table is not None
    pairs = joint.table.frame[["model_a", "model_b"]]
    same = analysis.ScoreTable(table.frame.merge(pairs, on=["model_a", "model_b"]))
    return analysis.calibrate_evidence(same).cllr
