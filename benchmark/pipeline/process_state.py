"""The one thing that a process which works for others keeps from unit to unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar, cast, runtime_checkable

__all__ = ["Closing", "in_process"]

State = TypeVar("State")


@runtime_checkable
class Closing(Protocol):
    """What units share, where it holds what must be let go, such as processes."""

    def close(self) -> None:
        """It is used no more."""


# What the units of the engine at work share. A process that joblib or a cluster started has no other place
# for it. It belongs to that engine, by its token, and goes when a unit of another one comes; the process of
# the user never holds any.
_shared: tuple[str, object] | None = None


def in_process(token: str, start: Callable[[], State]) -> State:
    """What units share in this process, made when the first unit of an engine comes.

    Parameters
    ----------
    token : str
        Of the engine.
    start : callable
        Makes it.
    """
    global _shared
    if _shared is None or _shared[0] != token:
        last, _shared = _shared, None
        if last is not None and isinstance(last[1], Closing):
            last[1].close()
        _shared = (token, start())
    return cast(State, _shared[1])
