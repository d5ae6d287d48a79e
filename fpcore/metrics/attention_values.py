"""Singular values and eigenvalues of attention's weight products, compared as they stand."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from fpcore.checkpoints.base import Checkpoint
from fpcore.errors import NotComparable
from fpcore.features.by_layer import each_layer
from fpcore.features.layer_weights import Array as Rows, layers_of
from fpcore.fingerprint import Fingerprint
from fpcore.protocol import INVARIANCES, Claim, Cost, Metric
from fpcore.registry import register

__all__ = ["AttentionValues"]

Array = NDArray[np.float64]

LAYERS: Final = 8
KEPT: Final = 256
FEWEST_VALUES: Final = 3  # of one value the cosine is 1 in every model, of two it says next to nothing
KINDS: Final = ("query_key.singular", "query_key.eigen", "value_output.singular", "value_output.eigen")


@register
class AttentionValues(Metric):
    """Mean cosine of the largest singular values and eigenvalues of attention products (SELF's features).

    Of ``W_q' W_k`` and ``W_v' W_o'`` (' transposes; shared key-value heads repeated) of each of the first
    eight layers: the singular values, and the absolute values of the eigenvalues, descending, the largest 256
    of each. Every such row is scaled to length one; the score is the mean over rows of the cosine of the two
    models' rows, in [0, 1].

    These are SELF's features, but not SELF itself: its answer is that of a neural network trained on them
    for the base in question (*SimNet*), of which there is one for each base and none for others. The
    published code also prints the Euclidean distance of two models' rows together, d; over n rows the score
    is 1 - d²/2n. Norm gains are folded in first, which published code leaves out. For models with fewer than
    eight layers, the layers that both have are compared; for narrower ones, as many values as both have. The
    same holds where keys or values have fewer than 256 dimensions: zeros beyond them, which the paper would
    count against a model without shared heads, are left out.

    Tensors: the four attention projections of up to eight layers, and their norm. Cost: two decompositions
    per layer, cubic in width.

    Invariant to every change of basis in the table, and to scale. Rows of unrelated models are alike.

    Source: arXiv:2512.03620.
    """

    name = "attention-values"
    version = 1
    title = "cosine of singular values and eigenvalues of attention products (SELF's features)"
    evidence = frozenset({"weights"})
    invariances = frozenset(INVARIANCES)
    claims = (
        Claim(
            text="features that transformations leave unchanged; judged there only by a trained network",
            source="arXiv:2512.03620",
        ),
    )
    cost = "costly"
    measured = Cost(8.5, 0.055, "per model: two decompositions per layer, cubic in width")

    def roles_read(self, model: Checkpoint) -> tuple[str, ...]:  # noqa: D102
        first = tuple(f"layers.{number}.attention" for number in layers_of(model).numbers[:LAYERS])
        return tuple(role for role in model.roles if role.startswith(first))

    def fingerprint(self, model: Checkpoint) -> Fingerprint:  # noqa: D102
        layers = layers_of(model)

        def of_layer(place: int) -> tuple[Array, Array, Array, Array]:
            layer = layers[place]
            query_key = layer.by_group(layer.query), layer.key
            value_output = layer.value, layer.by_group(layer.output)
            return (*values(*query_key), *values(*value_output))

        found = each_layer(
            of_layer,
            range(min(len(layers), LAYERS)),
            [model],
            what="layers decomposed",
            size=2 * layers.size_of("attention"),
        )
        arrays = {name: np.stack([each[i] for each in found]) for i, name in enumerate(KINDS)}
        return self.make_fingerprint(model, arrays)

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:  # noqa: D102
        cosines = []
        for name in KINDS:
            depth, length = map(min, a.arrays[name].shape, b.arrays[name].shape)
            if length < FEWEST_VALUES:
                raise NotComparable(
                    f"{name}: {length} values are too few; at least {FEWEST_VALUES} are needed"
                )
            x, y = (each.arrays[name][:depth, :length].astype(np.float64) for each in (a, b))
            lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
            if not (lengths > 0.0).all():
                raise NotComparable(f"{name} of a layer is all zero")
            cosines.append(np.einsum("ij,ij->i", x, y) / lengths)
        return min(1.0, float(np.concatenate(cosines).mean()))


def values(left: Rows, right: Rows) -> tuple[Array, Array]:
    """Singular values and sizes of the eigenvalues of the sum over heads of ``L' R``, the largest of each.

    Of lower rank than width the smaller product ``R L'`` has the same eigenvalues but for zeros, and the
    triangular factors the same singular values.
    """
    a, b = (each.reshape(-1, each.shape[-1]).astype(np.float64) for each in (left, right))
    if len(a) < a.shape[1]:
        singular = np.linalg.svd(np.linalg.qr(a.T).R @ np.linalg.qr(b.T).R.T, compute_uv=False)
        eigen = np.linalg.eigvals(b @ a.T)
    else:
        product = a.T @ b
        singular, eigen = np.linalg.svd(product, compute_uv=False), np.linalg.eigvals(product)
    return singular[:KEPT], np.sort(np.abs(eigen))[::-1][:KEPT]
