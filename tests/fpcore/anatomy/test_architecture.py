"""Shapes from configs as they are on the hub."""

from __future__ import annotations

from typing import Any

import pytest

import fpcore
from fpcore import Architecture

QWEN = {"model_type": "qwen2", "hidden_size": 48, "num_hidden_layers": 6, "num_attention_heads": 4}
QWEN |= {"num_key_value_heads": 2, "intermediate_size": 128, "rms_norm_eps": 1e-6}
FALCON: dict[str, Any] = {"model_type": "falcon", "hidden_size": 64, "num_hidden_layers": 2}
FALCON |= {"num_attention_heads": 8, "layer_norm_epsilon": 1e-5}
OLMO: dict[str, object] = {
    "model_type": "hf_olmo",
    "d_model": 64,
    "n_layers": 8,
    "n_heads": 8,
    "mlp_ratio": 8,
}
OLMO |= {"vocab_size": 50280, "layer_norm_eps": 1e-6, "weight_tying": False}

CELLS = {
    "qwen2 6x48 h4/2 f128 bias rmsnorm": QWEN,
    "llama 32x4096 h32/32 f11008 rmsnorm": {
        "model_type": "llama",
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "intermediate_size": 11008,
        "rms_norm_eps": 1e-6,
    },
    "mixtral 32x4096 h32/8 f14336 e8 rmsnorm": {
        "model_type": "mixtral",
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 14336,
        "num_local_experts": 8,
        "rms_norm_eps": 1e-5,
    },
    "qwen2_moe 24x2048 h16/16 f1408 e60 bias rmsnorm": {
        "model_type": "qwen2_moe",
        "hidden_size": 2048,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "intermediate_size": 5632,
        "moe_intermediate_size": 1408,
        "num_experts": 60,
        "rms_norm_eps": 1e-6,
    },
    "gpt2 12x768 h12/12 f3072 bias layernorm": {
        "model_type": "gpt2",
        "n_embd": 768,
        "n_layer": 12,
        "n_head": 12,
        "n_inner": None,
        "layer_norm_epsilon": 1e-5,
    },
    "falcon 2x64 h8/1 f256 layernorm": FALCON | {"num_kv_heads": 8, "multi_query": True},
    "falcon 2x64 h8/8 f256 layernorm": FALCON | {"num_kv_heads": 8, "multi_query": False},
    "falcon 2x64 h8/4 f256 layernorm": FALCON | {"num_kv_heads": 4, "new_decoder_architecture": True},
    "hf_olmo 8x64 h8/8 f256 rmsnorm": OLMO | {"layer_norm_type": "rms"},
    "hf_olmo 8x64 h8/8 f256 layernorm": OLMO | {"layer_norm_type": "default"},
    "mpt 32x4096 h32/32 f16384 layernorm": {
        "model_type": "mpt",
        "d_model": 4096,
        "n_layers": 32,
        "n_heads": 32,
        "expansion_ratio": 4,
    },
    "chatglm 28x4096 h32/2 f13696 bias rmsnorm": {
        "model_type": "chatglm",
        "hidden_size": 4096,
        "num_layers": 28,
        "num_attention_heads": 32,
        "multi_query_attention": True,
        "multi_query_group_num": 2,
        "ffn_hidden_size": 13696,
        "kv_channels": 128,
        "add_qkv_bias": True,
        "rmsnorm": True,
    },
    "hunyuan_v1_moe 32x4096 h32/8 f3072 e64 rmsnorm": {
        "model_type": "hunyuan_v1_moe",
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 3072,
        "moe_intermediate_size": [3072] * 32,
        "num_experts": 64,
        "rms_norm_eps": 1e-5,
    },
    "phimoe 32x4096 h32/8 f6400 e16 bias layernorm": {
        "model_type": "phimoe",
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 6400,
        "num_local_experts": 16,
        "attention_bias": True,
        "rms_norm_eps": 1e-5,
    },
}


@pytest.mark.parametrize("cell", CELLS)
def test_cells(cell: str) -> None:
    assert Architecture.from_config(CELLS[cell]).cell == cell


def test_the_text_part_of_a_larger_model() -> None:
    inside = Architecture.from_config({"model_type": "qwen2_5_vl", "text_config": QWEN})
    assert inside == Architecture.from_config(QWEN)


def test_tensors_decide_on_biases() -> None:
    bare = Architecture.from_config(QWEN, ["model.layers.0.self_attn.q_proj.weight"])
    assert not bare.qkv_bias
    assert Architecture.from_config(QWEN, ["model.layers.0.self_attn.q_proj.bias"]).qkv_bias
    assert not Architecture.from_config(QWEN, ["model.layers.0.self_attn.o_proj.bias"]).qkv_bias
    fused = ["transformer.h.0.attn.c_attn.bias", "h.0.self_attention.query_key_value.bias", "x.W_pack.bias"]
    encoders = ["encoder.layer.0.attention.self.query_proj.bias", "transformer.layer.0.attention.q_lin.bias"]
    for name in fused + encoders:
        assert Architecture.from_config(QWEN, [name]).qkv_bias, name


@pytest.mark.parametrize(
    "model_type",
    ["bert", "roberta", "xlm-roberta", "camembert", "electra", "deberta-v2", "gpt_bigcode", "qwen2", "bloom"],
)
def test_types_whose_config_does_not_tell_of_their_biases(model_type: str) -> None:
    config = {**QWEN, "model_type": model_type}
    assert Architecture.from_config(config).qkv_bias
    assert not Architecture.from_config(config, ["x.q_proj.weight"]).qkv_bias


def test_a_setting_of_null_is_not_stated() -> None:
    config = {**QWEN, "model_type": "unheard-of", "rms_norm_eps": None, "layer_norm_eps": 1e-5}
    assert Architecture.from_config(config).norm == "layernorm"
    assert Architecture.from_config(config | {"rms_norm_eps": 1e-6}).norm == "rmsnorm"


def test_the_cell_from_facts_alone() -> None:
    facts = {"model_type": "qwen2", "depth": 6, "width": 48, "heads": 4, "kv_heads": 2, "feed_forward": 128}
    assert Architecture(**facts, qkv_bias=True).cell == "qwen2 6x48 h4/2 f128 bias rmsnorm"


@pytest.mark.parametrize(
    "field", ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"]
)
def test_a_missing_fact_is_named(field: str) -> None:
    config = {key: value for key, value in QWEN.items() if key != field}
    with pytest.raises(fpcore.BadCheckpoint, match=field):
        Architecture.from_config(config)
