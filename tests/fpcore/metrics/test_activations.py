"""Metrics of activations and gradients against their definitions, and where they abstain."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from forward_models import stored
from kernel_cka import kernel_cka, kernel_debiased_cka
from scipy.optimize import linear_sum_assignment

import fpcore
from fpcore import Checkpoint, Fingerprint, MemoryCheckpoint, NotComparable
from fpcore.features import assignment
from fpcore.forward import forward_pass
from fpcore.metrics import activations
from fpcore.metrics.activations import paired_layers
from fpcore.metrics.gradients import MOMENTS, gradient_moments, perturbed_inputs


def score(name: str, a: Checkpoint, b: Checkpoint) -> float:
    metric = fpcore.metric(name)
    return metric.similarity(metric.fingerprint(a), metric.fingerprint(b))


def centred(x: np.ndarray) -> np.ndarray:
    return x - x.mean(axis=0)


def test_representation_cka_of_two_models() -> None:
    a, b = stored("llama", 0, num_hidden_layers=3), stored("qwen3", 1, num_hidden_layers=3, hidden_size=24)
    x, y = ([layer.copy() for layer in forward_pass(model).hidden] for model in (a, b))
    expected = np.mean([kernel_cka(p, q) for p, q in zip(x, y, strict=True)])
    assert score("representation-cka", a, b) == pytest.approx(expected, rel=1e-3)
    expected = np.mean([kernel_debiased_cka(p, q) for p, q in zip(x, y, strict=True)])
    assert score("representation-cka-debiased", a, b) == pytest.approx(expected, rel=1e-2, abs=1e-4)


def test_layers_pair_by_relative_depth() -> None:
    assert paired_layers(3, 3) == [(0, 0), (1, 1), (2, 2)]
    assert paired_layers(3, 5) == [(0, 0), (1, 2), (2, 4)]
    assert paired_layers(5, 3) == [(0, 0), (2, 1), (4, 2)]
    assert paired_layers(1, 4) == [(0, 3)]
    a, b = stored("llama", 0, num_hidden_layers=3), stored("llama", 1, num_hidden_layers=5)
    for name in ("representation-cka", "activation-norm", "kv-cache", "kv-cache-cosine"):
        assert -1.0 <= score(name, a, b) <= 1.0


def test_activation_norms_are_means_over_all_tokens() -> None:
    model = stored("llama", 0, num_hidden_layers=3)
    norms = fpcore.metric("activation-norm").fingerprint(model).arrays["norms"]
    from fpcore.forward.causal_model import load_model
    from fpcore.forward.one_pass import positions
    from fpcore.forward.prompts import tokenised

    running = load_model(model)
    total, tokens = 0.0, 0
    for row in tokenised(model):
        with torch.no_grad():
            ids = torch.tensor([row[: positions(model)]])
            states = running(input_ids=ids, output_hidden_states=True).hidden_states[1]
        total += float(states.norm(dim=-1).sum())
        tokens += ids.numel()
    assert norms[0] == pytest.approx(total / tokens, rel=1e-4)


def test_cached_states_by_their_definition() -> None:
    a, b = stored("qwen2", 0), stored("qwen2", 1)
    x, y = forward_pass(a), forward_pass(b)
    assert x.keys[0].shape == (256, 8)  # two heads of four
    parts = [*zip(x.keys, y.keys, strict=True), *zip(x.values, y.values, strict=True)]
    assert score("kv-cache", a, b) == pytest.approx(np.mean([kernel_cka(p, q) for p, q in parts]), rel=1e-3)
    cosines = [(p * q).sum(1) / np.linalg.norm(p, axis=1) / np.linalg.norm(q, axis=1) for p, q in parts]
    assert score("kv-cache-cosine", a, b) == pytest.approx(np.mean(cosines), rel=1e-4)
    with pytest.raises(NotComparable, match="states of different sizes"):
        score("kv-cache-cosine", a, stored("qwen2", 0, num_key_value_heads=4))


def kept(metric: fpcore.Metric, keys: np.ndarray, values: np.ndarray) -> Fingerprint:
    return Fingerprint(metric.name, metric.version, "", "", {"keys.0": keys, "values.0": values})


def test_cosines_of_states_are_of_float64_and_within_their_range() -> None:
    metric, ends = fpcore.metric("kv-cache-cosine"), []
    for keys, values in np.random.default_rng(0).normal(size=(200, 2, 3, 5)).astype(np.float32):
        one, other = kept(metric, keys, values), kept(metric, -2 * keys, -2 * values)
        ends += [metric.similarity(one, one), -metric.similarity(one, other)]
        found = metric.similarity(one, kept(metric, values, keys))
        x, y = keys.astype(float), values.astype(float)
        cosines = (x * y).sum(axis=1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
        assert found == pytest.approx(cosines.mean(), abs=1e-12)
    assert max(ends) == 1.0
    assert min(ends) > 1.0 - 1e-12
    with pytest.raises(NotComparable, match=r"^a layer keeps a state of zeros, whose cosine is undefined$"):
        metric.similarity(one, kept(metric, keys, 0 * values))


def test_attention_that_keeps_states_in_some_layers_only_abstains(monkeypatch: pytest.MonkeyPatch) -> None:
    model = stored("llama", 0, num_hidden_layers=3)
    passed = forward_pass(model)
    monkeypatch.setattr(activations, "forward_pass", lambda _: replace(passed, keys=passed.keys[:2]))
    for name in ("kv-cache", "kv-cache-cosine"):
        with pytest.raises(
            NotComparable, match=r"^its attention does not keep keys and values in every layer$"
        ):
            fpcore.metric(name).fingerprint(model)


@pytest.mark.parametrize("biased", [False, True])
def test_activations_are_what_the_projections_make(biased: bool) -> None:
    model = stored("llama", 1, num_hidden_layers=3, mlp_bias=biased)
    found = fpcore.metric("activation-matching").fingerprint(model).arrays
    for layer, states in enumerate(forward_pass(model).inner):
        for part in ("gate", "up"):
            name = f"model.layers.{layer}.mlp.{part}_proj."
            bias = model.read(name + "bias").double() if biased else None
            assert bias is None or bias.abs().min() > 0
            made = torch.nn.functional.linear(
                torch.as_tensor(states.copy()).double(), model.read(name + "weight").double(), bias
            )
            assert found[f"{layer}.0.{part}"].dtype == np.float32
            assert found[f"{layer}.0.{part}"] == pytest.approx(made.numpy().T, abs=1e-5)


def test_of_many_layers_tried_none_has_a_p_value_beyond_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of models of two and three layers; a layer's log p stands where its activations would."""
    metric = fpcore.metric("activation-matching")
    monkeypatch.setattr(activations, "closest", lambda x, _: float(x[0].gate.item()))
    short, long = (
        Fingerprint(
            metric.name,
            metric.version,
            "",
            "",
            {f"{i}.0.{part}": np.array([[p]]) for i, p in enumerate(log_p) for part in ("gate", "up")},
        )
        for log_p in ([-30.0, -0.1], [-1.0, -2.0, -3.0])
    )
    expected = scipy.stats.combine_pvalues([3 * math.exp(-30), 1.0]).pvalue
    assert metric.similarity(short, long) == pytest.approx(-math.log10(expected), rel=1e-9)
    assert metric.similarity(long, short) == metric.similarity(short, long)


