"""Which exact transforms there are and what they take: read by recipes, without the arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

__all__ = ["FORGED_METRICS", "TRANSFORMS", "TransformKind"]


@dataclass(frozen=True)
class TransformKind:
    """A way to make weights from weights.

    Attributes
    ----------
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

    keeps_function: bool
    n_parents: int = 1
    parameters: Mapping[str, float] = field(default_factory=dict)
    dtype: str | None = None
    more_parents: bool = False
    unties: bool = False
    forges: str | None = None
    version: int = 1


#: Metrics that can be deceived without changing the function; `benchmark.zoo.forgery` says how.
FORGED_METRICS: Final = (
    "attention-std",
    "ffn-std",
    "qkv-bias-std",
    "qkv-bias-max",
    "norm-std",
    "norm-pearson",
    "layer-energy",
)

SEED: Final = {"seed": 0}
GAUGE: Final = {"seed": 0, "spread": 2.0}


def _rounding(dtype: str | None = None, **parameters: float) -> TransformKind:
    return TransformKind(keeps_function=False, dtype=dtype, parameters=parameters)


def _laundering(
    parameters: Mapping[str, float], *, dtype: str | None = None, unties: bool = False
) -> TransformKind:
    return TransformKind(keeps_function=True, parameters=parameters, dtype=dtype, unties=unties)


def _merge(*, more_parents: bool = False, **parameters: float) -> TransformKind:
    return TransformKind(keeps_function=False, n_parents=2, more_parents=more_parents, parameters=parameters)


TRANSFORMS: Final[Mapping[str, TransformKind]] = {
    "re-upload": _laundering({}, dtype="float32"),
    "fp16": _rounding("float16"),
    "fp8": _rounding(),
    "int8": _rounding(),
    "int4": _rounding(group=32),
    "unit-permutation": _laundering(SEED),
    "head-permutation": _laundering(SEED),
    "embedding-permutation": _laundering(SEED),
    "norm-folding": _laundering({}, dtype="float32"),
    "qk-gauge": _laundering(GAUGE, dtype="float32"),
    "vo-gauge": _laundering(GAUGE, dtype="float32"),
    "unit-gauge": _laundering(GAUGE, dtype="float32"),
    "residual-rotation": _laundering(SEED, dtype="float32", unties=True),
    "centred-rotation": _laundering(SEED, dtype="float32", unties=True),
    "everything": _laundering(GAUGE, dtype="float32", unties=True),
    "noise": _rounding(seed=0, share=0.02),
    "reinitialise-layer": _rounding(seed=0, layer=0),
    "merge-linear": _merge(weight=0.5),
    "merge-slerp": _merge(weight=0.5),
    # The first parent is the base, from which the others were trained.
    "merge-task-arithmetic": _merge(more_parents=True, scale=0.4),
    "merge-ties": _merge(more_parents=True, density=0.2, scale=1.0),
    "merge-dare": _merge(more_parents=True, drop=0.9, scale=0.4, seed=0),
    # The second is whom the first is made to look like, or unlike.
    **{
        f"{aim}-{metric}": TransformKind(keeps_function=True, n_parents=2, dtype="float32", forges=metric)
        for metric in FORGED_METRICS
        for aim in ("frame", "evade")
    },
}
