"""Numbers as they are stored → float32 or float64 in numpy, also those that numpy has no type for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

__all__ = ["CARRIERS", "MINIFLOATS", "Minifloat", "Raw", "Real", "raw_of", "real_numbers"]

Raw: TypeAlias = "NDArray[np.float64] | NDArray[np.float32] | NDArray[np.uint16] | NDArray[np.uint8]"
"""Stored numbers: floats, or the bits of those that numpy has no type for."""
Real: TypeAlias = "NDArray[np.float64] | NDArray[np.float32]"


@dataclass(frozen=True)
class Minifloat:
    """A binary float of 8 or 16 bits: sign, exponent, fraction.

    Attributes
    ----------
    bits, exponent, bias : int
        Its length, that of its exponent, and what the exponent counts from.
    largest : int
        The largest finite number, as bits without the sign; what is above is infinite or NaN.
    infinity : int
        Infinity as bits; 0 where there is none.
    unsigned_zero : bool
        Whether minus zero means NaN.
    """

    bits: int
    exponent: int
    bias: int
    largest: int
    infinity: int = 0
    unsigned_zero: bool = False

    @property
    def carrier(self) -> type[np.uint8] | type[np.uint16]:
        """The integers that hold its bits."""
        return np.uint8 if self.bits == 8 else np.uint16

    @property
    def sign(self) -> int:
        """The sign bit."""
        return 1 << (self.bits - 1)

    @property
    def shift(self) -> int:
        """How far its exponent lies beside that of float32, once its first bit is the first of 32."""
        return 8 - self.exponent

    @property
    def kept(self) -> int:
        """Bits of 32 that are its own after that shift."""
        own = ((1 << (self.bits - 1)) - 1) << (32 - self.bits - self.shift)
        return 0x80000000 | own

    @property
    def scale(self) -> np.float32:
        """What float32 numbers of such exponents are multiplied by: exact, also for its subnormal numbers."""
        return np.float32(2.0 ** (127 - self.bias))

    @cached_property
    def table(self) -> NDArray[np.float32]:
        """The number of each of its codes."""
        codes = np.arange(1 << self.bits, dtype=np.uint32) << np.uint32(32 - self.bits)
        moved = (codes.view(np.int32) >> self.shift).view(np.uint32) & np.uint32(self.kept)
        with np.errstate(invalid="ignore", over="ignore"):  # infinities and NaN are put in below
            values = moved.view(np.float32) * self.scale
        beyond = np.arange(1 << self.bits) & (self.sign - 1)
        values[beyond > self.largest] = np.nan
        if self.infinity:
            values[[self.infinity, self.infinity | self.sign]] = np.inf, -np.inf
        if self.unsigned_zero:
            values[self.sign] = np.nan
        return values


MINIFLOATS: Final = {
    "bfloat16": Minifloat(16, 8, 127, 0x7F7F, 0x7F80),
    "float16": Minifloat(16, 5, 15, 0x7BFF, 0x7C00),
    "float8_e4m3fn": Minifloat(8, 4, 7, 0x7E),
    "float8_e5m2": Minifloat(8, 5, 15, 0x7B, 0x7C),
    "float8_e4m3fnuz": Minifloat(8, 4, 8, 0x7F, unsigned_zero=True),
    "float8_e5m2fnuz": Minifloat(8, 5, 16, 0x7F, unsigned_zero=True),
}

CARRIERS: Final[dict[str, np.dtype[np.generic]]] = {
    "float64": np.dtype("<f8"),
    "float32": np.dtype("<f4"),
    **{name: np.dtype(kind.carrier).newbyteorder("<") for name, kind in MINIFLOATS.items()},
}
"""Torch's name of an element type → numpy's type that holds it in files."""


def real_numbers(raw: Raw, dtype: str) -> Real:
    """Stored numbers in their order: float64 as they are, all others as float32 (exact).

    Parameters
    ----------
    raw : ndarray
        As `CARRIERS` says.
    dtype : str
        Torch's name of the element type.

    Examples
    --------
    >>> real_numbers(np.array([0x3F80, 0xC000], dtype=np.uint16), "bfloat16")
    array([ 1., -2.], dtype=float32)
    """
    kind = MINIFLOATS.get(dtype)
    if kind is None:
        return cast(Real, raw)
    if dtype == "bfloat16":  # the first half of a float32
        return (raw.astype(np.uint32) << np.uint32(16)).view(np.float32)
    values: NDArray[np.float32] = kind.table[raw]
    return values


def raw_of(tensor: torch.Tensor) -> tuple[Raw, str]:
    """The numbers of a tensor as they are stored, and the name of their type; what is no float as float32."""
    import torch

    name = str(tensor.dtype).removeprefix("torch.")
    if name not in CARRIERS:
        tensor, name = tensor.float(), "float32"
    tensor = tensor.detach().cpu().contiguous()
    if name in MINIFLOATS:
        tensor = tensor.view(torch.uint8 if MINIFLOATS[name].bits == 8 else torch.uint16)
    return tensor.numpy(), name
