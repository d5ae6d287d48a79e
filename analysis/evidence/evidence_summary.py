"""The numbers of a metric's evidence: what a file keeps of it."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.results import WithArrays

__all__ = ["EvidenceSummary"]


@dataclass(frozen=True, eq=False)
class EvidenceSummary(WithArrays):
    """The quality of a metric's likelihood ratios: what a file keeps of `Evidence`.

    Attributes
    ----------
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
        Bounds that `log10_lr` keeps: the narrower of ±log10(number of lineages) and the empirical lower and
        upper bound (ELUB).
    max_abs_log10_lr : float
        The larger of the two in size: no evidence from this catalog can weigh more.
    n_derived, n_independent, n_lineages : int
        Pairs and lineages it rests on.
    reason : str
        Why there is no evidence; everything else is then NaN or empty.
    """

    cllr: float
    cllr_min: float
    cllr_cal: float
    cllr_isotonic: float
    lower: float
    upper: float
    max_abs_log10_lr: float
    n_derived: int
    n_independent: int
    n_lineages: int
    reason: str
