"""The one way to score pairs: by fingerprints, kept by content, limited in time.

`run`, `evaluate`, `compare` and sets of candidate parents all score here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.pipeline.chosen_metric import ChosenMetric
from benchmark.pipeline.engine import KILLED, Engine
from benchmark.pipeline.extract import Extraction
from benchmark.pipeline.parcels import PairParcels
from benchmark.pipeline.score_unit import ScoreUnit, failed_scores, score_unit
from benchmark.pipeline.steps import watched
from benchmark.pipeline.workspace import Workspace
from benchmark.session.progress import Advance

__all__ = ["BESIDE", "Job", "score_pairs"]

PAIRS_PER_UNIT: Final = 1000
#: A unit of a metric that scores pairs together has the pairs of so many models with so many: fewer where
#: whole models are read, so that the work on one cell can be shared, and be gone on with.
MODELS_PER_BLOCK: Final = {"fingerprints": 128, "models": 64}

#: What stands beside the columns of a score table where its pairs have been scored.
BESIDE: Final = ("bare_reason", "where", "damaged", "seconds")

Places = NDArray[np.intp]


@dataclass(frozen=True)
class Job:
    """Pairs that one metric is to score.

    Attributes
    ----------
    metric : ChosenMetric
    pairs : pandas.DataFrame
        `model_a, model_b` and any other columns, which are kept.
    """

    metric: ChosenMetric
    pairs: pd.DataFrame


def score_pairs(
    engine: Engine[Workspace],
    jobs: Sequence[Job],
    extractions: Mapping[str, Extraction],
    *,
    advance: Advance,
    limits: Mapping[str, float],
) -> list[pd.DataFrame]:
    """Score the pairs of every job.

    Parameters
    ----------
    engine : Engine
        Does the work.
    jobs : sequence of Job
    extractions : mapping of str to Extraction
        Of every model that stands in a pair.
    advance : Advance
        Told pairs scored, pairs in all (of all metrics), and the metric's name.
    limits : mapping of str to float
        Metric → seconds that a pair may take.

    Returns
    -------
    list of pandas.DataFrame
        For each job its pairs in their order: `metric`, the columns of the pairs, and `score, status, reason`
        as a score table has them (a reason names what it is about); then `BESIDE`: the reason without names,
        the line of the metric's code that failed (empty where none is known), whether a checkpoint could not
        be read, and seconds, NaN where nothing was computed. Of sampled models also `standard_error`: what
        sampling adds to the score; NaN where that is not known.
    """
    frames = [_begun(job, extractions) for job in jobs]
    units: list[ScoreUnit] = []
    rows_of: list[tuple[int, Places]] = []
    for place, (job, frame) in enumerate(zip(jobs, frames, strict=True)):
        rows = np.flatnonzero(frame["status"] == "ok")
        if len(rows):
            for places, unit in _units(job, frame.iloc[rows], extractions, limits.get(job.metric.name)):
                units.append(unit)
                rows_of.append((place, rows[places]))
    answers: list[dict[int, pd.DataFrame]] = [{} for _ in frames]
    with watched(engine.here, advance, sum(len(unit.pairs) for unit in units)) as moved:
        done = engine.run(
            score_unit,
            units,
            advance=moved,
            name=lambda unit: unit.metric.name,
            parcels=PairParcels(),
            lost=lambda unit: failed_scores(unit, KILLED),
            size=lambda unit: len(unit.pairs),
        )
        for number, found in done:
            place, rows = rows_of[number]
            answers[place][number] = found.set_axis(rows)
    for frame, parts in zip(frames, answers, strict=True):
        if parts:  # all at once: every assignment copies whole columns
            _fill_in(frame, pd.concat([parts[number] for number in sorted(parts)]))
    return frames


def _begun(job: Job, extractions: Mapping[str, Extraction]) -> pd.DataFrame:
    """The pairs with what is known before they are compared: a status and reason from the fingerprints."""
    name = job.metric.name
    frame = job.pairs.reset_index(drop=True)
    frame.insert(0, "metric", name)
    silent = {
        model: (extraction.outcomes[name], extraction.reason(name))
        for model, extraction in extractions.items()
        if extraction.outcomes[name].status != "ok"
    }
    n = len(frame)
    status, reason, bare, damaged = ["ok"] * n, [""] * n, [""] * n, [False] * n
    touched = np.flatnonzero(frame["model_a"].isin(silent) | frame["model_b"].isin(silent))
    pairs = frame[["model_a", "model_b"]].iloc[touched].to_numpy(dtype=object)
    for row, pair in zip(touched, pairs, strict=True):
        for model in filter(silent.__contains__, pair):
            outcome, said = silent[model]
            if outcome.status == "failed" or status[row] == "ok":
                status[row], reason[row], bare[row] = outcome.status, f"{model}: {said}", outcome.reason
                damaged[row] = bool(extractions[model].damage)
    return frame.assign(
        score=float("nan"),
        status=status,
        reason=reason,
        bare_reason=bare,
        where="",
        damaged=damaged,
        seconds=float("nan"),
    )


def _units(
    job: Job, pairs: pd.DataFrame, extractions: Mapping[str, Extraction], limit: float | None
) -> Iterator[tuple[Places, ScoreUnit]]:
    """The pairs of a job in units of work, each with the places of its pairs."""
    ends = pd.concat([pairs["model_a"], pairs["model_b"]])
    codes, names = pd.factorize(ends)
    found = [extractions[name] for name in names]
    # Models of one shape side by side: they have most in common.
    order = np.array(sorted(range(len(found)), key=lambda place: (found[place].cell, found[place].model)))
    at = np.argsort(order)[codes].reshape(2, -1).T
    for places in _parts(at, job.metric, found):
        used, inside = np.unique(at[places], return_inverse=True)
        models = tuple((found[place].located, found[place].key) for place in order[used])
        yield places, ScoreUnit(job.metric, models, inside.reshape(-1, 2).astype(np.int32), limit)


def _parts(pairs: Places, metric: ChosenMetric, models: Sequence[Extraction]) -> Iterator[Places]:
    """Places of pairs that are scored in one unit."""
    if not metric.load().scores_together:
        yield from (
            np.arange(start, min(start + PAIRS_PER_UNIT, len(pairs)))
            for start in range(0, len(pairs), PAIRS_PER_UNIT)
        )
        return
    stored = all(model.outcomes[metric.name].stored for model in models)
    blocks = np.sort(pairs // MODELS_PER_BLOCK["fingerprints" if stored else "models"], axis=1)
    order = np.lexsort((blocks[:, 1], blocks[:, 0]))
    new = np.flatnonzero(np.diff(blocks[order], axis=0).any(axis=1)) + 1
    yield from np.split(order, new)


def _fill_in(frame: pd.DataFrame, found: pd.DataFrame) -> None:
    """Put scores where their pairs stand; the reason of a failure names metric and pair."""
    found["bare_reason"] = found["reason"]
    failed = found.index[(found["status"] == "failed") & ~found["damaged"]]
    if len(failed):
        named = frame.loc[failed]
        found.loc[failed, "reason"] = (
            named["metric"] + " on " + named["model_a"] + " – " + named["model_b"] + ": "
        ) + found.loc[failed, "reason"]
    columns = ["score", "status", "reason", *BESIDE]
    if "standard_error" in found:
        frame["standard_error"] = math.nan
        columns.append("standard_error")
    frame.loc[found.index, columns] = found[columns]
