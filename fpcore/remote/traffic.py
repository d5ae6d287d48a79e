"""How many bytes were asked of the hub, in how many requests."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Fetched", "Traffic", "noted"]


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
    """A counter that several threads feed.

    Parameters
    ----------
    name : str
        Of the model.
    log : pathlib.Path, optional
        A file to which what was counted is added, so that several processes count together.
    """

    def __init__(self, name: str = "", log: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._name, self._log = name, log
        self._so_far = self._noted = Fetched()

    def add(self, *, bytes: int = 0, requests: int = 0, seconds: float = 0.0) -> None:
        """Count; time is counted at the end of a request, and then noted."""
        with self._lock:
            self._so_far += Fetched(bytes, requests, seconds)
            new = self._so_far - self._noted
            if self._log is None or not seconds:
                return
            self._noted = self._so_far
            line = json.dumps([self._name, new.bytes, new.requests, round(new.seconds, 3)])
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("a", encoding="utf-8") as stream:
                stream.write(line + "\n")

    @property
    def so_far(self) -> Fetched:
        """What was counted since it was made."""
        return self._so_far

    def __getstate__(self) -> dict[str, object]:
        return {key: value for key, value in self.__dict__.items() if key != "_lock"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()


def noted(log: Path) -> dict[str, Fetched]:
    """What several processes noted, by model."""
    found: dict[str, Fetched] = {}
    if log.is_file():
        for line in log.read_text(encoding="utf-8").splitlines():
            name, *counts = json.loads(line)
            found[name] = found.get(name, Fetched()) + Fetched(*counts)
    return found
