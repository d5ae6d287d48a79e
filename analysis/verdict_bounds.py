"""The bounds that a verdict rests on: they hold together for all metrics of an analysis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.breakdown import ANYTHING, MethodClass
from analysis.discrimination.auc import METHODS, auc_share, why_undefined
from analysis.discrimination.intervals import ShareOfLineages, intervals_at_once
from analysis.discrimination.random_weights import weighted_mean_quantile
from analysis.discrimination.wins import Wins
from analysis.inference.confounding import auc_gap, same_cell_auc
from analysis.results import Interval, Result
from analysis.table import ScoreTable, check_table
from analysis.validation import check_count, check_mapping
from analysis.verdict_words import FAIR, GOOD, MethodState, family_level

__all__ = ["SeparationBounds", "choices", "separation_bounds"]

Floats = npt.NDArray[np.float64]
METHOD: Final = "lineage jackknife, simultaneous over metrics (Bonferroni), one lineage more"
CHANCE: Final = 0.5
GROWTH: Final = 1.15
NOTHING_LEFT: Final = "every derived pair with a score and look-alikes is of a method that fails"
MOST_STATEMENTS: Final = 10**9
"""Statements that may share an error; with more, each has less than numbers can tell from none."""
MOST_TIMES: Final = 100
"""Catalogs tried, from the one at hand to a hundred times its lineages, each larger by a seventh."""


@dataclass(frozen=True, eq=False)
class SeparationBounds(Result):
    """Bounds on the look-alike AUC of one metric that hold together with those of the others.

    Attributes
    ----------
    n_metrics : int
        Metrics judged together: each bound holds with a chance of error of at most 0.025 / n_metrics.
    look_alike_auc : Interval
        Of all derived pairs with a score. At the lower end one lineage more tells nothing; at the upper end
        it is as good as can be.
    elsewhere : Interval
        The same of the methods that are not shown to fail; equal to it where none is. Which these are is read
        from the same scores: its bounds hold whichever methods are left out.
    share_elsewhere : float
        Share of the derived pairs that these methods hold, with or without a score; NaN without any.
    knows_shapes : bool
        Whether it is shown that the score tells one architecture cell from two among independent pairs, and
        that its AUC against all of them owes something to that: by bounds of the same level, above 1/2 and
        above 0; and by 0.1 or more where the look-alike AUC is above 1/2.
    lineages_for_good, lineages_for_fair : int
        Lineages like these with which the bound would lie beyond 0.9, and beyond 0.75, on the side of the
        estimate; 0 where it does, -1 where a hundred times as many would not do or nothing is known.
    """

    _headline = "look_alike_auc"

    n_metrics: int
    look_alike_auc: Interval
    elsewhere: Interval
    share_elsewhere: float
    knows_shapes: bool
    lineages_for_good: int
    lineages_for_fair: int


def separation_bounds(
    table: ScoreTable, methods: Mapping[str, MethodClass], n_metrics: int = 1
) -> SeparationBounds:
    """Find the bounds that the verdict on a metric rests on.

    Parameters
    ----------
    table : ScoreTable
    methods : mapping of str to MethodClass
        As `by_method` gives them for this table.
    n_metrics : int
        Metrics judged together; 1 or more.

    Returns
    -------
    SeparationBounds
        Undefined, with the reason, where the look-alike AUC is.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Examples
    --------
    >>> from analysis import by_method, example_table, separation_bounds
    >>> table = example_table()
    >>> found = separation_bounds(table, by_method(table), n_metrics=5)
    >>> print(found.look_alike_auc._cell(), found.lineages_for_good)
    0.9704 [0.7955, 0.9934] 37
    """
    check_table(table)
    check_mapping(methods, "methods", MethodClass)
    check_count(n_metrics, "n_metrics")
    level = family_level(n_metrics)
    wins = Wins.of(table, "look-alike")
    reason = why_undefined(table, "look-alike", wins)
    failing = [name for name, row in methods.items() if row.state is MethodState.FAILED]
    names = table.frame["method"].to_numpy(dtype=object)
    other = table.derived & ~np.isin(names, ["" if name == "unnamed" else name for name in failing])
    derived = int(table.derived.sum())
    share = int(other.sum()) / derived if derived else math.nan
    if reason:
        undefined = Interval.undefined(reason, level=level, method=METHODS["jackknife"])
        return SeparationBounds(n_metrics, undefined, undefined, share, False, -1, -1)
    parts = [(wins, level)]
    why = ""
    if failing:
        statements = n_metrics * choices(len(methods), len(failing))
        rest = Wins.of(table, "look-alike", positive=other)
        if not rest.n_positive:
            why = NOTHING_LEFT
        elif statements > MOST_STATEMENTS:
            why = f"too many ways to leave out {len(failing)} of {len(methods)} methods for a joint bound"
        else:
            parts.append((rest, family_level(statements)))
    folds = [part.jackknife() for part, _ in parts]
    asked = [auc_share(part, own, at) for (part, at), own in zip(parts, folds, strict=True)]
    asked += [auc_share(part, own, at, ANYTHING) for (part, at), own in zip(parts, folds, strict=True)]
    found = intervals_at_once(asked)
    bounds = [
        replace(high, low=low.low, method=METHOD, unseen=low.unseen)
        for low, high in zip(found[: len(parts)], found[len(parts) :], strict=True)
    ]
    elsewhere = Interval.undefined(why, level=level, method=METHOD) if why else bounds[-1]
    return SeparationBounds(
        n_metrics=n_metrics,
        look_alike_auc=bounds[0],
        elsewhere=elsewhere,
        share_elsewhere=share,
        knows_shapes=bounds[0].high < GOOD and _knows_shapes(table, wins, bounds[0], level),
        lineages_for_good=_lineages(bounds[0], asked[0], asked[len(parts)], GOOD),
        lineages_for_fair=_lineages(bounds[0], asked[0], asked[len(parts)], FAIR),
    )


def choices(n_methods: int, n_left_out: int) -> int:
    """How many statements one statement on the methods that are left counts for.

    The methods left out are chosen by the scores, so a bound on the rest must hold for every choice that
    could have been made. Each of the C(m, r) choices of r methods out of m takes the share 1/(2^r · C(m, r))
    of the error: those of all choices with one method or more left out come to less than 1. The fewer are
    left out, the less it costs.

    >>> from analysis.verdict_bounds import choices
    >>> choices(8, 1), choices(8, 2)
    (16, 112)
    """
    return int(2**n_left_out * math.comb(n_methods, n_left_out))


def _knows_shapes(table: ScoreTable, alike: Wins, bounds: Interval, level: float) -> bool:
    least = 1 - GOOD if bounds.low > CHANCE else 0.0
    if not auc_gap(Wins.of(table), alike, level).low > least:
        return False
    return same_cell_auc(table, level).low > CHANCE


def _lineages(bounds: Interval, low: ShareOfLineages, high: ShareOfLineages, line: float) -> int:
    """Lineages with which a bound would pass a line, if all were like these; see `SeparationBounds`."""
    if bounds.low >= line or bounds.high < line:
        return 0
    above = low.estimate > line
    share = low if above else high
    if not share.held:
        return -1
    values = np.sort(share.values if above else 1 - share.values)
    goal = line if above else 1 - line
    n = len(values)
    further = [float(values.mean()) * (1 - share.kind.ends * share.kind.lost)]
    steps = math.ceil(math.log(MOST_TIMES) / math.log(GROWTH))
    for size in np.unique(np.ceil(n * GROWTH ** np.arange(1, steps + 1))).astype(int).tolist():
        own = values[(np.arange(size) * n) // size]
        larger = own + (values.mean() - own.mean())
        (bound,) = weighted_mean_quantile(larger[None], further, share.mass, (1 - share.level) / 2)
        if bound > goal:
            return int(size)
    return -1
