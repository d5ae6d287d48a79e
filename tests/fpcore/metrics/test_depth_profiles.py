"""Detrended curves, layer energy and weight distance against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_metrics import PARTS, matrices, model, score, std_curve

import fpcore
from fpcore import Fingerprint, MemoryCheckpoint, NotComparable
from fpcore.features.flat_weights import flat_weights
from fpcore.metrics.depth_profiles import AttentionStdDetrended


def less_cubic(curve: np.ndarray) -> np.ndarray:
    x = np.arange(len(curve))
    return curve - np.polyval(np.polyfit(x, curve, 3), x)


def test_detrended_curves_by_definition() -> None:
    a, b = (model(seed=seed, num_hidden_layers=9) for seed in (1, 2))

    def expected(shift: int) -> float:
        return np.mean(
            [
                np.corrcoef(less_cubic(std_curve(a, part)), np.roll(less_cubic(std_curve(b, part)), shift))[
                    0, 1
                ]
                for part in PARTS["attention-std"]
            ]
        )

    assert score("attention-std-detrended", a, b) == pytest.approx(expected(0), abs=1e-9)
    assert score("attention-std-detrended", a, a) == pytest.approx(1.0, abs=1e-12)
    metric = fpcore.metric("attention-std-detrended")
    assert isinstance(metric, AttentionStdDetrended)
    scores = metric.shifted(metric.fingerprint(a), metric.fingerprint(b))
    assert scores.tolist() == pytest.approx([expected(shift) for shift in range(9)], abs=1e-9)


@pytest.mark.parametrize("name", ["attention-std", "attention-std-detrended"])
def test_mirrored_curves_are_at_the_end_of_the_range(name: str) -> None:
    """Rounding leads neither score out of it, of a pair alone or among others."""
    metric, curves = fpcore.metric(name), np.random.default_rng(0).random((200, 8))
    taken = [
        Fingerprint(name, metric.version, "", "", {"query": way * curve})
        for curve in curves
        for way in (1, -1)
    ]
    pairs = np.arange(400).reshape(200, 2)
    together = metric.pair_similarities(taken, pairs)
    alone = np.array([metric.similarity(taken[a], taken[b]) for a, b in pairs])
    for scores in (together, alone):
        assert scores.min() == -1.0
        assert scores.max() < -1.0 + 1e-12


def test_a_curve_that_is_not_finite_is_named() -> None:
    metric = fpcore.metric("attention-std-detrended")
    taken = [
        Fingerprint(metric.name, metric.version, "", "", {"query": np.ones(8), "key": np.full(8, last)})
        for last in (1.0, np.nan)
    ]
    taken[0].arrays["query"][3] = taken[1].arrays["query"][3] = 2.0
    with pytest.raises(NotComparable, match="key: the curve is not finite"):
        metric.similarity(*taken[::-1])


def test_means_of_experts_are_shown_of_mixtures_alone() -> None:
    metric = fpcore.metric("ffn-std")
    assert set(metric.fingerprint(model(seed=1)).arrays) == {"gate", "up", "down"}
    two = metric.fingerprint(model("qwen2_moe", seed=1, num_experts=2)).arrays
    assert {"gate.mean_of_experts", "up.mean_of_experts", "down.mean_of_experts"} < set(two)


def scaled_by_depth(seed: int) -> MemoryCheckpoint:
    """A model whose layers grow along a cubic, as all models do, with 2% of its own on top."""
    base = model(seed=seed, num_hidden_layers=12)
    torch.manual_seed(seed)
    tensors = {}
    for name in base.tensors:
        words = name.split(".")
        layer = int(words[2]) if words[1] == "layers" else 0
        trend = 1.0 + 0.3 * layer - 0.04 * layer**2 + 0.002 * layer**3
        tensor = base.read(name)
        spread = float(1 + 0.02 * torch.randn(1))
        tensors[name] = tensor / tensor.std() * trend * spread if tensor.ndim == 2 else tensor
    return MemoryCheckpoint(f"trend-{seed}", f"trend-{seed}", base.config, tensors)


def test_a_shared_trend_is_no_kinship() -> None:
    a, b = scaled_by_depth(1), scaled_by_depth(2)
    assert score("attention-std", a, b) > 0.97
    assert abs(score("attention-std-detrended", a, b)) < 0.6


def test_few_layers_and_pure_trends_abstain() -> None:
    with pytest.raises(NotComparable, match="5 layers; minus a cubic trend, it needs at least 6"):
        score("attention-std-detrended", model(seed=1), model(seed=2))
    metric = fpcore.metric("attention-std-detrended")
    layers = np.arange(8.0)
    flat = metric.make_fingerprint(model(), dict.fromkeys(("query", "key", "value", "output"), 1 + layers**3))
    other = metric.fingerprint(model(seed=2, num_hidden_layers=8))
    with pytest.raises(NotComparable, match="query: nothing is left of the curve after removing its trend"):
        metric.similarity(flat, other)


def test_layer_energy_by_definition() -> None:
    a, b = model(seed=1), model(seed=2)

    def energy(checkpoint: MemoryCheckpoint) -> list[float]:
        return [
            sum(
                float(checkpoint.read(name).double().norm())
                for name in checkpoint.tensors
                if f".layers.{layer}." in name
            )
            for layer in range(5)
        ]

    expected = (np.corrcoef(energy(a), energy(b))[0, 1] + 1) / 2
    assert score("layer-energy", a, b) == pytest.approx(expected, abs=1e-9)
    assert max(fpcore.metric("layer-energy").fingerprint(a).arrays["energy"]) == 1.0
    assert score("layer-energy", a, a) == pytest.approx(1.0)


def distance_by_hand(a: MemoryCheckpoint, b: MemoryCheckpoint) -> float:
    left, right = matrices(a), matrices(b)
    names = [name for name in left if name in right and left[name].shape == right[name].shape]
    norm = np.linalg.norm
    return -float(
        np.mean([norm(left[n] - right[n]) / np.sqrt(norm(left[n]) * norm(right[n])) for n in names])
    )


def test_weight_distance_by_definition() -> None:
    a, b, wide = model(seed=1), model(seed=2), model(seed=3, intermediate_size=32)
    pairs = ((a, b), (a, wide), (b, model("qwen2_moe", seed=2)))
    held = [score("weight-distance", x, y) for x, y in pairs]
    assert held == pytest.approx([distance_by_hand(x, y) for x, y in pairs], rel=1e-6)
    assert score("weight-distance", a, a) == 0.0
    for each in (a, b, wide):
        each.memo = fpcore.Memo(limit=1000)
        assert flat_weights(each) is None, "too large to be held: it is streamed"
    assert [score("weight-distance", x, y) for x, y in pairs] == pytest.approx(held, rel=1e-6)


def test_weight_distance_abstains_where_nothing_matches() -> None:
    with pytest.raises(NotComparable, match="same role and shape"):
        score("weight-distance", model(), model("gpt2", n_embd=32))


def test_metrics_of_whole_tensors_refuse_stored_fingerprints() -> None:
    metric = fpcore.metric("weight-distance")
    a = metric.fingerprint(model())
    with pytest.raises(fpcore.BadCheckpoint, match="weight-distance needs the checkpoint"):
        metric.similarity(a, Fingerprint(a.metric, a.version, "stored", "x", {}))
