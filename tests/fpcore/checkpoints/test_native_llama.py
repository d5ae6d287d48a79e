"""The names and the order of rows in files as Meta and Mistral publish them."""

from __future__ import annotations

import pytest
import torch

from fpcore.checkpoints.native_llama import (
    NativePlace,
    config_of_params,
    is_native,
    native_places,
    transformers_order,
)
from fpcore.errors import BadCheckpoint
from fpcore.storage.tensor_source import TensorInfo

FREQUENCIES = "attention.inner_attention.rope.freqs"
LEAST = {"tok_embeddings.weight", "layers.0.attention.wq.weight"}
KNOWN = (
    *("attention.wq", "attention.wk", "attention.wv", "attention.wo", "attention_norm", "ffn_norm"),
    *("feed_forward.w1", "feed_forward.w2", "feed_forward.w3", "feed_forward.gate"),
    *("feed_forward.experts.0.w1", "feed_forward.experts.12.w2", "feed_forward.experts.3.w3"),
)


def test_what_is_native() -> None:
    assert is_native(LEAST)
    assert is_native(iter([*LEAST, "output.weight", "rope.freqs", "vision.0.anything"]))
    for part in KNOWN:
        assert is_native({*LEAST, f"layers.10.{part}.weight", f"layers.10.{part}.bias"})
    # The first Llama stores them once a layer.
    assert is_native({*LEAST, f"layers.0.{FREQUENCIES}"})


def test_what_is_not() -> None:
    for name in LEAST:
        assert not is_native({name})
    for part in ("attention.q_norm", "feed_forward.experts.0.w4", "feed_forward.experts.w1", "router"):
        assert not is_native({*LEAST, f"layers.0.{part}.weight"})
    assert not is_native({*LEAST, "layers.0.attention.wq.scale"})
    assert not is_native({*LEAST, "layers.0.feed_forward.freqs"})


def info(*shape: int) -> TensorInfo:
    return TensorInfo(shape, "float32")


PLACES = {
    "tok_embeddings.weight": ((10, 8), "model.embed_tokens.weight", 0, 0),
    "norm.weight": ((8,), "model.norm.weight", None, 0),
    "output.weight": ((10, 8), "lm_head.weight", 0, 0),
    "layers.0.attention.wq.weight": ((8, 8), "model.layers.0.self_attn.q_proj.weight", 0, 4),
    "layers.0.attention.wq.bias": ((8,), "model.layers.0.self_attn.q_proj.bias", None, 4),
    "layers.1.attention.wk.weight": ((4, 8), "model.layers.1.self_attn.k_proj.weight", 0, 2),
    "layers.0.attention.wv.weight": ((4, 8), "model.layers.0.self_attn.v_proj.weight", 0, 0),
    "layers.0.attention.wo.weight": ((8, 8), "model.layers.0.self_attn.o_proj.weight", 1, 0),
    "layers.0.feed_forward.w1.weight": ((9, 8), "model.layers.0.mlp.gate_proj.weight", 0, 0),
    "layers.0.feed_forward.w2.weight": ((8, 9), "model.layers.0.mlp.down_proj.weight", 1, 0),
    "layers.0.feed_forward.w3.weight": ((9, 8), "model.layers.0.mlp.up_proj.weight", 0, 0),
    "layers.0.feed_forward.gate.weight": ((3, 8), "model.layers.0.block_sparse_moe.gate.weight", None, 0),
    "layers.0.feed_forward.experts.2.w1.weight": (
        (9, 8),
        "model.layers.0.block_sparse_moe.experts.2.w1.weight",
        *(0, 0),
    ),
    "layers.0.feed_forward.experts.2.w2.weight": (
        (8, 9),
        "model.layers.0.block_sparse_moe.experts.2.w2.weight",
        *(1, 0),
    ),
    "layers.0.feed_forward.experts.2.w2.bias": (
        (8,),
        "model.layers.0.block_sparse_moe.experts.2.w2.bias",
        *(None, 0),
    ),
    "layers.0.attention_norm.weight": ((8,), "model.layers.0.input_layernorm.weight", None, 0),
    "layers.0.ffn_norm.weight": ((8,), "model.layers.0.post_attention_layernorm.weight", None, 0),
    "layers.0.other.weight": ((8, 8), "model.layers.0.other.weight", 0, 0),
    "vision.weight": ((8, 8), "vision.weight", 0, 0),
}
CONFIG = {"hidden_size": 8, "num_attention_heads": 4, "num_key_value_heads": 2}


