"""Embeddings as a map between two residual streams, and the layers that correspond in it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported when they are first used
from numpy.typing import NDArray

from fpcore.checkpoints.base import Checkpoint
from fpcore.errors import NotComparable
from fpcore.features.canonical_basis import embedding_map
from fpcore.features.layer_weights import Layer, layers_of
from fpcore.features.p_values import LN10
from fpcore.fingerprint import Fingerprint
from fpcore.metrics.matching import SharedRows
from fpcore.protocol import Claim, Cost
from fpcore.registry import register

__all__ = ["EmbeddingHomology", "LayerCorrespondence", "layer_correspondence"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@register
class EmbeddingHomology(SharedRows):
    """How far the map between two embeddings is from random, and how close to a permutation (MDIR).

    ``U = polar(E_A' E_B)``, the orthogonal map that best carries one embedding into the other (rows of shared
    tokens, matched by text). For unrelated models U is taken to be a random (Haar) orthogonal matrix; for a
    copy, permuted or not, it is close to a signed permutation P, which an assignment over |U| finds. With
    ``s = trace(P'U)`` and n dimensions, ``log p <= log(2^n n!) - s^2 / 2``: the trace of a Haar matrix has no
    larger moments than a standard normal number, and 2^n n! signed permutations were searched. The plain
    order of dimensions is tried as well, without the price of a search: ``log p <= -trace(U)^2 / 2``. The
    score is -log10 of the smaller bound times two, at least 0.

    This is a bound that holds for every n where the paper takes the limit of large n. The paper's second
    step, which layers correspond in the basis so found, does not enter the score: `layer_correspondence`
    gives it. Widths that differ, and no more shared tokens than dimensions, abstain; of more than 4,096
    shared tokens, or four for each dimension if that is more, those with the lowest sha256 count. Tensors:
    embedding. Cost: a decomposition and an assignment over width, both cubic in it.

    A permutation of the residual stream is found, at the price of the search. Not invariant to rotations: a
    rotated copy is as far from a permutation as an unrelated model.

    Source: arXiv:2508.06309 (v3), "rigorous p-values", AUC 1.000 on LeaFBench.
    """

    name = "embedding-homology"
    version = 2
    reads = ("embedding.weight",)
    title = "-log10 p that a random map between the embeddings is this close to a permutation"
    invariances = frozenset(
        {
            "unit permutation",
            "head permutation",
            "q/k gauge",
            "v/o gauge",
            "norm-gain folding",
            "global scale",
            "dtype cast",
        }
    )
    claims = (
        Claim(
            auc=1.0,
            p_values=True,
            text="rigorous p-values; AUC and TPR at 1% FPR of 1.000 on LeaFBench",
            source="arXiv:2508.06309",
        ),
    )
    measured = Cost(4, 0.19, "per pair: one assignment and one decomposition, cubic in width")

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:  # noqa: D102
        x, y = self.shared_rows(a, b)
        if x.shape != y.shape:
            raise NotComparable(f"embeddings of different width ({x.shape[1]} and {y.shape[1]})")
        return homology(polar((x.T @ y).astype(np.float64)))


def polar(matrix: Array) -> Array:
    """The orthogonal factor of a square matrix."""
    left, _, right = np.linalg.svd(matrix)
    factor: Array = left @ right
    return factor


def homology(rotation: Array) -> float:
    """-log10 of the bound on the chance that a Haar matrix is so near a signed permutation."""
    n = len(rotation)
    size = np.abs(rotation)
    found = float(size[scipy.optimize.linear_sum_assignment(size, maximize=True)].sum())
    searched = n * math.log(2.0) + float(scipy.special.gammaln(n + 1))
    plain = max(0.0, float(np.trace(rotation)))
    log_p = min(searched - found**2 / 2.0, -(plain**2) / 2.0) + math.log(2.0)
    return max(0.0, -log_p / LN10)


@dataclass(frozen=True)
class LayerCorrespondence:
    """How alike each layer of one model and each of another are, in the basis that the embeddings give.

    Attributes
    ----------
    query_key, value_output : ndarray, (layers of a, layers of b)
        Cosines in [-1, 1] of ``W_q' W_k`` and of ``W_v' W_o'``; about 0 for layers that do not belong
        together.
    """

    query_key: Array
    value_output: Array

    @property
    def agreement(self) -> Array:
        """Mean of both, (layers of a, layers of b)."""
        return (self.query_key + self.value_output) / 2.0

    @property
    def layers_of_a(self) -> Index:
        """For each layer of `b`, the layer of `a` that agrees best; a copied layer comes twice."""
        found: Index = self.agreement.argmax(axis=0)
        return found

    @property
    def layers_of_b(self) -> Index:
        """For each layer of `a`, the layer of `b` that agrees best."""
        found: Index = self.agreement.argmax(axis=1)
        return found


def layer_correspondence(a: Checkpoint, b: Checkpoint) -> LayerCorrespondence:
    """Which layers of two models correspond (the second step of MDIR, arXiv:2508.06309).

    With U the orthogonal map between the embeddings, layer i of `a` and layer j of `b` are compared by the
    cosines of ``U' (W_q' W_k)_i U`` with ``(W_q' W_k)_j``, and of the same of ``W_v' W_o'``; products are
    summed over heads (shared key-value heads repeated) after norm gains are folded in, so that neither the
    order of heads nor any gauge inside them counts. Depths may differ, and widths.

    Memory: the products of one model's layers, 4 bytes times depth times width squared.

    Raises
    ------
    NotComparable
        The embeddings have fewer tokens in common than dimensions, or attention has no plain projections.
    """
    basis = embedding_map(a, b)
    known = [np.stack(each) for each in zip(*(unit_products(layer) for layer in layers_of(b)), strict=True)]
    rows = []
    for layer in layers_of(a):
        turned = (basis.T @ product @ basis for product in unit_products(layer))
        rows.append([np.einsum("nij,ij->n", of_b, own) for of_b, own in zip(known, turned, strict=True)])
    query_key, value_output = (np.stack(each).astype(np.float64) for each in zip(*rows, strict=True))
    return LayerCorrespondence(query_key, value_output)


def unit_products(layer: Layer) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """``W_q' W_k`` and ``W_v' W_o'`` of all heads together, (width, width), of length one."""
    factors = (layer.query, layer.each_head(layer.key)), (layer.each_head(layer.value), layer.output)
    products = (
        left.reshape(-1, left.shape[-1]).T @ right.reshape(-1, right.shape[-1]) for left, right in factors
    )
    query_key, value_output = (each / (np.linalg.norm(each) or 1.0) for each in products)
    return query_key.astype(np.float32), value_output.astype(np.float32)
