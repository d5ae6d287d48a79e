"""What the rules for tiny configs do not suit, type by type, and how types are run that need other inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

__all__ = ["CHANGES", "INPUTS", "PARTS", "STACKS"]

LENGTH = 12
ROPE = {"rope_type": "default", "rope_theta": 10000.0}
SECTIONS = {**ROPE, "mrope_section": [2, 1, 1]}
VOCABULARY_MAP = {"<image>": 5, "<boi>": 6, "<eoi>": 7, "IMGIMGAA": 8, "IMGIMGAB": 9}
KINDS_OF_LAYERS = ["linear_attention", "full_attention", "linear_attention", "full_attention"]
INDEXER = {
    "indexer_n_heads": 4,
    "indexer_kv_heads": 1,
    "indexer_head_dim": 8,
    "indexer_budget": 16,
    "indexer_compress_ratio": 2,
    "ngram_vocab_size_base": 64,
    "make_ngram_vocab_size_divisible_by": 8,
    "split_ngram_parts": 1,
    "ple_embed_dim": 16,
    "hc_lowrank": 8,
}


def within(part: str, changes: dict[str, Any]) -> dict[str, Any]:
    """The same changes for a nested config."""
    return {f"{part}.{key}": value for key, value in changes.items()}


# Model type → entries of the tiny config, by dotted path; `default`: what the default config is made with.
CHANGES: dict[str, dict[str, Any]] = {
    "apertus1p5": {
        "audio_config.codebook_dim": 32,
        "image_token_offset": 40,
        "audio_token_offset": 48,
        "vision_config.codebook_size": 8,
        "vision_config.base_channels": 32,
        "vision_config.num_res_blocks": 1,
        "audio_config.decoder_num_layers": 2,
        "audio_config.codebook_size": 8,
    },
    "bamba": {"attn_layer_indices": [1, 3]},
    "blt": {"encoder_hash_byte_group_vocab": 97},
    "chameleon": {"vocabulary_map": VOCABULARY_MAP},
    "cohere_compass": {"text_config.rope_parameters": {"full_attention": ROPE}},
    "cohere_compass_text": {"rope_parameters": {"full_attention": ROPE}},
    "cosmos3_edge": {"text_config.rope_parameters": SECTIONS},
    "cosmos3_omni": {"text_config.rope_parameters": SECTIONS},
    "dbrx": {
        "attn_config.rope_theta": 10000.0,
        "attn_config.clip_qkv": 8.0,
        "attn_config.kv_n_heads": 2,
        "ffn_config.ffn_hidden_size": 48,
        "ffn_config.hidden_size": 32,
    },
    "deepseek_v2": {"num_experts_per_tok": 2},
    "deepseek_ocr2": within(
        "text_config",
        {
            "mlp_layer_types": ["dense", "sparse", "sparse", "sparse"],
            "num_experts_per_tok": 2,
            "n_routed_experts": 4,
            "n_shared_experts": 1,
            "num_key_value_heads": 4,
        },
    ),
    "diffusion_gemma": within(
        "text_config", {"num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 24}
    ),
    "dots3_note": {
        "text_config.head_dim": 12,
        "vision_config.adapter_in_dim": 32,
        "vision_config.adapter_out_dim": 32,
        "audio_config.adapter_input_size": 32,
        "audio_config.adapter_out_dim": 32,
    },
    "dots3_note_text": {"head_dim": 12},
    # Its config counts attention and feed-forward blocks apart.
    "dory": {
        "num_hidden_layers": 8,
        "n_input_layers": 2,
        "n_recurrent_layers": 4,
        "n_output_layers": 2,
        "layer_types": [
            "sliding_attention",
            "mlp",
            "sliding_attention",
            "mlp",
            "sliding_attention",
            "mlp",
            "full_attention",
            "mlp",
        ],
    },
    "dots1": {
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
        "n_shared_experts": 1,
        "n_group": 1,
        "topk_group": 1,
        "first_k_dense_replace": 1,
    },
    "emu3": {
        "vocabulary_map": VOCABULARY_MAP,
        "vq_config.base_channels": 32,
        "vq_config.num_res_blocks": 1,
        "vq_config.channel_multiplier": [1, 1],
        "vq_config.codebook_size": 64,
    },
    "ernie4_5_vl_moe": {
        "text_config.rope_parameters": {**ROPE, "mrope_section": [1, 1, 2]},
        "text_config.head_dim": 8,
    },
    "esm": {"vocab_size": 96, "pad_token_id": 1, "mask_token_id": 5, "token_dropout": False},
    "esmc": {"num_key_value_heads": 4},
    "falcon_h1": {"mamba_d_ssm": 64},
    "gemma4_assistant": {
        "default": {"text_config": {"hidden_size_per_layer_input": 0, "vocab_size_per_layer_input": 0}},
        "text_config.hidden_size_per_layer_input": 0,
        "text_config.vocab_size_per_layer_input": 0,
    },
    "glm5_next": within(
        "text_config", {"num_key_value_heads": 4, "qk_rope_head_dim": 0, "qk_head_dim": 8, "head_dim": 8}
    ),
    "granite4_vision": {
        "downsample_rate": "1/2",
        "vision_config.hidden_size": 64,
        "deepstack_layer_map": [[-1, 0]],
        "spatial_target_layers": [1],
    },
    "granitemoehybrid": {"layer_types": ["mamba", "attention", "mamba", "attention"]},
    "hunyuan_vl": {"text_config.rope_parameters": {**ROPE, "xdrope_section": [1, 1, 1, 1]}},
    "hy_v4_vl": {"text_config.rope_parameters": {**ROPE, "mrope_section": [1, 1, 0]}},
    "jamba": {
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "expert_layer_period": 2,
        "expert_layer_offset": 1,
    },
    "lfm2_moe": {"layer_types": ["conv", "full_attention", "conv", "full_attention"]},
    "longcat_flash": {"zero_expert_num": 0},
    "mamba2": {"head_dim": 16},
    "mobilebert": {"intra_bottleneck_size": 16, "true_hidden_size": 16},
    "molmo2": {"adapter_config.vision_feature_layer": [3, 1]},
    "muse_spark": {
        "text_config.moe_hidden_size": 16,
        "projector_hidden_size": 32,
        "audio_config.hidden_sizes": [16, 16, 32, 32],
    },
    "neomme": {"rope_parameters.full_attention.partial_rotary_factor": 0.5},
    "perception_lm": {"vision_config.model_args": {"embed_dim": 32, "img_size": [16, 16], "depth": 1}},
    "perceiver": {
        "d_latents": 32,
        "num_latents": 8,
        "num_self_attends_per_block": 3,
        "num_self_attention_heads": 4,
        "num_cross_attention_heads": 4,
    },
    "qwen4_exp": within("text_config", INDEXER),
    "qwen4_exp_text": INDEXER,
    "qwen2_5_omni_thinker": {"vision_start_token_id": 6, "text_config.rope_parameters": SECTIONS},
    "qwen3_omni_moe_thinker": {"vision_start_token_id": 6},
    "reformer": {
        "is_decoder": True,
        "axial_pos_embds_dim": [16, 16],
        "axial_pos_shape": [8, 8],
        "lsh_attn_chunk_length": 4,
        "local_attn_chunk_length": 4,
        "num_buckets": 2,
    },
    "step3p7": {"text_config.sliding_window": 8},
    "unlimited_ocr": {"text_config.num_key_value_heads": 4},
    "xlstm": {"chunk_size": 4},
    "xmod": {"languages": ["en_XX"], "default_language": "en_XX"},
    "zamba": {
        "layers_block_type": ["mamba", "hybrid", "mamba", "hybrid"],
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "attention_hidden_size": 64,
        "attention_head_dim": 16,
        "num_key_value_heads": 4,
    },
    "zamba2": {
        "mamba_headdim": 16,
        "num_key_value_heads": 4,
        "attention_head_dim": 16,
        "attention_hidden_size": 64,
        "layers_block_type": ["mamba", "hybrid", "mamba", "hybrid"],
        "hybrid_layer_ids": [1, 3],
    },
    "zaya": {"num_experts_per_tok": 1},
    **{
        model_type: {"text_config.rope_parameters": SECTIONS}
        for model_type in ("glm46v", "glm4v", "glm_ocr", "glmga", "paddleocr_vl", "qwen2_5_vl", "qwen2_vl")
    },
    "glm4v_moe": {
        "text_config.rope_parameters": {**ROPE, "mrope_section": [1, 1, 0], "partial_rotary_factor": 0.5}
    },
}


def decoded(kind: str, model: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """The text also as what is to be continued."""
    return {**inputs, "decoder_input_ids": inputs["input_ids"]}


def boxed(kind: str, model: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """Words with places on a page."""
    boxes = torch.rand(1, inputs["input_ids"].shape[1], 4, generator=torch.Generator().manual_seed(1))
    return decoded(kind, model, {**inputs, "bbox": boxes})


def four_codes(kind: str, model: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """Tokens of four codebooks."""
    return {**inputs, "input_ids": inputs["input_ids"].repeat(4, 1)}


def with_image(kind: str, model: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """One image of grey noise."""
    pixels = torch.rand(1, 1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    return {**inputs, "pixel_values": pixels, "image_attention_mask": torch.zeros(1, LENGTH, 1)}


def without_mask(kind: str, model: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """The tokens alone."""
    return {"input_ids": inputs["input_ids"]}


INPUTS: dict[str, Callable[[str, Any, dict[str, Any]], dict[str, Any]]] = {
    "musicgen": four_codes,
    "musicgen_melody": four_codes,
    "idefics": with_image,
    "t5gemma2": decoded,
    "udop": boxed,
    "perceiver": without_mask,
}

# Models of several stacks of layers: the word that names the one whose attention is watched.
STACKS = {"blt": "global_transformer"}

# Composite models that cannot be run on text alone: the part that is the language model.
PARTS = {
    "blip": "text_decoder",
    "blip-2": "language_model",
    "instructblip": "language_model",
    "instructblipvideo": "language_model",
    "kosmos-2": "text_model",
    "kosmos-2.5": "text_model",
    "llama4": "language_model",
    "pi0": "model.vlm.language_model",
    "pix2struct": "decoder",
    "pp_formulanet": "model.decoder",
    "qwen2_5_omni_thinker": "model",
    "qwen3_omni_moe_thinker": "model",
    "shieldgemma2": "model.language_model",
    "vision-encoder-decoder": "decoder",
}
