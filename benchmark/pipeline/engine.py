"""Units of work, done in this process or in several, with the same answers in the same order."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Generic, TypeVar, cast

import joblib

from benchmark.session.progress import Advance

__all__ = ["Engine"]

# Work in this process is watched for so long; others are started for at least so much work that is left.
LOOK_SECONDS: Final = 1.0
START_SECONDS: Final = 4.0

State = TypeVar("State")
Unit = TypeVar("Unit")
Result = TypeVar("Result")


class Engine(Generic[State]):
    """Does units of work with what they share in a process, such as models that are open.

    Other processes take seconds to start, so they are started only once the work done here shows that they
    pay.

    Parameters
    ----------
    start : callable
        Makes what units share, once in every process that works. It travels with every unit: keep it small.
    workers : int
        Processes; no result depends on it.
    """

    def __init__(self, start: Callable[[], State], workers: int) -> None:
        self._start = start
        self._workers = workers
        self._token = uuid.uuid4().hex
        self._here: State | None = None

    @property
    def here(self) -> State:
        """What units share in this process."""
        if self._here is None:
            self._here = self._start()
        return self._here

    def run(
        self,
        work: Callable[[State, Unit], Result],
        units: Sequence[Unit],
        *,
        advance: Advance,
        name: Callable[[Unit], str],
    ) -> Iterator[tuple[int, Result]]:
        """Do every unit.

        Parameters
        ----------
        work : callable
            Of what units share and one unit; a function of a module, so that other processes find it.
        units : sequence
        advance : Advance
            Told units done, units in all, and the name of the last.
        name : callable
            What to call a unit.

        Yields
        ------
        tuple of int and result
            Place and result of each unit, as they are finished.
        """
        begun = time.perf_counter()
        done = 0
        while done < len(units):
            unit = units[done]
            result = work(self.here, unit)
            done += 1
            advance(done, len(units), name(unit))
            yield done - 1, result
            spent = time.perf_counter() - begun
            left = spent / done * (len(units) - done)
            if self._workers > 1 and spent > LOOK_SECONDS and left > START_SECONDS:
                break
        rest = range(done, len(units))
        if not rest:
            return
        jobs = joblib.Parallel(n_jobs=min(self._workers, len(rest)), return_as="generator_unordered")
        finished = jobs(
            joblib.delayed(_in_worker)(self._token, self._start, work, place, units[place]) for place in rest
        )
        for place, result in finished:
            done += 1
            advance(done, len(units), name(units[place]))
            yield place, result


# The one thing that a worker process keeps from unit to unit: what the units of the engine at work share. A
# process that joblib started has no other place for it. It belongs to that engine, by its token, and goes
# when a unit of another one comes; the process of the user never holds any.
_shared: tuple[str, object] | None = None


def _in_worker(
    token: str,
    start: Callable[[], State],
    work: Callable[[State, Unit], Result],
    place: int,
    unit: Unit,
) -> tuple[int, Result]:
    global _shared
    if _shared is None or _shared[0] != token:
        _shared = (token, start())
    return place, work(cast(State, _shared[1]), unit)
