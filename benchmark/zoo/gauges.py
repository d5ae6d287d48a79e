"""Gauges: scales and rotations moved between two weights whose product alone counts.

What is exact depends on what stands between the two. Between query and key: position. RoPE turns pairs of
units, so only what turns or scales a whole pair commutes with it; units that it leaves alone, and models
without it, allow any invertible map. Between value and output: nothing, so any invertible map a key-value
head. Between a gated block's linear half and its output: a product unit by unit, so any scale and sign.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from benchmark.zoo.heads import read_heads, rotary_width, write_heads
from benchmark.zoo.layouts import (
    AttentionBlock,
    as_stored,
    attention_blocks,
    feed_forward_blocks,
    oriented,
)
from fpcore import BadCheckpoint, Checkpoint

__all__ = ["change_query_key", "change_units", "change_value_output"]


def change_query_key(model: Checkpoint, *, seed: int, spread: float) -> dict[str, Tensor]:
    """Map each head's queries by a random A and its keys by A⁻ᵀ, so that every q·k stays.

    Under RoPE a pair of units is one complex number that position multiplies by a phase; A multiplies it by
    another, with a modulus of 1/spread to spread. Where there is no RoPE, A is any matrix with such singular
    values. All query heads of a key-value head share its A.

    Norms over queries and keys stand behind the projections and take up any scale, and their gains are not
    the same within a pair: there, pairs change sign head by head, and the two gains exchange a scale a pair.

    Parameters
    ----------
    model : Checkpoint
    seed : int
    spread : float
        At least 1; scales are drawn from [1/spread, spread], evenly on the log scale.
    """
    generator = torch.Generator().manual_seed(seed)
    tensors = oriented(model)
    blocks = attention_blocks(model)  # refuses what has none, before its heads are asked for
    rotary = rotary_width(model)
    for block in blocks:
        if block.query_gain is not None and block.key_gain is not None:
            _change_normed(tensors, block, generator, spread)
            continue
        heads = read_heads(tensors, block)
        width = heads.key.shape[1]
        maps = torch.stack([_commuting(width, rotary, generator, spread) for _ in heads.key])
        inverse = torch.linalg.inv(maps).transpose(1, 2)
        mapped = replace(
            heads,
            query=_apply(maps.repeat_interleave(heads.shared, dim=0), heads.query),
            key=_apply(inverse, heads.key),
            value=heads.value.float(),
        )
        write_heads(tensors, block, mapped)
    return as_stored(tensors)


def change_value_output(model: Checkpoint, *, seed: int, spread: float) -> dict[str, Tensor]:
    """Map each key-value head's values by a random invertible M, and undo it in the output projection.

    Attention only averages values over positions, so every M is exact; its singular values are drawn from
    [1/spread, spread].
    """
    generator = torch.Generator().manual_seed(seed)
    tensors = oriented(model)
    for block in attention_blocks(model):
        heads = read_heads(tensors, block)
        maps = torch.stack([_invertible(heads.value.shape[1], generator, spread) for _ in heads.value])
        undo = torch.linalg.inv(maps).transpose(1, 2).repeat_interleave(heads.shared, dim=0)
        mapped = replace(
            heads,
            query=heads.query.float(),
            key=heads.key.float(),
            value=_apply(maps, heads.value),
            output=_apply(undo, heads.output),
        )
        write_heads(tensors, block, mapped)
    return as_stored(tensors)


def change_units(model: Checkpoint, *, seed: int, spread: float) -> dict[str, Tensor]:
    """Scale each inner unit of gated feed-forward blocks by ±c where it is linear, and undo it behind.

    Raises
    ------
    BadCheckpoint
        The blocks have no gate: an activation function stands between, which no scale passes.
    """
    generator = torch.Generator().manual_seed(seed)
    tensors = oriented(model)
    for block in feed_forward_blocks(model):
        if not block.linear_rows:
            raise BadCheckpoint(
                f"{block.name} has no gate, and its activation function does not commute with scaling a unit"
            )
        scales = _scales(len(tensors[block.rows[0]]), generator, spread)
        scales *= _signs(len(scales), generator)
        for name in block.linear_rows:
            tensors[name] = (tensors[name].double().T * scales).T.float()
        for name in block.columns:
            tensors[name] = (tensors[name].double() / scales).float()
    return as_stored(tensors)


def _change_normed(
    tensors: dict[str, Tensor], block: AttentionBlock, generator: torch.Generator, spread: float
) -> None:
    assert block.query_gain is not None, "called for blocks with norms"
    assert block.key_gain is not None, "called for blocks with norms"
    heads = read_heads(tensors, block)
    half = heads.key.shape[1] // 2
    signs = torch.stack([_signs(half, generator).repeat(2) for _ in heads.key]).unsqueeze(2)
    turned = replace(
        heads,
        query=(heads.query.double() * signs.repeat_interleave(heads.shared, dim=0)).to(heads.query.dtype),
        key=(heads.key.double() * signs).to(heads.key.dtype),
    )
    write_heads(tensors, block, turned)
    scales = _scales(half, generator, spread).repeat(2)
    tensors[block.query_gain] = (tensors[block.query_gain].double() * scales).float()
    tensors[block.key_gain] = (tensors[block.key_gain].double() / scales).float()


def _apply(maps: Tensor, rows: Tensor) -> Tensor:
    return (maps @ rows.double()).float()


def _commuting(width: int, rotary: int, generator: torch.Generator, spread: float) -> Tensor:
    """A random invertible matrix that commutes with RoPE on its first `rotary` units."""
    half = rotary // 2
    matrix = torch.zeros(width, width, dtype=torch.float64)
    angles = 2.0 * math.pi * torch.rand(half, generator=generator, dtype=torch.float64)
    moduli = _scales(half, generator, spread)
    first, second = torch.arange(half), torch.arange(half, 2 * half)
    matrix[first, first] = matrix[second, second] = moduli * angles.cos()
    matrix[second, first] = moduli * angles.sin()
    matrix[first, second] = -moduli * angles.sin()
    if width > rotary:
        matrix[rotary:, rotary:] = _invertible(width - rotary, generator, spread)
    return matrix


def _invertible(width: int, generator: torch.Generator, spread: float) -> Tensor:
    left: Tensor
    right: Tensor
    left, right = (
        torch.linalg.qr(torch.randn(width, width, generator=generator, dtype=torch.float64))[0]
        for _ in range(2)
    )
    return left * _scales(width, generator, spread) @ right


def _scales(count: int, generator: torch.Generator, spread: float) -> Tensor:
    if spread < 1.0:
        raise BadCheckpoint(f"spread {spread} is below 1; scales are drawn from 1/spread to spread")
    drawn = 2.0 * torch.rand(count, generator=generator, dtype=torch.float64) - 1.0
    return torch.exp(math.log(spread) * drawn)


def _signs(count: int, generator: torch.Generator) -> Tensor:
    return 2.0 * torch.randint(0, 2, (count,), generator=generator).double() - 1.0
