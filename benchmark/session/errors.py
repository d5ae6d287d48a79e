"""What a user did that cannot work, said in one line."""

from __future__ import annotations

from benchmark.session.untrusted_text import printable

__all__ = ["UsageError"]


class UsageError(Exception):
    """Bad usage or bad input: the message says what, where and what to do; the command exits with 2."""

    def __str__(self) -> str:
        # Names and keys stand in it as a stranger wrote them.
        return printable(super().__str__())
