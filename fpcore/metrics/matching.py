"""Metrics that first find which unit or dimension of one model is which of the other."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import gammainc, gammaln, logsumexp
from scipy.stats import t as student

from fpcore.checkpoints.checkpoint import Checkpoint
from fpcore.errors import NotComparable
from fpcore.features.layer_weights import FeedForward, Layer, layers_of
from fpcore.features.tokens import aligning_rows, shared_tokens
from fpcore.fingerprint import Fingerprint, whole
from fpcore.registry import Claim, Cost, Metric, register

__all__ = ["AlignedCka", "AlignedUnitMatching", "SharedRows", "UnitMatching"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

LN10: Final = math.log(10.0)

# Of wider feed-forward blocks this many units, evenly spaced, are matched: an assignment is cubic in units.
MOST_UNITS: Final = 2048

# Beyond it the Poisson tail is within 5 % of its bound 1/k!, and soon too small for a float.
EXACT_AGREEMENTS: Final = 20


class WholeLayers(Metric):
    """A metric that reads all layers of both models for each pair."""

    cost = "costly"

    def fingerprint(self, model: Checkpoint) -> Fingerprint:
        layers_of(model)
        return self.make_fingerprint(model, {}, keep_checkpoint=True)


def unit_rows(rows: Array) -> Array:
    """Rows of length one; rows of zeros stay."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    units: Array = rows / np.where(lengths > 0.0, lengths, 1.0)
    return units


def best_match(similarity: Array) -> Index:
    """For each row the column that the assignment with the largest sum gives it."""
    rows, columns = linear_sum_assignment(similarity, maximize=True)
    found: Index = columns[np.argsort(rows)]
    return found


def log_p_of_order(order: Index) -> float:
    """Natural logarithm of the chance that a random permutation is as much in order as `order`.

    Spearman's rho with Student's t, against positive correlation; never below what the permutation in
    perfect order has, one over the number of permutations.
    """
    n = len(order)
    if n < 3:
        raise NotComparable(f"{n} units; a rank correlation needs at least 3")
    steps = order.argsort().argsort() - np.arange(n)
    rho = 1.0 - 6.0 * float(np.square(steps, dtype=np.float64).sum()) / (n * (n**2 - 1.0))
    floor = -float(gammaln(n + 1))
    if rho >= 1.0:
        return floor
    statistic = rho * math.sqrt((n - 2) / max(1.0 - rho**2, 1e-300))
    return max(floor, float(student.logsf(statistic, n - 2)))


def fisher(log_p: list[float]) -> float:
    """-log10 of the chance that independent p-values have a product this small (Fisher)."""
    half = -math.fsum(log_p)  # half of the chi-squared statistic of 2k degrees of freedom
    if half <= 0.0:
        return 0.0
    powers = np.arange(len(log_p))
    # Its upper tail in closed form, as a sum of k Poisson terms.
    log_tail = float(logsumexp(powers * math.log(half) - gammaln(powers + 1))) - half
    return max(0.0, -log_tail / LN10)


class UnitOrders(WholeLayers):
    """Fisher's product over layers of the p-values of unit orders; subclasses say which orders."""

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:
        left, right = layers_of(whole(a)), layers_of(whole(b))
        if len(left) != len(right):
            raise NotComparable(f"different depths ({len(left)} and {len(right)} layers)")
        return fisher([self.of_layers(left[index], right[index]) for index in range(len(left))])

    def of_layers(self, a: Layer, b: Layer) -> float:
        """Log p of two layers; for mixtures, of the closest pair of experts, times the number of pairs."""
        found = [self.log_p(x, y) for x in a.experts for y in b.experts if x.up.shape == y.up.shape]
        if not found:
            shapes = f"{a.experts[0].up.shape} and {b.experts[0].up.shape}"
            raise NotComparable(f"feed-forward blocks of different shape ({shapes})")
        return min(0.0, min(found) + math.log(len(found)))

    def log_p(self, a: FeedForward, b: FeedForward) -> float:
        """Log p of two feed-forward blocks of equal shape."""
        raise NotImplementedError


def matched(a: Array, b: Array) -> Index:
    """For each row of `a` its row of `b`, by assignment over cosines."""
    return best_match(unit_rows(a) @ unit_rows(b).T)


