"""What a metric's numbers owe to one lineage, one label, one architecture, the cells, or the seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.breakdown import ANYTHING
from analysis.discrimination.auc import auc_share
from analysis.discrimination.intervals import ShareOfLineages, intervals_at_once
from analysis.discrimination.wins import Wins
from analysis.evidence.likelihood_ratio import Evidence, calibrate_evidence, evidence_pairs
from analysis.evidence.quality import cllr, empirical_bounds
from analysis.inference.permutation import PermutationTest
from analysis.notebook import Shown, number
from analysis.table import ScoreTable, check_table
from analysis.thresholds.heldout import smallest_threshold
from analysis.validation import check_count, check_instance, check_probability
from analysis.verdict_words import FAIR, GOOD, VerdictWord, family_level

__all__ = ["Influence", "SeedInfluence", "Sensitivity", "sensitivity"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
MAX_FPR: Final = 0.05
NO_LOOK_ALIKES: Final = "no derived pair with a score has a look-alike with one"
SURE: Final = 3.0
"""Monte Carlo standard errors within which another seed's p-value lies."""


@dataclass(frozen=True)
class Influence(Shown):
    """What a number becomes when one thing is changed, for every such thing in turn.

    Attributes
    ----------
    estimate : float
        As it is.
    low, high : float
        Least and greatest value that one change gives.
    worst : float
        The one of the two that is farther from the estimate.
    by : str
        Which lineage, pair or architecture does that.
    n_changes : int
        Changes tried that leave something to compute.
    reason : str
        Why there are none; everything else is then NaN or empty.
    """

    _headline = "worst"

    estimate: float
    low: float
    high: float
    worst: float
    by: str
    n_changes: int
    reason: str = ""

    @classmethod
    def of(cls, estimate: float, values: npt.ArrayLike, name: Callable[[int], str]) -> Influence:
        """Sum up the values that each change gives; NaN where one leaves nothing."""
        found = np.asarray(values, dtype=np.float64)
        here = np.flatnonzero(~np.isnan(found))
        if math.isnan(estimate) or not len(here):
            return cls.undefined(
                "nothing is left to compute it from" if len(found) else "there is nothing to change"
            )
        gap = np.zeros(len(here))
        # An infinite estimate is where it was, and else infinitely far.
        np.subtract(found[here], estimate, out=gap, where=found[here] != estimate)
        most = int(here[np.argmax(np.abs(gap))])
        return cls(
            estimate,
            float(found[here].min()),
            float(found[here].max()),
            float(found[most]),
            name(most),
            len(here),
        )

    @classmethod
    def undefined(cls, reason: str) -> Influence:
        """An influence that cannot be given, with the reason."""
        nan = math.nan
        return cls(nan, nan, nan, nan, "", 0, reason)

    def __str__(self) -> str:
        if self.reason:
            return f"undefined ({self.reason})"
        return f"{number(self.estimate)}, from {number(self.low)} to {number(self.high)} ({self.by})"


@dataclass(frozen=True)
class SeedInfluence(Shown):
    """What another seed could change: p-values by permutation alone, and intervals by bootstrap.

    Attributes
    ----------
    p_value : float
        Of the permutation test.
    low, high : float
        Three Monte Carlo errors below and above it; equal to it where all arrangements were enumerated.
    reason : str
        Why there is none; empty otherwise.
    """

    _headline = "p_value"

    p_value: float
    low: float
    high: float
    reason: str = ""

    @classmethod
    def of(cls, test: PermutationTest | None) -> SeedInfluence:
        """How far the p-value of a test may be from that of another seed."""
        if test is None or math.isnan(test.p_value):
            return cls(math.nan, math.nan, math.nan, "no permutation test" if test is None else test.reason)
        p = test.p_value
        error = 0.0 if test.exact else math.sqrt(p * (1 - p) / test.n_resamples)
        return cls(p, max(0.0, p - SURE * error), min(1.0, p + SURE * error))


