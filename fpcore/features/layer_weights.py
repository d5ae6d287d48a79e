"""A layer's matrices with the gains of its norms folded in, heads apart, one block an expert."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fpcore.checkpoints.base import Checkpoint
from fpcore.errors import NotComparable
from fpcore.features.role_values import finite

__all__ = ["FeedForward", "Layer", "Layers", "layers_of"]

Array = NDArray[np.float64]

# Models with no more weights than this are kept in memory once read (16 MiB as float64); the layers of
# larger ones are read each time.
KEPT: Final = 1 << 21


@dataclass(frozen=True)
class FeedForward:
    """One feed-forward block, or one expert.

    Attributes
    ----------
    gate : ndarray or None
        (units, width), None for blocks without a gate.
    up : ndarray
        (units, width).
    down : ndarray
        (units, width): what each unit writes, the stored matrix transposed.
    """

    gate: Array | None
    up: Array
    down: Array


@dataclass(frozen=True)
class Layer:
    """One layer, in directions of the residual stream.

    Attributes
    ----------
    query, output : ndarray
        (heads, head width, width): what each dimension of each head reads, and what it writes.
    key, value : ndarray
        (key-value heads, head width, width).
    experts : tuple of FeedForward
        One for a dense layer; the routed experts, then the shared one, in a mixture.
    """

    query: Array
    key: Array
    value: Array
    output: Array
    experts: tuple[FeedForward, ...]

    @property
    def group(self) -> int:
        """Query heads that share a key-value head."""
        return len(self.query) // len(self.key)

    def each_head(self, shared: Array) -> Array:
        """Keys or values, repeated so that there is one for each query head (neighbours share one)."""
        return np.repeat(shared, self.group, axis=0)


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
        self.kept: dict[int, Layer] | None = {} if self.size() <= KEPT else None

    def size(self) -> int:
        """Weights within layers."""
        return sum(view.size for role, view in self.roles.items() if role.startswith("layers."))

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
        if self.kept is None:
            return self.read(self.numbers[index])
        if index not in self.kept:
            self.kept[index] = self.read(self.numbers[index])
        return self.kept[index]

    def read(self, index: int) -> Layer:
        """One layer of the model, by its number, from the file."""
        here = f"layers.{index}."
        gain = self.gain(here + "attention.norm.weight")
        dim = self.dim(index)
        parts = {
            part: self.heads(self.matrix(f"{here}attention.{part}.weight") * gain, part, dim)
            for part in ("query", "key")
        }
        # Values may be narrower or wider than keys; there are as many of them.
        value = self.matrix(here + "attention.value.weight") * gain
        parts["value"] = self.heads(value, "value", len(value) // len(parts["key"]))
        written = self.matrix(here + "attention.output.weight").T
        output = self.heads(written, "output", len(written) // len(parts["query"]))
        layer = Layer(output=output, experts=tuple(self.experts(index)), **parts)
        if len(layer.query) != len(layer.output) or len(layer.query) % len(layer.key):
            raise NotComparable("query, key and output heads do not fit each other")
        return layer

    def experts(self, index: int) -> Iterator[FeedForward]:
        """The feed-forward block, or the routed experts and the shared one."""
        here = f"layers.{index}.feed_forward."
        # Parallel blocks may read the norm of attention.
        name = here + "norm.weight" if here + "norm.weight" in self.roles else None
        if name is None and here + "post_norm.weight" not in self.roles:
            name = f"layers.{index}.attention.norm.weight"
        gain = self.gain(name) if name else np.ones(1)
        routed = len(self.roles.experts(index, "up"))
        prefixes = [f"{here}experts.{expert}." for expert in range(routed)]
        prefixes += [
            prefix for prefix in (here, here + "shared_expert.") if prefix + "up.weight" in self.roles
        ]
        if not prefixes:
            raise NotComparable(f"layer {index} has no plain feed-forward block")
        for prefix in prefixes:
            gated = prefix + "gate.weight" in self.roles
            yield FeedForward(
                gate=self.matrix(prefix + "gate.weight") * gain if gated else None,
                up=self.matrix(prefix + "up.weight") * gain,
                down=self.matrix(prefix + "down.weight").T,
            )

    def gain(self, role: str) -> Array:
        """A norm's gain, or 1 where it has none."""
        view = self.roles.get(role)
        return np.ones(1) if view is None else finite(view)

    def matrix(self, role: str) -> Array:
        """A weight as float64."""
        return finite(self.roles[role])

    def dim(self, index: int) -> int:
        """Width of a head: that of the gain of its query's norm where each head has one, else the model's."""
        name = f"layers.{index}.attention.query"
        gain = self.roles.get(f"{name}_norm.weight")
        rows = self.roles[f"{name}.weight"].shape[0]
        own = gain.size if gain is not None and len(gain.shape) == 1 else rows
        return own if own < rows and rows % own == 0 else self.head_dim

    def heads(self, rows: Array, part: str, dim: int) -> Array:
        """(rows, width) → (heads, head width, width)."""
        if not dim or len(rows) % dim:
            raise NotComparable(f"the {part} projection has no whole number of heads")
        return rows.reshape(-1, dim, rows.shape[1])


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
