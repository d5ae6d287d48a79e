"""Changes to the weights that leave the function as it was: other orders, and norm gains moved elsewhere."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.zoo.heads import Heads, read_heads, write_heads
from benchmark.zoo.layouts import (
    as_stored,
    attention_blocks,
    feed_forward_blocks,
    norm_blocks,
    oriented,
    residual_axes,
)
from fpcore import BadCheckpoint, Checkpoint

__all__ = ["fold_norms", "permute_embedding", "permute_heads", "permute_units"]


def permute_units(model: Checkpoint, *, seed: int) -> dict[str, Tensor]:
    """Reorder the inner units of every feed-forward block and expert, each in its own random order."""
    generator = torch.Generator().manual_seed(seed)
    tensors = oriented(model)
    for block in feed_forward_blocks(model):
        order = torch.randperm(len(tensors[block.rows[0]]), generator=generator)
        for name in block.rows:
            tensors[name] = tensors[name][order]
        for name in block.columns:
            tensors[name] = tensors[name][:, order]
    return as_stored(tensors)


def permute_heads(model: Checkpoint, *, seed: int) -> dict[str, Tensor]:
    """Reorder key-value heads, each with the query heads that share it, and those among themselves."""
    generator = torch.Generator().manual_seed(seed)
    tensors = oriented(model)
    for block in attention_blocks(model):
        groups = torch.randperm(block.kv_heads, generator=generator)
        shared = block.heads // block.kv_heads
        inside = [torch.randperm(shared, generator=generator) for _ in range(block.kv_heads)]
        queries = torch.cat([shared * group + inside[int(group)] for group in groups])
        heads = read_heads(tensors, block)
        moved = Heads(
            *(heads.query[queries], heads.key[groups], heads.value[groups], heads.output[queries]),
            heads.biased,
        )
        write_heads(tensors, block, moved)
    return as_stored(tensors)


def permute_embedding(model: Checkpoint, *, seed: int) -> dict[str, Tensor]:
    """Reorder the units of the residual stream: one random order for all that read or write it.

    Norms average over these units and rescale each one, so the order is free under RMSNorm and LayerNorm
    alike. No matrix keeps its place, embedding included.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(model.architecture.width, generator=generator)
    tensors = oriented(model)
    for name, axis in residual_axes(model).items():
        tensors[name] = tensors[name].index_select(axis, order)
    return as_stored(tensors)


def fold_norms(model: Checkpoint) -> dict[str, Tensor]:
    """Multiply every norm's gain (and add its bias) into the linear maps that read it; the gain becomes 1.

    What changes is stored as float32, where products of bfloat16 numbers are exact. A LayerNorm bias goes
    into the readers' biases; where a reader has none (the unembedding), it stays, divided by the gain. A
    final norm before a tied embedding is left as it is: folding it would change the input too.
    """
    tensors = oriented(model)
    for block in norm_blocks(model):
        gain = tensors[block.gain].float()
        shift = None if block.bias is None else tensors[block.bias].float()
        absorbed = shift is None or all(bias is not None for _, bias in block.readers)
        for weight_name, bias_name in block.readers:
            weight = tensors[weight_name].float()
            if shift is not None and absorbed and bias_name is not None:
                tensors[bias_name] = tensors[bias_name].float() + weight @ shift
            tensors[weight_name] = weight * gain
        tensors[block.gain] = torch.ones_like(gain)
        if block.bias is not None and shift is not None:
            if not absorbed and bool((gain == 0).any()):
                raise BadCheckpoint(f"{block.gain} contains a zero, so the bias of its norm cannot be folded")
            tensors[block.bias] = torch.zeros_like(shift) if absorbed else shift / gain
    return as_stored(tensors)
