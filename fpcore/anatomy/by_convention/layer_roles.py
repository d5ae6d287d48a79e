"""The roles of one layer's tensors: norms, then the blocks that projections belong to."""

from __future__ import annotations

from collections.abc import Iterator

from fpcore.anatomy.by_convention.attention import attention_roles
from fpcore.anatomy.by_convention.blocks import block_of
from fpcore.anatomy.by_convention.feed_forward import feed_forward_roles
from fpcore.anatomy.by_convention.layer import Found, Layer
from fpcore.anatomy.by_convention.names import split
from fpcore.anatomy.by_convention.norms import norm_role
from fpcore.anatomy.tensor_layouts import View

__all__ = ["layer_roles"]


def layer_roles(layer: Layer) -> Iterator[Found]:
    """Every tensor of the layer with its role; what has none that is known stands under ``other``."""
    for rest, name in layer.names.items():
        found = list(roles_of(layer, rest, name))
        if found:
            yield from found
        else:
            yield Found(f"other.{rest}", name, View())


def roles_of(layer: Layer, rest: str, name: str) -> Iterator[Found]:
    """The roles of one tensor; none if its name or its shape says nothing."""
    words, kind = split(rest)
    shape = layer.shapes[name]
    if not shape:
        return
    said = layer.irregular.layer.get(".".join(words))
    if said is not None:
        yield Found(f"{said.removeprefix('T ')}.{kind}", name, View(transpose=said.startswith("T ")))
        return
    norm = norm_role(layer, words, shape)
    if norm is not None:
        yield Found(f"{norm}.{kind}", name, View(shift=layer.shift(words, kind)))
        return
    block = block_of(layer, words)
    if block in {"attention", "cross_attention"}:
        yield from attention_roles(layer, block, words, kind, name, shape)
    elif block is not None:
        yield from feed_forward_roles(layer, block, words, kind, name, shape)
