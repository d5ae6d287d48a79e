"""Two layers compared by what their heads and units do, whatever the order and gauge they are stored in.

A head is two maps of the residual stream into itself: ``Q'K`` says what attends to what, ``V'O`` what is
passed on. A gated unit is the direction that opens it, and one map ``u d'`` from what it reads to what it
writes; without a gate, nothing but the activation stands between, and u and d count apart. No invertible
map between query and key or value and output, and no scale or sign of a unit, changes any of these.

Whatever is matched is matched on one half of this evidence and scored on the other, so that the search
finds no similarity where there is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import scipy  # its parts are imported when they are first used
from numpy.typing import NDArray

from fpcore.checkpoints.base import Checkpoint
from fpcore.features.assignment import unit_rows
from fpcore.features.by_layer import each_layer
from fpcore.features.canonical_basis import (
    Moments,
    best_basis,
    candidate_bases,
    expert_moments,
    moment_cosine,
    second_moments,
    turn,
)
from fpcore.features.layer_weights import Array, FeedForward, Layer, Layers, layers_of
from fpcore.features.moment_sketch import WIDE, sketched_expert, sketched_moments

__all__ = [
    "Agreement",
    "CanonicalLayer",
    "CanonicalLayers",
    "Frame",
    "agreement",
    "canonical_layers",
    "frame",
]

Index = NDArray[np.int64]
Pairing = tuple[Index, Index]

# Of wider feed-forward blocks this many units, evenly spaced, look for their like among all of the other's.
MOST_UNITS: Final = 1024

# Of wide models of equal depth so many layers, evenly spaced, decide between bases.
DECIDING: Final = 8


@dataclass(frozen=True)
class Units:
    """A feed-forward block as rows of length one, (units, width) each; no gate for blocks without."""

    gate: Array | None
    up: Array
    down: Array


class CanonicalLayer:
    """One layer's heads and units, scaled so that every map has length one.

    Attributes
    ----------
    key, value : ndarray, (key-value heads, head width, width)
    """

    def __init__(self, layer: Layer, *, kept: bool) -> None:
        self.layer = layer
        self._kept = kept
        self._experts: dict[int, Units] = {}

    @property
    def key(self) -> Array:
        """As stored, (key-value heads, head width, width)."""
        return self.layer.key

    @property
    def value(self) -> Array:
        """As stored, (key-value heads, head width, width)."""
        return self.layer.value

    @cached_property
    def query(self) -> Array:
        """Scaled so that ``Q'K`` of each head has length one, (heads, head width, width)."""
        return scaled(self.layer.query, self.layer.each_head(self.key))

    @cached_property
    def output(self) -> Array:
        """Scaled so that ``V'O`` of each head has length one, (heads, head width, width)."""
        return scaled(self.layer.output, self.layer.each_head(self.value))

    @cached_property
    def moments(self) -> Moments:
        """What the layer reads and writes, blind to order and gauge; whole matrices, for narrow streams."""
        return second_moments(self.layer)

    @cached_property
    def expert_moments(self) -> list[Moments]:
        """What each expert reads and writes; whole matrices, for narrow streams."""
        return expert_moments(self.layer.experts)

    def moments_in(self, bases: Sequence[Array | None], width: int) -> list[Moments]:
        """What the layer reads and writes, in bases of a stream of some width."""
        if is_wide(self.layer, width):
            return sketched_moments(self.layer, bases, width)
        return [turn(self.moments, basis) for basis in bases]

    def expert_moments_in(self, basis: Array | None, width: int) -> list[Moments]:
        """What each expert reads and writes, in a basis of a stream of some width."""
        if is_wide(self.layer, width):
            return [sketched_expert(expert, basis, width) for expert in self.layer.experts]
        return [turn(each, basis) for each in self.expert_moments]

    def units(self, expert: int) -> Units:
        """A feed-forward block with its rows at length one."""
        if expert in self._experts:
            return self._experts[expert]
        units = units_of(self.layer.experts[expert])
        if self._kept:
            self._experts[expert] = units
        return units


def is_wide(layer: Layer, width: int) -> bool:
    """Whether second moments are sketched: one of two streams is wider than `WIDE`."""
    return max(layer.width, width) > WIDE


def units_of(block: FeedForward) -> Units:
    """A feed-forward block with its rows at length one."""
    gate = None if block.gate is None else unit_rows(block.gate)
    return Units(gate, unit_rows(block.up), unit_rows(block.down))


