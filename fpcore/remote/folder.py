"""A repository as a folder of files with holes, laid out as on the hub; several requests run at once."""

from __future__ import annotations

import hashlib
import math
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from fpcore.remote.hub_cache import cached_file, keep_file, keep_revision
from fpcore.remote.remote_file import RemoteFile
from fpcore.remote.repository import Repository
from fpcore.remote.spans import Span, coalesced, total
from fpcore.remote.traffic import Traffic

__all__ = ["Fetching", "RemoteFolder"]

PROBE: Final = 1 << 23  # bytes by which the network is timed
AT_ONCE: Final = 8  # requests; more do not fetch faster, and the hub counts them
LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Fetching:
    """What becomes of bytes that come from the hub.

    Attributes
    ----------
    folder : pathlib.Path or None
        What was fetched stays below it, so that work that broke off goes on where it was; `RemoteFolder.drop`
        deletes it. None: a temporary folder that goes with the checkpoint.
    keep : bool
        Whether files of which all was fetched go into the hub's own cache.
    log : pathlib.Path or None
        Where every process notes what it fetched, by model; `benchmark` sums it up.

    Examples
    --------
    >>> import fpcore
    >>> fpcore.Fetching(keep=True)
    Fetching(folder=None, keep=True, log=None)
    """

    folder: Path | None = None
    keep: bool = False
    log: Path | None = None


class RemoteFolder:
    """Files of a repository; what is asked for is fetched once.

    Parameters
    ----------
    repository : Repository
    fetching : Fetching

    Attributes
    ----------
    path : pathlib.Path
    traffic : Traffic
        What was fetched for it.
    """

    def __init__(self, repository: Repository, fetching: Fetching, traffic: Traffic) -> None:
        self.repository, self.fetching, self.traffic = repository, fetching, traffic
        if fetching.folder is None:
            self.path = Path(tempfile.mkdtemp(prefix="lookalike-"))
            # The files go with the last checkpoint that reads them.
            weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
        else:
            key = hashlib.sha256(f"{repository.id}@{repository.commit}".encode()).hexdigest()
            self.path = fetching.folder / key
        self._files: dict[str, RemoteFile] = {}

    def __contains__(self, name: str) -> bool:
        return name in self.repository.files

    def file(self, name: str) -> RemoteFile:
        """A file, with all its length; what is not there yet is a hole."""
        if name not in self._files:
            listed = self.repository.files[name]
            path = self.path / name
            found = cached_file(self.repository, listed)
            if found is not None and not path.is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.unlink(missing_ok=True)
                try:
                    path.symlink_to(found.resolve())
                except OSError:  # a system without links
                    path = found
            whole = found is not None and (path.is_symlink() or path == found)
            self._files[name] = RemoteFile(self.repository, listed, path, self.traffic, whole=whole)
        return self._files[name]

    def missing(self, wanted: Mapping[str, Iterable[Span]]) -> int:
        """Bytes of some spans, by file, that are not here."""
        return sum(total(self.file(name).missing(spans)) for name, spans in wanted.items())

    def fetch(
        self, wanted: Mapping[str, Iterable[Span]], told: Callable[[int, int], None] | None = None
    ) -> None:
        """Bring spans here, by file: neighbours in one request, several requests at once.

        Parameters
        ----------
        wanted : mapping of str to iterable of (int, int)
        told : callable, optional
            Told every second, while it lasts, how many bytes came, and how many there are to come in all.

        Raises
        ------
        BadCheckpoint
            As `RemoteFile.fetch` and `RemoteFile.verify`; what came before it stays.
        """
        work: list[Callable[[], None]] = []
        size = 0
        for name, spans in wanted.items():
            file = self.file(name)
            for piece in coalesced(file.missing(spans)):
                # What lies between and is here already is not fetched again.
                parts = file.missing([piece])
                work.extend(partial(file.fetch, part) for part in parts)
                size += total(parts)
        before = self.traffic.so_far.bytes

        def look() -> None:
            if told is not None:
                told(min(size, self.traffic.so_far.bytes - before), size)

        at_once(work, None if told is None else look)
        at_once([self.file(name).verify for name in wanted if self.file(name).complete])

    def measure_rate(self, wanted: Mapping[str, Iterable[Span]]) -> float:
        """Fetch the first megabytes of what is missing, several requests at once; bytes a second, or NaN."""
        left = PROBE
        work: list[Callable[[], None]] = []
        for name, spans in wanted.items():
            file = self.file(name)
            for begin, end in coalesced(file.missing(spans), longest=PROBE // AT_ONCE):
                if left > 0:
                    work.append(partial(file.fetch, (begin, min(end, begin + left))))
                    left -= min(end - begin, left)
        begun, before = time.perf_counter(), self.traffic.so_far.bytes
        at_once(work)
        fetched, spent = self.traffic.so_far.bytes - before, time.perf_counter() - begun
        return fetched / spent if fetched else math.nan

    def whole(self, *names: str) -> None:
        """Bring whole files here."""
        self.fetch({name: [(0, self.repository.files[name].size)] for name in names})

    def confirmed(self, name: str) -> bool:
        """Whether all of a file was read here and fits the hub's digest."""
        return name in self._files and self._files[name].confirmed

    def sha256(self, name: str) -> str:
        """The sha256 of a file: as the hub says, or of the content."""
        stated = self.repository.files[name].sha256
        if stated is not None:
            return stated
        self.whole(name)
        return self.file(name).sha256()

    def keep(self) -> None:
        """Move files of which all is here into the hub's own cache."""
        kept = False
        for name, file in list(self._files.items()):
            if file.whole or not file.complete or file.file.key is None:
                continue
            file.verify()  # another process may have fetched it
            place = keep_file(self.repository, file.file, file.path)
            file.journal.unlink(missing_ok=True)
            self._files[name] = RemoteFile(self.repository, file.file, place, self.traffic, whole=True)
            with suppress(OSError):
                file.path.symlink_to(place.resolve())
            kept = True
        if kept:
            keep_revision(self.repository)

    def drop(self) -> None:
        """Delete what was fetched; it is fetched again when it is asked for."""
        self._files.clear()
        shutil.rmtree(self.path, ignore_errors=True)


def at_once(work: list[Callable[[], None]], look: Callable[[], None] | None = None) -> None:
    """Do several things at once; the first that fails is told when those that began are done.

    Parameters
    ----------
    work : list of callable
    look : callable, optional
        Called every second until all is done.
    """
    if len(work) == 1 and look is None:
        work[0]()
        return
    if not work:
        return
    with ThreadPoolExecutor(min(AT_ONCE, len(work))) as pool:
        futures = [pool.submit(one) for one in work]
        try:
            while look is not None and wait(futures, LOOK_SECONDS, FIRST_EXCEPTION).not_done:
                if any(future.done() and future.exception() is not None for future in futures):
                    break
                look()
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
