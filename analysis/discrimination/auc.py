"""AUC of derived pairs against independent pairs or look-alikes, with intervals over lineages."""

from __future__ import annotations

import math
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from analysis.discrimination.delong import delong_variance
from analysis.discrimination.intervals import AREA, Share, ShareOfLineages, lineage_interval
from analysis.discrimination.wins import Wins, comparisons
from analysis.randomness import generator
from analysis.results import Interval
from analysis.table import NEGATIVES, ScoreTable, check_table
from analysis.validation import check_choice, check_count, check_probability, check_seed

__all__ = [
    "auc",
    "auc_interval",
    "auc_share",
    "auc_with_abstentions_worst",
    "look_alike_auc",
    "pairs_without_look_alikes",
    "why_undefined",
]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Method = Literal["jackknife", "bootstrap", "percentile", "delong"]
METHODS: Final[dict[str, str]] = {
    name: f"{how}; pair-weighted"
    for name, how in {
        "jackknife": "lineage jackknife, one additional uninformative lineage: lineages independent",
        "bootstrap": "lineage bootstrap, one additional uninformative lineage: lineages independent",
        "percentile": "lineage bootstrap, percentiles: lineages independent and many, AUC far from 1",
        "delong": "DeLong: assumes that all pairs are independent, which they are not",
    }.items()
}


def auc(
    table: ScoreTable,
    negatives: str = "independent",
    level: float = 0.95,
    *,
    method: Method = "jackknife",
    seed: int = 0,
    n_resamples: int = 2_000,
) -> Interval:
    """Probability that a derived pair scores above a negative pair, ties one half, with its interval.

    Parameters
    ----------
    table : ScoreTable
        Only comparable pairs are used.
    negatives : {"independent", "look-alike"}
        All independent pairs; or, for each derived pair, the independent pairs of its own pair of
        architecture cells (the matched AUC: the mean over derived pairs of the share they beat).
    level : float
        Nominal coverage, in (0, 1).
    method : {"jackknife", "bootstrap", "percentile", "delong"}
        The first two are made to cover; the others stand beside them for comparison, labelled with what they
        assume.
    seed : int
        Of the bootstraps; the same seed gives the same interval.
    n_resamples : int
        Lineage bootstrap resamples, 1 or more.

    Returns
    -------
    Interval
        In [0, 1]; NaN with a reason where there is nothing to compare. Derived pairs without look-alikes
        are counted in the warnings; `pairs_without_look_alikes` names them all.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Notes
    -----
    The estimate is Mann & Whitney's (1947); matched by cells it is the covariate-adjusted AUC of Janes & Pepe
    (2009, doi:10.1093/biomet/asp002). The default interval weighs the pseudo-values of the lineages at
    random, with one lineage more (`analysis.discrimination.intervals`); DeLong's from DeLong, DeLong &
    Clarke-Pearson (1988, doi:10.2307/2531595).

    Examples
    --------
    >>> from analysis import auc, example_table
    >>> table = example_table()
    >>> print(auc(table, "look-alike"))
    0.9704 [0.8403, 0.987] (95%, lineage jackknife, one additional uninformative lineage: lineages
    independent; pair-weighted; 12 lineages, 294 pairs, 1 warning)
    >>> print(auc(table, method="delong"))
    0.9783 [0.9518, 1] (95%, DeLong: assumes that all pairs are independent, which they are not;
    pair-weighted; 12 lineages, 618 pairs)
    """
    check_table(table)
    check_choice(negatives, "negatives", NEGATIVES)
    check_probability(level, "level")
    check_choice(method, "method", METHODS)
    check_seed(seed)
    check_count(n_resamples, "n_resamples")
    wins = Wins.of(table, negatives)
    reason = why_undefined(table, negatives, wins)
    if reason:
        return Interval.undefined(reason, level=level, method=METHODS[method])
    if method == "delong":
        ours = np.flatnonzero(table.comparable & table.derived)
        theirs = np.flatnonzero(table.comparable & table.independent)
        groups = comparisons(table, ours, theirs, negatives)
        variance = delong_variance([(table.score[p], table.score[n]) for p, n in groups])
        return _delong_interval(wins, variance, level, _unmatched(table, wins))
    rng = generator(seed, table.metric, f"auc {negatives} {method}")
    return auc_interval(
        wins, level, method=method, rng=rng, n_resamples=n_resamples, warnings=_unmatched(table, wins)
    )


