"""Who reaches whom over the edges of a graph, as matrices of truth values."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Matrix", "closure", "product"]

Matrix: TypeAlias = npt.NDArray[np.bool_]


def product(a: Matrix, b: Matrix) -> Matrix:
    """Boolean matrix product: whether some k has a[i, k] and b[k, j].

    Parameters
    ----------
    a : ndarray of bool, shape (n, k)
    b : ndarray of bool, shape (k, m)

    Returns
    -------
    ndarray of bool, shape (n, m)

    Examples
    --------
    >>> product(np.array([[True, False], [False, False]]), np.array([[False, True], [True, True]]))
    array([[False,  True],
           [False, False]])
    """
    if np.count_nonzero(b) < np.count_nonzero(a):  # work grows with what is true on the left
        return product(b.T, a.T).T
    reach, found = _packed(b), [0] * len(a)
    for row, between in zip(*(ends.tolist() for ends in np.nonzero(a)), strict=True):
        found[row] |= reach[between]
    return _unpacked(found, b.shape[1])


def closure(edges: Matrix) -> Matrix:
    """Reflexive and transitive closure.

    Parameters
    ----------
    edges : ndarray of bool, shape (n, n)
        Fastest where edges point to lower numbers, as from children to parents.

    Returns
    -------
    ndarray of bool, shape (n, n)

    Examples
    --------
    >>> closure(np.array([[False, False, False], [True, False, False], [False, True, False]]))
    array([[ True, False, False],
           [ True,  True, False],
           [ True,  True,  True]])
    """
    targets: dict[int, list[int]] = {}
    for origin, target in zip(*(ends.tolist() for ends in np.nonzero(edges)), strict=True):
        targets.setdefault(origin, []).append(target)
    reach = _packed(edges | np.eye(len(edges), dtype=bool))
    grown = True
    while grown:
        grown = False
        for origin, ahead in targets.items():
            found = reach[origin]
            for target in ahead:
                found |= reach[target]
            grown |= found != reach[origin]
            reach[origin] = found
    return _unpacked(reach, len(edges))


def _packed(matrix: Matrix) -> list[int]:
    """Each row as an integer, one bit a column: a union is then one operation."""
    return [int.from_bytes(row.tobytes(), "little") for row in np.packbits(matrix, axis=1, bitorder="little")]


def _unpacked(rows: list[int], n_columns: int) -> Matrix:
    n_bytes = (n_columns + 7) // 8
    packed = np.frombuffer(b"".join(row.to_bytes(n_bytes, "little") for row in rows), dtype=np.uint8)
    bits = np.unpackbits(packed.reshape(len(rows), n_bytes), axis=1, bitorder="little", count=n_columns)
    return bits.astype(bool)
