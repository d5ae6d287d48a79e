"""Exact children: weights computed from other weights, in milliseconds.

Each transform is a pure function from parents to tensors. Those that keep the function are proven by equal
logits in the tests; what they cannot do exactly they refuse.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from benchmark.zoo import alteration, chain, forgery, gauges, laundering, merging, rotation, rounding
from benchmark.zoo.transform_kinds import FORGED_METRICS, TRANSFORMS
from fpcore import Architecture, BadCheckpoint, Checkpoint, TensorInfo

__all__ = ["ARITHMETIC", "TransformedCheckpoint", "transform"]

Tensors: TypeAlias = dict[str, Tensor]


#: (parents..., parameters as keywords) -> all tensors of the child, by stored name.
ARITHMETIC: Mapping[str, Callable[..., Tensors]] = {
    "re-upload": rounding.widen,
    "fp16": rounding.to_half,
    "fp8": rounding.through_float8,
    "int8": rounding.through_int8,
    "int4": rounding.through_int4,
    "unit-permutation": laundering.permute_units,
    "head-permutation": laundering.permute_heads,
    "embedding-permutation": laundering.permute_embedding,
    "norm-folding": laundering.fold_norms,
    "qk-gauge": gauges.change_query_key,
    "vo-gauge": gauges.change_value_output,
    "unit-gauge": gauges.change_units,
    "residual-rotation": rotation.rotate,
    "centred-rotation": rotation.rotate_about_mean,
    "everything": chain.launder,
    "noise": alteration.add_noise,
    "reinitialise-layer": alteration.reinitialise_layer,
    "merge-linear": merging.linear,
    "merge-slerp": merging.slerp,
    "merge-task-arithmetic": merging.task_arithmetic,
    "merge-ties": merging.ties,
    "merge-dare": merging.dare,
    **{f"frame-{metric}": partial(forgery.frame, metric=metric) for metric in FORGED_METRICS},
    **{f"evade-{metric}": partial(forgery.evade, metric=metric) for metric in FORGED_METRICS},
}


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
