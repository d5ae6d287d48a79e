"""Somebody else's metric at work in a process of its own, with patience that ends."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Concatenate, Final, Literal, ParamSpec, TypeVar

from benchmark.pipeline.deadline import USUAL_SECONDS
from benchmark.pipeline.plugin_process import PluginProcess
from benchmark.pipeline.process_state import in_process

__all__ = ["Plugin"]

MOST_IN_A_ROW: Final = {"models": 3, "pairs": 10}
"""Failures in a row that end the process, or take all the time there is, after which no more is tried."""

State = TypeVar("State")
P = ParamSpec("P")
Kind = Literal["models", "pairs"]


class Plugin:
    """A metric that this process asks, and does not run.

    Parameters
    ----------
    process : PluginProcess
    start : callable
        Makes there what the metric's work shares.
    load : callable
        Of that: loads the metric, which takes no part of the time that a model or a pair has.
    """

    def __init__(
        self, process: PluginProcess, start: Callable[[], State], load: Callable[[State], Iterator[object]]
    ) -> None:
        self._process, self._start, self._load = process, start, load
        self._loaded = 0
        self._token = uuid.uuid4().hex
        self._lost: dict[Kind, list[str]] = {"models": [], "pairs": []}

    def ask(
        self,
        limit: float | None,
        function: Callable[Concatenate[State, P], Iterator[object]],
        *arguments: P.args,
        **named: P.kwargs,
    ) -> Iterator[object]:
        """What a function yields there; parameters and errors as `PluginProcess.stream`.

        The first argument of the function, what the work shares, is there already.
        """
        process = self._process
        if not process.running or process.starts != self._loaded:
            patient = None if limit is None else max(limit, USUAL_SECONDS)
            for _ in process.stream(patient, _with_state, self._token, self._start, self._load, (), {}):
                pass
            self._loaded = process.starts
        return process.stream(limit, _with_state, self._token, self._start, function, arguments, named)

    def close(self) -> None:
        """End the process."""
        self._process.close()

    def given_up(self, kind: Kind) -> str:
        """Why no more is tried; empty as long as it is."""
        lost = self._lost[kind]
        if len(lost) < MOST_IN_A_ROW[kind]:
            return ""
        return f"not tried, as {len(lost)} {kind} in a row failed: {lost[-1]}"

    def note(self, kind: Kind, lost: str) -> None:
        """What came of a model or a pair: why it cost the process or all its time, or nothing."""
        if lost:
            self._lost[kind].append(lost)
        else:
            self._lost[kind].clear()


def _with_state(
    token: str,
    start: Callable[[], State],
    function: Callable[..., Iterator[object]],
    arguments: tuple[object, ...],
    named: dict[str, object],
) -> Iterator[object]:
    return function(in_process(token, start), *arguments, **named)
