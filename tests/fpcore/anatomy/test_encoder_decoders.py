"""Models of an encoder and a decoder: the decoder is measured, whatever the encoder's own sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers

import fpcore

DEPTH = 3
BART = {
    "vocab_size": 96,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": DEPTH,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 48,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
WHISPER = BART | {"num_mel_bins": 8, "max_source_positions": 20, "max_target_positions": 20}
T5 = {"vocab_size": 96, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_heads": 4} | {
    "num_layers": 2,
    "num_decoder_layers": DEPTH,
}
BART_QUERY, T5_QUERY = "model.decoder.layers.{}.self_attn.q_proj", "decoder.block.{}.layer.0.SelfAttention.q"
MODELS = {
    "bart": ("BartForConditionalGeneration", BART, BART_QUERY, "layernorm"),
    "marian": ("MarianMTModel", BART, BART_QUERY, "layernorm"),
    "whisper": ("WhisperForConditionalGeneration", WHISPER, BART_QUERY, "layernorm"),
    "t5": ("T5ForConditionalGeneration", T5, T5_QUERY, "rmsnorm"),
    "mt5": ("MT5ForConditionalGeneration", T5, T5_QUERY, "rmsnorm"),
    "umt5": ("UMT5ForConditionalGeneration", T5, T5_QUERY, "rmsnorm"),
    "longt5": ("LongT5ForConditionalGeneration", T5, T5_QUERY, "rmsnorm"),
    "switch_transformers": (
        "SwitchTransformersForConditionalGeneration",
        T5 | {"num_experts": 4},
        T5_QUERY,
        "rmsnorm",
    ),
}


@pytest.mark.parametrize("model_type", MODELS)
def test_the_decoder_is_measured(model_type: str, tmp_path: Path) -> None:
    cls, facts, query, norm = MODELS[model_type]
    model: Any = getattr(transformers, cls)(transformers.CONFIG_MAPPING[model_type](**facts))
    model.save_pretrained(tmp_path)
    checkpoint = fpcore.open_checkpoint(tmp_path)
    shape = checkpoint.architecture
    assert (shape.depth, shape.width, shape.heads, shape.norm) == (DEPTH, 32, 4, norm)
    assert shape.feed_forward == 48
    found = fpcore.metric("attention-std").fingerprint(checkpoint).arrays["query"]
    weights = [model.get_submodule(query.format(layer)).weight.detach() for layer in range(DEPTH)]
    expected = [float(weight.double().std(unbiased=False)) for weight in weights]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
