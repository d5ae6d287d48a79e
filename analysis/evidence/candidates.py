"""Which of several candidate parents remain: a set that keeps a true one with a stated probability.

One question a candidate: is its score too low for an ancestor? Its place among derived pairs of other
lineages answers, every lineage counting once. A candidate below is excluded. A true ancestor is excluded with
probability at most 1 - confidence, whatever the distribution of scores, if the lineage of the case is
exchangeable with those of the calibration (hierarchical conformal prediction: Lee, Barber & Willett 2023,
arXiv:2306.06342).

Nothing says that a candidate is related. The best of many unrelated models is high, and highest where one of
the pool resembles everything; how high, no calibration on other models tells.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from analysis.evidence.rank_p_values import TOLERANCE, derivation_p_value
from analysis.results import Result
from analysis.table import ScoreTable
from analysis.validation import check_instances, check_probability

__all__ = ["Candidate", "CandidateSet", "Entry", "exclude_candidates"]

Answer = Literal["none of them", "none of those judged", "cannot exclude any", "these remain"]
Standing = Literal["remains", "excluded", "not judged"]
ORDER: tuple[Standing, ...] = ("remains", "not judged", "excluded")


@dataclass(frozen=True, eq=False)
class Entry(Result):
    """One candidate and what it is judged by.

    Attributes
    ----------
    name : str
    score : float
        Of the pair (model in question, candidate); NaN: no metric speaks on it.
    table : ScoreTable or None
        Scores of the same kind on pairs of other lineages than that of the model in question; None: there is
        no calibration for the pair.
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


@dataclass(frozen=True, eq=False)
class Candidate(Result):
    """One candidate, judged.

    Attributes
    ----------
    name : str
    score : float
    derivation_p : float
        Small: too low for an ancestor. NaN where it is not judged (see `reason`).
    standing : str
        "remains", "excluded" or "not judged".
    n_lineages : int
        Lineages of derived pairs that it was judged by.
    same_cell_only : bool
        Whether those were pairs of one shape (or of two) as this one; False: too few, so that all were taken.
    reason : str
        Why it is not judged.
    """

    _headline: ClassVar = "name"

    name: str
    score: float
    derivation_p: float
    standing: Standing
    n_lineages: int
    same_cell_only: bool
    reason: str


@dataclass(frozen=True, eq=False)
class CandidateSet(Result):
    """The candidates that remain.

    Attributes
    ----------
    confidence : float
        An ancestor that is in the pool is not excluded with at least this probability.
    candidates : tuple of Candidate
        Those that remain, the highest place first; those that are not judged; those that are excluded.
    answer : str
        "none of them", "none of those judged", "cannot exclude any" or "these remain".
    """

    _headline: ClassVar = "answer"

    confidence: float
    candidates: tuple[Candidate, ...]
    answer: Answer

    def __str__(self) -> str:
        silent = f"; not judged: {', '.join(self.not_judged)}" if self.not_judged else ""
        return f"{self.answer}: {', '.join(self.remaining) or '—'}{silent} (confidence {self.confidence:g})"

    @property
    def remaining(self) -> tuple[str, ...]:
        """Names of those that were judged and remain."""
        return self._named("remains")

    @property
    def excluded(self) -> tuple[str, ...]:
        """Names of those that score too low for an ancestor."""
        return self._named("excluded")

    @property
    def not_judged(self) -> tuple[str, ...]:
        """Names of those of which nothing can be said."""
        return self._named("not judged")

    def _named(self, standing: Standing) -> tuple[str, ...]:
        return tuple(one.name for one in self.candidates if one.standing == standing)


def exclude_candidates(entries: Sequence[Entry], confidence: float = 0.9) -> CandidateSet:
    """Say which candidates remain.

    Parameters
    ----------
    entries : sequence of Entry
    confidence : float
        In (0, 1). A true ancestor in the pool is not excluded with at least this probability.

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
    and not at all if even those are too few, or if it has no score or no table. Each true ancestor is kept
    with the stated probability by itself: a parent and its parent are two.

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
    found = [_judge(entry, confidence) for entry in entries]
    found.sort(key=lambda one: (ORDER.index(one.standing), *_place(one), one.name))
    return CandidateSet(confidence, tuple(found), _answer({one.standing for one in found}))


def _answer(standings: Collection[Standing]) -> Answer:
    if "excluded" not in standings:
        return "cannot exclude any" if standings else "none of them"
    if "remains" in standings:
        return "these remain"
    return "none of those judged" if "not judged" in standings else "none of them"


def _place(one: Candidate) -> tuple[float, float]:
    """Order within a standing: the highest place among derived pairs first, then the highest score."""
    if math.isnan(one.score):
        return (0.0, math.inf)
    return (0.0 if math.isnan(one.derivation_p) else -one.derivation_p, -one.score)


def _judge(entry: Entry, confidence: float) -> Candidate:
    """Judge one candidate by its place among derived pairs."""

    def judged(p: float, standing: Standing, n: int, alike: bool, reason: str) -> Candidate:
        return Candidate(entry.name, entry.score, p, standing, n, alike, reason)

    if entry.table is None or math.isnan(entry.score):
        return judged(math.nan, "not judged", 0, False, entry.reason or "no score")
    table = entry.table
    needed = 1 / (1 - confidence) - 1
    for mask in ((table.cell_a == table.cell_b) == entry.same_cell, None):
        p, n = derivation_p_value(table, entry.score, mask=mask, without=entry.lineages)
        if n >= needed - 1e-9:
            standing: Standing = "excluded" if p <= 1 - confidence + TOLERANCE else "remains"
            return judged(p, standing, n, mask is not None, "")
    reason = (
        f"{n} lineages with derived pairs: excluding a candidate at {confidence:.0%} confidence needs at"
        f" least {math.ceil(needed - 1e-9)}"
    )
    return judged(math.nan, "not judged", n, False, reason)
