"""Metrics of what a model computes inside on fixed prompts: hidden states, units, cached states."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from fpcore.checkpoints.base import Checkpoint
from fpcore.errors import require
from fpcore.features.assignment import best_match, sampled, unit_rows
from fpcore.features.cka import cka, debiased_cka, debiased_size, factor, size
from fpcore.features.curves import correlations
from fpcore.features.p_values import fisher, log_p_of_order
from fpcore.features.role_values import finite
from fpcore.fingerprint import Fingerprint
from fpcore.forward import forward_pass
from fpcore.protocol import FUNCTION_PRESERVING, Claim, Cost, Metric
from fpcore.registry import register

__all__ = [
    "ActivationMatching",
    "ActivationNorm",
    "KvCache",
    "KvCacheCosine",
    "RepresentationCka",
    "RepresentationCkaDebiased",
]

Array = NDArray[np.float64]
Arrays = dict[str, NDArray[np.floating]]
Own = TypeVar("Own")


class ByLayer(Metric, Generic[Own]):
    """A metric of arrays that each layer has; layers of models of different depth pair by relative depth."""

    evidence = frozenset({"activations"})
    cost = "costly"
    parts: tuple[str, ...]

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:
        found = [
            self.of_layers(
                a.arrays[f"{part}.{i}"],
                b.arrays[f"{part}.{j}"],
                (self._known(a, f"{part}.{i}"), self._known(b, f"{part}.{j}")),
            )
            for part in self.parts
            for i, j in paired_layers(depth_of(a, part), depth_of(b, part))
        ]
        return float(np.clip(np.mean(found), -1.0, 1.0))

    def _known(self, fingerprint: Fingerprint, name: str) -> Own:
        return fingerprint.derived(name, None, lambda: self.own(fingerprint.arrays[name]))

    def own(self, states: NDArray[np.floating]) -> Own:
        """What every pair needs of a layer of one model alone."""
        raise NotImplementedError

    def of_layers(self, a: NDArray[np.floating], b: NDArray[np.floating], own: tuple[Own, Own]) -> float:
        """How alike two layers are, given what `own` says of each."""
        raise NotImplementedError


def named(part: str, layers: Sequence[NDArray[np.floating]]) -> Arrays:
    """Arrays of a part by layer."""
    return {f"{part}.{index}": layer for index, layer in enumerate(layers)}


def depth_of(fingerprint: Fingerprint, part: str) -> int:
    """Layers of a part in a fingerprint."""
    return sum(name.startswith(f"{part}.") for name in fingerprint.arrays)


def paired_layers(a: int, b: int) -> list[tuple[int, int]]:
    """Each layer of the shallower model with the one of the other at the nearest relative depth."""
    if a > b:
        return [(i, j) for j, i in paired_layers(b, a)]
    if a == 1:
        return [(0, b - 1)]
    return [(i, round(i * (b - 1) / (a - 1))) for i in range(a)]


@register
class RepresentationCka(ByLayer[float]):
    """CKA of hidden states at the last token of each prompt (REEF).

    ``mean over layers of ||X'Y||² / (||X'X|| ||Y'Y||)``, Frobenius norms, where X and Y (prompts, width) are
    the centred outputs of a layer of both models at the last token of 256 fixed prompts. Depths that
    differ: each layer of the shallower model is paired with the nearest relative depth. Widths may differ.
    The score is in [0, 1].

    Tensors: all, run through `transformers`; each model reads the same texts with its own tokenizer (at
    most 96 tokens of each). Cost: one pass over 8,000 tokens, shared by all metrics of activations and
    outputs, and a product of (prompts, width) by (prompts, width) per layer and pair. Abstains without a
    ``tokenizer.json``, and where `transformers` cannot run the model without foreign code.

    The CKA of few prompts in many dimensions is biased upwards: unrelated models score well above 0, the
    more so the wider they are. `representation-cka-debiased` takes that out.

    Invariant to whatever keeps the function: states are then permuted, rotated or unchanged.

    Source: arXiv:2410.14273, which reads 200 statements of TruthfulQA and shows single layers (the 18th of
    Llama-2-7B); here all layers count alike. Others report an AUC of 0.76 to 0.78.
    """

    name = "representation-cka"
    version = 2  # prompts of any length are read together: rounding
    title = "CKA of hidden states at the last token of fixed prompts"
    measured = Cost(220, 0.3)
    invariances = FUNCTION_PRESERVING | {"dtype cast"}
    claims: ClassVar[tuple[Claim, ...]] = (
        Claim(
            text="derived models score near 1, unrelated ones low, whatever was fine-tuned, pruned or merged",
            source="arXiv:2410.14273",
        ),
    )
    parts = ("hidden",)

    def fingerprint(self, model: Checkpoint) -> Fingerprint:  # noqa: D102
        return self.make_fingerprint(
            model, named("hidden", [factor(layer) for layer in forward_pass(model).hidden])
        )

    def own(self, states: NDArray[np.floating]) -> float:  # noqa: D102
        return size(states)

    def of_layers(  # noqa: D102
        self, a: NDArray[np.floating], b: NDArray[np.floating], own: tuple[float, float]
    ) -> float:
        return cka(a, b, own)


@register
class RepresentationCkaDebiased(RepresentationCka):
    """`representation-cka` with the unbiased HSIC in place of the biased one.

    ``mean over layers of HSIC_u(K, L) / sqrt(HSIC_u(K, K) HSIC_u(L, L))`` with ``K = X X'`` over prompts and
    HSIC_u the U-statistic of Song et al. (2012), whose mean is 0 for states that have nothing to do with each
    other, however wide they are; it may be below 0. Models that read the same prompts are never that: what
    remains of unrelated models is what they both learned. States, layers, cost and reasons to abstain are
    those of `representation-cka`.

    Source: the biased one is of arXiv:2410.14273; its bias is removed as in arXiv:2010.15327.
    """

    name = "representation-cka-debiased"
    title = "unbiased CKA of hidden states at the last token of fixed prompts"
    measured = Cost(220, 0.4)
    claims = ()

    def own(self, states: NDArray[np.floating]) -> float:  # noqa: D102
        return debiased_size(states)

    def of_layers(  # noqa: D102
        self, a: NDArray[np.floating], b: NDArray[np.floating], own: tuple[float, float]
    ) -> float:
        return debiased_cka(a, b, own)


@register
class ActivationNorm(Metric):
    """Correlation over layers of the mean length of the residual stream.

    ``Pearson over l of z(n_A(l)), z(n_B(l))`` with n(l) the mean, over all tokens of the fixed prompts, of
    the Euclidean norm of layer l's output. Depths that differ: linear interpolation onto the shorter grid.
    The score is in [-1, 1].

    Tensors: all, run as for `representation-cka`. Cost: the shared pass; nothing per pair. Norms grow with
    depth in nearly every model, so that unrelated models correlate.

    Invariant to whatever keeps the function.

    Source: the "activation analysis" of the accusation against Pangu Pro MoE, which takes similar curves as a
    sign of derivation and names no threshold.
    """

    name = "activation-norm"
    version = 2  # prompts of any length are read together: rounding
    title = "correlation over depth of the mean norm of hidden states"
    measured = Cost(220, 0.1)
    evidence = frozenset({"activations"})
    invariances = FUNCTION_PRESERVING | {"dtype cast"}
    claims = (
        Claim(
            text="curves of derived models run alike, those of other models do not",
            source="the accusation against Pangu Pro MoE",
        ),
    )
    cost = "costly"

    def fingerprint(self, model: Checkpoint) -> Fingerprint:  # noqa: D102
        return self.make_fingerprint(model, {"norms": forward_pass(model).norms})

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:  # noqa: D102
        return float(correlations(a, b, ("norms",))[0])


class KeptStates(ByLayer[Own]):
    """A metric of the keys and values that attention keeps of the last token of each prompt."""

    parts = ("keys", "values")

    def states(self, model: Checkpoint) -> dict[str, tuple[NDArray[np.float32], ...]]:
        """Keys and values by layer, (prompts, key-value heads × head width).

        Raises
        ------
        NotComparable
            Attention keeps no plain keys and values.
        """
        passed = forward_pass(model)
        depth = len(passed.hidden)
        require(len(passed.keys) == depth, "its attention does not keep keys and values in every layer")
        return {"keys": passed.keys, "values": passed.values}


@register
class KvCache(KeptStates[float]):
    """CKA of the keys and of the values that attention keeps.

    ``mean over layers, keys and values of CKA(X, Y)`` with X (prompts, key-value heads × head width) the
    centred states of the last token of each fixed prompt, keys with their rotation by position, as they
    are cached. Linear, biased CKA; layers of different depth pair by relative depth. The score is in [0, 1].

    Tensors: all, run as for `representation-cka`. Cost: the shared pass, and two small products per layer and
    pair. Abstains on attention that keeps other states.

    Invariant to permutations of heads, to what leaves projections' outputs as they are, and to scales that
    all heads of a layer share; not to gauges that mix or scale single heads.

    Source: named as evidence in the dispute about Pangu Pro MoE, without a formula.
    """

    name = "kv-cache"
    version = 2  # prompts of any length are read together: rounding
    title = "CKA of cached keys and values on fixed prompts"
    measured = Cost(220, 0.3)
    invariances = FUNCTION_PRESERVING | {"dtype cast"}

    def fingerprint(self, model: Checkpoint) -> Fingerprint:  # noqa: D102
        arrays: Arrays = {}
        for part, layers in self.states(model).items():
            arrays |= named(part, [factor(layer) for layer in layers])
        return self.make_fingerprint(model, arrays)

    def own(self, states: NDArray[np.floating]) -> float:  # noqa: D102
        return size(states)

    def of_layers(  # noqa: D102
        self, a: NDArray[np.floating], b: NDArray[np.floating], own: tuple[float, float]
    ) -> float:
        return cka(a, b, own)


@register
class KvCacheCosine(KeptStates[Array]):
    """Cosine of the keys and of the values that attention keeps.

    ``mean over layers, keys and values, and prompts of cos(x, y)`` with x and y the states of the last token
    as `kv-cache` takes them, dimension by dimension. The score is in [-1, 1]. Abstains where the states are
    of different size. Keys have a large common part in every prompt, a bias of the model, so that the cosine
    says as much of biases as of what was read.

    Tensors and cost as for `kv-cache`.

    Not invariant to a permutation of heads; to scales shared by a layer it is.

    Source: as for `kv-cache`.
    """

    name = "kv-cache-cosine"
    version = 2  # prompts of any length are read together: rounding
    title = "cosine of cached keys and values on fixed prompts"
    measured = Cost(220, 0.5)
    invariances = KvCache.invariances - {"head permutation"}

    def fingerprint(self, model: Checkpoint) -> Fingerprint:  # noqa: D102
        arrays: Arrays = {}
        for part, layers in self.states(model).items():
            arrays |= named(part, layers)
        return self.make_fingerprint(model, arrays)

    def own(self, states: NDArray[np.floating]) -> Array:  # noqa: D102
        lengths: Array = np.linalg.norm(np.asarray(states, dtype=np.float64), axis=1)
        return lengths

    def of_layers(  # noqa: D102
        self, a: NDArray[np.floating], b: NDArray[np.floating], own: tuple[Array, Array]
    ) -> float:
        require(a.shape == b.shape, f"states of different sizes ({a.shape[1]} and {b.shape[1]})")
        x, y = (np.asarray(each, dtype=np.float64) for each in (a, b))
        lengths = own[0] * own[1]
        require(bool((lengths > 0.0).all()), "a layer keeps a state of zeros, whose cosine is undefined")
        return float(((x * y).sum(axis=1) / lengths).mean())


@register
class ActivationMatching(Metric):
    """Whether matching units by their gates and by their up projections gives the same pairs (φ_MATCH).

    For each layer: the assignment that maximises the sum of cosines of gate activations, each unit's over
    256 fixed prompts at their last token, gives π_g; that of up activations gives π_u; Spearman's
    correlation of the two (Student's t, against positive correlation) has a p-value; Fisher's method joins
    the layers, and the score is -log10 p, at least 0. Activations are those of the two projections, before
    the nonlinearity. Spearman's correlation depends on which model's numbers are ranked: the larger p of
    both counts.

    For blocks of different width, the units of the narrower are matched into the wider. For models of
    different depth, each layer of the shallower takes its best layer of the other, its p-value times the
    number of layers tried; for mixtures, the closest pair of experts counts, times the number of pairs
    (Bonferroni). The paper tests all pairs of layers there and gives no joint p-value. Blocks without a
    gate abstain: the paper retrains them into gated ones.

    Of more than 2,048 units, those at 2,048 evenly spaced places count, the same places in both models; if
    units were renumbered, fewer then have their partner there, and the score falls accordingly.

    Tensors: all, run as for `representation-cka`; gate and up. Cost: the shared pass, and two assignments per
    layer and pair, cubic in the units matched: 3 ms per pair of zoo models.

    Invariant to whatever keeps the function, except that renumbered units change what the matchings of
    unrelated units happen to be; those of related ones agree whatever their numbers. Not to a change of
    sign of single units' up and down projections, which keeps the function and hides those units.

    Source: arXiv:2502.12292, which finds its p-values near uniform for independent models, without proof.
    The published code is two-sided and reads every token of its texts.
    """

    name = "activation-matching"
    version = 3  # prompts of any length are read together: rounding
    title = "-log10 p that unit matchings by gate and by up activations agree by chance"
    measured = Cost(220, 2.8, "per pair: assignments, cubic in up to 2,048 units")
    evidence = frozenset({"activations", "weights"})
    # Rounding can tip an assignment of unrelated units.
    invariances = FUNCTION_PRESERVING - {"unit permutation"}
    claims = (
        Claim(
            p_values=True,
            text="behaves as a p-value for independent models, whatever permutation or rotation hides a copy",
            source="arXiv:2502.12292",
        ),
    )
    cost = "costly"

    def fingerprint(self, model: Checkpoint) -> Fingerprint:  # noqa: D102
        passed = forward_pass(model)
        require(len(passed.inner) == len(passed.hidden), "no feed-forward block of its own in each layer")
        arrays: Arrays = {}
        for layer, states in enumerate(passed.inner):
            for block, prefix in enumerate(gated_blocks(model, layer)):
                for part in ("gate", "up"):
                    arrays[f"{layer}.{block}.{part}"] = activations(model, f"{prefix}{part}", states)
        return self.make_fingerprint(model, arrays)

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:  # noqa: D102
        left, right = blocks_of(a), blocks_of(b)
        if len(left) > len(right):
            left, right = right, left
        if len(left) == len(right):
            return fisher([closest(x, y) for x, y in zip(left, right, strict=True)])
        tried = math.log(len(right))
        return fisher([min(0.0, min(closest(x, y) for y in right) + tried) for x in left])


@dataclass(frozen=True, eq=False)
class Block:
    """What a feed-forward block, or one expert, computes of the prompts.

    Attributes
    ----------
    gate, up : ndarray, (units, prompts)
    """

    gate: NDArray[np.floating]
    up: NDArray[np.floating]

    @cached_property
    def unit_rows(self) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Both with rows of length one; experts, and layers of unequal depths, are compared with several."""
        gate, up = (unit_rows(each.astype(np.float64)) for each in (self.gate, self.up))
        return gate, up


def gated_blocks(model: Checkpoint, layer: int) -> Iterator[str]:
    """Roles' prefixes of a layer's feed-forward block, or of the routed and shared experts."""
    here = f"layers.{layer}.feed_forward."
    prefixes = [f"{here}experts.{expert}." for expert in range(len(model.roles.experts(layer, "up")))]
    prefixes += [prefix for prefix in (here, here + "shared_expert.") if prefix + "up.weight" in model.roles]
    gated = [prefix for prefix in prefixes if prefix + "gate.weight" in model.roles]
    require(bool(gated), "feed-forward blocks without a gate")
    yield from gated


def activations(model: Checkpoint, role: str, states: NDArray[np.floating]) -> NDArray[np.float32]:
    """What a projection makes of states, (units, prompts); of a wide one, a sample of its units."""
    weight = finite(model.roles[f"{role}.weight"])
    places = sampled(len(weight))
    made = weight[places] @ np.asarray(states, dtype=np.float64).T
    bias = model.roles.get(f"{role}.bias")
    if bias is not None:
        made = made + finite(bias)[places, None]
    return made.astype(np.float32)


def blocks_of(fingerprint: Fingerprint) -> list[list[Block]]:
    """Gate and up activations, by layer and block."""
    found: dict[int, list[Block]] = {}
    for name, gate in fingerprint.arrays.items():
        layer, block, part = name.split(".")
        if part == "gate":
            found.setdefault(int(layer), []).append(Block(gate, fingerprint.arrays[f"{layer}.{block}.up"]))
    return [found[layer] for layer in sorted(found)]


def closest(a: list[Block], b: list[Block]) -> float:
    """Log p of two layers: of their closest pair of blocks, times the number of pairs."""
    found = [log_p(x, y) for x in a for y in b]
    return min(0.0, min(found) + math.log(len(found)))


def log_p(a: Block, b: Block) -> float:
    """Log p that the two matchings of units are so alike by chance."""
    if len(a.up) > len(b.up):
        a, b = b, a
    by_gate, by_up = (best_match(x @ y.T) for x, y in zip(a.unit_rows, b.unit_rows, strict=True))
    forth = log_p_of_order(by_up[by_gate.argsort()])
    if len(a.up) < len(b.up):
        return forth
    return max(forth, log_p_of_order(by_up.argsort()[by_gate]))
