"""Linear CKA of two sets of vectors: biased, and with the unbiased HSIC (Song et al. 2012)."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fpcore.errors import require

__all__ = ["cka", "debiased_cka", "factor", "unbiased_cka"]

Array = NDArray[np.float64]

FEWEST: Final = 4  # of an unbiased HSIC


def factor(states: NDArray[np.floating]) -> NDArray[np.float32]:
    """Centred states, or where they are wider than many, fewer columns with the same inner products."""
    values = np.asarray(states, dtype=np.float64)
    values = values - values.mean(axis=0)
    n, width = values.shape
    if width > n:
        sizes, vectors = np.linalg.eigh(values @ values.T)
        values = vectors * np.sqrt(np.clip(sizes, 0.0, None))
    kept: NDArray[np.float32] = values.astype(np.float32)
    return kept


def cka(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Linear CKA of centred states, (n, ·) each."""
    x, y = (np.asarray(each, dtype=np.float64) for each in (a, b))
    own = np.square(x.T @ x).sum() * np.square(y.T @ y).sum()
    require(own > 0.0, "the states of a layer are the same for all prompts: their CKA is not defined")
    return float(np.square(x.T @ y).sum() / math.sqrt(own))


def debiased_cka(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Linear CKA of centred states with the unbiased HSIC (Song et al. 2012), (n, ·) each."""
    x, y = (np.asarray(each, dtype=np.float64) for each in (a, b))
    own = unbiased_hsic(x, x) * unbiased_hsic(y, y)
    require(own > 0.0, "the states of a layer are the same for all prompts: their CKA is not defined")
    return unbiased_hsic(x, y) / math.sqrt(own)


def unbiased_hsic(x: Array, y: Array) -> float:
    """Unbiased HSIC of linear kernels, times n (n - 3), from centred states without forming the kernels."""
    n = len(x)
    require(n >= FEWEST, f"{n} prompts; an unbiased HSIC needs at least {FEWEST}")
    # Rows of a centred kernel sum to 0, so those of one without its diagonal sum to less the diagonal.
    d, e = np.square(x).sum(axis=1), np.square(y).sum(axis=1)
    products = float(np.square(x.T @ y).sum() - d @ e)
    return products + float(d.sum() * e.sum()) / ((n - 1) * (n - 2)) - 2.0 * float(d @ e) / (n - 2)


def unbiased_cka(x: Array, y: Array) -> float:
    """Linear CKA of the columns of two matrices, with U-statistics; (outputs, n) each, n at least 4."""
    k, l = (off_diagonal(each.T @ each) for each in (x, y))  # noqa: E741
    own = hsic(k, k) * hsic(l, l)
    require(own > 0.0, "a projection is zero or constant: its CKA is not defined")
    return hsic(k, l) / math.sqrt(own)


def off_diagonal(kernel: Array) -> Array:
    """A kernel matrix with zeros on its diagonal."""
    np.fill_diagonal(kernel, 0.0)
    return kernel


def hsic(k: Array, l: Array) -> float:  # noqa: E741
    """The unbiased HSIC of two kernel matrices with zero diagonals (Song et al. 2012), times n (n - 3)."""
    n = len(k)
    require(n >= FEWEST, f"{n} dimensions; an unbiased HSIC needs at least {FEWEST}")
    sums_k, sums_l = k.sum(axis=0), l.sum(axis=0)
    total = float(sums_k.sum() * sums_l.sum()) / ((n - 1) * (n - 2))
    return float(np.einsum("ij,ij->", k, l)) + total - 2.0 * float(sums_k @ sums_l) / (n - 2)
