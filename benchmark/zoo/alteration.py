"""Small changes to the weights that do change the function."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from benchmark.zoo.layouts import linear_weights, norm_blocks
from fpcore import BadCheckpoint, Checkpoint

__all__ = ["add_noise", "reinitialise_layer"]


def add_noise(model: Checkpoint, *, seed: int, share: float) -> dict[str, Tensor]:
    """Add Gaussian noise to every linear map inside layers, `share` of the map's own standard deviation."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {name: model.read(name) for name in model.tensors}
    for name in linear_weights(tensors):
        weight = tensors[name].float()
        noise = torch.randn(weight.shape, generator=generator)
        tensors[name] = (weight + share * weight.std() * noise).to(tensors[name].dtype)
    return tensors


def reinitialise_layer(model: Checkpoint, *, seed: int, layer: int) -> dict[str, Tensor]:
    """Draw one layer anew: matrices as the configuration initialises them, gains 1, biases 0.

    Parameters
    ----------
    model : Checkpoint
    seed : int
    layer : int
        Counted from 0; negative numbers from the end.

    Raises
    ------
    BadCheckpoint
        There is no such layer, or the configuration states no ``initializer_range``.
    """
    depth = model.architecture.depth
    if not -depth <= layer < depth:
        raise BadCheckpoint(f"{model.name} has {depth} layers; there is no layer {layer}")
    sd = model.config.get("initializer_range")
    if not isinstance(sd, int | float):
        raise BadCheckpoint(f"{model.name}: config.json has no initializer_range to draw a layer with")
    generator = torch.Generator().manual_seed(seed)
    tensors = {name: model.read(name) for name in model.tensors}
    gains = {block.gain for block in norm_blocks(model)}
    inside = re.compile(rf"\.(?:layers|h)\.{layer % depth}\.")
    for name in filter(inside.search, list(tensors)):
        old = tensors[name]
        if old.ndim > 1:
            new = sd * torch.randn(old.shape, generator=generator)
        else:
            new = torch.full(old.shape, 1.0 if name in gains or "_norm." in name else 0.0)
        tensors[name] = new.to(old.dtype)
    return tensors