def scaled(own: Array, other: Array) -> Array:
    """The first of two factors, scaled so that ``own' other`` of each head has length one."""
    squares = np.einsum("hij,hij->h", own @ own.transpose(0, 2, 1), other @ other.transpose(0, 2, 1))
    lengths = np.sqrt(np.where(squares > 0.0, squares, 1.0))
    found: Array = own / lengths[:, None, None]
    return found


class CanonicalLayers(Sequence[CanonicalLayer]):
    """The layers of a model in this form, kept if its weights are."""

    def __init__(self, layers: Layers) -> None:
        self.layers = layers
        self._kept: dict[int, CanonicalLayer] = {}

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[CanonicalLayer]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> CanonicalLayer:  # type: ignore[override]
        if not self.layers.small:
            return CanonicalLayer(self.layers[index], kept=False)
        if index not in self._kept:
            self._kept[index] = CanonicalLayer(self.layers[index], kept=True)
        return self._kept[index]


def canonical_layers(model: Checkpoint) -> CanonicalLayers:
    """The layers of a model, ready to be compared.

    Raises
    ------
    NotComparable
        Attention is not made of query, key, value and output projections.
    """
    return model.remembered("canonical layers", lambda: CanonicalLayers(layers_of(model)))


@dataclass(frozen=True)
class Frame:
    """In what basis two models are compared, and which layers with which.

    Attributes
    ----------
    basis : ndarray or None
        From the residual stream of the first to that of the second; None for the dimensions as they are.
    rows, columns : ndarray of int
        Layers of the first and of the second that are paired, ascending.
    """

    basis: Array | None
    rows: Index
    columns: Index


def frame(a: Checkpoint, b: Checkpoint) -> Frame:
    """The basis in which the layers of two models agree best, and the layers that are paired in it.

    Raises
    ------
    NotComparable
        Attention is not made of plain projections, or nothing tells which dimension is which.
    """
    left, right = canonical_layers(a), canonical_layers(b)
    bases = candidate_bases(a, b)
    width = b.architecture.width
    equal, wide = len(left) == len(right), is_wide(left[0].layer, width)
    if equal and len(bases) == 1:
        return Frame(bases[0], np.arange(len(left)), np.arange(len(left)))

    def seen(layers: CanonicalLayers, asked: Sequence[Array | None]) -> list[list[Moments]]:
        count = len(layers)
        places = range(count)
        if equal and wide:
            places = np.linspace(0, count - 1, min(count, DECIDING)).round().astype(int).tolist()
        return each_layer(
            lambda place: layers[place].moments_in(asked, width),
            places,
            (a, b),
            what="second moments of layers",
            size=layers.layers.size_of("attention", "feed_forward"),
        )

    basis, rows, columns = best_basis(seen(left, bases), [one for (one,) in seen(right, [None])], bases)
    every = np.arange(len(left))
    return Frame(basis, every, every) if equal else Frame(basis, rows, columns)


@dataclass(frozen=True)
class Agreement:
    """How alike two layers are.

    Attributes
    ----------
    plain : ndarray
        Attention and feed-forward with heads and units in the order they are stored in; -inf where the
        shapes do not allow it.
    matched : ndarray
        The same after matching.
    """

    plain: Array
    matched: Array


def agreement(a: CanonicalLayer, b: CanonicalLayer, basis: Array | None) -> Agreement:
    """How alike two layers are, the first one turned by `basis`."""
    experts = expert_agreement(a, b, basis)
    heads = head_agreement(a, b, basis)
    return Agreement(*(np.array([x, y]) for x, y in zip(heads, experts, strict=True)))


def head_agreement(a: CanonicalLayer, b: CanonicalLayer, basis: Array | None) -> tuple[float, float]:
    """Mean centred cosine of the maps of heads, in stored order and matched."""
    attending = map_cosines(a.query, a.key, b.query, b.key, basis)
    passing = map_cosines(a.output, a.value, b.output, b.value, basis)
    plain = -np.inf
    if len(attending) == attending.shape[1]:
        here = np.arange(len(attending))
        plain = mean([beyond_chance(table, (here, here)) for table in (attending, passing)])
    return plain, cross_matched(attending, passing)


