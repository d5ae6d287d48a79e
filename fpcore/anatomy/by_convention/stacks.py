"""Stacks of layers among the names of tensors: which of them are the language model, and in what order."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fpcore.anatomy.by_convention.words import (
    ATTENTION_WORDS,
    CROSS_WORDS,
    FEED_FORWARD_WORDS,
    LAYER_WORDS,
)

__all__ = ["Sorted", "Stack", "sort_names"]

NUMBERED = re.compile(r"^(?P<stem>(?:[^.\d][^.]*\.)*)(?P<number>\d+)\.(?P<rest>.+)$")
INNER = re.compile(r"^(?P<word>(?:[^.\d][^.]*\.)?)(?P<number>\d+)\.(?P<rest>.+)$")

TWOFOLD = re.compile(
    r"^(?P<stem>(?:\w+\.)*layers\.)(?P<layer>\d+)\."
    r"(?P<block>self_attn|mlps|input_layernorm|post_attention_layernorm)\.(?P<part>[01])\.(?P<rest>.+)$"
)

Shapes = Mapping[str, tuple[int, ...]]


@dataclass
class Stack:
    """Layers that count from 0 under one name.

    Attributes
    ----------
    stem : str
        What stands before the number, such as ``model.layers.``.
    layers : dict of int to dict of str to str
        Number → name within the layer → stored name.
    """

    stem: str
    layers: dict[int, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    def size(self, shapes: Shapes) -> int:
        """Number of weights."""
        total = 0
        for names in self.layers.values():
            for name in names.values():
                count = 1
                for length in shapes[name]:
                    count *= length
                total += count
        return total

    def rests(self) -> set[str]:
        """Every name within a layer."""
        return {rest for names in self.layers.values() for rest in names}

    @property
    def words(self) -> list[str]:
        """The words of its stem."""
        return self.stem.rstrip(".").split(".")

    def is_of_layers(self) -> bool:
        """Whether these are layers of a network, not a list of single matrices or parts of one layer."""
        if self.words[-1] in LAYER_WORDS or self.words[-1].endswith("layers"):
            return any("." in rest for rest in self.rests())
        known = ATTENTION_WORDS | FEED_FORWARD_WORDS | CROSS_WORDS
        return any(word in known for rest in self.rests() for word in rest.split(".")[:-1])


@dataclass(frozen=True)
class Sorted:
    """The names of a model.

    Attributes
    ----------
    main : Stack
        The layers of the language model (of its decoder, where there are both).
    more : dict of str to Stack
        Further stacks of the language model, under the word that sets them apart (``encoder``).
    outside : dict of str to str
        Name → stored name, for what is in no layer.
    aside : tuple of str
        Stored names of what encodes another modality.
    """

    main: Stack
    more: dict[str, Stack]
    outside: dict[str, str]
    aside: tuple[str, ...]


def sort_names(shapes: Shapes, *, composite: bool = False, depth: int | None = None) -> Sorted | None:
    """Sort the tensors of a model of unknown type; None if nothing in it is a stack of layers.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Stored name → shape.
    composite : bool
        Whether the config has a part for another modality: an encoder beside a decoder is then that one's.
    depth : int, optional
        Layers as the config states them: prefers the stack that has as many.
    """
    folded = any(TWOFOLD.match(name) for name in shapes)
    stacks: dict[str, Stack] = {}
    outside: dict[str, str] = {}
    for name in shapes:
        found = NUMBERED.match(unfolded(name) if folded else name)
        if found is None:
            outside[name] = name
            continue
        stack = stacks.setdefault(found["stem"], Stack(found["stem"]))
        stack.layers[int(found["number"])][found["rest"]] = name
    stacks = merged(stacks)
    for stem in list(stacks):
        stacks[stem] = flattened(stacks[stem])
        if not stacks[stem].is_of_layers():
            for number, names in stacks.pop(stem).layers.items():
                outside.update({f"{stem}{number}.{rest}": name for rest, name in names.items()})
    if not stacks:
        return None
    aside: list[str] = []
    main = chosen(list(stacks.values()), shapes, depth)
    more: dict[str, Stack] = {}
    for stem, stack in stacks.items():
        if stack is main:
            continue
        label = apart(stack, main)
        elsewhere = "encoder" in stack.words or stack.words[0] != main.words[0]
        if composite and elsewhere and "language_model" not in stack.words:
            aside += [name for names in stack.layers.values() for name in names.values()]
        else:
            more[label if label not in more else stem.rstrip(".").replace(".", "_")] = stack
    if composite and "decoder" in main.words and "language_model" not in main.words:
        for short in list(outside):
            if "encoder" in short.split(".") and "language_model" not in short.split("."):
                aside.append(outside.pop(short))
    return Sorted(main, more, outside, tuple(aside))


def unfolded(name: str) -> str:
    """A layer of two sub-layers (``layers.3.self_attn.1.…``) as two layers in turn."""
    found = TWOFOLD.match(name)
    if found is None:
        whole = NUMBERED.match(name)
        layers = whole is not None and whole["stem"].endswith("layers.")
        return f"{whole['stem']}{2 * int(whole['number'])}.{whole['rest']}" if whole and layers else name
    layer = 2 * int(found["layer"]) + int(found["part"])
    return f"{found['stem']}{layer}.{found['block'].replace('mlps', 'mlp')}.{found['rest']}"


def merged(stacks: dict[str, Stack]) -> dict[str, Stack]:
    """Parts of layers that are numbered apart (all attentions, then all feed-forward blocks), as layers."""
    by_parent: dict[tuple[str, frozenset[int]], list[Stack]] = defaultdict(list)
    for stack in stacks.values():
        if stack.words[-1] not in LAYER_WORDS and not stack.words[-1].endswith("layers"):
            parent = ".".join(stack.words[:-1])
            by_parent[parent, frozenset(stack.layers)].append(stack)
    done = dict(stacks)
    for (parent, numbers), group in by_parent.items():
        names = {stack.words[-1] for stack in group}
        if len(group) < 2 or len(numbers) < 2 or not names & (ATTENTION_WORDS | FEED_FORWARD_WORDS):
            continue
        whole = Stack(f"{parent}.layers." if parent else "layers.")
        for stack in group:
            del done[stack.stem]
            for number, rests in stack.layers.items():
                whole.layers[number].update({f"{stack.words[-1]}.{r}": name for r, name in rests.items()})
        done[whole.stem] = whole
    return done


def flattened(stack: Stack) -> Stack:
    """A stack whose entries are stacks themselves (groups of layers), as one."""
    rests = stack.rests()
    inner = [INNER.match(rest) for rest in rests]
    words = {match["word"] for match in inner if match}
    if not rests or len(words) != 1 or not all(inner):
        return stack
    if "." not in "".join(match["rest"] for match in inner if match):
        return stack
    attending: dict[str, bool] = defaultdict(bool)
    for part in filter(None, inner):
        attending[part["number"]] |= bool(ATTENTION_WORDS & set(part["rest"].split(".")))
    if len(set(attending.values())) > 1:
        return stack  # parts of one layer: its attention, then its feed-forward block
    flat = Stack(stack.stem)
    offset = 0
    for number in sorted(stack.layers):
        highest = 0
        for rest, name in stack.layers[number].items():
            match = INNER.match(rest)
            assert match is not None
            place = int(match["number"])
            highest = max(highest, place)
            flat.layers[offset + place][match["rest"]] = name
        offset += highest + 1
    return flat


def chosen(stacks: list[Stack], shapes: Shapes, depth: int | None) -> Stack:
    """The stack that is the language model: a decoder before an encoder, then the largest."""

    def rank(stack: Stack) -> tuple[bool, bool, bool, int]:
        crossing = stack.words[-1] not in LAYER_WORDS
        return (
            "encoder" not in stack.words or not any("decoder" in other.words for other in stacks),
            not crossing,
            depth is not None and len(stack.layers) == depth,
            stack.size(shapes),
        )

    return max(stacks, key=rank)


def apart(stack: Stack, main: Stack) -> str:
    """The word of a stack's name that the main one does not have."""
    different: Iterable[str] = [word for word in stack.words if word not in main.words]
    return "_".join(different) or stack.words[0]
