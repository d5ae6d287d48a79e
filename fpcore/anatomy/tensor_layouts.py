"""How the tensors of roles are cut out of stored tensors: whole, transposed, fused, stacked by expert."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from fpcore.errors import BadCheckpoint
from fpcore.storage.element_types import Real

if TYPE_CHECKING:
    import torch

__all__ = [
    "ExpertStack",
    "GateUp",
    "LatentDown",
    "LatentUp",
    "QueryKeyValue",
    "Rectangle",
    "Sizes",
    "TensorLayout",
    "View",
    "Whole",
    "experts_of",
]

MOST_EXPERTS: Final = 1 << 14
"""Of one layer; the most that are known are 2,048."""


@dataclass(frozen=True)
class Sizes:
    """Numbers that say where a fused tensor is cut.

    Attributes
    ----------
    heads, kv_heads, head_dim : int
        Of ordinary attention.
    key_dim, value_dim, latent, position_dim : int
        Of multi-head latent attention: the part of a key head without position, a value head, the rank of
        the shared latent, and the part of a key head that carries the position; 0 elsewhere.
    turned_experts : bool
        Whether stacks of experts hold (columns, rows).
    """

    heads: int
    kv_heads: int
    head_dim: int
    key_dim: int = 0
    value_dim: int = 0
    latent: int = 0
    position_dim: int = 0
    turned_experts: bool = False


@dataclass(frozen=True)
class Rectangle:
    """Part of a stored tensor, whose axes but the last are taken as one axis of rows.

    Attributes
    ----------
    rows, columns : tuple of int
        The first, and the one behind the last.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def size(self) -> int:
        """Number of elements."""
        return (self.rows[1] - self.rows[0]) * (self.columns[1] - self.columns[0])


