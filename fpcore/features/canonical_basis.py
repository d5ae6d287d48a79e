"""Which dimension of one residual stream is which of another, and which layers go together.

Judged by second moments of what layers read and write, which neither the order of heads and units nor any
change of basis within a head enters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fpcore.checkpoints.base import Checkpoint
from fpcore.errors import NotComparable
from fpcore.features.assignment import in_order, unit_rows
from fpcore.features.layer_weights import Array, FeedForward, Layer
from fpcore.features.shared_tokens import aligning_rows, shared_tokens

__all__ = [
    "MARGIN",
    "Moments",
    "best_basis",
    "candidate_bases",
    "embedding_map",
    "expert_moments",
    "moment_cosine",
    "second_moments",
    "turn",
]

Index = NDArray[np.int64]

# Second moments of several parts, (width, width) each, with zero trace and of length one; or what they make
# of some directions, (width, directions) each.
Moments: TypeAlias = tuple[Array, ...]

# What is stored as it stands counts instead of what was aligned only if it agrees better by this much: five
# times what unrelated zoo models differ by, so that their scores do not depend on the order of storage.
MARGIN: Final = 0.1


def candidate_bases(a: Checkpoint, b: Checkpoint) -> list[Array | None]:
    """Maps from the residual stream of `a` to that of `b`; None stands for the dimensions as they are.

    Raises
    ------
    NotComparable
        The widths differ and the embeddings do not tell which dimension is which.
    """
    same = a.architecture.width == b.architecture.width
    try:
        return [embedding_map(a, b), *([None] if same else [])]
    except NotComparable as error:
        if same:
            return [None]
        raise NotComparable(f"different widths, and {error.reason}") from None


def embedding_map(a: Checkpoint, b: Checkpoint) -> Array:
    """The map that best carries the embedding of `a` into that of `b`, by the tokens that both have.

    Returns
    -------
    ndarray, (width of a, width of b)
        Its rows are orthonormal, or its columns if there are fewer of them.

    Raises
    ------
    NotComparable
        There are fewer tokens in common than dimensions.
    """
    (keys_a, rows_a), (keys_b, rows_b) = aligning_rows(a), aligning_rows(b)
    left, right = shared_tokens(keys_a, keys_b)
    fewest = max(rows_a.shape[1], rows_b.shape[1])
    if len(left) < fewest:
        raise NotComparable(f"{len(left)} tokens in common for {fewest} dimensions")
    product = rows_a[left].T @ rows_b[right]
    u, _, v = np.linalg.svd(product.astype(np.float64), full_matrices=False)
    basis: Array = (u @ v).astype(product.dtype)
    return basis


def best_basis(
    a: Sequence[Sequence[Moments]], b: Sequence[Moments], bases: Sequence[Array | None]
) -> tuple[Array | None, Index, Index]:
    """The basis in which the layers of two models agree best, and which layers are paired in it.

    Parameters
    ----------
    a : sequence of sequence of tuples of ndarray
        Second moments of each layer, in each of the bases.
    b : sequence of tuples of ndarray
        Second moments of each layer.
    bases : sequence of (width of a, width of b) arrays
        The first one is taken unless another is better by `MARGIN`.

    Returns
    -------
    basis : ndarray or None
    layers_a, layers_b : ndarray of int
        Ascending; layers of equally deep models are paired by their number.
    """
    found: list[tuple[float, Array | None, tuple[Index, Index]]] = []
    for place, basis in enumerate(bases):
        turned = [each[place] for each in a]
        if len(a) == len(b):
            pairs = (np.arange(len(a)), np.arange(len(a)))
            worth = float(np.mean([moment_cosine(x, y) for x, y in zip(turned, b, strict=True)]))
        else:
            table = np.array([[moment_cosine(x, y) for y in b] for x in turned])
            pairs = in_order(table)
            worth = float(table[pairs].mean())
        found.append((worth - (MARGIN if found else 0.0), basis, pairs))
    _, basis, (left, right) = max(found, key=lambda each: each[0])
    return basis, left, right


def second_moments(layer: Layer) -> Moments:
    """What a layer's heads and units read and write."""
    return (
        centred(spans(layer.query) + spans(layer.key)),
        centred(spans(layer.value)),
        centred(spans(layer.output)),
        centred(gram(list(readers(layer.experts)))),
        centred(gram([expert.down for expert in layer.experts])),
    )


def expert_moments(experts: Sequence[FeedForward]) -> list[Moments]:
    """What the units of each expert read and write."""
    return [(centred(gram([expert.up])), centred(gram([expert.down]))) for expert in experts]


def readers(experts: Sequence[FeedForward]) -> Iterator[Array]:
    """What units of all experts read, and what opens them."""
    yield from (expert.up for expert in experts)
    yield from (gate for expert in experts if (gate := expert.gate) is not None)


def spans(heads: Array) -> Array:
    """Sum over heads of the projections on the spaces that their rows span, (width, width).

    A gauge turns and stretches the rows of a head within their span, and so leaves this alone.
    """
    bases = np.linalg.qr(heads.transpose(0, 2, 1)).Q
    flat = bases.transpose(0, 2, 1).reshape(-1, heads.shape[2])
    total: Array = flat.T @ flat
    return total


def gram(blocks: Sequence[Array]) -> Array:
    """Sum of the outer products of unit rows, (width, width)."""
    rows = np.concatenate([unit_rows(block) for block in blocks])
    total: Array = rows.T @ rows
    return total


def centred(moments: Array) -> Array:
    """Moments less what is the same in every direction, of length one; zeros stay."""
    rest = moments - np.trace(moments) / len(moments) * np.eye(len(moments))
    size = np.linalg.norm(rest)
    found: Array = rest / (size if size > 0.0 else 1.0)
    return found


def turn(moments: Moments, basis: Array | None) -> Moments:
    """Second moments in another basis."""
    return moments if basis is None else tuple(basis.T @ each @ basis for each in moments)


def moment_cosine(a: Moments, b: Moments) -> float:
    """Mean cosine of second moments."""
    products = (np.einsum("ij,ij->i", x, y).sum(dtype=np.float64) for x, y in zip(a, b, strict=True))
    return float(sum(products)) / len(a)
