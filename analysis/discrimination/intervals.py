"""From lineage jackknife folds to an interval that covers: the one rule behind every proportion and AUC.

The variance over lineages is taken to the logit scale (delta method) and a t quantile applied. Measured on
simulated catalogs (`python -m studies.simulation`), six corrections turn this into an interval that covers:

- degrees of freedom from the kurtosis of the folds (Satterthwaite), never above G - 1, nor above the
  effective number of lineages where each pair lies inside one: when one or two lineages decide, the variance
  itself is hardly known;
- the end towards 1/2 is moved outwards by the variance times |2θ - 1|, twice the bias that the curvature of
  the logit brings: near 0 and 1 most catalogs show too few errors and too small a variance;
- for an AUC, which comes closer to 1 than a count can, the variance on the logit scale is the geometric mean
  of the delta method's and of that of the folds' logits where this is larger, and the other end is moved by
  the bias, too;
- what is known to be counted twice is taken off the variance, up to a share of it;
- where nothing varies, the interval is that of Wilson for as many independent trials as there are effective
  lineages; where a single lineage decides (a fold reaches 0 or 1), at least the exact one (Clopper-Pearson),
  because Wilson's falls short with one miss in few trials;
- no interval is wider than the exact one of half as many trials.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, expit, logit, ndtri, stdtrit
from scipy.stats import t as student

from analysis.results import Interval

__all__ = [
    "clopper_pearson",
    "degrees_of_freedom",
    "difference_interval",
    "effective_number",
    "jackknife_variance",
    "lineage_interval",
    "wilson",
]

Floats = npt.NDArray[np.float64]
NOTHING: Final = 1e-18
"""A variance below this is rounding."""
FEW_LINEAGES: Final = 8
"""Below so many lineages the coverage of the intervals was not established."""
FEW_UNITS: Final = 3.0
"""Below so many independent trials the interval says how few they are."""
COUNTED_TWICE: Final = 0.4
"""Most of a variance that is taken off as counted twice: the estimate of that part varies, too. Without this
limit, intervals of single designs cover less than .9."""
STEEPER: Final = 1.5
"""Most by which the variance of the folds' logits counts as larger than the delta method's: a fold next to 0
or 1 would make it as large as one likes."""


def effective_number(counts: npt.ArrayLike) -> float:
    """Number of equal shares that would be as uneven as these: (Σc)² / Σc² (Kish).

    Returns
    -------
    float
        Between 1 and the number of non-zero counts; 0 for nothing but zeros.
    """
    c = np.asarray(counts, dtype=np.float64)
    squares = float(np.sum(c**2))
    return float(np.sum(c)) ** 2 / squares if squares > 0 else 0.0


def wilson(share: float, n: float, level: float) -> tuple[float, float]:
    """Wilson's score interval of a share seen in n independent trials (n need not be whole)."""
    z2 = float(ndtri((1 + level) / 2)) ** 2
    middle = (share * n + z2 / 2) / (n + z2)
    half = math.sqrt(z2 * (share * (1 - share) * n + z2 / 4)) / (n + z2)
    # For a share of 0 the two are the same number; for a share of 1 their sum can miss 1 by rounding.
    return max(0.0, middle - half), 1.0 if share >= 1 else min(1.0, middle + half)


def clopper_pearson(share: float, n: float, level: float) -> tuple[float, float]:
    """Exact interval of a share seen in n independent trials (n need not be whole)."""
    tail, hits = (1 - level) / 2, share * n
    low = 0.0 if share <= 0 else float(betaincinv(hits, n - hits + 1, tail))
    high = 1.0 if share >= 1 else float(betaincinv(hits + 1, n - hits, 1 - tail))
    return low, high


def jackknife_variance(folds: Floats) -> float:
    """Variance from delete-one-lineage values: (G - 1)/G · Σ(θ₍₋g₎ - mean)²."""
    n = len(folds)
    return float(np.sum((folds - folds.mean()) ** 2)) * (n - 1) / n


def degrees_of_freedom(folds: Floats) -> float:
    """Satterthwaite's degrees of freedom of the jackknife variance, from the kurtosis of the folds."""
    n = len(folds)
    squares = (folds - folds.mean()) ** 2
    total = float(squares.sum())
    spread = float((squares**2).sum()) - total**2 / n
    return min(n - 1.0, 2 * total**2 / spread) if spread > 0 else n - 1.0


def _steepness(folds: Floats, scale: float) -> float:
    """By how much the variance exceeds the delta method's on the logit scale, at least 1.

    Parameters
    ----------
    folds : ndarray of float, shape (G,)
    scale : float
        θ(1 - θ).
    """
    linear = jackknife_variance(folds)
    if linear <= 0 or folds.min() <= 0 or folds.max() >= 1:
        return 1.0
    ratio = jackknife_variance(logit(folds)) * scale**2 / linear
    return math.sqrt(min(max(ratio, 1.0), STEEPER))