def activation_order(a: dict[str, Any], b: dict[str, Any], layer: int) -> list[np.ndarray]:
    found = []
    for part in ("gate", "up"):
        x, y = a[f"{layer}.0.{part}"], b[f"{layer}.0.{part}"]
        lengths = np.linalg.norm(x, axis=1)[:, None] * np.linalg.norm(y, axis=1)
        found.append(linear_sum_assignment(-(x @ y.T) / lengths)[1])
    return found


def test_activation_matching_by_definition() -> None:
    metric = fpcore.metric("activation-matching")
    a, b = (metric.fingerprint(stored("llama", seed, num_hidden_layers=3)) for seed in (1, 2))
    found = []
    for layer in range(3):
        gate, up = activation_order(dict(a.arrays), dict(b.arrays), layer)
        p = [
            scipy.stats.spearmanr(x, y, alternative="greater").pvalue
            for x, y in ((gate, up), (gate.argsort(), up.argsort()))
        ]
        found.append(max(p))
    expected = -np.log10(scipy.stats.combine_pvalues(found).pvalue)
    assert metric.similarity(a, b) == pytest.approx(max(0.0, expected), rel=1e-6)
    perfect = 2 * 3 * math.lgamma(24 + 1)
    assert metric.similarity(a, a) == pytest.approx(
        -scipy.stats.chi2.logsf(perfect, 6) / math.log(10), rel=1e-6
    )


