"""Stored values as real numbers: scaled floats and packed integers are turned back, others refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fpcore.checkpoints.checkpoint import TensorInfo
from fpcore.checkpoints.packed import Packed, find_packed, quantisation
from fpcore.errors import BadCheckpoint, NotComparable

if TYPE_CHECKING:
    import torch

    from fpcore.checkpoints.checkpoint import Checkpoint

__all__ = ["read_stored", "real_tensors"]

# A tensor of scales is called as the weight it scales, with one of these behind. Despite its name, the
# "inverse" scale multiplies: it is the inverse of what the quantiser applied.
SCALES = ("_scale_inv", "_scale")
UNUSED = ("input_scale", "activation_scale", "k_scale", "v_scale", "input_global_scale")
PACKED = ("qweight", "qzeros", "g_idx", "scales", "SCB", "absmax", "weight_packed", "weight_shape")
REAL = ("float", "bfloat")


def real_tensors(checkpoint: Checkpoint) -> dict[str, TensorInfo]:
    """The model's own tensors with their real shapes, without those that belong to a storage format.

    Raises
    ------
    NotComparable
        The weights are packed in a way that is not known here: measuring that would measure the packing.
    """
    packed = packed_weights(checkpoint)
    parts = {part for weight in packed.values() for part in weight.parts}
    quantised = bool(quantisation(checkpoint))
    found = {name: TensorInfo(weight.shape, "float32") for name, weight in packed.items()}
    for name, info in checkpoint.tensors.items():
        last = name.rpartition(".")[2]
        if name in parts or scaled_by(name) in checkpoint.tensors or (quantised and last in UNUSED):
            continue
        if last in PACKED or (last == "weight" and not info.dtype.startswith(REAL)):
            method = quantisation(checkpoint).get("quant_method") or "quantised"
            raise NotComparable(
                f"its weights are packed integers ({method}: {name}); measured so they would say nothing: "
                "dequantise the model first"
            )
        found[name] = info
    return found


def packed_weights(checkpoint: Checkpoint) -> Mapping[str, Packed]:
    """The packed weights of a checkpoint that can be read."""
    return checkpoint.remembered("packed", lambda: find_packed(checkpoint))


def scaled_by(name: str) -> str | None:
    """The tensor that `name` scales, if `name` looks like a scale."""
    for suffix in SCALES:
        if name.endswith("weight" + suffix):
            return name.removesuffix(suffix)
    return None


def read_stored(checkpoint: Checkpoint, name: str) -> torch.Tensor:
    """A tensor as real numbers (float32 where it was scaled or packed, else as stored)."""
    packed = packed_weights(checkpoint).get(name)
    if packed is not None:
        return packed.read(checkpoint)
    tensor = checkpoint.read(name)
    for suffix in SCALES:
        if name + suffix in checkpoint.tensors:
            return scaled(tensor, checkpoint.read(name + suffix), checkpoint, name)
    return tensor


def scaled(tensor: torch.Tensor, scale: torch.Tensor, checkpoint: Checkpoint, name: str) -> torch.Tensor:
    """`tensor` times its scale: one number, one a row, or one a block of rows and columns."""
    values, factors = tensor.float(), scale.float()
    if factors.numel() == 1:
        return values * factors.reshape(())
    if factors.ndim == 2 and values.ndim == 2:
        if factors.shape == (values.shape[0], 1):
            return values * factors
        rows, columns = quantisation(checkpoint).get("weight_block_size") or (128, 128)
        if factors.shape == (-(-values.shape[0] // rows), -(-values.shape[1] // columns)):
            spread = factors.repeat_interleave(rows, 0).repeat_interleave(columns, 1)
            return values * spread[: values.shape[0], : values.shape[1]]
    raise BadCheckpoint(
        f"{checkpoint.name}: scale of {name} has shape {tuple(scale.shape)}, which does not fit "
        f"{tuple(tensor.shape)}; dequantise the model first"
    )
