"""Metrics × transforms: what a metric says it is invariant to, and that it notices everything else."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from double_precision import logits_in_double
from tiny_models import TINY

import fpcore
from fpcore.protocol import INVARIANCES

Tensors = dict[str, torch.Tensor]
DEPTH, WIDTH, HEADS, KV_HEADS, HEAD, UNITS, VOCABULARY = 7, 32, 4, 2, 8, 48, 512
STATIC = {"config", "tokenizer", "weights"}  # what runs the model has tests of its own


def tabled() -> dict[str, fpcore.Metric]:
    """The metrics whose every claim is tested here: all of the registry that look at files alone."""
    return {metric.name: metric for metric in fpcore.metrics() if metric.evidence <= STATIC}


METRICS = tabled()


@cache
def built(seed: int) -> tuple[Any, Tensors]:
    """A model with biases and gains of its own; float64, so that only the transform changes it."""
    tiny = next(tiny for tiny in TINY if tiny.model_type == "qwen2")
    model = tiny.build(
        num_hidden_layers=DEPTH, hidden_size=WIDTH, intermediate_size=UNITS, vocab_size=VOCABULARY
    ).double()
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            spread = (0.2 + torch.rand(1)) * torch.randn_like(tensor)
            tensor.copy_(1 + 0.3 * spread if "norm" in name else 0.3 * spread)
    return model, {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def base(seed: int) -> Tensors:
    return dict(built(seed)[1])


def layer_names(layer: int) -> str:
    return f"model.layers.{layer}."


def permute_units(tensors: Tensors, rng: torch.Generator) -> None:
    for layer in range(DEPTH):
        order = torch.randperm(UNITS, generator=rng)
        mlp = layer_names(layer) + "mlp."
        for part in ("gate", "up"):
            tensors[f"{mlp}{part}_proj.weight"] = tensors[f"{mlp}{part}_proj.weight"][order]
        tensors[f"{mlp}down_proj.weight"] = tensors[f"{mlp}down_proj.weight"][:, order]


def permute_heads(tensors: Tensors, rng: torch.Generator) -> None:
    for layer in range(DEPTH):
        attn = layer_names(layer) + "self_attn."
        kv = torch.randperm(KV_HEADS, generator=rng).flip(0) if layer % 2 else torch.tensor([1, 0])
        group = HEADS // KV_HEADS
        q = (kv[:, None] * group + torch.arange(group).flip(0)).flatten()
        rows = {"q": q, "k": kv, "v": kv}
        for part, order in rows.items():
            index = (order[:, None] * HEAD + torch.arange(HEAD)).flatten()
            for kind in ("weight", "bias"):
                tensors[f"{attn}{part}_proj.{kind}"] = tensors[f"{attn}{part}_proj.{kind}"][index]
        index = (q[:, None] * HEAD + torch.arange(HEAD)).flatten()
        tensors[f"{attn}o_proj.weight"] = tensors[f"{attn}o_proj.weight"][:, index]


def fold_gains(tensors: Tensors, rng: torch.Generator) -> None:
    def fold(norm: str, *readers: str) -> None:
        gain = tensors[norm]
        for reader in readers:
            tensors[reader] = tensors[reader] * gain
        tensors[norm] = torch.ones_like(gain)

    for layer in range(DEPTH):
        here = layer_names(layer)
        fold(f"{here}input_layernorm.weight", *(f"{here}self_attn.{part}_proj.weight" for part in "qkv"))
        fold(
            f"{here}post_attention_layernorm.weight",
            *(f"{here}mlp.{part}_proj.weight" for part in ("gate", "up")),
        )
    fold("model.norm.weight", "lm_head.weight")


def permute_embedding(tensors: Tensors, rng: torch.Generator) -> None:
    order = torch.randperm(WIDTH, generator=rng)
    for name, tensor in tensors.items():
        if name.endswith(("o_proj.weight", "down_proj.weight")) or "norm" in name:
            tensors[name] = tensor[order]
        elif tensor.ndim == 2:
            tensors[name] = tensor[:, order]


def rotate(tensors: Tensors, rng: torch.Generator) -> None:
    fold_gains(tensors, rng)
    q, _ = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=rng, dtype=torch.float64))
    for name, tensor in tensors.items():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            tensors[name] = q.T @ tensor
        elif tensor.ndim == 2:
            tensors[name] = tensor @ q


def gauge(a: str, b: str) -> Callable[[Tensors, torch.Generator], None]:
    def apply(tensors: Tensors, rng: torch.Generator) -> None:
        for layer in range(DEPTH):
            attn = layer_names(layer) + "self_attn."
            c = float(torch.exp(0.5 * torch.randn(1, generator=rng)))
            for part, factor in ((a, c), (b, 1 / c)):
                for kind in ("weight", "bias"):
                    name = f"{attn}{part}_proj.{kind}"
                    if name in tensors:
                        tensors[name] = tensors[name] * factor

    return apply


def scale(tensors: Tensors, rng: torch.Generator) -> None:
    for name in tensors:
        tensors[name] = tensors[name] * 1.7


def far(power: int, *, of_all: bool) -> Callable[[Tensors, torch.Generator], None]:
    """Exact, and beyond what float32 can square: of all tensors, or values up and outputs down."""

    def apply(tensors: Tensors, rng: torch.Generator) -> None:
        for name in tensors:
            if of_all or ".v_proj." in name:
                tensors[name] = tensors[name] * 2.0**power
            elif ".o_proj." in name:
                tensors[name] = tensors[name] * 2.0**-power

    return apply


def cast(tensors: Tensors, rng: torch.Generator) -> None:
    for name in tensors:
        tensors[name] = tensors[name].to(torch.bfloat16)


TRANSFORMS: dict[str, Callable[[Tensors, torch.Generator], None]] = {
    "unit permutation": permute_units,
    "head permutation": permute_heads,
    "embedding permutation": permute_embedding,
    "residual rotation": rotate,
    "q/k gauge": gauge("q", "k"),
    "v/o gauge": gauge("v", "o"),
    "norm-gain folding": fold_gains,
    "global scale": scale,
    "dtype cast": cast,
}
FAR = {
    f"{what} by 2^{power}": far(power, of_all=what == "all")
    for what in ("all", "v/o")
    for power in (100, -100)
}
# What an invariance allows: rounding, and for a cast to eight bits of mantissa, its effect.
TOLERANCE = dict.fromkeys(TRANSFORMS, 1e-6) | {"dtype cast": 0.02}


@cache
def tokenizer(seed: int) -> Path:
    """Most tokens are those of every model, each model has some of its own, and ids differ."""
    order = torch.randperm(VOCABULARY, generator=torch.Generator().manual_seed(seed)).tolist()
    words = [f"word{i}" if i < VOCABULARY - 8 else f"own{seed}-{i}" for i in range(VOCABULARY)]
    file = Path(tempfile.mkdtemp(prefix="lookalike-test-")) / "tokenizer.json"
    vocabulary = dict(zip(words, order, strict=True))
    file.write_text(json.dumps({"model": {"type": "BPE", "vocab": vocabulary}}), encoding="utf-8")
    return file


@cache
def checkpoint(seed: int, transform: str = "") -> fpcore.MemoryCheckpoint:
    model, _ = built(seed)
    tensors = base(seed)
    if transform:
        (TRANSFORMS | FAR)[transform](tensors, torch.Generator().manual_seed(7))
    name = f"{seed}-{transform}"
    return fpcore.MemoryCheckpoint(name, name, model.config.to_dict(), tensors, tokenizer(seed))


@cache
def similarity(name: str, transform_a: str, seed_b: int, transform_b: str = "") -> float | str:
    metric = METRICS[name]
    try:
        a, b = checkpoint(1, transform_a), checkpoint(seed_b, transform_b)
        return metric.similarity(metric.fingerprint(a), metric.fingerprint(b))
    except fpcore.NotComparable as error:
        return error.reason


def test_every_invariance_has_its_transform() -> None:
    assert set(TRANSFORMS) == set(INVARIANCES)


@pytest.mark.parametrize("transform", [t for t in TRANSFORMS if t not in {"global scale", "dtype cast"}])
def test_the_transforms_keep_the_function(transform: str) -> None:
    model, tensors = built(1)
    tokens = torch.tensor([[3, 17, 5, 28, 9]])
    before = logits_in_double(model, tokens)
    model.load_state_dict(dict(checkpoint(1, transform)._weights))
    after = logits_in_double(model, tokens)
    model.load_state_dict(tensors)
    assert not all(
        torch.equal(tensor, checkpoint(1, transform).read(name)) for name, tensor in tensors.items()
    )
    torch.testing.assert_close(before, after, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("name", METRICS)
def test_claimed_invariances_and_no_others(name: str, transform: str) -> None:
    """A transformed model scores against itself and against a stranger as the original does, or not."""
    moved = 0.0
    for other in (1, 2):
        before, after = similarity(name, "", other), similarity(name, transform, other)
        assert isinstance(before, float), "the original compares with both"
        moved = max(moved, abs(after - before) if isinstance(after, float) else 1.0)
    if transform in METRICS[name].invariances:
        assert moved <= TOLERANCE[transform]
    else:
        assert moved > 1e-3, f"{name} does not notice {transform}: it should say so"


@pytest.mark.parametrize("transform", FAR)
@pytest.mark.parametrize("name", METRICS)
def test_what_float32_cannot_square_is_measured_all_the_same(name: str, transform: str) -> None:
    """A gauge keeps the outputs however far it goes: a score must not fall, or rise, by overflow."""
    if {"all": "global scale", "v/o": "v/o gauge"}[transform.split()[0]] in METRICS[name].invariances:
        for other in ("", transform):
            assert similarity(name, transform, 2, other) == pytest.approx(similarity(name, "", 2), abs=1e-6)


@pytest.mark.parametrize("power", [100, -100])
def test_weights_that_float32_cannot_square_are_compared_with_others(power: int) -> None:
    """Weight metrics see the gauge, and see it as numpy does in float64."""
    a, b = checkpoint(1, f"v/o by 2^{power}"), checkpoint(2)
    named = [name for name in a.tensors if "layers." in name and len(a.read(name).shape) == 2]
    pairs = [[each.read(name).double().numpy().ravel() for each in (a, b)] for name in named]
    x, y = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    norm = np.linalg.norm
    cosine = x @ y / norm(x) / norm(y)
    apart = -np.mean([norm(p - q) / np.sqrt(norm(p) * norm(q)) for p, q in pairs])
    for name, expected in (("weight-cosine", cosine), ("weight-distance", apart)):
        metric = METRICS[name]
        taken = [metric.fingerprint(each) for each in (a, b)]
        assert metric.similarity(*taken) == pytest.approx(expected, rel=1e-5)
        assert np.isnan(metric.pair_similarities(taken, np.array([(0, 1)]))).all(), "left to similarity"