@dataclass(frozen=True)
class Sensitivity(Shown):
    """How much of a metric's numbers hangs on one thing.

    The threshold is the least with at most a given share of look-alikes at or above it. The bound of the
    likelihood ratio is the log10 of the largest that evidence for derivation can have; the ratios are kept as
    they were fitted out of lineage.

    Attributes
    ----------
    max_fpr : float
        Of the threshold.
    lineage_auc, lineage_threshold, lineage_lr_bound : Influence
        Look-alike AUC, threshold and bound without one lineage.
    label_auc, label_threshold, label_lr_bound : Influence
        The same with one label turned: a derived pair taken as independent, or a look-alike as derived. Which
        cells have look-alikes is kept. The bound: of the pair with the largest ratio in each class.
    architecture_auc, architecture_cllr : Influence
        Look-alike AUC, and cost of the evidence in bits, without the pairs of one architecture cell.
    architecture_verdicts : mapping of str to str
        Architecture → the verdict without it by the bounds of the look-alike AUC alone, where it differs
        from that with all of them.
    coarser_auc : mapping of str to float
        Coarser kinds of look-alikes → AUC: pairs inside any one cell against such pairs and pairs across any
        two against such ("within or across"), and all independent pairs ("independent").
    seed : SeedInfluence
    """

    max_fpr: float
    lineage_auc: Influence
    lineage_threshold: Influence
    lineage_lr_bound: Influence
    label_auc: Influence
    label_threshold: Influence
    label_lr_bound: Influence
    architecture_auc: Influence
    architecture_cllr: Influence
    architecture_verdicts: Mapping[str, str]
    coarser_auc: Mapping[str, float]
    seed: SeedInfluence


def sensitivity(
    table: ScoreTable,
    *,
    evidence: Evidence | None = None,
    permutation: PermutationTest | None = None,
    max_fpr: float = MAX_FPR,
    n_metrics: int = 1,
) -> Sensitivity:
    """Ask what one lineage, one label, one architecture, coarser cells or another seed would change.

    Parameters
    ----------
    table : ScoreTable
        Only comparable pairs are used.
    evidence : Evidence, optional
        Of `calibrate_evidence` for this table, where it is there already.
    permutation : PermutationTest, optional
        Of `separation_test` for this table; without it nothing is said of the seed.
    max_fpr : float
        Of the threshold, in (0, 1).
    n_metrics : int
        Metrics judged together, for the verdicts without an architecture; 1 or more.

    Returns
    -------
    Sensitivity
        What cannot be told is undefined with its reason.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Notes
    -----
    Without a lineage the AUC is that of a jackknife fold (`analysis.discrimination.wins`). A label that is
    turned changes the ranks of one pair only, so that all of them cost one sort.

    Examples
    --------
    >>> from analysis import example_table, sensitivity
    >>> found = sensitivity(example_table())
    >>> print(found.lineage_auc)
    0.9704, from 0.9653 to 0.9796 (07)
    >>> print(found.label_lr_bound)
    0.69, from 0.67 to 0.7 (03-a – 03-c taken as independent)
    """
    check_table(table)
    check_probability(max_fpr, "max_fpr")
    check_count(n_metrics, "n_metrics")
    if evidence is None:
        evidence = calibrate_evidence(table)
    check_instance(evidence, "evidence", Evidence, "analysis.calibrate_evidence(table) makes one")
    if permutation is not None:
        check_instance(
            permutation, "permutation", PermutationTest, "analysis.separation_test(table) makes one"
        )
    ranks = _Ranks.of(table)
    weighed = _Weighed.of(table, evidence)
    architectures = _architectures(table, ranks, weighed, n_metrics)
    return Sensitivity(
        max_fpr=max_fpr,
        lineage_auc=ranks.without_lineage(),
        lineage_threshold=_threshold_without_lineage(ranks, max_fpr),
        lineage_lr_bound=weighed.without_lineage(),
        label_auc=ranks.turned(),
        label_threshold=_threshold_turned(ranks, max_fpr),
        label_lr_bound=weighed.turned(),
        architecture_auc=architectures[0],
        architecture_cllr=architectures[1],
        architecture_verdicts=architectures[2],
        coarser_auc=_coarser(table),
        seed=SeedInfluence.of(permutation),
    )


