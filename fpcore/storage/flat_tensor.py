"""A tensor's numbers as one long row, any stretch of which can be read without the rest."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fpcore.storage.element_types import CARRIERS, Raw, raw_of

if TYPE_CHECKING:
    import torch

__all__ = ["ArrayRows", "DecodedTensor", "FlatTensor", "HeldTensor", "Rows", "TensorInFile"]

Rows: TypeAlias = "Callable[[int, int], torch.Tensor]"
"""From the first row to before the last one: those rows as float32."""
ArrayRows: TypeAlias = Callable[[int, int], NDArray[np.generic]]
"""The same in numpy."""


class FlatTensor(ABC):
    """The numbers of a tensor in the order of rows. Used by one thread at a time.

    Attributes
    ----------
    dtype : str
        Torch's name of the element type, one of those in `CARRIERS`.
    size : int
        How many there are.
    """

    dtype: str
    size: int

    @abstractmethod
    def read(self, start: int, stop: int) -> Raw:
        """The numbers from `start` to before `stop`; good until the next call.

        Raises
        ------
        OSError
            They cannot be read.
        """


class HeldTensor(FlatTensor):
    """A tensor in memory: its numbers as they are stored, and what type they are of."""

    def __init__(self, raw: Raw, dtype: str) -> None:
        self._raw: Raw = raw.reshape(-1)
        self.size, self.dtype = self._raw.size, dtype

    @classmethod
    def of(cls, tensor: torch.Tensor) -> HeldTensor:
        """That of a torch tensor."""
        return cls(*raw_of(tensor))

    def read(self, start: int, stop: int) -> Raw:
        """A view of them."""
        return self._raw[start:stop]


@dataclass
class TensorInFile(FlatTensor):
    """A tensor that lies in a file as it is, row by row.

    It is read into a buffer, not mapped: memory stays small, and a file that is cut short meanwhile is an
    error, not a crash.

    Attributes
    ----------
    path : pathlib.Path
    begin : int
        Its first byte.
    dtype : str
    size : int
        Elements.
    """

    path: Path
    begin: int
    dtype: str
    size: int
    _buffer: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8), init=False, repr=False)

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """The bytes of the file that hold the numbers from `start` to before `stop`."""
        width = CARRIERS[self.dtype].itemsize
        return self.begin + start * width, self.begin + stop * width

    def read(self, start: int, stop: int) -> Raw:
        """Read them into the buffer."""
        first, end = self.span(start, stop)
        count = end - first
        if self._buffer.size < count:
            self._buffer = np.empty(count, np.uint8)
        wanted = self._buffer.data[:count]
        with self.path.open("rb", buffering=0) as stream:
            stream.seek(first)
            got = 0
            while got < count:
                more = stream.readinto(wanted[got:])
                if not more:
                    raise OSError(f"{self.path} ends {count - got} bytes early")
                got += more
        raw: Raw = self._buffer[:count].view(CARRIERS[self.dtype])
        return raw


class DecodedTensor(FlatTensor):
    """A tensor stored as codes, decoded some rows of its first axis at a time.

    Parameters
    ----------
    shape : tuple of int
    rows : callable
        From the first row to before the last one: those rows as float32.
    """

    dtype = "float32"

    def __init__(self, shape: tuple[int, ...], rows: Rows | ArrayRows) -> None:
        self.size = math.prod(shape)
        self._shape = shape
        self._rows = rows
        self._width = math.prod(shape[1:])
        self._first, self._held = 0, np.empty(0, np.float32)

    def read(self, start: int, stop: int) -> Raw:
        """Decode the rows that hold them, unless that was done for the call before."""
        offset = start - self._first * self._width
        if offset < 0 or stop - self._first * self._width > self._held.size:
            self._first = start // self._width
            last = -(-stop // self._width)
            decoded = self._rows(self._first, last)
            if math.prod(decoded.shape) != (last - self._first) * self._width:
                raise ValueError(f"shape {tuple(decoded.shape)} where {self._shape} is needed")
            self._held = np.ascontiguousarray(decoded, np.float32).reshape(-1)
            offset = start - self._first * self._width
        return self._held[offset : offset + stop - start]
