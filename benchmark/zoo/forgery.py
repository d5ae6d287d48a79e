"""Forgeries: the function kept to the last digit, the curves of weights made somebody else's.

*Frame* gives a model the curves of a victim it has nothing to do with; *evade* gives a child the mirror image
of its parent's. What is free, and so what can be forged:

================ ===========================================================================================
attention-std    q and k, and v and o, share scales. One scale a layer leaves the products std(q)·std(k) and
                 std(v)·std(o) as they are: two freedoms for four curves. But each key-value head has its own
                 scale, and heads scaled apart raise the products: all four curves can be met exactly, up to a
                 level that no correlation sees. With a single key-value head, or norms over q and k: refused.
ffn-std          gate and up move together against the norm's gain, up against down unit by unit: all three
                 exactly. Without a gate nothing passes the activation function: up exactly, down not at all.
qkv-bias-std     as the weights: biases of q and k by heads, exactly; of v by one scale a layer, exactly.
qkv-bias-max     the same, for the largest entry.
norm-std         gains move into what reads the norm, so that the curve is met exactly.
norm-pearson     the gains themselves become the victim's (mirrored: the opposite), in every layer.
layer-energy     a sum of norms: v against o raises it as far as wanted, exactly up to a level.
================ ===========================================================================================

The victim's depth may differ: its curves are then interpolated over relative depth, as the metrics do.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

import fpcore
from benchmark.zoo.heads import Heads, read_heads, write_heads
from benchmark.zoo.layouts import (
    AttentionBlock,
    FeedForwardBlock,
    NormBlock,
    as_stored,
    attention_blocks,
    feed_forward_blocks,
    norm_blocks,
    oriented,
)
from benchmark.zoo.scales import Largest, Spread, level, meet_both, meet_sum
from fpcore import BadCheckpoint, Checkpoint
from fpcore.features.curves import resampled
from fpcore.features.moments import measure

__all__ = ["FORGERIES", "evade", "frame"]

Array: TypeAlias = npt.NDArray[np.float64]
Curves: TypeAlias = dict[str, Array]

LAYER = re.compile(r"\.(?:layers|h)\.(\d+)\.")


def frame(model: Checkpoint, victim: Checkpoint, *, metric: str) -> dict[str, Tensor]:
    """Give a model its victim's curves, its function unchanged.

    Parameters
    ----------
    model, victim : Checkpoint
    metric : str
        A name in `FORGERIES`.

    Raises
    ------
    BadCheckpoint
        Something in the architecture leaves no freedom for this metric, or the victim lacks what it measures.
    """
    return _forged(model, metric, _wanted(model, victim, metric))


def evade(model: Checkpoint, parent: Checkpoint, *, metric: str) -> dict[str, Tensor]:
    """Give a model the mirror image of its parent's curves, its function unchanged; otherwise as `frame`."""
    return _forged(model, metric, {part: _mirrored(c) for part, c in _wanted(model, parent, metric).items()})


def _wanted(model: Checkpoint, target: Checkpoint, metric: str) -> Curves:
    try:
        arrays = fpcore.metric(metric).fingerprint(target).arrays
    except fpcore.NotComparable as error:
        raise BadCheckpoint(f"{target.name} has no curves of {metric}: {error}") from error
    curves = {part: np.asarray(curve, dtype=np.float64) for part, curve in arrays.items() if "." not in part}
    return {part: resampled(curve, model.architecture.depth) for part, curve in curves.items()}


def _mirrored(curve: Array) -> Array:
    """Highest and lowest changed places: a correlation of -1. Of gain vectors, each by itself."""
    axis = -1 if curve.ndim > 1 else 0
    mirrored: Array = curve.max(axis=axis, keepdims=True) + curve.min(axis=axis, keepdims=True) - curve
    return mirrored


def _forged(model: Checkpoint, metric: str, wanted: Curves) -> dict[str, Tensor]:
    tensors = oriented(model)
    FORGERIES[metric](model, tensors, wanted)
    return as_stored(tensors)


