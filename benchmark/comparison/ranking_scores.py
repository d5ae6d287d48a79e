"""Several metrics as one score of a pair: it ranks candidates, and has a place among calibrated pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import analysis
from benchmark.comparison.evidence_weight import ranking
from benchmark.comparison.joint_evidence import choose_for_combination
from benchmark.comparison.reference_pairs import ShapeCalibration

__all__ = ["JointScorer", "RankingScore"]


@dataclass(frozen=True)
class RankingScore:
    """What ranks a pair.

    Attributes
    ----------
    table : ScoreTable or None
        The same kind of score on pairs of other lineages; None without one.
    value : float
        The pair's own; NaN without one.
    metrics : tuple of str
        What is weighed together.
    reason : str
        Why there is none; empty otherwise.
    """

    table: analysis.ScoreTable | None
    value: float
    metrics: tuple[str, ...]
    reason: str


class JointScorer:
    """Score tables of several metrics, and joint evidence for every set of them that speaks on a pair.

    Parameters
    ----------
    tables : mapping of str to ScoreTable
        Without the lineages of the model in question.
    """

    def __init__(self, tables: Mapping[str, analysis.ScoreTable]) -> None:
        self.tables = tables
        self._fitted: dict[tuple[str, ...], analysis.Combination] = {}

    def score(self, scores: Mapping[str, float], cells: tuple[str, str]) -> RankingScore:
        """Weigh the metrics that speak on a pair together.

        Parameters
        ----------
        scores : mapping of str to float
            Those that speak.
        cells : tuple of two str
            Architecture cells of the pair: without look-alikes of them nothing is weighed.
        """
        speaking = tuple(name for name in self.tables if name in scores)
        if not speaking:
            return RankingScore(None, math.nan, (), "no metric of the calibration could score it")
        chosen, _ = choose_for_combination({name: self.tables[name] for name in speaking})
        tables = [self.tables[name] for name in chosen]
        refused = next((why for table in tables if (why := ShapeCalibration.of(table, cells).reason)), "")
        if refused:
            return RankingScore(None, math.nan, chosen, refused)
        if chosen not in self._fitted:
            self._fitted[chosen] = analysis.combine_evidence(tables, negatives="look-alike")
        joint = self._fitted[chosen]
        if not joint.defined:
            return RankingScore(None, math.nan, chosen, joint.reason)
        values = [scores[name] for name in chosen]
        return RankingScore(*ranking(joint, tables, values), chosen, "")
