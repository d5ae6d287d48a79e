"""Curves of one statistic over depth: what most public accusations were built on.

All read the moments of one pass over the weights and correlate curves of one number a layer. Unrelated
models share much of their depth trend, so a high correlation alone says little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fpcore.checkpoints.base import Checkpoint
from fpcore.errors import NotComparable
from fpcore.features.curve_pairs import Pairs, mean_products, of_equal_shapes
from fpcore.features.curves import (
    FEWEST_DETRENDED,
    correlations,
    detrended,
    grids,
    resampled,
    standardised,
    standardised_parts,
)
from fpcore.features.moments import Moments, measure, pooled
from fpcore.features.sampled_moments import pooled_error
from fpcore.fingerprint import Fingerprint
from fpcore.protocol import Claim, Cost, Metric
from fpcore.registry import register

__all__ = [
    "AttentionStd",
    "AttentionStdDetrended",
    "DepthProfile",
    "FeedForwardStd",
    "LayerEnergy",
    "NormStd",
    "QkvBiasMax",
    "QkvBiasStd",
]

Curve = NDArray[np.float64]

SOURCE = "arXiv:2507.03014"

# A standard deviation or largest entry of all a tensor holds knows no order, a correlation no scale.
ORDER_AND_SCALE = frozenset(
    {"unit permutation", "head permutation", "embedding permutation", "global scale", "dtype cast"}
)
GAUGES = frozenset({"q/k gauge", "v/o gauge"})

ATTENTION = {part: f"attention.{part}.weight" for part in ("query", "key", "value", "output")}
BIASES = {part: f"attention.{part}.bias" for part in ("query", "key", "value")}
NORMS = ("attention.norm.weight", "attention.post_norm.weight")
FEED_FORWARD = ("gate", "up", "down")


class DepthProfile(Metric):
    """Mean Pearson correlation over the parts that both models have.

    A fingerprint holds one curve a part (float64, one value a layer). Names with a dot are shown to
    people but do not enter the similarity: of a `SampledCheckpoint`, ``query.standard_error`` … say what
    measuring slices in place of all adds to each value.
    """

    missing: ClassVar[str]
    version = 2  # float32 sums within tensors of more than a million weights

    def curves(self, model: Checkpoint) -> dict[str, Curve]:
        """The curves of a model, each of the layers that have the part; what no layer has is left out."""
        raise NotImplementedError

    def fingerprint(self, model: Checkpoint) -> Fingerprint:  # noqa: D102
        curves = self.curves(model)
        if not curves:
            raise NotComparable(self.missing)
        return self.make_fingerprint(model, curves)

    def correlations(self, a: Fingerprint, b: Fingerprint) -> dict[str, float]:
        """Pearson correlation of each part that both models have.

        Raises
        ------
        NotComparable
            No part is common, or a curve is constant.
        """
        parts = self.common_parts(a, b)
        return dict(zip(parts, correlations(a, b, parts).tolist(), strict=True))

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:  # noqa: D102
        return float(correlations(a, b, self.common_parts(a, b)).mean())

    def pair_similarities(self, fingerprints: Sequence[Fingerprint], pairs: Pairs) -> Curve:  # noqa: D102
        scores = np.full(len(pairs), np.nan)
        if type(self).common_parts is not DepthProfile.common_parts:
            return scores  # what a subclass compares may depend on more than the shapes of curves
        for places in of_equal_shapes(fingerprints, pairs):
            a, b = (fingerprints[model] for model in pairs[places[0]])
            try:
                parts = self.common_parts(a, b)
                scores[places] = self.of_parts(fingerprints, pairs[places], parts)
            except NotComparable:  # each pair says why
                continue
        return scores

    def of_parts(self, fingerprints: Sequence[Fingerprint], pairs: Pairs, parts: tuple[str, ...]) -> Curve:
        """`pair_similarities` of pairs whose curves have the same parts and lengths."""
        a, b = (fingerprints[model] for model in pairs[0])
        found = [
            mean_products(fingerprints, pairs, partial(standardised_parts, parts=parts, depth=depth))
            for parts, depth in grids(a, b, parts)
        ]
        scores: Curve = np.clip(np.concatenate(found, axis=1), -1.0, 1.0).mean(axis=1)
        return scores

    def common_parts(self, a: Fingerprint, b: Fingerprint) -> tuple[str, ...]:
        """Names of the curves that both models have, in the metric's order."""
        parts = tuple(part for part in a.arrays if part in b.arrays and "." not in part)
        if not parts:
            raise NotComparable(f"{self.missing} in common")
        return parts


