"""Metrics of what a model answers: its next tokens on fixed prompts and on random input."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy  # its parts are imported when they are first used
from numpy.typing import NDArray

from fpcore.checkpoints.base import Checkpoint
from fpcore.errors import NotComparable
from fpcore.features.log_sum import log_sum_exp
from fpcore.features.p_values import LN10
from fpcore.features.shared_tokens import key_of, shared_tokens
from fpcore.fingerprint import Fingerprint
from fpcore.forward import forward_pass
from fpcore.forward.prompts import normal_form
from fpcore.protocol import FUNCTION_PRESERVING, Claim, Cost, Metric
from fpcore.registry import register

__all__ = [
    "NextTokenAgreement",
    "OutputDivergence",
    "ProvenanceTest",
    "SeedBias",
    "provenance_test",
]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

KEPT_TOKENS: Final = 4096
IDENTITY_TOKENS: Final = 400
FEWEST_IDENTITY: Final = 8
TEMPERATURE: Final = 10.0


class Outputs(Metric):
    """A metric of outputs."""

    evidence = frozenset({"outputs", "tokenizer"})
    cost = "costly"


def token_texts(model: Checkpoint, size: int) -> Array:
    """For each id below `size` the number of its token's text, NaN where there is none."""
    vocabulary = model.tokenizer_vocabulary()
    if not vocabulary:
        raise NotComparable("no tokenizer.json: tokens cannot be matched by their text")
    keys = np.full(size, np.nan)
    for token, index in vocabulary.items():
        if index < size:
            keys[index] = key_of(normal_form(token))
    return keys


@register
class NextTokenAgreement(Outputs):
    """Share of prompts for which two models find the same next token most likely.

    ``mean over prompts of [argmax_A = argmax_B]`` over 256 fixed prompts; tokens are compared by text, with
    one spelling for spaces, so that tokenizers may differ (then the same word may be one token here and two
    there, and the share is lower for it). The score is in [0, 1], with a standard error of at most 0.032.

    Whether a suspect agrees more with one parent than with every other candidate is another question than
    the score: `provenance_test` answers it as the paper does.

    Tensors: all, run as for `representation-cka`. Cost: the shared pass; nothing per pair.

    Invariant to whatever keeps the function, up to ties that rounding breaks.

    Source: arXiv:2502.00706, which asks up to 3,000 prompts, beginnings of random texts, and reports 90 to
    95% precision and 80 to 90% recall for its test.
    """

    name = "next-token-agreement"
    version = 2  # prompts of any length are read together: rounding
    title = "share of fixed prompts with the same most likely next token"
    measured = Cost(220, 0.04)
    invariances = FUNCTION_PRESERVING
    claims = (
        Claim(
            text="90 to 95% precision and 80 to 90% recall in finding derived models",
            source="arXiv:2502.00706",
        ),
    )

    def fingerprint(self, model: Checkpoint) -> Fingerprint:  # noqa: D102
        scores = forward_pass(model).log_probabilities
        keys = token_texts(model, scores.shape[1])[scores.argmax(axis=1)]
        # A row of the embedding that no token has: no other model can agree with it.
        return self.make_fingerprint(model, {"tokens": np.where(np.isnan(keys), -1.0, keys)})

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:  # noqa: D102
        return float(agreements(a, b).mean())


def agreements(a: Fingerprint, b: Fingerprint) -> NDArray[np.bool_]:
    """On which prompts two models find the same token most likely."""
    x, y = a.arrays["tokens"], b.arrays["tokens"]
    same: NDArray[np.bool_] = (x == y) & (x >= 0)
    return same


@dataclass(frozen=True)
class ProvenanceTest:
    """Whether a model agrees with one parent more than with every other candidate.

    Attributes
    ----------
    agreement : float
        Share of prompts on which the model and the parent agree.
    others : tuple of float
        The same with each other candidate.
    p_values : tuple of float
        One-sided, of each comparison by itself.
    adjusted : tuple of float
        After Holm; the largest is the p-value of the whole claim "derived from this parent".
    """

    agreement: float
    others: tuple[float, ...]
    p_values: tuple[float, ...]
    adjusted: tuple[float, ...]

    @property
    def p_value(self) -> float:
        """Of the claim that the parent is nearer than all other candidates."""
        return max(self.adjusted)