def _spread(folds: Floats, variance: float | None, excess: float) -> float:
    """Variance without what is counted twice."""
    own = jackknife_variance(folds) if variance is None else variance
    return max(own - excess, own * (1 - COUNTED_TWICE))


def lineage_interval(
    estimate: float,
    folds: npt.ArrayLike,
    *,
    units: float,
    level: float,
    method: str,
    variance: float | None = None,
    excess: float = 0.0,
    degrees: float = math.inf,
    area: bool = False,
    n_pairs: int = 0,
    n_models: int = 0,
    n_lineages: int = 0,
    warnings: tuple[str, ...] = (),
) -> Interval:
    """Interval of a share in [0, 1] from its delete-one-lineage values.

    Parameters
    ----------
    estimate : float
        The share from all lineages; not NaN.
    folds : array_like, shape (G,)
        The share with each lineage left out; NaN where nothing was left.
    units : float
        Independent trials that the catalog is worth where its folds cannot tell (effective lineages, or half
        of them for what concerns pairs of lineages).
    level : float
        Nominal coverage.
    method : str
        What to call it.
    variance : float, optional
        In place of the jackknife's (the lineage bootstrap's).
    excess : float
        Part of the variance known to be counted twice, taken off; at most `COUNTED_TWICE` of it.
    degrees : float
        Upper bound of the degrees of freedom, at least 1.
    area : bool
        The share is an AUC and not a count of pairs.
    n_pairs, n_models, n_lineages, warnings
        Passed on.
    """
    values = np.asarray(folds, dtype=np.float64)
    said = list(warnings)
    if n_lineages < FEW_LINEAGES:
        said.append(
            f"{n_lineages} lineages: below {FEW_LINEAGES} the coverage of this interval is not established"
        )
    if units < FEW_UNITS:
        said.append(f"few or very uneven lineages: they are worth {units:.1f} independent trials")

    held = len(values) > 1 and not np.isnan(values).any()
    inside = 0 < estimate < 1
    ceiling = clopper_pearson(estimate, units / 2, level)
    if not held:
        low, high = ceiling
        said.append("one lineage carries all there is to compare: a bound for so few trials, not a variance")
    elif not inside or (spread := _spread(values, variance, excess)) <= NOTHING:
        low, high = wilson(estimate, units, level)
        said.append(f"no variation to measure: the bound is that of {units:.1f} independent trials")
    else:
        scale = estimate * (1 - estimate)
        square = spread / scale**2 * (_steepness(values, scale) if area else 1.0)
        freedom = min(degrees_of_freedom(values), degrees)
        reach = float(stdtrit(freedom, (1 + level) / 2)) * math.sqrt(square)
        bend = (2 * estimate - 1) * square
        # No further than half the reach, so that the interval holds its estimate.
        both = math.copysign(min(abs(bend), reach) / 2, bend) if area else 0.0
        centre = float(logit(estimate))
        low = float(expit(centre - max(bend, both) - reach))
        high = float(expit(centre - min(bend, both) + reach))
        if values.min() <= 0 or values.max() >= 1:
            exact = clopper_pearson(estimate, units, level)
            low, high = min(low, exact[0]), max(high, exact[1])
            said.append(f"a single lineage decides: at least the bound of {units:.1f} independent trials")
        low, high = max(low, ceiling[0]), min(high, ceiling[1])
    return Interval(
        float(estimate), low, high, level, method, n_pairs, n_models, n_lineages, warnings=tuple(said)
    )


def difference_interval(
    estimate: float,
    folds: Floats,
    level: float,
    method: str,
    *,
    units: float,
    n_pairs: int,
    n_models: int,
    n_lineages: int,
) -> Interval:
    """Interval of a difference of two AUCs, in [-1, 1], from its delete-one-lineage values.

    Parameters
    ----------
    estimate : float
    folds : ndarray of float, shape (G,)
    level : float
    method : str
    units : float
        Independent trials the catalog is worth: where no fold differs, the difference of the two AUCs could
        still be what one error in so many trials makes it.
    n_pairs, n_models, n_lineages
        Passed on.
    """
    said: tuple[str, ...] = ()
    if len(folds) < 2 or np.isnan(folds).any():
        reason = "one lineage carries all there is to compare"
        return Interval(
            estimate, math.nan, math.nan, level, method, n_pairs, n_models, n_lineages, reason=reason
        )
    variance = jackknife_variance(folds)
    if variance <= NOTHING:
        reach = 1 - (1 - level) ** (1 / max(units, 1.0))
        said = (f"no variation to measure: the bound is that of {units:.1f} independent trials",)
    else:
        reach = float(student.ppf((1 + level) / 2, len(folds) - 1)) * math.sqrt(variance)
    low, high = max(-1.0, estimate - reach), min(1.0, estimate + reach)
    return Interval(estimate, low, high, level, method, n_pairs, n_models, n_lineages, warnings=said)
