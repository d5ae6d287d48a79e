"""Numbers that numpy has no type for: every code as torch reads it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fpcore.storage.element_types import CARRIERS, MINIFLOATS, raw_of, real_numbers


@pytest.mark.parametrize("dtype", MINIFLOATS)
def test_every_code_is_what_torch_makes_of_it(dtype: str) -> None:
    kind = MINIFLOATS[dtype]
    codes = np.arange(1 << kind.bits).astype(kind.carrier)
    expected = torch.from_numpy(codes).view(getattr(torch, dtype)).float().numpy()
    for found in (real_numbers(codes, dtype), kind.table):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)
        finite = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(found[finite]), np.signbit(expected[finite]))
    assert CARRIERS[dtype].itemsize * 8 == kind.bits


@pytest.mark.parametrize("dtype", CARRIERS)
def test_a_tensor_as_it_is_stored(dtype: str) -> None:
    """Also one that is turned, and that gradients are wanted of."""
    tensor = torch.arange(6.0).reshape(2, 3).to(getattr(torch, dtype)).T
    raw, name = raw_of(tensor.requires_grad_() if dtype == "float32" else tensor)
    assert name == dtype
    assert raw.dtype == CARRIERS[dtype]
    np.testing.assert_array_equal(real_numbers(raw, name), np.arange(6.0).reshape(2, 3).T)


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.bool])
def test_what_is_no_float_is_one_then(dtype: torch.dtype) -> None:
    raw, name = raw_of(torch.tensor([0, 1, 1]).to(dtype))
    assert (name, raw.dtype) == ("float32", np.float32)
    np.testing.assert_array_equal(raw, [0.0, 1.0, 1.0])
