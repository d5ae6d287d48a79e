"""Values handed to processes: packed at once, in order, once more where one is killed, left by nobody."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import joblib
import pytest
from joblib.externals.loky import process_executor

from analysis import processes
from analysis.processes import (
    HELD,
    LOOK_SECONDS,
    PROCESS_DIED,
    REPLACED,
    in_processes,
    quiet_about_workers,
    started_meanwhile,
)


def doubled(value: list[int]) -> list[int]:
    return value * 2


def test_what_changes_afterwards_changes_no_result() -> None:
    given = [[1], [2], [3]]
    found = in_processes(doubled, given, 2)
    for each in given:
        each.append(9)
    assert list(found) == [[1, 1], [2, 2], [3, 3]]


def test_a_replaced_worker_is_not_told_and_other_warnings_are() -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        quiet_about_workers()
        warnings.warn(f"{REPLACED}. This can be caused by a memory leak.", UserWarning, stacklevel=1)
        warnings.warn("something else", UserWarning, stacklevel=1)
        warnings.warn(f"{REPLACED}, and it is no notice of joblib's", RuntimeWarning, stacklevel=1)
    assert [each.category for each in told] == [UserWarning, RuntimeWarning]
    assert str(told[0].message) == "something else"


@pytest.mark.parametrize(("workers", "jobs"), [(2, 2), (9, 3)])
def test_no_more_processes_than_values_and_results_one_after_the_other(
    workers: int, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    alone = partial(joblib.Parallel, n_jobs=1)

    def parallel(**options: Any) -> Any:
        asked.update(options)
        return alone(return_as=options["return_as"])

    monkeypatch.setattr(processes.joblib, "Parallel", parallel)
    found = in_processes(doubled, [[1], [2], [3]], workers)
    assert asked["n_jobs"] == jobs
    assert isinstance(found, Iterator)
    assert next(found) == [1, 1]


class Dying:
    """In the place of joblib's processes: each time they are begun, they do so many values and are killed."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *done: int, error: type[Exception] = PROCESS_DIED
    ) -> None:
        self.lives, self.error = list(done), error
        self.begun: list[list[list[int]]] = []
        self.start: dict[str, Any] = {}
        monkeypatch.setattr(processes.joblib, "Parallel", self.parallel)

    def parallel(
        self, n_jobs: int, return_as: str, backend: str, **start: Any
    ) -> Callable[[Iterable[Any]], Iterator[Any]]:
        assert (return_as, backend) == ("generator", "loky")
        self.start = start

        def results(jobs: Iterable[Any]) -> Iterator[Any]:
            found = [call(*arguments, **named) for call, arguments, named in jobs]
            self.begun.append(found)
            return self.until_killed(found, self.lives.pop(0))

        return results

    def until_killed(self, found: list[list[int]], lives: int) -> Iterator[list[int]]:
        yield from found[:lives]
        if lives < len(found):
            raise self.error("killed")


GIVEN = [[1], [2], [3], [4]]
DOUBLED = [[1, 1], [2, 2], [3, 3], [4, 4]]


def test_what_a_killed_process_left_is_begun_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value once, in order: a run of hours goes on where it was, and gives what it would have given."""
    pool = Dying(monkeypatch, 1, 3)
    assert list(in_processes(doubled, GIVEN, 2)) == DOUBLED
    assert pool.begun == [DOUBLED, DOUBLED[1:]]


def test_where_processes_are_killed_again_the_rest_is_done_in_this_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = Dying(monkeypatch, 1, 2, 1)
    assert list(in_processes(doubled, GIVEN, 2)) == DOUBLED
    assert pool.begun == [DOUBLED, DOUBLED[1:]]
    none = Dying(monkeypatch, 0, 0)
    assert list(in_processes(doubled, GIVEN, 2)) == DOUBLED
    assert none.begun == [DOUBLED, DOUBLED]


def test_an_error_of_the_work_itself_is_no_killed_process(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Dying(monkeypatch, 1, error=ValueError)
    found = in_processes(doubled, GIVEN, 2)
    assert next(found) == [1, 1]
    with pytest.raises(ValueError, match="killed"):
        next(found)
    assert len(pool.begun) == 1


def test_a_process_looks_after_the_one_it_works_for_from_its_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether it is given work or not; and what a terminal interrupts is for that one to answer."""
    looked_after: list[int] = []
    answered: list[tuple[int, object]] = []
    monkeypatch.setattr(process_executor, "_MAX_MEMORY_LEAK_SIZE", 0)
    monkeypatch.setattr(processes, "end_with_parent", looked_after.append)
    monkeypatch.setattr(processes.signal, "signal", lambda *told: answered.append(told))
    pool = Dying(monkeypatch, 4)
    assert list(in_processes(doubled, GIVEN, 2)) == DOUBLED
    assert looked_after == []
    pool.start["initializer"](*pool.start["initargs"])
    assert looked_after == [os.getpid()]
    assert answered == [(signal.SIGINT, signal.SIG_IGN)]
    # Nor is it replaced for what it imports on its way.
    assert process_executor._MAX_MEMORY_LEAK_SIZE == HELD


@pytest.mark.parametrize("killed", [False, True])
def test_processes_load_what_they_need_while_something_else_is_done(
    monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    """Where one is killed, whoever has work for them starts them anew."""
    told: list[str] = []

    def worker_processes(n: int, return_as: str) -> Callable[[Iterable[Any]], Iterator[None]]:
        assert (n, return_as) == (2, "generator_unordered")

        def results(calls: list[Any]) -> Iterator[None]:
            for call, arguments, named in calls:
                yield call(*arguments, **named)
                if killed:
                    raise PROCESS_DIED("killed")

        def begun(calls: Iterable[Any]) -> Iterator[None]:
            told.append("begun")
            return results(list(calls))

        return begun

    monkeypatch.setattr(processes, "worker_processes", worker_processes)
    with started_meanwhile(2, lambda: told.append("loaded")):
        told.append("meanwhile")
    assert told == ["begun", "meanwhile", *["loaded"] * (1 if killed else 2)]


class Looking:
    """What a process does that looks after its parent, with nobody's clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *parents: int) -> None:
        self.parents, self.slept, self.ended = list(parents), list[float](), list[int]()
        monkeypatch.setattr(processes, "_watch", None)
        monkeypatch.setattr(processes.os, "getppid", lambda: self.parents.pop(0))
        monkeypatch.setattr(processes.os, "_exit", self.ended.append)
        monkeypatch.setattr(processes.time, "sleep", self.slept.append)


def test_a_process_ends_soon_after_the_one_it_works_for(monkeypatch: pytest.MonkeyPatch) -> None:
    looking = Looking(monkeypatch, 7, 7, 1)
    processes.end_with_parent(7)
    watch = processes._watch
    assert isinstance(watch, threading.Thread)
    watch.join()
    assert looking.slept == [LOOK_SECONDS, LOOK_SECONDS]
    assert looking.ended == [1]
    assert watch.daemon  # it keeps no process that is done
    assert watch.name == "looks after the parent"
    # Once is enough, however many values the process works on.
    processes.end_with_parent(7)
    assert processes._watch is watch


def test_nobody_looks_after_itself_or_where_parents_cannot_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    Looking(monkeypatch, 1)
    processes.end_with_parent(os.getpid())
    assert processes._watch is None
    monkeypatch.setattr(processes, "os", type("elsewhere", (), {"name": "nt", "getpid": os.getpid}))
    processes.end_with_parent(7)
    assert processes._watch is None
