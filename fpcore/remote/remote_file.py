"""One file of a repository: its bytes are fetched by range into a file with holes, and checked."""

from __future__ import annotations

import errno
import hashlib
import io
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fpcore.errors import BadCheckpoint
from fpcore.remote.addresses import same_host
from fpcore.remote.partial_file import PartialFile
from fpcore.remote.repository import Repository, RepositoryFile
from fpcore.remote.requests import Answer, CutOff, Refused, ask
from fpcore.remote.spans import Span
from fpcore.remote.traffic import Traffic

__all__ = ["RangedStream", "RemoteFile"]

WRITE: Final = 1 << 22  # bytes that are written, and noted, at a time
FIRST: Final = 1 << 16  # bytes of the first read of a header: most fit
AHEAD: Final = 1 << 22  # at most so many bytes are read ahead of a header's reader
CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
EXPIRED: Final = frozenset({400, 401, 403, 404, 410})
"""What stores answer to an address whose signature has expired."""


class RemoteFile(PartialFile):
    """A file of a repository at one commit, of which any part may be here.

    Parameters
    ----------
    repository : Repository
    file : RepositoryFile
    path : pathlib.Path
    traffic : Traffic
    whole : bool
        As for `PartialFile`.

    Attributes
    ----------
    confirmed : bool
        Whether all of it was compared here with the digest that the hub gave.
    """

    def __init__(
        self,
        repository: Repository,
        file: RepositoryFile,
        path: Path,
        traffic: Traffic,
        *,
        whole: bool = False,
    ) -> None:
        self.file, self.commit, self.traffic = file, repository.commit, traffic
        self.url = repository.address(file.name)
        self.verified = whole
        self.confirmed = False
        super().__init__(path, file.size, whole=whole)

    def _begin(self) -> None:
        try:
            super()._begin()
        except (OSError, OverflowError) as error:
            if isinstance(error, OSError) and error.errno != errno.EFBIG:
                raise
            raise BadCheckpoint(
                f"{self.url}: the hub says that it has {self.size} bytes; no file here can be that long"
            ) from error
        self._signed: str | None = None
        self._tags: dict[str, str] = {}  # who serves it → the version that was served
        self._checking = threading.Lock()

    def fetch(self, span: Span) -> None:
        """Bring a span here; it is none that is here already.

        Raises
        ------
        Refused, Unreachable
            As `ask`.
        BadCheckpoint
            The server does not serve ranges, or what it serves has changed.
        """
        begin, end = span
        at = begin

        def use(answer: Answer) -> None:
            nonlocal at
            self._check(answer, at, end)
            if not same_host(answer.url, self.url):
                self._signed = answer.url
            for content in gathered(answer.body(self.traffic, end - at)):
                self.write(at, content)
                at += len(content)
            if at < end:
                raise CutOff(f"{self.url}: the body ended {end - at} bytes early")

        def headers() -> dict[str, str]:
            return {"Range": f"bytes={at}-{end - 1}"}

        signed = self._signed
        if signed is not None:
            try:
                ask(signed, use, traffic=self.traffic, headers=headers)
                return
            except Refused as error:
                if error.status not in EXPIRED:
                    raise
                self._signed = None  # the address has expired; the hub gives another one
        ask(self.url, use, traffic=self.traffic, headers=headers)

    def _check(self, answer: Answer, begin: int, end: int) -> None:
        """See to it that these are the bytes that were asked for, of the file that was listed."""
        commit = answer.first.get("x-repo-commit")
        if commit is not None and commit != self.commit:
            raise BadCheckpoint(
                f"{self.url}: the hub serves commit {commit[:40]!r} where {self.commit} was asked for; "
                "it changed between reads; rerun"
            )
        linked = (answer.first.get("x-linked-etag") or "").strip('W/"')
        size = answer.first.get("x-linked-size")
        if (self.file.sha256 and linked and linked != self.file.sha256) or (
            size is not None and size != str(self.size)
        ):
            raise self._changed()
        tag = answer.headers.get("etag")
        if tag is not None and self._tags.setdefault(answer.url.split("/", 3)[2], tag) != tag:
            raise self._changed()
        if answer.status == 200 and (begin, end) == (0, self.size):
            return
        if answer.status != 206:
            raise BadCheckpoint(
                f"{self.url}: the server does not serve byte ranges; download the model first"
            )
        match = CONTENT_RANGE.fullmatch((answer.headers.get("content-range") or "").strip())
        if match is None or int(match[1]) != begin or int(match[2]) >= end:
            said = (answer.headers.get("content-range") or "no range")[:80]
            raise BadCheckpoint(f"{self.url}: the server sent {said!r} instead of bytes {begin}-{end - 1}")
        if match[3] not in {"*", str(self.size)}:
            raise self._changed()

    def _changed(self) -> BadCheckpoint:
        return BadCheckpoint(f"{self.url}: the file changed on the hub between reads; rerun")

    def verify(self) -> None:
        """Compare all of it with the digest that the hub gave, once; nothing where the hub gave none.

        Raises
        ------
        BadCheckpoint
            They differ: what was fetched is deleted.
        """
        with self._checking:
            if self.verified or not self.complete:
                return
            if self.file.sha256:
                right = self.sha256() == self.file.sha256
            elif self.file.blob:
                right = self._digest("sha1", f"blob {self.size}\0".encode()) == self.file.blob
            else:
                right = True
            if not right:
                self.remove()
                self._begin()
                raise BadCheckpoint(
                    f"{self.url}: its content does not match the hub's digest; fetch it again"
                )
            self.verified, self.confirmed = True, self.file.key is not None

    def sha256(self) -> str:
        """The sha256 of the content, all of which must be here."""
        return self._digest("sha256")

    def _digest(self, kind: str, prefix: bytes = b"") -> str:
        total = hashlib.new(kind, prefix, usedforsecurity=False)
        with self.path.open("rb") as stream:
            while content := stream.read(WRITE):
                total.update(content)
        return total.hexdigest()

    def __getstate__(self) -> dict[str, object]:
        passing = {"_signed", "_tags", "_checking"}
        return {key: value for key, value in super().__getstate__().items() if key not in passing}


def gathered(body: Iterator[bytes]) -> Iterator[bytes]:
    """A body in larger pieces; what came before it broke off is not lost."""
    held = bytearray()
    try:
        for chunk in body:
            held += chunk
            if len(held) >= WRITE:
                yield bytes(held)
                held.clear()
    except BadCheckpoint:
        raise
    except Exception:
        if held:
            yield bytes(held)
        raise
    if held:
        yield bytes(held)


class RangedStream(io.RawIOBase):
    """A remote file as a stream, for readers of headers: what they pass over is not fetched.

    Parameters
    ----------
    file : RemoteFile
    """

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self._at = 0
        self._last, self._ahead = -1, FIRST

    def readable(self) -> bool:  # noqa: D102
        return True

    def seekable(self) -> bool:  # noqa: D102
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:  # noqa: D102
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:  # noqa: D102
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # noqa: D102
        begin = min(self._at, self._file.size)
        end = min(begin + len(buffer), self._file.size)
        for gap in self._file.missing([(begin, end)]):
            # Who goes on where the last read ended will go on further.
            self._ahead = min(AHEAD, self._ahead * 2) if gap[0] == self._last else FIRST
            stop = min(self._file.size, max(gap[1], gap[0] + self._ahead))
            self._last = stop
            for piece in self._file.missing([(gap[0], stop)]):
                self._file.fetch(piece)
        content = self._file.read(begin, end)
        buffer[: len(content)] = content
        self._at = begin + len(content)
        return len(content)
