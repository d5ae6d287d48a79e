"""What a metric's authors state, and whether claimed p-values are p-values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.results import Interval, Result
from analysis.table import ScoreTable, check_table
from analysis.thresholds.rates import rate
from analysis.validation import BadArgument, check_instances, check_probability

__all__ = ["Claim", "PValueAudit", "PValueSummary", "RejectionRate", "audit_p_values"]

Floats = npt.NDArray[np.float64]
LEVELS: Final = (0.05, 0.01, 0.001)
POINTS: Final = 200
"""Quantiles kept of a QQ plot."""


@dataclass(frozen=True, eq=False)
class Claim(Result):
    """What the authors of a metric state about it.

    Attributes
    ----------
    threshold : float or None
        At or above it they call a pair derived.
    auc : float or None
        The AUC they report.
    p_values : bool
        Whether the metric is said to give p-values; the score is then -log10 p.
    text, source : str
        The claim in one sentence, and where it stands.
    """

    _headline = "text"

    threshold: float | None = None
    auc: float | None = None
    p_values: bool = False
    text: str = ""
    source: str = ""


@dataclass(frozen=True, eq=False)
class RejectionRate(Result):
    """How often claimed p-values of unrelated pairs lie at or below a level.

    Attributes
    ----------
    level : float
        What the rate should be.
    observed : Interval
        Over independent pairs.
    look_alike : Interval
        Over look-alikes alone.
    """

    _headline = "observed"

    level: float
    observed: Interval
    look_alike: Interval


@dataclass(frozen=True, eq=False)
class PValueSummary(Result):
    """Whether independent pairs refute claimed p-values, which must be uniform over them: what a file keeps.

    Attributes
    ----------
    rates : tuple of RejectionRate
        At 0.05, 0.01 and 0.001.
    verdict : {"not refuted", "too small", "too large", "cannot say"}
        "too small": at some level unrelated pairs are rejected more often than it says (its interval lies
        above the level). "too large": never more often, and somewhere less. "not refuted": every interval
        holds its level, which few lineages also do where p-values are not uniform.
    because : str
        The verdict's reason with its numbers.
    n_pairs : int
        Independent pairs with a p-value.
    reason : str
        Why there is no audit; empty otherwise.
    """

    _headline = "verdict"

    rates: tuple[RejectionRate, ...]
    verdict: str
    because: str
    n_pairs: int
    reason: str


@dataclass(frozen=True, eq=False)
class PValueAudit(PValueSummary):
    """Whether independent pairs refute claimed p-values: `PValueSummary`, and the plot.

    Attributes
    ----------
    expected, observed : ndarray of float, shape (n_points,)
        QQ plot: -log10 of uniform quantiles and of the p-values, ascending, at most 200 points. A p-value of
        0 is infinite here.
    """

    expected: Floats = field(repr=False)
    observed: Floats = field(repr=False)

    def __str__(self) -> str:
        return f"{self.verdict} ({self.because}; {self.n_pairs:,} pairs)"


def audit_p_values(
    table: ScoreTable,
    p_from_score: Callable[[Floats], Floats] | None = None,
    *,
    levels: tuple[float, ...] = LEVELS,
    level: float = 0.95,
) -> PValueAudit:
    """Compare claimed p-values of independent pairs with what p-values must be.

    Parameters
    ----------
    table : ScoreTable
        Only comparable pairs are used.
    p_from_score : callable, optional
        Turns an array of scores into p-values in [0, 1], falling as scores grow. Default: the score is
        -log10 p.
    levels : tuple of float
        At which rejection rates are observed, each in (0, 1).
    level : float
        Nominal coverage of the intervals, which respect lineages (see `rate`); in (0, 1).

    Returns
    -------
    PValueAudit
        "cannot say", with the reason, where a score is no p-value or no independent pair has one.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Examples
    --------
    Scores of unrelated pairs that are anything but -log10 of a uniform number:

    >>> from analysis import audit_p_values, example_table
    >>> table = example_table()
    >>> audit = audit_p_values(table.with_scores(table.score - table.score.min()))
    >>> audit.verdict
    'too small'
    >>> print(audit.rates[0])
    RejectionRate: level 0.05; observed 0.9...; look alike 0.9...
    """
    check_table(table)
    if p_from_score is not None and not callable(p_from_score):
        raise BadArgument(f"p_from_score must be a function of scores, not a {type(p_from_score).__name__}")
    for place, at in enumerate(check_instances(levels, "levels", float)):
        check_probability(at, f"levels[{place}]")
    check_probability(level, "level")
    rows = table.independent & table.comparable
    p = np.full(len(table), np.nan)
    p[table.comparable] = _p_values(table.score[table.comparable], p_from_score)
    outside = rows & ~((p >= 0) & (p <= 1))
    reason = ""
    if not rows.any():
        reason = "no independent pair has a score"
    elif outside.any():
        row = int(np.flatnonzero(outside)[0])
        reason = (
            f"the score {table.score[row]:g} of {table.models[table.model_a[row]]} –"
            f" {table.models[table.model_b[row]]} is no p-value: it would be {p[row]:g}"
        )
    if reason:
        nothing = np.empty(0)
        return PValueAudit((), "cannot say", reason, int(rows.sum()), reason, nothing, nothing)
    smallness = table.with_scores(-p)
    rates = tuple(
        RejectionRate(
            at,
            rate(smallness, -at, "fpr", level=level),
            rate(smallness, -at, "fpr", negatives="look-alike", level=level),
        )
        for at in levels
    )
    verdict, because = _judged(rates)
    expected, observed = _quantiles(p[rows])
    return PValueAudit(rates, verdict, because, int(rows.sum()), "", expected, observed)


def _p_values(score: Floats, p_from_score: Callable[[Floats], Floats] | None) -> Floats:
    if p_from_score is not None:
        return np.asarray(p_from_score(score), dtype=np.float64)
    # A negative score would be p > 1; it is let through, and refused above with the pair's name.
    p: Floats = np.power(10.0, -np.maximum(score, -300.0))
    return p


def _judged(rates: tuple[RejectionRate, ...]) -> tuple[str, str]:
    def told(found: RejectionRate) -> str:
        seen = found.observed
        return (
            f"{seen.estimate:.3g} [{seen.low:.3g}, {seen.high:.3g}] of independent pairs"
            f" have p ≤ {found.level:g}"
        )

    above = [found for found in rates if found.observed.low > found.level]
    below = [found for found in rates if found.observed.high < found.level]
    if above:
        return "too small", "; ".join(map(told, above))
    if below:
        return "too large", "; ".join(map(told, below))
    return "not refuted", "; ".join(map(told, rates))


def _quantiles(p: Floats) -> tuple[Floats, Floats]:
    ordered = np.sort(p)
    n = len(ordered)
    # Even in the logarithm, since what matters is the small end.
    kept = np.unique(np.geomspace(1, n, min(n, POINTS)).round().astype(np.intp)) - 1
    expected = -np.log10((kept + 0.5) / n)
    with np.errstate(divide="ignore"):
        observed = -np.log10(ordered[kept])
    return expected[::-1], np.where(observed == 0, 0.0, observed)[::-1]
