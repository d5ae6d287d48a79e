"""A layer's matrices with the gains of its norms folded in, heads apart, one block an expert."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from fpcore.checkpoints.base import Checkpoint
from fpcore.errors import NotComparable
from fpcore.features.role_values import finite

__all__ = ["Array", "Block", "FeedForward", "Layer", "Layers", "layers_of"]

Array = NDArray[np.floating]

# Models with no more weights than this are kept in memory once read, as float64 (16 MiB). The matrices of
# larger ones are read each time, as float32: stored weights have no more digits than that.
KEPT: Final = 1 << 21


class FeedForward(Protocol):
    """One feed-forward block, or one expert.

    Attributes
    ----------
    gate : ndarray or None
        (units, width), None for blocks without a gate.
    up : ndarray
        (units, width).
    down : ndarray
        (units, width): what each unit writes, the stored matrix transposed.
    shape : (int, int)
        Units and width.
    """

    @property
    def gate(self) -> Array | None: ...  # noqa: D102
    @property
    def up(self) -> Array: ...  # noqa: D102
    @property
    def down(self) -> Array: ...  # noqa: D102
    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102


@dataclass(frozen=True)
class Block:
    """A feed-forward block in memory."""

    gate: Array | None
    up: Array
    down: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """Units and width."""
        return self.up.shape


class StoredBlock:
    """A feed-forward block of a checkpoint; a large model's matrices are read whenever they are asked for."""

    def __init__(self, layers: Layers, prefix: str, gain: str | None) -> None:
        self._layers, self._prefix, self._gain = layers, prefix, gain
        self._kept: dict[str, Array] = {}
        self.shape = layers.roles[prefix + "up.weight"].shape

    @property
    def gate(self) -> Array | None:
        """What opens each unit."""
        return self._reading("gate") if self._prefix + "gate.weight" in self._layers.roles else None

    @property
    def up(self) -> Array:
        """What each unit reads."""
        return self._reading("up")

    @property
    def down(self) -> Array:
        """What each unit writes."""
        return self._reading("down")

    def _reading(self, part: str) -> Array:
        if part in self._kept:
            return self._kept[part]
        role = f"{self._prefix}{part}.weight"
        found = self._layers.matrix(role).T if part == "down" else self._layers.reading(role, self._gain)
        if self._layers.small:
            self._kept[part] = found
        return found


class Layer:
    """One layer, in directions of the residual stream; its matrices are read when asked for.

    Attributes
    ----------
    experts : tuple of FeedForward
        One for a dense layer; the routed experts, then the shared one, in a mixture.
    """

    def __init__(self, layers: Layers, number: int) -> None:
        self._layers, self._number = layers, number
        self.width = layers.model.architecture.width
        self.heads, self.shared = layers.head_counts(number)
        self.experts: tuple[FeedForward, ...] = tuple(layers.blocks(number))

    @cached_property
    def query(self) -> Array:
        """(heads, head width, width): what each dimension of each head reads."""
        return self._read("query", self.heads)

    @cached_property
    def key(self) -> Array:
        """(key-value heads, head width, width)."""
        return self._read("key", self.shared)

    @cached_property
    def value(self) -> Array:
        """(key-value heads, head width, width); it may be narrower or wider than keys are."""
        return self._read("value", self.shared)

    @cached_property
    def output(self) -> Array:
        """(heads, head width, width): what each dimension of each head writes."""
        written = self._layers.matrix(f"layers.{self._number}.attention.output.weight").T
        return written.reshape(self.heads, -1, written.shape[1])

    @property
    def group(self) -> int:
        """Query heads that share a key-value head."""
        return self.heads // self.shared

    def each_head(self, shared: Array) -> Array:
        """Keys or values, repeated so that there is one for each query head (neighbours share one)."""
        return np.repeat(shared, self.group, axis=0)

    def by_group(self, own: Array) -> Array:
        """Queries or outputs, summed over the heads that share a key-value head."""
        if self.group == 1:
            return own
        found: Array = own.reshape(self.shared, self.group, *own.shape[1:]).sum(axis=1)
        return found

    def _read(self, part: str, heads: int) -> Array:
        here = f"layers.{self._number}.attention."
        rows = self._layers.reading(f"{here}{part}.weight", here + "norm.weight")
        return rows.reshape(heads, -1, rows.shape[1])


