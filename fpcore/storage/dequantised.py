"""Stored values as real numbers: scaled floats and packed integers are turned back, others refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fpcore.errors import BadCheckpoint, NotComparable
from fpcore.storage.packed_weights import Packed, find_packed, quantisation
from fpcore.storage.tensor_source import TensorInfo, TensorSource

if TYPE_CHECKING:
    import torch

__all__ = ["dequantised_tensors", "read_dequantised"]

# A tensor of scales is called as the weight it scales, with one of these behind. Despite its name, the
# "inverse" scale multiplies: it is the inverse of what the quantiser applied.
SCALES = ("_scale_inv", "_scale")
UNUSED = ("input_scale", "activation_scale", "k_scale", "v_scale", "input_global_scale")
PACKED = ("qweight", "qzeros", "g_idx", "scales", "SCB", "absmax", "weight_packed", "weight_shape")
REAL = ("float", "bfloat")


def dequantised_tensors(source: TensorSource) -> dict[str, TensorInfo]:
    """The model's own tensors with their real shapes, without those that belong to a storage format.

    Raises
    ------
    NotComparable
        The weights are packed in a way that is not known here: measuring that would measure the packing.
    """
    packed = packed_weights(source)
    parts = {part for weight in packed.values() for part in weight.parts}
    quantised = bool(quantisation(source))
    found = {name: TensorInfo(weight.shape, "float32") for name, weight in packed.items()}
    for name, info in source.tensors.items():
        last = name.rpartition(".")[2]
        if name in parts or scaled_by(name) in source.tensors or (quantised and last in UNUSED):
            continue
        if last in PACKED or (last == "weight" and not info.dtype.startswith(REAL)):
            method = quantisation(source).get("quant_method") or "quantised"
            raise NotComparable(
                f"its weights are packed integers ({method}: {name}); measured so they would say nothing: "
                "dequantise the model first"
            )
        found[name] = info
    return found


def packed_weights(source: TensorSource) -> Mapping[str, Packed]:
    """The packed weights of a checkpoint that can be read."""
    return source.remembered("packed", lambda: find_packed(source))


def scaled_by(name: str) -> str | None:
    """The tensor that `name` scales, if `name` looks like a scale."""
    for suffix in SCALES:
        if name.endswith("weight" + suffix):
            return name.removesuffix(suffix)
    return None


def read_dequantised(source: TensorSource, name: str) -> torch.Tensor:
    """A tensor as real numbers (float32 where it was scaled or packed, else as stored)."""
    packed = packed_weights(source).get(name)
    if packed is not None:
        return packed.read(source)
    tensor = source.read(name)
    for suffix in SCALES:
        if name + suffix in source.tensors:
            return scaled(tensor, source.read(name + suffix), source, name)
    return tensor


def block_size(source: TensorSource) -> tuple[int, int]:
    """Rows and columns that share a scale, as the config says; 128 each where it does not."""
    stated = quantisation(source).get("weight_block_size")
    if not stated:
        return 128, 128
    match stated:
        case [int(rows), int(columns)] if rows > 0 and columns > 0:
            return rows, columns
    raise BadCheckpoint(
        f"{source.name}: weight_block_size in its config is {stated!r}, not two numbers; correct it"
    )


def scaled(tensor: torch.Tensor, scale: torch.Tensor, source: TensorSource, name: str) -> torch.Tensor:
    """`tensor` times its scale: one number, one a row, or one a block of rows and columns."""
    values, factors = tensor.float(), scale.float()
    if factors.numel() == 1:
        return values * factors.reshape(())
    if factors.ndim == 2 and values.ndim == 2:
        if factors.shape == (values.shape[0], 1):
            return values * factors
        rows, columns = block_size(source)
        if factors.shape == (-(-values.shape[0] // rows), -(-values.shape[1] // columns)):
            spread = factors.repeat_interleave(rows, 0).repeat_interleave(columns, 1)
            return values * spread[: values.shape[0], : values.shape[1]]
    raise BadCheckpoint(
        f"{source.name}: scale of {name} has shape {tuple(scale.shape)}, which does not fit "
        f"{tuple(tensor.shape)}; dequantise the model first"
    )
