"""Weight matrices of many models, compared pair by pair while each model is read once.

Role by role and some columns at a time: what is in memory does not grow with the models.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from fpcore.anatomy import RoleView
from fpcore.anatomy.roles import natural
from fpcore.checkpoints.base import Checkpoint
from fpcore.errors import BadCheckpoint, NotComparable
from fpcore.features.curve_pairs import Pairs
from fpcore.features.flat_weights import BLOCK, Segment, cosine_of, relative_distance, running_sum, segments
from fpcore.features.float32_range import LARGEST, LEAST

if TYPE_CHECKING:
    import torch

__all__ = ["cosines", "distances"]

Array = NDArray[np.float64]
Entries = NDArray[np.float32]
"""Of several models, (models, blocks, BLOCK)."""

CACHED: Final = 8 << 20
"""Bytes of entries that are compared at a time: they stay in a processor's cache."""
FEWEST: Final = 8
"""Blocks of each model that are compared at a time, at least."""
HELD: Final = 1 << 30
"""Bytes of tensors held at a time that cannot be read piece by piece, such as dequantised ones."""
MAPPED: Final = frozenset({"float32", "float16", "bfloat16"})
"""Element types that come from a local file as they are needed."""


def cosines(models: Sequence[Checkpoint], pairs: Pairs) -> Array:
    """`matched_cosine` of many pairs, to the bit.

    Parameters
    ----------
    models : sequence of Checkpoint
    pairs : ndarray of int, (n, 2)
        Places in `models`.

    Returns
    -------
    ndarray, (n,)
        NaN where a pair is to be looked at alone: nothing matches, a model cannot be read, or float32 may
        not hold the squares of its weights.
    """
    products = np.zeros(len(pairs))
    squares: dict[int, dict[Segment, float]] = defaultdict(dict)
    walk = Walk(models, pairs)
    for group in walk.groups():
        own = np.zeros(len(group.members))
        with np.errstate(invalid="ignore", over="ignore"):  # no score comes of it
            for entries in walk.entries(group):
                own = running_sum(own, np.vecdot(entries, entries))
                for run in group.runs:
                    found = np.vecdot(entries[run.row], entries[run.columns])
                    products[run.places] = running_sum(products[run.places], found)
        for member, square in zip(group.members, walk.readable(group, own), strict=True):
            squares[member][group.segment] = square
    scores = np.full(len(pairs), np.nan)
    sums: dict[tuple[int, frozenset[Segment]], float] = {}
    for place, (a, b) in enumerate(pairs.tolist()):
        common = frozenset(squares[a].keys() & squares[b].keys())
        for model in (a, b):
            if (model, common) not in sums:
                sums[model, common] = math.fsum(squares[model][segment] for segment in common)
        square_a, square_b = sums[a, common], sums[b, common]
        if square_a > 0.0 and square_b > 0.0:  # and neither is NaN
            scores[place] = cosine_of(float(products[place]), square_a, square_b)
    return scores


def distances(models: Sequence[Checkpoint], pairs: Pairs) -> Array:
    """`matched_distance` of many pairs, to the bit; parameters and NaN as for `cosines`."""
    found: list[list[float]] = [[] for _ in range(len(pairs))]
    walk = Walk(models, pairs)
    for group in walk.groups():
        own = np.zeros(len(group.members))
        apart = [np.zeros(len(run.places)) for run in group.runs]
        with np.errstate(invalid="ignore", over="ignore"):  # no score comes of it
            for entries in walk.entries(group):
                own = running_sum(own, np.vecdot(entries, entries))
                for number, run in enumerate(group.runs):
                    difference = entries[run.columns] - entries[run.row]
                    apart[number] = running_sum(apart[number], np.vecdot(difference, difference))
        squares = walk.readable(group, own)
        for run, squared in zip(group.runs, apart, strict=True):
            square, others = squares[run.row], squares[run.columns]
            for place, one, other in zip(run.places.tolist(), squared.tolist(), others, strict=True):
                if math.isnan(square + other):
                    found[place].append(math.nan)
                elif square > 0.0 and other > 0.0:
                    found[place].append(relative_distance(one, square, other))
    return np.array([math.fsum(each) / len(each) if each else math.nan for each in found])


@dataclass(frozen=True)
class Run:
    """One model against others that stand side by side.

    Attributes
    ----------
    row : int
        Of the one.
    columns : slice
        Of the others.
    places : ndarray of int
        Of their pairs.
    """

    row: int
    columns: slice
    places: NDArray[np.intp]


@dataclass(frozen=True)
class Group:
    """Models that are compared in one weight matrix.

    Attributes
    ----------
    segment : Segment
        Which matrix.
    members : tuple of int
        The models.
    runs : tuple of Run
        Their pairs; rows and columns are places in `members`.
    """

    segment: Segment
    members: tuple[int, ...]
    runs: tuple[Run, ...]


