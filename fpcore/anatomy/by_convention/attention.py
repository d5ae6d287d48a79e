"""Projections of attention: apart, fused, or by way of a latent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fpcore.anatomy.by_convention.layer import Found, Layer, Shape
from fpcore.anatomy.by_convention.names import projection, split
from fpcore.anatomy.by_convention.words import ATTENTION_PARTS, FUSED_QUERY_KEY_VALUE, LATENT_PARTS
from fpcore.anatomy.tensor_layouts import LatentDown, LatentUp, QueryKeyValue, Sizes, View
from fpcore.errors import BadCheckpoint

__all__ = ["attention_roles"]


def attention_roles(
    layer: Layer, block: str, words: list[str], kind: str, name: str, shape: Shape
) -> Iterator[Found]:
    """Projections of attention, whole, fused or latent."""
    last = projection(words)
    if last == "in_proj_" or last in FUSED_QUERY_KEY_VALUE:
        yield from fused(layer, block, kind, name, shape)
        return
    if last == "kv_proj" and kind == "weight" and len(shape) == 2:
        each = layer.sizes.kv_heads * layer.sizes.head_dim
        if each and shape == (2 * each, layer.width):
            yield Found(f"{block}.key.{kind}", name, View(start=0, stop=each))
            yield Found(f"{block}.value.{kind}", name, View(start=each, stop=2 * each))
        return
    if last in LATENT_PARTS and block == "attention":
        yield from latent(layer, LATENT_PARTS[last], kind, name, shape)
        return
    part = ATTENTION_PARTS.get(last)
    if part is None:
        return
    role = f"{block}.{part}.{kind}"
    if part in {"query_norm", "key_norm", "relative_bias"}:
        if len(shape) <= 2:
            yield Found(role, name, View(shift=layer.shift([last], kind)))
        return
    transpose = layer.transposed and kind == "weight"
    rows, columns = (shape[::-1] if transpose else shape) if len(shape) == 2 else (shape[0], None)
    if kind == "weight":
        if columns is None:
            return
        if part == "output" and rows != layer.width:
            return
        if part != "output" and block == "attention" and not layer.reads_stream(columns):
            return
    if part == "query" and gated_query(layer, rows):
        heads, dim = layer.sizes.heads, layer.sizes.head_dim
        whole = View(transpose=transpose, groups=heads)
        yield Found(role, name, replace(whole, start=0, stop=dim))
        yield Found(f"{block}.gate.{kind}", name, replace(whole, start=dim, stop=2 * dim))
        return
    yield Found(role, name, View(transpose=transpose))


def gated_query(layer: Layer, rows: int) -> bool:
    """Whether queries come with a gate of their own, head by head."""
    return bool(
        layer.irregular.gated_query
        and layer.sizes.heads
        and rows == 2 * layer.sizes.heads * layer.sizes.head_dim
    )


def fused(layer: Layer, block: str, kind: str, name: str, shape: Shape) -> Iterator[Found]:
    """Query, key and value in one tensor."""
    transpose = kind == "weight" and layer.transposed
    if kind == "weight" and (len(shape) != 2 or not layer.reads_stream(shape[0 if transpose else 1])):
        return
    if not layer.sizes.heads:
        return
    layout = QueryKeyValue(
        grouped=layer.irregular.grouped,
        transpose=transpose,
        groups=layer.irregular.groups,
        order=layer.irregular.order,
    )
    try:
        views = list(layout.views(shape, layer.sizes))
    except BadCheckpoint as error:
        raise BadCheckpoint(f"tensor {name}: {error}; is its config.json right?") from None
    for role, view in views:
        yield Found(role.replace("attention.", f"{block}.").replace("*", kind), name, view)


def latent(layer: Layer, part: str, kind: str, name: str, shape: Shape) -> Iterator[Found]:
    """Multi-head latent attention."""
    if part in {"down", "up"}:
        layout = LatentDown() if part == "down" else LatentUp()
        try:
            views = list(layout.views(shape, latent_sizes(layer)))
        except BadCheckpoint as error:
            raise BadCheckpoint(f"tensor {name}: {error}; is its config.json right?") from None
        for role, view in views:
            yield Found(role.replace("*", kind), name, view)
    else:
        yield Found(f"attention.{part}.{kind}", name, View(shift=layer.shift(["latent"], kind)))


def latent_sizes(layer: Layer) -> Sizes:
    """The sizes of latent attention; a layer without positions has the whole of its keys in the latent."""
    sizes = layer.sizes
    for rest, name in layer.names.items():
        words, kind = split(rest)
        down = kind == "weight" and LATENT_PARTS.get(projection(words)) == "down"
        if down and layer.shapes[name][0] == sizes.latent:
            return replace(sizes, key_dim=sizes.key_dim + sizes.position_dim)
    return sizes
