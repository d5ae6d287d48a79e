"""Scores of pairs under metrics: cut into units, done by workers, put together again in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from benchmark.catalog import Catalog
from benchmark.pipeline.metric_choice import load_metric
from benchmark.pipeline.workers import Comparison, Extraction, compare, run_units

__all__ = ["COLUMNS", "Job", "score_pairs"]

PAIRS_PER_UNIT: Final = 1000
COLUMNS: Final = (
    "metric",
    "model_a",
    "model_b",
    "score",
    "status",
    "reason",
    "relation",
    "method",
    "lineage_a",
    "lineage_b",
    "architecture_a",
    "architecture_b",
)


@dataclass(frozen=True)
class Job:
    """Pairs that one metric is to score.

    Attributes
    ----------
    metric : str
        Registry name or ``FILE.py:Class``.
    pairs : pandas.DataFrame
        With model_a < model_b and the label columns.
    """

    metric: str
    pairs: pd.DataFrame


def score_pairs(
    catalog: Catalog,
    jobs: Sequence[Job],
    extractions: Mapping[str, Extraction],
    cache: Path,
    *,
    workers: int,
    advance: Callable[[int, int, str], None],
    limits: Mapping[str, float],
) -> list[pd.DataFrame]:
    """Score the pairs of every job.

    Parameters
    ----------
    catalog : Catalog
    jobs : sequence of Job
    extractions : mapping of str to Extraction
        Of every model that stands in a pair.
    cache : Path
        Where finished units are kept, by content.
    workers : int
        Processes; the result does not depend on it.
    advance : callable
        Told units done, units in all, and the metric's name.
    limits : mapping of str to float
        Metric → seconds that a pair may take.

    Returns
    -------
    list of pandas.DataFrame
        For each job its pairs in their order: `COLUMNS` first, then the other columns of the pairs, then
        `seconds`, NaN where nothing was computed.
    """
    digests = {model: extraction.digest for model, extraction in extractions.items()}
    frames = [_begun(job, extractions) for job in jobs]
    units: list[Comparison] = []
    rows_of: list[tuple[int, pd.Index[int]]] = []
    for place, (job, frame) in enumerate(zip(jobs, frames, strict=True)):
        ready = frame[frame["status"] == "ok"]
        for start in range(0, len(ready), PAIRS_PER_UNIT):
            part = ready.iloc[start : start + PAIRS_PER_UNIT]
            named = list(zip(part["model_a"], part["model_b"], strict=True))
            units.append(Comparison.of(job.metric, named, digests, limits.get(job.metric)))
            rows_of.append((place, part.index))
    paths = run_units(
        partial(_compare_unit, catalog, cache),
        units,
        workers=workers,
        advance=advance,
        name=lambda unit: load_metric(unit.metric).name,
    )
    found = ["score", "status", "reason", "seconds"]
    answers: list[list[pd.DataFrame]] = [[] for _ in frames]
    for (place, rows), path in zip(rows_of, paths, strict=True):
        answers[place].append(pd.read_parquet(path, columns=found).set_axis(rows))
    for frame, parts in zip(frames, answers, strict=True):
        if parts:  # all at once: every assignment copies whole columns
            together = pd.concat(parts)
            frame.loc[together.index, found] = together
    return frames


def _compare_unit(catalog: Catalog, cache: Path, unit: Comparison) -> Path:
    return compare(catalog, unit, cache)


def _begun(job: Job, extractions: Mapping[str, Extraction]) -> pd.DataFrame:
    """The pairs with what is known before they are compared: a status and reason from the fingerprints."""
    frame = job.pairs.reset_index(drop=True)
    frame.insert(0, "metric", load_metric(job.metric).name)
    outcomes = {model: extraction.outcomes[job.metric] for model, extraction in extractions.items()}
    silent = {model: outcome for model, outcome in outcomes.items() if outcome.status != "ok"}
    statuses, reasons = ["ok"] * len(frame), [""] * len(frame)
    touched = np.flatnonzero(frame["model_a"].isin(silent) | frame["model_b"].isin(silent))
    pairs = frame[["model_a", "model_b"]].iloc[touched].to_numpy(dtype=object)
    for row, pair in zip(touched, pairs, strict=True):
        for model in filter(silent.__contains__, pair):
            outcome = silent[model]
            if outcome.status == "failed" or statuses[row] == "ok":
                statuses[row], reasons[row] = outcome.status, f"{model}: {outcome.reason}"
    frame["status"], frame["reason"] = statuses, reasons
    frame["score"] = float("nan")
    frame = frame[[*COLUMNS, *(name for name in frame.columns if name not in COLUMNS)]]
    return frame.assign(seconds=float("nan"))
