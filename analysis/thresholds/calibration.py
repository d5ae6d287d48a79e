"""Thresholds: a score at or above T means "derived". Calibrated, judged on lineages not used, certified."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from analysis.notebook import Shown, number
from analysis.randomness import generator
from analysis.results import Interval
from analysis.table import NEGATIVES, ScoreTable, check_table
from analysis.thresholds.heldout import held_out_rates, smallest_threshold
from analysis.thresholds.power import lineages_needed
from analysis.thresholds.rates import rate
from analysis.validation import check_choice, check_number, check_probability, check_seed

__all__ = [
    "Threshold",
    "ThresholdAudit",
    "audit_threshold",
    "calibrate_threshold",
    "certified_value",
    "independent_negatives",
]

Floats = npt.NDArray[np.float64]
MATCHINGS: Final = 16
"""Random matchings tried; the largest is used. Chosen by labels alone, so the choice costs nothing."""


@dataclass(frozen=True)
class Threshold(Shown):
    """A calibrated threshold, and what is known about it.

    Attributes
    ----------
    max_fpr, confidence : float
        What was asked: a false positive rate of at most `max_fpr`, guaranteed with this confidence.
    value : float
        A score at or above it means "derived". NaN when no threshold exists (see `reason`).
    certified : bool
        Over fresh catalogs of the same population, at most a share 1 - confidence of such thresholds lets a
        pair of fresh lineages pass more often than `max_fpr`. False: the value is the best estimate only.
    fpr, tpr : Interval
        On the pairs it was calibrated on: the false positive rate is optimistic.
    reason : str
        Why it is not certified, or does not exist.
    lineages_needed : int
        Lineages with which a certificate becomes possible: two for each independent negative.
    n_independent : int
        Independent negatives that this catalog holds (pairs that share no lineage).
    held_out_fpr, held_out_tpr : Interval
        On pairs whose lineages took no part in the calibration (mixed pairs dropped).
    new_architecture_fpr, new_architecture_tpr : Interval
        On pairs of architecture cells whose lineages took no part.
    negatives : str
        Which pairs a false positive is about.
    """

    _headline = "value"

    max_fpr: float
    confidence: float
    value: float
    certified: bool
    fpr: Interval
    tpr: Interval
    reason: str
    lineages_needed: int
    n_independent: int
    held_out_fpr: Interval
    held_out_tpr: Interval
    new_architecture_fpr: Interval
    new_architecture_tpr: Interval
    negatives: str = "independent"

    def __str__(self) -> str:
        asked = f"FPR ≤ {number(self.max_fpr)} at confidence {number(self.confidence)}"
        if math.isnan(self.value):
            return f"no threshold for {asked} ({self.reason})"
        held = f"certified for {asked}" if self.certified else f"not certified for {asked}: {self.reason}"
        return f"{number(self.value)} ({held}; FPR {self.fpr._cell()}, TPR {self.tpr._cell()})"


@dataclass(frozen=True)
class ThresholdAudit(Shown):
    """What a claimed threshold does.

    Attributes
    ----------
    threshold : float
    fpr, look_alike_fpr : Interval
        Share of independent pairs, and of look-alikes, at or above it.
    tpr : Interval
        Share of derived pairs at or above it.
    """

    _headline = "threshold"

    threshold: float
    fpr: Interval
    tpr: Interval
    look_alike_fpr: Interval


def calibrate_threshold(
    table: ScoreTable,
    max_fpr: float = 0.05,
    confidence: float = 0.95,
    *,
    negatives: str = "independent",
    level: float = 0.95,
    seed: int = 0,
) -> Threshold:
    """Choose a threshold with a bounded false positive rate, certified where the catalog allows it.

    Parameters
    ----------
    table : ScoreTable
        Only comparable pairs are used.
    max_fpr : float
        In (0, 1).
    confidence : float
        Of the certificate, in (0, 1).
    negatives : {"independent", "look-alike"}
        Which pairs a false positive is about.
    level : float
        Nominal coverage of the intervals, in (0, 1).
    seed : int
        Of the matching that picks independent negatives.

    Returns
    -------
    Threshold

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Notes
    -----
    Pairs that share a lineage are dependent, so the certificate rests on a matching: lineage pairs that share
    no lineage, one random pair of models each. These are independent draws of "a pair of two fresh lineages",
    and an order statistic of them with a binomial bound guarantees the rate (the Neyman-Pearson umbrella:
    Tong, Feng & Li 2018, doi:10.1126/sciadv.aao1659). A threshold above a certified one is certified as well,
    so the value is never below the one calibrated on all pairs.

    Examples
    --------
    >>> from analysis import calibrate_threshold, example_table
    >>> threshold = calibrate_threshold(example_table(), max_fpr=0.05)
    >>> threshold.certified, threshold.lineages_needed
    (False, 118)
    >>> print(threshold.reason)
    not certifiable with this catalog: 59 independent negatives are needed for 0.05 at confidence 0.95, its
    lineages hold 6; 118 lineages would do
    >>> calibrate_threshold(example_table(n_lineages=120), max_fpr=0.05).certified
    True
    """
    check_table(table)
    check_choice(negatives, "negatives", NEGATIVES)
    check_probability(level, "level")
    check_seed(seed)
    value, certified, reason, n_independent = certified_value(
        table, max_fpr, confidence, negatives=negatives, seed=seed
    )
    held_out = held_out_rates(table, max_fpr, negatives=negatives, by="lineage", level=level)
    elsewhere = held_out_rates(table, max_fpr, negatives=negatives, by="architecture", level=level)
    return Threshold(
        max_fpr=max_fpr,
        confidence=confidence,
        value=value,
        certified=certified,
        fpr=rate(table, value, "fpr", negatives=negatives, level=level),
        tpr=rate(table, value, "tpr", level=level),
        reason=reason,
        lineages_needed=lineages_needed(max_fpr, confidence),
        n_independent=n_independent,
        held_out_fpr=held_out[0],
        held_out_tpr=held_out[1],
        new_architecture_fpr=elsewhere[0],
        new_architecture_tpr=elsewhere[1],
        negatives=negatives,
    )


def certified_value(
    table: ScoreTable,
    max_fpr: float,
    confidence: float,
    *,
    negatives: str = "independent",
    seed: int = 0,
) -> tuple[float, bool, str, int]:
    """Find the value alone: (value, certified, reason why not, number of independent negatives)."""
    check_probability(max_fpr, "max_fpr")
    check_probability(confidence, "confidence")
    wanted = table.negatives(negatives) & table.comparable
    scores = np.sort(table.score[wanted])[::-1]
    sample = independent_negatives(table, negatives, seed=seed)
    needed = lineages_needed(max_fpr, confidence) // 2
    value = smallest_threshold(scores, max_fpr)
    if not len(scores):
        reason = f"no {negatives} pair has a score: nothing to calibrate on"
    elif math.isnan(value):
        reason = (
            f"more than {max_fpr:g} of the {negatives} pairs score +infinity: no threshold keeps them out"
        )
    elif len(sample) < needed:
        reason = (
            f"not certifiable with this catalog: {needed} independent negatives are needed for"
            f" {max_fpr:g} at confidence {confidence:g}, its lineages hold {len(sample)};"
            f" {2 * needed} lineages would do"
        )
    else:
        bound = _umbrella(sample, max_fpr, confidence)
        if not math.isnan(bound):
            return max(value, bound), True, "", len(sample)
        reason = "an independent pair scores +infinity: no threshold can exclude it"
    return value, False, reason, len(sample)


def audit_threshold(table: ScoreTable, threshold: float, level: float = 0.95) -> ThresholdAudit:
    """Say what a threshold that was fixed beforehand (the authors') does on this table.

    Parameters
    ----------
    table : ScoreTable
        Only comparable pairs are used.
    threshold : float
        A score at or above it means "derived". NaN: no threshold, then no rates.
    level : float
        Nominal coverage of the rates, in (0, 1).

    Returns
    -------
    ThresholdAudit

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Examples
    --------
    >>> from analysis import audit_threshold, example_table
    >>> audit = audit_threshold(example_table(), 2.0)
    >>> print(audit.look_alike_fpr._cell())
    0.1111 [0.03636, 0.5221]
    """
    check_table(table)
    check_number(threshold, "threshold", nan=True)
    check_probability(level, "level")
    return ThresholdAudit(
        threshold=threshold,
        fpr=rate(table, threshold, "fpr", level=level),
        tpr=rate(table, threshold, "tpr", level=level),
        look_alike_fpr=rate(table, threshold, "fpr", negatives="look-alike", level=level),
    )


def independent_negatives(table: ScoreTable, negatives: str = "independent", *, seed: int = 0) -> Floats:
    """Scores of negatives that share no lineage: one random pair for each lineage pair of a matching.

    Returns
    -------
    ndarray of float
        At most half as many as there are lineages, in random order.
    """
    rng = generator(seed, table.metric, f"independent negatives {negatives}")
    a, b = table.lineage_a, table.lineage_b
    rows = np.flatnonzero(table.negatives(negatives) & table.comparable & (a != b))
    if not len(rows):
        return np.empty(0)
    rows = rows[rng.permutation(len(rows))]
    code = np.minimum(a[rows], b[rows]).astype(np.int64) * len(table.lineages) + np.maximum(a[rows], b[rows])
    code, first = np.unique(code, return_index=True)
    pairs = np.stack([code // len(table.lineages), code % len(table.lineages)], axis=1)
    best: list[int] = []
    for _ in range(MATCHINGS):
        found = _matching(pairs, len(table.lineages), rng)
        best = found if len(found) > len(best) else best
        if 2 * len(best) >= len(np.unique(pairs)) - 1:
            break
    chosen: Floats = table.score[rows[first[best]]]
    return chosen


def _matching(pairs: npt.NDArray[np.int64], n_lineages: int, rng: np.random.Generator) -> list[int]:
    """Pick disjoint lineage pairs at random, lineages with few partners first; indices into `pairs`."""
    index = np.full((n_lineages, n_lineages), -1, dtype=np.int32)
    index[pairs[:, 0], pairs[:, 1]] = np.arange(len(pairs))
    index[pairs[:, 1], pairs[:, 0]] = np.arange(len(pairs))
    degree = np.sum(index >= 0, axis=1)
    free = degree > 0
    chosen = []
    for g in np.lexsort((rng.random(n_lineages), degree)).tolist():
        partners = np.flatnonzero((index[g] >= 0) & free) if free[g] else np.empty(0, dtype=np.int64)
        if len(partners):
            fewest = partners[degree[partners] == degree[partners].min()]
            h = int(fewest[rng.integers(len(fewest))])
            free[[g, h]] = False
            chosen.append(int(index[g, h]))
    return chosen


def _umbrella(sample: Floats, max_fpr: float, confidence: float) -> float:
    """Least threshold above an order statistic of independent negatives that guarantees the rate."""
    n = len(sample)
    rank = np.arange(1, n + 1)
    violation = binom.sf(rank - 1, n, 1 - max_fpr)
    # Wider than the rounding of `lineages_needed`: what it calls enough has a rank.
    r = int(rank[violation <= (1 - confidence) * (1 + 1e-7)][0])
    value = float(np.sort(sample)[r - 1])
    return math.nan if value == math.inf else float(np.nextafter(value, math.inf))
