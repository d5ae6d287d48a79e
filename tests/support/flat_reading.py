"""A tensor read a stretch at a time is the tensor."""

from __future__ import annotations

import numpy as np

import fpcore
from fpcore.storage.element_types import real_numbers

__all__ = ["check_flat"]


def check_flat(checkpoint: fpcore.Checkpoint) -> None:
    """Stretches of every stored tensor, from its middle too, are those of the tensor read whole."""
    for name in checkpoint.tensors:
        whole = checkpoint.read(name).detach().double().reshape(-1).numpy()
        opened = checkpoint.flat(name)
        assert opened.size == whole.size, name
        third = whole.size // 3
        for start, stop in ((0, whole.size), (third, 2 * third), (third - third // 2, third)):
            found = real_numbers(opened.read(start, stop), opened.dtype)
            np.testing.assert_array_equal(found, whole[start:stop], err_msg=name)
