"""The weight of evidence of derivation: a bounded log10 likelihood ratio, of one score or of several.

It is fitted on all derived pairs and look-alikes of the calibration, and then held within what the pairs of
the very shapes in question back. If p is the place of the score among look-alikes of these shapes, the ratio
is never above 1/p; if q is its place among derived pairs, never below q. Both are p-values that hold for any
distribution of scores (`analysis.stranger_p_value`, `analysis.derivation_p_value`), so that evidence for
derivation misleads by a factor of k in at most one of k independent pairs of these shapes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

import analysis
from benchmark.comparison.reference_pairs import ShapeCalibration
from benchmark.comparison.verbal_scale import in_words, supported
from benchmark.results.same_shapes import FEWEST

__all__ = ["EvidenceWeight", "ranking", "shape_bounds", "weigh_scores", "weight_of"]

LEVEL: Final = 0.95


@dataclass(frozen=True)
class EvidenceWeight:
    """What a score, or several together, weigh against one alternative to derivation.

    Attributes
    ----------
    log10_lr : float
        Bounded; NaN where there is none (see `reason`).
    lower, upper : float
        The bounds: what so many lineages, and so many of these shapes, can back.
    at_bound : bool
        Whether the fitted value lies at a bound, or beyond.
    cllr : float
        Cost of such evidence on pairs whose lineages took no part in the fit: 0 perfect, 1 nothing.
    n_derived, n_independent, n_lineages : int
        What it is fitted on.
    n_of_these_shapes, n_lineages_of_these_shapes : int
        Look-alikes of the very shapes, and their lineages.
    beyond : bool
        Whether the score lies outside those it is fitted on; not told of several together.
    reason : str
    interval : analysis.Interval or None
        Of the log10 LR, over lineages, within the bounds.
    """

    log10_lr: float
    lower: float
    upper: float
    at_bound: bool
    cllr: float
    n_derived: int
    n_independent: int
    n_lineages: int
    n_of_these_shapes: int
    n_lineages_of_these_shapes: int
    beyond: bool
    reason: str
    interval: analysis.Interval | None = None

    @classmethod
    def none(cls, reason: str) -> EvidenceWeight:
        """No weight, with the reason."""
        nan = math.nan
        return cls(nan, nan, nan, False, nan, 0, 0, 0, 0, 0, False, reason)

    @property
    def defined(self) -> bool:
        """Whether there is a value."""
        return not math.isnan(self.log10_lr)

    @property
    def bounds(self) -> tuple[float, float]:
        """What so many lineages can back."""
        return self.lower, self.upper

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends of the interval; the value itself where there is none."""
        held = self.interval
        return (self.log10_lr, self.log10_lr) if held is None else (held.low, held.high)

    @property
    def level(self) -> float:
        """Of the interval."""
        return LEVEL if self.interval is None else self.interval.level

    @property
    def supports(self) -> str | None:
        """The proposition that it supports; None for neither, and without a value."""
        return supported(self.log10_lr, *self.ends)

    @property
    def words(self) -> str:
        """The value on the verbal scale."""
        return in_words(self.log10_lr, *self.ends)


def combined(tables: Sequence[analysis.ScoreTable]) -> analysis.Combination:
    """Fit against look-alikes."""
    return analysis.combine_evidence(tables, negatives="look-alike")


