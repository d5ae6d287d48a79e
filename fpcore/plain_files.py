"""Opening what strangers name: a file and nothing else, read no further than expected."""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Final

from fpcore.errors import BadCheckpoint

__all__ = ["LARGEST", "open_file", "read_file"]

LARGEST: Final = 1 << 30
"""Bytes of a file that is read whole."""


def open_file(path: Path) -> BufferedReader:
    """Open a file to be read; a pipe, a device or a socket would be read without end.

    Raises
    ------
    BadCheckpoint
        It is none, or cannot be opened.
    """
    try:
        # A pipe that nobody writes to would make opening wait.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else error
        raise BadCheckpoint(f"{path}: cannot be read: {told}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise BadCheckpoint(f"{path}: not a file (a folder, pipe, device or socket); give a file")
    return os.fdopen(handle, "rb")


def read_file(path: Path, largest: int = LARGEST) -> bytes:
    """The content of a file of no more bytes than that; errors as `open_file`."""
    with open_file(path) as stream:
        content = stream.read(largest + 1)
    if len(content) > largest:
        raise BadCheckpoint(f"{path}: more than {largest:,} bytes, too large for such a file")
    return content
