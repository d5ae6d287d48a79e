"""Curves over depth: bringing two of them to one grid, and correlating them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from fpcore.errors import NotComparable
from fpcore.fingerprint import Fingerprint

__all__ = [
    "FEWEST_DETRENDED",
    "FEWEST_LAYERS",
    "correlations",
    "detrended",
    "grids",
    "resampled",
    "standardised",
    "standardised_parts",
]

FEWEST_LAYERS: Final = 3  # over two layers any two curves correlate perfectly

# A cubic takes four degrees of freedom; of one left, any two remainders correlate at 1 or -1.
TREND: Final = 3
FEWEST_DETRENDED: Final = TREND + 3

# A spread below this share of the values is rounding, not a curve.
CONSTANT: Final = 1e-9

Array = NDArray[np.float64]


def resampled(curve: NDArray[np.floating], depth: int) -> Array:
    """An array over layers (axis 0) on a grid of `depth` layers, linear in relative depth (0 to 1)."""
    values = np.asarray(curve, dtype=np.float64)
    if len(values) == depth:
        return values
    place = np.linspace(0.0, len(values) - 1.0, depth)
    below = np.floor(place).astype(int)
    above = np.minimum(below + 1, len(values) - 1)
    share = (place - below).reshape(-1, *([1] * (values.ndim - 1)))
    mixed: Array = values[below] * (1.0 - share) + values[above] * share
    return mixed


def standardised(curve: Array, part: str) -> Array:
    """A curve less its mean, over its population standard deviation."""
    if len(curve) < FEWEST_LAYERS:
        raise NotComparable(f"{part}: {len(curve)} layers; a curve needs at least {FEWEST_LAYERS}")
    if not np.isfinite(curve).all():
        raise NotComparable(f"{part}: the curve is not finite")
    spread = curve.std()
    if spread <= CONSTANT * np.abs(curve).max():
        raise NotComparable(f"{part}: the curve is constant, so its correlation is undefined")
    z: Array = (curve - curve.mean()) / spread
    return z


def detrended(curve: Array, part: str) -> Array:
    """A curve less its least-squares cubic over depth; one that is a cubic throughout is refused."""
    place = np.linspace(-1.0, 1.0, len(curve))
    basis, _ = np.linalg.qr(np.vander(place, TREND + 1))
    remainder: Array = curve - basis @ (basis.T @ curve)
    if np.abs(remainder).max() <= CONSTANT * np.abs(curve).max():
        raise NotComparable(f"{part}: nothing is left of the curve after removing its trend")
    return remainder


def standardised_parts(fingerprint: Fingerprint, parts: tuple[str, ...], depth: int) -> Array:
    """The curves of several parts, resampled and standardised, (parts, depth)."""

    def compute() -> Array:
        return np.stack([standardised(resampled(fingerprint.arrays[part], depth), part) for part in parts])

    return fingerprint.derived("standardised", (parts, depth), compute)


def correlations(a: Fingerprint, b: Fingerprint, parts: tuple[str, ...]) -> Array:
    """Pearson correlation over layers of each part; of different depths, on the grid of the shorter one.

    Raises
    ------
    NotComparable
        A curve is constant or not finite, or has fewer than three layers.
    """
    return np.concatenate([on_one_grid(a, b, *grid) for grid in grids(a, b, parts)])


def grids(a: Fingerprint, b: Fingerprint, parts: tuple[str, ...]) -> list[tuple[tuple[str, ...], int]]:
    """The parts that are compared on one grid, and its layers; each part alone where layers differ."""
    depths = [min(len(a.arrays[part]), len(b.arrays[part])) for part in parts]
    if len(set(depths)) > 1:
        return [((part,), depth) for part, depth in zip(parts, depths, strict=True)]
    return [(parts, depths[0])]


def on_one_grid(a: Fingerprint, b: Fingerprint, parts: tuple[str, ...], depth: int) -> Array:
    """Pearson correlation of each part on a grid of `depth` layers."""
    products = standardised_parts(a, parts, depth) * standardised_parts(b, parts, depth)
    found: Array = np.clip(products.mean(axis=1), -1.0, 1.0)
    return found
