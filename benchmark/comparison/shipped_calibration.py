"""The calibration that the package holds: a run of its zoo, taken where a user names no other."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from benchmark.comparison.calibration_run import CalibrationRun
from benchmark.session.cache import Cache

__all__ = ["SHIPPED", "open_calibration", "shipped_calibration"]

SHIPPED: Final = "shipped"
"""Names it wherever a run is asked for."""


def shipped_calibration() -> Path:
    """Path of the shipped calibration, a run directory without its report.

    Examples
    --------
    >>> sorted(path.name for path in shipped_calibration().iterdir())
    ['results.json', 'run.json', 'scores.parquet']
    """
    return Path(__file__).parents[1] / "calibrations" / "zoo"


def open_calibration(named: Path | str, cache: Cache | None = None) -> CalibrationRun:
    """Open the calibration that a user means.

    Parameters
    ----------
    named : path or "shipped"
        A run directory; "shipped" is the package's own, unless a directory here has that name.
    cache : Cache, optional
        As for `CalibrationRun`.

    Raises
    ------
    UsageError
        Not the directory of a finished run, or of another schema.
    """
    if str(named) == SHIPPED and not Path(named).exists():
        return CalibrationRun(shipped_calibration(), cache, shipped=True)
    return CalibrationRun(named, cache)