@dataclass(frozen=True)
class _Ranks:
    """Derived pairs and their look-alikes, by pair of cells: rows of the table, and how many each beats."""

    table: ScoreTable
    groups: tuple[tuple[Ints, Ints], ...]
    estimate: float

    @classmethod
    def of(cls, table: ScoreTable) -> _Ranks:
        """Find the pairs that are compared."""
        ours = np.flatnonzero(table.derived & table.comparable & (table.cell_pair >= 0))
        theirs = np.flatnonzero(table.look_alike & table.comparable)
        code, other = table.cell_pair[ours], table.cell_pair[theirs]
        groups = tuple(
            (ours[code == one], theirs[other == one]) for one in np.intersect1d(code, other).tolist()
        )
        won, held = (
            zip(*(_share(table.score[p], table.score[n]) for p, n in groups), strict=True)
            if groups
            else ((), ())
        )
        return cls(table, groups, sum(won) / sum(held) if groups else math.nan)

    @property
    def negatives(self) -> Ints:
        """Rows of the look-alikes, highest score first."""
        rows = np.concatenate([n for _, n in self.groups]) if self.groups else np.empty(0, dtype=np.int64)
        return rows[np.argsort(-self.table.score[rows], kind="stable")]

    def without_lineage(self) -> Influence:
        """Look-alike AUC without each lineage."""
        wins = Wins.of(self.table, "look-alike")
        if not self.groups:
            return Influence.undefined(NO_LOOK_ALIKES)
        names = self.table.lineages[wins.lineages]
        return Influence.of(self.estimate, wins.jackknife(), lambda at: str(names[at]))

    def turned(self) -> Influence:
        """Look-alike AUC with each label turned."""
        if not self.groups:
            return Influence.undefined(NO_LOOK_ALIKES)
        parts = [_share(self.table.score[p], self.table.score[n]) for p, n in self.groups]
        won, held = sum(one for one, _ in parts), sum(n for _, n in parts)
        values, rows = [], []
        for (p, n), (own, count) in zip(self.groups, parts, strict=True):
            for turned, share, left in _turned(self.table.score[p], self.table.score[n]):
                total = held - count + left
                new = np.full(len(share), np.nan)
                np.divide(won - own + share, total, out=new, where=total > 0)
                values.append(new)
                rows.append(p if turned else n)
        changed = np.concatenate(rows)
        return Influence.of(
            self.estimate, np.concatenate(values), lambda place: _pair(self.table, int(changed[place]))
        )


def _share(positive: Floats, negative: Floats) -> tuple[float, int]:
    """Sum over positives of the share of negatives beaten, and their number."""
    return float(_beaten(positive, negative).sum()) / len(negative), len(positive)


def _beaten(one: Floats, other: Floats) -> Floats:
    """How many of the other scores each score beats, ties one half."""
    ordered = np.sort(other)
    twice = np.searchsorted(ordered, one, "left") + np.searchsorted(ordered, one, "right")
    beaten: Floats = twice / 2
    return beaten


def _turned(positive: Floats, negative: Floats) -> list[tuple[bool, Floats, Floats]]:
    """What a group's sum of shares and its number of positives become with each label turned.

    First the positives turned into negatives, then the negatives turned into positives.
    """
    beaten = _beaten(positive, negative)
    won, n, m = float(beaten.sum()), len(positive), len(negative)
    # A pair ties with itself, which is no comparison.
    beaten_by_own = n - _beaten(positive, positive) - 0.5
    to_negative = (won - beaten + beaten_by_own) / (m + 1)
    own = _beaten(negative, negative) - 0.5
    beaten_by = n - _beaten(negative, positive)
    to_positive = (won - beaten_by + own) / (m - 1) if m > 1 else np.zeros(m)
    left = np.full(m, n + 1.0 if m > 1 else 0.0)
    return [(True, to_negative, np.full(n, n - 1.0)), (False, to_positive, left)]


def _pair(table: ScoreTable, row: int) -> str:
    names = f"{table.models[table.model_a[row]]} – {table.models[table.model_b[row]]}"
    return f"{names} taken as {'independent' if table.derived[row] else 'derived'}"


def _threshold_without_lineage(ranks: _Ranks, max_fpr: float) -> Influence:
    table, rows = ranks.table, ranks.negatives
    if not len(rows):
        return Influence.undefined(NO_LOOK_ALIKES)
    score, a, b = table.score[rows], table.lineage_a[rows], table.lineage_b[rows]
    present = np.unique(np.concatenate([a, b]))
    values = [smallest_threshold(score[(a != g) & (b != g)], max_fpr) for g in present.tolist()]
    names = table.lineages[present]
    return Influence.of(smallest_threshold(score, max_fpr), values, lambda at: str(names[at]))


