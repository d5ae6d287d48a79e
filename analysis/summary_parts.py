"""The parts of a metric's summary: small values, and the curves that plots draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.discrimination.roc import RocCurve
from analysis.metric_report import MetricReport
from analysis.results import Interval, Result

__all__ = [
    "AucIntervals",
    "ClaimAudit",
    "Coverage",
    "Curves",
    "EceCurve",
    "QuantileCurve",
    "RelationScores",
    "TippettCurve",
]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Coverage(Result):
    """Shares of pairs with a score.

    Attributes
    ----------
    derived, independent, look_alike : float
        In [0, 1]; NaN where there is no such pair.
    """

    derived: float
    independent: float
    look_alike: float


@dataclass(frozen=True, eq=False)
class AucIntervals(Result):
    """Intervals of the AUC by several methods.

    Attributes
    ----------
    auc : mapping of str to Interval
        "jackknife", "bootstrap", "percentile" and "delong" → the AUC against all independent pairs.
    """

    auc: Mapping[str, Interval]


@dataclass(frozen=True, eq=False)
class ClaimAudit(Result):
    """What a metric's authors claim, and what the claimed threshold does.

    Attributes
    ----------
    threshold, auc : float or None
        As claimed.
    p_values : bool
        Whether the score is said to be (minus log10 of) a p-value.
    text, source : str
        The claim in one sentence, and where it is made.
    fpr, tpr, look_alike_fpr : Interval or None
        At the claimed threshold; None where none is claimed, `reason` then says so.
    reason : str
        Why there are no rates; empty otherwise.
    """

    threshold: float | None
    auc: float | None
    p_values: bool
    text: str
    source: str
    fpr: Interval | None
    tpr: Interval | None
    look_alike_fpr: Interval | None
    reason: str

    @classmethod
    def of(cls, report: MetricReport) -> ClaimAudit | None:
        """The audit of a report's claim; None where nothing is claimed."""
        claim, audit = report.claim, report.claim_audit
        if claim is None:
            return None
        return cls(
            threshold=claim.threshold,
            auc=claim.auc,
            p_values=claim.p_values,
            text=claim.text,
            source=claim.source,
            fpr=audit.fpr if audit else None,
            tpr=audit.tpr if audit else None,
            look_alike_fpr=audit.look_alike_fpr if audit else None,
            reason="" if audit else "no threshold is claimed",
        )


@dataclass(frozen=True, eq=False)
class RelationScores(Result):
    """Where the scores of one relation lie.

    Attributes
    ----------
    n, n_scored : int
        Pairs, and those with a score.
    median : float
        Of the scores; NaN without any.
    quantiles : mapping of str to float
        Probability, as text → a score that is there; NaN without any.
    """

    n: int
    n_scored: int
    median: float
    quantiles: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class TippettCurve(Result):
    """Shares of pairs with at least a given likelihood ratio.

    Attributes
    ----------
    log10_lr : ndarray of float
        Where the shares are given, rising.
    derived, negative : ndarray of float
        Shares of the weight of derived pairs and of their look-alikes, in [0, 1].
    """

    log10_lr: Floats
    derived: Floats
    negative: Floats


@dataclass(frozen=True, eq=False)
class EceCurve(Result):
    """Empirical cross-entropy over prior odds.

    Attributes
    ----------
    log10_odds : ndarray of float
        Prior odds of derivation, rising.
    logistic, pav, neutral : ndarray of float
        Bits: with the likelihood ratios, with the best rising map of them, and without any.
    """

    log10_odds: Floats
    logistic: Floats
    pav: Floats
    neutral: Floats


@dataclass(frozen=True, eq=False)
class QuantileCurve(Result):
    """Claimed p-values of independent pairs beside those expected if they were uniform.

    Attributes
    ----------
    expected, observed : ndarray of float
        -log10 of uniform quantiles and of the p-values: of equal length, rising.
    """

    expected: Floats
    observed: Floats


@dataclass(frozen=True, eq=False)
class Curves(Result):
    """What plots of a metric draw.

    Attributes
    ----------
    roc, look_alike_roc : RocCurve
        Against all independent pairs, and against look-alikes.
    tippett : TippettCurve or None
        None without evidence.
    ece : EceCurve or None
        None without evidence.
    qq : QuantileCurve or None
        None where nobody claims p-values.
    """

    roc: RocCurve
    look_alike_roc: RocCurve
    tippett: TippettCurve | None
    ece: EceCurve | None
    qq: QuantileCurve | None

    @classmethod
    def of(cls, report: MetricReport) -> Curves:
        """The curves of a report."""
        evidence, audit = report.evidence, report.p_values
        return cls(
            report.roc,
            report.look_alike_roc,
            TippettCurve(**evidence.tippett) if evidence.tippett else None,
            EceCurve(**evidence.ece) if evidence.ece else None,
            None if audit is None else QuantileCurve(audit.expected, audit.observed),
        )
