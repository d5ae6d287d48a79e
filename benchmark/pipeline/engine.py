"""Units of work, done in this process, in several, or on a cluster: the same answers, whoever gives them."""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

import joblib

from analysis.processes import PROCESS_DIED, interrupts_held, worker_processes
from benchmark.pipeline.distant_steps import StepNote, Telling, listening
from benchmark.pipeline.process_state import in_process
from benchmark.session.progress import Advance

if TYPE_CHECKING:
    from benchmark.pipeline.parcels import Parcels

__all__ = ["KILLED", "Elsewhere", "Engine"]

#: Why a unit is lost.
KILLED: Final = "the process running it was killed twice; if memory ran out, use fewer --workers"

# Work in this process is watched for so long; others are started for at least so much work that is left.
LOOK_SECONDS: Final = 1.0
START_SECONDS: Final = 4.0

State = TypeVar("State")
Unit = TypeVar("Unit")
Result = TypeVar("Result")


class Elsewhere(Protocol[State]):
    """Machines that do units of work, as `benchmark.pipeline.cluster.Cluster`."""

    def run(
        self,
        here: State,
        work: Callable[[State, Unit], Result],
        units: Sequence[Unit],
        parcels: Parcels[State, Unit, Result],
    ) -> Iterator[tuple[int, Result]]:
        """Place and result of each unit, as they are finished."""

    def close(self) -> None:
        """There is no more work."""


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
    cluster : Elsewhere, optional
        Does what can be done elsewhere, instead of other processes.
    started : bool
        Whether the processes are there already.
    """

    def __init__(
        self,
        start: Callable[[], State],
        workers: int,
        cluster: Elsewhere[State] | None = None,
        *,
        started: bool = False,
    ) -> None:
        self._start = start
        self._workers = workers
        self._cluster = cluster
        self._started = started
        self._token = uuid.uuid4().hex
        self._here: State | None = None

    @property
    def here(self) -> State:
        """What units share in this process."""
        if self._here is None:
            self._here = self._start()
        return self._here

    def close(self) -> None:
        """There is no more work for other machines."""
        if self._cluster is not None:
            self._cluster.close()

    def run(
        self,
        work: Callable[[State, Unit], Result],
        units: Sequence[Unit],
        *,
        advance: Advance,
        name: Callable[[Unit], str],
        parcels: Parcels[State, Unit, Result] | None = None,
        lost: Callable[[Unit], Result] | None = None,
        size: Callable[[Unit], int] = lambda _: 1,
    ) -> Iterator[tuple[int, Result]]:
        """Do every unit.

        Where a process of this machine is killed, what it had is done once more in a new one, by itself; a
        unit whose process is killed again is lost, and the others go on.

        Parameters
        ----------
        work : callable
            Of what units share and one unit; a function of a module, so that other processes find it.
        units : sequence
        advance : Advance
            Told what is done and what there is in all, as `size` counts it, and the name of the last unit.
        name : callable
            What to call a unit.
        parcels : Parcels, optional
            What goes with a unit to a machine with another disk, and what comes back.
        lost : callable, optional
            What stands for the result of a unit that is lost; without it, the error is raised.
        size : callable
            For how many a unit counts; default: each is one.

        Yields
        ------
        tuple of int and result
            Place and result of each unit, as they are finished.
        """
        done, total = 0, sum(map(size, units))
        for place, result in self._results(work, units, parcels, lost):
            done += size(units[place])
            advance(done, total, name(units[place]))
            yield place, result

    def _results(
        self,
        work: Callable[[State, Unit], Result],
        units: Sequence[Unit],
        parcels: Parcels[State, Unit, Result] | None,
        lost: Callable[[Unit], Result] | None,
    ) -> Iterator[tuple[int, Result]]:
        if self._cluster is not None and parcels is not None:
            yield from self._cluster.run(self.here, work, units, parcels)
            return
        left = list(range(len(units)))
        begun = time.perf_counter()
        while left and not self._started:
            place = left.pop(0)
            yield place, work(self.here, units[place])
            spent = time.perf_counter() - begun
            to_come = spent / (len(units) - len(left)) * len(left)
            if self._workers > 1 and spent > LOOK_SECONDS and to_come > START_SECONDS:
                break
        if left:
            yield from self._in_processes(work, units, left, lost)

    def _in_processes(
        self,
        work: Callable[[State, Unit], Result],
        units: Sequence[Unit],
        left: Sequence[int],
        lost: Callable[[Unit], Result] | None,
    ) -> Iterator[tuple[int, Result]]:
        """Do some units in other processes, whatever becomes of these."""
        with tempfile.TemporaryDirectory(prefix="units-") as folder, listening(Path(folder), self.here):
            waiting = list(left)
            while waiting:
                done: set[int] = set()
                try:
                    for place, result in self._pool(work, units, waiting, Path(folder)):
                        done.add(place)
                        yield place, result
                    return
                except PROCESS_DIED:
                    waiting = [place for place in waiting if place not in done]
                # All processes are gone. One of the units that they had may have been the cause, such as by
                # taking all memory: these are done one after the other.
                had = [place for place in waiting if (Path(folder) / str(place)).exists()]
                suspects = had or ([] if done else waiting)
                for place in suspects:
                    try:
                        yield from self._pool(work, units, [place], Path(folder))
                    except PROCESS_DIED:
                        if lost is None:
                            raise
                        yield place, lost(units[place])
                waiting = [place for place in waiting if place not in suspects]

    def _pool(
        self,
        work: Callable[[State, Unit], Result],
        units: Sequence[Unit],
        places: Sequence[int],
        folder: Path,
    ) -> Iterator[tuple[int, Result]]:
        # joblib does a single job in this process unless there are two to do it.
        jobs = worker_processes(max(2, min(self._workers, len(places))), "generator_unordered")
        with interrupts_held():
            found: Iterator[tuple[int, Result]] = jobs(
                joblib.delayed(_in_worker)(
                    self._token, self._start, work, place, units[place], folder / str(place)
                )
                for place in places
            )
        return found


def _in_worker(
    token: str,
    start: Callable[[], State],
    work: Callable[[State, Unit], Result],
    place: int,
    unit: Unit,
    note: Path,
) -> tuple[int, Result]:
    """Do a unit; the note is there while it is being done."""
    steps = StepNote(note)
    state = in_process(token, start)
    if isinstance(state, Telling):
        state.told = steps
    result = work(state, unit)
    steps.end()
    return place, result
