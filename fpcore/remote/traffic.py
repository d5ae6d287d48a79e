"""How many bytes were asked of the hub, in how many requests."""

from __future__ import annotations

import threading
from dataclasses import dataclass

__all__ = ["Fetched", "Traffic"]


@dataclass(frozen=True)
class Fetched:
    """What came over the network.

    Attributes
    ----------
    bytes : int
        Of bodies; headers are not counted.
    requests : int
        Answered or not, redirects included.
    seconds : float
        Sum over requests, which run several at a time.
    """

    bytes: int = 0
    requests: int = 0
    seconds: float = 0.0

    def __add__(self, other: Fetched) -> Fetched:
        return Fetched(self.bytes + other.bytes, self.requests + other.requests, self.seconds + other.seconds)

    def __sub__(self, other: Fetched) -> Fetched:
        return Fetched(self.bytes - other.bytes, self.requests - other.requests, self.seconds - other.seconds)


class Traffic:
    """A counter that several threads feed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._so_far = Fetched()

    def add(self, *, bytes: int = 0, requests: int = 0, seconds: float = 0.0) -> None:
        """Count."""
        with self._lock:
            self._so_far += Fetched(bytes, requests, seconds)

    @property
    def so_far(self) -> Fetched:
        """What was counted since it was made."""
        return self._so_far

    def __getstate__(self) -> dict[str, object]:
        return {"_so_far": self._so_far}

    def __setstate__(self, state: dict[str, Fetched]) -> None:
        self._so_far = state["_so_far"]
        self._lock = threading.Lock()