def _threshold_turned(ranks: _Ranks, max_fpr: float) -> Influence:
    """Only the order of one score among the others counts, so that a few of them give all values."""
    table, rows = ranks.table, ranks.negatives
    if not len(rows):
        return Influence.undefined(NO_LOOK_ALIKES)
    score = table.score[rows]
    ours = np.concatenate([p for p, _ in ranks.groups])
    added = ours[np.argsort(-table.score[ours], kind="stable")]
    # Taken away: one above the threshold and one at or below it. Put in: above, below, and all between.
    allowed = math.floor(max_fpr * len(score) + 1e-9)
    ends = np.unique([0, min(allowed + 1, len(rows) - 1), len(rows) - 1])
    near = (table.score[added] >= score[min(allowed + 1, len(rows) - 1)]) & (
        table.score[added] <= score[max(allowed - 1, 0)]
    )
    tried = added[np.unique(np.concatenate([[0, len(added) - 1], np.flatnonzero(near)]))]
    values = [smallest_threshold(np.delete(score, int(at)), max_fpr) for at in ends.tolist()]
    for row in tried.tolist():
        new = float(table.score[row])
        values.append(smallest_threshold(np.insert(score, int(np.searchsorted(-score, -new)), new), max_fpr))
    changed = np.concatenate([rows[ends], tried])
    estimate = smallest_threshold(score, max_fpr)
    return Influence.of(estimate, values, lambda place: _pair(table, int(changed[place])))


@dataclass(frozen=True)
class _Weighed:
    """Out-of-lineage log10 LRs of pairs, before the bounds, ascending; empty with the reason."""

    table: ScoreTable
    rows: Ints
    log10_lr: Floats
    derived: Mask
    weight: Floats
    bounds: tuple[float, float]
    units: float
    reason: str

    @classmethod
    def of(cls, table: ScoreTable, evidence: Evidence) -> _Weighed:
        """Weigh the pairs that the evidence rests on."""
        if evidence.logistic is None:
            none = np.empty(0)
            nowhere, nothing = none.astype(np.int64), none.astype(bool)
            return cls(table, nowhere, none, nothing, none, (0.0, 0.0), math.nan, evidence.reason)
        pairs = evidence_pairs(table, evidence.negatives)
        value = pairs.held_out(evidence.logistic)
        order = np.argsort(value, kind="stable")
        return cls(
            table,
            pairs.rows[order],
            value[order],
            pairs.derived[order],
            pairs.weight[order],
            (evidence.lower, evidence.upper),
            pairs.negative_units / pairs.n_negative_lineages,
            "",
        )

    def upper(self, kept: Mask, derived: Mask, weight: Floats | None = None) -> float:
        """The bound for derivation of some of the pairs, with these labels; NaN where a class is empty.

        As many observations count for a lineage with negatives as with all of them.
        """
        label = derived[kept]
        if label.all() or not label.any():
            return math.nan
        a, b = (ends[self.rows[kept]] for ends in (self.table.lineage_a, self.table.lineage_b))
        holders = len(np.unique(a[label]))
        others = len(np.unique(np.concatenate([a[~label], b[~label]])))
        weight = self.weight if weight is None else weight
        return empirical_bounds(self.log10_lr[kept], label, weight[kept], holders, self.units * others)[1]

    def without_lineage(self) -> Influence:
        """The bound without each lineage."""
        if self.reason:
            return Influence.undefined(self.reason)
        a, b = self.table.lineage_a[self.rows], self.table.lineage_b[self.rows]
        present = np.unique(np.concatenate([a, b]))
        values = [self.upper((a != g) & (b != g), self.derived) for g in present.tolist()]
        names = self.table.lineages[present]
        return Influence.of(self._all(), values, lambda at: str(names[at]))

    def turned(self) -> Influence:
        """The bound with the label of the highest pair of each class turned: no other moves it further."""
        if self.reason:
            return Influence.undefined(self.reason)
        highest = [int(np.flatnonzero(side)[-1]) for side in (self.derived, ~self.derived)]
        everything = np.ones(len(self.rows), dtype=bool)
        values = []
        for at in highest:
            label = self.derived.copy()
            label[at] = ~label[at]
            values.append(self._turned(everything, label, at))
        return Influence.of(
            self._all(), values, lambda place: _pair(self.table, int(self.rows[highest[place]]))
        )

    def _turned(self, kept: Mask, label: Mask, at: int) -> float:
        """With a weight that the pair would have in the other class: that of an average pair there."""
        weight = self.weight.copy()
        weight[at] = float(self.weight[self.derived == label[at]].mean())
        return self.upper(kept, label, weight)

    def _all(self) -> float:
        return self.upper(np.ones(len(self.rows), dtype=bool), self.derived)

    def cllr(self, kept: Mask) -> float:
        """Cost of the bounded ratios of some of the pairs; NaN where a class is empty."""
        label = self.derived[kept]
        if label.all() or not label.any():
            return math.nan
        return cllr(np.clip(self.log10_lr[kept], *self.bounds), label, self.weight[kept])


