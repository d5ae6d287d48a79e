"""Could these scores have arisen without lineage? A permutation test that architecture cannot fool.

Null hypothesis: inside an architecture cell, models are exchangeable; their scores know the cell, and the
model, but not who descends from whom. The test permutes models inside cells and leaves the scores where they
are, so that derived pairs move to other pairs of the same two cells (a node permutation, as in the QAP of
Hubert 1987 and Mantel 1967). Under the null the p-value is exact for any score, any confusion of lineage
with architecture and any hub.

The statistic, and why it is studentised: `analysis/inference/separation_statistic.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.inference.arrangements import Arrangements
from analysis.inference.separation_statistic import SeparationStatistic, scored_rows
from analysis.notebook import Shown, number
from analysis.randomness import generator
from analysis.table import ScoreTable, check_table, check_tables
from analysis.validation import BadArgument, check_count, check_probability, check_seed

__all__ = ["PermutationTest", "separation_test", "separation_tests"]

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

TIE: Final = 1e-7
"""Statistics closer than this, relatively, count as equal: rounding never makes p smaller."""


@dataclass(frozen=True)
class PermutationTest(Shown):
    """Outcome of the test that derived pairs score no higher than their place in the architecture explains.

    Attributes
    ----------
    metric : str
        Its name.
    statistic : float
        Mean over lineages of the centred normal score of derived pairs among the pairs of the same two cells,
        in standard errors.
    p_value : float
        One-sided; never 0. NaN where the test is refused; `reason` says why.
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
        p = (1 + number of permutations with a statistic at least as large) / (1 + n_resamples) (Phipson &
        Smyth 2010), or the share of all arrangements.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Notes
    -----
    A node permutation (Mantel 1967; Hubert 1987) of models inside architecture cells, of a studentised
    statistic (Janssen 1997; Chung & Romano 2013): `analysis.inference.separation_statistic`.

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

    Every metric's statistic is put on one scale by its rank in its own permutation distribution; the family
    is judged by the largest (single-step max-T on rank scores, the min-P of Westfall & Young 1993, which
    keeps metrics with unlike distributions comparable).

    Parameters
    ----------
    tables : sequence of ScoreTable
        One a metric. Models and derived pairs need not be the same in all; cells must be.
    n_resamples, seed, level
        As in `separation_test`.

    Returns
    -------
    dict of str to PermutationTest
        By metric. A metric on fewer models than the family has its own p-value from permutations of its own
        models; its adjusted one is never smaller.

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
    """Observed and permuted statistics of several metrics under the same permutations."""

    observed: Floats
    permuted: Floats
    n_arrangements: int
    exact: bool

    def p_values(self, statistics: Floats) -> Floats:
        """Share of arrangements whose statistic is at least as large, (metrics, any) → the same shape."""
        tolerance = TIE * np.maximum(1.0, np.abs(statistics))
        out = np.empty_like(statistics)
        for k, row in enumerate(np.sort(self.permuted, axis=1)):
            below = np.searchsorted(row, statistics[k] - tolerance[k], side="left")
            out[k] = len(row) - below
        share: Floats = (out + (not self.exact)) / (self.permuted.shape[1] + (not self.exact))
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
    if not able:
        return tests
    family = _family([tables[k] for k in able], [usable[k] for k in able], n_resamples, seed)
    union = frozenset[str]().union(*(usable[k].models for k in able))
    adjusted = _adjusted(family)
    for row, k in enumerate(able):
        own, at = family, row
        if usable[k].models != union:
            own, at = _family([tables[k]], [usable[k]], n_resamples, seed), 0
        p = float(own.p_values(own.observed[:, None])[at, 0])
        drawn = 0 if own.exact else own.permuted.shape[1]
        smallest = 1 / (own.n_arrangements if own.exact else drawn + 1)
        reason = ""
        if smallest > level:
            what = (
                f"only {own.n_arrangements} arrangement{'s' * (own.n_arrangements > 1)} of the labels inside"
                " architecture cells"
                if own.exact
                else f"only {drawn} permutations were drawn"
            )
            reason = f"{what}: no p-value below {smallest:.2g} can be reached, the level is {level:g}"
        tests[k] = PermutationTest(
            metric=tables[k].metric,
            statistic=float(own.observed[at]),
            p_value=math.nan if reason else p,
            adjusted_p_value=math.nan if reason else max(p, float(adjusted[row])),
            n_arrangements=own.n_arrangements,
            n_resamples=drawn,
            exact=own.exact,
            reason=reason,
            **_counts(tables[k], usable[k]),
        )
    return tests


