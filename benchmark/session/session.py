"""What a verb works with: cache, device, processes and progress, decided once and passed down."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmark.session.cache import DEFAULT_LIMIT, Cache, byte_size
from benchmark.session.cache_folder import usable_cache_folder
from benchmark.session.errors import UsageError
from benchmark.session.progress import Reporter

__all__ = ["Session", "default_workers"]

CACHE_LIMIT: Final = "LOOKALIKE_CACHE_LIMIT"
DEVICE: Final = "LOOKALIKE_DEVICE"


@dataclass(frozen=True)
class Session:
    """The surroundings of one piece of work. Nothing below reads the environment or keeps state beside it.

    Attributes
    ----------
    cache : Cache
        Where work that is done is kept.
    device : str
        Where metrics that run models run them: ``cpu``, ``cuda``, ``cuda:1``, …
    workers : int
        Processes; no result depends on it.
    progress : Reporter
        Where it says how far it is.
    dask : str or None
        Address of the scheduler of a Dask cluster that does the work instead of processes of this machine.
    """

    cache: Cache
    device: str
    workers: int
    progress: Reporter
    dask: str | None = None

    @classmethod
    def start(
        cls,
        *,
        cache: Path | str | None = None,
        cache_limit: int | str | None = None,
        device: str | None = None,
        workers: int | None = None,
        quiet: bool = True,
        dask: str | None = None,
    ) -> Session:
        """Fill in what is not said, from the environment and the machine.

        Parameters
        ----------
        cache : path, optional
            Default: ``$LOOKALIKE_CACHE``, else ``lookalike`` in the user's cache folder. Where that cannot be
            written, a temporary one, and a line on stderr says so.
        cache_limit : int or str, optional
            Bytes, or a size such as ``"10GB"``, kept from one run to the next. Default:
            ``$LOOKALIKE_CACHE_LIMIT``, else 10 GB.
        device : str, optional
            Default: ``$LOOKALIKE_DEVICE``, else ``cpu``.
        workers : int, optional
            Default: one a core that this process may use.
        quiet : bool
            No progress on stderr.
        dask : str, optional
            Address of a scheduler; it is not asked before there is work.

        Raises
        ------
        UsageError
            A device that this machine does not have, a size that is none, or less than one worker.

        Examples
        --------
        >>> Session.start(cache="somewhere", cache_limit="1GB", workers=2).cache.limit
        1000000000
        """
        if workers is not None and workers < 1:
            raise UsageError(f"workers: {workers} is less than 1")
        return cls(
            Cache(usable_cache_folder(cache), _cache_limit(cache_limit)),
            _device(device),
            default_workers() if workers is None else workers,
            Reporter(quiet=quiet),
            dask,
        )


def _cache_limit(limit: int | str | None) -> int:
    if isinstance(limit, int):
        return limit
    if limit is not None:
        return byte_size(limit, "cache_limit")
    stated = os.environ.get(CACHE_LIMIT)
    return byte_size(stated, f"${CACHE_LIMIT}") if stated else DEFAULT_LIMIT


def _device(device: str | None) -> str:
    name, source = (device, "--device") if device else (os.environ.get(DEVICE) or "cpu", f"${DEVICE}")
    if name != "cpu":  # looking for a card imports torch
        from fpcore.device import check_device
        from fpcore.errors import NoDevice

        try:
            check_device(name)
        except NoDevice as error:
            raise UsageError(f"{source} {error}") from error
    return name


def default_workers() -> int:
    """As many processes as this one may use cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
