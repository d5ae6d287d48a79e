"""Invariant terms and spectra of attention against their definitions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pruned_tensors import pruned_tensors
from test_metrics import model, score

import fpcore
from fpcore import Fingerprint, MemoryCheckpoint, NotComparable
from fpcore.features.assignment import in_order
from fpcore.features.layer_weights import layers_of
from fpcore.features.shared_tokens import embedding_rows
from fpcore.metrics import invariants


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tokens") / "tokenizer.json"
    file.write_text(json.dumps({"model": {"type": "BPE", "vocab": {f"word{i}": i for i in range(40)}}}))
    return file


def with_tokenizer(checkpoint: MemoryCheckpoint, file: Path) -> MemoryCheckpoint:
    tensors = {name: checkpoint.read(name).double() for name in checkpoint.tensors}
    return MemoryCheckpoint(checkpoint.name, checkpoint.digest, checkpoint.config, tensors, file)


def products(checkpoint: MemoryCheckpoint, layer: int) -> dict[str, np.ndarray]:
    """The weight products of a qwen2 layer, from its stored names, head by head."""

    def stored(name: str) -> np.ndarray:
        return checkpoint.read(f"model.layers.{layer}.{name}.weight").double().numpy()

    before, between = stored("input_layernorm"), stored("post_attention_layernorm")
    q, k, v = (stored(f"self_attn.{part}_proj") * before for part in "qkv")
    o = stored("self_attn.o_proj")
    heads = [slice(4 * head, 4 * head + 4) for head in range(4)]
    shared = [slice(4 * (head // 2), 4 * (head // 2) + 4) for head in range(4)]
    return {
        "query_key": sum(q[h].T @ k[s] for h, s in zip(heads, shared, strict=True)),
        "value_output": sum(v[s].T @ o[:, h].T for h, s in zip(heads, shared, strict=True)),
        "up_down": (stored("mlp.up_proj") * between).T @ stored("mlp.down_proj").T,
    }


def test_invariant_terms_by_definition(tokenizer: Path) -> None:
    a, b = (with_tokenizer(model(seed=seed), tokenizer) for seed in (1, 2))
    cosines = []
    for layer in (3, 4):
        for name in ("query_key", "value_output", "up_down"):
            flat = []
            for each in (a, b):
                rows = embedding_rows(each, 192)[1]
                term = rows @ products(each, layer)[name] @ rows.T
                term = (term - term.mean(1, keepdims=True)) / term.std(1, keepdims=True)
                flat.append(term.ravel() / np.linalg.norm(term))
            cosines.append(flat[0] @ flat[1])
    assert score("invariant-terms", a, b) == pytest.approx(np.mean(cosines), abs=1e-5)
    assert score("invariant-terms", a, a) == pytest.approx(1.0, abs=1e-5)


def test_terms_of_two_layers_are_enough_and_fit_into_float32(tokenizer: Path) -> None:
    metric = fpcore.metric("invariant-terms")
    base = with_tokenizer(model(seed=1, num_hidden_layers=2), tokenizer)
    large = {name: base.read(name) * 1e12 for name in base.tensors}
    for each in (base, MemoryCheckpoint("large", "large", base.config, large, tokenizer)):
        found = metric.fingerprint(each)
        terms = [array for name, array in found.arrays.items() if name != "keys"]
        assert len(terms) == 6
        assert all(term.dtype == np.float32 and np.abs(term).max() == 1.0 for term in terms)
        assert metric.similarity(found, metric.fingerprint(base)) == pytest.approx(1.0, abs=1e-6)


def test_rounding_leads_no_mean_of_terms_out_of_its_range() -> None:
    metric, rng = fpcore.metric("invariant-terms"), np.random.default_rng(0)
    keys, found = np.arange(20.0), []
    for terms in rng.normal(size=(40, 6, 20, 20)).astype(np.float32):
        one, other = (
            Fingerprint(
                metric.name, metric.version, "", "", {"keys": keys, **dict(zip("abcdef", way, strict=True))}
            )
            for way in (terms, -terms)
        )
        found += [metric.similarity(one, one), -metric.similarity(one, other)]
    assert max(found) == 1.0
    assert min(found) > 1.0 - 1e-6


def effective(values: np.ndarray) -> int:
    shares = values / values.sum()
    return int(np.ceil(np.exp(-(shares * np.log(shares)).sum())))


def test_spectra_by_definition() -> None:
    a, b = model(seed=1), model(seed=2)
    errors = []
    for layer in range(5):
        for name in ("query_key", "value_output"):
            # Products of fewer dimensions than width have singular values of zero, up to rounding.
            x, y = (np.linalg.svd(products(each, layer)[name])[1] for each in (a, b))
            x, y = x[x > 1e-9 * x[0]], y[y > 1e-9 * y[0]]
            n = min(effective(x), effective(y))
            x, y = ((v[:n] - v[n - 1]) / (v[0] - v[n - 1]) for v in (x, y))
            errors.append(np.mean((x - y) ** 2))
    assert score("attention-spectra", a, b) == pytest.approx(1 - np.mean(errors), abs=1e-5)
    assert score("attention-spectra", a, a) == 1.0
    assert score("attention-spectra-dcor", a, a) == pytest.approx(1.0)
    assert 0.5 < score("attention-spectra-dcor", a, b) < 1.0


@pytest.mark.parametrize("name", ["attention-spectra", "attention-spectra-dcor"])
def test_what_of_a_spectrum_counts(name: str) -> None:
    metric = fpcore.metric(name)

    def of(*values: float) -> Fingerprint:
        spectra = np.array([values, values])
        return Fingerprint(name, metric.version, "", "", {"query_key": spectra, "value_output": spectra})

    base = of(1.0, 0.9, 0.8)
    for same in (base, of(1e-3, 9e-4, 8e-4), of(1.0, 0.9, 0.8, 0.0)):
        assert metric.similarity(base, same) == pytest.approx(1.0)
    assert metric.similarity(base, of(1.0, 0.95, 0.8)) < 1.0
    with pytest.raises(NotComparable, match="an effective rank of 2; at least 3"):
        metric.similarity(of(1.0, 0.9), base)
    with pytest.raises(NotComparable, match="all singular values are equal"):
        metric.similarity(base, of(1.0, 1.0, 1.0))


def test_rounding_leads_no_distance_correlation_beyond_one() -> None:
    rng = np.random.default_rng(0)
    spectra = -np.sort(-rng.random((200, 9)), axis=1)
    of_spectra = invariants.AttentionSpectraDcor().of_spectra
    found = [
        of_spectra(values, factor * values) for values, factor in zip(spectra, rng.random(200), strict=True)
    ]
    assert max(found) == 1.0
    assert min(found) > 1.0 - 1e-12


def test_as_many_equal_values_are_kept_as_there_are() -> None:
    for count in range(1, 40):
        assert len(invariants.up_to_effective_rank(np.repeat([0.3, 0.0], [count, 5]), "")) == count


@pytest.mark.parametrize("heads", [2, 4])
def test_wide_products_are_decomposed_by_their_squares(heads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where some dimensions do the same, so that rounding may leave an eigenvalue below 0."""
    left, right = 0.1 * np.random.default_rng(0).normal(size=(2, heads, 4, 10)).astype(np.float32)
    left[:, 1] = left[:, 0]
    a, b = (each.reshape(-1, 10).astype(np.float64) for each in (left, right))
    expected = np.linalg.svd(a.T @ b, compute_uv=False)
    monkeypatch.setattr(invariants, "WIDEST_DECOMPOSED", 0)
    found = invariants.spectrum(left, right)
    assert found == pytest.approx(expected[: len(found)], abs=1e-3 * expected[0])
    assert expected[len(found) :].sum() == pytest.approx(0.0, abs=1e-12)


