"""Some pairs under one metric, scored as one unit of work: by fingerprints, in one thread, and kept."""

from __future__ import annotations

import hashlib
import io
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
from fpcore.errors import described, first_line

__all__ = ["PairScore", "ScoreUnit", "failed_scores", "score_unit", "scored"]

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
        The models and the digests of their content.
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


def score_unit(workspace: Workspace, unit: ScoreUnit) -> pd.DataFrame:
    """Score the pairs of a unit, one row each; what the cache holds is not computed again.

    Of sampled models there is a further column `standard_error`: what sampling adds to each score. A failure
    is kept beside the rest, and tried again the next time: its cause may be gone.
    """
    path = unit.kept(workspace)
    known = _kept(workspace, unit)
    todo = np.arange(len(unit.pairs)) if known is None else np.flatnonzero(_undone(known))
    if known is not None and not len(todo):
        return known
    with one_thread():
        scores = _together(workspace, unit, todo)
        alone = np.flatnonzero(scores["status"] == "")
        found = [_score(workspace, unit, *unit.pairs[todo[place]].tolist()) for place in alone]
        if found:
            scores.iloc[alone] = pd.DataFrame(found, columns=list(PairScore._fields))
        if workspace.sample:
            _add_errors(workspace, unit, todo, scores)
    if known is not None:
        scores = pd.concat([known[~_undone(known)], scores]).sort_index()
    workspace.cache.write(path, scores.to_parquet(index=False))
    return scores


def failed_scores(unit: ScoreUnit, why: str) -> pd.DataFrame:
    """What stands for the scores of a unit that could not be done, as `score_unit` gives them."""
    failed = PairScore(math.nan, "failed", why, False, math.nan)
    return pd.DataFrame([failed] * len(unit.pairs), columns=list(PairScore._fields))


def scored(workspace: Workspace, unit: ScoreUnit) -> bool:
    """Whether the cache holds a unit's scores."""
    known = _kept(workspace, unit)
    return known is not None and not _undone(known).any()


def _undone(scores: pd.DataFrame) -> NDArray[np.bool_]:
    """Which pairs are to be scored again: those that failed, and scores that are no finite number."""
    status, finite = scores["status"].to_numpy(dtype=object), np.isfinite(scores["score"].to_numpy(float))
    undone: NDArray[np.bool_] = (status == "failed") | ((status == "ok") & ~finite)
    return undone


def _kept(workspace: Workspace, unit: ScoreUnit) -> pd.DataFrame | None:
    """The scores of a unit as they were kept; None where there are none that can be believed."""
    path = unit.kept(workspace)
    held = workspace.cache.read(path)
    if held is None:
        return None
    try:
        kept = pd.read_parquet(io.BytesIO(held))
        if not {*PairScore._fields} <= {*kept.columns} or len(kept) != len(unit.pairs):
            raise ValueError("it is of other pairs")
    except (OSError, ValueError) as error:
        workspace.cache.distrust(path, error)
        return None
    return kept


def _together(workspace: Workspace, unit: ScoreUnit, todo: Places) -> pd.DataFrame:
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
    except Exception as error:
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


def _add_errors(workspace: Workspace, unit: ScoreUnit, todo: Places, scores: pd.DataFrame) -> None:
    """Set beside each score what sampling adds to it; NaN, with the reason, where that cannot be found."""
    from fpcore.features.sampling_error import sampling_errors

    ok = np.flatnonzero(scores["status"] == "ok")
    fingerprints, pairs, places = _ready(workspace, unit, todo[ok])
    errors, reasons = np.full(len(todo), math.nan), scores["reason"].to_numpy(dtype=object, copy=True)
    try:
        with deadline(unit.limit):
            errors[ok[places]] = sampling_errors(workspace.metric(unit.metric), fingerprints, pairs)
    except (Exception, TookTooLong) as error:  # a metric is somebody's code; its scores stand all the same
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
        except Exception:  # also of somebody's code: the pairs of this model say it, one by one
            continue
        at[model] = len(fingerprints) - 1
    pairs = at[unit.pairs[todo]]
    places = np.flatnonzero((pairs >= 0).all(axis=1))
    return fingerprints, pairs[places], places


def _score(workspace: Workspace, unit: ScoreUnit, a: int, b: int) -> PairScore:
    begun = time.perf_counter()
    score, status, reason, damaged, where = math.nan, "failed", "", False, ""
    metric = workspace.metric(unit.metric)
    try:
        with deadline(unit.limit):
            both = [workspace.fingerprint(unit.metric, *unit.models[place]) for place in (a, b)]
            score = float(metric.similarity(*both))
    except fpcore.NotComparable as error:
        status, reason = "abstained", error.reason
    except fpcore.BadCheckpoint as error:
        reason, damaged = str(error), True
    except TookTooLong as late:
        reason = str(late)
    except Exception as error:
        # A metric is somebody's code: what it raises is reported with the pair, and the rest carries on.
        reason, where = described(error), raised_at(error, metric)
    else:
        if math.isfinite(score):
            status = "ok"
        else:
            written = "NaN" if math.isnan(score) else f"{score:g}"
            reason = f"the score is {written}, which cannot be ranked; abstain with NotComparable instead"
            score = math.nan
    return PairScore(score, status, reason, damaged, time.perf_counter() - begun, where)
