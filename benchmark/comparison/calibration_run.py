"""A run as the yardstick of one case: its scores, less those of the two models in question and their kin."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

import analysis
from analysis.evidence.combination import evidence_interval
from benchmark.catalog import Catalog
from benchmark.results.files import RunDirectory

__all__ = ["NOTHING_LEFT", "CalibrationRun", "Crowd", "Place", "Weight", "place_of", "weight_of"]

NOTHING_LEFT = "without the lineages of both models the calibration has no pair left"


@dataclass(frozen=True)
class Crowd:
    """Pairs of one kind and the same pair of architecture cells, and how the score stands among them.

    Attributes
    ----------
    n_pairs, n_lineages : int
        Scored pairs, and the lineages they come from.
    n_at_or_above : int
        Those that score at least as high as the pair in question.
    share : float
        The one by the other; NaN without any pair.
    scores : tuple of float
        Of all of them, ascending.
    """

    n_pairs: int
    n_lineages: int
    n_at_or_above: int
    scores: tuple[float, ...] = field(default=(), repr=False)

    @property
    def share(self) -> float:
        """Share of the pairs at or above the score."""
        return self.n_at_or_above / self.n_pairs if self.n_pairs else math.nan

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        facts: dict[str, Any] = analysis.as_json(self)
        del facts["scores"]  # the calibration has them
        return {**facts, "share": analysis.as_json(self.share)}


@dataclass(frozen=True)
class Place:
    """Where a score falls among pairs of the same two shapes."""

    look_alikes: Crowd
    derived: Crowd


@dataclass(frozen=True)
class Weight:
    """The weight of a score as evidence of derivation, against one kind of independent pairs.

    Attributes
    ----------
    log10_lr : float
        Bounded; NaN where there is none (see `reason`).
    lower, upper : float
        The bounds: what so many lineages can back.
    at_bound : bool
        Whether the fitted value lies at a bound, or beyond.
    cllr : float
        Cost of such evidence on pairs whose lineages took no part in the fit: 0 perfect, 1 nothing.
    n_derived, n_independent, n_lineages : int
        What it is fitted on.
    beyond : bool
        Whether the score lies outside those it is fitted on.
    reason : str
    interval : analysis.Interval or None
        Of the log10 LR, over lineages; None where it was not asked for.
    """

    log10_lr: float
    lower: float
    upper: float
    at_bound: bool
    cllr: float
    n_derived: int
    n_independent: int
    n_lineages: int
    beyond: bool
    reason: str
    interval: analysis.Interval | None = None

    @classmethod
    def none(cls, reason: str) -> Weight:
        """No weight, with the reason."""
        nan = math.nan
        return cls(nan, nan, nan, False, nan, 0, 0, 0, False, reason)

    @property
    def defined(self) -> bool:
        """Whether there is a value."""
        return not math.isnan(self.log10_lr)


class CalibrationRun:
    """A finished run.

    Parameters
    ----------
    path : Path
        Its directory.

    Raises
    ------
    UsageError
        Not the directory of a finished run, or of another schema.
    """

    def __init__(self, path: Path) -> None:
        directory = RunDirectory(path)
        self.path = path
        self.record = directory.read_record()
        self.results = {one.metric: one for one in directory.read_results().metrics}
        scores = directory.read_scores()
        self._frames: dict[str, pd.DataFrame] = {
            str(metric): analysis.ScoreTable(frame).frame for metric, frame in scores.groupby("metric")
        }

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of its metrics, in its order."""
        return tuple(name for name in self.results if name in self._frames)

    @cached_property
    def lineage_of(self) -> dict[str, str]:
        """Model → lineage of every model it scored."""
        found: dict[str, str] = {}
        for frame in self._frames.values():
            for end in "ab":
                found |= dict(zip(frame[f"model_{end}"], frame[f"lineage_{end}"], strict=True))
        return found

    def lineages_of(self, catalog: Catalog, name: str | None, digest: str) -> set[str]:
        """Lineages of the run that a model belongs to: by its weights, its name, or the catalog's tree.

        Parameters
        ----------
        catalog : Catalog
        name : str or None
            The catalog id, if it is there.
        digest : str
            Of its content.
        """
        same = {model for model, facts in self.record.models.items() if facts.digest == digest}
        if name is not None:
            # The run may know the model by another name of the same lineage, or only its relatives.
            lineage = catalog.lineage(name)
            same |= {
                model for model in self.lineage_of if model in catalog and catalog.lineage(model) == lineage
            }
            same.add(name)
        return {self.lineage_of[model] for model in same if model in self.lineage_of}

    def without(self, metric: str, lineages: Collection[str]) -> analysis.ScoreTable | None:
        """The table of a metric less every pair that touches one of the lineages; None if none is left."""
        frame = self._frames[metric]
        touched = frame["lineage_a"].isin(list(lineages)) | frame["lineage_b"].isin(list(lineages))
        return None if touched.all() else analysis.ScoreTable(frame[~touched])


def place_of(table: analysis.ScoreTable, cells: frozenset[str], score: float) -> Place:
    """Where a score falls among the pairs of a table that stand in the same (unordered) two cells."""
    shapes = zip(table.frame["architecture_a"], table.frame["architecture_b"], strict=True)
    here = np.array([frozenset(shape) == cells for shape in shapes], dtype=bool)
    return Place(
        look_alikes=_crowd(table, here & table.independent, score),
        derived=_crowd(table, here & table.derived, score),
    )


def _crowd(table: analysis.ScoreTable, of: npt.NDArray[np.bool_], score: float) -> Crowd:
    of = of & table.comparable
    lineages = np.union1d(table.lineage_a[of], table.lineage_b[of])
    scores = np.sort(table.score[of])
    return Crowd(len(scores), len(lineages), int((scores >= score).sum()), tuple(scores.tolist()))


def weight_of(
    table: analysis.ScoreTable, score: float, *, negatives: str, with_interval: bool = True
) -> Weight:
    """The bounded log10 LR of a score, by derived pairs against look-alikes or all independent pairs.

    Parameters
    ----------
    table : ScoreTable
    score : float
    negatives : {"look-alike", "independent"}
        The alternative to derivation. An independent model of other shapes is told apart by its shape
        alone; in a case about models whose shapes match, look-alikes are what it has to be weighed against.
    with_interval : bool
        It costs as many fits as there are lineages.
    """
    used = table.comparable & (table.derived | table.negatives(negatives))
    if not used.any():
        return Weight.none(f"no derived and no {negatives} pair has a score")
    kept = analysis.ScoreTable(table.frame[used])
    evidence = analysis.calibrate_evidence(kept)
    if evidence.reason:
        return Weight.none(evidence.reason)
    value = float(evidence.log10_lr([score])[0])
    return Weight(
        log10_lr=value,
        lower=evidence.lower,
        upper=evidence.upper,
        at_bound=value in (evidence.lower, evidence.upper),
        cllr=evidence.cllr,
        n_derived=evidence.n_derived,
        n_independent=evidence.n_independent,
        n_lineages=evidence.n_lineages,
        beyond=not kept.score.min() <= score <= kept.score.max(),
        reason="",
        interval=evidence_interval(kept, score, evidence) if with_interval else None,
    )
