"""Curves of many pairs at once: what is computed of a pair alone, on arrays with one more axis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fpcore.errors import NotComparable
from fpcore.fingerprint import Fingerprint

__all__ = ["Pairs", "combined", "mean_products", "of_equal_shapes"]

Array = NDArray[np.float64]
Pairs = NDArray[np.intp]

NUMBERS: Final = 1 << 17
"""Held at a time: a mebibyte stays in a core's cache."""


def of_equal_shapes(fingerprints: Sequence[Fingerprint], pairs: Pairs) -> Iterator[NDArray[np.intp]]:
    """Places of the pairs whose left models have arrays of one kind, and whose right ones too.

    Parameters
    ----------
    fingerprints : sequence of Fingerprint
    pairs : ndarray of int, (n, 2)
        Places in `fingerprints`.

    Yields
    ------
    ndarray of int
        Places in `pairs`. The names of the arrays, in their order, and their shapes are equal.
    """
    kinds: dict[tuple[tuple[str, tuple[int, ...]], ...], int] = {}
    kind = np.array(
        [
            kinds.setdefault(tuple((name, array.shape) for name, array in each.arrays.items()), len(kinds))
            for each in fingerprints
        ]
    )
    both = kind[pairs[:, 0]] * len(kinds) + kind[pairs[:, 1]]
    for one in np.unique(both):
        yield np.flatnonzero(both == one)


def mean_products(
    fingerprints: Sequence[Fingerprint], pairs: Pairs, brought: Callable[[Fingerprint], Array]
) -> Array:
    """`combined` by the mean of products over the last axis."""
    return combined(fingerprints, pairs, brought, lambda a, b: (a * b).mean(axis=-1))


def combined(
    fingerprints: Sequence[Fingerprint],
    pairs: Pairs,
    brought: Callable[[Fingerprint], Array],
    combine: Callable[[Array, Array], Array],
) -> Array:
    """What comes of two models, pair by pair.

    Parameters
    ----------
    fingerprints : sequence of Fingerprint
    pairs : ndarray of int, (n, 2)
        Places in `fingerprints`.
    brought : callable
        An array of one shape of each model; may raise NotComparable.
    combine : callable
        Of the arrays of some pairs, (k, …) each.

    Returns
    -------
    ndarray, (n, …)
        NaN where one of the two does not compare.
    """
    models, at = np.unique(pairs, return_inverse=True)
    known: dict[int, Array] = {}
    for place, model in enumerate(models):
        try:
            known[place] = brought(fingerprints[model])
        except NotComparable:
            continue
    if not known:
        raise NotComparable("none of the models can be compared")
    shape = next(iter(known.values())).shape
    arrays = np.full((len(models), *shape), np.nan)
    for place, array in known.items():
        arrays[place] = array
    step = max(1, NUMBERS // max(1, int(np.prod(shape))))
    parts = [
        combine(arrays[at[start : start + step, 0]], arrays[at[start : start + step, 1]])
        for start in range(0, len(pairs), step)
    ]
    return np.concatenate(parts)