@dataclass(frozen=True)
class View:
    """A role's tensor as a part of a stored one.

    The steps in their order: take one expert of a stack, transpose, cut rows (of every group of rows
    where `groups` is not 1), add `shift`.

    Attributes
    ----------
    expert : int or None
        Index along the first axis of a stack of experts.
    transpose : bool
        Whether the stored weight is (columns, rows).
    groups : int
        Number of equal groups that the rows fall into.
    start, stop : int or None
        The rows to take, counted within each group; all of them where `stop` is None.
    shift : float
        Added to the values: some norms store their gain less one.
    """

    expert: int | None = None
    transpose: bool = False
    groups: int = 1
    start: int = 0
    stop: int | None = None
    shift: float = 0.0

    def shape(self, stored: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the role's tensor, from that of the stored one."""
        shape = stored[1:] if self.expert is not None else stored
        if self.transpose and len(shape) == 2:
            shape = (shape[1], shape[0])
        if self.stop is not None:
            shape = (self.groups * (self.stop - self.start), *shape[1:])
        return shape

    def apply(self, tensor: torch.Tensor) -> torch.Tensor:
        """The role's tensor, sharing memory with the stored one where that is possible."""
        tensor = tensor if self.expert is None else tensor[self.expert]
        if self.transpose and tensor.ndim == 2:
            tensor = tensor.T
        if self.stop is not None:
            rest = tensor.shape[1:]
            tensor = tensor.reshape(self.groups, -1, *rest)[:, self.start : self.stop].reshape(-1, *rest)
        return tensor.float() + self.shift if self.shift else tensor

    def apply_real(self, values: Real) -> Real:
        """The same in numpy, of a tensor that is float32 or float64."""
        values = values if self.expert is None else values[self.expert]
        if self.transpose and values.ndim == 2:
            values = values.T
        if self.stop is not None:
            rest = values.shape[1:]
            values = values.reshape(self.groups, -1, *rest)[:, self.start : self.stop].reshape(-1, *rest)
        return values.astype(np.float32) + np.float32(self.shift) if self.shift else values

    def rectangles(self, stored: tuple[int, ...]) -> list[Rectangle]:
        """Where its numbers lie in a stored tensor of a shape; what `shift` adds is left to the reader."""
        *axes, width = stored if len(stored) > 1 else (*stored, 1)
        count = math.prod(axes)
        first = 0
        if self.expert is not None:
            count //= stored[0]
            first = self.expert * count
        if self.stop is None:
            return [Rectangle((first, first + count), (0, width))]
        ndim = len(stored) - (self.expert is not None)
        # What is cut are columns of the stored tensor, or rows: so many for each of the view's own.
        turned = ndim == 2 if self.transpose else ndim == 1 and self.expert is not None
        length = replace(self, stop=None).shape(stored)[0]
        each, group = count // max(1, length), length // self.groups
        found = []
        for number in range(self.groups):
            cut = (number * group + self.start, number * group + self.stop)
            found.append(
                Rectangle((first, first + count), cut)
                if turned
                else Rectangle((first + cut[0] * each, first + cut[1] * each), (0, width))
            )
        return found


class TensorLayout:
    """Says which roles a stored tensor serves, and how each is cut out of it."""

    def views(self, stored: tuple[int, ...], sizes: Sizes) -> Iterator[tuple[str, View]]:
        """Roles (``#`` and ``*`` still open) with their views, for a tensor of the shape `stored`."""
        raise NotImplementedError


@dataclass(frozen=True)
class Whole(TensorLayout):
    """One role that takes the whole tensor."""

    role: str
    transpose: bool = False
    shift: float = 0.0

    def views(self, stored: tuple[int, ...], sizes: Sizes) -> Iterator[tuple[str, View]]:  # noqa: D102
        yield self.role, View(transpose=self.transpose, shift=self.shift)


@dataclass(frozen=True)
class QueryKeyValue(TensorLayout):
    """Query, key and value in one tensor.

    With `grouped`, the rows come in groups, one a key-value head: its query heads, its key, its value
    (with as many key-value heads as heads: interleaved by head; with a single one: plainly stacked).
    Otherwise all of query, then all of key, then all of value; some types have a number of `groups` or an
    `order` of their own.
    """

    grouped: bool = False
    transpose: bool = False
    groups: int = 0
    order: tuple[str, ...] = ("query", "key", "value")

    def views(self, stored: tuple[int, ...], sizes: Sizes) -> Iterator[tuple[str, View]]:  # noqa: D102
        groups = self.groups or (sizes.kv_heads if self.grouped else 1)
        whole = View(transpose=self.transpose, groups=groups)
        rows = {
            "query": sizes.heads * sizes.head_dim // groups,
            "key": sizes.kv_heads * sizes.head_dim // groups,
            "value": sizes.kv_heads * sizes.head_dim // groups,
        }
        there, needed = whole.shape(stored)[0], groups * sum(rows.values())
        if there != needed:
            raise BadCheckpoint(
                f"{there} rows where {sizes.heads} query and {sizes.kv_heads} key-value heads of "
                f"{sizes.head_dim} need {needed}"
            )
        start = 0
        for part in self.order:
            yield f"attention.{part}.*", replace(whole, start=start, stop=start + rows[part])
            start += rows[part]


@dataclass(frozen=True)
class GateUp(TensorLayout):
    """Gate and up projection in one tensor: the gate's rows, then as many of up."""

    gate: str = "feed_forward.gate.*"
    up: str = "feed_forward.up.*"

    def views(self, stored: tuple[int, ...], sizes: Sizes) -> Iterator[tuple[str, View]]:  # noqa: D102
        half, odd = divmod(stored[0], 2)
        if odd:
            raise BadCheckpoint(f"{stored[0]} rows cannot be a gate and an up projection of equal size")
        yield self.gate, View(start=0, stop=half)
        yield self.up, View(start=half, stop=2 * half)


def experts_of(stored: tuple[int, ...], what: str) -> range:
    """The numbers of the experts of a stack; a stack of empty ones could claim any number."""
    if stored[0] > MOST_EXPERTS:
        raise BadCheckpoint(f"{what} holds {stored[0]:,} experts; the limit is {MOST_EXPERTS:,}")
    return range(stored[0])


@dataclass(frozen=True)
class ExpertStack(TensorLayout):
    """All experts of a layer in one tensor of three axes; the roles of one expert are those of `each`."""

    each: TensorLayout

    def views(self, stored: tuple[int, ...], sizes: Sizes) -> Iterator[tuple[str, View]]:  # noqa: D102
        if len(stored) != 3:
            raise BadCheckpoint(f"shape {stored} where a stack of experts has three axes")
        turned = sizes.turned_experts
        one = stored[:0:-1] if turned else stored[1:]
        for role, view in self.each.views(one, sizes):
            for expert in experts_of(stored, "it"):
                yield role.replace("{expert}", str(expert)), replace(view, expert=expert, transpose=turned)


@dataclass(frozen=True)
class LatentDown(TensorLayout):
    """Latent attention: projection to the shared latent, then to the one key that carries the position."""

    def views(self, stored: tuple[int, ...], sizes: Sizes) -> Iterator[tuple[str, View]]:  # noqa: D102
        if not 0 < sizes.latent <= stored[0]:
            raise BadCheckpoint(f"{stored[0]} rows cannot hold a latent of rank {sizes.latent} and a key")
        yield "attention.latent.down.*", View(start=0, stop=sizes.latent)
        if sizes.latent < stored[0]:  # without rotary positions there is no such key
            yield "attention.key_position.*", View(start=sizes.latent, stop=stored[0])


@dataclass(frozen=True)
class LatentUp(TensorLayout):
    """Latent attention: from the shared latent to keys and values, interleaved by head."""

    def views(self, stored: tuple[int, ...], sizes: Sizes) -> Iterator[tuple[str, View]]:  # noqa: D102
        each = sizes.key_dim + sizes.value_dim
        if stored[0] != sizes.heads * each:
            raise BadCheckpoint(
                f"{stored[0]} rows where {sizes.heads} heads of {each} need {sizes.heads * each}"
            )
        yield "attention.key.*", View(groups=sizes.heads, start=0, stop=sizes.key_dim)
        yield "attention.value.*", View(groups=sizes.heads, start=sizes.key_dim, stop=each)
