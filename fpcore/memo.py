"""What was computed on models, kept for the next metric or pair while memory allows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, Protocol, TypeVar, cast

__all__ = ["LIMIT", "Memo"]

LIMIT: Final = 768 << 20
"""Bytes that a memo holds unless it is told otherwise."""

FEWEST: Final = 2
"""Values kept whatever their size: a pair needs what was computed on both of its models."""


class Sized(Protocol):
    """A value that knows how much memory it takes."""

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""


S = TypeVar("S", bound=Sized)


class Memo:
    """Large values by key, up to a limit of bytes; the one that was used longest ago goes first.

    Checkpoints hold theirs in one memo of their own each, unless they are opened with one to share.

    Parameters
    ----------
    limit : int
        Bytes; the two values used last are kept even beyond it.

    Examples
    --------
    Two models that keep no more than a gibibyte together:

    >>> import fpcore
    >>> memo = fpcore.Memo(limit=1 << 30)
    >>> models = [fpcore.open_checkpoint(f"models/{name}", memo=memo) for name in ("parent", "child")]
    >>> metric = fpcore.metric("weight-cosine")
    >>> metric.similarity(*map(metric.fingerprint, models)) > 0.9
    True
    >>> len(memo), memo.nbytes < memo.limit
    (2, True)
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._values: OrderedDict[Hashable, Sized] = OrderedDict()
        self._sizes: dict[
            Hashable, int
        ] = {}  # as they were computed: to ask all for every new one takes long

    @property
    def nbytes(self) -> int:
        """Bytes that it holds now."""
        return sum(self._sizes.values())

    def __len__(self) -> int:
        return len(self._values)

    def recall(self, key: Hashable, compute: Callable[[], S], *, room: int = 0) -> S:
        """The value of a key, computed unless it is held.

        Parameters
        ----------
        key : hashable
            Names the content that the value was computed from, and what was computed.
        compute : callable
        room : int
            Bytes that the value will take, where that is known: let go before it is computed.
        """
        if key not in self._values:
            self._let_go(FEWEST - 1, self.limit - room)
            value = self._values[key] = compute()
            self._sizes[key] = value.nbytes
            self._let_go(FEWEST, self.limit)
        self._values.move_to_end(key)
        return cast(S, self._values[key])

    def forget(self, key: Hashable) -> None:
        """Let a value go that nobody will ask for soon, if it is held."""
        if self._values.pop(key, None) is not None:
            del self._sizes[key]

    def _let_go(self, fewest: int, limit: int) -> None:
        while len(self._values) > fewest and self.nbytes > limit:
            del self._sizes[self._values.popitem(last=False)[0]]

    def __getstate__(self) -> dict[str, object]:
        # Values stay in their process.
        return {"limit": self.limit, "_values": OrderedDict(), "_sizes": {}}
