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

__all__ = ["FlatWeights", "flat_weights", "matched_cosine", "matched_distance", "matrices"]

# Products are summed in float32 over so many entries, then in float64.
BLOCK: Final = 1 << 8

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class FlatWeights:
    """The weight matrices of a model laid end to end.

    Attributes
    ----------
    layout : tuple of (str, tuple of int)
        Role and shape of each segment, in order.
    ends : ndarray of int
        Where each segment ends.
    values : ndarray of float32
        All segments.
    squares : ndarray of float64
        Sum of squares of each segment.
    """

    layout: tuple[tuple[str, tuple[int, ...]], ...]
    ends: NDArray[np.int64]
    values: Vector
    squares: NDArray[np.float64]

    @property
    def nbytes(self) -> int:
        """Memory that the values take."""
        return self.values.nbytes

    def span(self, index: int) -> slice:
        """Where segment `index` lies."""
        return slice(int(self.ends[index - 1]) if index else 0, int(self.ends[index]))


def flat_weights(model: Checkpoint) -> FlatWeights | None:
    """The flat weights of a model; None if it takes more than half of what its memo may hold.

    Larger models are streamed instead, tensor by tensor.
    """
    room = 4 * sum(view.size for view in matrices(model).values())
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


def read_flat(view: RoleView) -> Vector:
    """One role's entries as float32."""
    values: Vector = view.read().float().reshape(-1).numpy()
    if not np.isfinite(values).all():
        raise BadCheckpoint(f"{view.checkpoint.name}: tensor {view.source} holds NaN or infinite values")
    return values


def flatten(model: Checkpoint) -> FlatWeights:
    """Lay the weight matrices of a model end to end."""
    views = matrices(model)
    ends = np.cumsum([view.size for view in views.values()], dtype=np.int64)
    values = np.empty(int(ends[-1]) if len(ends) else 0, dtype=np.float32)
    squares = np.empty(len(views))
    start = 0
    for index, (view, end) in enumerate(zip(views.values(), ends, strict=True)):
        values[start:end] = read_flat(view)
        squares[index] = dot(values[start:end], values[start:end])
        start = int(end)
    layout = tuple((role, view.shape) for role, view in views.items())
    return FlatWeights(layout, ends, values, squares)


def dot(a: Vector, b: Vector) -> float:
    """Inner product: float32 within blocks, float64 across them."""
    # einsum, not dot: BLAS would split the sum by the number of threads and change its last bits.
    whole = len(a) // BLOCK * BLOCK
    total = float(np.einsum("i,i->", a[whole:], b[whole:]))
    if whole:
        blocks = np.einsum("ij,ij->i", a[:whole].reshape(-1, BLOCK), b[:whole].reshape(-1, BLOCK))
        total += float(blocks.sum(dtype=np.float64))
    return total


def matched_cosine(a: Checkpoint, b: Checkpoint) -> float:
    """Cosine over all weight matrices of the same role and shape in both models.

    Raises
    ------
    NotComparable
        No weight matrix has the same role and shape in both, or what matches is all zero.
    """
    left, right = flat_weights(a), flat_weights(b)
    if left is not None and right is not None and left.layout == right.layout:
        product = dot(left.values, right.values)
        square_a, square_b = float(left.squares.sum()), float(right.squares.sum())
    else:
        product, square_a, square_b = 0.0, 0.0, 0.0
        for x, y, square_x, square_y in shared(a, b):
            product += dot(x, y)
            square_a += square_x
            square_b += square_y
    if square_a <= 0.0 or square_b <= 0.0:
        raise NotComparable("no weight matrix that is not zero has the same role and shape in both models")
    return float(np.clip(product / np.sqrt(square_a * square_b), -1.0, 1.0))


def matched_distance(a: Checkpoint, b: Checkpoint) -> float:
    """Mean of ``||A - B|| / sqrt(||A|| ||B||)`` over the weight matrices of the same role and shape.

    Raises
    ------
    NotComparable
        No weight matrix that is not zero has the same role and shape in both.
    """
    distances = [
        math.sqrt(dot(x - y, x - y) / math.sqrt(square_x * square_y))
        for x, y, square_x, square_y in shared(a, b)
        if square_x > 0.0 and square_y > 0.0
    ]
    if not distances:
        raise NotComparable("no weight matrix that is not zero has the same role and shape in both models")
    return math.fsum(distances) / len(distances)


def shared(a: Checkpoint, b: Checkpoint) -> Iterator[tuple[Vector, Vector, float, float]]:
    """Entries and sums of squares of the weight matrices that have the same role and shape in both."""
    left, right = flat_weights(a), flat_weights(b)
    return aligned(left, right) if left is not None and right is not None else read_pairs(a, b)


def aligned(a: FlatWeights, b: FlatWeights) -> Iterator[tuple[Vector, Vector, float, float]]:
    """Entries and sums of squares of the segments that two models share."""
    places = {segment: index for index, segment in enumerate(b.layout)}
    for i, segment in enumerate(a.layout):
        j = places.get(segment)
        if j is not None:
            yield a.values[a.span(i)], b.values[b.span(j)], float(a.squares[i]), float(b.squares[j])


def read_pairs(a: Checkpoint, b: Checkpoint) -> Iterator[tuple[Vector, Vector, float, float]]:
    """The same for models that are too large to be held: tensor by tensor."""
    others = matrices(b)
    for role, view in matrices(a).items():
        other = others.get(role)
        if other is not None and other.shape == view.shape:
            left, right = read_flat(view), read_flat(other)
            yield left, right, dot(left, left), dot(right, right)