def test_layers_that_were_cut_out_are_skipped() -> None:
    whole = model(seed=1, num_hidden_layers=6)
    short = model(seed=1, num_hidden_layers=4)
    kept = (0, 2, 3, 5)
    tensors = pruned_tensors(whole, short, kept)
    pruned = MemoryCheckpoint("pruned", "pruned", short.config, tensors)
    assert score("attention-spectra", whole, pruned) == pytest.approx(1.0)
    assert score("attention-spectra-dcor", whole, pruned) == pytest.approx(1.0)


def test_pairing_in_order() -> None:
    rng = np.random.default_rng(0)
    for rows, columns in ((1, 1), (2, 4), (4, 2), (3, 3), (3, 6)):
        gain = rng.normal(size=(rows, columns))
        left, right = in_order(gain)
        assert list(left) == sorted(set(left))
        assert list(right) == sorted(set(right))
        assert len(left) == len(right) == min(rows, columns)
        if rows == columns:
            assert list(left) == list(right) == list(range(rows))
    gain = np.full((2, 4), -1.0)
    gain[0, 1] = gain[1, 3] = 0.0
    assert list(in_order(gain)[1]) == [1, 3]
    gain[0, 3] = 5.0  # taken, it would leave nothing for the second
    assert list(in_order(gain)[1]) == [1, 3]


