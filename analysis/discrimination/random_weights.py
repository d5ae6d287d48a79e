"""Quantiles of a mean whose parts have random weights: a bound that holds for whatever the parts may be.

Give every lineage a weight drawn from the exponential distribution, and so one further lineage of a stated
value: the weighted mean varies as much as the lineages let it, and its lower quantile is a confidence bound
for the mean of the population. With the further lineage at the least value possible this is Gaffke's bound
(Gaffke 2005; Learned-Miller & Thomas 2019, arXiv:1905.06208), for which no population with a smaller coverage
than stated is known, skewed ones and ones with rare failures included; where all values are 1 it is the exact
binomial bound. A better value never lowers it.

The quantile is found without drawing anything: the weighted mean lies below x where Σ Eᵢ kᵢ (vᵢ - x) ≤ 0, and
the tail of such a sum of exponentials is given by the saddlepoint approximation (Lugannani & Rice 1980; in
the form r* of Barndorff-Nielsen 1986).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

__all__ = ["share_below", "shares_below", "weighted_mean_quantile"]

Floats = npt.NDArray[np.float64]
STEPS: Final = 60
NEAR: Final = 1e-7
"""Ends of the search, as a share of the range of the values; and how exactly a quantile is found."""
FLAT: Final = 1e-12
"""A range of values below this is rounding."""


def weighted_mean_quantile(
    values: npt.ArrayLike,
    further: npt.ArrayLike,
    mass: npt.ArrayLike,
    tail: npt.ArrayLike,
    *,
    apart: bool = False,
) -> Floats:
    """Quantile of means with random weights.

    Parameters
    ----------
    values : array_like, shape (n_means, n)
        The parts of each mean; each weighs 1 on average. NaN: no part, for means of fewer.
    further : array_like, shape (n_means,)
        The value of one further part.
    mass : array_like, shape (n_means,) or ()
        Its weight on average.
    tail : array_like, shape (n_means,) or ()
        In (0, 1).
    apart : bool
        Whether the last digits of a quantile are those that it has alone. Otherwise all means take as many
        steps as the slowest of them.

    Returns
    -------
    ndarray of float, shape (n_means,)

    Examples
    --------
    Sixty lineages without an error, and a further one that is all error, is the exact bound of 60 trials:

    >>> import numpy as np
    >>> from analysis.discrimination.random_weights import weighted_mean_quantile
    >>> found = weighted_mean_quantile(np.ones((1, 60)), [0.0], 1.0, 0.05)
    >>> round(float(found[0]), 3), round(0.05 ** (1 / 60), 3)
    (0.951, 0.951)
    """
    last = np.asarray(further, dtype=np.float64)
    parts = np.column_stack([np.asarray(values, dtype=np.float64), last])
    weight = np.where(np.isnan(parts), 0.0, 1.0)
    weight[:, -1] = mass
    parts = np.where(np.isnan(parts), last[:, None], parts)
    low: Floats = parts.min(axis=1)
    high: Floats = parts.max(axis=1)
    found: Floats = low.copy()
    wide = np.flatnonzero(high - low > FLAT)
    if not len(wide):
        return found
    # Brought to the range 0 to 1, so that one tolerance serves all.
    start, span = low[wide, None], (high - low)[wide, None]
    v, k = (parts[wide] - start) / span, weight[wide]
    aim: Floats = np.broadcast_to(ndtri(np.asarray(tail, dtype=np.float64)), low.shape)[wide]
    a, b = np.full(len(v), NEAR), np.full(len(v), 1 - NEAR)
    x = np.clip(_first_guess(v, k, aim), a, b)
    t = np.zeros(len(v))
    open_ = np.ones(len(v), dtype=np.bool_)
    for _ in range(STEPS):
        here = np.flatnonzero(open_)
        t[here], z, slope = _deviate(v[here], k[here], x[here], t[here], apart=apart)
        below = z < aim[here]
        a[here[below]], b[here[~below]] = x[here[below]], x[here[~below]]
        step = x[here] - (z - aim[here]) / slope
        inside = (step > a[here]) & (step < b[here])
        new = np.where(inside, step, (a[here] + b[here]) / 2)
        moved = np.abs(new - x[here])
        x[here] = new
        open_[here] = moved > NEAR
        if not open_.any():
            break
    found[wide] = low[wide] + x * (high - low)[wide]
    return found


def share_below(values: npt.ArrayLike, further: float, mass: float, point: float) -> float:
    """Probability that a mean with random weights lies at or below a point.

    Parameters
    ----------
    values : array_like, shape (n,)
    further : float
    mass : float
        As for `weighted_mean_quantile`.
    point : float

    Returns
    -------
    float
        In [0, 1]; 0 below all values and 1 above.
    """
    return float(shares_below(np.asarray(values, dtype=np.float64)[None], [further], [mass], point)[0])


def shares_below(values: npt.ArrayLike, further: npt.ArrayLike, mass: npt.ArrayLike, point: float) -> Floats:
    """Probabilities that means with random weights lie at or below a point, each as `share_below` gives it.

    Parameters
    ----------
    values : array_like, shape (n_means, n)
    further, mass : array_like, shape (n_means,)
    point : float

    Returns
    -------
    ndarray of float, shape (n_means,)
    """
    v = np.column_stack([np.asarray(values, dtype=np.float64), further])
    low, high = v.min(axis=1), v.max(axis=1)
    found: Floats = (point >= high).astype(np.float64)
    inside = np.flatnonzero((point > low) & (point < high))
    if len(inside):
        k = np.ones_like(v)
        k[:, -1] = mass
        start, span = low[inside], (high - low)[inside]
        at = np.clip((point - start) / span, NEAR, 1 - NEAR)
        scaled = (v[inside] - start[:, None]) / span[:, None]
        found[inside] = ndtr(_deviate(scaled, k[inside], at, np.zeros(len(inside)), apart=True)[1])
    return found


def _first_guess(v: Floats, k: Floats, aim: Floats) -> Floats:
    total = k.sum(axis=1)
    mean = np.einsum("ij,ij->i", v, k) / total
    spread = np.sqrt(np.einsum("ij,ij->i", (v - mean[:, None]) ** 2, k**2)) / total
    guess: Floats = mean + aim * spread
    return guess


def _deviate(
    v: Floats, k: Floats, x: Floats, t: Floats, *, apart: bool = False
) -> tuple[Floats, Floats, Floats]:
    """Saddlepoint, normal deviate of the share below x, and the deviate's slope; each of shape (n_means,)."""
    c = k * (v - x[:, None])
    left, right = 1 / c.min(axis=1), 1 / c.max(axis=1)
    t = np.where((t > left) & (t < right), t, 0.0)
    moves = np.ones(len(t), dtype=np.bool_)
    for _ in range(STEPS):
        r = c / (1 - t[:, None] * c)
        slope, bend = r.sum(axis=1), np.einsum("ij,ij->i", r, r)
        right, left = np.where(slope > 0, t, right), np.where(slope > 0, left, t)
        step = t - slope / bend
        new = np.where((step > left) & (step < right), step, (left + right) / 2)
        far = ~(np.abs(new - t) * np.sqrt(bend) < NEAR)
        t = np.where(moves, new, t)
        moves = far & moves if apart else np.full(len(t), far.any())
        if not moves.any():
            break
    factor = 1 - t[:, None] * c
    r = c / factor
    bend = np.einsum("ij,ij->i", r, r)
    depth = np.log(factor).sum(axis=1)
    w = np.copysign(np.sqrt(np.maximum(2 * depth, 0.0)), t)
    u = t * np.sqrt(bend)
    # At the mean itself both are 0, and the correction is a sixth of the skewness.
    central = np.abs(u) < 1e-3
    skew = (r**3).sum(axis=1) / bend**1.5 / 3
    safe_w, safe_u = np.where(central, 1.0, w), np.where(central, 1.0, u)
    z = np.where(central, u + skew, safe_w + np.log(safe_u / safe_w) / safe_w)
    pull = (k / factor).sum(axis=1)
    slope = np.where(central, pull / np.sqrt(bend), t * pull / safe_w)
    return t, z, slope
