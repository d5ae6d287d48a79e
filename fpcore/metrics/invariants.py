"""Quantities of the weights that changes of basis leave as they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fpcore.checkpoints.base import Checkpoint
from fpcore.errors import NotComparable
from fpcore.features.assignment import in_order
from fpcore.features.by_layer import each_layer, sampled_layers
from fpcore.features.float32_range import of_order_one
from fpcore.features.layer_weights import Array as Rows, Layer, layers_of
from fpcore.features.shared_tokens import embedding_rows, shared_tokens
from fpcore.fingerprint import Fingerprint
from fpcore.protocol import INVARIANCES, Claim, Cost, Metric
from fpcore.registry import register
from fpcore.sampling import mean_of_sample

__all__ = ["AttentionSpectra", "AttentionSpectraDcor", "InvariantTerms"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

TOKENS: Final = 192
LAYERS: Final = 2
FEWEST_VALUES: Final = 3  # after scaling to [0, 1], two singular values are 1 and 0 in every model

# Wider products' singular values are the roots of the eigenvalues of their squares.
WIDEST_DECOMPOSED: Final = 1024

PRODUCTS: Final = ("query_key", "value_output")
TERMS = ("query_key", "value_output", "up_down")


@register
class InvariantTerms(Metric):
    """Cosine of the invariant terms of the last two layers (HuRef's ICS).

    ``X W_q' W_k X'``, ``X W_v' W_o' X'`` and ``X W_u' W_d' X'`` (' transposes; X the embeddings of shared
    tokens, one per row) of each of the last two layers; every row is standardised over its columns, and the
    score is the mean over the six terms of the cosine of the two models' matrices, in [-1, 1].

    Follows the paper, with these faults of the published code corrected: rows are matched by the tokens'
    text, not by place; norm gains are folded into what reads the norm; shared key-value heads are repeated
    for neighbouring query heads; gated models have one feed-forward term (up and down), in a mixture of
    experts the sum over all experts. The paper takes the 4,096 least frequent tokens of a corpus of its own;
    here X holds the 192 tokens whose text has the lowest sha256, so that no corpus is needed and a
    fingerprint is 0.9 MB: a term's cosine of unrelated matrices then has an error of about 0.005.

    Tensors: embedding, the six projections and the norms of the last two layers. Widths and depths may
    differ. Cost: a model is read in part (two layers).

    Invariant to every change of basis in the table, and to scale.

    Source: arXiv:2312.04828.
    """

    name = "invariant-terms"
    version = 2
    title = "cosine of embedding-projected weight products of the last two layers"
    evidence = frozenset({"tokenizer", "weights"})
    invariances = frozenset(INVARIANCES)
    claims = (
        Claim(
            text="cosines near 1 for derived models whatever their training, low for independent ones",
            source="arXiv:2312.04828",
        ),
    )
    cost = "costly"
    measured = Cost(9.9, 0.094, "per model: tokens times the weights of two layers")

    def roles_read(self, model: Checkpoint) -> tuple[str, ...]:  # noqa: D102
        last = tuple(f"layers.{number}." for number in layers_of(model).numbers[-LAYERS:])
        return tuple(role for role in model.roles if role.startswith(last) or role == "embedding.weight")

    def fingerprint(self, model: Checkpoint) -> Fingerprint:  # noqa: D102
        layers = layers_of(model)
        keys, rows = embedding_rows(model, TOKENS)
        if len(layers) < LAYERS:
            raise NotComparable(f"{len(layers)} layers; the terms need at least {LAYERS}")
        arrays: dict[str, NDArray[np.floating]] = {"keys": keys}
        last = range(len(layers) - LAYERS, len(layers))
        found = each_layer(
            lambda place: invariant_terms(layers[place], rows),
            last,
            [model],
            what="layers read",
            size=layers.size_of("attention", "feed_forward"),
        )
        for place, terms in enumerate(found):
            for name, term in zip(TERMS, terms, strict=True):
                # Terms grow with the fourth power of the weights; only their directions count.
                arrays[f"{name}.{place}"] = (term / (np.abs(term).max() or 1.0)).astype(np.float32)
        return self.make_fingerprint(model, arrays)

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:  # noqa: D102
        left, right = shared_tokens(a.arrays["keys"], b.arrays["keys"])
        products = np.einsum("ij,ij->i", unit_terms(a, left), unit_terms(b, right))
        return float(np.clip(products.mean(dtype=np.float64), -1.0, 1.0))


def invariant_terms(layer: Layer, rows: Rows) -> tuple[Array, Array, Array]:
    """The three terms of a layer, (tokens, tokens) each."""

    def read(directions: Rows) -> Array:
        # Tokens are few: products that weights of float32 round are added up in float64.
        made: Array = (rows @ directions.reshape(-1, directions.shape[-1]).T).astype(np.float64)
        return made

    up_down = sum((read(expert.up) @ read(expert.down).T for expert in layer.experts), np.zeros(1))
    return (
        read(layer.query) @ read(layer.each_head(layer.key)).T,
        read(layer.each_head(layer.value)) @ read(layer.output).T,
        up_down,
    )


def unit_terms(fingerprint: Fingerprint, chosen: Index) -> NDArray[np.float32]:
    """Row-standardised terms over the tokens at some places, each of length one, (terms, tokens squared)."""
    terms = {name: term for name, term in fingerprint.arrays.items() if name != "keys"}
    return fingerprint.derived("unit terms", chosen.tobytes(), lambda: standardised_terms(terms, chosen))


def standardised_terms(terms: Mapping[str, NDArray[np.floating]], chosen: Index) -> NDArray[np.float32]:
    """Some rows and columns of each term, its rows standardised, each term of length one."""
    found = np.empty((len(terms), len(chosen) ** 2), dtype=np.float32)
    for index, (name, term) in enumerate(terms.items()):
        rows = term[np.ix_(chosen, chosen)].astype(np.float64)
        rows -= rows.mean(axis=1, keepdims=True)
        spread = rows.std(axis=1, keepdims=True)
        if not (spread > 0.0).all():
            raise NotComparable(f"the term {name} is constant for a token")
        flat = (rows / spread).reshape(-1)
        found[index] = flat / np.linalg.norm(flat)
    return found


class Spectra(Metric):
    """Singular values of W_q' W_k and of W_v' W_o', layer by layer; subclasses compare two of them."""

    invariances = frozenset(INVARIANCES)
    cost = "costly"

    def fingerprint(self, model: Checkpoint) -> Fingerprint:
        layers = layers_of(model)
        count = len(layers)
        places = sampled_layers([model], count)

        def of_layer(place: int) -> tuple[Array, Array]:
            layer = layers[place]
            return (
                spectrum(layer.by_group(layer.query), layer.key),
                spectrum(layer.value, layer.by_group(layer.output)),
            )

        spectra = each_layer(
            of_layer, places, [model], what="layers decomposed", size=2 * layers.size_of("attention")
        )
        arrays = {name: np.stack([each[i] for each in spectra]) for i, name in enumerate(PRODUCTS)}
        if len(places) < count:
            arrays["sampled"] = np.array([*places, count], dtype=np.float64)
        return self.make_fingerprint(model, arrays)

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:
        sampled, others = (each.arrays.get("sampled", np.empty(0)) for each in (a, b))
        if not np.array_equal(sampled, others):
            raise NotComparable("layers sampled at different places, as depths differ: leave out --sample")
        rows, columns = (len(each.arrays[PRODUCTS[0]]) for each in (a, b))
        if rows == columns:
            count = int(sampled[-1]) if len(sampled) else rows
            return mean_of_sample([self.of_layers(a, i, b, i) for i in range(rows)], count)
        table = np.array([[self.of_layers(a, i, b, j) for j in range(columns)] for i in range(rows)])
        return float(table[in_order(table)].mean())

    def of_layers(self, a: Fingerprint, i: int, b: Fingerprint, j: int) -> float:
        """How alike layer `i` of one model and layer `j` of the other are, over both products."""
        found = []
        for name in PRODUCTS:
            x, y = truncated(a, name, i), truncated(b, name, j)
            length = min(len(x), len(y))
            if length < FEWEST_VALUES:
                raise NotComparable(
                    f"{name} has an effective rank of {length}; at least {FEWEST_VALUES} is needed"
                )
            found.append(self.of_spectra(x[:length], y[:length]))
        return math.fsum(found) / len(found)

    def of_spectra(self, x: Array, y: Array) -> float:
        """How alike two descending spectra of equal length are."""
        raise NotImplementedError


def spectrum(left: Rows, right: Rows) -> Array:
    """Singular values of the sum over heads of ``L' R``, descending; (heads, head width, width) each."""
    a, b = (each.reshape(-1, each.shape[-1]) for each in (left, right))
    if len(a) < a.shape[1]:  # of lower rank than width: the triangular factors hold all of it
        upper_a, upper_b = np.linalg.qr(a.T).R, np.linalg.qr(b.T).R
        product = upper_a @ upper_b.T
    else:
        product = a.T @ b
    if len(product) <= WIDEST_DECOMPOSED:
        values: Array = np.linalg.svd(product.astype(np.float64), compute_uv=False)
        return values
    # A third of the time. What it takes from the accuracy is in values below a thousandth of the largest.
    import torch

    squares = torch.linalg.eigvalsh(torch.from_numpy(product.T @ product)).numpy()
    found: Array = np.sqrt(np.clip(squares[::-1], 0.0, None)).astype(np.float64)
    return found


def truncated(fingerprint: Fingerprint, name: str, layer: int) -> Array:
    """The singular values of a layer up to their effective rank."""
    where = f"{name} of layer {layer}"
    return fingerprint.derived(
        where, None, lambda: up_to_effective_rank(fingerprint.arrays[name][layer], where)
    )


def up_to_effective_rank(spectrum: NDArray[np.floating], where: str) -> Array:
    """The largest values, as many as the exponential of the entropy of their shares."""
    values = spectrum.astype(np.float64)
    total = values.sum()
    if total <= 0.0:
        raise NotComparable(f"{where} is all zero")
    shares = values[values > 0.0] / total
    rank = math.ceil(math.exp(float(-(shares * np.log(shares)).sum())) - 1e-9)
    kept: Array = values[:rank]
    return kept


@register
class AttentionSpectra(Spectra):
    """Distance between the singular values of attention weight products (GhostSpec, MSE).

    ``W_q' W_k`` and ``W_v' W_o'`` of a layer (width, width; shared key-value heads repeated) have singular
    values that no change of basis touches. Each spectrum is cut at its effective rank (``exp(H(s / sum s))``,
    at the smaller one of two layers), scaled to [0, 1] by its own minimum and maximum, and compared by mean
    square error. The score is 1 minus the error, averaged over both products and layers, at most 1. Depths
    that differ: layers are paired in order so that the score is largest.

    Norm gains are folded in first, which published code leaves out. Tensors: the four attention projections
    and their norm. Cost: two decompositions per layer, a few minutes for a model of 7 billion weights. Where
    a product's rank is above 1,024 they are of its square, in float32: values below a thousandth of the
    largest are not exact. Of a sample of layers the score is an estimate with its standard error; models of
    different depths cannot be compared by samples.

    Invariant to every change of basis in the table, and to scale. Spectra of unrelated models are alike.

    Source: arXiv:2511.06390.
    """

    name = "attention-spectra"
    version = 2
    reads = ("layers.*.attention.*",)
    title = "1 minus the squared error of scaled singular values of attention products"
    claims = (
        Claim(
            text="F1 0.987 on 55 pairs, at a threshold chosen on the same pairs",
            source="arXiv:2511.06390",
        ),
    )
    measured = Cost(5.6, 0.52, "per model: two decompositions per layer, cubic in width")

    def of_spectra(self, x: Array, y: Array) -> float:  # noqa: D102
        return 1.0 - float(np.square(to_unit(x) - to_unit(y)).mean())


def to_unit(values: Array) -> Array:
    """A descending spectrum scaled to [0, 1]."""
    span = values[0] - values[-1]
    if span <= 0.0:
        raise NotComparable("all singular values are equal")
    scaled: Array = (values - values[-1]) / span
    return scaled


@register
class AttentionSpectraDcor(Spectra):
    """Distance correlation of the singular values of attention weight products (GhostSpec, dCor).

    The spectra of `attention-spectra`, compared by Székely's distance correlation of their values in order
    (the square root of distance covariance squared over the product of distance deviations, as V
    statistics), averaged over both products and layers; the score is in [0, 1]. Any two descending curves
    of similar shape are near 1.

    Tensors and invariances as `attention-spectra`.

    Source: arXiv:2511.06390.
    """

    name = "attention-spectra-dcor"
    version = 2
    reads = ("layers.*.attention.*",)
    title = "distance correlation of the singular values of attention products"
    claims = AttentionSpectra.claims
    measured = Cost(3.8, 4.1, "per layer: cubic in width per model, quadratic per pair")

    def of_spectra(self, x: Array, y: Array) -> float:  # noqa: D102
        left, right = (centred_distances(of_order_one(each)) for each in (x, y))
        own = float((left**2).mean() * (right**2).mean())
        if own <= 0.0:
            raise NotComparable("all singular values are equal")
        # Covariances of distances are never below 0.
        return math.sqrt(min(1.0, float((left * right).mean()) / math.sqrt(own)))


def centred_distances(values: Array) -> Array:
    """Distances among numbers, less their row and column means."""
    distances = np.abs(values[:, None] - values)
    means = distances.mean(axis=0)
    centred: Array = distances - means - means[:, None] + means.mean()
    return centred
