"""Some pairs under one metric, scored as one unit of work, and kept."""

from __future__ import annotations

import io
import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.pipeline.score_apart import score_apart
from benchmark.pipeline.score_here import PairScore, ScoreUnit, score_here
from benchmark.pipeline.workspace import Workspace

__all__ = ["PairScore", "ScoreUnit", "failed_scores", "score_unit", "scored"]


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
    scores = (score_apart if workspace.apart(unit.metric) else score_here)(workspace, unit, todo)
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
            raise ValueError("it belongs to other pairs")
    except (OSError, ValueError) as error:
        workspace.cache.distrust(path, error)
        return None
    return kept