@dataclass
class Walk:
    """The matrices of some models, each read once.

    Parameters
    ----------
    models : sequence of Checkpoint
    pairs : ndarray of int, (n, 2)
    """

    models: Sequence[Checkpoint]
    pairs: Pairs
    unread: set[tuple[int, Segment]] = field(default_factory=set, init=False)

    def groups(self) -> Iterator[Group]:
        """Every matrix that two models of a pair share, in the order of the roles."""
        having: dict[Segment, list[int]] = defaultdict(list)
        for model in np.unique(self.pairs).tolist():
            for segment in segments(self.models[model]):
                having[segment].append(model)
        known: dict[tuple[int, ...], list[tuple[tuple[int, ...], tuple[Run, ...]]]] = {}
        for segment in sorted(having, key=lambda each: (natural(each[0]), each[1])):
            views = {model: segments(self.models[model])[segment] for model in having[segment]}
            most = HELD // max(1, *map(made_bytes, views.values()))
            among = tuple(having[segment])
            if len(among) > most:
                parts = list(self.parted(among, max(1, most // 2)))
            else:
                if among not in known:
                    known[among] = list(self.parted(among, len(among)))
                parts = known[among]
            for members, runs in parts:
                yield Group(segment, members, runs)

    def parted(self, among: Sequence[int], side: int) -> Iterator[tuple[tuple[int, ...], tuple[Run, ...]]]:
        """The pairs of some models, of at most twice `side` of them at a time."""
        at = np.full(len(self.models), -1)
        at[list(among)] = np.arange(len(among))
        ends = np.sort(at[self.pairs], axis=1)  # a product is the same both ways
        places = np.flatnonzero(ends[:, 0] >= 0)
        blocks = ends[places] // side
        for block in np.unique(blocks, axis=0):
            some = places[(blocks == block).all(axis=1)]
            used, which = np.unique(ends[some], return_inverse=True)
            yield tuple(among[place] for place in used), runs_of(which.reshape(-1, 2), some)

    def entries(self, group: Group) -> Iterator[Entries]:
        """The entries of a matrix in all its models, some blocks at a time; the array is used again."""
        import torch

        flat = [self.flat(model, group.segment) for model in group.members]
        size, n = math.prod(group.segment[1]), len(flat)
        step = max(FEWEST, CACHED // (4 * BLOCK * n)) * BLOCK
        held = np.zeros((n, min(step, -(-size // BLOCK) * BLOCK)), dtype=np.float32)
        target = torch.from_numpy(held)
        for start in range(0, size, step):
            length = min(step, size - start)
            for row, tensor in enumerate(flat):
                if tensor is not None:
                    target[row, :length] = tensor[start : start + length]
            blocks = -(-length // BLOCK)
            held[:, length : blocks * BLOCK] = 0.0
            yield held[:, : blocks * BLOCK].reshape(n, blocks, BLOCK)

    def flat(self, model: int, segment: Segment) -> torch.Tensor | None:
        """One matrix end to end, read when it is looked at; None if it cannot be."""
        try:
            return segments(self.models[model])[segment].read().reshape(-1)
        except (BadCheckpoint, NotComparable):
            self.unread.add((model, segment))
            return None

    def readable(self, group: Group, squares: Array) -> list[float]:
        """Sums of squares of a matrix in all its models; NaN where each pair is to be looked at alone.

        That is where a matrix cannot be read or is not finite, and where float32 may not hold its squares.
        """
        least = math.ldexp(math.prod(group.segment[1]), 2 * LEAST)
        largest = math.ldexp(1.0, 2 * LARGEST)
        return [
            square
            if (member, group.segment) not in self.unread
            and (least < square < largest or (square == 0.0 and self.is_zero(member, group.segment)))
            else math.nan
            for member, square in zip(group.members, squares.tolist(), strict=True)
        ]

    def is_zero(self, model: int, segment: Segment) -> bool:
        """Whether all entries of a matrix that was read are: the sum of very small squares is 0 as well."""
        return not bool(segments(self.models[model])[segment].read().any())


def made_bytes(view: RoleView) -> int:
    """Memory that a matrix takes while it is looked at: nothing if it comes from a file piece by piece."""
    source = view.checkpoint
    stored = source.tensors.get(view.source)
    mapped = isinstance(source, Checkpoint) and source.path is not None and stored is not None
    if mapped and stored is not None and stored.dtype in MAPPED and not view.view.transpose:
        return 0
    return 4 * view.size


def runs_of(pairs: Pairs, places: NDArray[np.intp]) -> tuple[Run, ...]:
    """Pairs of neighbouring columns together."""
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    rows, columns, places = pairs[order, 0], pairs[order, 1], places[order]
    new = np.flatnonzero((np.diff(rows) != 0) | (np.diff(columns) != 1)) + 1
    starts, stops = [0, *new.tolist()], [*new.tolist(), len(rows)]
    return tuple(
        Run(int(rows[start]), slice(int(columns[start]), int(columns[stop - 1]) + 1), places[start:stop])
        for start, stop in zip(starts, stops, strict=True)
    )
