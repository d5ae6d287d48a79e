"""Where models are run: the processor, or a CUDA card."""

from __future__ import annotations

import os

from fpcore.errors import NoDevice

__all__ = ["check_device", "usable_threads"]


def check_device(name: str) -> str:
    """The name of a device, if models can be run there.

    Parameters
    ----------
    name : str
        ``cpu``, ``cuda``, or one card such as ``cuda:1``.

    Raises
    ------
    NoDevice
        The name is none of these, or there is no such card.
    """
    kind, _, number = name.partition(":")
    if kind not in {"cpu", "cuda"} or (number and (kind == "cpu" or not number.isdigit())):
        raise NoDevice(f"{name!r} is not a device; known: cpu, cuda, cuda:0, cuda:1, …")
    if kind == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise NoDevice(f"{name}: PyTorch finds no CUDA device here; leave it out to run on the CPU")
        if number and int(number) >= torch.cuda.device_count():
            raise NoDevice(f"{name}: there are {torch.cuda.device_count()} CUDA devices, counted from 0")
    return name


def usable_threads() -> int:
    """As many threads as OMP_NUM_THREADS says, else one a core of this process.

    Linear algebra follows the same variable; whoever starts several processes at a time sets it for each.
    """
    stated = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if stated.isdigit() and int(stated) > 0:
        return int(stated)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