def auc_interval(
    wins: Wins,
    level: float = 0.95,
    *,
    method: Method = "jackknife",
    rng: np.random.Generator | None = None,
    n_resamples: int = 2_000,
    warnings: tuple[str, ...] = (),
) -> Interval:
    """Interval of an AUC from its counted wins, which must not be empty.

    Parameters
    ----------
    wins : Wins
    level : float
    method : {"jackknife", "bootstrap", "percentile"}
    rng : numpy.random.Generator
        Needed by the bootstraps.
    n_resamples : int
    warnings : tuple of str
        Passed on.
    """
    counts = {
        "n_pairs": wins.n_positive + wins.n_negative,
        "n_models": wins.n_models,
        "n_lineages": wins.n_lineages,
    }
    variance = None
    if method != "jackknife":
        if rng is None:
            raise ValueError(f"method {method!r} draws at random: give it a generator")
        resampled = wins.bootstrap(n_resamples, rng)
        resampled = resampled[~np.isnan(resampled)]
        if method == "percentile":
            return _percentiles(wins.estimate, resampled, level, counts, warnings)
        variance = float(np.var(resampled)) if len(resampled) > 1 else None
    return lineage_interval(
        wins.estimate,
        wins.jackknife(),
        kind=AREA,
        units=wins.units,
        level=level,
        method=METHODS[method],
        variance=variance,
        warnings=warnings,
        **counts,
    )


def auc_share(
    wins: Wins, folds: Floats, level: float, kind: Share = AREA, warnings: tuple[str, ...] = ()
) -> ShareOfLineages:
    """An AUC from counted wins, which must not be empty, as `intervals_at_once` takes it.

    Parameters
    ----------
    wins : Wins
    folds : ndarray of float
        Its jackknife.
    level : float
    kind : Share
        What one lineage more may do.
    warnings : tuple of str
        Passed on.
    """
    return ShareOfLineages(
        wins.estimate,
        folds,
        kind,
        wins.units,
        level,
        METHODS["jackknife"],
        wins.n_positive + wins.n_negative,
        wins.n_models,
        wins.n_lineages,
        warnings,
    )


def look_alike_auc(table: ScoreTable, level: float = 0.95) -> Interval:
    """The matched AUC: mean over derived pairs of the share of their own look-alikes that they beat.

    Parameters
    ----------
    table : ScoreTable
        With architectures; only comparable pairs are used.
    level : float
        Nominal coverage, in (0, 1).

    Returns
    -------
    Interval
        `auc` with ``negatives="look-alike"``.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Notes
    -----
    This is the AUC that decides: a metric that only recognises shapes has one half. See `auc` for sources.

    Examples
    --------
    >>> from analysis import auc, example_table, look_alike_auc
    >>> table = example_table()
    >>> look_alike_auc(table) == auc(table, "look-alike")
    True
    """
    return auc(table, "look-alike", level)


def auc_with_abstentions_worst(
    table: ScoreTable, negatives: str = "independent", level: float = 0.95
) -> Interval:
    """AUC in which every pair without a score counts as an error.

    A derived pair that the metric could not score ranks below all others, a negative pair above all: the
    AUC that is left if every abstention (or failure) would have been the worst answer.

    Parameters
    ----------
    table : ScoreTable
    negatives : {"independent", "look-alike"}
    level : float
        Nominal coverage, in (0, 1).

    Returns
    -------
    Interval
        In [0, 1], never above `auc`'s estimate.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Examples
    --------
    A metric that keeps silent on two of three derived pairs:

    >>> from analysis import ScoreTable, auc, auc_with_abstentions_worst, example_table
    >>> frame = example_table().frame
    >>> silent = (frame["relation"] == "derived") & (frame.index % 3 > 0)
    >>> table = ScoreTable(frame.assign(status=silent.map({True: "abstained", False: "ok"})))
    >>> round(auc(table).estimate, 3), round(auc_with_abstentions_worst(table).estimate, 3)
    (0.965, 0.483)
    """
    check_table(table)
    check_choice(negatives, "negatives", NEGATIVES)
    check_probability(level, "level")
    score = np.where(table.comparable, table.score, np.where(table.derived, -np.inf, np.inf))
    wins = Wins.of(table, negatives, score=score)
    reason = why_undefined(table, negatives, wins, comparable=False)
    if reason:
        return Interval.undefined(reason, level=level, method=METHODS["jackknife"])
    return auc_interval(wins, level, warnings=_unmatched(table, wins))