def provenance_test(
    model: Fingerprint, parent: Fingerprint, candidates: Sequence[Fingerprint]
) -> ProvenanceTest:
    """Test whether a model agrees with `parent` more than with each other candidate parent.

    For each candidate, the two shares of prompts on which the model agrees with the parent and with the
    candidate are compared by the z-test of two proportions (pooled variance, one-sided), and the p-values
    are adjusted by Holm's method, as in arXiv:2502.00706. The test says that the parent is nearer than the
    candidates given, not that the model was made from it: a look-alike of the parent, or a sibling, passes
    when the candidates are unrelated. The two shares are treated as independent though they are of the same
    prompts, which makes the test conservative.

    Parameters
    ----------
    model, parent : Fingerprint
        Of `next-token-agreement`.
    candidates : sequence of Fingerprint
        Other models that could be the parent, at least one.

    Raises
    ------
    ValueError
        There is no other candidate.
    """
    if not candidates:
        raise ValueError("provenance_test: no other candidate; a share of agreement says nothing by itself")
    mine = agreements(model, parent)
    n, share = len(mine), float(mine.mean())
    others = [float(agreements(model, candidate).mean()) for candidate in candidates]
    p_values = [more_often(share, other, n) for other in others]
    return ProvenanceTest(share, tuple(others), tuple(p_values), tuple(holm(p_values)))


