"""The values of a role's tensor, as numbers that can be calculated with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpcore.anatomy import RoleView
from fpcore.errors import BadCheckpoint

__all__ = ["finite"]

Array = NDArray[np.float64]


def finite(view: RoleView, dtype: type[np.floating] = np.float64) -> Array:
    """A role's tensor as an array of its own, of float64 or float32; what is not finite is refused."""
    import torch

    wanted = torch.float32 if dtype is np.float32 else torch.float64
    values: Array = view.read().to(wanted, copy=True).numpy()
    if not np.isfinite(values).all():
        raise BadCheckpoint(f"{view.checkpoint.name}: tensor {view.source} holds NaN or infinite values")
    return values