def pairs_without_look_alikes(table: ScoreTable) -> list[tuple[str, str]]:
    """Comparable derived pairs without any comparable look-alike: the matched AUC leaves them out.

    Parameters
    ----------
    table : ScoreTable

    Returns
    -------
    list of (str, str)
        The two models of each, in the order of the table.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Examples
    --------
    Three lineages in two cells: the third stands in its cell alone.

    >>> from analysis import example_table, pairs_without_look_alikes
    >>> table = example_table(n_lineages=3)
    >>> pairs_without_look_alikes(table)
    [('01-a', '01-b'), ('01-a', '01-c')]
    """
    rows = Wins.of(check_table(table), "look-alike").unmatched
    names = zip(table.models[table.model_a[rows]], table.models[table.model_b[rows]], strict=True)
    return [(str(a), str(b)) for a, b in names]


def why_undefined(table: ScoreTable, negatives: str, wins: Wins, *, comparable: bool = True) -> str:
    """Reason why an AUC does not exist; empty when it does."""
    if wins.n_positive:  # and then negatives, too: wins hold only positives that meet some
        return ""
    usable = table.comparable if comparable else np.ones(len(table), dtype=bool)
    for mask, name in ((table.derived, "derived"), (table.independent, "independent")):
        if not mask.any():
            return f"the table has no {name} pair"
        if not (mask & usable).any():
            return f"no {name} pair has a score: all {int(mask.sum())} abstained or failed"
    if negatives == "look-alike" and not len(table.cells):
        return (
            "architectures are unknown, so that no pair is known to be a look-alike; columns architecture_a"
            " and architecture_b would make look-alikes known"
        )
    return "no derived pair has a look-alike: no independent pair with a score shares its pair of cells"


def _unmatched(table: ScoreTable, wins: Wins) -> tuple[str, ...]:
    rows = wins.unmatched
    if not len(rows):
        return ()
    names = [f"{table.models[table.model_a[i]]} – {table.models[table.model_b[i]]}" for i in rows[:3]]
    more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
    return (f"{len(rows)} derived pairs without any look-alike are not used: {', '.join(names)}{more}",)


def _percentiles(
    estimate: float, resampled: Floats, level: float, counts: dict[str, int], warnings: tuple[str, ...]
) -> Interval:
    tail = (1 - level) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail]) if len(resampled) else (math.nan, math.nan)
    return _comparator(estimate, float(low), float(high), level, "percentile", counts, warnings)


def _delong_interval(wins: Wins, variance: float, level: float, warnings: tuple[str, ...]) -> Interval:
    reach = float(ndtri((1 + level) / 2)) * math.sqrt(variance)
    counts = {
        "n_pairs": wins.n_positive + wins.n_negative,
        "n_models": wins.n_models,
        "n_lineages": wins.n_lineages,
    }
    low, high = max(0.0, wins.estimate - reach), min(1.0, wins.estimate + reach)
    return _comparator(wins.estimate, low, high, level, "delong", counts, warnings)


def _comparator(
    estimate: float,
    low: float,
    high: float,
    level: float,
    method: str,
    counts: dict[str, int],
    warnings: tuple[str, ...],
) -> Interval:
    """An interval of a method that has no answer where it sees no variation: then it has none here."""
    reason = ""
    if not low < high:
        low = high = math.nan
        reason = "this method sees no variation here and would give an interval without width"
    return Interval(estimate, low, high, level, METHODS[method], reason=reason, warnings=warnings, **counts)
