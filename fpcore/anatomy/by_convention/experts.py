"""All experts of a layer in one tensor: which way it lies, and where gate and up are in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fpcore.anatomy.by_convention.layer import Found, Layer, Shape
from fpcore.anatomy.by_convention.names import projection, split
from fpcore.anatomy.by_convention.words import FUSED_GATE_UP, OTHER_MIXERS, SHARED_WORDS
from fpcore.anatomy.tensor_layouts import View, experts_of

__all__ = ["has_experts", "is_stack", "stacked_experts"]


def has_experts(layer: Layer) -> bool:
    """Whether the layer has experts."""
    return any("experts" in rest or is_stack(layer, split(rest)[0]) for rest in layer.names)


def stacked_experts(layer: Layer, last: str, kind: str, name: str, shape: Shape) -> Iterator[Found]:
    """All experts of a layer in one tensor."""
    bias = kind == "bias" or last.endswith("_bias")
    if len(shape) != (2 if bias else 3):
        return
    part = layer.part(last, [last])
    kind = "bias" if bias else "weight"
    last = last.removesuffix("_bias")
    turned = experts_turned(layer)
    rows = shape[1] if bias or not turned else shape[2]
    for expert in experts_of(shape, f"tensor {name}"):
        here = f"feed_forward.experts.{expert}."
        whole = View(expert=expert, transpose=turned and not bias)
        if last in FUSED_GATE_UP or (part == "up" and rows == 2 * units(layer)):
            yield from gate_and_up(layer, here, kind, name, whole, rows)
        elif part is not None:
            yield Found(f"{here}{part}.{kind}", name, whole)


def gate_and_up(layer: Layer, here: str, kind: str, name: str, whole: View, rows: int) -> Iterator[Found]:
    """Gate and up of one expert: halves, or one row each in turn."""
    half = rows // 2
    if layer.irregular.interleaved:
        whole = replace(whole, groups=half)
        half = 1
    first, second = ("up", "gate") if layer.irregular.up_first_experts else ("gate", "up")
    yield Found(f"{here}{first}.{kind}", name, replace(whole, start=0, stop=half))
    yield Found(f"{here}{second}.{kind}", name, replace(whole, start=half, stop=2 * half))


def stacks(layer: Layer) -> dict[str, Shape]:
    """Part (``up``: alone or with the gate; ``down``) → shape of one expert in the stack of all."""
    found: dict[str, Shape] = {}
    for rest, name in layer.names.items():
        words, kind = split(rest)
        shape = layer.shapes[name]
        if kind == "bias" or len(shape) != 3 or set(words) & SHARED_WORDS or words[0] in OTHER_MIXERS:
            continue
        last = projection(words)
        part = layer.part(last, [last])
        if part is not None:
            found["down" if part == "down" else "up"] = shape[1:]
    return found


def is_stack(layer: Layer, words: list[str]) -> bool:
    """Whether a tensor holds all experts of a layer although its name does not say so."""
    return (
        words[0] not in OTHER_MIXERS
        and layer.part(words[-1], [words[-1]]) is not None
        and any(
            len(layer.shapes[name]) == 3 and split(rest)[0] == words for rest, name in layer.names.items()
        )
    )


def experts_turned(layer: Layer) -> bool:
    """Whether stacks of experts hold (columns, rows): both shapes together say so."""
    found = stacks(layer)
    if "up" not in found or "down" not in found:
        return False
    up, down = found["up"], found["down"]
    if up[0] == 2 * down[1] and up[1] == down[0]:
        return False
    if up[1] == 2 * down[0] and up[0] == down[1]:
        return True
    return up[0] == layer.width and up[1] != layer.width


def units(layer: Layer) -> int:
    """Inner units of one expert, by its down projection."""
    down = stacks(layer).get("down", (0, 0))
    return down[0] if experts_turned(layer) else down[1]
