"""How a command ends: its exit codes, and the one line that an error is to a user."""

from __future__ import annotations

import errno
import sys
from typing import Final

from benchmark.session.untrusted_text import printable

__all__ = ["BAD_INPUT", "CRASHED", "GATE_FAILED", "INTERRUPTED", "UNIT_FAILED", "crash_message", "message"]

UNIT_FAILED, BAD_INPUT, GATE_FAILED, INTERRUPTED = 1, 2, 3, 130
CRASHED = 70
"""A fault of this program (EX_SOFTWARE of BSD's sysexits): no script takes it for a unit that failed."""

#: Of a disk that takes no more.
NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)

#: Errors whose text was written for users, by package: nothing is imported to look for them.
FOR_USERS: Final = (
    ("benchmark.session.errors", "UsageError"),
    ("benchmark.catalog", "CatalogError"),
    ("analysis", "BadTable"),
    ("fpcore", "BadCheckpoint"),
    ("fpcore.errors", "BadPlugin"),
)


def message(error: Exception) -> str | None:
    """What to tell the user; None where the error is ours and its traceback should be seen."""
    if _for_users(error):
        return printable(f"error: {error}")
    if isinstance(error, OSError) and error.filename is not None:
        return printable(f"error: {error.filename}: {error.strerror or error}")
    if isinstance(error, OSError) and error.errno in NO_ROOM:  # such as of a library, or of stdout
        return f"error: {error.strerror or error}"
    return _of_the_parser(error)


def crash_message(error: Exception) -> str:
    """What to tell the user behind the traceback of a fault of ours."""
    what = "out of memory" if isinstance(error, MemoryError) else type(error).__name__
    return (
        f"error: internal error in lookalike ({what}); finished work is kept; please report it with "
        "the traceback above"
    )


def _for_users(error: Exception) -> bool:
    homes = ((sys.modules.get(home), name) for home, name in FOR_USERS)
    return any(home is not None and isinstance(error, getattr(home, name)) for home, name in homes)


def _of_the_parser(error: Exception) -> str | None:
    """A verb or an option is wrong, as the command-line library says it, on one line."""
    told = getattr(error, "format_message", None)
    if told is None:
        return None
    if type(error).__name__ == "NoArgsIsHelpError":
        return str(told())
    typed = getattr(getattr(error, "ctx", None), "command_path", None)
    where = f" ({typed} --help)" if typed else ""
    return printable(f"error: {' '.join(str(told()).split()).rstrip('.')}{where}")
