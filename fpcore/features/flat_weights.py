"""All weight matrices of a model as one long vector."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fpcore.anatomy import RoleView
from fpcore.checkpoints.base import Checkpoint
from fpcore.errors import BadCheckpoint, NotComparable
from fpcore.features.float32_range import power_beyond

__all__ = [
    "BLOCK",
    "NOTHING_MATCHES",
    "FlatMatrix",
    "FlatWeights",
    "Segment",
    "cosine_of",
    "flat_weights",
    "matched_cosine",
    "matched_distance",
    "matrices",
    "relative_distance",
    "running_sum",
    "segments",
]

BLOCK: Final = 1 << 9
"""Products are summed in float32 over so many entries, then in float64, block after block: the same sum
whether a pair is compared alone or among many, whole or in pieces."""

NOTHING_MATCHES: Final = "no non-zero weight matrix has the same role and shape in both models"

# Rows of `BLOCK` entries; the last one of a matrix ends in zeros.
Blocks = NDArray[np.float32]
Segment = tuple[str, tuple[int, ...]]
"""Role and shape of a weight matrix."""


@dataclass(frozen=True)
class FlatMatrix:
    """The entries of a weight matrix.

    Attributes
    ----------
    values : ndarray of float32, (blocks, BLOCK)
        Divided by 2 to the power.
    power : int
        0 unless float32 cannot hold the squares of what is stored.
    square : float
        Sum of squares of what is stored.
    """

    values: Blocks
    power: int
    square: float


@dataclass(frozen=True)
class FlatWeights:
    """The weight matrices of a model laid end to end.

    Attributes
    ----------
    layout : tuple of Segment
        What lies there, in order.
    ends : ndarray of int
        The block before which each segment ends.
    values : ndarray of float32, (blocks, BLOCK)
        All segments, each divided by 2 to its power.
    powers : tuple of int
        Of each segment: 0 unless float32 cannot hold the squares of what is stored.
    squares : tuple of float
        Sum of squares of each segment as it is stored.
    """

    layout: tuple[Segment, ...]
    ends: NDArray[np.int64]
    values: Blocks
    powers: tuple[int, ...]
    squares: tuple[float, ...]

    @property
    def nbytes(self) -> int:
        """Memory that the values take."""
        return self.values.nbytes

    def matrices(self) -> Iterator[FlatMatrix]:
        """Each segment."""
        start = 0
        for end, power, square in zip(self.ends.tolist(), self.powers, self.squares, strict=True):
            yield FlatMatrix(self.values[start:end], power, square)
            start = end


def flat_weights(model: Checkpoint) -> FlatWeights | None:
    """The flat weights of a model; None if it takes more than half of what its memo may hold.

    Larger models are streamed instead, tensor by tensor.
    """
    room = 4 * BLOCK * sum(blocks_of(view.size) for view in matrices(model).values())
    if room > model.memo.limit // 2:
        return None
    return model.memo.recall((model.digest, "flat weights"), lambda: flatten(model), room=room)


def matrices(model: Checkpoint) -> dict[str, RoleView]:
    """The two-dimensional weights within layers, by role."""
    return model.remembered(
        "matrices",
        lambda: {
            role: view
            for role, view in model.roles.items()
            if len(view.shape) == 2 and "layers." in role and not role.endswith("relative_bias.weight")
        },
    )


def segments(model: Checkpoint) -> dict[Segment, RoleView]:
    """The same by role and shape: what two models compare."""
    return model.remembered(
        "segments", lambda: {(role, view.shape): view for role, view in matrices(model).items()}
    )


def blocks_of(size: int) -> int:
    """Blocks that so many entries take."""
    return -(-size // BLOCK)


def read_flat(view: RoleView) -> FlatMatrix:
    """One role's entries."""
    stored = np.zeros(blocks_of(view.size) * BLOCK, dtype=np.float32)
    stored[: view.size] = view.read().float().reshape(-1).numpy()
    if not np.isfinite(stored).all():
        raise BadCheckpoint(f"{view.checkpoint.name}: tensor {view.source} holds NaN or infinite values")
    power = power_beyond(stored)
    values = (np.ldexp(stored, -power) if power else stored).reshape(-1, BLOCK)
    return FlatMatrix(values, power, math.ldexp(dot(values, values), 2 * power))


