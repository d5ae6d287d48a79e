"""A file with holes: what was fetched of it stays on disk, and a journal says what that is.

The bytes are written before the journal names them, each span with a checksum, so that work that was broken
off anywhere is taken up where it was and never mistakes a hole for zeros.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final

from fpcore.remote.spans import Span, merged, missing, total

__all__ = ["PartialFile"]

READ: Final = 1 << 20
JOURNAL: Final = ".journal"


class PartialFile:
    """A file of known size of which any part may be there.

    Parameters
    ----------
    path : pathlib.Path
        Made with all its length, as one hole, when it is not there.
    size : int
        Bytes of the whole.
    whole : bool
        It is a complete file that somebody else keeps, such as one in the hub's own cache.
    """

    def __init__(self, path: Path, size: int, *, whole: bool = False) -> None:
        self.path, self.size = path, size
        self.journal = path.with_name(path.name + JOURNAL)
        self.whole = whole
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._present: list[Span] = [(0, self.size)] if self.whole and self.size else []
        if not self.whole:
            self._take_up()

    def _take_up(self) -> None:
        """Trust of an earlier file what its journal names and its bytes confirm."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.is_file() or self.path.stat().st_size != self.size:
            self.journal.unlink(missing_ok=True)
            with self.path.open("wb") as stream:
                stream.truncate(self.size)
            return
        if not self.journal.is_file():
            return
        with self.path.open("rb") as stream:
            for line in self.journal.read_text(encoding="ascii", errors="replace").splitlines():
                words = line.split()
                if len(words) != 3 or not all(word.isdigit() for word in words):
                    continue  # the last line of a process that died while it wrote
                begin, end, checksum = map(int, words)
                if 0 <= begin < end <= self.size and checksum_of(stream, begin, end) == checksum:
                    self._present.append((begin, end))
        self._present = merged(self._present)

    @property
    def present(self) -> list[Span]:
        """What is there, in order."""
        with self._lock:
            return list(self._present)

    @property
    def complete(self) -> bool:
        """Whether all of it is there."""
        return total(self.present) == self.size

    def missing(self, wanted: Iterable[Span]) -> list[Span]:
        """What of some spans is not there."""
        return missing(wanted, self.present)

    def write(self, begin: int, content: bytes) -> None:
        """Put bytes into their place."""
        if not content:
            return
        with self.path.open("r+b", buffering=0) as stream:
            stream.seek(begin)
            view = memoryview(content)
            while view:
                view = view[stream.write(view) :]
        end = begin + len(content)
        with self._lock, self.journal.open("a", encoding="ascii") as journal:
            journal.write(f"{begin} {end} {zlib.crc32(content)}\n")
            self._present = merged([*self._present, (begin, end)])

    def read(self, begin: int, end: int) -> bytes:
        """Bytes that are there.

        Raises
        ------
        ValueError
            Some are not.
        """
        if self.missing([(begin, end)]):
            raise ValueError(f"{self.path}: bytes {begin} to {end} are incomplete")
        with self.path.open("rb") as stream:
            stream.seek(begin)
            return stream.read(end - begin)

    def remove(self) -> None:
        """Delete it."""
        self.journal.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def __getstate__(self) -> dict[str, object]:
        return {key: value for key, value in self.__dict__.items() if key not in {"_lock", "_present"}}

    def __setstate__(self, state: dict[str, object]) -> None:
        # Another process looks for itself: it may be on another machine.
        self.__dict__.update(state)
        self._begin()


def checksum_of(stream: BinaryIO, begin: int, end: int) -> int:
    """The checksum of a span of a file."""
    stream.seek(begin)
    checksum = 0
    for start in range(begin, end, READ):
        checksum = zlib.crc32(stream.read(min(READ, end - start)), checksum)
    return checksum
