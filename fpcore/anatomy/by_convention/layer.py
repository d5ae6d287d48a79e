"""One layer's tensors by name and shape, and what they say together of how the layer is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from fpcore.anatomy.by_convention.irregular import IRREGULAR, Irregular
from fpcore.anatomy.by_convention.names import projection, split
from fpcore.anatomy.by_convention.stacks import Stack
from fpcore.anatomy.by_convention.words import (
    ATTENTION_PARTS,
    FEED_FORWARD_PARTS,
    FEED_FORWARD_WORDS,
    FUSED_GATE_UP,
    NORMS,
    OTHER_MIXERS,
    STATEFUL,
)
from fpcore.anatomy.tensor_layouts import Sizes, View

__all__ = ["Found", "Layer", "Shape", "layer_width"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Found:
    """A role within a layer (or outside), and how it is cut out of its stored tensor."""

    role: str
    source: str
    view: View


def layer_width(stack: Stack, shapes: Mapping[str, Shape]) -> int | None:
    """The width that most names agree on: norms, columns of what reads the stream, rows of what writes it."""
    votes: Counter[int] = Counter()
    for names in stack.layers.values():
        for rest, name in names.items():
            words, kind = split(rest)
            shape = shapes[name]
            if kind != "weight" or not words:
                continue
            last = words[-1]
            if len(shape) == 1 and ".".join(words) in NORMS:
                votes[shape[0]] += 2
            elif len(shape) == 2 and ATTENTION_PARTS.get(last) in {"query", "key", "value"}:
                votes[shape[1]] += 1
            elif len(shape) == 2 and (last in {"o_proj", "out_proj", "down_proj", "fc2", "w2"}):
                votes[shape[0]] += 1
            elif len(shape) == 2 and last in {"gate_proj", "up_proj", "fc1", "w1"}:
                votes[shape[1]] += 1
    return votes.most_common(1)[0][0] if votes else None


class Layer:
    """What the names and shapes of a layer's tensors say of it.

    Parameters
    ----------
    names : mapping of str to str
        Name within the layer → stored name.
    shapes : mapping of str to tuple of int
    width : int
        Of the residual stream.
    sizes : Sizes
        Where fused tensors are cut.
    model_type : str
    final_norm : bool
        Whether a norm stands behind the last layer, as in models whose blocks read through norms.
    """

    def __init__(
        self,
        names: Mapping[str, str],
        shapes: Mapping[str, Shape],
        width: int,
        sizes: Sizes,
        model_type: str,
        *,
        final_norm: bool,
    ) -> None:
        self.names = names
        self.shapes = shapes
        self.width = width
        self.sizes = sizes
        self.irregular = IRREGULAR.get(model_type, Irregular())
        self.pre_norm = final_norm if self.irregular.pre_norm is None else self.irregular.pre_norm
        self.stateful = {
            self.module(rest) for rest in names if STATEFUL & set(rest.replace("_bias", "_bias").split("."))
        }
        self.modules = {".".join(split(rest)[0]) for rest in names}
        self.transposed = self.conv1d()

    @staticmethod
    def module(rest: str) -> str:
        """The outermost module of a name within a layer."""
        return rest.partition(".")[0]

    def conv1d(self) -> bool:
        """Whether the layer stores its weights as (columns, rows), as GPT-2 does."""
        for rest, name in self.names.items():
            words, kind = split(rest)
            shape = self.shapes[name]
            if kind == "weight" and words[-1:] in (["c_attn"], ["c_fc"]) and len(shape) == 2:
                return shape[0] == self.width and shape[1] != self.width
        return False

    def only_block(self) -> str | None:
        """``attention`` or ``feed_forward`` where the layer has one of them only."""
        kinds = set()
        for rest in self.names:
            words, _ = split(rest)
            if self.module(rest) in self.stateful or self.module(rest) in OTHER_MIXERS:
                continue
            last = projection(words)
            if ATTENTION_PARTS.get(last) in {"query", "key", "value"}:
                kinds.add("attention")
            elif self.part(last, words) in {"up", "down"}:
                kinds.add("feed_forward")
        return kinds.pop() if len(kinds) == 1 else None

    def shift(self, words: list[str], kind: str) -> float:
        """What is to be added to a norm's stored gain."""
        return 1.0 if kind == "weight" and self.irregular.shifts(words[-1]) else 0.0

    def reads_stream(self, columns: int) -> bool:
        """Whether a projection of so many columns reads the stream, or what was made of it."""
        return columns in {self.width, 2 * self.width, *self.irregular.read_widths}

    def part(self, last: str, words: list[str]) -> str | None:
        """``gate``, ``up`` or ``down``."""
        if last in {"w1", "w2", "w3"}:
            stem = ".".join(words[:-1])
            gated = f"{stem}.w3" in self.modules
            return {"w1": "gate" if gated else "up", "w2": "down", "w3": "up"}[last]
        if last == "ffn":
            return "up"
        if last == "ffn_output":
            return "down"
        if last in {"0", "2"} and words[0] in FEED_FORWARD_WORDS:
            return {"0": "up", "2": "down"}[last]
        if last in FUSED_GATE_UP:
            return "up"
        return FEED_FORWARD_PARTS.get(last)