def more_often(a: float, b: float, n: int) -> float:
    """One-sided p-value of the z-test that a share of n exceeds another share of n."""
    pooled = (a + b) / 2.0
    spread = math.sqrt(2.0 * pooled * (1.0 - pooled) / n)
    return float(scipy.stats.norm.sf((a - b) / spread)) if spread > 0.0 else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number (Holm), in the order given."""
    order = np.argsort(p_values)
    adjusted = np.empty(len(order))
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[place]))
        adjusted[place] = highest
    return [float(value) for value in adjusted]


@register
class OutputDivergence(Outputs):
    """How little the next-token distributions differ.

    ``- mean over prompts of JS(p_A, p_B)``, the Jensen-Shannon divergence in bits, between the distributions
    of the token after each of the 256 fixed prompts; the score is in [-1, 0]. Tokens are matched by text,
    and all tokens that the other model lacks are one outcome, "something else": merging outcomes can only
    lower a divergence, so that of models with different vocabularies is a lower bound. Abstains where fewer
    than 16 tokens are shared. Of a large vocabulary, the 4,096 tokens that are ever most likely keep their
    own probabilities, and the rest counts as "something else".

    Tensors: all, run as for `representation-cka`. Cost: the shared pass, and 256 times the vocabulary
    logarithms per pair.

    Invariant to whatever keeps the function. Models trained on one corpus answer alike: what it measures is
    the task learned as much as the weights it was learned with.

    Source: a baseline of provenance studies, with an AUC of 0.60 to 0.77; the φ_JSD of arXiv:2502.12292 on
    whole texts.
    """

    name = "output-divergence"
    version = 2  # prompts of any length are read together: rounding
    title = "negated Jensen-Shannon divergence of next-token distributions"
    measured = Cost(220, 0.7)
    invariances = FUNCTION_PRESERVING | {"dtype cast"}
    claims = (
        Claim(auc=0.77, text="AUC 0.60 to 0.77 as a baseline", source="provenance studies that compare it"),
    )

    def fingerprint(self, model: Checkpoint) -> Fingerprint:  # noqa: D102
        probabilities = np.exp(forward_pass(model).log_probabilities.astype(np.float64))
        keys = token_texts(model, probabilities.shape[1])
        named = np.flatnonzero(~np.isnan(keys))
        likeliest = probabilities[:, named].max(axis=0).argsort(kind="stable")[::-1][:KEPT_TOKENS]
        kept = named[likeliest]
        # Spellings that fall together are one token.
        unique, place = np.unique(keys[kept], return_inverse=True)
        summed = np.zeros((len(probabilities), len(unique)))
        np.add.at(summed.T, place, probabilities[:, kept].T)
        return self.make_fingerprint(model, {"keys": unique, "probabilities": summed.astype(np.float32)})

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:  # noqa: D102
        left, right = shared_tokens(a.arrays["keys"], b.arrays["keys"])
        p, q = on_shared(a, left), on_shared(b, right)
        # Jensen-Shannon divergence of each prompt's distributions, in bits.
        divergence = entropy((p + q) / 2.0) - (entropy_on_shared(a, left) + entropy_on_shared(b, right)) / 2.0
        return -float(np.clip(divergence.mean(), 0.0, 1.0))


def on_shared(fingerprint: Fingerprint, places: Index) -> Array:
    """Probabilities of the tokens at some places and, last, of everything else, (prompts, tokens + 1)."""

    def compute() -> Array:
        chosen = fingerprint.arrays["probabilities"][:, places].astype(np.float64)
        rest = np.maximum(0.0, 1.0 - chosen.sum(axis=1, keepdims=True))
        return np.concatenate([chosen, rest], axis=1)

    return fingerprint.derived("on shared tokens", places.tobytes(), compute)


def entropy_on_shared(fingerprint: Fingerprint, places: Index) -> Array:
    """Entropy of each of these distributions, in bits."""
    return fingerprint.derived(
        "entropy on shared tokens", places.tobytes(), lambda: entropy(on_shared(fingerprint, places))
    )


def entropy(p: Array) -> Array:
    """Entropy of each row, in bits."""
    bits: Array = -(p * np.log2(p, out=np.zeros_like(p), where=p > 0.0)).sum(axis=1)
    return bits


@register
class SeedBias(Outputs):
    """Whether two models share a bias for certain next tokens after random input (SeedPrints).

    Both models read the same 128 sequences of 16 random tokens. The identity tokens of a model are the 400
    (at most half of the vocabulary) that it finds least likely on average; those of both models count.
    Their logits, as a softmax of temperature 10 over them, are correlated over the inputs, token by token, by
    Kendall's τ. The mean τ of k tokens over n inputs has, if all were independent, mean 0 and variance
    ``2 (2n + 5) / (9 n (n - 1) k)``; the score is -log10 of the two-sided normal p-value of a mean above 0,
    at least 0.

    The same ids must be the same tokens: different vocabularies abstain, and so do pairs with fewer than 8
    identity tokens in common.

    Tensors: all, run as for `representation-cka`; a ``tokenizer.json`` to know the vocabulary. Cost: 2,048
    tokens of the shared pass; 3 ms per pair.

    Invariant to whatever keeps the function, the tokens' order included.

    The null takes tokens to be independent of each other and models of different seeds to be unrelated on
    random input. Trained models have both learned what follows a token, so that the p-values of unrelated
    look-alikes need not be uniform.

    Source: arXiv:2509.26404, p below 0.01 for models of one seed and not for others, from initialisation on.
    Its code offers hidden states, and random embeddings as input, in place of logits and tokens.
    """

    name = "seed-bias"
    title = "-log10 p that next-token biases after random input agree by chance"
    measured = Cost(220, 2.7)
    # Rounding changes which tokens count, and with large scores every one of them matters.
    invariances = FUNCTION_PRESERVING
    claims = (
        Claim(
            threshold=2.0,
            p_values=True,
            text="p < 0.01 for models of one seed throughout training, and not for others",
            source="arXiv:2509.26404",
        ),
    )

    def fingerprint(self, model: Checkpoint) -> Fingerprint:  # noqa: D102
        vocabulary = model.tokenizer_vocabulary()
        if not vocabulary:
            raise NotComparable("no tokenizer.json: it is not known which tokens its ids are")
        logits = forward_pass(model).random_logits
        count = min(IDENTITY_TOKENS, logits.shape[1] // 2)
        least = np.sort(logits.mean(axis=0, dtype=np.float64).argsort(kind="stable")[:count])
        known = json.dumps([logits.shape[1], sorted(vocabulary.items())])
        return self.make_fingerprint(
            model,
            {
                "vocabulary": np.array([key_of(known)]),
                "tokens": least.astype(np.float64),
                "logits": logits[:, least],
            },
        )

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:  # noqa: D102
        if not np.array_equal(a.arrays["vocabulary"], b.arrays["vocabulary"]):
            raise NotComparable("different vocabularies: the same random ids are other tokens")
        common, left, right = np.intersect1d(
            a.arrays["tokens"], b.arrays["tokens"], assume_unique=True, return_indices=True
        )
        if len(common) < FEWEST_IDENTITY:
            raise NotComparable(f"{len(common)} identity tokens in common; at least {FEWEST_IDENTITY} count")
        x, y = (softened(each.arrays["logits"][:, at]) for each, at in ((a, left), (b, right)))
        return minus_log10_p(float(kendall(x, y).mean()), len(x), len(common))


def softened(logits: NDArray[np.floating]) -> Array:
    """Logarithm of the softmax of each row at `TEMPERATURE`, (inputs, tokens)."""
    values = np.asarray(logits, dtype=np.float64) / TEMPERATURE
    found: Array = values - log_sum_exp(values)
    return found


def kendall(x: Array, y: Array) -> Array:
    """Kendall's τ (a) over rows, column by column."""
    n = len(x)
    pairs = n * (n - 1) // 2
    small = np.min_scalar_type(n)  # holds ranks, and counts of rows
    order = x.argsort(axis=0)
    ranks = dense_ranks(y)
    ordered = np.take_along_axis(ranks.astype(small), order, axis=0)
    # How many of the rows before it, in the order of x, each one exceeds: counted row by row, as truth values
    # of all pairs of rows at once are slower to move than to count.
    above = np.zeros(x.shape, dtype=small)
    for row in range(n - 1):
        above[row + 1 :] += (ordered[row] < ordered[row + 1 :]).view(np.uint8)
    total = 2 * above.sum(axis=0, dtype=np.int64) - pairs
    ascending = np.take_along_axis(x, order, axis=0)
    tied = (ascending[1:] == ascending[:-1]).any(axis=0) | (ranks.max(axis=0) < n - 1)
    if tied.any():  # a tie in either is neither for nor against
        total[tied] = concordant(dense_ranks(x[:, tied]), ranks[:, tied])
    concordance: Array = total / pairs
    return concordance


