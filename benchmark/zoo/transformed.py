"""Exact children of zoo models: known by what they are made from, computed when a tensor is asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.zoo.transform_kinds import TRANSFORMS
from fpcore import Architecture, BadCheckpoint, Checkpoint, TensorInfo

if TYPE_CHECKING:  # torch is imported where weights are computed
    import torch

    from benchmark.zoo.transforms import Tensors

__all__ = ["TransformedCheckpoint", "transform"]


class TransformedCheckpoint(Checkpoint):
    """A transform's result: known at once, computed when a tensor is first asked for.

    All transforms keep shapes, so the architecture is the first parent's but for a tie. The digest is that of
    the parents' digests with the transform's name, version and parameters; no tensor is hashed.
    """

    def __init__(
        self, name: str, parents: Sequence[Checkpoint], transform: str, parameters: Mapping[str, float]
    ) -> None:
        kind = TRANSFORMS[transform]
        self.name = name
        self.device = parents[0].device
        self.config = {
            **parents[0].config,
            **({"dtype": kind.dtype} if kind.dtype else {}),
            **({"tie_word_embeddings": False} if kind.unties else {}),
        }
        self._parents = tuple(parents)
        self._kind = kind
        self._parameters = {**kind.parameters, **parameters}
        self._transform = transform

    @cached_property
    def digest(self) -> str:  # noqa: D102
        content = {
            "parents": [parent.digest for parent in self._parents],
            "transform": self._transform,
            "version": self._kind.version,
            "parameters": self._parameters,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @cached_property
    def architecture(self) -> Architecture:  # noqa: D102
        shape = self._parents[0].architecture
        return replace(shape, tied=False) if self._kind.unties else shape

    @cached_property
    def _weights(self) -> Tensors:
        from benchmark.zoo.transforms import ARITHMETIC

        try:
            return ARITHMETIC[self._transform](*self._parents, **self._parameters)
        except BadCheckpoint as error:
            raise BadCheckpoint(f"{self.name}: {self._transform}: {error}") from error

    @cached_property
    def tensors(self) -> Mapping[str, TensorInfo]:  # noqa: D102
        return {
            name: TensorInfo(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
            for name, tensor in self._weights.items()
        }

    def read(self, name: str) -> torch.Tensor:  # noqa: D102
        return self._weights[name]

    def tokenizer_file(self) -> Path | None:  # noqa: D102
        return self._parents[0].tokenizer_file()


def transform(
    kind: str, *parents: Checkpoint, name: str | None = None, **parameters: float
) -> TransformedCheckpoint:
    """Make an exact child.

    Parameters
    ----------
    kind : str
        A name in `benchmark.zoo.transform_kinds.TRANSFORMS`.
    *parents : Checkpoint
        As many as the transform takes.
    name : str, optional
        The child's; the parents' names with the transform's otherwise.
    **parameters
        What the transform takes.
    """
    return TransformedCheckpoint(
        name or "+".join([p.name for p in parents] + [kind]), parents, kind, parameters
    )
