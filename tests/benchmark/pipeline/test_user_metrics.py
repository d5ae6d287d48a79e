"""A metric in a user's file is the one that the file holds now, and the same in every process of a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from counting_metric import write_metric

from benchmark.pipeline.chosen_metric import choose_from_file
from benchmark.pipeline.user_metrics import UserMetric
from benchmark.session.errors import UsageError


def test_an_edited_file_is_read_again(tmp_path: Path) -> None:
    first = choose_from_file(f"{write_metric(tmp_path)}:Counting")
    second = choose_from_file(f"{write_metric(tmp_path, version=2)}:Counting")
    assert (first.version, second.version) == (1, 2)
    assert second.load().version == 2
    # Same size and, as like as not, same second: Python's own import would take the compiled file.
    third = choose_from_file(f"{write_metric(tmp_path, version=3)}:Counting")
    assert (third.load().version, third.code().version) == (3, 3)


def test_a_file_that_is_not_edited_is_run_once(tmp_path: Path) -> None:
    spec = f"{write_metric(tmp_path)}:Counting"
    assert type(UserMetric.named(spec).load()) is type(UserMetric.named(spec).load())


def test_a_file_that_changes_under_a_run_is_refused(tmp_path: Path) -> None:
    """A worker process must not score with another metric than the one that named the cache."""
    chosen = choose_from_file(f"{write_metric(tmp_path)}:Counting")
    choose_from_file(f"{write_metric(tmp_path, version=2)}:Counting")
    with pytest.raises(UsageError, match=r"counting\.py: it changed while it was being evaluated"):
        chosen.code()
