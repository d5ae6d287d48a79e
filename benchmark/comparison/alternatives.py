"""The quoted evidence against other explanations than independence: siblings, shared starts, distillation.

"Both come from the same public ancestor" is the usual defence. Where the calibration has enough such pairs
the same scores are weighed against them; such pairs lie inside a lineage, so that their place is counted by
lineages as that of derived pairs is.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

import analysis
from benchmark.comparison.calibration_run import CalibrationRun
from benchmark.comparison.evidence_weight import EvidenceWeight, ranking, weight_of
from benchmark.comparison.reference_pairs import FEWEST

__all__ = ["ALTERNATIVES", "Alternative", "weigh_alternatives"]

ALTERNATIVES: Final = {
    "sibling": "both descend from the same model",
    "shared-init": "both started from the same random numbers, and were trained apart",
    "distilled": "one was trained on the answers of the other, or both on those of one teacher",
}


@dataclass(frozen=True)
class Alternative:
    """What the quoted scores weigh for descent against one other explanation.

    Attributes
    ----------
    relation, explanation : str
    n_pairs, n_lineages : int
        Such pairs in the calibration that have the scores, and their lineages.
    weight : EvidenceWeight
    """

    relation: str
    explanation: str
    n_pairs: int
    n_lineages: int
    weight: EvidenceWeight


def weigh_alternatives(
    metrics: Sequence[str], scores: Sequence[float], calibration: CalibrationRun, left_out: Collection[str]
) -> tuple[Alternative, ...]:
    """Weigh the scores of the quoted metrics against each of `ALTERNATIVES`.

    Parameters
    ----------
    metrics : sequence of str
    scores : sequence of float
        Of the pair in question, in their order.
    calibration : CalibrationRun
    left_out : collection of str
        Lineages of the two models.
    """
    tables = [table for name in metrics if (table := calibration.without(name, left_out)) is not None]
    return tuple(
        _weigh(relation, explanation, tables, scores) for relation, explanation in ALTERNATIVES.items()
    )


def _weigh(
    relation: str, explanation: str, tables: Sequence[analysis.ScoreTable], scores: Sequence[float]
) -> Alternative:
    against = [_against(table, relation) for table in tables]
    scored = [table.frame.loc[table.independent & table.comparable] for table in against]
    shared = scored[0][["model_a", "model_b", "lineage_a"]]
    for frame in scored[1:]:
        shared = shared.merge(frame[["model_a", "model_b"]])
    n_pairs, n_lineages = len(shared), int(shared["lineage_a"].nunique())
    if n_lineages < FEWEST:
        held = f"{n_pairs} such pairs of {n_lineages} lineages" if n_pairs else "no such pair"
        weight = EvidenceWeight.none(f"the calibration has {held}; it takes {FEWEST} lineages")
        return Alternative(relation, explanation, n_pairs, n_lineages, weight)
    joint = analysis.combine_evidence(against, negatives="independent")
    if joint.table is None:
        return Alternative(relation, explanation, n_pairs, n_lineages, EvidenceWeight.none(joint.reason))
    weight = weight_of(joint, scores, _bounds(*ranking(joint, against, scores)))
    return Alternative(relation, explanation, n_pairs, n_lineages, weight)


def _against(table: analysis.ScoreTable, relation: str) -> analysis.ScoreTable:
    """The derived pairs of a table, and those of one relation as what they are told from."""
    frame = table.frame[table.frame["relation"].isin(["derived", relation])]
    return analysis.ScoreTable(frame.assign(relation=frame["relation"].replace(relation, "independent")))


def _bounds(ranked: analysis.ScoreTable, value: float) -> tuple[float, float]:
    """Bounds by the places of the pair among derived pairs and among those of the other relation."""
    low, _ = analysis.derivation_p_value(ranked, value)
    # Pairs that lie inside lineages are counted as derived ones are, from above.
    other = ranked.independent
    lineage, high = ranked.lineage_a[other], ranked.score[other] >= value
    shares = [float(np.mean(high[lineage == one])) for one in np.unique(lineage)]
    return math.log10(low), -math.log10((1 + sum(shares)) / (len(shares) + 1))
