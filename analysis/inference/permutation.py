"""Could these scores have arisen without lineage? A test that neither architecture nor levels can fool.

Two ways in which they could, and both must be refuted; the p-value is the larger of two.

1. *Inside an architecture cell, models are exchangeable*: their scores know the cell, and the model, but not
   who descends from whom. Models are permuted inside cells and the scores left where they are, so that
   derived pairs move to other pairs of the same two cells (a node permutation, as in the QAP of Hubert 1987
   and Mantel 1967). Under this null the p-value is exact for any score, any confusion of lineage with
   architecture and any hub. The statistic: `analysis/inference/separation_statistic.py`.
2. *Lineages are drawn independently, and derived pairs score on average what the levels of their models and
   lineages explain, added, multiplied, or by the lower of two*: exchangeability fails where lineages, or
   pairs of them, have scores of their own. `analysis/inference/lineage_excess.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.inference.arrangements import Arrangements
from analysis.inference.lineage_excess import LineageExcess
from analysis.inference.model_order import order_of_models
from analysis.inference.separation_statistic import SeparationStatistic, scored_rows
from analysis.notebook import number
from analysis.randomness import generator
from analysis.results import Result
from analysis.table import ScoreTable, check_table, check_tables
from analysis.validation import BadArgument, check_count, check_probability, check_seed

__all__ = ["NULL", "PermutationTest", "separation_test", "separation_tests"]

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

NULL: Final = (
    "models of one architecture cell are exchangeable; or, failing that, lineages are drawn independently"
    " and derived pairs score on average what the score levels of their models and lineages predict (sum,"
    " product, or the lower of the two). Not ruled out: that models of a lineage are alike for a reason other"
    " than descent (the same data, the same recipe), or that levels combine in yet another way"
)
"""What a small p-value speaks against, both halves; and what gives a small one without any descent."""
TIE: Final = 1e-7
"""Statistics closer than this, relatively, count as equal: rounding never makes p smaller."""


@dataclass(frozen=True, eq=False)
class PermutationTest(Result):
    """Outcome of the test that derived pairs score no higher than their place in the architecture explains.

    Attributes
    ----------
    metric : str
        Its name.
    statistic : float
        Mean over lineages of the centred normal score of derived pairs among the pairs of the same two cells,
        in standard errors.
    p_value : float
        One-sided; never 0: the larger of the two below. NaN where the test is refused; `reason` says why.
    adjusted_p_value : float
        Family-wise over the metrics tested together; equals `p_value` for one metric.
    n_arrangements : int
        Distinct ways in which the labels could have fallen; a lower bound, at most 10**15, unless `exact`.
    n_resamples : int
        Permutations drawn; 0 where all arrangements were enumerated.
    exact : bool
        Whether all arrangements were enumerated.
    reason : str
        Why the test is refused; empty otherwise.
    n_pairs, n_models, n_lineages : int
        Derived pairs that have look-alikes, the models permuted, lineages among those derived pairs.
    exchangeable_p_value : float
        Of the permutations alone: exact where the models of a cell are exchangeable.
    lineage_p_value : float
        Of Student's t over lineages: where only the lineages are independent (`LineageExcess`).
    null : str
        What a small p-value speaks against, and what it does not, in words.
    """

    metric: str
    statistic: float
    p_value: float
    adjusted_p_value: float
    n_arrangements: int
    n_resamples: int
    exact: bool
    reason: str = ""
    n_pairs: int = 0
    n_models: int = 0
    n_lineages: int = 0
    exchangeable_p_value: float = math.nan
    lineage_p_value: float = math.nan
    null: str = NULL

    def __str__(self) -> str:
        if self.reason:
            return f"refused ({self.reason})"
        walked = (
            f"all {self.n_arrangements:,} arrangements"
            if self.exact
            else f"{self.n_resamples:,} permutations"
        )
        return (
            f"p {number(self.p_value)} (adjusted {number(self.adjusted_p_value)}, statistic"
            f" {number(self.statistic)}; {walked} of {self.n_models:,} models, {self.n_pairs:,} derived pairs"
            f" in {self.n_lineages:,} lineages)"
        )

    def _cell(self) -> str:
        return f"p {number(self.adjusted_p_value)}"


def separation_test(
    table: ScoreTable, n_resamples: int = 9_999, seed: int = 0, *, level: float = 0.05
) -> PermutationTest:
    """Test whether derived pairs score higher than exchanging models of equal architecture explains.

    Parameters
    ----------
    table : ScoreTable
        Disputed pairs are left out; pairs that are not comparable, or not in the table, are unknown: a
        permuted derived pair that falls on one is left out of its mean.
    n_resamples : int
        Permutations drawn, 1 or more; where fewer distinct arrangements exist they are all enumerated.
    seed : int
        The same seed gives the same p-value.
    level : float
        The test is refused where no p-value as small as this can be reached; in (0, 1).

    Returns
    -------
    PermutationTest
        The p-value is the larger of two: (1 + number of permutations with a statistic at least as large) / (1
        + n_resamples) (Phipson & Smyth 2010), or the share of all arrangements; and that of the excess of
        derived pairs over the levels of their models, by t over lineages. Neither names of models, lineages
        or cells nor the order of rows or inside a pair has a part in it.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Notes
    -----
    A node permutation (Mantel 1967; Hubert 1987) of models inside architecture cells, of a studentised
    statistic (Janssen 1997; Chung & Romano 2013): `analysis.inference.separation_statistic`. Two nulls at
    once are an intersection-union test (Berger 1982): the size is at most that of either test where its null
    holds.

    Examples
    --------
    >>> from analysis import example_table, separation_test
    >>> test = separation_test(example_table(n_lineages=6), n_resamples=999)
    >>> print(test)
    p 0.001 (adjusted 0.001, statistic ...; 999 permutations of 18 models, 12 derived pairs in 6 lineages)
    >>> print(separation_test(example_table(n_lineages=2)))
    refused (every architecture cell that holds derived pairs holds one lineage: lineage cannot be told from
    architecture)
    """
    check_table(table)
    return _together([table], n_resamples, seed, level)[0]


def separation_tests(
    tables: Sequence[ScoreTable], n_resamples: int = 9_999, seed: int = 0, *, level: float = 0.05
) -> dict[str, PermutationTest]:
    """Test several metrics with the same permutations, and control the family-wise error.

    Every metric's statistic is put on one scale by its rank in its own permutation distribution, the observed
    arrangement among the others; the adjusted p-value is the share of arrangements whose best metric has a
    rank as small as this metric's p-value (the single-step min-P of Westfall & Young 1993, which keeps
    metrics with unlike distributions comparable).

    Parameters
    ----------
    tables : sequence of ScoreTable
        One a metric. Models and derived pairs need not be the same in all; cells must be.
    n_resamples, seed, level
        As in `separation_test`.

    Returns
    -------
    dict of str to PermutationTest
        By metric. Each has the p-value that it has alone, from permutations of its own models; its adjusted
        one is never smaller.

    Raises
    ------
    BadArgument
        An argument is not what it must be: two tables of one metric, or a model with two cells.

    Examples
    --------
    >>> from analysis import example_table, separation_tests
    >>> tests = separation_tests([example_table("good"), example_table("noise", separation=0)], 999)
    >>> {metric: test.adjusted_p_value <= 0.05 for metric, test in tests.items()}
    {'good': True, 'noise': False}
    """
    names = [table.metric for table in check_tables(tables)]
    return dict(zip(names, _together(tables, n_resamples, seed, level), strict=True))


@dataclass(frozen=True)
class _Usable:
    """What of a table can take part: derived pairs with look-alikes, and the models to permute."""

    derived: npt.NDArray[np.bool_]
    models: frozenset[str]
    reason: str


@dataclass(frozen=True)
class _Family:
    """Statistics of several metrics under the same permutations.

    Attributes
    ----------
    statistics : ndarray of float, shape (n_metrics, n_arrangements)
        Of every arrangement, the observed one first: it is one of those that could have been.
    n_arrangements : int
    exact : bool
    """

    statistics: Floats
    n_arrangements: int
    exact: bool

    @property
    def n_resamples(self) -> int:
        """Permutations drawn; 0 where all arrangements were enumerated."""
        return 0 if self.exact else self.statistics.shape[1] - 1

    @property
    def smallest(self) -> float:
        """The smallest p-value that can be reached."""
        return 1 / int(self.statistics.shape[1])

    def p_values(self) -> Floats:
        """Share of arrangements whose statistic is at least as large, for every metric and arrangement."""
        statistics = self.statistics
        tolerance = TIE * np.maximum(1.0, np.abs(statistics))
        below = [
            np.searchsorted(row, of, side="left")
            for row, of in zip(np.sort(statistics, axis=1), statistics - tolerance, strict=True)
        ]
        n = statistics.shape[1]
        share: Floats = (n - np.array(below)) / n
        return share


def _together(
    tables: Sequence[ScoreTable], n_resamples: int, seed: int, level: float
) -> list[PermutationTest]:
    check_count(n_resamples, "n_resamples")
    check_seed(seed)
    check_probability(level, "level")
    usable = [_usable(table) for table in tables]
    able = [k for k, use in enumerate(usable) if not use.reason]
    tests = [_refused(table, use.reason) for table, use in zip(tables, usable, strict=True)]
    _cells([tables[k] for k in able], [usable[k] for k in able])
    own = [_family([tables[k]], [usable[k]], n_resamples, seed) for k in able]
    for k, family in zip(able, own, strict=True):
        tests[k] = _alone(tables[k], usable[k], family, level)
    judged = [row for row, k in enumerate(able) if not tests[k].reason]
    if not judged:
        return tests
    family = own[judged[0]]
    if len(judged) > 1:
        chosen = [able[row] for row in judged]
        family = _family([tables[k] for k in chosen], [usable[k] for k in chosen], n_resamples, seed)
    p_values = family.p_values()
    best = p_values.min(axis=0)
    for row, k in enumerate(able[row] for row in judged):
        # Where other draws gave the metric's own p-value, the larger of the two keeps the family's level.
        p = max(tests[k].p_value, float(p_values[row, 0]))
        adjusted = float(np.mean(best <= p * (1 + 1e-12)))
        tests[k] = replace(tests[k], adjusted_p_value=max(tests[k].p_value, adjusted))
    return tests


def _alone(table: ScoreTable, use: _Usable, family: _Family, level: float) -> PermutationTest:
    """Test one metric; the adjusted p-value is its own."""
    excess = LineageExcess.of(table, use.derived, np.isin(table.models, list(use.models)))
    exchangeable = float(family.p_values()[0, 0])
    derived = use.derived & table.comparable
    reason = ""
    if family.smallest > level:
        n = family.n_arrangements
        what = (
            f"only {n} arrangement{'s' * (n > 1)} of the labels inside architecture cells"
            if family.exact
            else f"only {family.n_resamples} permutations were drawn"
        )
        reason = f"{what}: no p-value below {family.smallest:.2g} can be reached, the level is {level:g}"
    elif excess.n_lineages < 2:
        reason = (
            "one lineage holds all derived pairs that have look-alikes: its own score level cannot be"
            " told from descent"
        )
    p = math.nan if reason else max(exchangeable, excess.p_value)
    return PermutationTest(
        metric=table.metric,
        statistic=float(family.statistics[0, 0]),
        p_value=p,
        adjusted_p_value=p,
        n_arrangements=family.n_arrangements,
        n_resamples=family.n_resamples,
        exact=family.exact,
        reason=reason,
        exchangeable_p_value=math.nan if reason else exchangeable,
        lineage_p_value=math.nan if reason else excess.p_value,
        n_pairs=int(derived.sum()),
        n_models=len(use.models),
        n_lineages=excess.n_lineages,
    )


def _refused(table: ScoreTable, reason: str) -> PermutationTest:
    return PermutationTest(table.metric, math.nan, math.nan, math.nan, 1, 0, exact=True, reason=reason)


def _usable(table: ScoreTable) -> _Usable:
    """Derived pairs whose two cells also hold an independent pair, and all models of those cells."""
    nothing = np.zeros(len(table), dtype=np.bool_)
    scored = scored_rows(table)
    if not (table.derived & table.comparable).any():
        return _Usable(nothing, frozenset(), "no derived pair has a score")
    if not (table.independent & table.comparable).any():
        return _Usable(nothing, frozenset(), "no independent pair has a score")
    if not (table.cell_pair[table.derived] >= 0).any():
        return _Usable(
            nothing, frozenset(), "no architectures given: lineage cannot be told from architecture"
        )
    shared = np.unique(table.cell_pair[scored & table.independent])
    derived = table.derived & (table.cell_pair >= 0) & np.isin(table.cell_pair, shared)
    if not (derived & scored).any():
        return _Usable(
            nothing,
            frozenset(),
            "every architecture cell that holds derived pairs holds one lineage:"
            " lineage cannot be told from architecture",
        )
    cells = np.unique(np.concatenate([table.cell_a[derived], table.cell_b[derived]]))
    present = np.zeros(len(table.models), dtype=np.bool_)
    present[table.model_a[scored]] = present[table.model_b[scored]] = True
    chosen = present & np.isin(table.cell_of, cells)
    derived &= chosen[table.model_a] & chosen[table.model_b]
    return _Usable(derived, frozenset(table.models[chosen].tolist()), "")


def _cells(tables: Sequence[ScoreTable], usable: Sequence[_Usable]) -> dict[str, str]:
    """Architecture cell of every permuted model; tables must not contradict each other."""
    permuted = frozenset[str]().union(*(use.models for use in usable))
    cell: dict[str, str] = {}
    for table in tables:
        for model, of in zip(table.models.tolist(), table.cell_of.tolist(), strict=True):
            if model in permuted and of >= 0:
                name = str(table.cells[of])
                if cell.setdefault(model, name) != name:
                    raise BadArgument(
                        f"tables must agree on cells: model {model} stands in {cell[model]} and in {name}"
                    )
    return cell


def _family(tables: Sequence[ScoreTable], usable: Sequence[_Usable], n_resamples: int, seed: int) -> _Family:
    """Compute every metric's statistic for the observed labels and for the same permutations of them."""
    models = order_of_models(tables, list(frozenset[str]().union(*(use.models for use in usable))))
    code = {model: i for i, model in enumerate(models)}
    cell = _cells(tables, usable)
    edges: dict[tuple[int, int], str] = {}
    own_edges: list[list[tuple[int, int]]] = []
    for table, use in zip(tables, usable, strict=True):
        rows = np.flatnonzero(use.derived)
        pairs = [
            (min(code[a], code[b]), max(code[a], code[b]))
            for a, b in zip(table.models[table.model_a[rows]], table.models[table.model_b[rows]], strict=True)
        ]
        edges.update(zip(pairs, table.lineages[table.lineage_a[rows]], strict=True))
        own_edges.append(pairs)
    first: dict[str, int] = {}
    for pair in sorted(edges):
        first.setdefault(edges[pair], len(first))
    order = sorted(edges, key=lambda pair: (first[edges[pair]], pair))
    lineage = np.array([first[edges[pair]] for pair in order], dtype=np.intp)
    ends = np.array(order, dtype=np.intp)
    place_of_cell: dict[str, int] = {}
    cells = np.array([place_of_cell.setdefault(cell[model], len(place_of_cell)) for model in models])
    arrangements = Arrangements(cells, ends[:, 0], ends[:, 1], lineage)

    place = {pair: i for i, pair in enumerate(order)}
    statistics = [
        SeparationStatistic.of(table, code, arrangements, np.sort([place[pair] for pair in pairs]))
        for table, pairs in zip(tables, own_edges, strict=True)
    ]
    everything = arrangements.enumerate(n_resamples)
    # No metric in the name of the stream: all metrics are judged under the same permutations.
    rng = generator(seed, "", "models permuted inside cells")
    # Enumeration begins with the observed arrangement.
    observed = (ends[None, :, 0], ends[None, :, 1])
    blocks = [everything] if everything else chain([observed], arrangements.draw(n_resamples, rng))
    return _Family(
        np.concatenate([np.stack([of(drawn) for of in statistics]) for drawn in blocks], axis=1),
        len(everything[0]) if everything else max(arrangements.at_least, n_resamples + 1),
        everything is not None,
    )
