"""The metrics against their definitions, published figures and what they must refuse."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import TINY

import fpcore
from fpcore import Fingerprint, MemoryCheckpoint, NotComparable
from fpcore.features.flat_weights import BLOCK, flat_weights, matrices as matrix_views
from fpcore.metrics.configuration import as_number
from fpcore.metrics.depth_profiles import DepthProfile

FLOAT32 = 1e-5  # a hundred times what sums in float32 over 256 entries may be off by

DATA = Path(__file__).parents[4] / "shared" / "data"


def model(model_type: str = "qwen2", seed: int = 0, **changes: Any) -> MemoryCheckpoint:
    """A random model whose layers differ in scale."""
    tiny = next(tiny for tiny in TINY if tiny.model_type == model_type)
    changes = {"num_hidden_layers": 5} | changes
    if model_type == "gpt2":
        changes["n_layer"] = changes.pop("num_hidden_layers")
    built = tiny.build(**changes)
    torch.manual_seed(seed)
    tensors = {}
    for name, tensor in built.state_dict().items():
        gain = 1.0 if tensor.ndim == 1 and "bias" not in name else 0.0
        tensors[name] = gain + torch.randn_like(tensor) * (0.2 + torch.rand(1))
    return MemoryCheckpoint(
        f"{model_type}-{seed}", f"{model_type}{seed}{changes}", built.config.to_dict(), tensors
    )


def score(name: str, a: fpcore.Checkpoint, b: fpcore.Checkpoint) -> float:
    metric = fpcore.metric(name)
    found = metric.similarity(metric.fingerprint(a), metric.fingerprint(b))
    assert isinstance(found, float)
    assert found == pytest.approx(metric.similarity(metric.fingerprint(b), metric.fingerprint(a)), abs=1e-12)
    return found


def std_curve(checkpoint: MemoryCheckpoint, name: str) -> np.ndarray:
    depth = checkpoint.architecture.depth
    return np.array(
        [checkpoint.read(f"model.layers.{i}.{name}").double().numpy().std() for i in range(depth)]
    )


PARTS = {
    "attention-std": [f"self_attn.{part}_proj.weight" for part in "qkvo"],
    "ffn-std": [f"mlp.{part}_proj.weight" for part in ("gate", "up", "down")],
    "qkv-bias-std": [f"self_attn.{part}_proj.bias" for part in "qkv"],
    "norm-std": ["input_layernorm.weight"],
}


@pytest.mark.parametrize("name", PARTS)
def test_std_curves_by_definition(name: str) -> None:
    a, b = model(seed=1), model(seed=2)
    expected = np.mean([np.corrcoef(std_curve(a, part), std_curve(b, part))[0, 1] for part in PARTS[name]])
    assert score(name, a, b) == pytest.approx(expected, abs=1e-12)
    assert score(name, a, a) == pytest.approx(1.0, abs=1e-12)


def test_depths_that_differ_meet_on_the_shorter_grid() -> None:
    a, b = model(seed=1, num_hidden_layers=7), model(seed=2, num_hidden_layers=4)
    places = np.linspace(0, 1, 4)
    expected = np.mean(
        [
            np.corrcoef(np.interp(places, np.linspace(0, 1, 7), std_curve(a, part)), std_curve(b, part))[0, 1]
            for part in PARTS["attention-std"]
        ]
    )
    assert score("attention-std", a, b) == pytest.approx(expected, abs=1e-12)


def test_largest_bias_by_definition() -> None:
    a, b = model(seed=1), model(seed=2)

    def curve(checkpoint: MemoryCheckpoint, part: str) -> list[float]:
        return [
            float(checkpoint.read(f"model.layers.{i}.self_attn.{part}_proj.bias").max()) for i in range(5)
        ]

    expected = np.mean([np.corrcoef(curve(a, part), curve(b, part))[0, 1] for part in "qkv"])
    assert score("qkv-bias-max", a, b) == pytest.approx(expected, abs=1e-9)
    raw = fpcore.metric("qkv-bias-max").raw(fpcore.metric("qkv-bias-max").fingerprint(a))
    assert raw["value"] == pytest.approx(curve(a, "v"))
    assert all(high >= low for high, low in zip(raw["key.abs"], raw["key"], strict=True))


def gains(checkpoint: MemoryCheckpoint) -> np.ndarray:
    names = ("input_layernorm", "post_attention_layernorm")
    return np.stack(
        [[checkpoint.read(f"model.layers.{i}.{n}.weight").double().numpy() for i in range(5)] for n in names]
    )


def test_norm_gains_by_definition() -> None:
    a, b = model(seed=1), model(seed=2)
    x, y = gains(a).reshape(10, -1), gains(b).reshape(10, -1)
    raw = np.mean([u @ v / np.linalg.norm(u) / np.linalg.norm(v) for u, v in zip(x, y, strict=True)])
    centred = np.mean([np.corrcoef(u, v)[0, 1] for u, v in zip(x, y, strict=True)])
    assert score("norm-cosine", a, b) == pytest.approx(raw, abs=1e-12)
    assert score("norm-pearson", a, b) == pytest.approx(centred, abs=1e-12)


def matrices(checkpoint: MemoryCheckpoint) -> dict[str, np.ndarray]:
    return {
        name: checkpoint.read(name).double().numpy()
        for name, info in checkpoint.tensors.items()
        if len(info.shape) == 2 and ".layers." in name
    }


def by_hand(a: MemoryCheckpoint, b: MemoryCheckpoint) -> float:
    left, right = matrices(a), matrices(b)
    names = [name for name in left if name in right and left[name].shape == right[name].shape]
    x = np.concatenate([left[name].ravel() for name in names])
    y = np.concatenate([right[name].ravel() for name in names])
    return float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))


def test_weight_cosine_by_definition() -> None:
    a, b = model(seed=1), model(seed=2)
    assert score("weight-cosine", a, b) == pytest.approx(by_hand(a, b), abs=FLOAT32)
    assert score("weight-cosine", a, a) == pytest.approx(1.0, abs=FLOAT32)
    child = {
        name: t + 0.3 * model(seed=2).read(name) for name in a.tensors if (t := a.read(name)) is not None
    }
    kin = MemoryCheckpoint("child", "child", a.config, child)
    assert score("weight-cosine", a, kin) == pytest.approx(by_hand(a, kin), abs=FLOAT32)
    assert by_hand(a, kin) > 0.9
    # A feed-forward of another width: what matches is the attention.
    wide = model(seed=3, intermediate_size=32)
    assert score("weight-cosine", a, wide) == pytest.approx(by_hand(a, wide), abs=FLOAT32)
    # Models too large to be held are streamed and score the same.
    held = score("weight-cosine", a, b)
    a.memo = b.memo = fpcore.Memo(limit=1000)
    assert score("weight-cosine", a, b) == pytest.approx(held, abs=FLOAT32)
    assert not len(a.memo)


def test_embeddings_gains_and_biases_do_not_count_in_weight_cosine() -> None:
    a, b = model(seed=1), model(seed=2)
    tensors = {name: b.read(name) for name in b.tensors}
    for name, info in a.tensors.items():
        if len(info.shape) == 1 or "embed" in name or "lm_head" in name:
            tensors[name] = a.read(name)
    assert score("weight-cosine", a, MemoryCheckpoint("x", "x", b.config, tensors)) == score(
        "weight-cosine", a, b
    )


def test_models_that_share_a_memo_hold_no_more_than_it_may() -> None:
    models = [model(seed=seed) for seed in range(5)]
    size = 4 * BLOCK * sum(math.ceil(view.size / BLOCK) for view in matrix_views(models[0]).values())
    memo = fpcore.Memo(limit=3 * size + 100)
    for each in models:
        each.memo = memo
        assert flat_weights(each) is flat_weights(each)
        assert memo.nbytes <= memo.limit
    assert len(memo) == 3
    assert memo.nbytes == 3 * size


class Counted(MemoryCheckpoint):
    """Notes which tensors are read."""

    def __init__(self, checkpoint: MemoryCheckpoint) -> None:
        tensors = {name: checkpoint.read(name) for name in checkpoint.tensors}
        super().__init__(
            f"counted {checkpoint.name}", f"counted {checkpoint.digest}", checkpoint.config, tensors
        )
        self.was_read: list[str] = []

    def read(self, name: str) -> torch.Tensor:
        self.was_read.append(name)
        return super().read(name)


def test_weight_cosine_reads_a_model_once_for_all_its_pairs() -> None:
    models = [Counted(model(seed=seed)) for seed in (1, 2, 3)]
    metric = fpcore.metric("weight-cosine")
    prints = [metric.fingerprint(each) for each in models]
    for x in prints:
        for y in prints:
            metric.similarity(x, y)
    assert all(each.was_read and len(set(each.was_read)) == len(each.was_read) for each in models)


def test_a_dense_model_and_a_mixture() -> None:
    dense, mixture = model(seed=1), model("qwen2_moe", seed=2)
    assert score("attention-std", dense, mixture) < 1
    assert score("ffn-std", dense, mixture) < 1
    assert score("weight-cosine", dense, mixture) == pytest.approx(by_hand(dense, mixture), abs=FLOAT32)
    metric = fpcore.metric("ffn-std")
    found = metric.fingerprint(mixture).arrays
    names = [f"layers.2.feed_forward.experts.{expert}.up.weight" for expert in range(4)]
    experts = [mixture.roles[name].read().double().numpy() for name in names]
    assert found["up"][2] == pytest.approx(np.concatenate(experts).std(), rel=1e-9)
    assert found["up.mean_of_experts"][2] == pytest.approx(
        np.mean([each.std() for each in experts]), rel=1e-9
    )


def test_parts_that_one_model_lacks_are_left_out() -> None:
    gated, plain = model(seed=1), model("gpt_neox", seed=2)
    metric = fpcore.metric("ffn-std")
    assert isinstance(metric, DepthProfile)
    assert set(metric.correlations(metric.fingerprint(gated), metric.fingerprint(plain))) == {"up", "down"}


ABSTAINS = {
    "no biases": ("qkv-bias-std", model("mistral"), None, "no query, key or value biases"),
    "no biases at most": ("qkv-bias-max", model("mistral"), None, "no query, key or value biases"),
    "no gains": ("norm-std", model("olmo"), None, "no gains of attention norms"),
    "no gains to compare": ("norm-cosine", model("olmo"), None, "no gains"),
    "two layers": (
        "attention-std",
        model(),
        model(num_hidden_layers=2),
        "2 layers; a curve needs at least 3",
    ),
    "widths": ("norm-cosine", model(), model(hidden_size=32), r"different width \(16 and 32\)"),
    "nothing matches": ("weight-cosine", model(), model("gpt2", n_embd=32), "same role and shape"),
}


@pytest.mark.parametrize("case", ABSTAINS)
def test_abstentions_have_reasons(case: str) -> None:
    name, a, b, reason = ABSTAINS[case]
    with pytest.raises(NotComparable, match=reason) as caught:
        score(name, a, b or model())
    assert caught.value.reason == str(caught.value)


def constant(pattern: str, value: float) -> MemoryCheckpoint:
    base = model(seed=1)
    tensors = {
        n: torch.full_like(base.read(n), value) if pattern in n else base.read(n) for n in base.tensors
    }
    return MemoryCheckpoint("constant", f"{pattern}{value}", base.config, tensors)


def test_constant_curves_and_gains_abstain() -> None:
    other = model(seed=2)
    with pytest.raises(NotComparable, match="attention: the curve is constant"):
        score("norm-std", constant("input_layernorm", 1.0), other)
    with pytest.raises(NotComparable, match="gains of layer 0 are all equal"):
        score("norm-pearson", constant("input_layernorm", 1.1), other)
    with pytest.raises(NotComparable, match="gains of layer 0 are all zero"):
        score("norm-cosine", constant("input_layernorm", 0.0), other)
    with pytest.raises(NotComparable, match="query: the curve is constant"):
        score("qkv-bias-std", constant("bias", 0.0), other)
    with pytest.raises(NotComparable, match="non-zero"):
        score("weight-cosine", constant("layers", 0.0), other)


@pytest.mark.parametrize("name", ["weight-cosine", "weight-distance"])
def test_a_model_without_matrices_in_its_layers_abstains(name: str) -> None:
    base = model(seed=1)
    vectors = {n: base.read(n) for n, info in base.tensors.items() if len(info.shape) == 1 or "embed" in n}
    with pytest.raises(NotComparable, match=r"^no weight matrices within layers$"):
        fpcore.metric(name).fingerprint(MemoryCheckpoint("vectors", "vectors", base.config, vectors))


@pytest.mark.parametrize(
    "name", ["attention-std", "ffn-std", "qkv-bias-max", "norm-std", "norm-pearson", "weight-cosine"]
)
def test_nan_is_refused_not_returned(name: str) -> None:
    spoilt = constant("layers.3", float("nan"))
    with pytest.raises(fpcore.BadCheckpoint, match=r"constant: tensor model\.layers\.3\.\S+ holds NaN"):
        score(name, spoilt, model(seed=2))


def test_config_match_counts_equal_fields() -> None:
    assert score("config-match", model(seed=1), model(seed=2)) == 1.0
    assert score("config-match", model(), model(num_hidden_layers=4)) == pytest.approx(0.9)
    assert score("config-match", model(), model("qwen2_moe")) == pytest.approx(0.7)


def test_fields_as_numbers() -> None:
    """Stored fingerprints hold them."""
    assert as_number("llama") == int(hashlib.sha256(b"llama").hexdigest()[:12], 16)
    assert [as_number(value) for value in (None, False, True, 4096)] == [-1, 0, 1, 4096]


def test_raw_values_are_per_layer_and_json() -> None:
    mixture = model("qwen2_moe", seed=1)
    for metric in fpcore.metrics():
        if metric.name in {*PARTS, "qkv-bias-max", "norm-cosine", "norm-pearson"}:
            raw = json.loads(json.dumps(metric.raw(metric.fingerprint(mixture))))
            assert all(len(values) == 5 for values in raw.values())
    raw = fpcore.metric("attention-std").raw(fpcore.metric("attention-std").fingerprint(mixture))
    assert list(raw) == ["query", "key", "value", "output"]
    assert raw["query"] == pytest.approx(std_curve(mixture, "self_attn.q_proj.weight"))


def test_a_stored_fingerprint_scores_the_same(tmp_path: Path) -> None:
    a, b = model(seed=1, num_hidden_layers=6), model(seed=2, num_hidden_layers=6)
    for metric in fpcore.metrics():
        if metric.evidence <= {"config", "weights"} and metric.fingerprint(a).arrays:
            x, y = metric.fingerprint(a), metric.fingerprint(b)
            x.save(tmp_path / "x")
            assert metric.similarity(Fingerprint.load(tmp_path / "x"), y) == metric.similarity(x, y)
    whole = fpcore.metric("weight-cosine")
    assert whole.fingerprint(a).checkpoint is a
    assert not whole.fingerprint(a).arrays


# Published figures on real models, from data that the project does not contain.
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the measurements of real models are not on this machine"
)


def measured(name: str) -> Fingerprint:
    layers = json.loads((DATA / "bias_curves" / f"{name}_qkv_bias_max.json").read_text())
    curves = {
        part: np.array([layers[f"layer_{i}"][f"{part[0]}_proj_bias_max"] for i in range(len(layers))])
        for part in ("query", "key", "value")
    }
    return Fingerprint("qkv-bias-max", 1, name, name, curves)


@needs_data
def test_published_bias_curves() -> None:
    metric = fpcore.metric("qkv-bias-max")
    assert isinstance(metric, DepthProfile)
    found = metric.correlations(measured("pangu-pro-moe-model"), measured("Qwen2.5-14B-Instruct"))
    assert {part: round(value, 2) for part, value in found.items()} == {
        "query": 0.24,
        "key": 0.44,
        "value": 0.50,
    }
    # Not Qwen2.5-Omni-7B: that file mixes the layers of its other towers in, which count from 0 as well.
    children = {
        "Qwen2.5-14B-DeepSeek-R1-1M": "Qwen2.5-14B-Instruct",
        "BianCang-Qwen2.5-7B": "Qwen2.5-7B-Instruct",
        "Qwen2.5-Math-7B-Instruct": "Qwen2.5-7B-Instruct",
        "Qwen2.5-VL-7B-Instruct": "Qwen2.5-7B-Instruct",
    }
    for child, parent in children.items():
        assert min(metric.correlations(measured(child), measured(parent)).values()) >= 0.997, child
