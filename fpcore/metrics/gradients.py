"""Metrics of gradients."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fpcore.checkpoints.base import Checkpoint
from fpcore.errors import NotComparable
from fpcore.features.role_values import finite
from fpcore.fingerprint import Fingerprint
from fpcore.protocol import Claim, Cost, Metric
from fpcore.registry import register

__all__ = ["MOMENTS", "GradientMoments", "gradient_moments"]

Array = NDArray[np.float64]

PERTURBATIONS: Final = 16
NOISE: Final = 0.1
MOMENTS: Final = ("mean", "std", "norm", "skewness", "kurtosis")


@register
class GradientMoments(Metric):
    """Correlation of the moments of each tensor's gradient under perturbed random inputs (TensorGuard).

    A weight matrix W gets the input ``x + δ``: x standard normal, fixed for each width, δ normal with
    standard deviation 0.1, drawn 16 times. The gradient of ``||W (x + δ)||`` by W has a mean, a standard
    deviation, a norm, a skewness and an excess kurtosis; each is averaged over the 16. The score is Pearson's
    correlation of these numbers, five per matrix, over the matrices that have the same role in both models;
    in [-1, 1].

    That gradient is ``ŷ (x + δ)'`` with ``ŷ`` the output at length 1: its moments are products of those of
    two vectors, so nothing has to be run backwards, and a matrix costs one product with 16 vectors. Its norm
    is ``||x + δ||``, whatever W, and its deviation follows from the shape: both are the same for all models
    of one architecture, and the largest numbers in the sum. Only skewness and kurtosis depend on the
    model.

    Tensors: every two-dimensional weight within layers, embedding and unembedding; no forward pass. Cost: one
    read of the model; nothing per pair.

    Invariant to a change of scale. Permuting the outputs of a matrix changes nothing, permuting its inputs
    changes much.

    Source: arXiv:2506.01631. Its code draws among five kinds of noise (here: Gaussian), takes ten tensors of
    the first sixteen layers by their names (here: all) and averages them by kind before k-means; as a
    similarity it was measured by others, with an AUC of 0.68 and a median of 0.97 for unrelated pairs.
    """

    name = "gradient-moments"
    title = "correlation of gradient moments of each tensor under perturbed inputs"
    measured = Cost(24, 0.25)
    evidence = frozenset({"gradients", "weights"})
    invariances = frozenset({"q/k gauge", "v/o gauge", "global scale", "dtype cast"})
    claims = (
        Claim(text="94% of 58 models assigned to the right one of five families", source="arXiv:2506.01631"),
    )
    cost = "costly"

    def fingerprint(self, model: Checkpoint) -> Fingerprint:  # noqa: D102
        arrays = {
            role: gradient_moments(finite(view))
            for role, view in model.roles.items()
            if role.endswith(".weight") and len(view.shape) == 2 and not role.startswith("position")
        }
        if not arrays:
            raise NotComparable("no weight matrix")
        return self.make_fingerprint(model, arrays)

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:  # noqa: D102
        roles = [role for role in a.arrays if role in b.arrays]
        if not roles:
            raise NotComparable("no weight matrix has the same role in both models")
        x, y = (np.concatenate([each.arrays[role] for role in roles]) for each in (a, b))
        return float(np.corrcoef(x, y)[0, 1])  # which numpy keeps within -1 and 1


def gradient_moments(weight: Array) -> Array:
    """`MOMENTS` of the gradient of ``||W (x + δ)||`` by W, averaged over perturbations.

    Parameters
    ----------
    weight : ndarray
        (rows out, columns in).

    Raises
    ------
    NotComparable
        W makes nothing of the input, so that there is no gradient.
    """
    inputs = perturbed_inputs(weight.shape[1])
    outputs = inputs @ weight.T
    lengths = np.linalg.norm(outputs, axis=1, keepdims=True)
    if not (lengths > 0.0).all():
        raise NotComparable("a weight matrix is zero, whose gradient is undefined")
    # Entry (i, j) of the gradient is y_i x_j, so its k-th raw moment is that of y times that of x.
    units = outputs / lengths
    raw = [np.mean(units**k, axis=1) * own for k, own in enumerate(raw_moments(weight.shape[1]), start=1)]
    mean, variance = raw[0], raw[1] - raw[0] ** 2
    third = raw[2] - 3 * mean * raw[1] + 2 * mean**3
    fourth = raw[3] - 4 * mean * raw[2] + 6 * mean**2 * raw[1] - 3 * mean**4
    moments = [
        mean,
        np.sqrt(variance),
        np.linalg.norm(inputs, axis=1),
        third / variance**1.5,
        fourth / variance**2 - 3.0,
    ]
    averaged: Array = np.mean(moments, axis=1)
    return averaged


@lru_cache(maxsize=16)  # of the widths of a model
def raw_moments(width: int) -> tuple[Array, ...]:
    """The first four raw moments of each perturbed input, (perturbations,) each."""
    inputs = perturbed_inputs(width)
    return tuple(np.mean(inputs**k, axis=1) for k in range(1, 5))


@lru_cache(maxsize=16)
def perturbed_inputs(width: int) -> Array:
    """The fixed input of a width with each perturbation, (perturbations, width)."""
    seed = int.from_bytes(hashlib.sha256(f"gradient-moments {width}".encode()).digest()[:8], "big")
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(width)
    inputs: Array = x + NOISE * rng.standard_normal((PERTURBATIONS, width))
    inputs.flags.writeable = False  # matrices of one width share them
    return inputs
