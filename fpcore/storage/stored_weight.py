"""How one weight of a model is stored, and how its real numbers are read back, some rows at a time."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fpcore.errors import UnreadableTensor
from fpcore.storage.flat_tensor import DecodedTensor, FlatTensor, HeldTensor, Rows
from fpcore.storage.tensor_source import TensorInfo, TensorSource

if TYPE_CHECKING:
    import torch

__all__ = ["AsStored", "Coded", "Refused", "Rows", "StoredWeight"]

# Elements that are decoded at a time: what decoding needs besides the result stays small.
BLOCK: Final = 1 << 20


@dataclass(frozen=True)
class StoredWeight(ABC):
    """One weight of the model.

    Attributes
    ----------
    name : str
        What the model calls it.
    shape : tuple of int
        Of the real weight.
    parts : tuple of str
        The stored tensors that it consists of.
    """

    name: str
    shape: tuple[int, ...]
    parts: tuple[str, ...]

    @property
    def info(self) -> TensorInfo:
        """Shape and element type as read."""
        return TensorInfo(self.shape, "float32")

    @abstractmethod
    def read(self, source: TensorSource, index: int | None = None) -> torch.Tensor:
        """The real weight, or its part `index` along the first axis."""

    def flat(self, source: TensorSource) -> FlatTensor:
        """The real weight, opened to be read a stretch at a time."""
        return HeldTensor.of(self.read(source))


@dataclass(frozen=True)
class AsStored(StoredWeight):
    """A tensor that holds real numbers."""

    dtype: str

    @property
    def info(self) -> TensorInfo:
        """Shape and element type as stored."""
        return TensorInfo(self.shape, self.dtype)

    def read(self, source: TensorSource, index: int | None = None) -> torch.Tensor:
        """The tensor as it is."""
        name = self.parts[0]
        return source.read(name) if index is None else source.read_part(name, index)

    def flat(self, source: TensorSource) -> FlatTensor:
        """The tensor as it is."""
        return source.flat(self.parts[0])


@dataclass(frozen=True)
class Refused(StoredWeight):
    """A weight whose storage is not known here: measuring it would measure the packing.

    Attributes
    ----------
    reason : str
        What is not known, and what to do.
    """

    reason: str

    def read(self, source: TensorSource, index: int | None = None) -> torch.Tensor:
        """Refuse.

        Raises
        ------
        UnreadableTensor
            Always.
        """
        raise UnreadableTensor(self.reason)


class Coded(StoredWeight):
    """A weight stored as codes and scales."""

    @abstractmethod
    def rows(self, source: TensorSource) -> Rows:
        """Open the parts; the function that comes back decodes rows."""

    def flat(self, source: TensorSource) -> FlatTensor:
        """The real weight, decoded where it is read."""
        return DecodedTensor(self.shape, self.rows(source))

    def read(self, source: TensorSource, index: int | None = None) -> torch.Tensor:
        """The real weight in float32; decoded in blocks of rows."""
        import torch

        rows = self.rows(source)
        if index is not None:
            return rows(index, index + 1)[0]
        count = self.shape[0] if self.shape else 1
        step = max(1, BLOCK // max(1, math.prod(self.shape[1:])))
        if step >= count:
            return rows(0, count)
        whole = torch.empty(self.shape, dtype=torch.float32)
        for start in range(0, count, step):
            whole[start : start + step] = rows(start, min(start + step, count))
        return whole
