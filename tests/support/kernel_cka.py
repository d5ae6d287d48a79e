"""Linear CKA by its kernels, as the papers write it."""

from __future__ import annotations

import math

import numpy as np


def kernel_cka(x: np.ndarray, y: np.ndarray) -> float:
    """By the kernels themselves."""
    n = len(x)
    h = np.eye(n) - 1 / n
    k, m = (h @ (z @ z.T) @ h for z in (x, y))
    return float(np.trace(k @ m) / math.sqrt(np.trace(k @ k) * np.trace(m @ m)))


def kernel_debiased_cka(x: np.ndarray, y: np.ndarray) -> float:
    """Song et al.'s formula, term by term, without centring."""
    n = len(x)
    one = np.ones(n)

    def hsic(k: np.ndarray, m: np.ndarray) -> float:
        product = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
        return float(np.trace(k @ m) + product - 2 / (n - 2) * one @ k @ m @ one)

    k, m = (z @ z.T * (1 - np.eye(n)) for z in (x, y))
    return hsic(k, m) / math.sqrt(hsic(k, k) * hsic(m, m))
