"""One writer at a time in a folder; a lock ends with the process that holds it, however that ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from benchmark.session.errors import UsageError

__all__ = ["LOCK", "locked"]

LOCK: Final = ".lock"
TRIES: Final = 10
"""To lock a file that whoever had it has just removed."""


@contextmanager
def locked(folder: Path, option: str) -> Iterator[None]:
    """Be the only one who writes in a folder, which is made if it is not there.

    Parameters
    ----------
    folder : Path
    option : str
        How an error calls it, such as ``"--out"``.

    Raises
    ------
    UsageError
        Another process writes there.
    OSError
        Nothing can be written there; `filename` says where.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    handle = _taken(path, f"{option} {folder}".strip())
    try:
        yield
    finally:
        # Whoever has opened it meanwhile sees that the file is gone, and makes a new one.
        with suppress(OSError):
            path.unlink()
        os.close(handle)


def _taken(path: Path, where: str) -> int:
    for _ in range(TRIES):
        # Without following a link: what it leads to is somebody else's.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        if not _lock(handle):
            holder = os.read(handle, 20).decode(errors="replace").strip()
            os.close(handle)
            by = f" (process {holder})" if holder.isdigit() else ""
            raise UsageError(
                f"{where}: another process is writing there{by}; wait for it to finish, or use another folder"
            )
        try:
            same = os.fstat(handle).st_ino == os.stat(path, follow_symlinks=False).st_ino
        except FileNotFoundError:
            same = False
        if same:
            with suppress(OSError):  # on a full disk: it is said by whoever writes next
                os.truncate(handle, 0)
                os.write(handle, b"%d\n" % os.getpid())
            return handle
        os.close(handle)
    raise UsageError(
        f"{where}: other processes are writing there; wait for them to finish, or use another folder"
    )


def _lock(handle: int) -> bool:
    """Whether a file could be locked; the system unlocks it when it is closed, or its process ends."""
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
