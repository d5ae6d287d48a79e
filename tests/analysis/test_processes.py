"""Values handed to processes: packed at once, in order, and no word about workers that joblib replaces."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import joblib
import pytest

from analysis import processes
from analysis.processes import REPLACED, in_processes, quiet_about_workers


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