def by_layer(model: Checkpoint, roles: Mapping[str, str]) -> dict[str, list[Moments]]:
    """Moments of each part, one a layer that has it; `roles` maps parts to roles within a layer."""
    views = {part: model.roles.present(role) for part, role in roles.items()}
    moments = measure(model, [view.role for found in views.values() for view in found.values()])
    return {part: [moments[view.role] for view in found.values()] for part, found in views.items() if found}


def stds(model: Checkpoint, roles: Mapping[str, str]) -> dict[str, Curve]:
    """Population standard deviations as curves."""
    found: dict[str, Curve] = {}
    for part, layers in by_layer(model, roles).items():
        found[part] = np.array([layer.std for layer in layers])
        found |= with_error(part, [layer.std_error for layer in layers])
    return found


def with_error(part: str, errors: Sequence[float]) -> dict[str, Curve]:
    """What slices in place of all add to a curve, a further one for people; none where all was measured."""
    return {f"{part}.standard_error": np.array(errors)} if any(errors) else {}


@register
class AttentionStd(DepthProfile):
    """Curves of the standard deviation of the attention projections.

    ``s_P(l) = std(W_P^l)`` over all entries (population), for P in query, key, value, output; the score is
    the mean over P of ``Pearson(z(s_P^A), z(s_P^B))``, z standardising over layers with the population sd.
    Depths that differ: the longer curve is interpolated linearly onto the shorter one's relative depths.

    Tensors: attention.{query,key,value,output}.weight of every layer (parts of fused tensors cut out,
    output included). Units: those of the weights; the score is in [-1, 1].

    Invariant to permutations and to any common scale; not to gauges between query and key or value and
    output, nor to folding of norm gains, which a rotation of the residual stream begins with.

    Source: arXiv:2507.03014, which calls correlations above 0.9 suspect. Others report unrelated pairs
    close to that (deepseek-llm-7b and llama2-7b 0.91), and true children far below (gemma-2b → it 0.46).
    """

    name = "attention-std"
    title = "correlation over layers of the standard deviations of q, k, v and o"
    invariances = ORDER_AND_SCALE
    claims: ClassVar[tuple[Claim, ...]] = (
        Claim(
            threshold=0.9,
            text="a correlation above 0.9 is suspect; Pangu Pro MoE and Qwen2.5-14B 0.927",
            source=SOURCE,
        ),
    )
    missing = "no attention projections under known names"
    reads = tuple(f"layers.*.{role}" for role in ATTENTION.values())
    measured = Cost(9.7, 0.015)

    def curves(self, model: Checkpoint) -> dict[str, Curve]:  # noqa: D102
        return stds(model, ATTENTION)


@register
class AttentionStdDetrended(AttentionStd):
    """The curves of `attention-std` after a cubic depth trend is taken out of each.

    ``r_P(l) = s_P(l) - c_P(l)`` with c_P the least-squares cubic in l; the score is the mean over P of
    ``Pearson(r_P^A, r_P^B)``, in [-1, 1]. Depths that differ: the longer curve is interpolated onto the
    shorter one's relative depths first. A cubic takes four of the layers' degrees of freedom, so that it
    abstains below six layers, and six leave only two: correlations are coarse there.

    Tensors and invariances as `attention-std`. `shifted` gives the scores with one model's layers rotated
    cyclically, among which the score of two models that share only their trend is one of many.

    Source: ours, as all language models share the depth trend.
    """

    name = "attention-std-detrended"
    title = "correlation over layers of q, k, v and o standard deviations minus a cubic trend"
    claims = ()
    measured = Cost(9.6, 0.01)

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:  # noqa: D102
        left, right = self.remainders(a, b)
        return float(np.clip((left * right).mean(), -1.0, 1.0))

    def pair_similarities(self, fingerprints: Sequence[Fingerprint], pairs: Pairs) -> Curve:  # noqa: D102
        return super().pair_similarities(fingerprints, pairs)  # by `of_parts`

    def of_parts(self, fingerprints: Sequence[Fingerprint], pairs: Pairs, parts: tuple[str, ...]) -> Curve:
        """As that of `DepthProfile`, on one grid and less the trends."""
        a, b = (fingerprints[model] for model in pairs[0])
        depth = self.depth(a, b, parts)
        means = mean_products(
            fingerprints, pairs, lambda each: detrended_parts(each, parts, depth).reshape(-1)
        )
        return np.clip(means, -1.0, 1.0)

    def shifted(self, a: Fingerprint, b: Fingerprint) -> Curve:
        """The score, and what it would be with the layers of `b` shifted by 1, 2, … in a circle.

        Raises
        ------
        NotComparable
            Fewer than six layers, or a curve that is a cubic throughout.
        """
        left, right = self.remainders(a, b)
        scores: Curve = np.array(
            [(left * np.roll(right, shift, axis=1)).mean() for shift in range(left.shape[1])]
        )
        return scores

    def remainders(self, a: Fingerprint, b: Fingerprint) -> tuple[Curve, Curve]:
        """The standardised curves of both, less their trends, (parts, layers) each."""
        parts = self.common_parts(a, b)
        depth = self.depth(a, b, parts)
        return detrended_parts(a, parts, depth), detrended_parts(b, parts, depth)

    def depth(self, a: Fingerprint, b: Fingerprint, parts: tuple[str, ...]) -> int:
        """Layers of the grid: of parts that some layers lack, the fewest.

        Raises
        ------
        NotComparable
            Fewer than six.
        """
        depth = min(min(len(a.arrays[part]), len(b.arrays[part])) for part in parts)
        if depth < FEWEST_DETRENDED:
            raise NotComparable(f"{depth} layers; minus a cubic trend, it needs at least {FEWEST_DETRENDED}")
        return depth


