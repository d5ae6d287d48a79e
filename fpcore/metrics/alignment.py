"""Similarity of weights after everything that keeps a model's function has been undone."""

from __future__ import annotations

import numpy as np

from fpcore.checkpoints.base import Checkpoint
from fpcore.features.canonical_basis import MARGIN, best_basis, candidate_bases
from fpcore.features.layer_agreement import agreement, canonical_layers
from fpcore.fingerprint import Fingerprint, checkpoint_of
from fpcore.protocol import INVARIANCES, Cost, Metric
from fpcore.registry import register

__all__ = ["CanonicalSimilarity"]


@register
class CanonicalSimilarity(Metric):
    """Mean cosine of what heads and units do, in one basis and one order.

    1. *Gains*: those of the norm before a block are folded into what reads it.
    2. *Basis*: ``R = polar(E_A' E_B)`` over the embeddings of shared tokens (matched by text) carries the
       residual stream of A into that of B. With equal widths the plain basis is taken instead if the layers'
       second moments (projections on what each head reads or writes, ``sum w w'`` over unit rows of the
       feed-forward block) agree better in it by .1: the embedding may have been replaced.
    3. *Layers* in order; of different depths, paired in order so that second moments agree best. *Experts*
       are paired by theirs.
    4. *Heads* as the maps ``Q'K`` and ``V'O``, gated *units* as the gate's direction g and the map ``u d'``,
       others as u and d: each of length one, so that no gauge, scale or sign counts. Both are matched by
       assignment, those scored on the one by the other: no pair is scored on the evidence that chose it, so
       that unrelated models stay at 0. Stored order counts instead where it is better by .1, for models too
       far apart to be matched.
    5. *Score*: the mean cosine c of matched maps beyond the mean u of unmatched ones, ``(c - u) / (1 - u)``,
       averaged over kinds of map, blocks and layers. It is in [-1, 1].

    Of feed-forward blocks with more than 1,024 units, 1,024 evenly spaced ones are sought among all units of
    the other model, in both directions.

    Tensors: embedding, norms and all matrices of attention and feed-forward. Abstains where attention has no
    plain projections, and for different widths without enough shared tokens. Depths, widths, heads and units
    may differ: what a narrower stream cannot hold counts as lost.

    Invariant to everything in the table, and to any invertible map between query and key or value and
    output of a head. Not to a rotated residual stream with a replaced embedding.

    No p-value: a test by symmetry asks how much better two models agree as they stand than with dimensions,
    heads or units renumbered at random, and this score is the same for every numbering. What is left, that
    maps matched by one half of the evidence agree in the other by chance, holds only if two models cannot
    come to the same unit independently.

    Source: ours; the steps follow HuRef (folding, shared tokens), MDIR (polar factor) and AWM (unbiased
    similarity).
    """

    name = "canonical-similarity"
    title = "cosine of what heads and units do after basis, order and scale are undone"
    version = 2
    evidence = frozenset({"tokenizer", "weights"})
    invariances = frozenset(INVARIANCES)
    cost = "costly"
    measured = Cost(13, 4.7, "a pair: width cubed a layer, assignments cubic in up to 1,024 units")

    def fingerprint(self, model: Checkpoint) -> Fingerprint:  # noqa: D102
        canonical_layers(model)
        return self.make_fingerprint(model, {}, keep_checkpoint=True)

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:  # noqa: D102
        models = checkpoint_of(a), checkpoint_of(b)
        left, right = (canonical_layers(model) for model in models)
        moments_a, moments_b = ([layer.moments for layer in layers] for layers in (left, right))
        basis, rows, columns = best_basis(moments_a, moments_b, candidate_bases(*models))
        found = [agreement(left[i], right[j], basis) for i, j in zip(rows, columns, strict=True)]
        plain = np.stack([each.plain for each in found]).mean(axis=0)
        matched = np.stack([each.matched for each in found]).mean(axis=0)
        blocks = np.where(plain > matched + MARGIN, plain, matched)
        return float(np.clip(blocks.mean(), -1.0, 1.0))
