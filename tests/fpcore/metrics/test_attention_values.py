"""SELF's features against their published definition, head by head from stored weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_metrics import model, score

import fpcore
from fpcore import Fingerprint, MemoryCheckpoint, NotComparable
from fpcore.metrics.attention_values import KINDS

NAME = "attention-values"


def in_double(checkpoint: MemoryCheckpoint) -> MemoryCheckpoint:
    tensors = {name: checkpoint.read(name).double() for name in checkpoint.tensors}
    return MemoryCheckpoint(checkpoint.name, checkpoint.digest, checkpoint.config, tensors)


def rows(checkpoint: MemoryCheckpoint, layer: int) -> list[np.ndarray]:
    """The four rows of a qwen2 layer: products of whole matrices with keys and values repeated."""

    def stored(name: str) -> np.ndarray:
        return checkpoint.read(f"model.layers.{layer}.{name}.weight").double().numpy()

    q, k, v = (stored(f"self_attn.{part}_proj") * stored("input_layernorm") for part in "qkv")
    k, v = (np.concatenate([each[4 * (head // 2) :][:4] for head in range(4)]) for each in (k, v))
    found = []
    for product in (q.T @ k, v.T @ stored("self_attn.o_proj").T):
        found.append(np.sqrt(np.linalg.eigvalsh(product.T @ product).clip(0))[::-1])
        found.append(np.sort(np.abs(np.linalg.eigvals(product)))[::-1])
    return [row / np.linalg.norm(row) for row in found]


def test_by_definition_as_a_distance() -> None:
    a, b = (in_double(model(seed=seed)) for seed in (1, 2))
    layers = 5
    x, y = (np.concatenate([np.stack(rows(each, layer)) for layer in range(layers)]) for each in (a, b))
    distance = np.linalg.norm(x - y)
    assert score(NAME, a, b) == pytest.approx(1 - distance**2 / (2 * len(x)), abs=1e-9)
    assert score(NAME, a, a) == pytest.approx(1.0, abs=1e-12)


def of_values(*values: float) -> Fingerprint:
    return Fingerprint(NAME, 1, "", "", dict.fromkeys(KINDS, np.array([values])))


def test_three_values_are_enough_and_two_are_not() -> None:
    metric = fpcore.metric(NAME)
    assert metric.similarity(of_values(3.0, 2.0, 1.0), of_values(1.0, 1.0, 1.0, 1.0)) == pytest.approx(
        6 / np.sqrt(14 * 3)
    )
    with pytest.raises(
        NotComparable, match=r"query_key.singular: 2 values are too few; at least 3 are needed"
    ):
        metric.similarity(of_values(3.0, 2.0), of_values(3.0, 2.0, 1.0))


def test_rounding_leads_no_cosine_beyond_one() -> None:
    metric, rng = fpcore.metric(NAME), np.random.default_rng(0)
    found = [
        metric.similarity(of_values(*values), of_values(*factor * values))
        for values, factor in zip(rng.random((100, 7)), rng.random(100), strict=True)
    ]
    assert max(found) == 1.0
    assert min(found) > 1.0 - 1e-12


def test_only_the_first_eight_layers_count() -> None:
    metric = fpcore.metric(NAME)
    a = in_double(model(seed=1, num_hidden_layers=10))
    assert {array.shape for array in metric.fingerprint(a).arrays.values()} == {(8, 8)}
    read = {role.split(".")[1] for role in metric.roles_read(a)}
    assert read == {str(layer) for layer in range(8)}
    changed = {
        name: a.read(name) * (2 if "layers.9." in name else 1) + ("layers.8." in name) for name in a.tensors
    }
    assert score(NAME, a, MemoryCheckpoint("late", "late", a.config, changed)) == pytest.approx(1, abs=1e-12)


def test_a_layer_of_zeros_is_no_comparison() -> None:
    a = in_double(model(seed=1))
    tensors = {
        name: torch.zeros_like(a.read(name)) if "layers.1.self_attn" in name else a.read(name)
        for name in a.tensors
    }
    b = MemoryCheckpoint("zero", "z", a.config, tensors)
    with pytest.raises(NotComparable, match="all zero"):
        score(NAME, a, b)