def detrended_parts(fingerprint: Fingerprint, parts: tuple[str, ...], depth: int) -> Curve:
    """Several curves less their trends, standardised, (parts, depth)."""

    def compute() -> Curve:
        curves = [detrended(resampled(fingerprint.arrays[part], depth), part) for part in parts]
        return np.stack([standardised(curve, part) for curve, part in zip(curves, parts, strict=True)])

    return fingerprint.derived("detrended", (parts, depth), compute)


@register
class FeedForwardStd(DepthProfile):
    """Curves of the standard deviation of the feed-forward projections.

    The statistic of `attention-std` for P in gate, up, down; models without a gate are compared on up and
    down. In a mixture of experts the routed experts of a layer are one population (``std`` of all their
    entries together; the shared expert is not part of it); ``gate.mean_of_experts`` … hold the mean of the
    experts' own deviations, which differs where the experts' means do.

    Tensors: feed_forward.{gate,up,down}.weight or feed_forward.experts.*.{gate,up,down}.weight of every
    layer. The score is in [-1, 1].

    Invariances as `attention-std`, and to the gauges inside attention.

    Source: the same authors' update, "nearly identical" for Pangu Pro MoE and Qwen2.5-14B.
    """

    name = "ffn-std"
    title = "correlation over layers of the standard deviations of gate, up and down"
    invariances = ORDER_AND_SCALE | GAUGES
    claims = (Claim(text="nearly identical for Pangu Pro MoE and Qwen2.5-14B", source=SOURCE),)
    missing = "no feed-forward projections"
    reads = tuple(
        f"layers.*.feed_forward.{kind}{part}.weight" for kind in ("", "experts.*.") for part in FEED_FORWARD
    )
    measured = Cost(11, 0.014)

    def curves(self, model: Checkpoint) -> dict[str, Curve]:  # noqa: D102
        moments, roles = measure(model, self.roles_read(model)), model.roles
        found: dict[str, Curve] = {}
        for part in FEED_FORWARD:
            layers: list[list[Moments]] = []
            for layer in range(roles.depth):
                experts = [moments[view.role] for view in roles.experts(layer, part)]
                dense = moments.get(f"layers.{layer}.feed_forward.{part}.weight")
                layers.append(experts or ([dense] if dense else []))
            layers = [populations for populations in layers if populations]
            if not layers:
                continue
            found[part] = np.array([pooled(populations).std for populations in layers])
            found |= with_error(part, [pooled_error(populations) for populations in layers])
            if any(len(populations) > 1 for populations in layers):
                means = [np.mean([each.std for each in populations]) for populations in layers]
                found[f"{part}.mean_of_experts"] = np.array(means)
        return found


@register
class QkvBiasStd(DepthProfile):
    """Curves of the standard deviation of the query, key and value biases.

    The statistic of `attention-std` on attention.{query,key,value}.bias. Abstains for models without them.
    The score is in [-1, 1].

    Folding of norm gains does not touch biases (gains scale what the projection reads, not what it adds),
    nor does rotation of the residual stream.

    Source: the authors of arXiv:2507.03014, who call Pangu's and Qwen's curves nearly identical.
    """

    name = "qkv-bias-std"
    title = "correlation over layers of the standard deviations of the q, k and v biases"
    invariances = ORDER_AND_SCALE | {"residual rotation", "norm-gain folding"}
    claims = (Claim(text="nearly identical for Pangu Pro MoE and Qwen2.5-14B", source=SOURCE),)
    missing = "no query, key or value biases"
    reads = tuple(f"layers.*.{role}" for role in BIASES.values())
    measured = Cost(7.9, 0.01)

    def curves(self, model: Checkpoint) -> dict[str, Curve]:  # noqa: D102
        return stds(model, BIASES)