def sampled(count: int) -> Index:
    """Places of the units that are matched: all, or `MOST_UNITS` evenly spaced ones."""
    return np.linspace(0, count - 1, min(count, MOST_UNITS)).round().astype(np.int64)


@register
class UnitMatching(UnitOrders):
    """Whether the best matching of feed-forward units keeps their order (φ_U).

    For each layer the assignment that maximises the sum of cosines of up-projection rows gives a
    permutation π; the p-value of Spearman's correlation of π with the identity (against positive
    correlation, Student's t) says how likely a matching of unrelated units is so much in order; Fisher's
    method joins the layers, and the score is -log10 p, at least 0. Norm gains are folded in first.

    Different depths or shapes: it abstains. Mixtures of experts, which the paper does not treat: in each
    layer the closest pair of experts counts, its p-value times the number of pairs (Bonferroni).

    Of more than 2,048 units those at 2,048 evenly spaced places are matched, the same places in both models.
    Under independence the p-value stays what it is; its floor rises, to 1e-5,894 a layer.

    Tensors: feed_forward.up.weight and the norm before it; (units, width). Cost: one assignment a layer and
    pair of experts, cubic in the units matched.

    A permutation of units hides everything from it.

    Source: arXiv:2502.12292, which calls the p-values exact for independently trained models. Student's t is
    an approximation, and rho = 1 is given its exact p of one over the number of permutations.
    """

    name = "unit-matching"
    version = 2
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
    measured = Cost(3, 2.8, "a pair: an assignment a layer, cubic in up to 2,048 units")

    def log_p(self, a: FeedForward, b: FeedForward) -> float:  # noqa: D102
        places = sampled(len(a.up))
        return log_p_of_order(matched(a.up[places], b.up[places]))


@register
class AlignedUnitMatching(UnitOrders):
    """Whether two matchings of the same units, by what they read and by what they write, agree.

    For each layer, π is the assignment over cosines of up-projection rows and ρ that over cosines of
    down-projection columns. Of n units, k have π(i) = ρ(i); a random permutation has k fixed points or more
    with the chance P(N >= k), N Poisson of mean 1 (at most 1/k!). Fisher's method joins the layers, and the
    score is -log10 p, at least 0. However the units of either model were renumbered, both matchings undo it
    alike: this is `unit-matching` after the permutation is undone. Depths, shapes and experts as there.

    Tensors: feed_forward.up.weight (norm gains folded in) and feed_forward.down.weight. Cost twice that of
    `unit-matching`. It still needs the same basis of the residual stream in both models.

    Source: ours, after the φ_MATCH of arXiv:2502.12292, with weights in place of activations. The p-value
    takes both matchings of unrelated models for independent; where a unit's length or outliers drive both,
    they are not.
    """

    name = "aligned-unit-matching"
    version = 2
    title = "-log10 p that unit matchings by inputs and by outputs agree by chance"
    # Rounding can tip an assignment of unrelated units, and with it one agreement.
    invariances = (UnitMatching.invariances | {"unit permutation"}) - {"dtype cast"}
    measured = Cost(2.9, 4.3, "a pair: two assignments a layer, of up to 2,048 units among all")

    def log_p(self, a: FeedForward, b: FeedForward) -> float:  # noqa: D102
        if len(a.up) <= MOST_UNITS:
            return self.of_some(a, b)
        return max(self.of_some(a, b), self.of_some(b, a))

    def of_some(self, a: FeedForward, b: FeedForward) -> float:
        """Log p of the units of `a`, or a sample of them, among all of `b`."""
        places = sampled(len(a.up))
        agreements = int((matched(a.up[places], b.up) == matched(a.down[places], b.down)).sum())
        return log_p_of_agreements(agreements, len(places) / len(b.up))


def log_p_of_agreements(count: int, mean: float = 1.0) -> float:
    """Natural logarithm of the chance that a Poisson number of that mean is `count` or more.

    The agreements of two random permutations have a mean of 1; those of two random ways to place k units
    among n have one of k / n.
    """
    if count > EXACT_AGREEMENTS:
        return count * math.log(mean) - float(gammaln(count + 1))
    return math.log(gammainc(count, mean)) if count else 0.0