def map_cosines(own_a: Array, shared_a: Array, own_b: Array, shared_b: Array, basis: Array | None) -> Array:
    """Cosines of the maps ``own' shared`` of all heads of two layers, (heads of a, heads of b).

    ``<X'Y, Z'W> = sum (X Z') (Y W')``, entry by entry, so that no map is ever formed.
    """
    own = products(own_a, own_b, basis)
    shared = products(shared_a, shared_b, basis)
    # Neighbouring query heads share a key-value head.
    shared = shared.repeat(len(own) // len(shared), axis=0)
    shared = shared.repeat(own.shape[2] // shared.shape[2], axis=2)
    found: Array = np.einsum("iajb,iajb->ij", own, shared)
    return found


def products(a: Array, b: Array, basis: Array | None) -> Array:
    """All inner products of rows, (heads of a, head width of a, heads of b, head width of b)."""
    rows, others = a.reshape(-1, a.shape[-1]), b.reshape(-1, b.shape[-1])
    if basis is not None and len(rows) <= len(others):
        rows = rows @ basis
    elif basis is not None:  # whichever is less work
        others = others @ basis.T
    table: Array = rows @ others.T
    return table.reshape(*a.shape[:2], *b.shape[:2])


def expert_agreement(a: CanonicalLayer, b: CanonicalLayer, basis: Array | None) -> tuple[float, float]:
    """Mean centred cosine of feed-forward units, in stored order and matched; experts are paired first."""
    pairs: Pairing = (np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64))
    if len(a.layer.experts) > 1 or len(b.layer.experts) > 1:
        width = b.layer.width
        seen = a.expert_moments_in(basis, width), b.expert_moments_in(None, width)
        table = np.array([[moment_cosine(x, y) for y in seen[1]] for x in seen[0]])
        pairs = scipy.optimize.linear_sum_assignment(table, maximize=True)
    found = [unit_agreement(a.units(i), b.units(j), basis) for i, j in zip(*pairs, strict=True)]
    plain, matched = np.mean(np.array(found), axis=0)
    return float(plain), float(matched)


def unit_agreement(a: Units, b: Units, basis: Array | None) -> tuple[float, float]:
    """Mean centred cosine of the units of two blocks, in stored order and matched."""
    same = len(a.up) == len(b.up)
    plain, matched = [], []
    for left, right in candidates(len(a.up), len(b.up)):

        def cosines(x: Array, y: Array, left: Index = left, right: Index = right) -> Array:
            rows, others = x[left], y[right]
            if basis is not None and len(rows) <= len(others):
                rows = rows @ basis
            elif basis is not None:  # whichever is less work
                others = others @ basis.T
            table: Array = rows @ others.T
            return table

        reads, writes = cosines(a.up, b.up), cosines(a.down, b.down)
        if a.gate is not None and b.gate is not None:
            # A unit's map is of rank one: its cosine is the product of both sides', whatever their signs.
            reads, writes = cosines(a.gate, b.gate), reads * writes
        tables = (reads, writes)
        matched.append(cross_matched(*tables))
        if same:
            _, *stored = np.intersect1d(left, right, assume_unique=True, return_indices=True)
            plain += [beyond_chance(table, (stored[0], stored[1])) for table in tables]
    return mean(plain) if same else -np.inf, mean(matched)


def candidates(n: int, m: int) -> list[tuple[Index, Index]]:
    """Which units of each side to match: all, or a sample of one side against all of the other, in turn."""
    everything = (np.arange(n), np.arange(m))
    if max(n, m) <= MOST_UNITS:
        return [everything]
    sample = [np.linspace(0, size - 1, min(size, MOST_UNITS)).round().astype(np.int64) for size in (n, m)]
    return [(sample[0], everything[1]), (everything[0], sample[1])]


def cross_matched(first: Array, second: Array) -> float:
    """Each table's mean centred cosine over the pairs that the other one assigns."""
    found = [
        beyond_chance(tested, scipy.optimize.linear_sum_assignment(known, maximize=True))
        for known, tested in ((first, second), (second, first))
    ]
    return mean(found)


def mean(values: Sequence[float]) -> float:
    """Of a few numbers: an array would take longer to make than to add up."""
    return sum(values) / len(values)


def beyond_chance(cosines: Array, pairs: Pairing) -> float:
    """Mean cosine of the pairs less that of all others, scaled so that 1 stays 1."""
    count = len(pairs[0])
    paired = float(cosines[pairs].sum(dtype=np.float64)) / count
    if cosines.size == count:
        return paired
    others = (float(cosines.sum(dtype=np.float64)) - paired * count) / (cosines.size - count)
    return (paired - others) / (1.0 - others) if others < 1.0 else 0.0