@register
class QkvBiasMax(QkvBiasStd):
    """Curves of the largest entry of the query, key and value biases.

    ``m_P(l) = max(b_P^l)`` for P in query, key, value; the score is the mean over P of the Pearson
    correlation over layers, in [-1, 1]. ``query.abs`` … hold the largest absolute entries, for reading.

    Invariances as `qkv-bias-std`.

    Source: the community rebuttal of the Pangu accusation: Pangu Pro MoE and Qwen2.5-14B-Instruct
    0.24/0.44/0.50 (q/k/v), known children 0.997 to 1.000.
    """

    name = "qkv-bias-max"
    title = "correlation over layers of the largest q, k and v biases"
    claims = (
        Claim(
            text="known children 0.997 to 1.000, Pangu Pro MoE and Qwen2.5-14B-Instruct 0.24/0.44/0.50",
            source="github.com/wangzhaode/llm-lab",
        ),
    )
    measured = Cost(7.9, 0.011)

    def curves(self, model: Checkpoint) -> dict[str, Curve]:  # noqa: D102
        parts = by_layer(model, BIASES)
        highest = {part: np.array([layer.high for layer in layers]) for part, layers in parts.items()}
        absolute = {
            f"{part}.abs": np.array([layer.max_abs for layer in layers]) for part, layers in parts.items()
        }
        return highest | absolute


@register
class NormStd(DepthProfile):
    """Curve of the standard deviation of the attention norms' gains.

    The statistic of `attention-std` on the gain of the norm before attention (of the one after it where
    a model has only that). The score is in [-1, 1]. Abstains where norms have no gain, or all gains of the
    model are equal (folded into the projections).

    Source: the authors of arXiv:2507.03014, who call Pangu's and Qwen's curves nearly identical.
    """

    name = "norm-std"
    title = "correlation over layers of the standard deviation of attention norm gains"
    invariances = ORDER_AND_SCALE | GAUGES
    claims = (Claim(text="nearly identical for Pangu Pro MoE and Qwen2.5-14B", source=SOURCE),)
    missing = "no gains of attention norms"
    reads = tuple(f"layers.*.{role}" for role in NORMS)
    measured = Cost(7.9, 0.014)

    def curves(self, model: Checkpoint) -> dict[str, Curve]:  # noqa: D102
        for role in NORMS:
            curves = stds(model, {"attention": role})
            if curves:
                return curves
        return {}


@register
class LayerEnergy(DepthProfile):
    """Curve of the sum of the Frobenius norms of a layer's tensors.

    ``e(l) = sum over tensors T of layer l of ||T||``, over its largest value; the score is
    ``(Pearson(e^A, e^B) + 1) / 2`` in [0, 1]. All roles within a layer count, gains, biases and every expert
    included. Depths that differ: the longer curve is interpolated onto the shorter one's relative depths.

    Norms grow with depth in nearly every model, so that the curves of any two are alike: expected to fail.

    Source: a signal of published fingerprinting products ("energy profile").
    """

    name = "layer-energy"
    title = "correlation over layers of the summed norms of a layer's tensors"
    invariances = ORDER_AND_SCALE
    missing = "no tensors within layers"
    reads = ("layers.*",)
    measured = Cost(7.3, 0.011)

    def curves(self, model: Checkpoint) -> dict[str, Curve]:  # noqa: D102
        energy, squares = np.zeros((2, model.roles.depth))
        for role, moments in measure(model, self.roles_read(model)).items():
            layer = int(role.split(".")[1])
            energy[layer] += moments.norm
            squares[layer] += moments.norm_error**2
        if not energy.any():
            return {}
        highest = energy.max()
        return {"energy": energy / highest} | with_error("energy", (np.sqrt(squares) / highest).tolist())

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:  # noqa: D102
        return (super().similarity(a, b) + 1.0) / 2.0

    def pair_similarities(self, fingerprints: Sequence[Fingerprint], pairs: Pairs) -> Curve:  # noqa: D102
        scores: Curve = (super().pair_similarities(fingerprints, pairs) + 1.0) / 2.0
        return scores
