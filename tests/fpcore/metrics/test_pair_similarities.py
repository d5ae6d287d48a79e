"""Many pairs at once: what `similarity` gives each of them alone, to the bit, whatever stands beside it."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from small_catalog import CONFIG, VOCABULARY, WIDTH
from test_metrics import model as of_type

import fpcore
from fpcore import Fingerprint, MemoryCheckpoint, NotComparable
from fpcore.features import weight_pairs

pytestmark = pytest.mark.thorough

TOGETHER = [metric.name for metric in fpcore.metrics() if metric.scores_together]
CURVES = ["attention-std", "attention-std-detrended", "ffn-std", "norm-std", "layer-energy", "qkv-bias-max"]
GAINS = ["norm-cosine", "norm-pearson"]
WEIGHTS = ["weight-cosine", "weight-distance"]
TOKENS = ["embedding-anchors", "embedding-norms", "tokenizer-overlap"]
ODD = st.sampled_from(["plain", "plain", "plain", "constant", "zero"])


def alone(metric: fpcore.Metric, a: Fingerprint, b: Fingerprint) -> float:
    """The definition; NaN where it abstains or refuses."""
    try:
        return metric.similarity(a, b)
    except (NotComparable, fpcore.BadCheckpoint):
        return float("nan")


def check(metric: fpcore.Metric, taken: list[Fingerprint], pairs: np.ndarray) -> np.ndarray:
    """Scores of the pairs together, which are those of each alone."""
    together = metric.pair_similarities(taken, pairs)
    assert together.dtype == np.float64
    expected = [alone(metric, taken[a], taken[b]) for a, b in pairs]
    np.testing.assert_array_equal(together, np.array(expected))
    return together


def every_pair(n: int) -> np.ndarray:
    return np.array(list(itertools.product(range(n), repeat=2)), dtype=np.intp)


def test_those_that_score_together() -> None:
    assert sorted(TOGETHER) == sorted([*CURVES, "qkv-bias-std", *GAINS, *WEIGHTS, *TOKENS, "config-match"])


@st.composite
def profiles(draw: st.DrawFn) -> list[dict[str, np.ndarray]]:
    """Curves of models of a few depths, in some of which a part or some of its layers are missing."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    depths = draw(st.lists(st.integers(1, 24), min_size=1, max_size=3))
    models = []
    for _ in range(draw(st.integers(2, 6))):
        depth = draw(st.sampled_from(depths))
        parts = draw(st.lists(st.sampled_from(["a", "b", "c", "d", "d.note"]), min_size=1, unique=True))
        short = draw(st.booleans())
        kind = draw(ODD)
        curves = {}
        for number, part in enumerate(parts):
            curve = rng.lognormal(size=max(1, depth - (short and number == 0)))
            curves[part] = curve if kind == "plain" else np.full_like(curve, float(kind == "constant"))
        models.append(curves)
    return models


@pytest.mark.parametrize("name", CURVES)
@given(models=profiles())
@settings(max_examples=60, deadline=None)
def test_curves(name: str, models: list[dict[str, np.ndarray]]) -> None:
    metric = fpcore.metric(name)
    taken = [Fingerprint(name, metric.version, str(i), str(i), curves) for i, curves in enumerate(models)]
    check(metric, taken, every_pair(len(taken)))


