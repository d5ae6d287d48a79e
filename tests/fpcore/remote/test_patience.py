"""How long a server may make a reader wait."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from fpcore.remote.patience import (
    LONGEST_BACKOFF,
    LONGEST_WAIT,
    TRIES,
    passing,
    pause,
    wait_asked,
    wait_before,
)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": " 12 "}, 12.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"ratelimit": '"resolvers";r=0;t=55'}, 55.0),
        ({"retry-after": "3", "ratelimit": '"api";r=0;t=55'}, 3.0),
        ({"retry-after": "9" * 5000}, float("9" * 12)),
        ({"ratelimit": f'"api";r=0; t={"8" * 5000}'}, float("8" * 12)),
        ({"retry-after": "soon", "ratelimit": '"api";r=0;t=55'}, 55.0),
    ],
)
def test_what_servers_ask(headers: dict[str, str], seconds: float | None) -> None:
    assert wait_asked(headers) == seconds


def test_a_date_is_a_wait_from_now() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=40), usegmt=True)
    assert 30 < (wait_asked({"retry-after": later}) or 0) <= 40
    assert wait_asked({"retry-after": past}) == 0


def test_a_date_without_a_zone_is_that_of_the_world() -> None:
    later = format_datetime(datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=40))
    assert later.endswith("-0000")
    assert 30 < (wait_asked({"retry-after": later}) or 0) <= 40


def test_statuses_that_pass() -> None:
    assert {status for status in range(100, 501) if passing(status)} == {408, 425, 429, 500}


def test_waits_double_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[tuple[float, float]] = []
    monkeypatch.setattr(random, "uniform", lambda *share: (shares.append(share), 1.0)[1])
    assert [wait_before(attempt, None) for attempt in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert set(shares) == {(0.5, 1.0)}
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    pause(1.5)
    assert slept == [1.5]


def test_waits_are_bounded() -> None:
    assert wait_before(1, LONGEST_WAIT) == LONGEST_WAIT
    assert wait_before(1, LONGEST_WAIT + 1) is None
    waits = [[wait_before(attempt, None) or 0.0 for _ in range(50)] for attempt in range(1, 40)]
    assert all(0 < wait <= LONGEST_BACKOFF for some in waits for wait in some)
    assert max(waits[0]) < min(waits[4]), "later attempts wait longer"
    assert sum(max(some) for some in waits[: TRIES - 1]) < 60
