"""Several metrics as one score of a pair: it ranks candidates, and has a place among calibrated pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import analysis
from benchmark.comparison.joint_evidence import choose_for_combination

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
    log10_lr : float
        Its bounded weight.
    metrics : tuple of str
        What is weighed together.
    reason : str
        Why there is none; empty otherwise.
    """

    table: analysis.ScoreTable | None
    value: float
    log10_lr: float
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
        self._fitted: dict[tuple[tuple[str, ...], bool], analysis.Combination] = {}

    def score(self, scores: Mapping[str, float], *, same_cell: bool) -> RankingScore:
        """Weigh the metrics that speak on a pair together.

        Parameters
        ----------
        scores : mapping of str to float
            Those that speak.
        same_cell : bool
            Whether the pair is of one shape: it is then weighed against look-alikes, else against all
            independent pairs.
        """
        speaking = tuple(name for name in self.tables if name in scores)
        if not speaking:
            nan = math.nan
            return RankingScore(None, nan, nan, (), "no metric that the calibration has speaks on it")
        joint = self._joint(speaking, same_cell)
        if not joint.defined:
            return RankingScore(None, math.nan, math.nan, joint.metrics, joint.reason)
        point = [[scores[name] for name in joint.metrics]]
        log10_lr = float(joint.log10_lr(point)[0])
        if len(joint.metrics) == 1:
            # One metric ranks by itself, and then by nothing that was fitted.
            (name,) = joint.metrics
            return RankingScore(self.tables[name], scores[name], log10_lr, joint.metrics, "")
        value = float(joint.log10_lr(point, bounded=False)[0])
        return RankingScore(joint.table, value, log10_lr, joint.metrics, "")

    def _joint(self, speaking: tuple[str, ...], same_cell: bool) -> analysis.Combination:
        key = (speaking, same_cell)
        if key not in self._fitted:
            chosen, _ = choose_for_combination({name: self.tables[name] for name in speaking})
            tables = [self.tables[name] for name in chosen]
            joint = analysis.combine_evidence(tables, negatives="look-alike" if same_cell else "independent")
            if same_cell and not joint.defined:
                joint = analysis.combine_evidence(tables, negatives="independent")
            self._fitted[key] = joint
        return self._fitted[key]