class SharedRows(WholeLayers):
    """A metric that needs the embeddings of the tokens that both models have."""

    evidence = frozenset({"tokenizer", "weights"})

    def shared_rows(self, a: Fingerprint, b: Fingerprint) -> tuple[Array, Array]:
        """Embedding rows of the same tokens, (n, width) each.

        Raises
        ------
        NotComparable
            There are fewer of them than dimensions.
        """
        keys_a, rows_a = aligning_rows(whole(a))
        keys_b, rows_b = aligning_rows(whole(b))
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

    Norm gains are folded in first, as they rescale what W reads. Of vocabularies with more than 4,096 shared
    tokens, the 4,096 with the lowest sha256 align the columns. Tensors: embedding, query, key, attention
    norm. Cost: an assignment over width and two products of (width, width) a layer; the paper gives 30 s a
    pair of 7-billion-parameter models.

    Invariant to permutations, of heads too, to gauges that scale, to folding and to scale; not to a rotation
    of the residual stream.

    Source: arXiv:2510.06738. Its z scores rest on one hard-coded null (mean .00375, sd .0028).
    """

    name = "aligned-cka"
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
            text="AUC 1.000 on 60 and 90 pairs; unrelated pairs .00375 with a deviation of .0028",
            source="arXiv:2510.06738",
        ),
    )
    measured = Cost(0.65, 7.7, "a pair: an assignment and products a layer, cubic in width")

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:  # noqa: D102
        dimensions_a, dimensions_b, signs = matched_dimensions(*self.shared_rows(a, b))
        left, right = layers_of(whole(a)), layers_of(whole(b))

        def cka(i: int, j: int) -> float:
            found = []
            for part in ("query", "key"):
                x, y = (getattr(layer, part) for layer in (left[i], right[j]))
                x, y = (
                    x.reshape(-1, x.shape[-1])[:, dimensions_a],
                    y.reshape(-1, y.shape[-1])[:, dimensions_b],
                )
                found.append(unbiased_cka(x, y * signs))
                if (signs < 0.0).any():
                    found.append(unbiased_cka(x * signs, y))
            return float(np.mean(found))

        if len(left) == len(right):
            return float(np.mean([cka(index, index) for index in range(len(left))]))
        table = np.array([[cka(i, j) for j in range(len(right))] for i in range(len(left))])
        return float(table[linear_sum_assignment(table, maximize=True)].mean())


def matched_dimensions(x: Array, y: Array) -> tuple[Index, Index, Array]:
    """Which columns of `x` and `y` belong together, by |cosine|, and the sign that each pair needs."""
    cosines = unit_rows(x.T) @ unit_rows(y.T).T
    rows, columns = linear_sum_assignment(np.abs(cosines), maximize=True)
    return rows, columns, np.where(cosines[rows, columns] < 0.0, -1.0, 1.0)


def unbiased_cka(x: Array, y: Array) -> float:
    """Linear CKA of the columns of two matrices, with U-statistics; (outputs, n) each, n at least 4."""
    k, l = (off_diagonal(each.T @ each) for each in (x, y))  # noqa: E741
    own = hsic(k, k) * hsic(l, l)
    if own <= 0.0:
        raise NotComparable("a projection is zero or constant: its CKA is not defined")
    return hsic(k, l) / math.sqrt(own)


def off_diagonal(kernel: Array) -> Array:
    """A kernel matrix with zeros on its diagonal."""
    np.fill_diagonal(kernel, 0.0)
    return kernel


def hsic(k: Array, l: Array) -> float:  # noqa: E741
    """The unbiased HSIC of two kernel matrices with zero diagonals (Song et al. 2012), times n (n - 3)."""
    n = len(k)
    if n < 4:
        raise NotComparable(f"{n} dimensions; an unbiased HSIC needs at least 4")
    sums_k, sums_l = k.sum(axis=0), l.sum(axis=0)
    total = float(sums_k.sum() * sums_l.sum()) / ((n - 1) * (n - 2))
    return float(np.einsum("ij,ij->", k, l)) + total - 2.0 * float(sums_k @ sums_l) / (n - 2)
