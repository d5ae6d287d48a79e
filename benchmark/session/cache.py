"""The cache: fingerprints, scores, results, figures and calibrations by content, bounded in size."""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmark.session.cache_entry import BadEntry, opened, sealed
from benchmark.session.errors import UsageError
from benchmark.session.files import write_bytes

__all__ = ["DEFAULT_LIMIT", "KINDS", "TRIM_EVERY", "Cache", "CacheInfo", "Contents", "byte_size"]

KINDS: Final = ("fingerprints", "scores", "results", "figures", "calibrations", "pieces", "trials")
DEFAULT_LIMIT: Final = 10 * 10**9
"""Bytes kept from one run to the next."""
#: Every file is named by a digest: nothing else in the folder is counted or deleted.
KEY: Final = re.compile(r"\.?[0-9a-f]{32,64}\.\S+")
#: Parts of models on the hub are kept in one folder a model, named by a digest, too.
FOLDER: Final = re.compile(r"[0-9a-f]{64}")
UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
TRIM_EVERY: Final = 3600.0
"""Seconds between two times that commands which keep little trim the cache."""
TRIMMED: Final = "trimmed"
"""Name of an empty file: it is as old as the last time that the cache was trimmed."""
LIVE_SECONDS: Final = 24 * 3600
"""A temporary file younger than this may belong to a run at work."""
BAD_NAMED: Final = 5
"""Bad entries that are named; of more it is only said that there are more."""


@dataclass(frozen=True)
class Contents:
    """What a cache holds of one kind.

    Attributes
    ----------
    files, bytes : int
    """

    files: int
    bytes: int


@dataclass(frozen=True)
class CacheInfo:
    """What a cache holds.

    Attributes
    ----------
    path : Path
    limit : int
        Bytes kept from one run to the next.
    kinds : dict of str to Contents
        By the names in `KINDS`.
    """

    path: Path
    limit: int
    kinds: dict[str, Contents]

    @property
    def files(self) -> int:
        """Files of all kinds."""
        return sum(one.files for one in self.kinds.values())

    @property
    def bytes(self) -> int:
        """Bytes of all kinds."""
        return sum(one.bytes for one in self.kinds.values())


@dataclass(frozen=True)
class Cached:
    """One file of a cache, as it was seen."""

    path: Path
    kind: str
    bytes: int
    used: float

    def remove(self) -> None:
        """Delete it."""
        if self.kind == "pieces":
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            self.path.unlink(missing_ok=True)

    @property
    def live(self) -> bool:
        """Whether it may be the unfinished file of a run at work."""
        if self.kind == "pieces":
            return time.time() - self.used < LIVE_SECONDS
        return self.path.name.startswith(".") and time.time() - self.used < LIVE_SECONDS


