"""When a request that failed is tried again, and how long is waited before it."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

__all__ = ["LONGEST_WAIT", "PASSING", "TRIES", "passing", "pause", "wait_asked", "wait_before"]

TRIES: Final = 6
PASSING: Final = frozenset({408, 425, 429})
"""Statuses that may be others in a moment, beside those of the server's own faults."""
LONGEST_WAIT: Final = 320.0
"""Seconds: the hub counts requests over windows of five minutes, so that no honest wait is longer."""
LONGEST_BACKOFF: Final = 30.0

# RateLimit: "resolvers";r=0;t=55 (an IETF draft, which the hub follows).
RESET: Final = re.compile(r";\s*t=(\d+)")


def passing(status: int) -> bool:
    """Whether a status may be another in a moment: every fault of the server's, and some others.

    Examples
    --------
    >>> [status for status in (200, 403, 404, 429, 500, 503, 520) if passing(status)]
    [429, 500, 503, 520]
    """
    return status in PASSING or status >= 500


def wait_asked(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait: Retry-After (seconds or a date), or its RateLimit's reset.

    Examples
    --------
    >>> wait_asked({"retry-after": "7"}), wait_asked({"ratelimit": '"api";r=0;t=55'}), wait_asked({})
    (7.0, 55.0, None)
    """
    stated = (headers.get("retry-after") or "").strip()
    # Twelve digits and more are no time: the cap is what counts then.
    if re.fullmatch(r"\d+(\.\d+)?", stated):
        return float(stated[:12])
    if stated:
        try:
            date = parsedate_to_datetime(stated)
        except (TypeError, ValueError):
            date = None
        if date is not None:
            return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
    match = RESET.search(headers.get("ratelimit") or "")
    return float(match[1][:12]) if match else None


def wait_before(attempt: int, asked: float | None) -> float | None:
    """Seconds before an attempt (the second is 1); None where the server asks for more than any window.

    Without a wish of the server it doubles from half a second, each time with a random part so that many
    readers do not come back together.

    Examples
    --------
    >>> wait_before(1, 3.0), wait_before(1, 1e9)
    (3.0, None)
    """
    if asked is not None:
        return asked if asked <= LONGEST_WAIT else None
    return float(min(LONGEST_BACKOFF, 0.5 * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0))


def pause(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)
