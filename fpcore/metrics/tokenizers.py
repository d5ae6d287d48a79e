"""Vocabularies and what the embedding says of single tokens, matched by their text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fpcore.checkpoints.base import Checkpoint
from fpcore.errors import NotComparable
from fpcore.features.curve_pairs import Pairs
from fpcore.features.role_values import rows_in_parts
from fpcore.features.shared_tokens import embedding_rows, embedding_view, shared_tokens, token_keys
from fpcore.fingerprint import Fingerprint
from fpcore.protocol import INVARIANCES, Claim, Cost, Metric
from fpcore.registry import register

__all__ = ["EmbeddingAnchors", "EmbeddingNorms", "TokenizerOverlap"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

ANCHORS: Final = 128
BINS: Final = 64
MOST_NORMS: Final = 4096

SOURCE = "modelDNA (PyPI), its own evaluation"


@register
class EmbeddingAnchors(Metric):
    """Correlation of the cosines between the embeddings of anchor tokens.

    ``Pearson over i < j of cos(x_i^A, x_j^A) and cos(x_i^B, x_j^B)`` where i, j run over the anchors that
    both models have: the 128 tokens of a vocabulary whose text has the lowest sha256, with an embedding
    that is not zero. Tokens are matched by text, so the same tokens stand on both sides whatever their ids.
    The anchors are a documented subsample: with 128 of them the correlation of two unrelated models'
    cosines has a sampling error of about 0.011.

    Tensors: embedding.weight. The score is in [-1, 1]. Abstains without a ``tokenizer.json``, and for pairs
    with fewer than 16 anchors in common. Models trained on similar text agree on which tokens are similar, so
    that unrelated pairs are well above 0.

    Invariant to all that keeps the function: no transform touches inner products of embeddings.

    Source: a product's signal; it reports an effect size d of 2.03 between related and unrelated models.
    """

    name = "embedding-anchors"
    reads = ("embedding.weight",)
    title = "correlation of the cosines between embeddings of anchor tokens"
    evidence = frozenset({"tokenizer", "weights"})
    invariances = frozenset(INVARIANCES)
    claims = (Claim(text="effect size d = 2.03 between related and unrelated pairs", source=SOURCE),)
    measured = Cost(4.1, 0.027)

    def fingerprint(self, model: Checkpoint) -> Fingerprint:  # noqa: D102
        keys, rows = embedding_rows(model, ANCHORS)
        units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return self.make_fingerprint(model, {"keys": keys, "cosines": units @ units.T})

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:  # noqa: D102
        left, right = shared_tokens(a.arrays["keys"], b.arrays["keys"])
        products = triangle(a, left) * triangle(b, right)
        return float(np.clip(products.mean(), -1.0, 1.0))

    def pair_similarities(self, fingerprints: Sequence[Fingerprint], pairs: Pairs) -> Array:  # noqa: D102
        scores = np.full(len(pairs), np.nan)
        for places in of_equal_keys(fingerprints, pairs):
            some = pairs[places]
            try:
                chosen = shared_tokens(*(fingerprints[model].arrays["keys"] for model in some[0]))
            except NotComparable:  # each pair says why
                continue
            left, right = (triangles(fingerprints, *each) for each in zip(some.T, chosen, strict=True))
            for place, (a, b) in zip(places, some.tolist(), strict=True):
                if a in left and b in right:
                    scores[place] = (left[a] * right[b]).mean()
        clipped: Array = np.clip(scores, -1.0, 1.0)
        return clipped


def triangles(fingerprints: Sequence[Fingerprint], models: Pairs, chosen: Index) -> dict[int, Array]:
    """`triangle` of each of some models; those that have none are left out."""
    found: dict[int, Array] = {}
    for model in np.unique(models).tolist():
        with suppress(NotComparable):
            found[model] = triangle(fingerprints[model], chosen)
    return found


def of_equal_keys(fingerprints: Sequence[Fingerprint], pairs: Pairs) -> Iterator[NDArray[np.intp]]:
    """Places of the pairs whose left models have one vocabulary, and whose right ones too."""
    known: dict[bytes, int] = {}
    which = [known.setdefault(each.arrays["keys"].tobytes(), len(known)) for each in fingerprints]
    both = np.array(which, dtype=np.intp)[pairs] @ [len(known), 1]
    for one in np.unique(both):
        yield np.flatnonzero(both == one)


def triangle(fingerprint: Fingerprint, chosen: Index) -> Array:
    """Standardised cosines among the anchors at some places."""
    return fingerprint.derived(
        "triangle", chosen.tobytes(), lambda: standardised_triangle(fingerprint.arrays["cosines"], chosen)
    )


def standardised_triangle(matrix: NDArray[np.floating], chosen: Index) -> Array:
    """The entries above the diagonal of some rows and columns, less their mean, over their deviation."""
    upper = np.triu_indices(len(chosen), 1)
    cosines = matrix[np.ix_(chosen, chosen)][upper]
    spread = cosines.std()
    if spread <= 1e-9:
        raise NotComparable("the anchors' embeddings all have the same angles to each other")
    standard: Array = (cosines - cosines.mean()) / spread
    return standard


@register
class EmbeddingNorms(Metric):
    """Overlap of the histograms of embedding row norms.

    ``sum over bins of min(p_A, p_B)`` where p are shares of rows in 64 bins of equal width between the
    smallest and the largest norm found in either model: the same edges for both (bins of its own for each
    model, as in published code, would compare shapes of different quantities). All rows count, whichever
    token they belong to; of more than 4,096, evenly spaced order statistics stand for the rest.

    Tensors: embedding.weight. The score is in [0, 1].

    Invariant to what keeps the embedding's rows or turns them; not to scale, and not quite to rounding,
    which carries a few percent of the rows over the edge of a bin.

    Source: a product's signal; it reports an effect size d of 1.05 between related and unrelated models.
    """

    name = "embedding-norms"
    reads = ("embedding.weight",)
    title = "overlap of the histograms of embedding row norms"
    invariances = frozenset(INVARIANCES) - {"global scale", "dtype cast"}
    claims = (Claim(text="effect size d = 1.05 between related and unrelated pairs", source=SOURCE),)
    measured = Cost(1.9, 0.021)

    def fingerprint(self, model: Checkpoint) -> Fingerprint:  # noqa: D102
        parts = rows_in_parts(embedding_view(model))
        norms = np.sort(np.concatenate([np.linalg.norm(rows, axis=1) for rows in parts]))
        if len(norms) > MOST_NORMS:
            norms = norms[np.linspace(0, len(norms) - 1, MOST_NORMS).round().astype(int)]
        return self.make_fingerprint(model, {"norms": norms})

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:  # noqa: D102
        x, y = a.arrays["norms"], b.arrays["norms"]
        edges = np.linspace(min(x[0], y[0]), max(x[-1], y[-1]), BINS + 1)[1:-1]
        return float(np.minimum(shares(x, edges), shares(y, edges)).sum())

    def pair_similarities(self, fingerprints: Sequence[Fingerprint], pairs: Pairs) -> Array:  # noqa: D102
        return np.array([self.similarity(fingerprints[a], fingerprints[b]) for a, b in pairs.tolist()])


def shares(ascending: NDArray[np.floating], edges: Array) -> Array:
    """Share of values in each bin between inner `edges`."""
    below = np.concatenate(([0], np.searchsorted(ascending, edges), [len(ascending)]))
    found: Array = np.diff(below) / len(ascending)
    return found


@register
class TokenizerOverlap(Metric):
    """Jaccard index of the vocabularies.

    ``|V_A and V_B| / |V_A or V_B|`` over the texts of all tokens, added ones included; the score is in
    [0, 1]. Abstains without a ``tokenizer.json``.

    Uses no weights. Models of one maker, or of one public tokenizer, score 1 whatever they learned: a
    negative control that must fail on look-alikes.
    """

    name = "tokenizer-overlap"
    reads = ()
    title = "Jaccard index of the vocabularies"
    evidence = frozenset({"tokenizer"})
    invariances = frozenset(INVARIANCES)
    measured = Cost(0.86, 0.004)

    def fingerprint(self, model: Checkpoint) -> Fingerprint:  # noqa: D102
        return self.make_fingerprint(model, {"keys": token_keys(model)[0]})

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:  # noqa: D102
        x, y = a.arrays["keys"], b.arrays["keys"]
        common = len(x) if np.array_equal(x, y) else len(np.intersect1d(x, y, assume_unique=True))
        return common / (len(x) + len(y) - common)

    def pair_similarities(self, fingerprints: Sequence[Fingerprint], pairs: Pairs) -> Array:  # noqa: D102
        scores = np.empty(len(pairs))
        for places in of_equal_keys(fingerprints, pairs):
            scores[places] = self.similarity(*(fingerprints[model] for model in pairs[places[0]]))
        return scores