def weigh_scores(
    tables: Sequence[analysis.ScoreTable],
    scores: Sequence[float],
    cells: tuple[str, str],
    combine: Callable[[Sequence[analysis.ScoreTable]], analysis.Combination] = combined,
) -> tuple[EvidenceWeight, analysis.Combination | None]:
    """Weigh the scores of one or several metrics together, against look-alikes of the pair's shapes.

    Parameters
    ----------
    tables : sequence of ScoreTable
        One a metric, without the lineages of the pair in question.
    scores : sequence of float
        Of the pair, in their order.
    cells : tuple of two str
        Its architecture cells.
    combine : callable
        Fits the tables against look-alikes.

    Returns
    -------
    EvidenceWeight
        None, with the reason, where the tables have too few look-alikes of these shapes.
    Combination or None
        The fit; None where it was not asked for, since nothing can be weighed.
    """
    for table in tables:
        reason = ShapeCalibration.of(table, cells).reason
        if reason:
            return EvidenceWeight.none(reason), None
    joint = combine(tables)
    if joint.table is None:
        return EvidenceWeight.none(joint.reason), joint
    ranked, value = ranking(joint, tables, scores)
    shapes = ShapeCalibration.of(ranked, cells)
    if shapes.reason:
        return EvidenceWeight.none(shapes.reason), joint
    weight = weight_of(joint, scores, shape_bounds(ranked, shapes, value))
    return replace(
        weight,
        n_of_these_shapes=shapes.n_pairs,
        n_lineages_of_these_shapes=shapes.n_lineages,
        beyond=len(tables) == 1 and not ranked.score.min() <= value <= ranked.score.max(),
    ), joint


def ranking(
    joint: analysis.Combination, tables: Sequence[analysis.ScoreTable], scores: Sequence[float]
) -> tuple[analysis.ScoreTable, float]:
    """Pairs of a fit with the score by which a pair has its place among them, and that of the case.

    One metric has its place by its own score; several by what they come to together, on other lineages.

    Parameters
    ----------
    joint : Combination
        That is defined.
    tables : sequence of ScoreTable
        What it was fitted on.
    scores : sequence of float
        Of the case, in their order.
    """
    assert joint.table is not None
    if len(tables) > 1:
        return joint.table, float(joint.log10_lr([list(scores)], bounded=False)[0])
    pair = ["model_a", "model_b"]
    own = joint.table.frame[pair].merge(tables[0].frame[[*pair, "score"]], on=pair, how="left")
    return joint.table.with_scores(own["score"].to_numpy(dtype=np.float64)), float(scores[0])


def shape_bounds(table: analysis.ScoreTable, shapes: ShapeCalibration, score: float) -> tuple[float, float]:
    """Bounds of the log10 LR by the place of a score among pairs of these shapes.

    Parameters
    ----------
    table : ScoreTable
    shapes : ShapeCalibration
        Of this table.
    score : float

    Returns
    -------
    lower, upper : float
        log10 of its place among derived pairs, of these shapes where so many lineages have them as it takes
        of look-alikes, else of all; and of 1 over that among look-alikes of these shapes.
    """
    low, holders = analysis.derivation_p_value(table, score, mask=shapes.here)
    if holders < FEWEST:
        low, _ = analysis.derivation_p_value(table, score)
    high, _ = analysis.stranger_p_value(table, score, mask=shapes.here & table.look_alike)
    return math.log10(low), -math.log10(high)


def weight_of(
    joint: analysis.Combination, scores: Sequence[float], within: tuple[float, float]
) -> EvidenceWeight:
    """The bounded log10 LR of scores by a fit, with its interval, within further bounds.

    Parameters
    ----------
    joint : Combination
    scores : sequence of float
        In the order of its metrics.
    within : (float, float)
        Bounds besides those of the fit; 0 or less, and 0 or more.
    """
    value = joint.interval(scores)
    if not value.defined:
        return EvidenceWeight.none(value.reason)
    lower, upper = max(joint.lower, within[0]), min(joint.upper, within[1])
    estimate, low, high = np.clip([value.estimate, value.low, value.high], lower, upper).tolist()
    return EvidenceWeight(
        log10_lr=estimate,
        lower=lower,
        upper=upper,
        at_bound=estimate in (lower, upper),
        cllr=joint.cllr,
        n_derived=joint.n_derived,
        n_independent=joint.n_negative,
        n_lineages=joint.n_lineages,
        n_of_these_shapes=0,
        n_lineages_of_these_shapes=0,
        beyond=False,
        reason="",
        interval=replace(
            value,
            estimate=estimate,
            low=low,
            high=high,
            method=f"{value.method}, and no surer than the places among pairs of these shapes",
        ),
    )
