"""The quoted evidence against other explanations than independence: siblings, shared starts, distillation.

"Both come from the same public ancestor" is the usual defence. Where the calibration has such pairs of the
very shapes in question, in enough lineages, the same scores are weighed against them; such pairs lie inside
a lineage, so that their place is counted by lineages as that of derived pairs is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

import analysis
from benchmark.comparison.calibration_run import CalibrationRun
from benchmark.comparison.evidence_weight import EvidenceWeight, ranking, weight_of
from benchmark.results.same_shapes import FEWEST, same_cells

__all__ = ["ALTERNATIVES", "Alternative", "weigh_alternatives"]

ALTERNATIVES: Final = {
    "sibling": "both descend from the same model",
    "shared-init": "both started from the same random initialisation and were trained separately",
    "distilled": "one was trained on the other's outputs, or both on those of one teacher",
}


@dataclass(frozen=True)
class Alternative:
    """What the quoted scores weigh for descent against one other explanation.

    Attributes
    ----------
    relation, explanation : str
    n_pairs, n_lineages : int
        Such pairs of these shapes in the calibration that have the scores, and their lineages.
    weight : EvidenceWeight
    """

    relation: str
    explanation: str
    n_pairs: int
    n_lineages: int
    weight: EvidenceWeight


def weigh_alternatives(
    metrics: Sequence[str],
    scores: Sequence[float],
    cells: tuple[str, str],
    calibration: CalibrationRun,
    left_out: Collection[str],
) -> tuple[Alternative, ...]:
    """Weigh the scores of the quoted metrics against each of `ALTERNATIVES`.

    Parameters
    ----------
    metrics : sequence of str
    scores : sequence of float
        Of the pair in question, in their order.
    cells : tuple of two str
        Its architecture cells.
    calibration : CalibrationRun
    left_out : collection of str
        Lineages of the two models.
    """
    tables = [table for name in metrics if (table := calibration.near(name, cells, left_out)) is not None]
    return tuple(
        _weigh(
            relation,
            explanation,
            tables,
            scores,
            cells,
            partial(calibration.combine, negatives=relation, lineages=left_out),
        )
        for relation, explanation in ALTERNATIVES.items()
    )


def _weigh(
    relation: str,
    explanation: str,
    tables: Sequence[analysis.ScoreTable],
    scores: Sequence[float],
    cells: tuple[str, str],
    combine: Callable[[Sequence[analysis.ScoreTable]], analysis.Combination],
) -> Alternative:
    scored = [
        table.frame.loc[(table.relation == relation) & table.comparable & same_cells(table, cells)]
        for table in tables
    ]
    shared = scored[0][["model_a", "model_b", "lineage_a"]]
    for frame in scored[1:]:
        shared = shared.merge(frame[["model_a", "model_b"]])
    n_pairs, n_lineages = len(shared), int(shared["lineage_a"].nunique())

    def found(weight: EvidenceWeight) -> Alternative:
        return Alternative(relation, explanation, n_pairs, n_lineages, weight)

    if n_lineages < FEWEST:
        held = f"{n_pairs} such pairs of {n_lineages} lineages" if n_pairs else "no such pair"
        return found(
            EvidenceWeight.none(
                f"the calibration has {held} of these shapes; at least {FEWEST} lineages are needed"
            )
        )
    joint = combine(tables)
    if joint.table is None:
        return found(EvidenceWeight.none(joint.reason))
    ranked, value = ranking(joint, tables, scores)
    return found(weight_of(joint, scores, _bounds(ranked, value, relation, cells)))


def _bounds(
    ranked: analysis.ScoreTable, value: float, relation: str, cells: tuple[str, str]
) -> tuple[float, float]:
    """Bounds by the places of the pair among derived pairs and among those of the other relation.

    Pairs that lie inside lineages are counted as derived ones are, from above.
    """
    here = same_cells(ranked, cells)
    low, holders = analysis.derivation_p_value(ranked, value, mask=here)
    if holders < FEWEST:
        low, _ = analysis.derivation_p_value(ranked, value)
    other = here & (ranked.relation == relation)
    lineage, high = ranked.lineage_a[other], ranked.score[other] >= value
    shares = [float(np.mean(high[lineage == one])) for one in np.unique(lineage)]
    return math.log10(low), -math.log10((1 + sum(shares)) / (len(shares) + 1))
