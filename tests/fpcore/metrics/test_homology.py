"""Which layers of two models correspond, in the basis that their embeddings give."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pruned_tensors import pruned_tensors
from test_matching import changed, noisy, turned
from test_metrics import model

import fpcore
from fpcore import MemoryCheckpoint, NotComparable
from fpcore.features.layer_weights import layers_of
from fpcore.metrics.homology import layer_correspondence, unit_products

ZOO = Path(__file__).parents[3] / "benchmark" / "zoo" / "weights"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tokens") / "tokenizer.json"
    file.write_text(json.dumps({"model": {"type": "BPE", "vocab": {f"word{i}": i for i in range(40)}}}))
    return file


def of_layers(kept: list[int], amount: float, file: Path) -> MemoryCheckpoint:
    """A noisy and rotated model made of some layers of another, all gains one."""
    whole, other = model(seed=1, num_hidden_layers=6), model(seed=1, num_hidden_layers=len(kept))
    tensors = {
        name: torch.ones_like(tensor) if "norm" in name else tensor
        for name, tensor in pruned_tensors(whole, other, kept).items()
    }
    rotation, _ = torch.linalg.qr(torch.randn(16, 16, generator=torch.Generator().manual_seed(2)))
    child = turned(noisy(changed(other, tensors, file), amount, file), rotation, file)
    return changed(child, {name: tensors[name] for name in tensors if "norm" in name}, file)


@pytest.mark.parametrize("kept", [[0, 1, 2, 3, 4, 5], [0, 2, 3, 5], [0, 1, 2, 3, 2, 3, 4, 5], [4, 1]])
def test_layers_are_found_again(kept: list[int], tokenizer: Path) -> None:
    base, child = of_layers([0, 1, 2, 3, 4, 5], 0.0, tokenizer), of_layers(kept, 0.2, tokenizer)
    found = layer_correspondence(base, child)
    assert found.layers_of_a.tolist() == kept
    assert all(kept[place] == layer for layer, place in enumerate(found.layers_of_b) if layer in kept)
    right = found.agreement[kept, range(len(kept))]
    others = np.delete(found.agreement.T, kept, axis=1)
    assert right.min() > 0.8
    assert not others.size or others.max() < 0.3
    back = layer_correspondence(child, base)
    np.testing.assert_allclose(back.query_key, found.query_key.T, atol=1e-5)


def test_products_by_definition(tokenizer: Path) -> None:
    a, b = (changed(model(seed=seed), {}, tokenizer) for seed in (1, 2))
    found = layer_correspondence(a, b)

    def products(checkpoint: MemoryCheckpoint, layer: int) -> list[np.ndarray]:
        here = f"model.layers.{layer}."
        gain = checkpoint.read(here + "input_layernorm.weight").double().numpy()
        q, k, v = (
            checkpoint.read(f"{here}self_attn.{part}_proj.weight").double().numpy() * gain for part in "qkv"
        )
        o = checkpoint.read(here + "self_attn.o_proj.weight").double().numpy()
        # Four heads of width 4, two for each key-value head.
        k, v = (each.reshape(2, 4, 16).repeat(2, axis=0).reshape(16, 16) for each in (k, v))
        return [q.T @ k, v.T @ o.T]

    rows = [each.read("model.embed_tokens.weight").double().numpy()[:40] for each in (a, b)]
    u, _, v = np.linalg.svd(rows[0].T @ rows[1])
    for index, table in enumerate((found.query_key, found.value_output)):
        left = (u @ v).T @ products(a, 1)[index] @ (u @ v)
        right = products(b, 3)[index]
        cosine = np.sum(left * right) / np.linalg.norm(left) / np.linalg.norm(right)
        assert table[1, 3] == pytest.approx(cosine, abs=1e-5)


def test_products_take_four_bytes_a_number() -> None:
    assert {each.dtype for each in unit_products(layers_of(model())[0])} == {np.dtype(np.float32)}


def test_it_needs_tokens(tokenizer: Path) -> None:
    with pytest.raises(NotComparable, match=r"no tokenizer\.json"):
        layer_correspondence(changed(model(seed=1), {}, tokenizer), model(seed=1))


CHILDREN = {
    ("qwen-b", "qwen-b-upscale"): [0, 1, 2, 3, 2, 3, 4, 5],
    ("neox-b", "neox-b-upscale"): [0, 1, 2, 3, 2, 3, 4, 5],
    ("qwen-c", "qwen-c-layers"): [0, 1, 4, 5],
    ("gpt2-b", "gpt2-b-layers"): [0, 1, 4, 5],
    ("llama-d", "llama-d-half"): [0, 2, 4],
    ("llama-b", "llama-b-thin"): [0, 1, 2, 3, 4, 5],
    ("qwen-a", "qwen-a-cpt-long"): [0, 1, 2, 3, 4, 5],
    ("narrow-a", "narrow-a-moe"): [0, 1, 2, 3, 4, 5],
}


@pytest.mark.parametrize("pair", CHILDREN, ids=lambda pair: pair[1])
def test_trained_children_with_other_depths(pair: tuple[str, str]) -> None:
    if not all((ZOO / name).is_dir() for name in pair):
        pytest.skip(f"{' or '.join(pair)} is not in this checkout")
    parent, child = (fpcore.open_checkpoint(ZOO / name) for name in pair)
    assert layer_correspondence(parent, child).layers_of_a.tolist() == CHILDREN[pair]
