"""A source of tensors that notes which of them are asked for, and how."""

from __future__ import annotations

from typing import Any

import torch

from fpcore.storage.flat_tensor import FlatTensor
from fpcore.storage.tensor_source import TensorSource

__all__ = ["AskedSource"]


class AskedSource(TensorSource):
    """Stands before the source whose answers it gives; what was asked is in `asked`."""

    asked: list[Any]

    def read_part(self, name: str, index: int) -> torch.Tensor:
        self.asked.append(("part", name, index))
        return super().read_part(name, index)

    def read_rows(self, name: str, start: int, stop: int) -> torch.Tensor:
        self.asked.append(("rows", name, start, stop))
        return super().read_rows(name, start, stop)

    def flat(self, name: str) -> FlatTensor:
        self.asked.append(("flat", name))
        return super().flat(name)