def test_where_each_tensor_is() -> None:
    files = {"rope.freqs": info(2), f"layers.0.{FREQUENCIES}": info(2)}
    files |= {name: info(*shape) for name, (shape, *_) in PLACES.items()}
    assert native_places(files, CONFIG) == {
        hub: NativePlace(name, axis, heads) for name, (_, hub, axis, heads) in PLACES.items()
    }


def test_an_embedding_that_was_cut_along_its_width() -> None:
    (place,) = native_places({"tok_embeddings.weight": info(10, 4)}, CONFIG).values()
    assert place.axis == 1
    (place,) = native_places({"tok_embeddings.weight": info(8)}, CONFIG).values()
    assert place.axis is None


def test_heads_that_are_not_stated_leave_the_order() -> None:
    (place,) = native_places({"layers.0.attention.wk.weight": info(4, 8)}, {"hidden_size": 8}).values()
    assert place.heads == 0


def test_rows_of_each_head_from_pairs_to_halves() -> None:
    rows = torch.arange(12)
    expected = [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]
    assert transformers_order(rows, 2).tolist() == expected
    assert transformers_order(rows, 1).tolist() == [*range(0, 12, 2), *range(1, 12, 2)]
    matrix = torch.stack([rows, -rows], dim=1)
    assert torch.equal(transformers_order(matrix, 2), matrix[expected])
    for heads in (4, 5, 0, -1):  # three rows a head, no whole number of them, no heads
        with pytest.raises(BadCheckpoint, match=f"^12 rows are not {heads} heads of an even width$"):
            transformers_order(rows, heads)


LAYERS = {
    "tok_embeddings.weight": info(10, 8),
    "layers.0.feed_forward.w1.weight": info(9, 8),
    "layers.1.feed_forward.w1.weight": info(11, 8),
    "output.weight": info(10, 8),
}
LLAMA = {
    "model_type": "llama",
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "head_dim": 2,
    "intermediate_size": 9,
    "vocab_size": 10,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
}


def test_a_configuration_from_parameters() -> None:
    params = {"dim": 8, "n_heads": 4}
    assert config_of_params(params, LAYERS, 1, "x") == LLAMA
    stated = {"n_layers": 3, "n_kv_heads": 2, "norm_eps": 1e-6, "rope_theta": 5e5}
    assert config_of_params(params | stated, LAYERS, 1, "x") == LLAMA | {
        "num_hidden_layers": 3,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-6,
        "rope_theta": 5e5,
    }
    tied = {name: one for name, one in LAYERS.items() if name != "output.weight"}
    assert config_of_params(params, tied, 1, "x") == LLAMA | {"tie_word_embeddings": True}


def test_parts_of_several_devices_count_together() -> None:
    params = {"dim": 8, "n_heads": 4}
    assert config_of_params(params, LAYERS, 2, "x") == LLAMA | {"intermediate_size": 18, "vocab_size": 20}
    along_width = LAYERS | {"tok_embeddings.weight": info(10, 4)}
    assert config_of_params(params, along_width, 2, "x") == LLAMA | {"intermediate_size": 18}


def test_mistrals_parameters() -> None:
    params = {"dim": 8, "n_heads": 4, "head_dim": 6}
    assert config_of_params(params, LAYERS, 1, "x") == LLAMA | {"model_type": "mistral", "head_dim": 6}
    experts = {"tok_embeddings.weight": info(10, 8), "layers.0.feed_forward.experts.0.w1.weight": info(7, 8)}
    moe = {"moe": {"num_experts": 8}}
    assert config_of_params(params | moe, experts, 1, "x") == LLAMA | {
        "model_type": "mixtral",
        "head_dim": 6,
        "num_hidden_layers": 1,
        "intermediate_size": 7,
        "num_local_experts": 8,
        "tie_word_embeddings": True,
    }
    assert config_of_params(params | {"moe": 8}, LAYERS, 1, "x")["model_type"] == "mistral"


@pytest.mark.parametrize(
    "missing", ["dim", "n_heads", "layers.0.feed_forward.w1.weight", "tok_embeddings.weight"]
)
def test_parameters_of_no_llama(missing: str) -> None:
    params = {key: value for key, value in {"dim": 8, "n_heads": 4}.items() if key != missing}
    tensors = {name: one for name, one in LAYERS.items() if name != missing}
    with pytest.raises(BadCheckpoint) as caught:
        config_of_params(params, tensors, 1, "x")
    told = "no params.json of a Llama (dim, n_heads); add the model's config.json"
    assert str(caught.value) == f"x: {told}"
