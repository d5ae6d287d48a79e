"""The one way to score a pair: by fingerprints, kept by content, limited in time, in one thread.

`run`, `evaluate`, `compare` and sets of candidate parents all score here.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

import fpcore
from benchmark.pipeline.checkpoints import Located
from benchmark.pipeline.chosen_metric import ChosenMetric
from benchmark.pipeline.deadline import TookTooLong, deadline
from benchmark.pipeline.engine import Engine
from benchmark.pipeline.extract import Extraction
from benchmark.pipeline.steps import watched
from benchmark.pipeline.threads import one_thread
from benchmark.pipeline.workspace import Workspace
from benchmark.session.files import atomic_path
from benchmark.session.progress import Advance

__all__ = ["BESIDE", "Job", "PairScore", "score_pairs"]

PAIRS_PER_UNIT: Final = 1000

#: What stands beside the columns of a score table where its pairs have been scored.
BESIDE: Final = ("bare_reason", "damaged", "seconds")


class PairScore(NamedTuple):
    """How one pair came out under one metric.

    Attributes
    ----------
    score : float
        NaN unless ok.
    status : {"ok", "abstained", "failed"}
    reason : str
        Why there is no score, without the names of metric and models.
    damaged : bool
        Whether a checkpoint could not be read: then the reason names it.
    seconds : float
        What it took when it was computed.
    """

    score: float
    status: str
    reason: str
    damaged: bool
    seconds: float


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


@dataclass(frozen=True)
class ScoreUnit:
    """Some pairs under one metric: what is scored, and kept, together.

    Attributes
    ----------
    metric : ChosenMetric
    models : tuple of (Located, str)
        The models and the digests of their content.
    pairs : tuple of (int, int)
        Places in `models`.
    limit : float or None
        Seconds that a pair may take.
    """

    metric: ChosenMetric
    models: tuple[tuple[Located, str], ...]
    pairs: tuple[tuple[int, int], ...]
    limit: float | None

    def key(self) -> str:
        """Content address: the digests of both models of every pair."""
        digests = [[self.models[a][1], self.models[b][1]] for a, b in self.pairs]
        return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


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
        Told units done, units in all, and the metric's name.
    limits : mapping of str to float
        Metric → seconds that a pair may take.

    Returns
    -------
    list of pandas.DataFrame
        For each job its pairs in their order: `metric`, the columns of the pairs, and `score, status, reason`
        as a score table has them (a reason names what it is about); then `BESIDE`: the reason without names,
        whether a checkpoint could not be read, and seconds, NaN where nothing was computed.
    """
    frames = [_begun(job, extractions) for job in jobs]
    units: list[ScoreUnit] = []
    rows_of: list[tuple[int, pd.Index[int]]] = []
    for place, (job, frame) in enumerate(zip(jobs, frames, strict=True)):
        ready = frame[frame["status"] == "ok"]
        for start in range(0, len(ready), PAIRS_PER_UNIT):
            part = ready.iloc[start : start + PAIRS_PER_UNIT]
            units.append(_unit(job.metric, part, extractions, limits.get(job.metric.name)))
            rows_of.append((place, part.index))
    answers: list[dict[int, pd.DataFrame]] = [{} for _ in frames]
    with watched(engine.here, advance, len(units)) as moved:
        done = engine.run(_score_unit, units, advance=moved, name=lambda unit: unit.metric.name)
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
        damaged=damaged,
        seconds=float("nan"),
    )


def _unit(
    metric: ChosenMetric, pairs: pd.DataFrame, extractions: Mapping[str, Extraction], limit: float | None
) -> ScoreUnit:
    codes, names = pd.factorize(pd.concat([pairs["model_a"], pairs["model_b"]]))
    models = tuple((extractions[name].located, extractions[name].digest) for name in names)
    a, b = codes[: len(pairs)].tolist(), codes[len(pairs) :].tolist()
    return ScoreUnit(metric, models, tuple(zip(a, b, strict=True)), limit)


def _fill_in(frame: pd.DataFrame, found: pd.DataFrame) -> None:
    """Put scores where their pairs stand; the reason of a failure names metric and pair."""
    found["bare_reason"] = found["reason"]
    for row in found.index[(found["status"] == "failed") & ~found["damaged"]]:
        metric, a, b = frame.loc[row, ["metric", "model_a", "model_b"]]
        found.loc[row, "reason"] = f"{metric} on {a} – {b}: {found.loc[row, 'bare_reason']}"
    columns = ["score", "status", "reason", *BESIDE]
    frame.loc[found.index, columns] = found[columns]


def _score_unit(workspace: Workspace, unit: ScoreUnit) -> pd.DataFrame:
    """Score the pairs of a unit, one row each; what the cache holds is not computed again.

    A failure is kept beside the rest, and tried again the next time: its cause may be gone.
    """
    path = workspace.cache.scores / unit.metric.key(workspace.device) / f"{unit.key()}.parquet"
    known = _kept(path)
    todo = range(len(unit.pairs)) if known is None else np.flatnonzero(known["status"] == "failed").tolist()
    if known is not None and not todo:
        workspace.cache.used(path)
        return known
    with one_thread():
        found = [_score(workspace, unit, *unit.pairs[place]) for place in todo]
    scores = pd.DataFrame(found, columns=list(PairScore._fields), index=todo)
    if known is not None:
        scores = pd.concat([known.drop(index=todo), scores]).sort_index()
    with atomic_path(path) as temporary:
        scores.to_parquet(temporary, index=False)
    return scores


def _kept(path: Path) -> pd.DataFrame | None:
    """The scores of a unit as they were kept; None where they are not there, or not readable."""
    if not path.is_file():
        return None
    try:
        return pd.read_parquet(path, columns=list(PairScore._fields))
    except (OSError, ValueError):
        return None


def _score(workspace: Workspace, unit: ScoreUnit, a: int, b: int) -> PairScore:
    begun = time.perf_counter()
    score, status, reason, damaged = math.nan, "failed", "", False
    try:
        with deadline(unit.limit):
            both = [workspace.fingerprint(unit.metric, *unit.models[place]) for place in (a, b)]
            score = float(workspace.metric(unit.metric).similarity(*both))
    except fpcore.NotComparable as error:
        status, reason = "abstained", error.reason
    except fpcore.BadCheckpoint as error:
        reason, damaged = str(error), True
    except TookTooLong as late:
        reason = str(late)
    except Exception as error:
        # A metric is somebody's code: what it raises is reported with the pair, and the rest carries on.
        reason = f"{type(error).__name__}: {error}"
    else:
        if math.isnan(score):
            reason = "the score is NaN; abstain with NotComparable instead"
        else:
            status = "ok"
    return PairScore(score, status, reason, damaged, time.perf_counter() - begun)