class Layers(Sequence[Layer]):
    """The layers of a model that have attention and a feed-forward block, read when asked for.

    Attributes
    ----------
    numbers : tuple of int
        Which layers of the model they are.
    """

    def __init__(self, model: Checkpoint) -> None:
        self.model = model
        self.roles = model.roles
        self.head_dim = model.architecture.head_dim or 0
        width = model.architecture.width
        numbers = set(range(self.roles.depth))
        for part, axis in {"query": 1, "key": 1, "value": 1, "output": 0}.items():
            views = self.roles.present(f"attention.{part}.weight")
            # Latent attention reads a compressed stream, of another width.
            if not views or any(view.shape[axis] != width for view in views.values()):
                raise NotComparable(f"attention without a plain {part} projection")
            numbers &= set(views)
        self.numbers = tuple(sorted(filter(self.has_feed_forward, numbers)))
        if not self.numbers:
            raise NotComparable("no layer has both plain attention and a feed-forward block")
        self.small = self.size() <= KEPT
        self.dtype = np.float64 if self.small else np.float32
        self._kept: dict[int, Layer] = {}

    def size(self) -> int:
        """Weights within layers."""
        return sum(view.size for role, view in self.roles.items() if role.startswith("layers."))

    def size_of(self, *parts: str) -> int:
        """Bytes that some parts of the largest layer take once they are read; 0 where layers are kept.

        Parameters
        ----------
        *parts : str
            Such as ``attention`` or ``feed_forward``.
        """
        if self.small:
            return 0
        sizes = dict.fromkeys(self.numbers, 0)
        for role, view in self.roles.items():
            words = role.split(".")
            if words[0] == "layers" and int(words[1]) in sizes and words[2] in parts:
                sizes[int(words[1])] += view.size
        return 4 * max(sizes.values())

    def __len__(self) -> int:
        return len(self.numbers)

    def has_feed_forward(self, number: int) -> bool:
        """Whether a layer has a feed-forward block, or experts."""
        here = f"layers.{number}.feed_forward."
        return any(here + name in self.roles for name in ("up.weight", "shared_expert.up.weight")) or bool(
            self.roles.experts(number, "up")
        )

    def __iter__(self) -> Iterator[Layer]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Layer:  # type: ignore[override]
        if not 0 <= index < len(self):
            raise IndexError(index)
        if not self.small:
            return Layer(self, self.numbers[index])
        if index not in self._kept:
            self._kept[index] = Layer(self, self.numbers[index])
        return self._kept[index]

    def head_counts(self, number: int) -> tuple[int, int]:
        """Heads of a layer, and key-value heads."""
        here, dim = f"layers.{number}.attention.", self.dim(number)
        rows = {part: self.roles[f"{here}{part}.weight"].shape[0] for part in ("query", "key", "value")}
        rows["output"] = self.roles[here + "output.weight"].shape[1]
        heads, shared = (rows[part] // dim if dim else 0 for part in ("query", "key"))
        # Values may be narrower or wider than keys; there are as many of them.
        for part, count in {"query": heads, "key": shared, "value": shared, "output": heads}.items():
            whole = dim if part in {"query", "key"} else 1
            if not count or rows[part] % (count * whole):
                raise NotComparable(f"the {part} projection does not have a whole number of heads")
        if heads % shared:
            raise NotComparable("query, key and output heads do not match")
        return heads, shared

    def blocks(self, number: int) -> Iterator[StoredBlock]:
        """The feed-forward block, or the routed experts and the shared one."""
        here = f"layers.{number}.feed_forward."
        # Parallel blocks may read the norm of attention.
        gain = here + "norm.weight" if here + "norm.weight" in self.roles else None
        if gain is None and here + "post_norm.weight" not in self.roles:
            gain = f"layers.{number}.attention.norm.weight"
        routed = len(self.roles.experts(number, "up"))
        prefixes = [f"{here}experts.{expert}." for expert in range(routed)]
        prefixes += [
            prefix for prefix in (here, here + "shared_expert.") if prefix + "up.weight" in self.roles
        ]
        if not prefixes:
            raise NotComparable(f"layer {number} has no plain feed-forward block")
        for prefix in prefixes:
            yield StoredBlock(self, prefix, gain)

    def reading(self, role: str, gain: str | None) -> Array:
        """A weight with the gain of the norm that it reads folded in."""
        weight = self.matrix(role)
        if gain is None or gain not in self.roles:
            return weight
        folded: Array = weight * self.matrix(gain)
        return folded

    def matrix(self, role: str) -> Array:
        """A weight as numbers to calculate with."""
        return finite(self.roles[role], self.dtype)

    def dim(self, index: int) -> int:
        """Width of a head: that of the gain of its query's norm where each head has one, else the model's."""
        name = f"layers.{index}.attention.query"
        gain = self.roles.get(f"{name}_norm.weight")
        rows = self.roles[f"{name}.weight"].shape[0]
        own = gain.size if gain is not None and len(gain.shape) == 1 else rows
        return own if own < rows and rows % own == 0 else self.head_dim


def layers_of(model: Checkpoint) -> Layers:
    """The layers of a model with their norms' gains folded in.

    The gain of the norm before a block scales the columns of what reads it; gains behind a block and those
    of queries and keys are left where they are, as no matrix can take them up.

    Raises
    ------
    NotComparable
        Attention is not made of query, key, value and output projections.
    """
    return model.remembered("layer weights", lambda: Layers(model))
