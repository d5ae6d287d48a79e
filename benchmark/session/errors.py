"""What a user did that cannot work, said in one line."""

from __future__ import annotations

__all__ = ["UsageError"]


class UsageError(Exception):
    """Bad usage or bad input: the message says what, where and what to do; the command exits with 2."""
