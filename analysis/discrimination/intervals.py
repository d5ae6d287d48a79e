"""From lineage jackknife folds to an interval that covers: the one rule behind every proportion and AUC.

Every lineage has a pseudo-value: what it makes of the share, by what the share becomes without it. An end of
the interval is a quantile of their mean under random weights, with one lineage more on which things go wrong
(`analysis.discrimination.random_weights`):

- for a rate, all its pairs are on the wrong side; for an AUC, it wins half of what the others win (at an AUC
  of 1 it tells nothing: its children are no better than chance);
- false positives lie between two lineages, and a pair of two bad ones is counted once: without an error the
  upper end is the exact bound of half as many independent pairs;
- uneven lineages are worth fewer, so that the further one weighs more: as many times as lineages are short of
  their effective number.

So no share is known better than its number of lineages allows, whatever the estimate, and an imperfect table
never has a narrower interval than a perfect one. Skewed lineages and the few that fail are covered without an
estimate of their variance, which such catalogs do not hold.

Beside every interval stands `unseen`: what the share becomes if there is a kind of lineage that this catalog
happens not to hold, as frequent as can stay unseen in so many lineages, on which everything goes wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from analysis.discrimination.random_weights import shares_below, weighted_mean_quantile
from analysis.results import Interval

__all__ = [
    "AREA",
    "FALSE_POSITIVES",
    "SAME_CELL_AREA",
    "TRUE_POSITIVES",
    "Difference",
    "Share",
    "ShareOfLineages",
    "clopper_pearson",
    "degrees_of_freedom",
    "difference_interval",
    "difference_intervals",
    "difference_p_value",
    "difference_p_values",
    "effective_number",
    "intervals_at_once",
    "jackknife_variance",
    "lineage_interval",
    "lineage_intervals",
    "pseudo_values",
    "unseen_bound",
]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
FEW_LINEAGES: Final = 8
"""Below so many lineages the coverage of the intervals was not established."""
FEW_UNITS: Final = 3.0
"""Below so many effective lineages the interval says how few they are."""
APART: Final = 0.5
"""What a difference of two AUCs loses on one lineage more: one metric tells nothing there, the other all."""
BEHIND: Final = 0.25
"""So far behind is the metric ahead there, at least."""
DECIDES: Final = 0.5
"""Share of the squared deviations of all lineages from which one is said to decide."""
NOTHING: Final = 1e-18
"""A variance below this is rounding."""


@dataclass(frozen=True)
class Share:
    """What kind of share an interval is about.

    Attributes
    ----------
    lost : float
        What a lineage on which things go wrong loses of a comparison, as a share.
    ends : int
        Lineages that a pair has: 2 where pairs lie between lineages, 1 where they lie inside.
    touched : int
        Lineages that a comparison has: an AUC compares a pair inside one with a pair between two.
    bad : {"low", "high"}
        The end at which a metric is worse than it seems.
    """

    lost: float
    ends: int
    touched: int
    bad: str


AREA: Final = Share(lost=0.5, ends=1, touched=3, bad="low")
SAME_CELL_AREA: Final = Share(lost=0.5, ends=2, touched=4, bad="high")
TRUE_POSITIVES: Final = Share(lost=1.0, ends=1, touched=1, bad="low")
FALSE_POSITIVES: Final = Share(lost=1.0, ends=2, touched=2, bad="high")


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


def pseudo_values(estimate: float, folds: Floats) -> Floats:
    """What each lineage makes of an estimate: Gθ - (G - 1)θ₍₋g₎, brought to the mean θ; shape (G,)."""
    n = len(folds)
    value: Floats = estimate + (n - 1) * (folds.mean() - folds)
    return value


def unseen_bound(estimate: float, units: float, level: float, kind: Share) -> float:
    """The share if a kind of lineage exists that is not among those seen, and on which everything goes wrong.

    It is as frequent as can stay unseen among `units` lineages with probability (1 - level)/2, and it spoils
    every comparison that it takes part in.
    """
    kept = ((1 - level) / 2) ** (kind.touched / units)
    return float(estimate * kept if kind.bad == "low" else 1 - (1 - estimate) * kept)


def lineage_interval(
    estimate: float,
    folds: npt.ArrayLike,
    *,
    kind: Share,
    units: float,
    level: float,
    method: str,
    variance: float | None = None,
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
    kind : Share
        What goes wrong in the further lineage.
    units : float
        Effective number of lineages, at least 1.
    level : float
        Nominal coverage.
    method : str
        What to call it.
    variance : float, optional
        In place of the jackknife's (the lineage bootstrap's): the pseudo-values are spread to have it.
    n_pairs, n_models, n_lineages, warnings
        Passed on.
    """
    return lineage_intervals(
        [estimate],
        np.asarray(folds, dtype=np.float64)[None],
        kind=kind,
        units=units,
        level=level,
        method=method,
        variance=variance,
        n_pairs=n_pairs,
        n_models=n_models,
        n_lineages=n_lineages,
        warnings=warnings,
    )[0]


