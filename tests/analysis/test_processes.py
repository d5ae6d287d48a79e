"""Values handed to processes: packed at once, in order, and no word about workers that joblib replaces."""

from __future__ import annotations

import warnings

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
    assert [str(each.message) for each in told] == ["something else"]
