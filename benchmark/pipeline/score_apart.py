"""Some pairs under somebody else's metric, scored in the process in which that runs; it may die there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd

from benchmark.pipeline.plugin_process import PluginEnded
from benchmark.pipeline.score_here import (
    PairScore,
    Places,
    ScoreUnit,
    add_errors,
    score_alone,
    score_together,
)
from benchmark.pipeline.threads import one_thread
from benchmark.pipeline.workspace import Workspace

__all__ = ["score_apart"]

UNREADABLE: Final = "its process sent an unreadable answer"


def score_apart(workspace: Workspace, unit: ScoreUnit, todo: Places) -> pd.DataFrame:
    """Score some pairs of a unit, as `score_here`; a pair that ends the process fails alone.

    Parameters
    ----------
    workspace : Workspace
        Of this process; that of the metric's is made there.
    unit : ScoreUnit
    todo : ndarray of int
        Places in `unit.pairs`.
    """
    rows: dict[int, PairScore] = {}
    if workspace.metric(unit.metric).scores_together:
        rows |= _together(workspace, unit, todo)
    left = [place for place in range(len(todo)) if place not in rows]
    while left:
        rows |= _one_by_one(workspace, unit, todo, left)
        left = [place for place in left if place not in rows]
    scores = pd.DataFrame(
        [rows[place] for place in range(len(todo))], columns=list(PairScore._fields), index=todo
    )
    if workspace.sample:
        _add_errors(workspace, unit, todo, scores)
    return scores


def _together(workspace: Workspace, unit: ScoreUnit, todo: Places) -> dict[int, PairScore]:
    """The pairs that the metric scores together; none where that ends its process: then one by one."""
    rows: dict[int, PairScore] = {}
    plugin = workspace.plugin(unit.metric)
    try:
        for said in plugin.ask(unit.limit, _together_inside, unit, todo):
            place, row = _row(said)
            if 0 <= place < len(todo):
                rows[place] = row
    except PluginEnded:
        return {}
    return rows


def _one_by_one(workspace: Workspace, unit: ScoreUnit, todo: Places, left: list[int]) -> dict[int, PairScore]:
    """Pairs in order, up to one that ends the process: at least one."""
    plugin = workspace.plugin(unit.metric)
    if why := plugin.given_up("pairs"):
        return {place: failed(why) for place in left}
    rows: dict[int, PairScore] = {}
    ahead = iter(left)
    try:
        for said in plugin.ask(unit.limit, _alone_inside, unit, todo, left):
            place, row = _row(said)
            if place != next(ahead, None):
                raise PluginEnded(UNREADABLE)
            rows[place] = row
            late = row.status == "failed" and unit.limit is not None and row.seconds >= unit.limit
            plugin.note("pairs", row.reason if late else "")
            if late and plugin.given_up("pairs"):
                return rows
        if len(rows) < len(left):
            raise PluginEnded(UNREADABLE)
    except PluginEnded as error:
        if len(rows) < len(left):
            rows[left[len(rows)]] = failed(str(error))
            plugin.note("pairs", str(error))
    return rows


def _add_errors(workspace: Workspace, unit: ScoreUnit, todo: Places, scores: pd.DataFrame) -> None:
    """As `score_here.add_errors`."""
    errors, reasons = np.full(len(todo), math.nan), list(scores["reason"])
    ok = np.flatnonzero(scores["status"] == "ok")
    plugin = workspace.plugin(unit.metric)
    try:
        found = plugin.ask(unit.limit, _errors_inside, unit, todo, scores)
        for place, said in zip(range(len(todo)), found, strict=True):
            error, reason = _pair(said)
            errors[place] = _number(error)
            reasons[place] = _text(reason)
    except (PluginEnded, ValueError) as error:
        errors[:] = math.nan
        for place in ok.tolist():
            reasons[place] = f"standard error: {error}"
    scores["standard_error"], scores["reason"] = errors, reasons


def failed(why: str) -> PairScore:
    """The row of a pair that could not be scored."""
    return PairScore(math.nan, "failed", why, False, math.nan)


def _together_inside(workspace: Workspace, unit: ScoreUnit, todo: Places) -> Iterator[object]:
    with one_thread():
        scores = score_together(workspace, unit, todo)
    for place, row in enumerate(scores.itertuples(index=False)):
        if row.status:
            yield [place, *row]


def _alone_inside(workspace: Workspace, unit: ScoreUnit, todo: Places, places: list[int]) -> Iterator[object]:
    with one_thread():
        for place in places:
            yield [place, *score_alone(workspace, unit, *unit.pairs[todo[place]].tolist())]


def _errors_inside(
    workspace: Workspace, unit: ScoreUnit, todo: Places, scores: pd.DataFrame
) -> Iterator[object]:
    with one_thread():
        add_errors(workspace, unit, todo, scores)
    for error, reason in zip(scores["standard_error"], scores["reason"], strict=True):
        yield [error, reason]


def _row(said: object) -> tuple[int, PairScore]:
    """A place and a row, as they came from the other process: every value is looked at."""
    if not isinstance(said, list) or len(said) != 7:
        raise PluginEnded(UNREADABLE)
    place, score, status, reason, _, seconds, where = said
    number, spent = _number(score), _number(seconds)
    if not isinstance(place, int) or status not in ("ok", "abstained", "failed"):
        raise PluginEnded(UNREADABLE)
    if status == "ok" and not math.isfinite(number):
        raise PluginEnded(UNREADABLE)
    return place, PairScore(number, str(status), _text(reason), False, spent, _text(where))


def _pair(said: object) -> tuple[object, object]:
    if not isinstance(said, list) or len(said) != 2:
        raise PluginEnded(UNREADABLE)
    return said[0], said[1]


def _number(value: object) -> float:
    if not isinstance(value, float):
        raise PluginEnded(UNREADABLE)
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise PluginEnded(UNREADABLE)
    return value
