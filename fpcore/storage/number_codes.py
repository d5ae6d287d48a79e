"""Small number formats as torch has no arithmetic for: 4-bit floats, powers of two, packed integers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import torch

__all__ = [
    "as_bytes",
    "nibbles",
    "positive",
    "scale_values",
    "unpack_fp4",
    "unpack_fp6",
    "unpack_integers",
]

# Values of the sixteen codes of the 4-bit float E2M1 (one sign, two exponent and one fraction bit), from the
# Open Compute Project's "Microscaling Formats" specification 1.0.
E2M1: Final = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0)


def as_bytes(packed: torch.Tensor) -> torch.Tensor:
    """The bytes of a tensor, whatever type they are carried in; the last axis grows by the type's size."""
    import torch

    return packed.contiguous().view(torch.uint8)


def nibbles(packed: torch.Tensor, *, high_first: bool = False) -> torch.Tensor:
    """Both halves of every byte, one after the other along the last axis."""
    import torch

    low, high = packed & 15, packed >> 4
    pair = (high, low) if high_first else (low, high)
    return torch.stack(pair, dim=-1).flatten(-2)


def unpack_fp4(packed: torch.Tensor) -> torch.Tensor:
    """Two E2M1 numbers a byte, the low half first → float32, twice as wide."""
    import torch

    return torch.tensor(E2M1)[nibbles(as_bytes(packed)).int()]


def unpack_fp6(packed: torch.Tensor) -> torch.Tensor:
    """Four E2M3 numbers (sign, two bits of exponent, three of fraction) in three bytes, lowest bits first."""
    import torch

    three = as_bytes(packed).int()
    low, middle, high = three.reshape(*three.shape[:-1], -1, 3).unbind(-1)
    word = low | middle << 8 | high << 16
    codes = torch.stack([word >> shift & 63 for shift in (0, 6, 12, 18)], dim=-1).flatten(-2)
    exponent, fraction = codes >> 3 & 3, (codes & 7) / 8
    size = torch.where(exponent > 0, torch.ldexp(1 + fraction, exponent - 1), fraction)
    return torch.where(codes >= 32, -size, size)


def scale_values(scale: torch.Tensor) -> torch.Tensor:
    """A tensor of scales as float32; bytes are exponents of two with a bias of 127."""
    import torch

    if scale.dtype == torch.uint8:
        return torch.ldexp(torch.ones(scale.shape), scale.int() - 127)
    return scale.float()


def positive(words: torch.Tensor) -> torch.Tensor:
    """Words of 32 bits as non-negative numbers."""
    return words.long() & 0xFFFFFFFF


def unpack_integers(words: torch.Tensor, bits: int, count: int) -> torch.Tensor:
    """The first `count` unsigned integers of each row of 32-bit words, lowest bits first.

    An integer may begin in one word and end in the next.
    """
    import torch

    if 8 % bits == 0:  # whole numbers in every byte
        shifts = torch.arange(8 // bits, dtype=torch.uint8) * bits
        parts = (as_bytes(words)[..., None] >> shifts) & ((1 << bits) - 1)
        return parts.flatten(-2)[..., :count].int()
    each = positive(words)
    begin = torch.arange(count) * bits
    place, offset = begin // 32, begin % 32
    following = torch.minimum(place + 1, torch.tensor(each.shape[-1] - 1))
    low = each[..., place] >> offset
    high = torch.where(offset + bits > 32, each[..., following] << (32 - offset), torch.tensor(0))
    return ((low | high) & ((1 << bits) - 1)).int()
