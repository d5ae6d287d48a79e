"""Metrics that first find which unit or dimension of one model is which of the other."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import scipy  # its parts are imported when they are first used
from numpy.typing import NDArray

from fpcore.checkpoints.base import Checkpoint
from fpcore.errors import NotComparable
from fpcore.features.assignment import matched, sampled, unit_rows
from fpcore.features.by_layer import each_layer, sampled_layers
from fpcore.features.cka import SignedKernel, signed_cka
from fpcore.features.layer_weights import Array, FeedForward, Layer, layers_of
from fpcore.features.p_values import fisher, log_p_of_agreements, log_p_of_order
from fpcore.features.shared_tokens import Rows, aligning_rows, shared_tokens
from fpcore.fingerprint import Fingerprint, checkpoint_of
from fpcore.protocol import Claim, Cost, Metric
from fpcore.registry import register
from fpcore.sampling import mean_of_sample

__all__ = ["AlignedCka", "AlignedUnitMatching", "SharedRows", "UnitMatching"]

Index = NDArray[np.int64]

# Of models of different depths, kernels of so many bytes are held at once, to be compared with every layer of
# the other.
HELD: Final = 4 << 30


# Parallel blocks read the norm of attention.
UNITS_READ: Final = ("layers.*.feed_forward.*", "layers.*.attention.norm.weight")


class LayerPairs(Metric):
    """A metric that reads all layers of both models for each pair."""

    cost = "costly"

    def fingerprint(self, model: Checkpoint) -> Fingerprint:
        layers_of(model)
        return self.make_fingerprint(model, {}, keep_checkpoint=True)


class UnitOrders(LayerPairs):
    """Fisher's product over layers of the p-values of unit orders; subclasses say which orders."""

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:
        models = checkpoint_of(a), checkpoint_of(b)
        left, right = (layers_of(model) for model in models)
        if len(left) != len(right):
            raise NotComparable(f"different depths ({len(left)} and {len(right)} layers)")
        return fisher(
            each_layer(
                lambda place: self.of_layers(left[place], right[place]),
                sampled_layers(models, len(left)),
                models,
                what="layers matched",
                size=left.size_of("feed_forward") + right.size_of("feed_forward"),
            )
        )

    def of_layers(self, a: Layer, b: Layer) -> float:
        """Log p of two layers; for mixtures, of the closest pair of experts, times the number of pairs."""
        found = [self.log_p(x, y) for x in a.experts for y in b.experts if x.shape == y.shape]
        if not found:
            shapes = f"{a.experts[0].shape} and {b.experts[0].shape}"
            raise NotComparable(f"feed-forward blocks of different shape ({shapes})")
        return min(0.0, min(found) + math.log(len(found)))

    def log_p(self, a: FeedForward, b: FeedForward) -> float:
        """Log p of two feed-forward blocks of equal shape."""
        raise NotImplementedError


@register
class UnitMatching(UnitOrders):
    """Whether the best matching of feed-forward units keeps their order (φ_U).

    For each layer the assignment that maximises the sum of cosines of up-projection rows gives a permutation
    π; the p-value of Spearman's correlation of π with the identity (against positive correlation, Student's
    t) says how likely a matching of unrelated units is to be this much in order; Fisher's method joins the
    layers, and the score is -log10 p, at least 0. Norm gains are folded in first.

    Different depths or shapes: it abstains. Mixtures of experts, which the paper does not treat: in each
    layer the closest pair of experts counts, its p-value times the number of pairs (Bonferroni).

    Of more than 2,048 units those at 2,048 evenly spaced places are matched, the same places in both models.
    Under independence the p-value stays what it is; its floor rises, to 1e-5,894 per layer. So it does with a
    sample of layers: the score is the p-value of those, not an estimate of that of all.

    Tensors: feed_forward.up.weight and the norm before it; (units, width). Cost: one assignment per layer and
    pair of experts, cubic in the units matched.

    A permutation of units hides everything from it.

    Source: arXiv:2502.12292, which calls the p-values exact for independently trained models. Student's t is
    an approximation, and rho = 1 is given its exact p of one over the number of permutations.
    """

    name = "unit-matching"
    version = 4  # p-values too small for a float
    reads = UNITS_READ
    title = "-log10 p that the best matching of feed-forward units keeps their order by chance"
    invariances = frozenset(
        {"head permutation", "q/k gauge", "v/o gauge", "norm-gain folding", "global scale", "dtype cast"}
    )
    claims = (
        Claim(
            p_values=True,
            text="exact p-values for independently trained models",
            source="arXiv:2502.12292",
        ),
    )
    measured = Cost(3, 2.8, "per pair: one assignment per layer, cubic in up to 2,048 units")

    def log_p(self, a: FeedForward, b: FeedForward) -> float:  # noqa: D102
        places = sampled(a.shape[0])
        return log_p_of_order(matched(a.up[places], b.up[places]))


