"""Which pairs could have been the derived ones: label arrangements under permutation inside cells."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.lineages import connected_components

__all__ = ["MANY", "Arrangements"]

Indices = npt.NDArray[np.intp]
Drawn = tuple[Indices, Indices]

MANY: Final = 10**15
"""Counts of arrangements are given up to here; more is reported as this."""
BLOCK: Final = 2_000_000
"""Looked-up pairs held at once, so that memory stays flat for any number of permutations."""


@dataclass(frozen=True)
class Arrangements:
    """Derived pairs as positions on models, and every way of moving them by permuting models inside cells.

    Attributes
    ----------
    cell : ndarray of int, shape (n_models,)
        Architecture cell of each model; models are exchanged only inside one.
    a, b : ndarray of int, shape (n_derived,)
        The two models of each derived pair, sorted by lineage.
    lineage : ndarray of int, shape (n_derived,)
        Lineage of each derived pair, ascending.
    """

    cell: Indices
    a: Indices
    b: Indices
    lineage: Indices

    @cached_property
    def _members(self) -> list[Indices]:
        """Models of every cell in which a derived pair has an end, two or more."""
        cells = np.unique(self.cell[np.concatenate([self.a, self.b])])
        groups = [np.flatnonzero(self.cell == cell) for cell in cells]
        return [group for group in groups if len(group) > 1]

    @cached_property
    def at_least(self) -> int:
        """Lower bound of the number of distinct arrangements, at most `MANY`.

        The ways of dealing the models of each cell to the connected families of derived pairs: n! over the
        factorials of each family's share of the cell, over the orders of families with equal shares.
        """
        ends = [(str(i), str(j)) for i, j in zip(self.a, self.b, strict=True)]
        family = connected_components(dict.fromkeys(end for pair in ends for end in pair), ends)
        shares: dict[str, Counter[int]] = {}
        for model, name in family.items():
            shares.setdefault(name, Counter())[int(self.cell[int(model)])] += 1
        ways = 1
        for cell, n in Counter(self.cell.tolist()).items():
            dealt = [share[cell] for share in shares.values() if share[cell]]
            if not dealt:
                continue
            ways *= math.factorial(n) // math.factorial(n - sum(dealt))
            for k in dealt:
                ways //= math.factorial(k)
        for equal in Counter(frozenset(share.items()) for share in shares.values()).values():
            ways //= math.factorial(equal)
        return min(ways, MANY)

    def enumerate(self, limit: int) -> Drawn | None:
        """All distinct arrangements, the observed one first; None where there are more than `limit`.

        Swaps of neighbours inside a cell generate every permutation, so walking along swaps from the
        observed arrangement reaches all. Two arrangements are one if they call the same pairs derived and
        group them into the same lineages.

        Returns
        -------
        (ndarray of int, ndarray of int) or None
            Ends of the derived pairs, each of shape (n_arrangements, n_derived).
        """
        if self.at_least > limit:
            return None
        n = len(self.cell)
        swaps = [(int(i), int(j)) for g in self._members for i, j in pairwise(g)]
        relabel = np.tile(np.arange(n), (len(swaps), 1))
        for row, (i, j) in enumerate(swaps):
            relabel[row, [i, j]] = j, i
        starts = np.flatnonzero(np.diff(self.lineage, prepend=-1))
        sizes = np.diff(np.append(starts, len(self.a)))

        def keys(a: Indices, b: Indices) -> npt.NDArray[np.int64]:
            low, high = np.minimum(a, b), np.maximum(a, b)
            group = np.repeat(np.minimum.reduceat(low, starts, axis=1), sizes, axis=1)
            return np.sort((group.astype(np.int64) * n + low) * n + high, axis=1)

        found = [(self.a, self.b)]
        seen = {keys(self.a[None], self.b[None])[0].tobytes()}
        position = 0
        while position < len(found) and len(swaps):
            a, b = (relabel[:, end] for end in found[position])
            position += 1
            for row, key in enumerate(keys(a, b)):
                name = key.tobytes()
                if name not in seen:
                    seen.add(name)
                    found.append((a[row], b[row]))
            if len(found) > limit:
                return None
        return np.array([a for a, _ in found]), np.array([b for _, b in found])

    def draw(self, n: int, rng: np.random.Generator) -> Iterator[Drawn]:
        """Draw n arrangements, each from a fresh permutation of the models inside every cell, in blocks.

        Yields
        ------
        (ndarray of int, ndarray of int)
            Ends of the derived pairs, each of shape (rows, n_derived).
        """
        rows = max(1, BLOCK // max(len(self.a), len(self.cell)))
        for start in range(0, n, rows):
            size = min(rows, n - start)
            moved = np.tile(np.arange(len(self.cell)), (size, 1))
            for group in self._members:
                moved[:, group] = rng.permuted(np.tile(group, (size, 1)), axis=1)
            yield np.take(moved, self.a, axis=1), np.take(moved, self.b, axis=1)