def test_layer_weights_read_every_expert_and_norm() -> None:
    mixture = model("qwen2_moe", seed=2)
    layer = layers_of(mixture)[1]
    assert len(layer.experts) == 5, "four routed ones and the shared one"
    gain = mixture.roles["layers.1.feed_forward.norm.weight"].read().double().numpy()
    up = mixture.roles["layers.1.feed_forward.experts.2.up.weight"].read().double().numpy()
    np.testing.assert_allclose(layer.experts[2].up, up * gain)
    assert layer.query.shape == (4, 4, 16)
    assert layer.each_head(layer.key).shape == layer.query.shape
    np.testing.assert_array_equal(layer.each_head(layer.key)[1], layer.key[0])


def test_abstentions(tokenizer: Path) -> None:
    with pytest.raises(NotComparable, match=r"no tokenizer\.json"):
        fpcore.metric("invariant-terms").fingerprint(model())
    with pytest.raises(NotComparable, match="1 layers; the terms need at least 2"):
        fpcore.metric("invariant-terms").fingerprint(with_tokenizer(model(num_hidden_layers=1), tokenizer))
    zero = model(seed=1)
    tensors = {n: torch.zeros_like(zero.read(n)) if "q_proj" in n else zero.read(n) for n in zero.tensors}
    empty = MemoryCheckpoint("zero", "zero", zero.config, tensors, tokenizer)
    with pytest.raises(NotComparable, match="query_key of layer 0 is all zero"):
        score("attention-spectra", empty, zero)
    with pytest.raises(NotComparable, match="constant for a token"):
        score("invariant-terms", empty, with_tokenizer(zero, tokenizer))
    with pytest.raises(NotComparable, match="without a plain"):
        fpcore.metric("attention-spectra").fingerprint(model("deepseek_v3", num_hidden_layers=2))


def test_a_nan_is_refused(tokenizer: Path) -> None:
    base = model(seed=1)
    for name, part in (("invariant-terms", "mlp.up_proj"), ("attention-spectra", "self_attn.k_proj")):
        tensors = {name: base.read(name).clone() for name in base.tensors}
        tensors[f"model.layers.4.{part}.weight"][0, 0] = float("nan")
        spoilt = MemoryCheckpoint("spoilt", "spoilt", base.config, tensors, tokenizer)
        with pytest.raises(fpcore.BadCheckpoint, match="holds NaN"):
            fpcore.metric(name).fingerprint(spoilt)
