"""Stretches of tensors that lie in memory, in a file, or in codes."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from fpcore.storage.flat_tensor import DecodedTensor, HeldTensor, TensorInFile

NUMBERS = np.arange(12, dtype="<f4")


class Trickle(BytesIO):
    """Bytes that come three at a time."""

    def readinto(self, buffer: Any) -> int:
        return super().readinto(buffer[:3])


class FromMemory:
    """What is opened as a path is, and comes in small pieces."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def open(self, mode: str, buffering: int) -> Trickle:
        assert (mode, buffering) == ("rb", 0)
        return Trickle(self.content)

    def __str__(self) -> str:
        return "weights.bin"


def test_a_tensor_in_memory() -> None:
    held = HeldTensor.of(torch.arange(6.0).reshape(2, 3))
    assert (held.size, held.dtype) == (6, "float32")
    np.testing.assert_array_equal(held.read(1, 4), [1.0, 2.0, 3.0])


def test_a_tensor_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"header" + NUMBERS.tobytes() + b"more")
    opened = TensorInFile(path, 6, "float32", 12)
    assert opened.span(2, 5) == (14, 26)
    for start, stop in ((2, 4), (0, 12), (11, 12), (3, 3)):
        np.testing.assert_array_equal(opened.read(start, stop), NUMBERS[start:stop])
    halves = TensorInFile(path, 6, "bfloat16", 24)
    assert halves.span(2, 5) == (10, 16)
    np.testing.assert_array_equal(halves.read(1, 24), NUMBERS.view("<u2")[1:])


def test_a_file_that_comes_in_pieces() -> None:
    path = cast(Path, FromMemory(b"header" + NUMBERS.tobytes()))
    opened = TensorInFile(path, 6, "float32", 12)
    np.testing.assert_array_equal(opened.read(1, 12), NUMBERS[1:])
    cut = TensorInFile(cast(Path, FromMemory(b"header" + NUMBERS.tobytes()[:-5])), 6, "float32", 12)
    np.testing.assert_array_equal(cut.read(0, 10), NUMBERS[:10])
    with pytest.raises(OSError, match=r"weights\.bin ends 5 bytes early"):
        cut.read(0, 12)


def test_rows_are_decoded_once_while_they_are_read_in_order() -> None:
    decoded: list[tuple[int, int]] = []

    def rows(first: int, last: int) -> torch.Tensor:
        decoded.append((first, last))
        return torch.arange(24.0).reshape(6, 2, 2)[first:last]

    opened = DecodedTensor((6, 2, 2), rows)
    assert (opened.size, opened.dtype) == (24, "float32")
    for start, stop in ((5, 11), (4, 12), (6, 7), (11, 13), (3, 9), (20, 24)):
        np.testing.assert_array_equal(opened.read(start, stop), np.arange(start, stop, dtype=np.float32))
    assert decoded == [(1, 3), (2, 4), (0, 3), (5, 6)]


def test_a_number_without_axes_is_one_row() -> None:
    opened = DecodedTensor((), lambda first, last: torch.tensor(3.0))
    assert opened.size == 1
    np.testing.assert_array_equal(opened.read(0, 1), [3.0])


def test_what_is_decoded_is_float32() -> None:
    opened = DecodedTensor((2, 2), lambda first, last: np.ones((last - first, 2), np.float64))
    assert opened.read(1, 3).dtype == np.float32


def test_rows_of_another_shape_are_an_error() -> None:
    opened = DecodedTensor((6, 2), lambda first, last: np.zeros((last - first, 3)))
    with pytest.raises(ValueError, match=r"shape \(2, 3\) where \(6, 2\) is needed"):
        opened.read(4, 8)
