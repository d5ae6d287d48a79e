"""The numbers of a metric's evidence: what a file keeps of it."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.results import Result

__all__ = ["EvidenceSummary"]


@dataclass(frozen=True, eq=False)
class EvidenceSummary(Result):
    """The quality of a metric's likelihood ratios: what a file keeps of `Evidence`.

    Attributes
    ----------
    negatives : str
        The alternative to derivation: "look-alike" (independent models of the shapes of a derived pair),
        "independent" (of any shapes), "sibling", "shared-init" or "distilled".
    cllr : float
        Log-likelihood-ratio cost in bits of the out-of-lineage logistic LRs: 0 perfect, 1 as good as always
        saying LR = 1, above 1 misleading. A mean over lineages and over pairs of lineages, as the fit.
    cllr_min : float
        The part that no monotone map of the score can take away (discrimination), by PAV on the score.
    cllr_cal : float
        The rest: cllr - cllr_min.
    cllr_isotonic : float
        The cost of out-of-lineage LRs by isotonic regression instead of the logistic.
    lower, upper : float
        Bounds that `log10_lr` keeps: the empirical lower and upper bound (ELUB), which never goes beyond
        ±log10(number of lineages).
    max_abs_log10_lr : float
        The larger of the two in size: no evidence from this catalog can weigh more.
    n_derived, n_negative, n_lineages : int
        Pairs and lineages it rests on.
    reason : str
        Why there is no evidence; everything else is then NaN or empty.
    """

    negatives: str
    cllr: float
    cllr_min: float
    cllr_cal: float
    cllr_isotonic: float
    lower: float
    upper: float
    max_abs_log10_lr: float
    n_derived: int
    n_negative: int
    n_lineages: int
    reason: str
