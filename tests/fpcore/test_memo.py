"""What is kept of models: within its limit, the latest last."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from numpy.typing import NDArray

from fpcore import Fingerprint, Memo


def numbers(kibibytes: int) -> NDArray[np.float64]:
    return np.zeros(128 * kibibytes)


def test_a_value_is_computed_once() -> None:
    memo, made = Memo(), []
    for _ in range(3):
        memo.recall("key", lambda: (made.append(1), numbers(1))[1])
    assert made == [1]
    assert (len(memo), memo.nbytes) == (1, 1024)


def test_the_one_used_longest_ago_goes_first() -> None:
    memo, made = Memo(limit=3 * 1024), []

    def recall(name: str) -> None:
        memo.recall(name, lambda: (made.append(name), numbers(1))[1])

    for name in "abcadb":
        recall(name)
        assert memo.nbytes <= memo.limit
    assert made == ["a", "b", "c", "d", "b"], "a was used since, b was let go for d"


def test_room_is_made_before_a_value_is_computed() -> None:
    memo = Memo(limit=4 * 1024)
    for name in "abcd":
        memo.recall(name, lambda: numbers(1))
    held: list[int] = []
    memo.recall("large", lambda: (held.append(memo.nbytes), numbers(3))[1], room=3 * 1024)
    assert held == [1024]


def test_both_of_a_pair_are_kept_however_large() -> None:
    memo, made = Memo(limit=1), []
    for name in "ababcb":
        memo.recall(name, lambda name=name: (made.append(name), numbers(1))[1])
    assert made == ["a", "b", "c"]
    assert len(memo) == 2


def test_nothing_is_kept_of_what_fails() -> None:
    memo = Memo()
    with pytest.raises(ZeroDivisionError):
        memo.recall("key", lambda: numbers(1 // 0))
    assert not len(memo)
    assert memo.recall("key", lambda: numbers(1)).size == 128


def test_nothing_is_let_go_for_what_fails() -> None:
    memo = Memo(limit=2 * 1024)
    for name in "ab":
        memo.recall(name, lambda: numbers(1))
    with pytest.raises(ZeroDivisionError):
        memo.recall("c", lambda: numbers(1 // 0))
    assert len(memo) == 2


def test_what_is_forgotten_takes_no_room() -> None:
    memo = Memo()
    for key in ("one", "other"):
        memo.recall(key, lambda: numbers(1))
    memo.forget("one")
    memo.forget("never held")
    assert (len(memo), memo.nbytes) == (1, numbers(1).nbytes)
    assert memo.recall("one", lambda: numbers(2)).nbytes == numbers(2).nbytes


def test_values_stay_in_their_process() -> None:
    memo = Memo(limit=4096)
    memo.recall("key", lambda: numbers(1))
    again = pickle.loads(pickle.dumps(memo))
    assert (len(again), again.limit) == (0, 4096)


def test_a_fingerprint_keeps_the_last_of_what_is_derived_from_it() -> None:
    fingerprint, made = Fingerprint("m", 1, "a", "a", {}), []
    for what, key in (("x", 1), ("y", 1), ("x", 1), ("x", 2), ("x", 2), ("y", 1), ("x", 1)):
        found = fingerprint.derived(what, key, lambda what=what, key=key: (made.append(what), [key])[1])
        assert found == [key]
    assert made == ["x", "y", "x", "x"]