def _adjusted(family: _Family) -> Floats:
    """Single-step family-wise p-values: how often the best metric of a permutation does as well."""
    p = family.p_values(family.observed[:, None])[:, 0]
    best = family.p_values(family.permuted).min(axis=0)
    as_good = (best <= p[:, None] * (1 + 1e-12)).sum(axis=1)
    return np.asarray((as_good + (not family.exact)) / (len(best) + (not family.exact)))


def _refused(table: ScoreTable, reason: str) -> PermutationTest:
    return PermutationTest(table.metric, math.nan, math.nan, math.nan, 1, 0, exact=True, reason=reason)


def _counts(table: ScoreTable, use: _Usable) -> dict[str, int]:
    derived = use.derived & table.comparable
    return {
        "n_pairs": int(derived.sum()),
        "n_models": len(use.models),
        "n_lineages": len(np.unique(table.lineage_a[derived])),
    }


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


def _family(tables: Sequence[ScoreTable], usable: Sequence[_Usable], n_resamples: int, seed: int) -> _Family:
    """Compute every metric's statistic for the observed labels and for the same permutations of them."""
    models = sorted(frozenset[str]().union(*(use.models for use in usable)))
    code = {model: i for i, model in enumerate(models)}
    cell: dict[str, str] = {}
    edges: dict[tuple[int, int], str] = {}
    own_edges: list[list[tuple[int, int]]] = []
    for table, use in zip(tables, usable, strict=True):
        for i, model in enumerate(table.models):
            if model in code and table.cell_of[i] >= 0:
                name = str(table.cells[table.cell_of[i]])
                if cell.setdefault(model, name) != name:
                    raise BadArgument(
                        f"tables must agree on cells: model {model} stands in {cell[model]} and in {name}"
                    )
        rows = np.flatnonzero(use.derived)
        pairs = [
            (code[a], code[b])
            for a, b in zip(table.models[table.model_a[rows]], table.models[table.model_b[rows]], strict=True)
        ]
        edges.update(zip(pairs, table.lineages[table.lineage_a[rows]], strict=True))
        own_edges.append(pairs)
    order = sorted(edges, key=lambda pair: (edges[pair], pair))
    lineage = np.unique([str(edges[pair]) for pair in order], return_inverse=True)[1]
    ends = np.array(order, dtype=np.intp)
    cells = np.unique([str(cell[model]) for model in models], return_inverse=True)[1]
    arrangements = Arrangements(cells, ends[:, 0], ends[:, 1], lineage)

    place = {pair: i for i, pair in enumerate(order)}
    statistics = [
        SeparationStatistic.of(table, code, arrangements, np.sort([place[pair] for pair in pairs]))
        for table, pairs in zip(tables, own_edges, strict=True)
    ]
    everything = arrangements.enumerate(n_resamples)
    # No metric in the name of the stream: all metrics are judged under the same permutations.
    rng = generator(seed, "", "models permuted inside cells")
    blocks = [everything] if everything else arrangements.draw(n_resamples, rng)
    permuted = [[of(drawn) for of in statistics] for drawn in blocks]
    observed = np.array([of((ends[None, :, 0], ends[None, :, 1]))[0] for of in statistics])
    return _Family(
        observed,
        np.concatenate([np.stack(rows) for rows in permuted], axis=1),
        len(everything[0]) if everything else max(arrangements.at_least, n_resamples + 1),
        everything is not None,
    )