@dataclass(frozen=True)
class Cache:
    """Where work that is done is kept, by content: what decides a file is digested into its name.

    Whatever is deleted from it is computed again, to the same bytes. So is what is not as it was written:
    each file carries a digest of its content and of its name, and one that does not fit is not believed.

    Parameters
    ----------
    path : Path
        A folder; made when something is first kept in it.
    limit : int
        Bytes that `trim` leaves.
    """

    path: Path
    limit: int = DEFAULT_LIMIT
    _bad: set[Path] = field(default_factory=set, init=False, repr=False, compare=False)

    def read(self, path: Path) -> bytes | None:
        """What an entry holds; None where there is none, or none that can be believed, which is said.

        Parameters
        ----------
        path : Path
            In one of the folders of this cache.
        """
        try:
            held = opened(path.relative_to(self.path).as_posix(), path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (BadEntry, OSError) as error:
            self.distrust(path, error)
            return None
        self.used(path)
        return held

    def write(self, path: Path, content: bytes) -> None:
        """Keep something, with the digest by which it is believed; parameters as for `read`."""
        write_bytes(path, sealed(path.relative_to(self.path).as_posix(), content))

    def accept(self, name: str, entry: bytes) -> None:
        """Take an entry that another cache has written, such as that of a cluster's worker, if it is one.

        Parameters
        ----------
        name : str
            Its place below the folder of a cache.
        entry : bytes
            The whole file.
        """
        path = self.path / name
        try:
            parts = name.split("/")
            if parts[0] not in KINDS or ".." in parts or not KEY.fullmatch(parts[-1]):
                raise BadEntry("not a valid entry name")
            opened(name, entry)
        except BadEntry as error:
            self.distrust(path, error)
        else:
            write_bytes(path, entry)

    def distrust(self, path: Path, why: Exception) -> None:
        """Say, once, that an entry is not believed, and that what it held is computed again."""
        if path in self._bad or len(self._bad) > BAD_NAMED:
            return
        self._bad.add(path)
        told = (
            f"cache: {path}: {getattr(why, 'strerror', None) or why}; recomputing it"
            if len(self._bad) <= BAD_NAMED
            else "cache: more entries are damaged; recomputing them"
        )
        print(told, file=sys.stderr, flush=True)

    @property
    def fingerprints(self) -> Path:
        """Folder of fingerprints: metric and version, then the model's digest."""
        return self.path / "fingerprints"

    @property
    def scores(self) -> Path:
        """Folder of scores: metric and version, then the digest of what was compared."""
        return self.path / "scores"

    @property
    def results(self) -> Path:
        """Folder of statistical results."""
        return self.path / "results"

    @property
    def figures(self) -> Path:
        """Folder of drawn figures."""
        return self.path / "figures"

    @property
    def calibrations(self) -> Path:
        """Folder of what `compare` knows of a run: fits and verdicts without some lineages."""
        return self.path / "calibrations"

    @property
    def pieces(self) -> Path:
        """Folder of what was fetched from the hub for work that is not done yet: one folder a model."""
        return self.path / "pieces"

    def used(self, path: Path) -> None:
        """Note that a file was of use: `trim` drops what was not for longest."""
        try:
            # The time of change stays: it says when the work was done.
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
        except OSError:
            return  # another run has just dropped it, or nothing may be written here: it serves all the same

    def info(self) -> CacheInfo:
        """Count what the cache holds."""
        found = list(self._files())
        kinds = {
            kind: Contents(
                sum(one.kind == kind for one in found), sum(one.bytes for one in found if one.kind == kind)
            )
            for kind in KINDS
        }
        return CacheInfo(self.path, self.limit, kinds)

    def clear(self) -> CacheInfo:
        """Delete all that the cache holds, and nothing else.

        Returns
        -------
        CacheInfo
            What was deleted.
        """
        before = self.info()
        for one in self._files():
            one.remove()
        self._remove_empty_folders()
        return before

    def trim(self, every: float = 0.0) -> int:
        """Delete what was used longest ago until no more than `limit` bytes are left.

        Parameters
        ----------
        every : float
            Seconds: nothing is done, and nothing counted, if that was done less long ago. Counting many
            thousands of files takes a second, which a command that keeps little should not spend each time.

        Returns
        -------
        int
            Bytes deleted.
        """
        if every and self._trimmed_for() < every:
            return 0
        found = sorted((one for one in self._files() if not one.live), key=lambda one: one.used)
        over = sum(one.bytes for one in found) - self.limit
        deleted = 0
        for one in found:
            if deleted >= over:
                break
            one.remove()
            deleted += one.bytes
        if deleted:
            self._remove_empty_folders()
        if self.path.is_dir():
            with contextlib.suppress(OSError):  # not ours to write: it is counted again next time
                (self.path / TRIMMED).touch()
        return deleted

    def _trimmed_for(self) -> float:
        """Seconds since this cache was last trimmed."""
        try:
            return time.time() - (self.path / TRIMMED).stat().st_mtime
        except FileNotFoundError:
            return math.inf

    def _files(self) -> Iterator[Cached]:
        yield from self._folders()
        for kind in set(KINDS) - {"pieces"}:
            for folder, _, names in os.walk(self.path / kind):
                for name in filter(KEY.fullmatch, names):
                    path = Path(folder) / name
                    try:
                        facts = path.stat()
                    except FileNotFoundError:
                        continue  # dropped by another run meanwhile
                    yield Cached(path, kind, facts.st_size, max(facts.st_atime, facts.st_mtime))

    def _folders(self) -> Iterator[Cached]:
        """Parts of models: a folder each, in which files have holes that take no room."""
        found = [path for path in self.pieces.glob("*") if FOLDER.fullmatch(path.name)]
        for folder in sorted(found):
            taken, used = 0, 0.0
            for path in folder.rglob("*"):
                try:
                    facts = path.lstat()
                except FileNotFoundError:
                    continue
                taken += getattr(facts, "st_blocks", -(-facts.st_size // 512)) * 512
                used = max(used, facts.st_mtime)
            yield Cached(folder, "pieces", taken, used)

    def _remove_empty_folders(self) -> None:
        for kind in KINDS:
            for folder, _, _ in os.walk(self.path / kind, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    continue  # not empty


def byte_size(text: str, name: str) -> int:
    """Read a number of bytes, such as ``10GB``, ``500 MB`` or ``1000000``.

    Parameters
    ----------
    text : str
    name : str
        What an error calls it.

    Raises
    ------
    UsageError
        It is none.

    Examples
    --------
    >>> byte_size("2.5 GB", "limit")
    2500000000
    """
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)B?\s*", text, flags=re.IGNORECASE)
    if match is None:
        raise UsageError(f"{name}: {text!r} is not a size; write it as 10GB, 500MB or 1000000")
    return int(float(match[1]) * UNITS[match[2].upper()])
