"""The arithmetic of exact children: weights computed from other weights, in milliseconds.

Each transform is a pure function from parents to tensors. Those that keep the function are proven by equal
logits in the tests; what they cannot do exactly they refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias

from torch import Tensor

from benchmark.zoo import alteration, chain, forgery, gauges, laundering, merging, rotation, rounding
from benchmark.zoo.transform_kinds import FORGED_METRICS

__all__ = ["ARITHMETIC", "Tensors"]

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
