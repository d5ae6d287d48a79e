"""Comparing parameters entry by entry: norm gains, and all matched weights."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fpcore.checkpoints.base import Checkpoint
from fpcore.errors import NotComparable, require
from fpcore.features.curve_pairs import Pairs, combined, of_equal_shapes
from fpcore.features.curves import resampled
from fpcore.features.flat_weights import matched_cosine, matched_distance, matrices
from fpcore.features.role_values import finite
from fpcore.features.weight_pairs import cosines, distances
from fpcore.fingerprint import Fingerprint, checkpoint_of
from fpcore.protocol import Claim, Cost, Metric
from fpcore.registry import register

__all__ = ["NormCosine", "NormPearson", "WeightCosine", "WeightDistance"]

Gains = NDArray[np.float64]

NORMS = {
    "attention": ("attention.norm.weight", "attention.post_norm.weight"),
    "feed_forward": ("feed_forward.norm.weight", "feed_forward.post_norm.weight"),
}


def norm_gains(model: Checkpoint) -> dict[str, Gains]:
    """Gains of the norms of attention and feed-forward, (layers, width) each, of layers that have them."""
    found: dict[str, Gains] = {}
    for kind, choices in NORMS.items():
        for role in choices:
            views = list(model.roles.present(role).values())
            if views and len({view.shape for view in views}) == 1:
                found[kind] = np.stack([finite(view) for view in views])
                break
    return found


class NormGains(Metric):
    """Mean over layers and norms of a cosine of gain vectors; subclasses say whether they are centred."""

    centred: bool
    reads = tuple(f"layers.*.{role}" for choices in NORMS.values() for role in choices)

    def fingerprint(self, model: Checkpoint) -> Fingerprint:
        gains = norm_gains(model)
        if not gains:
            raise NotComparable("no gains of attention or feed-forward norms")
        return self.make_fingerprint(model, gains)

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:
        cosines = [
            cosines_of(*(unit_gains(each, kind, depth, self.centred) for each in (a, b)))
            for kind, depth in self.grids(a, b)
        ]
        return float(np.concatenate(cosines).mean())

    def pair_similarities(self, fingerprints: Sequence[Fingerprint], pairs: Pairs) -> Gains:
        scores = np.full(len(pairs), np.nan)
        for places in of_equal_shapes(fingerprints, pairs):
            some = pairs[places]
            try:
                found = [
                    combined(
                        fingerprints,
                        some,
                        partial(unit_gains, kind=kind, depth=depth, centred=self.centred),
                        cosines_of,
                    )
                    for kind, depth in self.grids(*(fingerprints[model] for model in some[0]))
                ]
            except NotComparable:  # each pair says why
                continue
            scores[places] = np.concatenate(found, axis=1).mean(axis=1)
        return scores

    def grids(self, a: Fingerprint, b: Fingerprint) -> list[tuple[str, int]]:
        """Kinds of norms that both models have, and the layers of the grid: those of the shorter model.

        Raises
        ------
        NotComparable
            There is none, or gains are of different width.
        """
        kinds = [kind for kind in a.arrays if kind in b.arrays]
        if not kinds:
            raise NotComparable("no kind of norm with gains in common")
        for kind in kinds:
            left, right = a.arrays[kind].shape[1], b.arrays[kind].shape[1]
            if left != right:
                raise NotComparable(f"gain vectors of different width ({left} and {right})")
        return [(kind, min(len(a.arrays[kind]), len(b.arrays[kind]))) for kind in kinds]


def cosines_of(a: Gains, b: Gains) -> Gains:
    """Cosines of vectors of length one, over the last axis."""
    cosines: Gains = np.clip(np.einsum("...i,...i->...", a, b), -1.0, 1.0)
    return cosines


def unit_gains(fingerprint: Fingerprint, kind: str, depth: int, centred: bool) -> Gains:
    """Gain vectors on a grid of `depth` layers, each of length one.

    Raises
    ------
    NotComparable
        A gain vector is zero or, when centred, constant.
    """
    return fingerprint.derived(
        f"unit gains of {kind}",
        (depth, centred),
        lambda: directions_of(resampled(fingerprint.arrays[kind], depth), centred),
    )


def directions_of(gains: Gains, centred: bool) -> Gains:
    """Rows of length one, each less its mean if `centred`."""
    floor = 0.0
    if centred:
        # Centring equal gains leaves rounding of the order of their last digit.
        floor = 1e-12 * float(np.linalg.norm(gains, axis=1).max())
        gains = gains - gains.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(gains, axis=1, keepdims=True)
    defined = lengths[:, 0] > floor
    if not defined.all():
        reason = "equal" if centred else "zero"
        raise NotComparable(f"the gains of layer {int(np.argmin(defined))} are all {reason}")
    units: Gains = gains / lengths
    return units


@register
class NormCosine(NormGains):
    """Mean over layers of the raw cosine of norm-gain vectors.

    ``cos(g_A^l, g_B^l)`` for the gain of each layer's attention norm and feed-forward norm (the one before
    the block; after it where a model has only that), averaged over layers and both kinds. Different
    depths: gains are interpolated linearly over relative depth. Different widths: it abstains.

    Tensors: the gains, (width,) each. The score is in [-1, 1]; gains are positive and near a constant in
    every trained model, so it is close to 1 for any two models: expected to fail.

    Source: used to accuse Solar-Open-100B of deriving from GLM-4.5-Air (0.95 to 0.99), retracted since.
    """

    name = "norm-cosine"
    title = "mean raw cosine of the norm gains of a layer"
    invariances = frozenset(
        {"unit permutation", "head permutation", "q/k gauge", "v/o gauge", "global scale", "dtype cast"}
    )
    claims = (
        Claim(
            threshold=0.95,
            text="cosines of 0.95 to 0.99 presented as proof that Solar-Open-100B derives from GLM-4.5-Air",
            source="github.com/sionic-ai/solar-vs-glm",
        ),
    )
    centred = False
    measured = Cost(3.8, 0.026)


@register
class NormPearson(NormGains):
    """Mean over layers of the centred cosine (Pearson correlation) of norm-gain vectors.

    As `norm-cosine`, with each gain vector centred over its width first. The score is in [-1, 1]. Abstains
    where the gains of a layer are all equal (folded into the projections).

    Source: the answer to the accusation: Solar-Open-100B and GLM-4.5-Air 0.01, a true fine-tune
    (GLM-4.5-Air → INTELLECT-3) 1.00.
    """

    name = "norm-pearson"
    title = "mean correlation of the norm gains of a layer"
    invariances = NormCosine.invariances
    claims = (
        Claim(
            text="Solar-Open-100B and GLM-4.5-Air 0.01, GLM-4.5-Air and its fine-tune INTELLECT-3 1.00",
            source="github.com/hyunwoongko/solar-vs-glm-vs-phi",
        ),
    )
    centred = True
    measured = Cost(3.4, 0.028)


@register
class WeightCosine(Metric):
    """Cosine of all matched weight matrices, concatenated (PCS).

    ``⟨A, B⟩ / (‖A‖ ‖B‖)`` over the concatenation of every weight matrix that has the same role and shape in
    both models. Left out: embeddings and unembeddings, and one-dimensional tensors. Gains are near one in
    every model and biases share a few large entries, so that they would add a constant that has nothing
    to do with descent; unrelated models are at 0 ± 0.01 only without them. A dense model and a mixture of
    experts match in their attention; models that share no role and shape do not compare.

    Tensors: all two-dimensional role tensors within layers. The score is in [-1, 1]. Products are summed
    in float32 within blocks and in float64 across them; values that are not finite are refused when read.

    Invariant only to scale: renumbering units or heads, gauges, folding and rotation all lower it.

    Claims: unrelated 0 ± 0.01; fine-tunes above 0.97; continued pre-training 0.4 to 0.55.
    """

    name = "weight-cosine"
    version = 2  # the order of summation
    reads = ("layers.*.weight",)
    title = "cosine of all matched weight matrices"
    invariances = frozenset({"global scale", "dtype cast"})
    claims = (
        Claim(
            text="unrelated 0 ± 0.01, fine-tunes above 0.97, continued pre-training 0.4 to 0.55",
            source="published comparisons of parameter-space similarity (PCS)",
        ),
    )
    measured = Cost(6.0, 0.32)

    def fingerprint(self, model: Checkpoint) -> Fingerprint:  # noqa: D102
        require(bool(matrices(model)), "no weight matrices within layers")
        return self.make_fingerprint(model, {}, keep_checkpoint=True)

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:  # noqa: D102
        return matched_cosine(checkpoint_of(a), checkpoint_of(b))

    def pair_similarities(self, fingerprints: Sequence[Fingerprint], pairs: Pairs) -> Gains:  # noqa: D102
        return cosines([checkpoint_of(each) for each in fingerprints], pairs)


@register
class WeightDistance(Metric):
    """Negated relative distance of matched weight matrices, averaged over them.

    ``-mean over T of ||A_T - B_T|| / sqrt(||A_T|| ||B_T||)`` over the two-dimensional tensors of layers that
    have the same role and shape in both models, with Frobenius norms; tensors that are all zero in one of
    them are left out. Embeddings, gains and biases do not count, as in `weight-cosine`.

    The score is at most 0; unrelated matrices of equal norm are at -1.41. Nothing within the tables leaves
    it unchanged except rounding: unlike the cosine it also sees a change of scale.

    Source: the distance of parameters that studies of model provenance use as their baseline.
    """

    name = "weight-distance"
    version = 2  # the order of summation
    reads = ("layers.*.weight",)
    title = "relative distance of matched weight matrices, negated"
    invariances = frozenset({"dtype cast"})
    cost = "costly"
    measured = Cost(6.7, 0.41)

    def fingerprint(self, model: Checkpoint) -> Fingerprint:  # noqa: D102
        require(bool(matrices(model)), "no weight matrices within layers")
        return self.make_fingerprint(model, {}, keep_checkpoint=True)

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:  # noqa: D102
        return -matched_distance(checkpoint_of(a), checkpoint_of(b))

    def pair_similarities(self, fingerprints: Sequence[Fingerprint], pairs: Pairs) -> Gains:  # noqa: D102
        return -distances([checkpoint_of(each) for each in fingerprints], pairs)
