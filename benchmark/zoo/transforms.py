"""Exact children: weights computed from other weights, in milliseconds.

Each transform is a pure function from parents to tensors. Those that keep the function are proven by equal
logits in the tests; what they cannot do exactly they refuse.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from benchmark.zoo import alteration, chain, forgery, gauges, laundering, merging, rotation, rounding
from fpcore import Architecture, BadCheckpoint, Checkpoint, TensorInfo

__all__ = ["TRANSFORMS", "Transform", "TransformedCheckpoint", "transform"]

Tensors: TypeAlias = dict[str, Tensor]


@dataclass(frozen=True)
class Transform:
    """A way to make weights from weights.

    Attributes
    ----------
    apply : callable
        (parents..., parameters as keywords) -> all tensors of the child, by stored name.
    keeps_function : bool
        Whether logits stay equal up to rounding.
    n_parents : int
        How many it takes, or the fewest where it takes `more_parents`.
    parameters : mapping
        Names with default values.
    dtype : str or None
        Element type the child's config states, where it is not its parent's.
    more_parents : bool
        Whether there may be any number from `n_parents` on.
    unties : bool
        Whether the child stores its unembedding apart from its embedding, whatever its parent does.
    forges : str or None
        The metric it is aimed at. A forgery descends from its first parent alone.
    version : int
        Raised when the same input gives other tensors.
    """

    apply: Callable[..., Tensors]
    keeps_function: bool
    n_parents: int = 1
    parameters: Mapping[str, int | float] = field(default_factory=dict)
    dtype: str | None = None
    more_parents: bool = False
    unties: bool = False
    forges: str | None = None
    version: int = 1


SEED = {"seed": 0}
GAUGE = {"seed": 0, "spread": 2.0}

TRANSFORMS: Mapping[str, Transform] = {
    "re-upload": Transform(rounding.widen, keeps_function=True, dtype="float32"),
    "fp16": Transform(rounding.to_half, keeps_function=False, dtype="float16"),
    "fp8": Transform(rounding.through_float8, keeps_function=False),
    "int8": Transform(rounding.through_int8, keeps_function=False),
    "int4": Transform(rounding.through_int4, keeps_function=False, parameters={"group": 32}),
    "unit-permutation": Transform(laundering.permute_units, keeps_function=True, parameters=SEED),
    "head-permutation": Transform(laundering.permute_heads, keeps_function=True, parameters=SEED),
    "embedding-permutation": Transform(laundering.permute_embedding, keeps_function=True, parameters=SEED),
    "norm-folding": Transform(laundering.fold_norms, keeps_function=True, dtype="float32"),
    "qk-gauge": Transform(gauges.change_query_key, keeps_function=True, parameters=GAUGE, dtype="float32"),
    "vo-gauge": Transform(gauges.change_value_output, keeps_function=True, parameters=GAUGE, dtype="float32"),
    "unit-gauge": Transform(gauges.change_units, keeps_function=True, parameters=GAUGE, dtype="float32"),
    "residual-rotation": Transform(
        rotation.rotate, keeps_function=True, parameters=SEED, dtype="float32", unties=True
    ),
    "centred-rotation": Transform(
        rotation.rotate_about_mean, keeps_function=True, parameters=SEED, dtype="float32", unties=True
    ),
    "everything": Transform(
        chain.launder, keeps_function=True, parameters=GAUGE, dtype="float32", unties=True
    ),
    "noise": Transform(alteration.add_noise, keeps_function=False, parameters={"seed": 0, "share": 0.02}),
    "reinitialise-layer": Transform(
        alteration.reinitialise_layer, keeps_function=False, parameters={"seed": 0, "layer": 0}
    ),
    "merge-linear": Transform(merging.linear, keeps_function=False, n_parents=2, parameters={"weight": 0.5}),
    "merge-slerp": Transform(merging.slerp, keeps_function=False, n_parents=2, parameters={"weight": 0.5}),
    # The first parent is the base, from which the others were trained.
    "merge-task-arithmetic": Transform(
        merging.task_arithmetic,
        keeps_function=False,
        n_parents=2,
        more_parents=True,
        parameters={"scale": 0.4},
    ),
    "merge-ties": Transform(
        merging.ties,
        keeps_function=False,
        n_parents=2,
        more_parents=True,
        parameters={"density": 0.2, "scale": 1.0},
    ),
    "merge-dare": Transform(
        merging.dare,
        keeps_function=False,
        n_parents=2,
        more_parents=True,
        parameters={"drop": 0.9, "scale": 0.4, "seed": 0},
    ),
    # The second is whom the first is made to look like, or unlike.
    **{
        f"{aim.__name__}-{metric}": Transform(
            partial(aim, metric=metric), keeps_function=True, n_parents=2, dtype="float32", forges=metric
        )
        for metric in forgery.FORGERIES
        for aim in (forgery.frame, forgery.evade)
    },
}


class TransformedCheckpoint(Checkpoint):
    """A transform's result: known at once, computed when a tensor is first asked for.

    All transforms keep shapes, so the architecture is the first parent's but for a tie. The digest is that of
    the parents' digests with the transform's name, version and parameters; no tensor is hashed.
    """

    def __init__(
        self, name: str, parents: Sequence[Checkpoint], transform: str, parameters: Mapping[str, Any]
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
            return self._kind.apply(*self._parents, **self._parameters)
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
        A name in `TRANSFORMS`.
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
