"""Where in somebody's metric an exception was raised: file and line, for whoever has to mend it."""

from __future__ import annotations

import sys
import sysconfig
import traceback
from pathlib import Path
from typing import Final

import fpcore

__all__ = ["raised_at"]

HOME: Final = Path(fpcore.__file__).resolve().parents[1]
OURS: Final = tuple(HOME / name for name in ("analysis", "benchmark", "fpcore"))
LIBRARIES: Final = tuple({Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")})


def raised_at(error: BaseException, metric: fpcore.Metric) -> str:
    """The last line of the metric's own code that an exception passed through.

    Parameters
    ----------
    error : BaseException
        As it was caught.
    metric : Metric
        Whose code ran.

    Returns
    -------
    str
        ``FILE.py:LINE``, relative to the working directory where the file lies below it; empty where no line
        of the metric is in the traceback.
    """
    try:
        return _line(error, metric)
    except Exception:  # somebody's code may have made anything of its module and its frames
        return ""


def _line(error: BaseException, metric: fpcore.Metric) -> str:
    own = _folder(metric)
    lines = [
        (Path(frame.f_code.co_filename), number)
        for frame, number in traceback.walk_tb(error.__traceback__)
        if not frame.f_code.co_filename.startswith("<")
    ]
    theirs = [(path, number) for path, number in lines if _within(path, own) or not _library(path)]
    inside = [(path, number) for path, number in lines if _within(path, (HOME / "fpcore" / "metrics",))]
    for path, number in reversed(theirs or inside):
        return f"{_shown(path)}:{number}"
    return ""


def _folder(metric: fpcore.Metric) -> tuple[Path, ...]:
    """Where the code of a metric that is not ours lies."""
    file = getattr(sys.modules.get(type(metric).__module__), "__file__", None)
    folder = None if file is None else Path(file).parent
    return () if folder is None or _within(folder, OURS) else (folder,)


def _library(path: Path) -> bool:
    return _within(path, (*LIBRARIES, *OURS))


def _within(path: Path, folders: tuple[Path, ...]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _shown(path: Path) -> str:
    for folder in (Path.cwd(), HOME):
        if path.is_relative_to(folder):
            return str(path.relative_to(folder))
    return path.name