def _attention_std(model: Checkpoint, tensors: dict[str, Tensor], wanted: Curves) -> None:
    blocks = attention_blocks(model)
    layers = [read_heads(tensors, block) for block in blocks]
    for parts in (("query", "key"), ("value", "output")):
        if parts[0] == "query":
            _require_bare(blocks)
        sizes = [tuple(Spread.of(_weights(heads, part)) for part in parts) for heads in layers]
        ones = np.ones(len(layers[0].key))
        present = np.array([first(ones) * second(ones) for first, second in sizes])
        goals = zip(*level(present, *(_part(wanted, part) for part in parts)), strict=True)
        layers = [
            _scaled(heads, parts, meet_both(first, second, goal))
            for heads, (first, second), goal in zip(layers, sizes, goals, strict=True)
        ]
    for block, heads in zip(blocks, layers, strict=True):
        write_heads(tensors, block, heads)


def _biases(
    size: type[Spread] | type[Largest],
) -> Callable[[Checkpoint, dict[str, Tensor], Curves], None]:
    def apply(model: Checkpoint, tensors: dict[str, Tensor], wanted: Curves) -> None:
        blocks = attention_blocks(model)
        _require_bare(blocks)
        layers = [read_heads(tensors, block) for block in blocks]
        if not all(heads.biased for heads in layers):
            raise BadCheckpoint(f"{model.name} has no query, key and value biases")
        sizes = [[size.of(_bias(heads, part)) for part in ("query", "key", "value")] for heads in layers]
        ones = np.ones(len(layers[0].key))
        present = np.array([query(ones) * key(ones) for query, key, _ in sizes])
        goals = zip(*level(present, _part(wanted, "query"), _part(wanted, "key")), strict=True)
        for block, heads, (query, key, value), goal, high in zip(
            blocks, layers, sizes, goals, _part(wanted, "value"), strict=True
        ):
            turned = _scaled(heads, ("query", "key"), meet_both(query, key, goal))
            if min(high, value(ones)) <= 0.0:
                raise BadCheckpoint("a curve of value biases is not positive; scales keep signs")
            turned = _scaled(turned, ("value", "output"), ones * high / value(ones))
            write_heads(tensors, block, turned)

    return apply


def _feed_forward_std(model: Checkpoint, tensors: dict[str, Tensor], wanted: Curves) -> None:
    layers = _routed(model)
    gated = all(block.linear_rows for blocks in layers for block in blocks)
    lead = "gate" if gated else "up"
    norms = norm_blocks(model)[1::2]
    for norm, blocks, goal in zip(norms, layers, _part(wanted, lead), strict=False):
        rows = torch.cat([tensors[_row(block, linear=not gated)] for block in blocks])
        _move_gain(tensors, norm, _tensor(goal) / rows.double().std(correction=0))
    if not gated:
        return  # nothing passes the activation function: the rest stays as it is
    sizes = []
    for blocks in layers:
        up = torch.cat([tensors[_row(block, linear=True)] for block in blocks])
        down = torch.cat([tensors[block.columns[0]].T for block in blocks])
        sizes.append((Spread.of(up.double().numpy()), Spread.of(down.double().numpy())))
    present = np.array([up(np.ones(len(up.sums))) * down(np.ones(len(down.sums))) for up, down in sizes])
    goals = zip(*level(present, _part(wanted, "up"), _part(wanted, "down")), strict=True)
    for blocks, (up_size, down_size), goal in zip(layers, sizes, goals, strict=True):
        scales = _tensor(meet_both(up_size, down_size, goal))
        for block, own in zip(blocks, scales.chunk(len(blocks)), strict=True):
            for name in block.linear_rows:
                tensors[name] = (tensors[name].double().T * own).T.float()
            for name in block.columns:
                tensors[name] = (tensors[name].double() / own).float()


def _norm_std(model: Checkpoint, tensors: dict[str, Tensor], wanted: Curves) -> None:
    for norm, goal in zip(norm_blocks(model)[::2], _part(wanted, "attention"), strict=False):
        spread = float(tensors[norm.gain].double().std(correction=0))
        if min(spread, float(goal)) <= 0.0:
            raise BadCheckpoint("the gains of a norm are all equal, which no scale can change")
        _move_gain(tensors, norm, _tensor(spread / goal))


def _norm_gains(model: Checkpoint, tensors: dict[str, Tensor], wanted: Curves) -> None:
    for first, part in enumerate(("attention", "feed_forward")):
        for norm, goal in zip(norm_blocks(model)[first::2], _part(wanted, part), strict=False):
            gain = tensors[norm.gain].double()
            if goal.shape != tuple(gain.shape):
                raise BadCheckpoint(f"gains of width {goal.shape[-1]} do not fit a width of {len(gain)}")
            if not (np.all(goal != 0.0) and bool((gain != 0).all())):
                raise BadCheckpoint(f"{norm.gain}: a gain of zero cannot be rescaled")
            _move_gain(tensors, norm, gain / _tensor(goal))


