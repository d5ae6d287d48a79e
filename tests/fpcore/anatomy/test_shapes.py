"""Shapes come from tensors; a config that says something else is refused with both numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_models import TINY

import fpcore

Tensors = dict[str, torch.Tensor]

CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "vocab_size": 40,
    "rms_norm_eps": 1e-6,
}


def tensors(*, width: int = 32, heads: int = 4, kv_heads: int = 2, dim: int = 8, inner: int = 48) -> Tensors:
    """A Llama of three layers."""
    torch.manual_seed(0)
    found = {"model.embed_tokens.weight": torch.randn(40, width), "model.norm.weight": torch.ones(width)}
    for layer in range(3):
        shapes = {
            "self_attn.q_proj": (heads * dim, width),
            "self_attn.k_proj": (kv_heads * dim, width),
            "self_attn.v_proj": (kv_heads * dim, width),
            "self_attn.o_proj": (width, heads * dim),
            "mlp.gate_proj": (inner, width),
            "mlp.up_proj": (inner, width),
            "mlp.down_proj": (width, inner),
            "input_layernorm": (width,),
            "post_attention_layernorm": (width,),
        }
        found |= {f"model.layers.{layer}.{name}.weight": torch.randn(shape) for name, shape in shapes.items()}
    return found


def model(changes: dict[str, Any] | None = None, **sizes: int) -> fpcore.Checkpoint:
    config = {key: value for key, value in (CONFIG | (changes or {})).items() if value is not None}
    return fpcore.MemoryCheckpoint("m", "0" * 64, config, tensors(**sizes))


CONTRADICTIONS = {
    "width": ({"hidden_size": 64}, {}, r"hidden_size is 64, but the tensors show 32"),
    "width of a known head": ({"hidden_size": 64, "head_dim": 8}, {}, r"hidden_size is 64, .* show 32"),
    "key-value heads": ({"num_key_value_heads": 4}, {}, r"num_key_value_heads is 4, but the tensors show 2"),
    "heads": ({"num_attention_heads": 8}, {}, r"show 4: 16 key rows are 4 heads of 4; .* 4 heads, not 8"),
    "heads of a known width": (
        {"num_attention_heads": 8, "head_dim": 8},
        {},
        r"num_attention_heads is 8, but the tensors show 4",
    ),
    "width of a head": ({"head_dim": 16}, {}, r"num_attention_heads is 4, but the tensors show 2"),
    "heads that do not divide": ({"num_attention_heads": 5}, {}, r"num_attention_heads is 5.* 32 rows"),
    "feed-forward": ({"intermediate_size": 64}, {}, r"intermediate_size is 64, but the tensors show 48"),
    "depth": ({"num_hidden_layers": 4}, {}, r"num_hidden_layers is 4, but the tensors show 3"),
    "too little depth": ({"num_hidden_layers": 2}, {}, r"num_hidden_layers is 2, but the tensors show 3"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_contradiction_names_both_numbers(case: str) -> None:
    changes, sizes, message = CONTRADICTIONS[case]
    checkpoint = model(changes, **sizes)
    with pytest.raises(fpcore.BadCheckpoint, match=message) as refused:
        _ = checkpoint.architecture
    assert "\n" not in str(refused.value)
    assert "fetch" not in str(refused.value)
    with pytest.raises(fpcore.BadCheckpoint, match=message):
        fpcore.metric("attention-std").fingerprint(checkpoint)


def test_what_the_config_leaves_out_comes_from_the_tensors() -> None:
    facts = model().architecture
    for silent in ("hidden_size", "num_hidden_layers", "intermediate_size", "num_key_value_heads"):
        assert model({silent: None}).architecture == facts, silent


def test_the_width_of_a_head_need_not_be_that_of_the_stream_over_the_heads() -> None:
    shape = model(dim=16).architecture
    assert (shape.heads, shape.kv_heads, shape.head_dim) == (4, 2, 16)
    assert shape.cell == model({"head_dim": 16}, dim=16).architecture.cell


def test_equal_weights_agree_whether_the_config_states_the_head_width_or_not() -> None:
    metric = fpcore.metric("canonical-similarity")
    said, silent = (metric.fingerprint(model(changes, dim=16)) for changes in ({"head_dim": 16}, {}))
    assert metric.similarity(said, silent) == pytest.approx(1.0)


def test_experts_are_counted() -> None:
    tiny = next(tiny for tiny in TINY if tiny.model_type == "mixtral").build()
    config = tiny.config.to_dict() | {"num_local_experts": 8}
    with pytest.raises(fpcore.BadCheckpoint, match=r"num_local_experts is 8, but the tensors show 4"):
        _ = fpcore.MemoryCheckpoint("m", "0" * 64, config, dict(tiny.state_dict())).architecture
    del config["num_local_experts"]
    assert fpcore.MemoryCheckpoint("m", "0" * 64, config, dict(tiny.state_dict())).architecture.experts == 4


def with_itself(name: str, checkpoint: fpcore.Checkpoint) -> float:
    metric = fpcore.metric(name)
    return metric.similarity(metric.fingerprint(checkpoint), metric.fingerprint(checkpoint))


def vision(text: dict[str, Any], prefix: str = "language_model.", **sizes: int) -> fpcore.Checkpoint:
    """A vision-language model around the Llama; its config keeps what differs from the class's defaults."""
    inside = {prefix + name: tensor for name, tensor in tensors(**sizes).items()}
    inside["vision_tower.vision_model.embeddings.class_embedding"] = torch.ones(4)
    inside["multi_modal_projector.linear_1.weight"] = torch.ones(32, 4)
    config = {"model_type": "llava", "text_config": text, "vision_config": {"hidden_size": 4}}
    return fpcore.MemoryCheckpoint("m", "0" * 64, config, inside)


def test_a_vision_language_config_that_leaves_heads_to_its_class() -> None:
    """Mistral's default is 32 heads, of which eight are key-value heads."""
    checkpoint = vision({"model_type": "mistral"}, width=32, heads=32, kv_heads=8, dim=2)
    shape = checkpoint.architecture
    assert shape.cell == "mistral 3x32 h32/8 f48 rmsnorm"
    assert checkpoint.roles.aside == {
        "vision_tower.vision_model.embeddings.class_embedding": "towers of other modalities",
        "multi_modal_projector.linear_1.weight": "projectors",
    }


def test_heads_that_neither_config_nor_tensors_nor_the_class_show_are_unknown() -> None:
    """Llama's default of 32 heads without sharing does not fit 32 query and 16 key rows."""
    checkpoint = vision({"model_type": "llama"})
    assert checkpoint.architecture.cell == "llama 3x32 h0/0 f48 rmsnorm"
    spread = fpcore.metric("attention-std").fingerprint(checkpoint).arrays["key"]
    expected = [checkpoint.read(f"language_model.model.layers.{i}.self_attn.k_proj.weight") for i in range(3)]
    assert spread.tolist() == pytest.approx([each.double().std(unbiased=False).item() for each in expected])
    with pytest.raises(fpcore.NotComparable):
        with_itself("canonical-similarity", checkpoint)
