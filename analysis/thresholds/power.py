"""What a catalog of a size can certify and tell apart, before anybody builds it."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import stdtrit

from analysis.results import Interval
from analysis.table import ScoreTable
from analysis.thresholds.certificate import negatives_needed, shared_confidence
from analysis.validation import check_count, check_probability

__all__ = [
    "certifiable_fpr",
    "intraclass_correlation",
    "lineages_needed",
    "minimal_detectable_auc_difference",
]


def certifiable_fpr(n_lineages: int, confidence: float = 0.95, n_metrics: int = 1) -> float:
    """Lowest false-positive rate that can be certified if no false positive is seen.

    Parameters
    ----------
    n_lineages : int
        G, 0 or more; for a certificate against look-alikes each must share its shapes with another.
    confidence : float
        Of the certificates, in (0, 1).
    n_metrics : int
        Metrics whose certificates are to hold together, 1 or more.

    Returns
    -------
    float
        In (0, 1); NaN below two lineages.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Notes
    -----
    G lineages hold G/2 pairs that share no lineage (independent negatives); without an error among n of them
    the rate is at most 1 - (1 - confidence)^(1/n), the exact binomial limit (Clopper & Pearson 1934). It is
    the mean over lineages, each in one pair. Of K metrics together each takes a K-th of 1 - confidence.

    Examples
    --------
    >>> from analysis import certifiable_fpr
    >>> round(certifiable_fpr(118), 4)
    0.0495
    >>> round(certifiable_fpr(118, n_metrics=14), 4)
    0.0911
    """
    check_count(n_lineages, "n_lineages", least=0)
    check_probability(confidence, "confidence")
    check_count(n_metrics, "n_metrics")
    n = n_lineages // 2
    return 1 - (1 - shared_confidence(confidence, n_metrics)) ** (1 / n) if n > 0 else math.nan


def lineages_needed(max_fpr: float, confidence: float = 0.95, n_metrics: int = 1) -> int:
    """Lineages with which a false-positive rate can be certified: two for each independent negative.

    Parameters
    ----------
    max_fpr : float
        In (0, 1).
    confidence : float
        Of the certificates, in (0, 1).
    n_metrics : int
        Metrics whose certificates are to hold together, 1 or more.

    Returns
    -------
    int
        Even, 2 or more. For a certificate against look-alikes each must share its shapes with another.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Notes
    -----
    n ≥ ln((1 - confidence)/n_metrics) / ln(1 - max_fpr) independent negatives without an error are needed.

    Examples
    --------
    >>> from analysis import lineages_needed
    >>> [lineages_needed(rate) // 2 for rate in (0.05, 0.01, 0.001)]
    [59, 299, 2995]
    >>> lineages_needed(0.05, n_metrics=14)
    220
    """
    check_probability(max_fpr, "max_fpr")
    check_probability(confidence, "confidence")
    check_count(n_metrics, "n_metrics")
    return 2 * negatives_needed(max_fpr, shared_confidence(confidence, n_metrics))


def minimal_detectable_auc_difference(
    n_lineages: int,
    models_per_lineage: int = 4,
    intraclass_correlation: float = 0.5,
    *,
    auc: float = 0.9,
    correlation: float = 0.5,
    level: float = 0.05,
    power: float = 0.8,
) -> float:
    """Smallest difference of two metrics' AUC that a paired test on a catalog of this size will likely find.

    Parameters
    ----------
    n_lineages : int
        G, 0 or more.
    models_per_lineage : int
        m, 1 or more; each lineage then holds m - 1 derived pairs (one parent) and each pair of lineages m²
        negatives.
    intraclass_correlation : float
        In [0, 1]: how alike the pairs of one lineage (or lineage pair) are.
    auc : float
        Around which the two metrics lie, in (0, 1).
    correlation : float
        In [0, 1): between the errors of the two metrics on the same lineages.
    level, power : float
        Of the two-sided test, and its chance to find the difference; in (0, 1).

    Returns
    -------
    float
        In AUC; NaN below three lineages or two models a lineage.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Notes
    -----
    An approximation: Hanley & McNeil's (1982, doi:10.1148/radiology.143.1.7063747) variances of the two
    sides, each with the design effect 1 + (k - 1)·ICC of clusters of k pairs: G clusters of derived pairs
    and G(G - 1)/2 lineage pairs of negatives, whose shared lineages are left out because the same effect
    lifts their derived pairs; t with G - 1 degrees of freedom. In simulated catalogs the true error of
    the difference was 0.8 to 1.5 of it.

    Examples
    --------
    >>> from analysis import minimal_detectable_auc_difference
    >>> round(minimal_detectable_auc_difference(30), 3)
    0.044
    >>> round(minimal_detectable_auc_difference(120), 3)
    0.02
    """
    check_count(n_lineages, "n_lineages", least=0)
    check_count(models_per_lineage, "models_per_lineage")
    check_probability(intraclass_correlation, "intraclass_correlation", low=True, high=True)
    check_probability(correlation, "correlation", low=True)
    for name, share in (("auc", auc), ("level", level), ("power", power)):
        check_probability(share, name)
    if n_lineages < 3 or models_per_lineage < 2:
        return math.nan
    positives, negatives = models_per_lineage - 1, models_per_lineage**2

    def clusters(n_clusters: float, size: int, variance: float) -> float:
        return variance * (1 + (size - 1) * intraclass_correlation) / (n_clusters * size)

    variance = clusters(n_lineages, positives, auc / (2 - auc) - auc**2)
    variance += clusters(n_lineages * (n_lineages - 1) / 2, negatives, 2 * auc**2 / (1 + auc) - auc**2)
    reach = stdtrit(n_lineages - 1, 1 - level / 2) + stdtrit(n_lineages - 1, power)
    return float(reach * math.sqrt(2 * (1 - correlation) * variance))


def intraclass_correlation(table: ScoreTable) -> Interval:
    """How alike the derived pairs of one lineage are: the share of variance between lineages.

    One-way analysis of variance of the derived pairs' ranks over lineages (unequal sizes; Donner & Koval
    1980), never below 0.

    Returns
    -------
    Interval
        The estimate only, in [0, 1]; its ends are NaN. Undefined without two lineages, or where no lineage
        holds two derived pairs.
    """
    method = "analysis of variance over lineages"
    rows = np.flatnonzero(table.derived & table.comparable)
    lineage = np.unique(table.lineage_a[rows], return_inverse=True)[1]
    size = np.bincount(lineage)
    n, k = len(rows), len(size)
    if k < 2 or n <= k:
        reason = "needs two lineages, one of them with two derived pairs, to tell lineages from pairs"
        return Interval.undefined(reason, level=0.95, method=method)
    order = np.unique(table.score[rows], return_inverse=True)[1].astype(np.float64)
    mean = np.bincount(lineage, order) / size
    inside = float(np.sum((order - mean[lineage]) ** 2)) / (n - k)
    between = float(np.sum(size * (mean - order.mean()) ** 2)) / (k - 1)
    typical = (n - float(np.sum(size**2)) / n) / (k - 1)
    total = between + (typical - 1) * inside
    if total <= 0:
        return Interval.undefined("all derived pairs score the same", level=0.95, method=method)
    value = max(0.0, (between - inside) / total)
    return Interval(value, math.nan, math.nan, 0.95, method, n_pairs=n, n_lineages=k)