@pytest.mark.parametrize("name", GAINS)
@given(
    shapes=st.lists(
        st.tuples(st.integers(1, 5), st.sampled_from([3, 3, 8, 70]), ODD, st.integers(0, 2)),
        min_size=2,
        max_size=6,
    ),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_gains(name: str, shapes: list[tuple[int, int, str, int]], seed: int) -> None:
    metric, rng = fpcore.metric(name), np.random.default_rng(seed)
    taken = []
    for number, (depth, width, kind, missing) in enumerate(shapes):
        arrays = {
            part: rng.normal(1.0, 0.1, (depth, width))
            if kind == "plain"
            else np.full((depth, width), kind != "zero", float)
            for place, part in enumerate(("attention", "feed_forward"))
            if place != missing - 1
        }
        taken.append(Fingerprint(name, metric.version, str(number), str(number), arrays))
    check(metric, taken, every_pair(len(taken)))


@pytest.mark.parametrize("name", [*TOKENS, "config-match"])
@given(
    vocabularies=st.lists(st.tuples(st.sampled_from([15, 40, 41, 60]), st.integers(0, 30), ODD), min_size=2),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_vocabularies_and_fields(name: str, vocabularies: list[tuple[int, int, str]], seed: int) -> None:
    """Vocabularies that are equal, that overlap, and that share too few tokens."""
    metric, rng = fpcore.metric(name), np.random.default_rng(seed)
    taken = []
    for number, (size, first, kind) in enumerate(vocabularies[:6]):
        values = rng.normal(size=(size, size)) if kind == "plain" else np.zeros((size, size))
        arrays = {
            "keys": np.arange(first, first + size, dtype=float),
            "cosines": values,
            "norms": np.sort(np.abs(values[0])),
            "fields": rng.integers(0, 2, 10).astype(float),
        }
        taken.append(Fingerprint(name, metric.version, str(number), str(number), arrays))
    check(metric, taken, every_pair(len(taken)))


@cache
def weights(depth: int, inner: int, kind: str, seed: int) -> MemoryCheckpoint:
    """A model of so many layers of that feed-forward width; `kind` says what is odd about it."""
    rng = torch.Generator().manual_seed(seed)
    config = CONFIG | {"num_hidden_layers": depth, "intermediate_size": inner}
    tensors = {
        "model.embed_tokens.weight": torch.randn(VOCABULARY, WIDTH, generator=rng),
        "model.norm.weight": torch.ones(WIDTH),
    }
    shapes = {f"self_attn.{part}_proj": (WIDTH, WIDTH) for part in "qkvo"} | {
        "mlp.gate_proj": (inner, WIDTH),
        "mlp.up_proj": (inner, WIDTH),
        "mlp.down_proj": (WIDTH, inner),
    }
    for layer in range(depth):
        for name, shape in shapes.items():
            tensor = torch.randn(*shape, generator=rng) * 10.0 ** (seed % 5 - 2)
            tensors[f"model.layers.{layer}.{name}.weight"] = tensor * (kind != "zero")
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"model.layers.{layer}.{name}.weight"] = torch.ones(WIDTH)
    if kind == "16 bits":
        tensors = {name: tensor.to(torch.bfloat16) for name, tensor in tensors.items()}
    if kind in ("zero tensor", "damaged"):
        tensors["model.layers.0.mlp.up_proj.weight"][0 if kind == "damaged" else slice(None)] = (
            float("nan") if kind == "damaged" else 0.0
        )
    name = f"{kind} {depth} {inner} {seed}"
    return MemoryCheckpoint(name, name, config, tensors)


KINDS = st.sampled_from(["plain", "plain", "16 bits", "zero tensor", "zero", "damaged"])
MODELS = st.tuples(st.integers(1, 3), st.sampled_from([24, 24, 40]), KINDS, st.integers(0, 40))


@pytest.mark.parametrize("name", WEIGHTS)
@given(
    shapes=st.lists(MODELS, min_size=2, max_size=6),
    seed=st.integers(0, 2**32 - 1),
    blocks=st.integers(1, 4),
    held=st.sampled_from([1 << 30, 10_000, 1]),
)
@settings(max_examples=60, deadline=None)
def test_weights(
    name: str, shapes: list[tuple[int, int, str, int]], seed: int, blocks: int, held: int
) -> None:
    """Also where few columns fit in the cache, and few models into memory."""
    metric = fpcore.metric(name)
    taken = [metric.fingerprint(weights(*shape)) for shape in shapes]
    pairs = every_pair(len(taken))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weight_pairs, "FEWEST", 1)
        patch.setattr(weight_pairs, "CACHED", 4 * 512 * blocks)
        patch.setattr(weight_pairs, "HELD", held)
        whole = check(metric, taken, pairs)
        some = np.random.default_rng(seed).permutation(len(pairs))[:5]
        np.testing.assert_array_equal(metric.pair_similarities(taken, pairs[some]), whole[some])


class Reading(MemoryCheckpoint):
    """Notes which tensors are read."""

    def __init__(self, checkpoint: MemoryCheckpoint) -> None:
        tensors = {name: checkpoint.read(name) for name in checkpoint.tensors}
        super().__init__(checkpoint.name, checkpoint.digest, checkpoint.config, tensors)
        self.was_read: list[str] = []

    def read(self, name: str) -> torch.Tensor:
        self.was_read.append(name)
        return super().read(name)


@pytest.mark.parametrize("name", WEIGHTS)
def test_each_model_is_read_once_and_for_pairs_that_match_only(name: str) -> None:
    metric = fpcore.metric(name)
    models = [Reading(weights(2, 24, "plain", seed)) for seed in range(4)]
    metric.pair_similarities([metric.fingerprint(model) for model in models], every_pair(4))
    for model in models:
        matrices = [
            name for name in model.tensors if len(model.tensors[name].shape) == 2 and "layers" in name
        ]
        assert sorted(model.was_read) == sorted(matrices)


def test_a_model_that_shares_nothing_is_not_read() -> None:
    metric = fpcore.metric("weight-cosine")
    narrow = Reading(weights(2, 24, "plain", 1))
    other = of_type("gpt2", n_embd=32)
    taken = [metric.fingerprint(narrow), metric.fingerprint(other)]
    assert np.isnan(metric.pair_similarities(taken, np.array([(0, 1)]))).all()
    with pytest.raises(NotComparable, match="same role and shape"):
        metric.similarity(*taken)
    assert narrow.was_read == []


def test_a_subclass_with_a_similarity_of_its_own_is_scored_by_it() -> None:
    """Metrics of users derive from ours: what they inherit must not speak for what they wrote."""
    from fpcore.metrics.depth_profiles import AttentionStd, DepthProfile

    class Halved(AttentionStd):
        name = "halved"

        def similarity(self, a: Fingerprint, b: Fingerprint) -> float:
            return super().similarity(a, b) / 2.0

    class OtherParts(AttentionStd):
        name = "other-parts"

        def common_parts(self, a: Fingerprint, b: Fingerprint) -> tuple[str, ...]:
            return super().common_parts(a, b)[:1]

    class Renamed(AttentionStd):
        name = "renamed"

    assert AttentionStd().scores_together
    assert Renamed().scores_together
    assert not Halved().scores_together
    taken = [
        Fingerprint("x", 1, str(seed), str(seed), {"query": np.random.default_rng(seed).random(5)})
        for seed in (1, 2)
    ]
    assert np.isnan(OtherParts().pair_similarities(taken, np.array([(0, 1)]))).all()
    assert DepthProfile.pair_similarities is AttentionStd.pair_similarities
