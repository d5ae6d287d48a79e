"""Rotations of the residual stream: no matrix keeps an entry, the function stays."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.zoo.laundering import fold_norms
from benchmark.zoo.layouts import as_stored, embeddings, norm_blocks, oriented, residual_axes
from fpcore import BadCheckpoint, Checkpoint, MemoryCheckpoint

__all__ = ["rotate", "rotate_about_mean", "untied"]


def rotate(model: Checkpoint, *, seed: int) -> dict[str, Tensor]:
    """Turn the residual stream by a random orthogonal matrix, after folding all norm gains.

    An RMSNorm without gain divides by a length, which no rotation changes. A tied embedding is stored twice
    first: the gain before the unembedding can then be folded too.

    Raises
    ------
    BadCheckpoint
        The model has LayerNorms, which subtract the mean over units: a free rotation would turn the direction
        of the mean into others.
    """
    own = untied(model)
    if own.architecture.norm == "layernorm":
        raise BadCheckpoint(
            "LayerNorm subtracts the mean over units, which a free rotation does not preserve; use"
            " centred-rotation"
        )
    return _rotated(own, _orthogonal(own.architecture.width, seed))


def rotate_about_mean(model: Checkpoint, *, seed: int) -> dict[str, Tensor]:
    """Turn the residual stream, leaving the direction of the mean over units where it is.

    Exact under LayerNorm and RMSNorm alike, as mean and length both stay.
    """
    width = model.architecture.width
    # A reflection that takes the first axis to the direction of the mean, and back.
    direction = torch.full((width,), -(width**-0.5), dtype=torch.float64)
    direction[0] += 1.0
    reflection = torch.eye(width, dtype=torch.float64)
    reflection -= 2.0 * torch.outer(direction, direction) / direction.square().sum()
    inner = torch.eye(width, dtype=torch.float64)
    inner[1:, 1:] = _orthogonal(width - 1, seed)
    return _rotated(untied(model), reflection @ inner @ reflection)


def untied(model: Checkpoint) -> Checkpoint:
    """The same model with an unembedding of its own."""
    embedding, head = embeddings(model)
    if head in model.tensors:
        return model
    tensors = {name: model.read(name) for name in model.tensors}
    config = {**model.config, "tie_word_embeddings": False}
    return MemoryCheckpoint(
        model.name,
        model.digest,
        config,
        {**tensors, head: tensors[embedding].clone()},
        model.tokenizer_file(),
    )


def _rotated(own: Checkpoint, rotation: Tensor) -> dict[str, Tensor]:
    folded = MemoryCheckpoint(own.name, own.digest, own.config, fold_norms(own))
    tensors = oriented(folded)
    gains = {block.gain for block in norm_blocks(folded)}
    for name, axis in residual_axes(folded).items():
        if name not in gains:
            # Every vector of the stream becomes rotation @ vector.
            turned = tensors[name].double().movedim(axis, -1) @ rotation.T
            tensors[name] = turned.movedim(-1, axis).float().contiguous()
    return as_stored(tensors)


def _orthogonal(width: int, seed: int) -> Tensor:
    """Uniform over all rotations and reflections (F. Mezzadri, Notices of the AMS 54, 2007)."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(width, width, generator=generator, dtype=torch.float64)
    basis: Tensor
    basis, triangle = torch.linalg.qr(drawn)
    return basis * torch.sign(torch.diagonal(triangle))
