"""Where models are run: the processor, or a CUDA card."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["DEVICE", "NoDevice", "check_device", "current_device", "use_device"]

DEVICE: Final = "LOOKALIKE_DEVICE"
"""The environment variable that names the device: worker processes inherit it."""


class NoDevice(Exception):
    """A device that this machine does not have, in one line."""


def check_device(name: str) -> None:
    """See that this machine has a device.

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
        raise NoDevice(f"{name!r} is no device; known: cpu, cuda, cuda:0, cuda:1, …")
    if kind == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise NoDevice(f"{name}: PyTorch finds no CUDA card here; leave it out to run on the processor")
        if number and int(number) >= torch.cuda.device_count():
            raise NoDevice(f"{name}: there are {torch.cuda.device_count()} cards, counted from 0")


def use_device(name: str) -> None:
    """Run models of this process, and of those it starts from now on, on a device; errors as `check_device`.

    Rounding differs between devices and nothing else: it is no part of a metric's version.
    """
    check_device(name)
    os.environ[DEVICE] = name


def current_device() -> str:
    """The device that models are run on."""
    return os.environ.get(DEVICE) or "cpu"