def _layer_energy(model: Checkpoint, tensors: dict[str, Tensor], wanted: Curves) -> None:
    value, output, rest = np.zeros((3, model.architecture.depth))
    for role, moments in measure(model).items():
        layer, number, part = (*role.split(".", 2), "", "")[:3]
        if layer == "layers":
            of_value, of_output = part.startswith("attention.value."), part == "attention.output.weight"
            (value if of_value else output if of_output else rest)[int(number)] += moments.norm
    goal = _part(wanted, "energy")
    goal = goal * float(((rest + 2.0 * np.sqrt(value * output)) / goal).max())
    for block, *sizes in zip(attention_blocks(model), value, output, goal - rest, strict=True):
        heads = read_heads(tensors, block)
        scales = np.full(len(heads.key), meet_sum(*sizes))
        write_heads(tensors, block, _scaled(heads, ("value", "output"), scales))


def _part(wanted: Curves, part: str) -> Array:
    if part not in wanted:
        raise BadCheckpoint(f"the target curves have no {part}; only models of the same kind can be forged")
    return wanted[part]


def _require_bare(blocks: list[AttentionBlock]) -> None:
    if any(block.query_gain is not None for block in blocks):
        raise BadCheckpoint("norms after query and key absorb every scale; nothing is left to change")


def _weights(heads: Heads, part: str) -> Array:
    """Weights of a projection cut into key-value heads, biases left out."""
    tensor = heads.output if part == "output" else heads.weight(part)
    return tensor.double().reshape(len(heads.key), -1).numpy()


def _bias(heads: Heads, part: str) -> Array:
    projection: Tensor = getattr(heads, part)
    return projection[..., -1].double().reshape(len(heads.key), -1).numpy()


def _scaled(heads: Heads, parts: tuple[str, ...], scales: Array) -> Heads:
    """The first of `parts` multiplied, the second divided, by one scale a key-value head."""
    changed: dict[str, Tensor] = {
        part: getattr(heads, part).float() for part in ("query", "key", "value", "output")
    }
    for part, own in zip(parts, (_tensor(scales), 1.0 / _tensor(scales)), strict=True):
        each = own if part in ("key", "value") else own.repeat_interleave(heads.shared)
        changed[part] = (getattr(heads, part).double() * each.reshape(-1, 1, 1)).float()
    return Heads(**changed, biased=heads.biased)


def _routed(model: Checkpoint) -> list[list[FeedForwardBlock]]:
    """The feed-forward block, or the routed experts, of each layer."""
    layers: list[list[FeedForwardBlock]] = [[] for _ in range(model.architecture.depth)]
    for block in feed_forward_blocks(model):
        if not block.name.endswith(".shared_expert"):
            layers[int(LAYER.findall(f"{block.name}.")[0])].append(block)
    return layers


def _row(block: FeedForwardBlock, *, linear: bool) -> str:
    """The weight of a block's gate, or (`linear`, or the only one) of what comes up."""
    if not block.linear_rows:
        return next(name for name in block.rows if name.endswith(".weight"))
    return next(
        name for name in block.rows if name.endswith(".weight") and (name in block.linear_rows) is linear
    )


def _move_gain(tensors: dict[str, Tensor], norm: NormBlock, factor: Tensor) -> None:
    """Divide a norm's gain (and bias), multiply the columns of what reads it."""
    for name in (norm.gain, norm.bias):
        if name is not None:
            tensors[name] = (tensors[name].double() / factor).float()
    for name, _ in norm.readers:
        tensors[name] = (tensors[name].double() * factor).float()


def _tensor(values: npt.ArrayLike) -> Tensor:
    return torch.as_tensor(np.asarray(values, dtype=np.float64))


#: What each forgery needs: the model, its tensors (changed in place), and the curves to be met.
FORGERIES: Final[dict[str, Callable[[Checkpoint, dict[str, Tensor], Curves], None]]] = {
    "attention-std": _attention_std,
    "ffn-std": _feed_forward_std,
    "qkv-bias-std": _biases(Spread),
    "qkv-bias-max": _biases(Largest),
    "norm-std": _norm_std,
    "norm-pearson": _norm_gains,
    "layer-energy": _layer_energy,
}
