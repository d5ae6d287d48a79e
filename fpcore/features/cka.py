"""Linear CKA of two sets of vectors: biased, and with the unbiased HSIC (Song et al. 2012)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fpcore.errors import require
from fpcore.features.float32_range import of_order_one

__all__ = [
    "SignedKernel",
    "cka",
    "debiased_cka",
    "debiased_size",
    "factor",
    "signed_cka",
    "size",
    "unbiased_cka",
]

Array = NDArray[np.float64]
Floats = NDArray[np.floating]

FEWEST: Final = 4  # of an unbiased HSIC

SAME: Final = "the states of a layer are the same for all prompts, so their CKA is undefined"


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


def cka(a: Floats, b: Floats, own: tuple[float, float] | None = None) -> float:
    """Linear CKA of centred states, (n, ·) each; `own` are the `size` of both, where they are known."""
    first, second = own or (size(a), size(b))
    require(first * second > 0.0, SAME)
    x, y = (np.asarray(each, dtype=np.float64) for each in (a, b))
    return float(np.square(x.T @ y).sum() / math.sqrt(first * second))


def size(states: Floats) -> float:
    """Squared length of the linear kernel of centred states."""
    x = np.asarray(states, dtype=np.float64)
    return float(np.square(x.T @ x).sum())


def debiased_cka(a: Floats, b: Floats, own: tuple[float, float] | None = None) -> float:
    """Linear CKA of centred states with the unbiased HSIC (Song et al. 2012), (n, ·) each.

    `own` are the `debiased_size` of both, where they are known.
    """
    first, second = own or (debiased_size(a), debiased_size(b))
    require(first * second > 0.0, SAME)
    x, y = (np.asarray(each, dtype=np.float64) for each in (a, b))
    return unbiased_hsic(x, y) / math.sqrt(first * second)


def debiased_size(states: Floats) -> float:
    """The unbiased HSIC of centred states and themselves, times n (n - 3)."""
    x = np.asarray(states, dtype=np.float64)
    return unbiased_hsic(x, x)


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
    signs = np.ones(x.shape[1])
    return signed_cka(SignedKernel.of(x, signs), SignedKernel.of(y, signs))


@dataclass(frozen=True)
class SignedKernel:
    """The linear kernel of a matrix's columns, of which some may count negative.

    Attributes
    ----------
    values : ndarray, (n, n)
        Inner products of columns, zeros on the diagonal.
    signs : ndarray, (n,)
        1 and -1.
    sums, signed_sums : ndarray of float64, (n,)
        Of the rows of the kernel, and of those of the kernel of signed columns.
    square : float
        Sum of the squares of both.
    """

    values: Floats
    signs: Floats
    sums: Array
    signed_sums: Array
    square: float

    @classmethod
    def of(cls, x: Floats, signs: Floats) -> SignedKernel:
        """That of the columns of `x`, (outputs, n); n is at least 4. No scale of them changes a CKA."""
        require(x.shape[1] >= FEWEST, f"{x.shape[1]} dimensions; an unbiased HSIC needs at least {FEWEST}")
        x = of_order_one(x)
        values = x.T @ x
        np.fill_diagonal(values, 0.0)
        signed_sums: Array = (signs * (values @ signs)).astype(np.float64)
        return cls(values, signs, values.sum(axis=0, dtype=np.float64), signed_sums, inner(values, values))


def signed_cka(x: SignedKernel, y: SignedKernel) -> float:
    """Linear CKA of two sets of columns with U-statistics, the columns of either one signed.

    Centring depends on whose signs are taken: where any is negative, the mean of both choices counts.
    """
    products = float(np.einsum("i,i->", x.signs, (x.values * y.values) @ x.signs, dtype=np.float64))
    found = [unbiased(x.sums, x.square, y.signed_sums, y.square, products)]
    if (x.signs < 0.0).any():
        found.append(unbiased(x.signed_sums, x.square, y.sums, y.square, products))
    return math.fsum(found) / len(found)


def unbiased(sums_k: Array, square_k: float, sums_l: Array, square_l: float, products: float) -> float:
    """CKA by unbiased HSICs from sums of rows, of squares and of products of two kernels."""
    own = hsic(sums_k, sums_k, square_k) * hsic(sums_l, sums_l, square_l)
    require(own > 0.0, "a projection is zero or constant, so its CKA is undefined")
    return hsic(sums_k, sums_l, products) / math.sqrt(own)


def hsic(sums_k: Array, sums_l: Array, products: float) -> float:
    """The unbiased HSIC of two kernel matrices with zero diagonals (Song et al. 2012), times n (n - 3)."""
    n = len(sums_k)
    total = float(sums_k.sum() * sums_l.sum()) / ((n - 1) * (n - 2))
    return products + total - 2.0 * float(sums_k @ sums_l) / (n - 2)


def inner(k: Floats, l: Floats) -> float:  # noqa: E741
    """Sum of the products of entries: within rows as they are, over rows in float64."""
    return float(np.einsum("ij,ij->i", k, l).sum(dtype=np.float64))