@register
class AlignedUnitMatching(UnitOrders):
    """Whether two matchings of the same units, by what they read and by what they write, agree.

    For each layer, π is the assignment over cosines of up-projection rows and ρ that over cosines of
    down-projection columns. Of n units, k have π(i) = ρ(i); a random permutation has k fixed points or more
    with the chance P(N >= k), N Poisson of mean 1 (at most 1/k!). Fisher's method joins the layers, and the
    score is -log10 p, at least 0. However the units of either model were renumbered, both matchings undo it
    in the same way: this is `unit-matching` after the permutation is undone. Depths, shapes and experts as
    there.

    Tensors: feed_forward.up.weight (norm gains folded in) and feed_forward.down.weight. Cost twice that of
    `unit-matching`. It still needs the same basis of the residual stream in both models.

    Source: ours, after the φ_MATCH of arXiv:2502.12292, with weights in place of activations. The p-value
    takes both matchings of unrelated models to be independent; where a unit's length or outliers drive both,
    they are not.
    """

    name = "aligned-unit-matching"
    version = 3
    reads = UNITS_READ
    title = "-log10 p that unit matchings by inputs and by outputs agree by chance"
    # Rounding can tip an assignment of unrelated units, and with it one agreement.
    invariances = (UnitMatching.invariances | {"unit permutation"}) - {"dtype cast"}
    measured = Cost(2.9, 4.3, "per pair: two assignments per layer, of up to 2,048 units among all")

    def log_p(self, a: FeedForward, b: FeedForward) -> float:  # noqa: D102
        blocks = (a.up, a.down), (b.up, b.down)
        if len(sampled(a.shape[0])) == a.shape[0]:
            return of_some(*blocks)
        return max(of_some(*blocks), of_some(*blocks[::-1]))


def of_some(a: tuple[Array, Array], b: tuple[Array, Array]) -> float:
    """Log p of the units of one block (up, down), or a sample of them, among all of another."""
    places, count = sampled(len(a[0])), len(b[0])
    by_inputs, by_outputs = (matched(x[places], y) for x, y in zip(a, b, strict=True))
    return log_p_of_agreements(int((by_inputs == by_outputs).sum()), len(places) / count)


class SharedRows(LayerPairs):
    """A metric that needs the embeddings of the tokens that both models have."""

    evidence = frozenset({"tokenizer", "weights"})

    def shared_rows(self, a: Fingerprint, b: Fingerprint) -> tuple[Rows, Rows]:
        """Embedding rows of the same tokens, (n, width) each.

        Raises
        ------
        NotComparable
            There are not more of them than dimensions.
        """
        keys_a, rows_a = aligning_rows(checkpoint_of(a))
        keys_b, rows_b = aligning_rows(checkpoint_of(b))
        left, right = shared_tokens(keys_a, keys_b)
        width = max(rows_a.shape[1], rows_b.shape[1])
        if len(left) <= width:
            raise NotComparable(f"{len(left)} tokens in common for {width} dimensions")
        return rows_a[left], rows_b[right]