def dense_ranks(x: Array) -> NDArray[np.int16]:
    """Places of numbers among those of their column, from 0; equal ones share a place."""
    order = x.argsort(axis=0)
    ascending = np.take_along_axis(x, order, axis=0)
    step = np.zeros(x.shape, dtype=np.int16)
    step[1:] = ascending[1:] != ascending[:-1]
    ranks = np.empty_like(step)
    np.put_along_axis(ranks, order, step.cumsum(axis=0, dtype=np.int16), axis=0)
    return ranks


def concordant(a: NDArray[np.int16], b: NDArray[np.int16]) -> NDArray[np.int64]:
    """Pairs of rows in the same order less those in opposite order, column by column."""
    total = np.zeros(a.shape[1], dtype=np.int64)
    for row in range(len(a) - 1):
        signs = np.sign(a[row] - a[row + 1 :]) * np.sign(b[row] - b[row + 1 :])
        total += signs.sum(axis=0, dtype=np.int64)
    return total


def minus_log10_p(mean: float, n: int, k: int) -> float:
    """-log10 of the two-sided p-value of a mean τ above 0, of k tokens over n inputs; at least 0."""
    z = mean / math.sqrt(2.0 * (2 * n + 5) / (9.0 * n * (n - 1) * k))
    return max(0.0, -(math.log(2.0) + float(scipy.special.log_ndtr(-z))) / LN10)
