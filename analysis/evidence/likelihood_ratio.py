"""From scores to weight of evidence: likelihood ratios fitted out of lineage, within what data support.

A log10 LR of 1 says: this score is ten times more probable between a model and its descendant than between
independent models of the same shapes (look-alikes), or under another alternative that is asked for. It is
fitted with every lineage weighing the same (derived pairs share their lineage's weight, independent pairs
that of their two lineages), and like with like: in each pair of architecture cells both classes weigh the
same, so that a score which tells shapes only tells nothing. It is judged on pairs whose lineages took no part
in the fit.
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
from analysis.evidence.negatives import LOOK_ALIKE
from analysis.evidence.out_of_lineage import OutOfLineage, too_few_lineages
from analysis.evidence.quality import cllr, entropy_curves, tippett_curves
from analysis.evidence.score_map import ScoreMap
from analysis.notebook import number
from analysis.table import NEGATIVES, ScoreTable, check_table
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
        "log10_lr", and the shares of "derived" and "negative" weight with at least that LR.
    ece : dict of str to ndarray
        Empirical cross-entropy in bits over prior "log10_odds": "logistic", "pav" and "neutral".
    held_out : ndarray of float, shape (n_derived + n_negative,)
        Bounded out-of-lineage log10 LRs: derived pairs, then the others, in the order of the table.
    unbounded : ndarray of float, shape (n_derived + n_negative,)
        The same before the bounds.
    logistic, isotonic : LogisticFit, ScoreMap or None
        The two fits on all pairs, before the bounds.
    """

    tippett: dict[str, Floats] = field(repr=False)
    ece: dict[str, Floats] = field(repr=False)
    held_out: Floats = field(repr=False)
    unbounded: Floats = field(repr=False)
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
            f" {self.n_negative:,} {self.negatives} pairs of {self.n_lineages:,} lineages"
        )

    def _cell(self) -> str:
        return f"Cllr {number(self.cllr)}"


def calibrate_evidence(table: ScoreTable, negatives: str = LOOK_ALIKE) -> Evidence:
    """Calibrate scores as evidence that one model descends from the other.

    Parameters
    ----------
    table : ScoreTable
        Comparable pairs are used.
    negatives : {"look-alike", "independent", "sibling", "shared-init", "distilled"}
        The alternative to derivation. Save for "independent" (all pairs of two lineages, whatever their
        shapes), only pairs of cells that hold derived pairs and such pairs are used.

    Returns
    -------
    Evidence
        Undefined, with the reason, below 3 lineages with derived pairs of 4 in all, or below 3 lineages with
        pairs of the alternative.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Notes
    -----
    The evidence of one metric is the combination (`combine_evidence`) of it alone: logistic regression on its
    normal scores.

    Like with like: in each pair of architecture cells the negatives weigh together what the derived pairs do,
    in every fit; so a score that is a function of the shapes alone weighs nothing.

    Out-of-lineage: lineages are dealt to ten groups (each its own with fewer lineages), by falling number of
    derived pairs. A pair of groups (k, l) is weighed by a fit on the pairs that touch neither group; mixed
    pairs are in neither part. That is 55 fits, each on at most 2,000 levels of the score, so their cost does
    not grow with the table.

    Bounds: the ELUB (Vergeer et al. 2016, doi:10.1016/j.scijus.2016.06.003) is the range in which acting on
    the LRs, plus one misleading lineage on each side, costs no more than ignoring them at every prior odds.
    Pairs of two lineages count as half as many observations as there are lineages. With G lineages no bound
    goes beyond G.

    Examples
    --------
    >>> from analysis import calibrate_evidence, example_table
    >>> evidence = calibrate_evidence(example_table())
    >>> print(evidence)
    Cllr 0.4522 (min 0.2315, cal 0.2207); log10 LR from -0.72 to 0.69; 24 derived and 270 look-alike pairs of
    12 lineages
    >>> [round(float(value), 2) for value in evidence.log10_lr([0.0, 1.9, 3.0])]
    [-0.72, -0.39, 0.69]
    >>> calibrate_evidence(example_table(), "shared-init").reason
    'no shared-init pair has a score'
    """
    check_table(table)
    pairs = evidence_pairs(table, negatives)
    reason = _nothing_to_weigh(table, negatives) or too_few_lineages(pairs)
    if reason:
        return no_evidence(negatives, reason, pairs.n_derived, pairs.n_negative, pairs.n_lineages)
    fit = pairs.fit()
    found = OutOfLineage.of(pairs, fit)
    isotonic = np.clip(pairs.held_out_isotonic(), found.lower, found.upper)
    return Evidence(
        negatives=negatives,
        cllr=found.cllr,
        cllr_min=found.cllr_min,
        cllr_cal=found.cllr - found.cllr_min,
        cllr_isotonic=cllr(isotonic, pairs.derived, pairs.weight),
        lower=found.lower,
        upper=found.upper,
        max_abs_log10_lr=max(found.upper, -found.lower),
        n_derived=pairs.n_derived,
        n_negative=pairs.n_negative,
        n_lineages=pairs.n_lineages,
        reason="",
        tippett=tippett_curves(found.bounded, pairs.derived, pairs.weight),
        ece=entropy_curves(found.bounded, pairs.scores[:, 0], pairs.derived, pairs.weight),
        held_out=found.bounded,
        unbounded=found.weighed,
        logistic=fit,
        isotonic=pairs.isotonic(),
    )


def evidence_pairs(table: ScoreTable, negatives: str = LOOK_ALIKE) -> LabelledPairs:
    """The pairs of one metric that its evidence rests on: comparable derived ones, and the alternative."""
    return LabelledPairs.of(table, table.score[:, None], negatives)


def _nothing_to_weigh(table: ScoreTable, negatives: str) -> str:
    """Which class has no pair; empty where both have."""
    if not (table.derived & table.comparable).any():
        return "no derived pair has a score"
    others = table.negatives(negatives) if negatives in NEGATIVES else table.relation == negatives
    if not (others & table.comparable).any():
        unknown = ": architectures are unknown" if negatives == LOOK_ALIKE and not len(table.cells) else ""
        return f"no {negatives} pair has a score{unknown}"
    return ""


def no_evidence(
    negatives: str, reason: str, n_derived: int = 0, n_negative: int = 0, n_lineages: int = 0
) -> Evidence:
    """Evidence that is undefined, with the reason."""
    nan = math.nan
    return Evidence(
        negatives, nan, nan, nan, nan, nan, nan, nan, n_derived, n_negative, n_lineages, reason, {}, {},
        np.empty(0), np.empty(0),
    )  # fmt: skip
