"""Thresholds: a score at or above T means "derived". Calibrated, judged on lineages not used, certified."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from analysis.notebook import number
from analysis.results import Interval, Result
from analysis.table import NEGATIVES, ScoreTable, check_table
from analysis.thresholds.certificate import (
    WeighedNegatives,
    enough,
    negatives_needed,
    shared_confidence,
)
from analysis.thresholds.heldout import held_out_rates, smallest_threshold
from analysis.thresholds.rates import rate
from analysis.validation import check_choice, check_count, check_number, check_probability

__all__ = [
    "Threshold",
    "ThresholdAudit",
    "audit_threshold",
    "calibrate_threshold",
    "calibrate_thresholds",
    "certified_value",
]


@dataclass(frozen=True, eq=False)
class Threshold(Result):
    """A calibrated threshold, and what is known about it.

    Attributes
    ----------
    max_fpr, confidence : float
        What was asked: a false positive rate of at most `max_fpr`, guaranteed with this confidence.
    negatives : str
        Which pairs a false positive is about: "look-alike" or "independent".
    value : float
        A score at or above it means "derived". Calibrated on the mean over pairs; where it is certified, on
        the mean over lineages too. NaN when no threshold exists (see `reason`).
    certified : bool
        With probability `confidence` over fresh catalogs of the same kind, none of the certified thresholds
        of `n_metrics` metrics lets a pair of fresh lineages pass more often than `max_fpr` (the mean over
        lineages, each in one pair at most). False: the value is the best estimate only.
    n_metrics : int
        Metrics that are examined together; the certificate allows for their number.
    n_negatives : float
        Independent negatives that this catalog is worth: half the number of lineages at most, and less where
        a lineage has no partner of its own.
    negatives_needed, lineages_needed : int
        With which a certificate becomes possible: two lineages for each independent negative.
    fpr, tpr : Interval
        Means over pairs, of those it was calibrated on: the false positive rate is optimistic.
    held_out_fpr, held_out_tpr : Interval
        Means over pairs whose lineages took no part in the calibration (mixed pairs dropped).
    new_architecture_fpr, new_architecture_tpr : Interval
        Means over pairs of architecture cells whose lineages took no part.
    reason : str
        Why it is not certified, or does not exist.
    """

    _headline = "value"

    max_fpr: float
    confidence: float
    negatives: str
    value: float
    certified: bool
    n_metrics: int
    n_negatives: float
    negatives_needed: int
    lineages_needed: int
    fpr: Interval
    tpr: Interval
    held_out_fpr: Interval
    held_out_tpr: Interval
    new_architecture_fpr: Interval
    new_architecture_tpr: Interval
    reason: str

    @property
    def against(self) -> str:
        """The pairs that a false positive is about, in words."""
        return "look-alikes" if self.negatives == "look-alike" else "all independent pairs"

    @property
    def finds_any(self) -> bool:
        """Whether any derived pair reaches it: one above every score accuses nobody and serves nobody."""
        return not self.tpr.estimate <= 0.0

    def __str__(self) -> str:
        asked = f"FPR ≤ {number(self.max_fpr)} among {self.against}"
        asked += f" at confidence {number(self.confidence)}"
        asked += f", {self.n_metrics} metrics together" if self.n_metrics > 1 else ""
        if math.isnan(self.value):
            return f"no threshold for {asked} ({self.reason})"
        held = f"certified for {asked}" if self.certified else f"not certified for {asked}: {self.reason}"
        return f"{number(self.value)} ({held}; FPR {self.fpr._cell()}, TPR {self.tpr._cell()})"


@dataclass(frozen=True, eq=False)
class ThresholdAudit(Result):
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
    negatives: str | None = None,
    n_metrics: int = 1,
    level: float = 0.95,
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
    negatives : {"look-alike", "independent"}, optional
        Which pairs a false positive is about. By default look-alikes, in a table that has none all
        independent pairs; `Threshold.negatives` says which.
    n_metrics : int
        Metrics that are examined together, 1 or more: the certificates of all of them then hold together with
        the stated confidence.
    level : float
        Nominal coverage of the intervals, in (0, 1).

    Returns
    -------
    Threshold

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Notes
    -----
    Pairs that share a lineage are dependent. So each pair of lineages is given a weight such that the weights
    at a lineage sum to 1 at most (among m look-alike lineages 1/(m - 1) each, spread over their models'
    pairs). For every product of functions of lineage pairs so weighted, Finner's inequality (1992,
    Annals of Probability 20, 1893-1901) gives what independence would: the weighted share of negatives at or
    above the right threshold falls to s or below with a probability of at most exp(-n·kl(s, max_fpr)), n the
    sum of the weights, as for n independent pairs (Chernoff). The certified threshold is the smallest at
    which that is 1 - confidence, or for K metrics a K-th of it (Bonferroni). Nothing is drawn and no name
    matters. A threshold above a certified one is certified as well, so the value is never below the one
    calibrated on all pairs.

    Examples
    --------
    >>> from analysis import calibrate_threshold, example_table
    >>> threshold = calibrate_threshold(example_table(), max_fpr=0.05)
    >>> threshold.negatives, threshold.certified, threshold.lineages_needed
    ('look-alike', False, 118)
    >>> print(threshold.reason)
    not certifiable with this catalog: 0.05 at confidence 0.95 needs 59 independent look-alikes, its lineages
    provide 6; 118 lineages that share their shapes would suffice
    >>> calibrate_threshold(example_table(n_lineages=120), max_fpr=0.05).certified
    True
    """
    return calibrate_thresholds(
        table, (max_fpr,), confidence, negatives=negatives, n_metrics=n_metrics, level=level
    )[0]


