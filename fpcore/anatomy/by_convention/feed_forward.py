"""Projections of a feed-forward block, of its experts one by one, and its router."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fpcore.anatomy.by_convention.experts import has_experts, stacked_experts
from fpcore.anatomy.by_convention.layer import Found, Layer, Shape
from fpcore.anatomy.by_convention.names import projection, split
from fpcore.anatomy.by_convention.words import FUSED_GATE_UP, ROUTERS
from fpcore.anatomy.tensor_layouts import View

__all__ = ["feed_forward_roles"]


def feed_forward_roles(
    layer: Layer, context: str, words: list[str], kind: str, name: str, shape: Shape
) -> Iterator[Found]:
    """Projections of a feed-forward block, of its experts and its router."""
    last = projection(words)
    numbers = [word for word in words if word.isdigit()]
    here = "feed_forward."
    if context == "shared":
        here += "shared_expert."
    if context == "experts":
        if numbers and len(shape) <= 2:
            here += f"experts.{numbers[-1]}."
        else:
            yield from stacked_experts(layer, last, kind, name, shape)
            return
    elif routes(layer, words, kind, shape):
        yield Found(f"feed_forward.router.{kind}", name, View())
        return
    elif last == "e_score_correction_bias" or words[-1] == "e_score_correction":
        yield Found("feed_forward.router.correction_bias", name, View())
        return
    elif words[-1] in {"shared_expert_gate"}:
        yield Found(f"feed_forward.shared_expert_gate.{kind}", name, View())
        return
    yield from block_roles(layer, here, last, words, kind, name, shape)


def block_roles(
    layer: Layer, here: str, last: str, words: list[str], kind: str, name: str, shape: Shape
) -> Iterator[Found]:
    """Gate, up and down of one block."""
    transpose = layer.transposed and kind == "weight"
    if len(shape) > 2 or (len(shape) == 1 and kind == "weight"):
        return
    rows = shape[1] if transpose else shape[0]
    columns = None if kind == "bias" else shape[0] if transpose else shape[1]
    part = layer.part(last, words)
    if part in {"gate", "up"} and kind == "weight" and not layer.reads_stream(columns or 0):
        return
    if part == "down" and rows != layer.width:
        return
    if last in FUSED_GATE_UP or (part == "up" and holds_both(layer, words, rows)):
        if rows % 2:
            return
        first, second = ("up", "gate") if layer.irregular.up_first else ("gate", "up")
        whole = View(transpose=transpose)
        yield Found(f"{here}{first}.{kind}", name, replace(whole, start=0, stop=rows // 2))
        yield Found(f"{here}{second}.{kind}", name, replace(whole, start=rows // 2, stop=rows))
    elif part is not None:
        yield Found(f"{here}{part}.{kind}", name, View(transpose=transpose))


def holds_both(layer: Layer, words: list[str], rows: int) -> bool:
    """Whether an up projection has twice the units that the down projection reads: the gate is in it."""
    stem = ".".join(words[:-1])
    for rest, name in layer.names.items():
        others, kind = split(rest)
        if kind != "weight" or ".".join(others[:-1]) != stem or len(layer.shapes[name]) != 2:
            continue
        if layer.part(projection(others), others) == "down":
            return rows == 2 * layer.shapes[name][0 if layer.transposed else 1]
    return False


def routes(layer: Layer, words: list[str], kind: str, shape: Shape) -> bool:
    """Whether a tensor is the router: it has one row an expert."""
    stem = ".".join(words[1:] if len(words) > 1 else words)
    known = stem in ROUTERS or words[-1] in {"router", "router_proj"} or words[-2:] == ["router", "proj"]
    if not known:
        return False
    if kind == "bias":
        return True
    return len(shape) == 2 and shape[1] == layer.width and has_experts(layer)