def flatten(model: Checkpoint) -> FlatWeights:
    """Lay the weight matrices of a model end to end."""
    views = segments(model)
    ends = np.cumsum([blocks_of(view.size) for view in views.values()], dtype=np.int64)
    values = np.empty((int(ends[-1]) if len(ends) else 0, BLOCK), dtype=np.float32)
    powers, squares, start = [], [], 0
    for view, end in zip(views.values(), ends.tolist(), strict=True):
        read = read_flat(view)
        values[start:end] = read.values
        powers.append(read.power)
        squares.append(read.square)
        start = end
    return FlatWeights(tuple(views), ends, values, tuple(powers), tuple(squares))


def running_sum(totals: NDArray[np.float64], terms: NDArray[np.float32]) -> NDArray[np.float64]:
    """Totals, (n,), to which their terms, (n, m), were added one after the other in float64."""
    whole = np.concatenate([totals[:, None], terms], axis=1, dtype=np.float64)
    summed: NDArray[np.float64] = np.cumsum(whole, axis=1)[:, -1]
    return summed


def dot(a: Blocks, b: Blocks, total: float = 0.0) -> float:
    """`total` and the inner product: float32 within blocks, float64 across them."""
    # A block at a time, also for BLAS: it would split a longer product by the number of threads.
    return float(running_sum(np.array([total]), np.vecdot(a, b)[None])[0])


def cosine_of(product: float, square_a: float, square_b: float) -> float:
    """The cosine, from the products of two vectors that are not zero; within -1 and 1."""
    return float(np.clip(product / math.sqrt(square_a * square_b), -1.0, 1.0))


def relative_distance(square: float, square_a: float, square_b: float) -> float:
    """``||A - B|| / sqrt(||A|| ||B||)``, from sums of squares."""
    return math.sqrt(square / math.sqrt(square_a * square_b))


def matched_cosine(a: Checkpoint, b: Checkpoint) -> float:
    """Cosine over all weight matrices of the same role and shape in both models.

    Raises
    ------
    NotComparable
        No weight matrix has the same role and shape in both, or what matches is all zero.
    """
    product, squares_a, squares_b = 0.0, [], []
    for x, y in shared(a, b):
        power = x.power + y.power
        product = math.ldexp(dot(x.values, y.values, math.ldexp(product, -power)), power)
        squares_a.append(x.square)
        squares_b.append(y.square)
    square_a, square_b = math.fsum(squares_a), math.fsum(squares_b)
    if square_a <= 0.0 or square_b <= 0.0:
        raise NotComparable(NOTHING_MATCHES)
    return cosine_of(product, square_a, square_b)


def matched_distance(a: Checkpoint, b: Checkpoint) -> float:
    """Mean of ``||A - B|| / sqrt(||A|| ||B||)`` over the weight matrices of the same role and shape.

    Raises
    ------
    NotComparable
        No weight matrix that is not zero has the same role and shape in both.
    """
    distances = [
        relative_distance(squared_distance(x, y), x.square, y.square)
        for x, y in shared(a, b)
        if x.square > 0.0 and y.square > 0.0
    ]
    if not distances:
        raise NotComparable(NOTHING_MATCHES)
    return math.fsum(distances) / len(distances)


def squared_distance(x: FlatMatrix, y: FlatMatrix) -> float:
    """Sum of squares of the difference of what is stored."""
    power = max(x.power, y.power)
    left, right = (
        each.values if each.power == power else np.ldexp(each.values, each.power - power) for each in (x, y)
    )
    difference = left - right
    return math.ldexp(dot(difference, difference), 2 * power)


def shared(a: Checkpoint, b: Checkpoint) -> Iterator[tuple[FlatMatrix, FlatMatrix]]:
    """The weight matrices that have the same role and shape in both.

    Nothing else is read: what two models do not share does not decide how they compare.
    """
    if segments(a).keys() == segments(b).keys():
        left, right = flat_weights(a), flat_weights(b)
        if left is not None and right is not None:
            return zip(left.matrices(), right.matrices(), strict=True)
    return read_pairs(a, b)


def read_pairs(a: Checkpoint, b: Checkpoint) -> Iterator[tuple[FlatMatrix, FlatMatrix]]:
    """The same for others, such as those too large to be held: tensor by tensor."""
    others = segments(b)
    for segment, view in segments(a).items():
        if segment in others:
            yield read_flat(view), read_flat(others[segment])