@register
class AlignedCka(SharedRows):
    """Unbiased CKA of query and key projections after aligning the embedding's dimensions (AWM).

    The assignment over ``|cos|`` of embedding columns (shared tokens, matched by text) gives which dimension
    of one model is which of the other, and its sign. With the columns of W_q and W_k so permuted and
    signed, the score is the mean over layers and over both of
    ``HSIC_u(K, L) / sqrt(HSIC_u(K, K) HSIC_u(L, L))`` with ``K = W' W`` (width, width) and HSIC_u the
    U-statistic, which is 0 on average for unrelated matrices; it is at most 1. Centring depends on whose
    signs are taken: where any differ, the mean of both choices counts, so that the score is symmetric.
    Depths that differ: layers are assigned so that the sum of the CKAs is largest. Widths that differ: the
    dimensions matched remain.

    Norm gains are folded in first, as they rescale what W reads. Of more than 4,096 shared tokens, or four
    for each dimension if that is more, those with the lowest sha256 align the columns. Tensors: embedding,
    query, key, attention norm. Cost: an assignment over width and two products of (width, width) per layer
    and model; the paper gives 30 s per pair of 7-billion-parameter models.

    Of a sample of layers the score is an estimate with its standard error; depths that differ are read in
    full.

    Invariant to permutations, of heads too, to gauges that scale, to folding and to scale; not to a rotation
    of the residual stream.

    Source: arXiv:2510.06738. Its z scores rest on one hard-coded null (mean 0.00375, sd 0.0028).
    """

    name = "aligned-cka"
    version = 2
    reads = ("layers.*.attention.*", "embedding.weight")
    title = "unbiased CKA of W_q and W_k after matching embedding dimensions"
    invariances = frozenset(
        {
            "unit permutation",
            "head permutation",
            "embedding permutation",
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
            text="AUC 1.000 on 60 and 90 pairs; unrelated pairs 0.00375 with a deviation of 0.0028",
            source="arXiv:2510.06738",
        ),
    )
    measured = Cost(0.65, 7.7, "per pair: one assignment and two products per layer, cubic in width")

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:  # noqa: D102
        models = checkpoint_of(a), checkpoint_of(b)
        dimensions_a, dimensions_b, signs = matched_dimensions(*self.shared_rows(a, b))
        left, right = (layers_of(model) for model in models)

        def kernels(layer: Layer, dimensions: Index) -> list[SignedKernel]:
            return [
                SignedKernel.of(part.reshape(-1, part.shape[-1])[:, dimensions], signs)
                for part in (layer.query, layer.key)
            ]

        def cka(one: list[SignedKernel], other: list[SignedKernel]) -> float:
            return float(np.mean([signed_cka(x, y) for x, y in zip(one, other, strict=True)]))

        # Projections as stored and permuted, kernels, and their product.
        size = 3 * (left.size_of("attention") + right.size_of("attention"))
        if len(left) == len(right):
            places = sampled_layers(models, len(left))
            found = each_layer(
                lambda place: cka(kernels(left[place], dimensions_a), kernels(right[place], dimensions_b)),
                places,
                models,
                what="layers compared",
                size=size,
            )
            return mean_of_sample(found, len(left))
        columns = []
        at_once = max(1, HELD // (2 * len(signs) ** 2 * signs.itemsize))
        for start in range(0, len(right), at_once):
            held = [kernels(right[j], dimensions_b) for j in range(start, min(start + at_once, len(right)))]

            def row(i: int, held: list[list[SignedKernel]] = held) -> list[float]:
                own = kernels(left[i], dimensions_a)
                return [cka(own, other) for other in held]

            columns.append(
                np.array(each_layer(row, range(len(left)), models, what="layers compared", size=size))
            )
        table = np.concatenate(columns, axis=1)
        return float(table[scipy.optimize.linear_sum_assignment(table, maximize=True)].mean())


def matched_dimensions(x: Rows, y: Rows) -> tuple[Index, Index, Array]:
    """Which columns of `x` and `y` belong together, by |cosine|, and the sign that each pair needs."""
    cosines = unit_rows(x.T) @ unit_rows(y.T).T
    rows, columns = scipy.optimize.linear_sum_assignment(np.abs(cosines), maximize=True)
    return rows, columns, np.where(cosines[rows, columns] < 0.0, -1.0, 1.0).astype(cosines.dtype)
