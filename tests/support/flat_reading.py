"""A tensor or weight that is read in parts is the one that is read whole."""

from __future__ import annotations

import numpy as np
import torch

import fpcore
from fpcore.storage.dequantised import open_dequantised, read_dequantised
from fpcore.storage.element_types import real_numbers

__all__ = ["check_flat", "read_in_parts"]


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


def read_in_parts(source: fpcore.Checkpoint, name: str) -> torch.Tensor:
    """A weight, if its parts along the first axis and its stretches of rows are those of the whole."""
    whole = read_dequantised(source, name)
    rows = len(whole)
    for index in {0, rows // 2, rows - 1}:
        assert torch.equal(read_dequantised(source, name, index), whole[index]), index
    opened, numbers = open_dequantised(source, name), whole.double().reshape(-1).numpy()
    width = whole.numel() // rows
    for first, last in ((0, rows), (rows - 1, rows), (rows // 3, rows // 2 + 1), (1, min(4, rows))):
        found = real_numbers(opened.read(first * width, last * width), opened.dtype)
        np.testing.assert_array_equal(found, numbers[first * width : last * width], err_msg=f"{first}:{last}")
    return whole
