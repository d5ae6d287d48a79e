"""Files that are whole or absent."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.session.errors import UsageError
from benchmark.session.json_text import json_text

__all__ = ["atomic_path", "read_regular", "write_json", "write_text"]


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
        raise UsageError(f"more than {largest:,} bytes, too many for such a file")
    return content


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place only if the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; results are for others to read, as the umask says.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Write strict JSON (no NaN), keys in the order given, whole or not at all."""
    write_text(path, json_text(value) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
