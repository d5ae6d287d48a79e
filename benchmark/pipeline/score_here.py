"""Some pairs under one metric, scored in this process: together where the metric can, else one by one."""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import fpcore
from benchmark.pipeline.checkpoints import Located
from benchmark.pipeline.chosen_metric import ChosenMetric
from benchmark.pipeline.deadline import TookTooLong, deadline
from benchmark.pipeline.raised_at import raised_at
from benchmark.pipeline.threads import one_thread
from benchmark.pipeline.workspace import Workspace
from fpcore.errors import abstention, described, first_line

__all__ = ["PairScore", "Places", "ScoreUnit", "add_errors", "score_alone", "score_here", "score_together"]

Places = NDArray[np.intp]


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
    where : str
        The line of the metric's code that failed, as `raised_at` gives it.
    """

    score: float
    status: str
    reason: str
    damaged: bool
    seconds: float
    where: str = ""


@dataclass(frozen=True, eq=False)
class ScoreUnit:
    """Some pairs under one metric: what is scored, and kept, together.

    Attributes
    ----------
    metric : ChosenMetric
    models : tuple of (Located, str)
        The models, and what names their content.
    pairs : ndarray of int32, (n, 2)
        Places in `models`.
    limit : float or None
        Seconds that a pair may take.
    """

    metric: ChosenMetric
    models: tuple[tuple[Located, str], ...]
    pairs: NDArray[np.int32]
    limit: float | None

    def key(self) -> str:
        """Content address: the digests of the models, and which of them are paired."""
        digests = json.dumps([digest for _, digest in self.models])
        return hashlib.sha256(digests.encode() + self.pairs.astype("<i4").tobytes()).hexdigest()

    def kept(self, workspace: Workspace) -> Path:
        """Where its scores are kept."""
        return workspace.cache.scores / self.metric.key(workspace.device) / f"{self.key()}.scores"


def score_here(workspace: Workspace, unit: ScoreUnit, todo: Places) -> pd.DataFrame:
    """Score some pairs of a unit; a row each, as `PairScore`, and of sampled models `standard_error`.

    Parameters
    ----------
    workspace : Workspace
    unit : ScoreUnit
    todo : ndarray of int
        Places in `unit.pairs`.
    """
    with one_thread():
        scores = score_together(workspace, unit, todo)
        alone = np.flatnonzero(scores["status"] == "")
        found = [score_alone(workspace, unit, *unit.pairs[todo[place]].tolist()) for place in alone]
        if found:
            scores.iloc[alone] = pd.DataFrame(found, columns=list(PairScore._fields))
        if workspace.sample:
            add_errors(workspace, unit, todo, scores)
    return scores


def score_together(workspace: Workspace, unit: ScoreUnit, todo: Places) -> pd.DataFrame:
    """The pairs that the metric scores together; the others, without a status, are scored alone."""
    begun = time.perf_counter()
    score, places, reason, where = np.full(len(todo), np.nan), np.arange(0), "", ""
    metric = workspace.metric(unit.metric)
    try:
        with deadline(unit.limit):
            if metric.scores_together:
                fingerprints, pairs, places = _ready(workspace, unit, todo)
                found = np.asarray(metric.pair_similarities(fingerprints, pairs), dtype=np.float64)
                if found.shape != places.shape:
                    raise ValueError(f"{len(places)} pairs have scores of shape {found.shape}")
                score[places] = found
    except (fpcore.NotComparable, fpcore.BadCheckpoint, TookTooLong):
        pass  # each pair says why, and has the whole limit for itself
    except BaseException as error:
        workspace.take(error)
        reason, where = f"pair_similarities: {described(error)}", raised_at(error, metric)
    seconds = (time.perf_counter() - begun) / max(1, len(places))
    silent = "failed" if reason else ""
    return pd.DataFrame(
        {
            "score": score,
            # What is no finite number is asked for once more, alone, and then says which.
            "status": np.where(np.isfinite(score), "ok", silent).astype(object),
            "reason": reason,
            "damaged": False,
            "seconds": seconds,
            "where": where,
        },
        index=todo,
    )


def add_errors(workspace: Workspace, unit: ScoreUnit, todo: Places, scores: pd.DataFrame) -> None:
    """Set beside each score what sampling adds to it; NaN, with the reason, where that cannot be found."""
    from fpcore.features.sampling_error import sampling_errors

    ok = np.flatnonzero(scores["status"] == "ok")
    fingerprints, pairs, places = _ready(workspace, unit, todo[ok])
    errors, reasons = np.full(len(todo), math.nan), scores["reason"].to_numpy(dtype=object, copy=True)
    try:
        with deadline(unit.limit):
            errors[ok[places]] = sampling_errors(workspace.metric(unit.metric), fingerprints, pairs)
    except BaseException as error:  # a metric is somebody's code; its scores stand all the same
        if not isinstance(error, TookTooLong):
            workspace.take(error)
        reasons[ok] = f"standard error: {first_line(error)}"
    scores["standard_error"], scores["reason"] = errors, reasons


def _ready(
    workspace: Workspace, unit: ScoreUnit, todo: Places
) -> tuple[list[fpcore.Fingerprint], Places, Places]:
    """Fingerprints of the models that have one, the pairs among them, and the places of these in `todo`."""
    fingerprints: list[fpcore.Fingerprint] = []
    at = np.full(len(unit.models), -1)
    for model in np.unique(unit.pairs[todo]):
        try:
            fingerprints.append(workspace.fingerprint(unit.metric, *unit.models[model]))
        except BaseException as error:  # also of somebody's code: the pairs of this model say it, one by one
            if isinstance(error, TookTooLong):
                raise
            workspace.take(error)
            continue
        at[model] = len(fingerprints) - 1
    pairs = at[unit.pairs[todo]]
    places = np.flatnonzero((pairs >= 0).all(axis=1))
    return fingerprints, pairs[places], places


def score_alone(workspace: Workspace, unit: ScoreUnit, a: int, b: int) -> PairScore:
    """Score one pair; whatever the metric raises is said in its row."""
    begun = time.perf_counter()
    score, status, reason, damaged, where = math.nan, "failed", "", False, ""
    metric = workspace.metric(unit.metric)
    try:
        with deadline(unit.limit):
            both = [workspace.fingerprint(unit.metric, *unit.models[place]) for place in (a, b)]
            score = float(metric.similarity(*both))
    except fpcore.NotComparable as error:
        status, reason = "abstained", abstention(error)
    except fpcore.BadCheckpoint as error:
        reason, damaged = str(error), not workspace.inside
    except TookTooLong as late:
        reason = str(late)
    except BaseException as error:
        # A metric is somebody's code: what it raises is reported with the pair, and the rest carries on.
        workspace.take(error)
        reason, where = described(error), raised_at(error, metric)
    else:
        if math.isfinite(score):
            status = "ok"
        else:
            written = "NaN" if math.isnan(score) else f"{score:g}"
            reason = f"the score is {written}, which cannot be ranked; raise NotComparable to abstain"
            score = math.nan
    return PairScore(score, status, reason, damaged, time.perf_counter() - begun, where)