def _architectures(
    table: ScoreTable, ranks: _Ranks, weighed: _Weighed, n_metrics: int
) -> tuple[Influence, Influence, dict[str, str]]:
    """AUC, cost and verdict without the pairs of each architecture cell."""
    n = len(table.cells)
    if n < 2:
        why = "there is one architecture" if n else "architectures are unknown"
        return Influence.undefined(why), Influence.undefined(why), {}
    level = family_level(n_metrics)
    aucs, costs = np.full(n, np.nan), np.full(n, np.nan)
    asked: list[ShareOfLineages] = []
    judged = []
    for cell in (-1, *range(n)):
        apart = (
            (table.cell_a != cell) & (table.cell_b != cell) if cell >= 0 else np.ones(len(table), dtype=bool)
        )
        if cell >= 0 and not weighed.reason:
            costs[cell] = weighed.cllr(apart[weighed.rows])
        wins = Wins.of(
            table, "look-alike", positive=table.derived & apart, negative=table.independent & apart
        )
        if not wins.n_positive:
            continue
        if cell >= 0:
            aucs[cell] = wins.estimate
        folds = wins.jackknife()
        asked += [auc_share(wins, folds, level), auc_share(wins, folds, level, ANYTHING)]
        judged.append(cell)
    found = intervals_at_once(asked)
    words = {
        cell: _word(low.low, high.high)
        for cell, low, high in zip(judged, found[::2], found[1::2], strict=True)
    }
    whole = words.get(-1, VerdictWord.CANNOT_SAY)

    def name(at: int) -> str:
        return str(table.cells[at])

    cost = Influence.undefined(weighed.reason)
    if not weighed.reason:
        cost = Influence.of(weighed.cllr(np.ones(len(weighed.rows), dtype=bool)), costs, name)
    return (
        Influence.of(ranks.estimate, aucs, name) if ranks.groups else Influence.undefined(NO_LOOK_ALIKES),
        cost,
        {name(cell): str(word) for cell, word in words.items() if cell >= 0 and word is not whole},
    )


def _word(low: float, high: float) -> VerdictWord:
    """The verdict that the bounds of the look-alike AUC alone give."""
    if high < FAIR:
        return VerdictWord.FAILS
    if low > GOOD:
        return VerdictWord.SEPARATES
    return VerdictWord.WITHIN_LIMITS if low > FAIR else VerdictWord.CANNOT_SAY


def _coarser(table: ScoreTable) -> dict[str, float]:
    """AUC against coarser kinds of look-alikes."""
    ours, theirs = (np.flatnonzero(side & table.comparable) for side in (table.derived, table.independent))
    if not len(ours) or not len(theirs):
        return {}
    found = {}
    known = [rows[table.cell_pair[rows] >= 0] for rows in (ours, theirs)]
    inside = [table.cell_a[rows] == table.cell_b[rows] for rows in known]
    groups: Sequence[tuple[Ints, Ints]] = [
        (known[0][inside[0] == within], known[1][inside[1] == within]) for within in (True, False)
    ]
    parts = [_share(table.score[p], table.score[n]) for p, n in groups if len(p) and len(n)]
    if parts:
        found["within or across"] = sum(won for won, _ in parts) / sum(held for _, held in parts)
    won, held = _share(table.score[ours], table.score[theirs])
    return {**found, "independent": won / held}
