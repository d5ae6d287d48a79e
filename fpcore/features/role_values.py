"""The values of a role's tensor, as numbers that can be calculated with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fpcore.anatomy import RoleView
from fpcore.anatomy.tensor_layouts import View
from fpcore.errors import BadCheckpoint
from fpcore.storage.dequantised import open_dequantised
from fpcore.storage.element_types import Real, real_numbers

__all__ = ["finite", "rows_in_parts"]

Array = NDArray[np.float64]

PART: Final = 1 << 20
"""Numbers of a matrix at a time."""


def finite(view: RoleView, dtype: type[np.floating] = np.float64) -> Array:
    """A role's tensor as an array of its own, of float64 or float32; what is not finite is refused."""
    values: Array = view.values().astype(dtype, copy=False)
    check_finite(view, values)
    return values


def rows_in_parts(view: RoleView) -> Iterator[Array]:
    """A matrix as float64, some rows at a time; what is not finite is refused."""
    if view.view != View():
        yield finite(view)
        return
    opened, width = open_dequantised(view.checkpoint, view.source), view.shape[-1]
    step = max(1, PART // width) * width
    for start in range(0, opened.size, step):
        raw = opened.read(start, min(start + step, opened.size))
        values: Array = real_numbers(raw, opened.dtype).astype(np.float64).reshape(-1, width)
        check_finite(view, values)
        yield values


def check_finite(view: RoleView, values: Real) -> None:
    """Refuse NaN and infinite values."""
    if not np.isfinite(values).all():
        raise BadCheckpoint(f"{view.checkpoint.name}: tensor {view.source} holds NaN or infinite values")
