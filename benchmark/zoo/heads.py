"""An attention block by heads, however its tensors are stored: what changes to single heads work on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.zoo.layouts import AttentionBlock
from fpcore import Checkpoint

__all__ = ["Heads", "read_heads", "rotary_width", "write_heads"]

NEOX_ROTARY_SHARE = 0.25  # what GPT-NeoX configurations mean that do not say


@dataclass(frozen=True)
class Heads:
    """Projections of one attention block.

    Attributes
    ----------
    query, key, value : Tensor, shape (heads or key-value heads, head width, model width [+ 1])
        What each head computes from the residual stream; the last column is the bias where there is one.
    output : Tensor, shape (heads, head width, model width)
        What each unit of a query head writes into the residual stream.
    biased : bool
        Whether `query`, `key` and `value` end in a column of biases.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    output: Tensor
    biased: bool

    @property
    def shared(self) -> int:
        """Query heads to a key-value head."""
        return len(self.query) // len(self.key)

    def weight(self, part: str) -> Tensor:
        """`query`, `key` or `value` without their biases."""
        projection: Tensor = getattr(self, part)
        return projection[..., :-1] if self.biased else projection


def read_heads(tensors: dict[str, Tensor], block: AttentionBlock) -> Heads:
    """Cut a block's (oriented) tensors into heads."""
    biased = len(block.query) == 2
    if block.fused:
        fused = _with_bias(tensors, block.query)
        if block.fused == "by head":
            query, key, value = fused.reshape(block.heads, 3, -1, fused.shape[1]).unbind(1)
        else:
            query, key, value = fused.reshape(3, block.heads, -1, fused.shape[1]).unbind(0)
    else:
        query, key, value = (
            stored.reshape(count, -1, stored.shape[1])
            for count, stored in (
                (block.heads, _with_bias(tensors, block.query)),
                (block.kv_heads, _with_bias(tensors, block.key)),
                (block.kv_heads, _with_bias(tensors, block.value)),
            )
        )
    output = tensors[block.output].T
    return Heads(query, key, value, output.reshape(block.heads, -1, output.shape[1]), biased)


def write_heads(tensors: dict[str, Tensor], block: AttentionBlock, heads: Heads) -> None:
    """Put heads back where `read_heads` found them."""
    parts = (heads.query, heads.key, heads.value)
    if block.fused:
        fused = torch.stack(parts, dim=1 if block.fused == "by head" else 0)
        _store(tensors, block.query, fused)
    else:
        for names, part in zip((block.query, block.key, block.value), parts, strict=True):
            _store(tensors, names, part)
    tensors[block.output] = heads.output.reshape(-1, heads.output.shape[-1]).T.contiguous()


def rotary_width(model: Checkpoint) -> int:
    """How many units of a head RoPE turns: the first ones, unit i together with unit i + half of them."""
    shape = model.architecture
    width = shape.head_dim or shape.width // shape.heads
    if shape.model_type == "gpt2":
        return 0
    rope = model.config.get("rope_parameters")
    nested = rope.get("partial_rotary_factor") if isinstance(rope, Mapping) else None
    stated = model.config.get("rotary_pct") if nested is None else nested
    usual = NEOX_ROTARY_SHARE if shape.model_type == "gpt_neox" else 1.0
    share = stated if isinstance(stated, int | float) else usual
    # An odd number leaves half a pair, which transformers turns as a whole one.
    return 2 * math.ceil(int(width * share) / 2)


def _with_bias(tensors: dict[str, Tensor], names: Sequence[str]) -> Tensor:
    return torch.cat([tensors[name].reshape(len(tensors[name]), -1) for name in names], dim=1)


def _store(tensors: dict[str, Tensor], names: Sequence[str], rows: Tensor) -> None:
    flat = rows.reshape(-1, rows.shape[-1])
    if len(names) == 2:
        tensors[names[1]] = flat[:, -1].contiguous()
        flat = flat[:, :-1]
    tensors[names[0]] = flat.contiguous()
