"""Rows and columns that llama.cpp's converter puts into another order, brought back into the hub's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpcore.checkpoints.gguf_architectures import Rows
from fpcore.checkpoints.gguf_shape import GgufShape

__all__ = ["Fused", "Pairs", "PerHead", "RowOrder", "Sections", "Tiled", "order_of"]

Values = NDArray[np.generic]


class RowOrder(ABC):
    """How the rows of a stored tensor stand."""

    @abstractmethod
    def restored(self, values: Values) -> Values:
        """The tensor with its rows as on the hub."""


@dataclass(frozen=True)
class Pairs(RowOrder):
    """The two rows that a rotation mixes are neighbours: (0, 1), (2, 3), …; on the hub half a head apart.

    Attributes
    ----------
    heads : int
    axis : int
        Along which heads stand: 0, or 1 for gains of one row a head.
    """

    heads: int
    axis: int = 0

    def restored(self, values: Values) -> Values:
        """Firsts of each head, then its seconds."""
        turned = np.moveaxis(values, self.axis, 0)
        paired = turned.reshape(self.heads, turned.shape[0] // self.heads // 2, 2, *turned.shape[1:])
        return np.moveaxis(paired.swapaxes(1, 2).reshape(turned.shape), 0, self.axis)


@dataclass(frozen=True)
class Sections(RowOrder):
    """The first `rotary` rows of each head are halves; on the hub the rows of a rotation are neighbours."""

    heads: int
    rotary: int

    def restored(self, values: Values) -> Values:
        """Rotated rows in pairs again; the others stay."""
        each = np.array(values).reshape(self.heads, -1, *values.shape[1:])
        halves = each[:, : self.rotary].reshape(self.heads, 2, self.rotary // 2, *values.shape[1:])
        each[:, : self.rotary] = halves.swapaxes(1, 2).reshape(self.heads, self.rotary, *values.shape[1:])
        return each.reshape(values.shape)


@dataclass(frozen=True)
class Tiled(RowOrder):
    """Heads that share a key stand together; on the hub the first of each key come first, then the second, ….

    Attributes
    ----------
    heads, kv_heads : int
    axis : int
        0 for rows of the query, 1 for columns of the output.
    """

    heads: int
    kv_heads: int
    axis: int = 0

    def restored(self, values: Values) -> Values:
        """One head of every key in turn."""
        turned = np.moveaxis(values, self.axis, 0)
        each = turned.reshape(self.kv_heads, self.heads // self.kv_heads, -1)
        return np.moveaxis(each.swapaxes(0, 1).reshape(turned.shape), 0, self.axis)


@dataclass(frozen=True)
class Fused(RowOrder):
    """Query and key in an order of their own, then what follows them as it is.

    Attributes
    ----------
    parts : tuple of (int, RowOrder)
        Number of rows, and their order.
    """

    parts: tuple[tuple[int, RowOrder], ...]

    def restored(self, values: Values) -> Values:
        """Each part by itself."""
        done, start = [], 0
        for rows, order in self.parts:
            done.append(order.restored(values[start : start + rows]))
            start += rows
        return np.concatenate([*done, values[start:]])


@dataclass(frozen=True)
class PerHead(RowOrder):
    """Latent attention, one matrix a head, (heads, …): keys are stored turned."""

    turned: bool

    def restored(self, values: Values) -> Values:
        """All heads one under another, (heads × rows, rank)."""
        each = values.swapaxes(1, 2) if self.turned else values
        return np.ascontiguousarray(each).reshape(-1, each.shape[-1])


def order_of(rows: Rows, part: str, stored: tuple[int, ...], layer: int, shape: GgufShape) -> RowOrder | None:
    """How the rows of a part of a layer stand; None: as on the hub.

    Parameters
    ----------
    rows : str
        What is known of the architecture.
    part : str
        In llama.cpp's words.
    stored : tuple of int
        Its shape.
    layer : int
    shape : GgufShape

    Raises
    ------
    LookupError
        The metadata does not count the heads of the layer; with the name of the entry.
    """
    if rows == "pairs" and part in {"attn_q_norm", "attn_k_norm"}:
        return Pairs(1, axis=1) if len(stored) == 2 else None  # one row of gains a head
    if rows == "as on the hub" or (rows == "sections" and not shape.sections):
        return None
    if part not in ({"attn_q", "attn_output"} if rows == "tiled" else {"attn_q", "attn_k", "attn_qkv"}):
        return None
    heads, kv_heads = (
        counted(layer, counts, name)
        for counts, name in ((shape.heads, "head_count"), (shape.kv_heads, "head_count_kv"))
    )
    if rows == "tiled":
        return Tiled(heads, kv_heads, axis=int(part == "attn_output"))
    query: RowOrder = Pairs(heads)
    key: RowOrder = Pairs(kv_heads)
    if rows == "sections":
        rotary = shape.rotary or shape.key_dim
        query, key = Sections(heads, rotary), Sections(kv_heads, rotary)
    if part == "attn_qkv":
        return Fused(((heads * shape.key_dim, query), (kv_heads * shape.key_dim, key)))
    return query if part == "attn_q" else key


def counted(layer: int, counts: tuple[int, ...], name: str) -> int:
    """The heads of a layer."""
    if layer >= len(counts) or not counts[layer]:
        raise LookupError(name)
    return counts[layer]
