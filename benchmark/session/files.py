"""Files that are whole or absent; what cannot be written is an error that names its file."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmark.session.errors import UsageError
from benchmark.session.json_text import json_text

__all__ = ["atomic_path", "read_regular", "write_bytes", "write_json", "write_text"]

TRIES: Final = 3
"""To make a file in a folder that another process may be removing, because it was empty."""
NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def read_regular(path: Path, largest: int) -> bytes:
    """The content of a file, and of nothing else: a pipe or a device would be read without end.

    Raises
    ------
    UsageError
        It is no file, or has more bytes than `largest`.
    OSError
        It cannot be opened or read.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise UsageError("not a file (a folder, pipe, device or socket); give a file")
        content = stream.read(largest + 1)
    if len(content) > largest:
        raise UsageError(f"more than {largest:,} bytes, too large for such a file")
    return content


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place only if the block ends well.

    A symbolic link of that name is replaced, not written through.

    Raises
    ------
    OSError
        It cannot be written, such as on a full disk; `filename` is that of `path`.
    """
    with _atomic_file(path) as (handle, temporary):
        os.close(handle)
        yield temporary


@contextmanager
def _atomic_file(path: Path) -> Iterator[tuple[int, Path]]:
    """The same, open to be written; whoever takes it closes it."""
    temporary: Path | None = None
    try:
        handle, temporary = _temporary(path)
        yield handle, temporary
        os.replace(temporary, path)
    except BaseException as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _of_file(error, path, temporary) from error
        raise


def _temporary(path: Path) -> tuple[int, Path]:
    """A new file beside `path`, for others to read as the umask says; its folder is made if need be."""
    for again in range(TRIES, 0, -1):
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            return os.open(temporary, NEW, 0o666), temporary
        except FileNotFoundError:
            if again == 1:
                raise
            path.parent.mkdir(parents=True, exist_ok=True)
    raise AssertionError("the last try returns or raises")


def _of_file(error: OSError, path: Path, temporary: Path | None) -> OSError:
    """An error of writing, with the name that users know; one of another file stays as it is."""
    ours = {None, str(path), str(path.parent), *(() if temporary is None else (str(temporary),))}
    named = None if error.filename is None else os.fsdecode(error.filename)
    if named not in ours and temporary is not None:
        return error
    told = os.strerror(error.errno) if error.errno else " ".join(str(error).split()) or type(error).__name__
    return OSError(error.errno or 0, told, str(path))


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes, whole or not at all."""
    # A cold cache takes thousands of files: one call to open, write, close and rename each, and no more.
    with _atomic_file(path) as (handle, _):
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(handle, left) :]
        finally:
            os.close(handle)


def write_json(path: Path, value: object) -> None:
    """Write strict JSON (no NaN), keys in the order given, whole or not at all."""
    write_text(path, json_text(value) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))
