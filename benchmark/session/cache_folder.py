"""Where the cache lies: as the user says, in the user's cache folder, or in a temporary one."""

from __future__ import annotations

import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from benchmark.session.cache import KINDS

__all__ = ["cache_folder", "usable_cache_folder"]

VARIABLE: Final = "LOOKALIKE_CACHE"
PRIVATE: Final = 0o700


def cache_folder(path: Path | str | None = None) -> Path:
    """The folder that is meant, whether it can be written or not.

    Parameters
    ----------
    path : path, optional
        Default: ``$LOOKALIKE_CACHE``, else ``lookalike`` in the user's cache folder.
    """
    named = path or os.environ.get(VARIABLE)
    if named:
        return Path(named)
    # Where a user has no home, this is a folder that cannot be made, and is treated as such.
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "lookalike"


def usable_cache_folder(path: Path | str | None = None) -> Path:
    """The folder that is meant if it can be written; else a temporary one, which is said once on stderr.

    Parameters
    ----------
    path : path, optional
        As for `cache_folder`.
    """
    meant = cache_folder(path)
    return meant if _writable(meant) else _temporary(meant)


def _writable(folder: Path) -> bool:
    """Whether files can be made in a folder and in those that the cache has there, or the folder can be."""
    if folder.is_dir():
        kept = (folder / kind for kind in KINDS)
        return all(_open_to_us(one) for one in (folder, *kept) if one.exists())
    above = folder.absolute().parent
    while not above.exists() and above != above.parent:
        above = above.parent
    return "~" not in folder.parts[:1] and not folder.exists() and _open_to_us(above)


def _open_to_us(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


@cache
def _temporary(meant: Path) -> Path:
    """One folder of this user's for all commands, so that work that was interrupted goes on."""
    found = _private(Path(tempfile.gettempdir()) / f"lookalike-{_user()}")
    folder = found or Path(tempfile.mkdtemp(prefix="lookalike-"))
    told = f"cannot write to the cache {meant}; using {folder} instead (set ${VARIABLE} to choose another)"
    print(told, file=sys.stderr, flush=True)
    # Its default lies in the same home; it would say so in lines of its own, in every process.
    os.environ.setdefault("MPLCONFIGDIR", str(folder / "matplotlib"))
    return folder


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")


def _private(folder: Path) -> Path | None:
    """The folder if it is this user's alone: where all may write, others could have put it there."""
    try:
        folder.mkdir(mode=PRIVATE, exist_ok=True)
        facts = folder.lstat()
    except OSError:
        return None
    ours = not hasattr(os, "getuid") or facts.st_uid == os.getuid()
    closed = os.name != "posix" or facts.st_mode & 0o077 == 0
    return folder if ours and closed and not folder.is_symlink() else None