def permuted(model: MemoryCheckpoint, layers: int) -> MemoryCheckpoint:
    tensors = {name: model.read(name) for name in model.tensors}
    generator = torch.Generator().manual_seed(4)
    for layer in range(layers):
        order = torch.randperm(24, generator=generator)
        for part in ("gate", "up", "down"):
            for kind in ("weight", "bias"):
                name = f"model.layers.{layer}.mlp.{part}_proj.{kind}"
                if part == "down":
                    tensors[name] = tensors[name][:, order] if kind == "weight" else tensors[name]
                elif name in tensors:
                    tensors[name] = tensors[name][order]
    return MemoryCheckpoint("permuted", "permuted", model.config, tensors, model.tokenizer_file())


def test_renumbered_units_are_found_again() -> None:
    model = stored("llama", 1, num_hidden_layers=3)
    hidden = permuted(model, 3)
    assert score("activation-matching", model, hidden) == score("activation-matching", model, model)
    assert score("activation-matching", hidden, stored("llama", 2, num_hidden_layers=3)) < 4


def test_wide_blocks_are_matched_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assignment, "MOST_UNITS", 12)
    model, stranger = (stored("llama", seed, num_hidden_layers=3) for seed in (1, 2))
    assert fpcore.metric("activation-matching").fingerprint(model).arrays["0.0.up"].shape == (12, 256)
    perfect = 2 * 3 * math.lgamma(12 + 1)
    expected = -scipy.stats.chi2.logsf(perfect, 6) / math.log(10)
    assert score("activation-matching", model, model) == pytest.approx(expected, rel=1e-6)
    assert score("activation-matching", model, stranger) < 4


def test_depths_widths_and_mixtures_that_differ() -> None:
    a = stored("llama", 1, num_hidden_layers=3)
    for other in (
        stored("llama", 2, num_hidden_layers=4),
        stored("llama", 2, num_hidden_layers=3, intermediate_size=32),
        stored("qwen2_moe", 2, num_hidden_layers=3),
    ):
        found = score("activation-matching", a, other)
        assert 0.0 <= found < 6
        assert found == pytest.approx(score("activation-matching", other, a))


BLOCKS_WITHOUT_A_GATE = (
    r"^(feed-forward blocks without a gate|no feed-forward block of its own in each layer)$"
)


@pytest.mark.parametrize("name", ["gpt2", "gpt_neox", "opt"])
def test_blocks_without_a_gate_abstain(name: str) -> None:
    with pytest.raises(NotComparable, match=BLOCKS_WITHOUT_A_GATE):
        fpcore.metric("activation-matching").fingerprint(stored(name))


def test_gradient_moments_are_those_of_the_gradient() -> None:
    """By running backwards, for each perturbed input."""
    weight = torch.randn(9, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = []
    for x in torch.from_numpy(perturbed_inputs(6).copy()):
        matrix = weight.clone().requires_grad_()
        (matrix @ x).norm().backward()
        gradient = matrix.grad.numpy().ravel()
        found.append(
            [
                gradient.mean(),
                gradient.std(),
                np.linalg.norm(gradient),
                scipy.stats.skew(gradient),
                scipy.stats.kurtosis(gradient),
            ]
        )
    assert len(MOMENTS) == len(found[0])
    np.testing.assert_allclose(gradient_moments(weight.numpy()), np.mean(found, axis=0), rtol=1e-9)


def test_gradient_moments_of_two_models() -> None:
    a, b = stored("llama", 0), stored("llama", 1)
    metric = fpcore.metric("gradient-moments")
    x, y = metric.fingerprint(a), metric.fingerprint(b)
    flat = [np.concatenate([each.arrays[role] for role in x.arrays]) for each in (x, y)]
    assert metric.similarity(x, y) == pytest.approx(np.corrcoef(*flat)[0, 1])
    # Norms are those of the input, whatever the weights.
    assert all(x.arrays[role][2] == pytest.approx(y.arrays[role][2]) for role in x.arrays)
    zero = {name: torch.zeros_like(a.read(name)) for name in a.tensors}
    with pytest.raises(NotComparable, match="a weight matrix is zero"):
        metric.fingerprint(MemoryCheckpoint("zero", "zero", a.config, zero))
