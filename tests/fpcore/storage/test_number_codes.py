"""Small number formats, each code by the definition of its format."""

from __future__ import annotations

import torch

from fpcore.storage.number_codes import unpack_fp6


def test_6_bit_floats_by_their_definition() -> None:
    """All 64 codes in a stack of two matrices; a sign bit alone is minus zero."""
    values = []
    for code in range(64):
        exponent, fraction = code >> 3 & 3, (code & 7) / 8
        size = (1 + fraction) * 2.0 ** (exponent - 1) if exponent else fraction
        values.append(-size if code >> 5 else size)
    words = [sum((4 * k + place) << 6 * place for place in range(4)) for k in range(16)]
    packed = torch.tensor([[word >> shift & 255 for shift in (0, 8, 16)] for word in words])
    stack = packed.to(torch.uint8).reshape(2, 4, 6)
    expected = torch.tensor(values).reshape(2, 4, 8)
    assert torch.equal(unpack_fp6(stack).view(torch.int32), expected.view(torch.int32))
