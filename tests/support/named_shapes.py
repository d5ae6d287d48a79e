"""A model of which only the names and shapes of its tensors are known, and its config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from fpcore.foreign_json import Json
from fpcore.storage.tensor_source import TensorInfo, TensorSource

__all__ = ["NamedShapes"]


class NamedShapes(TensorSource):
    """Tensors that are never read."""

    def __init__(
        self, shapes: Mapping[str, tuple[int, ...]], config: Mapping[str, Json] | None = None
    ) -> None:
        self.name = "x"
        self.config = config or {}
        self.infos = {name: TensorInfo(shape, "float32") for name, shape in shapes.items()}

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        return self.infos

    def read(self, name: str) -> NoReturn:
        raise AssertionError(f"{name} is read")
