"""From scores to weight of evidence: likelihood ratios fitted out of lineage, within what data support.

A log10 LR of 1 says: this score is ten times more probable between a model and its descendant than between
models of two lineages. It is fitted with every lineage weighing the same (derived pairs share their lineage's
weight, independent pairs that of their two lineages), and judged on pairs whose lineages took no part in
the fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from analysis.evidence.evidence_summary import EvidenceSummary
from analysis.evidence.labelled_pairs import LabelledPairs
from analysis.evidence.logistic_fit import LogisticFit
from analysis.evidence.out_of_lineage import OutOfLineage, too_few_lineages
from analysis.evidence.quality import cllr, entropy_curves, tippett_curves
from analysis.evidence.score_map import ScoreMap
from analysis.notebook import number
from analysis.table import ScoreTable, check_table
from analysis.validation import check_choice, check_scores

__all__ = ["Evidence", "calibrate_evidence", "evidence_pairs"]

Floats = npt.NDArray[np.float64]
Method = Literal["logistic", "isotonic"]


@dataclass(frozen=True, eq=False)
class Evidence(EvidenceSummary):
    """Calibrated evidence of a metric: its quality, as `EvidenceSummary` has it, and the fits behind it.

    Attributes
    ----------
    tippett : dict of str to ndarray
        "log10_lr", and the shares of "derived" and "independent" weight with at least that LR.
    ece : dict of str to ndarray
        Empirical cross-entropy in bits over prior "log10_odds": "logistic", "pav" and "neutral".
    held_out : ndarray of float, shape (n_derived + n_independent,)
        Bounded out-of-lineage log10 LRs: derived pairs, then independent ones, in the order of the table.
    logistic, isotonic : LogisticFit, ScoreMap or None
        The two fits on all pairs, before the bounds.
    """

    tippett: dict[str, Floats] = field(repr=False)
    ece: dict[str, Floats] = field(repr=False)
    held_out: Floats = field(repr=False)
    logistic: LogisticFit | None = field(repr=False, default=None)
    isotonic: ScoreMap | None = field(repr=False, default=None)

    def log10_lr(self, scores: npt.ArrayLike, method: Method = "logistic") -> Floats:
        """Weigh scores: log10 of the likelihood ratio, within the bounds.

        Parameters
        ----------
        scores : array_like of float
        method : {"logistic", "isotonic"}

        Returns
        -------
        ndarray of float
            Same shape; rising with the score, between `lower` and `upper`. NaN for NaN, and everywhere where
            there is no evidence (see `reason`).

        Raises
        ------
        BadArgument
            Scores that are no numbers, or another method.

        Examples
        --------
        >>> from analysis import calibrate_evidence, example_table
        >>> evidence = calibrate_evidence(example_table())
        >>> float(evidence.log10_lr(9.0)) == evidence.upper
        True
        """
        values = check_scores(scores, "scores", ndim=None)
        check_choice(method, "method", ("logistic", "isotonic"))
        if self.logistic is None or self.isotonic is None:
            return np.full(values.shape, np.nan)
        weighed = self.logistic(values[..., None]) if method == "logistic" else self.isotonic(values)
        return np.clip(weighed, self.lower, self.upper)

    def __str__(self) -> str:
        if self.reason:
            return f"no evidence ({self.reason})"
        return (
            f"Cllr {number(self.cllr)} (min {number(self.cllr_min)}, cal {number(self.cllr_cal)}); log10 LR"
            f" from {number(self.lower)} to {number(self.upper)}; {self.n_derived:,} derived and"
            f" {self.n_independent:,} independent pairs of {self.n_lineages:,} lineages"
        )

    def _cell(self) -> str:
        return f"Cllr {number(self.cllr)}"


def calibrate_evidence(table: ScoreTable) -> Evidence:
    """Calibrate scores as evidence that one model descends from the other.

    Parameters
    ----------
    table : ScoreTable
        Comparable derived and independent pairs are used.

    Returns
    -------
    Evidence
        Undefined, with the reason, below 3 lineages with derived pairs of 4 in all.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Notes
    -----
    The evidence of one metric is the combination (`combine_evidence`) of it alone: logistic regression on its
    normal scores.

    Out-of-lineage: lineages are dealt to ten groups (each its own with fewer lineages), by falling number of
    derived pairs. A pair of groups (k, l) is weighed by a fit on the pairs that touch neither group; mixed
    pairs are in neither part. That is 55 fits, each on at most 2,000 levels of the score, so their cost does
    not grow with the table.

    Bounds: with G lineages no LR beyond G can be backed by data; and the ELUB (Vergeer et al. 2016,
    doi:10.1016/j.scijus.2016.06.003) is the range in which acting on the LRs, plus one misleading lineage on
    each side, costs no more than ignoring them at every prior odds. Independent lineage pairs count as G/2.

    Examples
    --------
    >>> from analysis import calibrate_evidence, example_table
    >>> evidence = calibrate_evidence(example_table())
    >>> print(evidence)
    Cllr 0.4118 (min 0.1832, cal 0.2286); log10 LR from -0.74 to 0.66; 24 derived and 594 independent pairs of
    12 lineages
    >>> [round(float(value), 2) for value in evidence.log10_lr([0.0, 1.9, 3.0])]
    [-0.74, -0.3, 0.66]
    """
    check_table(table)
    pairs = evidence_pairs(table)
    counted = (pairs.n_derived, pairs.n_negative, pairs.n_lineages)
    if not pairs.n_derived or not pairs.n_negative:
        side = "derived" if not pairs.n_derived else "independent"
        return _without(f"no {side} pair has a score", *counted)
    reason = too_few_lineages(pairs)
    if reason:
        return _without(reason, *counted)
    fit = pairs.fit()
    found = OutOfLineage.of(pairs, fit)
    isotonic = np.clip(pairs.held_out_isotonic(), found.lower, found.upper)
    return Evidence(
        cllr=found.cllr,
        cllr_min=found.cllr_min,
        cllr_cal=found.cllr - found.cllr_min,
        cllr_isotonic=cllr(isotonic, pairs.derived, pairs.weight),
        lower=found.lower,
        upper=found.upper,
        max_abs_log10_lr=max(found.upper, -found.lower),
        n_derived=pairs.n_derived,
        n_independent=pairs.n_negative,
        n_lineages=pairs.n_lineages,
        reason="",
        tippett=tippett_curves(found.bounded, pairs.derived, pairs.weight),
        ece=entropy_curves(found.bounded, pairs.scores[:, 0], pairs.derived, pairs.weight),
        held_out=found.bounded,
        logistic=fit,
        isotonic=pairs.isotonic(),
    )


def evidence_pairs(table: ScoreTable) -> LabelledPairs:
    """The pairs of one metric that its evidence rests on: comparable derived and independent ones."""
    return LabelledPairs.of(table, table.score[:, None], table.independent)


def _without(reason: str, n_derived: int, n_independent: int, n_lineages: int) -> Evidence:
    nan = math.nan
    return Evidence(
        nan, nan, nan, nan, nan, nan, nan, n_derived, n_independent, n_lineages, reason, {}, {}, np.empty(0)
    )
