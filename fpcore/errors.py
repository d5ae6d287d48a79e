"""What can go wrong with a checkpoint or a pair, each with one clear line for people."""

from __future__ import annotations

__all__ = ["BadCheckpoint", "NoDevice", "NotComparable", "UnknownTensor"]


class BadCheckpoint(Exception):
    """A checkpoint that cannot be used: what is wrong, where, and what to do, in one line."""


class UnknownTensor(BadCheckpoint):
    """A tensor name that the architecture's table does not know; the message names both."""


class NoDevice(Exception):
    """A device that this machine does not have, in one line."""


class NotComparable(Exception):
    """A metric is not defined for this model or pair: it abstains.

    Attributes
    ----------
    reason : str
        Why, in words a report can print.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
