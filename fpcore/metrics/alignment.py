"""Similarity of weights after everything that keeps a model's function has been undone."""

from __future__ import annotations

import numpy as np

from fpcore.checkpoints.base import Checkpoint
from fpcore.features.by_layer import each_layer, sampled_layers
from fpcore.features.canonical_basis import MARGIN
from fpcore.features.layer_agreement import agreement, canonical_layers, frame
from fpcore.fingerprint import Fingerprint, checkpoint_of
from fpcore.protocol import INVARIANCES, Cost, Metric
from fpcore.registry import register
from fpcore.sampling import mean_of_sample, within

__all__ = ["CanonicalSimilarity"]


@register
class CanonicalSimilarity(Metric):
    """Mean cosine of what heads and units compute, in one basis and one order.

    1. *Gains*: those of the norm before a block are folded into what reads it.
    2. *Basis*: ``R = polar(E_A' E_B)`` over the embeddings of shared tokens (matched by text) carries the
       residual stream of A into that of B. With equal widths the plain basis is taken instead if the layers'
       second moments (projections on what each head reads or writes, ``sum w w'`` over unit rows of the
       feed-forward block) agree better in it by 0.1: the embedding may have been replaced.
    3. *Layers* in order; of different depths, paired in order so that second moments agree best. *Experts*
       are paired by theirs.
    4. *Heads* as the maps ``Q'K`` and ``V'O``, gated *units* as the gate's direction g and the map ``u d'``,
       others as u and d: each of length one, so that no gauge, scale or sign counts. Both are matched by
       assignment, those scored on the one by the other: no pair is scored on the evidence that chose it, so
       that unrelated models stay at 0. Stored order counts instead where it is better by 0.1, for models too
       far apart to be matched.
    5. *Score*: the mean cosine c of matched maps beyond the mean u of unmatched ones, ``(c - u) / (1 - u)``,
       averaged over kinds of map, blocks and layers. It is in [-1, 1].

    Of feed-forward blocks with more than 1,024 units, 1,024 evenly spaced ones are sought among all units of
    the other model, in both directions. Second moments of streams wider than 256 are seen by what they make
    of 64 random directions, and those of 8 evenly spaced layers choose the basis where depths are equal. Of a
    sample of layers the score is an estimate with its standard error; pairs of layers and bases are chosen
    as without.

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
    title = "cosine of what heads and units compute, after undoing basis, order and scale"
    version = 3
    reads = ("layers.*", "embedding.weight")
    evidence = frozenset({"tokenizer", "weights"})
    invariances = frozenset(INVARIANCES)
    cost = "costly"
    measured = Cost(13, 4.7, "per pair: width cubed per layer, assignments cubic in up to 1,024 units")

    def fingerprint(self, model: Checkpoint) -> Fingerprint:  # noqa: D102
        canonical_layers(model)
        return self.make_fingerprint(model, {}, keep_checkpoint=True)

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:  # noqa: D102
        models = checkpoint_of(a), checkpoint_of(b)
        left, right = (canonical_layers(model) for model in models)
        chosen = frame(*models)

        places = sampled_layers(models, len(chosen.rows))
        found = each_layer(
            lambda place: agreement(
                left[int(chosen.rows[place])], right[int(chosen.columns[place])], chosen.basis
            ),
            places,
            models,
            what="layers compared",
            # The matrices of both models, and half as much of what is made of them.
            size=sum(layers.layers.size_of("attention", "feed_forward") for layers in (left, right)) * 3 // 2,
        )
        plain, matched = (
            np.stack(each) for each in zip(*((one.plain, one.matched) for one in found), strict=True)
        )
        as_stored = plain.mean(axis=0) > matched.mean(axis=0) + MARGIN
        blocks = np.where(as_stored, plain, matched)
        return within(mean_of_sample(blocks.mean(axis=1), len(chosen.rows)), -1.0, 1.0)
