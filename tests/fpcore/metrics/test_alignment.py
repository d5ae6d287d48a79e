"""The canonical form: what is undone, what is matched, and that strangers stay at zero."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pruned_tensors import pruned_tensors
from test_matching import changed, noisy, shuffled_units, turned
from test_metrics import model

import fpcore
from fpcore import MemoryCheckpoint, NotComparable
from fpcore.features import layer_agreement
from fpcore.features.layer_agreement import Agreement, map_cosines, unit_agreement, units_of
from fpcore.features.layer_weights import Block, FeedForward
from fpcore.metrics import alignment

NAME = "canonical-similarity"
ZOO = Path(__file__).parents[3] / "benchmark" / "zoo" / "weights"


def score(name: str, a: fpcore.Checkpoint, b: fpcore.Checkpoint) -> float:
    metric = fpcore.metric(name)
    x, y = metric.fingerprint(a), metric.fingerprint(b)
    found = metric.similarity(x, y)
    assert found == metric.similarity(x, y)
    assert found == pytest.approx(metric.similarity(y, x), abs=1e-5), "decompositions round differently"
    return found


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tokens") / "tokenizer.json"
    file.write_text(json.dumps({"model": {"type": "BPE", "vocab": {f"word{i}": i for i in range(40)}}}))
    return file


def rotation(width: int = 16) -> torch.Tensor:
    found, _ = torch.linalg.qr(torch.randn(width, width, generator=torch.Generator().manual_seed(1)))
    return found


def folded(base: MemoryCheckpoint) -> MemoryCheckpoint:
    """All gains one, so that any rotation keeps the function."""
    return changed(base, {n: torch.ones_like(base.read(n)) for n in base.tensors if "norm" in n}, None)


def test_units_basis_and_noise_at_once(tokenizer: Path) -> None:
    base = folded(model(seed=1))
    a = changed(base, {}, tokenizer)
    for noise, least in ((0.0, 0.999), (0.2, 0.85)):
        child = folded(turned(shuffled_units(noisy(base, noise)), rotation(), tokenizer))
        child = changed(child, {}, tokenizer)
        assert score(NAME, a, child) > least
        assert abs(score("weight-cosine", a, child)) < 0.2
    strangers = [score(NAME, a, changed(model(seed=seed), {}, tokenizer)) for seed in range(2, 10)]
    assert max(np.abs(strangers)) < 0.1
    assert abs(np.mean(strangers)) < 0.03


def test_a_replaced_embedding_falls_back_on_the_plain_basis(tokenizer: Path) -> None:
    a = changed(model(seed=1), {}, tokenizer)
    new = {"model.embed_tokens.weight": model(seed=2).read("model.embed_tokens.weight")}
    assert score(NAME, a, changed(model(seed=1), new, tokenizer)) == pytest.approx(1.0, abs=0.01)
    assert score(NAME, a, changed(model(seed=1), {}, None)) == pytest.approx(1.0, abs=0.01)


def test_scales_of_single_units_do_not_count(tokenizer: Path) -> None:
    base = model(seed=1)
    factors = torch.exp(torch.randn(24, generator=torch.Generator().manual_seed(2)))
    tensors = {}
    for layer in range(5):
        mlp = f"model.layers.{layer}.mlp."
        tensors[mlp + "up_proj.weight"] = base.read(mlp + "up_proj.weight") * factors[:, None]
        tensors[mlp + "down_proj.weight"] = base.read(mlp + "down_proj.weight") / factors
    assert score(NAME, changed(base, {}, tokenizer), changed(base, tensors, tokenizer)) > 0.9999


def test_pruned_depth_is_paired_in_order(tokenizer: Path) -> None:
    whole, short = model(seed=1, num_hidden_layers=6), model(seed=1, num_hidden_layers=4)
    kept = (0, 2, 3, 5)
    tensors = pruned_tensors(whole, short, kept)
    a, b = changed(whole, {}, tokenizer), changed(short, tensors, tokenizer)
    assert score(NAME, a, b) > 0.99


def narrowed(base: MemoryCheckpoint, units: torch.Tensor, file: Path) -> MemoryCheckpoint:
    """Only some feed-forward units."""
    small = model(seed=1, intermediate_size=len(units))
    tensors = {}
    for name in small.tensors:
        tensor = base.read(name)
        if "mlp.down" in name:
            tensor = tensor[:, units]
        elif "mlp." in name:
            tensor = tensor[units]
        tensors[name] = tensor
    return changed(small, tensors, file)


def test_pruned_units_are_found_among_all(tokenizer: Path) -> None:
    base = model(seed=1)
    child = narrowed(base, torch.tensor([3, 1, 20, 7, 8, 11, 15, 2, 23, 19, 5, 0]), tokenizer)
    assert score(NAME, changed(base, {}, tokenizer), child) > 0.95


def test_other_widths_need_shared_tokens(tokenizer: Path) -> None:
    a, b = model(seed=1), model(seed=2, hidden_size=32, head_dim=4)
    with pytest.raises(NotComparable, match=r"different widths, and no tokenizer\.json"):
        score(NAME, a, b)
    found = score(NAME, changed(a, {}, tokenizer), changed(b, {}, tokenizer))
    assert abs(found) < 0.15


def gauged(base: MemoryCheckpoint, file: Path) -> MemoryCheckpoint:
    """Heads renumbered, an invertible map inside each of them, units with other signs and scales."""
    heads, shared, width = 4, 2, 4
    rng = torch.Generator().manual_seed(9)
    tensors = {}
    for layer in range(5):
        attention, mlp = (f"model.layers.{layer}.{block}." for block in ("self_attn", "mlp"))
        stored = {part: base.read(f"{attention}{part}_proj.weight").double() for part in "qkvo"}
        rows = {part: stored[part].reshape(-1, width, 16) for part in "qkv"}
        rows["o"] = stored["o"].T.reshape(heads, width, 16)
        for across, back in (("k", "q"), ("v", "o")):
            maps = torch.randn(shared, width, width, generator=rng, dtype=torch.float64)
            undo = torch.linalg.inv(maps).transpose(1, 2).repeat_interleave(heads // shared, dim=0)
            rows[across], rows[back] = maps @ rows[across], undo @ rows[back]
        for part in "qo":
            rows[part] = rows[part].reshape(shared, 2, width, 16).flip(0, 1).reshape(heads, width, 16)
        for part in "kv":
            rows[part] = rows[part].flip(0)
        for part in "qkv":
            tensors[f"{attention}{part}_proj.weight"] = rows[part].reshape(-1, 16).float()
        tensors[attention + "o_proj.weight"] = rows["o"].reshape(-1, 16).T.float()
        scales = torch.exp(torch.randn(24, generator=rng)) * (2.0 * torch.randint(0, 2, (24,)) - 1.0)
        tensors[mlp + "up_proj.weight"] = base.read(mlp + "up_proj.weight") * scales[:, None]
        tensors[mlp + "down_proj.weight"] = base.read(mlp + "down_proj.weight") / scales
    return changed(base, tensors, file)


def test_no_gauge_counts(tokenizer: Path) -> None:
    a = changed(model(seed=1), {}, tokenizer)
    assert a.architecture.heads == 4
    assert a.architecture.kv_heads == 2
    assert score(NAME, a, gauged(model(seed=1), tokenizer)) > 0.999
    assert abs(score(NAME, a, gauged(model(seed=2), tokenizer))) < 0.1


def test_maps_of_heads_by_definition() -> None:
    rng = np.random.default_rng(0)
    own_a, own_b = rng.normal(size=(4, 3, 10)), rng.normal(size=(6, 5, 8))
    shared_a, shared_b = rng.normal(size=(2, 3, 10)), rng.normal(size=(3, 5, 8))
    basis = rng.normal(size=(10, 8))
    found = map_cosines(own_a, shared_a, own_b, shared_b, basis)
    for i in range(4):
        for j in range(6):
            left = basis.T @ own_a[i].T @ shared_a[i // 2] @ basis
            assert found[i, j] == pytest.approx(np.sum(left * (own_b[j].T @ shared_b[j // 2])))


def test_heads_of_other_widths_compare(tokenizer: Path) -> None:
    a = changed(model(seed=1), {}, tokenizer)
    wider = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8}
    # The same numbers, cut into half as many heads.
    assert score(NAME, a, changed(model(seed=1, **wider), {}, tokenizer)) > 0.5
    assert abs(score(NAME, a, changed(model(seed=2, **wider), {}, tokenizer))) < 0.15


def random_block(rng: np.random.Generator, units: int = 60, width: int = 24) -> FeedForward:
    gate, up, down = rng.normal(size=(3, units, width))
    return Block(gate, up, down)


def test_the_search_finds_nothing_where_nothing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    for most in (1024, 20):
        monkeypatch.setattr(layer_agreement, "MOST_UNITS", most)
        found = [
            unit_agreement(units_of(random_block(rng)), units_of(random_block(rng)), None)[1]
            for _ in range(60)
        ]
        assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(60) + 1e-3
        block, order = random_block(rng), rng.permutation(60)
        assert block.gate is not None
        mixed = Block(block.gate[order], block.up[order], block.down[order])
        assert unit_agreement(units_of(block), units_of(mixed), None)[1] > 0.95


def test_stored_order_counts_for_models_too_far_apart_to_be_matched(tokenizer: Path) -> None:
    a, far = changed(model(seed=1), {}, tokenizer), noisy(model(seed=1), 2.0)
    stored, shuffled = (score(NAME, a, changed(each, {}, tokenizer)) for each in (far, shuffled_units(far)))
    assert stored > shuffled + 0.05


@pytest.mark.parametrize(
    ("plain", "matched", "expected"),
    [
        # By more than the margin of 0.1 for attention, and not for feed-forward; as means over layers.
        ([[0.9, 0.25], [0.3, 0.27]], [[0.1, 0.2], [-0.1, 0.2]], (0.6 + 0.2) / 2),
        ([[0.5, -np.inf], [0.5, -np.inf]], [[0.45, 0.4], [0.1, 0.3]], (0.5 + 0.35) / 2),
        ([[0.0, 0.0], [0.0, 0.0]], [[1.0 + 1e-7, 1.0], [1.0, 1.0]], 1.0),
        ([[-np.inf, -1.2], [-np.inf, -1.2]], [[-1.1, -1.0], [-1.1, -1.0]], -1.0),
    ],
)
def test_blocks_as_stored_or_matched(
    plain: list[list[float]],
    matched: list[list[float]],
    expected: float,
    tokenizer: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What comes of the agreement of two layers, for attention and feed-forward each."""
    layers = iter([Agreement(*map(np.array, layer)) for layer in zip(plain, matched, strict=True)])
    monkeypatch.setattr(alignment, "agreement", lambda *_: next(layers))
    a, b = (changed(model(seed=seed, num_hidden_layers=2), {}, tokenizer) for seed in (1, 2))
    metric = fpcore.metric(NAME)
    assert metric.similarity(metric.fingerprint(a), metric.fingerprint(b)) == pytest.approx(
        expected, abs=1e-12
    )


needs_zoo = pytest.mark.skipif(not ZOO.is_dir(), reason="the controlled models are not in this checkout")


@needs_zoo
def test_trained_models() -> None:
    zoo = {
        name: fpcore.open_checkpoint(ZOO / name)
        for name in ("qwen-a", "qwen-a-cpt-long", "qwen-b", "narrow-a", "narrow-a-moe", "narrow-b-moe")
    }
    assert score(NAME, zoo["qwen-a"], zoo["qwen-a-cpt-long"]) > 0.5
    assert score(NAME, zoo["narrow-a"], zoo["narrow-a-moe"]) > 0.5
    assert abs(score(NAME, zoo["qwen-a"], zoo["qwen-b"])) < 0.05
    assert abs(score(NAME, zoo["narrow-a"], zoo["narrow-b-moe"])) < 0.05
    assert abs(score(NAME, zoo["narrow-a"], zoo["qwen-a"])) < 0.05