def lineage_intervals(
    estimates: Sequence[float],
    folds: Floats,
    *,
    kind: Share,
    units: float,
    level: float,
    method: str,
    variance: float | None = None,
    n_pairs: int = 0,
    n_models: int = 0,
    n_lineages: int = 0,
    warnings: tuple[str, ...] = (),
) -> list[Interval]:
    """Intervals of several shares of the same pairs, as `lineage_interval`; folds of shape (n_shares, G)."""
    return intervals_at_once(
        [
            ShareOfLineages(
                float(estimate), fold, kind, units, level, method, n_pairs, n_models, n_lineages, warnings,
                variance,
            )
            for estimate, fold in zip(estimates, folds, strict=True)
        ]
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class ShareOfLineages:
    """A share that an interval is asked for: the arguments of `lineage_interval`."""

    estimate: float
    folds: Floats
    kind: Share
    units: float
    level: float
    method: str
    n_pairs: int = 0
    n_models: int = 0
    n_lineages: int = 0
    warnings: tuple[str, ...] = ()
    variance: float | None = None

    @property
    def held(self) -> bool:
        """Whether something is left without any one lineage."""
        return not np.isnan(self.folds).any() and len(self.folds) > 1

    @property
    def values(self) -> Floats:
        """What each lineage makes of the share, shape (G,)."""
        if not self.held:
            return np.full(max(len(self.folds), 1), self.estimate)
        return _spread(pseudo_values(self.estimate, self.folds), self.estimate, self.variance)

    @property
    def mass(self) -> float:
        """What the lineage more weighs."""
        return max(1.0, max(len(self.folds), 1) / self.units)


def intervals_at_once(shares: Sequence[ShareOfLineages]) -> list[Interval]:
    """Intervals of any shares; together they take little longer than one."""
    if not shares:
        return []
    each = [share.values for share in shares]
    values = np.full((len(shares), max(map(len, each))), np.nan)
    for row, own in enumerate(each):
        values[row, : len(own)] = own
    theta = np.array([share.estimate for share in shares])
    mass = np.array([share.mass for share in shares])
    tail = np.array([(1 - share.level) / 2 for share in shares])
    kept = 1 - np.array([share.kind.ends * share.kind.lost for share in shares])
    low, above = np.split(
        weighted_mean_quantile(
            np.concatenate([values, 1 - values]),
            np.concatenate([theta * kept, (1 - theta) * kept]),
            np.tile(mass, 2),
            np.tile(tail, 2),
        ),
        2,
    )
    between = np.array([share.kind.ends == 2 and share.kind.lost == 1 for share in shares])
    above = np.where(between, (1 - theta) * _clear_of(1 - above / np.maximum(1 - theta, NOTHING)), above)
    return [
        _interval(share, own, max(0.0, a), min(1.0, 1 - b))
        for share, own, a, b in zip(shares, each, low.tolist(), above.tolist(), strict=True)
    ]


def _interval(share: ShareOfLineages, values: Floats, low: float, high: float) -> Interval:
    said = list(share.warnings)
    if share.n_lineages < FEW_LINEAGES:
        said.append(
            f"{share.n_lineages} lineages: below {FEW_LINEAGES} the coverage of this interval is not"
            " established"
        )
    if share.units < FEW_UNITS:
        said.append(f"few or very uneven lineages: equivalent to {share.units:.1f} equal ones")
    if not share.held:
        low, high = clopper_pearson(share.estimate, share.units / 2, share.level)
        said.append("all comparisons depend on one lineage: an exact bound instead")
    else:
        said += _who_decides(values)
    bound = unseen_bound(share.estimate, share.units, share.level, share.kind)
    return Interval(
        share.estimate,
        min(low, share.estimate),
        max(high, share.estimate),
        share.level,
        share.method,
        share.n_pairs,
        share.n_models,
        share.n_lineages,
        warnings=tuple(said),
        unseen=min(low, bound) if share.kind.bad == "low" else max(high, bound),
    )


def _clear_of(loss: Floats) -> Floats:
    """Share of the clean pairs between lineages that stay clean, for what pseudo-values call their loss.

    They count a pair of two bad lineages twice: where lineages of weight q go bad they lose 2q, and
    (1 - q)² is left. Not so at the other end: hits that a few lineages bring go with them, in full.
    """
    left: Floats = (1 - np.clip(loss / 2, 0.0, 1.0)) ** 2
    return left


def _spread(values: Floats, estimate: float, variance: float | None) -> Floats:
    """Pseudo-values with a stated variance of their mean."""
    n = len(values)
    own = float(np.sum((values - estimate) ** 2)) / (n * (n - 1))
    if variance is None or own <= NOTHING:
        return values
    scaled: Floats = estimate + (values - estimate) * math.sqrt(variance / own)
    return scaled


def _who_decides(values: Floats) -> list[str]:
    squares = (values - values.mean()) ** 2
    total = float(squares.sum())
    if total <= NOTHING:
        return ["no lineage differs from another: the interval is what one more lineage could change"]
    if len(values) >= FEW_LINEAGES and squares.max() > DECIDES * total:
        return [f"one lineage of {len(values)} accounts for {squares.max() / total:.0%} of the variance"]
    return []


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
        Effective number of lineages. One lineage more may set the two AUCs apart by a half, either way.
    n_pairs, n_models, n_lineages
        Passed on.
    """
    one = Difference(estimate, folds, units, n_pairs, n_models, n_lineages)
    return difference_intervals([one], level, method)[0]


@dataclass(frozen=True, eq=False)
class Difference:
    """A difference of two AUCs that an interval is asked for: the arguments of `difference_interval`."""

    estimate: float
    folds: Floats
    units: float
    n_pairs: int = 0
    n_models: int = 0
    n_lineages: int = 0

    @property
    def mass(self) -> float:
        """What the lineage more weighs."""
        return max(1.0, len(self.folds) / self.units)


def difference_intervals(differences: Sequence[Difference], level: float, method: str) -> list[Interval]:
    """Intervals of any differences, each to the bit as alone; together they take little longer than one."""
    held = [len(one.folds) > 1 and not np.isnan(one.folds).any() for one in differences]
    ends = np.full((2, len(differences)), np.nan)
    for rows in _of_one_length(differences, np.flatnonzero(held)):
        values, mass, estimate = _stacked(differences, rows)
        tail = (1 - level) / 2
        ends[0, rows] = weighted_mean_quantile(values, _against(estimate), mass, tail, apart=True)
        ends[1, rows] = -weighted_mean_quantile(-values, _against(-estimate), mass, tail, apart=True)
    low, high = ends.tolist()
    return [
        Interval(
            one.estimate,
            max(-1.0, min(low[row], one.estimate)) if held[row] else math.nan,
            min(1.0, max(high[row], one.estimate)) if held[row] else math.nan,
            level,
            method,
            one.n_pairs,
            one.n_models,
            one.n_lineages,
            reason="" if held[row] else "all comparisons depend on one lineage",
            warnings=tuple(_who_decides(pseudo_values(one.estimate, one.folds))) if held[row] else (),
        )
        for row, one in enumerate(differences)
    ]


def _of_one_length(differences: Sequence[Difference], rows: Rows) -> list[Rows]:
    """Some differences by their number of lineages: sums over more places would round otherwise."""
    lengths = np.array([len(differences[row].folds) for row in rows])
    return [rows[lengths == length] for length in np.unique(lengths)]


def _stacked(differences: Sequence[Difference], rows: Rows) -> tuple[Floats, Floats, Floats]:
    """Pseudo-values (a row each), masses and estimates of some differences of equally many lineages."""
    some = [differences[row] for row in rows]
    values = np.stack([pseudo_values(one.estimate, one.folds) for one in some])
    return values, np.array([one.mass for one in some]), np.array([one.estimate for one in some])


def _against(difference: Floats) -> Floats:
    """Differences on one lineage more, on which the metric ahead loses half and falls behind."""
    behind: Floats = np.maximum(-1.0, np.minimum(difference - APART, -BEHIND))
    return behind


def difference_p_value(estimate: float, folds: Floats, units: float) -> float:
    """Two-sided p-value of no difference: twice the tail at which an end of the interval reaches 0."""
    return difference_p_values([Difference(estimate, folds, units)])[0]


def difference_p_values(differences: Sequence[Difference]) -> list[float]:
    """P-values of any differences, each to the bit as alone."""
    found = np.full(len(differences), np.nan)
    for rows in _of_one_length(differences, np.arange(len(differences))):
        values, mass, estimate = _stacked(differences, rows)
        below = shares_below(values, _against(estimate), mass, 0.0)
        above = shares_below(-values, _against(-estimate), mass, 0.0)
        # A difference of 0 lies inside both halves.
        found[rows] = np.minimum(1.0, 2 * np.minimum(below, above))
    return [float(p) for p in found]
