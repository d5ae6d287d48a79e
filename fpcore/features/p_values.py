"""How likely permutations are so much in order, or so much alike, by chance."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import scipy  # its parts are imported when they are first used
from numpy.typing import NDArray

from fpcore.errors import NotComparable
from fpcore.features.log_sum import log_sum_exp

__all__ = ["LN10", "fisher", "log_p_of_agreements", "log_p_of_order"]

Index = NDArray[np.int64]

LN10: Final = math.log(10.0)

# Beyond it the Poisson tail of mean m is soon too small for a float: its bound m^k/k!, at most e^m of it.
EXACT_AGREEMENTS: Final = 20

# Natural logarithm of the smallest tail of scipy's: in doubles smaller ones lose digits, and then are 0.
LEAST: Final = -690.0


def log_p_of_order(order: Index) -> float:
    """Natural logarithm of the chance that a random permutation is as much in order as `order`.

    Spearman's rho with Student's t, against positive correlation; never below what the permutation in
    perfect order has, one over the number of permutations.
    """
    n = len(order)
    if n < 3:
        raise NotComparable(f"{n} units; a rank correlation needs at least 3")
    steps = order.argsort().argsort() - np.arange(n)
    rho = 1.0 - 6.0 * float(np.square(steps).sum()) / (n * (n**2 - 1.0))
    return max(-float(scipy.special.gammaln(n + 1)), log_p_of_correlation(rho, n - 2))


def log_p_of_correlation(rho: float, freedom: int) -> float:
    """Natural logarithm of the upper tail of Student's t at ``rho sqrt(freedom / (1 - rho^2))``."""
    rest = max(1.0 - rho**2, 1e-300)
    statistic = rho * math.sqrt(freedom / rest)
    # What `scipy.stats.t.logsf` computes, without the half millisecond that it takes around it.
    with np.errstate(divide="ignore"):
        if statistic > 0.0:
            log_p = float(np.log(scipy.special.stdtr(freedom, -statistic)))
        else:
            log_p = float(np.log1p(-scipy.special.stdtr(freedom, statistic)))
    if log_p > LEAST:
        return log_p
    # Half of an incomplete beta function, of which what is too small for a float stands before a series.
    half = freedom / 2.0
    series = float(scipy.special.hyp2f1(half + 0.5, 1.0, half + 1.0, rest))
    beta = float(scipy.special.betaln(half, 0.5))
    return half * math.log(rest) + math.log(rho * series / freedom) - beta


def fisher(log_p: list[float]) -> float:
    """-log10 of the chance that independent p-values have a product this small (Fisher)."""
    half = -math.fsum(log_p)  # half of the chi-squared statistic of 2k degrees of freedom
    if half <= 0.0:
        return 0.0
    powers = np.arange(len(log_p))
    # Its upper tail in closed form, as a sum of k Poisson terms.
    terms = powers * math.log(half) - scipy.special.gammaln(powers + 1)
    log_tail = float(log_sum_exp(terms)[0]) - half
    return max(0.0, -log_tail / LN10)


def log_p_of_agreements(count: int, mean: float = 1.0) -> float:
    """Natural logarithm of the chance that a Poisson number of that mean is `count` or more.

    The agreements of two random permutations have a mean of 1; those of two random ways to place k units
    among n have one of k / n.
    """
    if count > EXACT_AGREEMENTS:
        return count * math.log(mean) - float(scipy.special.gammaln(count + 1))
    return math.log(scipy.special.gammainc(count, mean))
