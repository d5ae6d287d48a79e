"""A tiny config of any model type that transformers knows: its default config, shrunk number by number."""

from __future__ import annotations

from typing import Any

import transformers

__all__ = ["DEPTH", "VOCABULARY", "reduced_config"]

DEPTH = 4
VOCABULARY = 96

WIDTH, HEADS, KV_HEADS, HEAD_DIM, INNER = 32, 4, 2, 8, 48

# Entry of a config → its value in a tiny model.
SMALL: dict[str, Any] = {
    **dict.fromkeys(
        (
            *("hidden_size", "d_model", "n_embd", "dim", "emb_dim", "embedding_dim", "attention_hidden_size"),
            *("text_hidden_size", "out_hidden_size", "encoder_hidden_size", "word_embed_proj_dim"),
            *(
                "decoder_hidden_size",
                "vision_output_dim",
                "patch_embed_hidden_size",
                "image_text_hidden_size",
            ),
            *("lru_width", "hidden_size_global", "embedding_size", "output_dim", "qformer_hidden_size"),
            *("pooler_hidden_size", "cross_attention_hidden_size", "projection_dim", "vision_hidden_size"),
        ),
        WIDTH,
    ),
    **dict.fromkeys(
        (
            *("num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads"),
            *("encoder_attention_heads", "decoder_attention_heads", "swa_num_attention_heads"),
            *("num_encoder_attention_heads", "num_decoder_attention_heads", "num_attention_heads_per_layer"),
            *("linear_num_heads", "linear_num_value_heads", "index_n_heads", "resampler_n_heads"),
            *("mamba_n_heads", "mamba_num_heads", "resampler_heads", "n_mamba_heads"),
        ),
        HEADS,
    ),
    **dict.fromkeys(
        (
            *("num_key_value_heads", "num_kv_heads", "linear_num_key_heads", "swa_num_key_value_heads"),
            *("kv_n_heads", "num_attention_groups", "decoder_key_value_heads"),
        ),
        KV_HEADS,
    ),
    **dict.fromkeys(
        (
            *("head_dim", "d_kv", "dim_head", "kv_channels", "attention_head_dim", "swa_head_dim", "d_head"),
            *("index_head_dim", "linear_head_dim", "linear_key_head_dim", "linear_value_head_dim"),
            *("global_head_dim", "resampler_head_dim", "resampler_dim_head", "swa_v_head_dim"),
        ),
        HEAD_DIM,
    ),
    **dict.fromkeys(
        (
            *("intermediate_size", "ffn_dim", "d_ff", "encoder_ffn_dim", "decoder_ffn_dim", "d_inner", "dff"),
            *("ffn_hidden_size", "intermediate_size_mlp", "dim_ff", "hidden_dim", "mlp_dim"),
            *("dense_intermediate_size", "expert_ffn_hidden_size", "decoder_intermediate_size"),
        ),
        INNER,
    ),
    **dict.fromkeys(
        (
            *("moe_intermediate_size", "shared_expert_intermediate_size", "shared_intermediate_size"),
            *("moe_shared_expert_intermediate_size", "shared_experts_intermediate_size"),
        ),
        24,
    ),
    **dict.fromkeys(
        (
            *("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers", "decoder_layers"),
            *("num_decoder_layers", "num_encoder_layers", "layers", "num_blocks", "num_layers_per_stack"),
        ),
        DEPTH,
    ),
    "depth": 2,
    **dict.fromkeys(("num_local_experts", "n_routed_experts", "num_experts", "moe_num_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "moe_topk", "moe_k", "num_experts_per_token", "moe_top_k"), 2),
    **dict.fromkeys(("n_group", "topk_group", "num_expert_group"), 1),
    **dict.fromkeys(("num_shared_experts", "n_shared_experts"), 1),
    **dict.fromkeys(("kv_lora_rank", "q_lora_rank", "o_lora_rank"), 16),
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 4,
    "qk_head_dim": 12,
    "v_head_dim": 6,
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length"), 64),
    "first_k_dense_replace": 1,
    "patch_size": 4,
    "image_size": 16,
    **dict.fromkeys(("mamba_d_state", "ssm_state_size", "state_size"), 8),
    "mamba_d_head": 16,
    "mamba_head_dim": 16,
    **dict.fromkeys(("mamba_n_groups", "n_groups"), 1),
    **dict.fromkeys(("mamba_chunk_size", "chunk_size"), 8),
    **dict.fromkeys(("mamba_dt_rank", "time_step_rank"), 4),
    "rotary_dim": 4,
    **dict.fromkeys(("sliding_window", "attention_chunk_size", "window_size", "sliding_window_size"), 32),
    "expand": 2,
    "hidden_size_per_layer_input": 8,
    "vocab_size_per_layer_input": VOCABULARY,
    "laurel_rank": 4,
    "num_kv_shared_layers": 0,
    "type_vocab_size": 2,
    "query_pre_attn_scalar": 8,
    "rope_theta": 10000.0,
    "index_topk": 16,
    "block_size": 16,
}
KEPT_TOKENS = ("pad_token_id", "bos_token_id", "eos_token_id")
OWN_RULES = frozenset({"label2id", "id2label", "rope_parameters", "rope_scaling"})


def reduced_config(model_type: str, changes: dict[str, Any] | None = None) -> Any:
    """The tiny config.

    Parameters
    ----------
    model_type : str
    changes : dict, optional
        Entries that the rules do not suit, by name or by dotted path; None takes an entry out.
    """
    cls = transformers.CONFIG_MAPPING[model_type]
    own = dict((changes or {}).get("default", {}))
    facts = reduced(cls(**own).to_dict())
    for path, value in (changes or {}).items():
        if path == "default":
            continue
        *inner, last = path.split(".")
        place = facts
        for word in inner:
            if place.get(word) is None:
                place[word] = {}
            place = place[word]
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    return cls.from_dict(facts)


def reduced(facts: dict[str, Any], vocabulary: int = VOCABULARY) -> dict[str, Any]:
    """A config with every size made small, nested ones too."""
    depth = next(
        (SMALL[key] for key in ("num_hidden_layers", "n_layer", "n_layers", "num_layers") if key in facts),
        DEPTH,
    )
    small: dict[str, Any] = {}
    for key, value in facts.items():
        if key == "per_layer_config" and isinstance(value, dict):
            small[key] = of_layers(facts, value, depth)
        elif key == "head_dim" and "kv_lora_rank" in facts and value in (None, facts.get("qk_rope_head_dim")):
            small[key] = SMALL["qk_rope_head_dim"]
        elif key == "num_key_value_heads" and "kv_lora_rank" in facts:
            small[key] = HEADS  # each head has a key of its own, made from the latent
        elif key in {"head_dim", "num_key_value_heads"} and value is None:
            small[key] = SMALL[key]
        elif isinstance(value, dict) and key not in OWN_RULES:
            small[key] = reduced(value, vocabulary)
        elif key == "rope_parameters" or isinstance(value, bool) or value is None or not isinstance(key, str):
            small[key] = value
        elif key.endswith("vocab_size"):
            small[key] = SMALL.get(key, vocabulary)
        elif key.endswith(("token_id", "token_index", "_index")) and isinstance(value, int):
            small[key] = value if value < 4 else 4 + sum(map(ord, key)) % (vocabulary - 10)
        elif key in SMALL and isinstance(value, int | float):
            small[key] = SMALL[key]
        elif key in SMALL and isinstance(value, list):
            small[key] = [SMALL[key]] * depth
        elif key.endswith(
            ("layer_types", "layers_block_type", "layers_type", "indexer_types", "block_types")
        ):
            small[key] = shortened(value, depth) if isinstance(value, list) else value
        elif isinstance(value, list) and len(value) > 8 and len(value) > depth:
            small[key] = value[:depth]
        else:
            small[key] = value
    return small


def of_layers(facts: dict[str, Any], exceptions: dict[Any, Any], depth: int) -> dict[str, Any]:
    """What holds for single layers, moved to the layers of the same kind of the shortened model."""
    kinds = facts.get("layer_types") or []
    shorter = shortened(kinds, depth) if kinds else []
    found: dict[str, Any] = {}
    for number, said in exceptions.items():
        changed = {key: small_exception(key, value) for key, value in said.items()}
        kind = kinds[int(number)] if int(number) < len(kinds) else None
        for place, other in enumerate(shorter):
            if other == kind:
                found.setdefault(str(place), changed)
    return found


def small_exception(key: str, value: Any) -> Any:
    """A size that holds for some layers only: other than that of the rest."""
    others = {"head_dim": 2 * HEAD_DIM, "num_attention_heads": 2}
    others |= {"num_key_value_heads": 2, "kv_lora_rank": 24}
    return others.get(key, SMALL.get(key, value) if isinstance(value, int) else value)


def shortened(kinds: list[Any], depth: int) -> list[Any]:
    """Every kind of layer at least once, in the order in which they come first; then as they stand."""
    first = list(dict.fromkeys(kinds))[:depth]
    rest = [kind for kind in kinds if kind not in first] + kinds
    short = (first + rest)[:depth]
    # The last layer keeps its kind where none is lost by it.
    if len(kinds) >= depth and {*short[:-1], kinds[-1]} == set(short):
        short[-1] = kinds[-1]
    return short