def calibrate_thresholds(
    table: ScoreTable,
    goals: Sequence[float],
    confidence: float = 0.95,
    *,
    negatives: str | None = None,
    n_metrics: int = 1,
    or_alone: bool = False,
    level: float = 0.95,
) -> tuple[Threshold, ...]:
    """Calibrate one threshold a goal, as `calibrate_threshold` does; each goal is certified by itself.

    With `or_alone`, a goal that the catalog is too small to certify for all metrics together is certified for
    this metric alone (`n_metrics` of the threshold is then 1) where it is large enough for that. Which of the
    two depends on the labels and on which pairs have a score, not on the scores.
    """
    check_table(table)
    if negatives is None:
        negatives = "look-alike" if (table.look_alike & table.comparable).any() else "independent"
    check_choice(negatives, "negatives", NEGATIVES)
    check_count(n_metrics, "n_metrics")
    check_probability(confidence, "confidence")
    check_probability(level, "level")
    for goal in goals:
        check_probability(goal, "max_fpr")
    weighed = WeighedNegatives.of(table, negatives)

    def certifiable(goal: float, metrics: int) -> bool:
        return enough(weighed.n, negatives_needed(goal, shared_confidence(confidence, metrics)))

    def together(goal: float) -> int:
        alone = or_alone and not certifiable(goal, n_metrics) and certifiable(goal, 1)
        return 1 if alone else n_metrics

    return tuple(_calibrated(table, weighed, goal, confidence, together(goal), level) for goal in goals)


def _calibrated(
    table: ScoreTable,
    weighed: WeighedNegatives,
    max_fpr: float,
    confidence: float,
    n_metrics: int,
    level: float,
) -> Threshold:
    negatives = weighed.negatives
    value, reason = certified_value(weighed, max_fpr, confidence, n_metrics=n_metrics)
    needed = negatives_needed(max_fpr, shared_confidence(confidence, n_metrics))
    left_out = partial(held_out_rates, table, max_fpr, level=level, descending=weighed.rows)
    held_out, elsewhere = left_out(by="lineage"), left_out(by="architecture")
    return Threshold(
        max_fpr=max_fpr,
        confidence=confidence,
        negatives=negatives,
        value=value,
        certified=not reason,
        n_metrics=n_metrics,
        n_negatives=weighed.n,
        negatives_needed=needed,
        lineages_needed=2 * needed,
        fpr=rate(table, value, "fpr", negatives=negatives, level=level),
        tpr=rate(table, value, "tpr", level=level),
        held_out_fpr=held_out[0],
        held_out_tpr=held_out[1],
        new_architecture_fpr=elsewhere[0],
        new_architecture_tpr=elsewhere[1],
        reason=reason,
    )


def certified_value(
    weighed: WeighedNegatives, max_fpr: float, confidence: float, *, n_metrics: int = 1
) -> tuple[float, str]:
    """Find the value alone, and the reason why it is not certified; "" where it is."""
    value = smallest_threshold(weighed.descending, max_fpr)
    kind = weighed.negatives
    each = shared_confidence(confidence, n_metrics)
    needed = negatives_needed(max_fpr, each)
    if not len(weighed.descending):
        return value, f"no {kind} pair has a score: nothing to calibrate on"
    if math.isnan(value):
        return (
            value,
            f"more than {max_fpr:g} of the {kind} pairs score +infinity: no threshold excludes them",
        )
    if not enough(weighed.n, needed):
        together = f" for {n_metrics} metrics together" if n_metrics > 1 else ""
        whom, sharing = (
            ("look-alikes", " that share their shapes") if kind == "look-alike" else ("negatives", "")
        )
        return value, (
            f"not certifiable with this catalog: {max_fpr:g} at confidence {confidence:g}{together} needs"
            f" {needed:,} independent {whom}, its lineages provide {weighed.n:.4g};"
            f" {2 * needed:,} lineages{sharing} would suffice"
        )
    bound = weighed.certified(max_fpr, each)
    if math.isnan(bound):
        return value, f"too many {kind} pairs score +infinity: no threshold can exclude them"
    return max(value, bound), ""


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
