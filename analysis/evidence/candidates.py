"""Which of several candidate parents remain: a set that keeps a true one with a stated probability.

Two tests a candidate, both by rank among the scores of other lineages, with every lineage counting once:

- *Is the score too low for an ancestor?* Its place among derived pairs. A candidate below is excluded. A true
  ancestor is excluded with probability at most 1 - confidence, whatever the distribution of scores, if the
  lineage of the case is exchangeable with those of the calibration (hierarchical conformal prediction: Lee,
  Barber & Willett 2023, arXiv:2306.06342).
- *Is the score too high for a stranger?* The best of the pool is compared with the best that a model of
  another lineage finds among as many strangers; if it stands out it is taken from the pool as shown to be
  kin, and the rest is tested again, until nothing stands out. This is the sequential test and exclusion of
  arXiv:2602.00772 with calibrated p-values in place of its asymptotic test.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import numpy as np
import numpy.typing as npt

from analysis.notebook import Shown
from analysis.table import ScoreTable, check_table
from analysis.validation import (
    check_count,
    check_instances,
    check_mask,
    check_names,
    check_number,
    check_probability,
)

__all__ = [
    "Candidate",
    "CandidateSet",
    "Entry",
    "derivation_p_value",
    "exclude_candidates",
    "stranger_p_value",
]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Answer = Literal["none of them", "cannot exclude any", "these remain"]
TOLERANCE: Final = 1e-12
"""Scores nearer than this count as tied, against the case."""


@dataclass(frozen=True)
class Entry(Shown):
    """One candidate and what it is judged by.

    Attributes
    ----------
    name : str
    score : float
        Of the pair (model in question, candidate); NaN: no metric speaks on it.
    table : ScoreTable or None
        Scores of the same kind on pairs of other lineages than that of the model in question.
    same_cell : bool
        Whether both have one shape.
    lineages : collection of str
        Of the candidate, where the table has any: their pairs are left out.
    reason : str
        Why there is no score or no table.
    """

    _headline: ClassVar = "name"
    _shown: ClassVar = ("name", "score", "same_cell", "reason")

    name: str
    score: float
    table: ScoreTable | None
    same_cell: bool
    lineages: Collection[str] = ()
    reason: str = ""


@dataclass(frozen=True)
class Candidate(Shown):
    """One candidate, judged.

    Attributes
    ----------
    name : str
    score : float
    derivation_p : float
        Small: too low for an ancestor. NaN where it cannot be judged (see `reason`).
    stranger_p : float
        Small: too high for a stranger, even for the best of so many; adjusted over the sequence.
    remains : bool
        Not excluded.
    shown : bool
        Stands out from strangers.
    n_lineages : int
        Lineages of derived pairs that it was judged by.
    same_cell_only : bool
        Whether those were pairs of one shape (or of two) as this one; False: too few, so that all were taken.
    reason : str
    """

    _headline: ClassVar = "name"

    name: str
    score: float
    derivation_p: float
    stranger_p: float
    remains: bool
    shown: bool
    n_lineages: int
    same_cell_only: bool
    reason: str


@dataclass(frozen=True)
class CandidateSet(Shown):
    """The candidates that remain.

    Attributes
    ----------
    confidence : float
        An ancestor that is in the pool remains with at least this probability.
    candidates : tuple of Candidate
        By falling score evidence: what remains, the likeliest first, then what is excluded.
    answer : str
        "none of them", "cannot exclude any" or "these remain".
    """

    _headline: ClassVar = "answer"

    confidence: float
    candidates: tuple[Candidate, ...]
    answer: Answer

    def __str__(self) -> str:
        return f"{self.answer}: {', '.join(self.remaining) or '—'} (confidence {self.confidence:g})"

    @property
    def remaining(self) -> tuple[str, ...]:
        """Names of those that remain."""
        return tuple(one.name for one in self.candidates if one.remains)

    @property
    def excluded(self) -> tuple[str, ...]:
        """Names of those that score too low for an ancestor."""
        return tuple(one.name for one in self.candidates if not one.remains)

    @property
    def shown(self) -> tuple[str, ...]:
        """Names of those that stand out from strangers."""
        return tuple(one.name for one in self.candidates if one.shown)


def derivation_p_value(
    table: ScoreTable, score: float, *, mask: Mask | None = None, without: Collection[str] = ()
) -> tuple[float, int]:
    """Place of a score among those of derived pairs, each lineage counting once.

    Parameters
    ----------
    table : ScoreTable
        Its comparable derived pairs are looked at.
    score : float
    mask : ndarray of bool, shape (n_pairs,), optional
        Pairs to look at.
    without : collection of str
        Lineages left out.

    Returns
    -------
    p_value : float
        ``(1 + Σ_g share of lineage g at or below) / (G + 1)``: at most a with probability a or less for a
        derived pair of a further lineage. At least 1/(G + 1).
    n_lineages : int
        G.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Notes
    -----
    Hierarchical conformal prediction: Lee, Barber & Willett 2023, arXiv:2306.06342.

    Examples
    --------
    A score below those of all derived pairs, among twelve lineages:

    >>> from analysis import derivation_p_value, example_table
    >>> p_value, n_lineages = derivation_p_value(example_table(), -5.0)
    >>> p_value == 1 / 13, n_lineages
    (True, 12)
    """
    _check(table, score, mask, without)
    rows = table.derived & table.comparable & (True if mask is None else mask) & _kept(table, without)
    lineage = table.lineage_a[rows]
    low = table.score[rows] <= score + TOLERANCE
    held = np.bincount(lineage, minlength=len(table.lineages))
    hits = np.bincount(lineage, low, minlength=len(table.lineages))
    present = held > 0
    n = int(present.sum())
    return (1 + float(np.sum(hits[present] / held[present]))) / (n + 1), n


def stranger_p_value(
    table: ScoreTable,
    score: float,
    n_candidates: int,
    *,
    mask: Mask | None = None,
    without: Collection[str] = (),
) -> tuple[float, int]:
    """Place of the best score of a pool among the best that other models find among as many strangers.

    Parameters
    ----------
    table : ScoreTable
        Its comparable independent pairs are the strangers.
    score : float
    n_candidates : int
        Candidates in the pool, 1 or more.
    mask : ndarray of bool, shape (n_pairs,), optional
        Pairs to look at.
    without : collection of str
        Lineages left out.

    Returns
    -------
    p_value : float
        ``(2 + Σ_g mean over models x of g of P_x) / (G + 2)`` with P_x the chance that one of `n_candidates`
        lineages drawn from the strangers of x, with one model each, reaches the score. Two, because a pair of
        strangers has two ends: the highest of all pairs is the best that either of its lineages finds.
    n_lineages : int
        G, those of the case and of the candidate left out.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Examples
    --------
    The more candidates, the less surprising a high score of the best of them:

    >>> from analysis import example_table, stranger_p_value
    >>> table = example_table()
    >>> [round(stranger_p_value(table, 3.0, n)[0], 3) for n in (1, 5)]
    [0.15, 0.179]
    """
    _check(table, score, mask, without)
    check_count(n_candidates, "n_candidates")
    asked = table.independent & table.comparable & (True if mask is None else mask)
    rows = np.flatnonzero(asked & _kept(table, without))
    n = len(table.lineages)
    models = np.concatenate([table.model_a[rows], table.model_b[rows]]).astype(np.intp)
    others = np.concatenate([table.lineage_b[rows], table.lineage_a[rows]])
    at = models * n + others
    size = len(table.models) * n
    held = np.bincount(at, minlength=size).reshape(-1, n)
    reach = np.tile(table.score[rows] >= score - TOLERANCE, 2).astype(np.float64)
    hits = np.bincount(at, reach, size).astype(np.float64).reshape(-1, n)
    used = held.any(axis=1)
    if not used.any():
        return 1.0, 0
    reached = _any_of(hits[used], held[used], n_candidates)
    lineage = table.lineage_of[used]
    count = np.bincount(lineage)
    share = np.bincount(lineage, reached)[count > 0] / count[count > 0]
    return (2 + float(share.sum())) / (len(share) + 2), len(share)


def _check(table: ScoreTable, score: float, mask: Mask | None, without: Collection[str]) -> None:
    check_table(table)
    check_number(score, "score")
    check_names(without, "without")
    if mask is not None:
        check_mask(mask, "mask", len(table))


def _any_of(hits: Floats, held: npt.NDArray[np.int64], draws: int) -> Floats:
    """Chance that one of `draws` lineages, drawn without return, reaches: per row of (models, lineages)."""
    present = held > 0
    missed = 1 - hits / np.maximum(held, 1)
    n = present.sum(axis=1)
    draws = max(1, min(draws, present.shape[1]))
    # Elementary symmetric polynomials of the chances to miss, over their number of terms: built up as the
    # mean over subsets so that nothing overflows.
    mean = np.zeros((len(held), draws + 1))
    mean[:, 0] = 1.0
    seen = np.zeros(len(held))
    size = np.arange(1, draws + 1)
    for column in range(present.shape[1]):
        here = present[:, column]
        seen = seen + here
        part = size / np.maximum(seen, 1)[:, None]
        mixed = part * missed[:, [column]] * mean[:, :-1] + (1 - part) * mean[:, 1:]
        mean[:, 1:] = np.where(here[:, None], mixed, mean[:, 1:])
    # With fewer lineages than draws all of them are taken.
    value: Floats = 1 - mean[np.arange(len(held)), np.minimum(draws, n)]
    return value


def _kept(table: ScoreTable, without: Collection[str]) -> Mask:
    gone = np.isin(table.lineages.astype(str), np.array(list(without), dtype=str))
    if not gone.any():
        return np.ones(len(table), dtype=bool)
    kept: Mask = ~(gone[table.lineage_a] | gone[table.lineage_b])
    return kept


def exclude_candidates(entries: Sequence[Entry], confidence: float = 0.9) -> CandidateSet:
    """Say which candidates remain.

    Parameters
    ----------
    entries : sequence of Entry
    confidence : float
        In (0, 1). A true ancestor in the pool remains with at least this probability; a pool without one
        shows any stranger to be kin with at most 1 - confidence.

    Returns
    -------
    CandidateSet

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Notes
    -----
    A candidate is judged by derived pairs that are like it in having one shape or two, if so many lineages
    have such pairs that one could be excluded at all (G + 1 ≥ 1/(1 - confidence)); else by all derived pairs;
    and remains if even those are too few, or if no metric speaks on it. Each true ancestor is kept with the
    stated probability by itself: a parent and its parent are two.

    Examples
    --------
    >>> from analysis import Entry, example_table, exclude_candidates
    >>> table = example_table()
    >>> pool = [Entry("likely", 3.2, table, same_cell=True), Entry("stranger", 0.1, table, same_cell=True)]
    >>> print(exclude_candidates(pool))
    these remain: likely (confidence 0.9)
    """
    check_instances(entries, "entries", Entry)
    check_probability(confidence, "confidence")
    judged = [_judge(entry, confidence) for entry in entries]
    level = 1 - confidence + TOLERANCE
    adjusted = _one_by_one(entries, level)
    found = [
        Candidate(
            name=entry.name,
            score=entry.score,
            derivation_p=p,
            stranger_p=stranger,
            remains=not p <= level,
            shown=stranger <= level,
            n_lineages=n,
            same_cell_only=alike,
            reason=reason,
        )
        for entry, (p, n, alike, reason), stranger in zip(entries, judged, adjusted, strict=True)
    ]
    found.sort(key=lambda one: (not one.remains, not one.shown, _last(one), one.name))
    remaining = sum(one.remains for one in found)
    answer: Answer = "these remain"
    if remaining == 0:
        answer = "none of them"
    elif remaining == len(found):
        answer = "cannot exclude any"
    return CandidateSet(confidence, tuple(found), answer)


def _last(one: Candidate) -> float:
    """Order among equals: by p-values, which are above 0; what cannot be judged at the end."""
    return 0.0 if math.isnan(one.derivation_p) else -one.derivation_p


def _judge(entry: Entry, confidence: float) -> tuple[float, int, bool, str]:
    """p-value, lineages it rests on, whether of like shapes only, and why there is none."""
    if entry.table is None or math.isnan(entry.score):
        return math.nan, 0, False, entry.reason or "no score"
    table = entry.table
    needed = 1 / (1 - confidence) - 1
    for mask in ((table.cell_a == table.cell_b) == entry.same_cell, None):
        p, n = derivation_p_value(table, entry.score, mask=mask, without=entry.lineages)
        if n >= needed - 1e-9:
            return p, n, mask is not None, ""
    return (
        math.nan,
        n,
        False,
        (
            f"{n} lineages with derived pairs: none can be excluded at {confidence:.0%} by fewer than"
            f" {math.ceil(needed - 1e-9)}"
        ),
    )


def _one_by_one(entries: Sequence[Entry], level: float) -> list[float]:
    """Adjusted p-values of "no kin among those left", the best taken out as long as it stands out."""
    left = [place for place, entry in enumerate(entries) if entry.table and not math.isnan(entry.score)]
    value = [math.nan] * len(entries)
    worst = 0.0
    while left:
        ps = {place: _stranger(entries[place], len(left)) for place in left}
        best = min(left, key=lambda place: (ps[place], -entries[place].score))
        worst = max(worst, ps[best])
        value[best] = worst
        left.remove(best)
        if worst > level:
            for place in left:
                value[place] = max(worst, ps[place])
            break
    return value


def _stranger(entry: Entry, n_candidates: int) -> float:
    assert entry.table is not None
    table = entry.table
    # Strangers of the same kind: of one shape or of two, as this pair; all, where there are none.
    alike = (table.cell_a == table.cell_b) == entry.same_cell
    mask = alike if (alike & table.independent & table.comparable).any() else None
    return stranger_p_value(table, entry.score, n_candidates, mask=mask, without=entry.lineages)[0]
