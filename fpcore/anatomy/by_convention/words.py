"""The words that the field uses for the parts of a layer, whatever the model type."""

from __future__ import annotations

from typing import Final

__all__ = [
    "ATTENTION_PARTS",
    "ATTENTION_WORDS",
    "CROSS_WORDS",
    "EMBEDDINGS",
    "FEED_FORWARD_PARTS",
    "FEED_FORWARD_WORDS",
    "FINAL_NORMS",
    "FUSED_GATE_UP",
    "FUSED_QUERY_KEY_VALUE",
    "LATENT_PARTS",
    "LAYER_WORDS",
    "NORMS",
    "OTHER_MIXERS",
    "POSITIONS",
    "ROUTERS",
    "SHARED_WORDS",
    "STATEFUL",
    "TRANSPARENT",
    "UNEMBEDDINGS",
]

# What stacks of layers are called.
LAYER_WORDS: Final = frozenset(
    {"layers", "layer", "h", "blocks", "block", "transformer_blocks", "layer_groups", "albert_layer_groups"}
    | {"hidden_layers", "decoder_layers", "encoder_layers", "self_attends"}
)

ATTENTION_WORDS: Final = frozenset(
    {"self_attn", "self_attention", "self_att", "attn", "attention", "attentions", "mixer", "temporal_block"}
    | {"rel_attn", "multi_head_attention", "SelfAttention", "shared_transformer", "self", "att"}
)
CROSS_WORDS: Final = frozenset(
    {"cross_attn", "crossattention", "cross_attention", "encoder_attn", "EncDecAttention"}
    | {"encoder_decoder_attention", "inter_attention"}
)
FEED_FORWARD_WORDS: Final = frozenset(
    {
        "mlp",
        "mlps",
        "feed_forward",
        "feedforward",
        "ffn",
        "ffns",
        "ff",
        "block_sparse_moe",
        "moe",
        "mlp_block",
    }
    | {"mixer", "DenseReluDense", "shared_transformer", "shared_transf", "moe_block"}
)
SHARED_WORDS: Final = frozenset({"shared_expert", "share_expert", "shared_experts", "shared_mlp"})

# Modules that mix tokens in another way than attention; by what they are called, or by what they hold.
OTHER_MIXERS: Final = frozenset(
    {"linear_attn", "linear_attention", "mamba", "mamba_decoder", "ssm", "conv", "short_conv", "rg_lru"}
    | {"mlstm_layer", "time_mixer"}
)
STATEFUL: Final = frozenset(
    {"A_log", "slope_rate", "time_decay", "dt_bias", "recurrent_param", "forget_gate", "decay"}
)

# Words between a block and its projections that say nothing.
TRANSPARENT: Final = frozenset(
    {
        "layer",
        "linear",
        "dense",
        "attention",
        "attn",
        "self",
        "self_attention",
        "w_in",
        "norm_attn_norm",
    }
)

ATTENTION_PARTS: Final[dict[str, str]] = {
    **dict.fromkeys(
        (
            "q_proj",
            "query",
            "q",
            "q_lin",
            "query_proj",
            "Wq",
            "wq",
            "project_q",
            "to_q",
            "q_linear",
            "wq_du",
            "q_head",
        ),
        "query",
    ),
    **dict.fromkeys(
        (
            "k_proj",
            "key",
            "k",
            "k_lin",
            "key_proj",
            "Wk",
            "wk",
            "project_k",
            "to_k",
            "k_linear",
            "wk_dv",
            "k_head",
        ),
        "key",
    ),
    **dict.fromkeys(
        (
            "v_proj",
            "value",
            "v",
            "v_lin",
            "value_proj",
            "Wv",
            "wv",
            "project_v",
            "to_v",
            "v_linear",
            "wv_dv",
            "v_head",
        ),
        "value",
    ),
    **dict.fromkeys(
        (
            "o_proj",
            "out_proj",
            "o",
            "out_lin",
            "dense",
            "Wo",
            "wo",
            "c_proj",
            "proj",
            "attention_out",
            "to_out",
            "output",
            "attn_out",
            "out",
            "output_proj",
            "wo_ud",
            "post_proj",
        ),
        "output",
    ),
    **dict.fromkeys(("q_norm", "q_layernorm", "query_layernorm", "query_norm", "q_ln"), "query_norm"),
    **dict.fromkeys(("k_norm", "k_layernorm", "key_layernorm", "key_norm", "k_ln"), "key_norm"),
    **dict.fromkeys(("relative_attention_bias",), "relative_bias"),
}
FUSED_QUERY_KEY_VALUE: Final = frozenset(
    {
        "qkv_proj",
        "query_key_value",
        "Wqkv",
        "wqkv",
        "c_attn",
        "qkv",
        "W_pack",
        "att_proj",
        "in_proj",
        "in_proj_",
    }
)

# Multi-head latent attention, by the names of its first models and by those that followed.
LATENT_PARTS: Final[dict[str, str]] = {
    "q_a_proj": "query_latent.down",
    "q_a_layernorm": "query_latent.norm",
    "q_a_norm": "query_latent.norm",
    "q_b_proj": "query",
    "kv_a_layernorm": "latent.norm",
    "kv_a_norm": "latent.norm",
    **dict.fromkeys(("kv_a_proj_with_mqa", "wkv_a_with_mqa"), "down"),
    **dict.fromkeys(("kv_b_proj", "wkv_b"), "up"),
}

FEED_FORWARD_PARTS: Final[dict[str, str]] = {
    **dict.fromkeys(("gate_proj", "wi_0", "proj_up_gate", "c_fc_0", "w_0", "gate", "linear_gate"), "gate"),
    **dict.fromkeys(
        (
            "up_proj",
            "wi_1",
            "wi",
            "fc1",
            "c_fc",
            "fc_in",
            "dense_h_to_4h",
            "lin1",
            "linear_1",
            "linear1",
            "c_fc_1",
            "proj_up",
            "layer_1",
            "intermediate",
            "w_1",
            "linear_in",
            "up",
            "ff1",
            "dense1",
        ),
        "up",
    ),
    **dict.fromkeys(
        (
            "down_proj",
            "wo",
            "Wo",
            "fc2",
            "c_proj",
            "fc_out",
            "dense_4h_to_h",
            "lin2",
            "linear_2",
            "linear2",
            "proj_down",
            "layer_2",
            "output",
            "w_out",
            "linear_out",
            "down",
            "output_linear",
            "ff_out",
            "ff2",
            "dense2",
        ),
        "down",
    ),
}
FUSED_GATE_UP: Final = frozenset({"gate_up_proj", "Wi", "input_linear", "up_gate_proj", "w12", "ff_proj"})
ROUTERS: Final = frozenset({"router", "gate", "router.layer", "router.classifier", "gate.wg", "router.gate"})

# Norms of a layer: where they stand if the model's blocks read through them. `-` stands for one that says
# nothing but that it is the layer's.
NORMS: Final[dict[str, str]] = {
    **dict.fromkeys(
        (
            "input_layernorm",
            "ln_1",
            "ln1",
            "attn_norm",
            "attention_norm",
            "norm_1",
            "norm1",
            "layernorm1",
            "attention_layernorm",
            "self_attn_layer_norm",
            "layer_norm1",
            "operator_norm",
            "temporal_pre_norm",
            "pre_self_attn_layernorm",
            "pre_attention_layer_norm",
            "layernorm_before",
            "attn_ln",
            "ln_attn",
            "input_norm",
            "attention.LayerNorm",
            "attention.self_attn_layer_norm",
            "attention.ln",
            "norm_attn_norm.norm_1",
            "self_att.layernorm_before_attention",
            "self_attention.layer_norm",
            "att_norm",
        ),
        "attention.norm",
    ),
    **dict.fromkeys(
        (
            "pre_feedforward_layernorm",
            "pre_ff_layernorm",
            "pre_mlp_layernorm",
            "ffn_norm",
            "ln_2",
            "ln2",
            "norm_2",
            "norm2",
            "layernorm2",
            "mlp_norm",
            "feedforward_layernorm",
            "final_layer_norm",
            "ff_norm",
            "channel_pre_norm",
            "layer_norm2",
            "layernorm_after",
            "norm_ffn",
            "feed_forward_layer_norm",
            "ln_mlp",
            "pre_mlp_layer_norm",
            "ffn.layernorm_before_ffn",
            "norm_attn_norm.norm_2",
            "intermediate.LayerNorm",
            "ln",
            "LayerNorm",
        ),
        "feed_forward.norm",
    ),
    **dict.fromkeys(
        (
            "post_self_attn_layernorm",
            "post_norm1",
            "post_operator_norm",
            "attention.output.LayerNorm",
            "attention.post_norm",
            "post_attention_norm",
            "sa_layer_norm",
        ),
        "attention.post_norm",
    ),
    **dict.fromkeys(
        (
            "post_feedforward_layernorm",
            "post_mlp_layernorm",
            "post_ffn_norm",
            "post_norm2",
            "output.LayerNorm",
            "output_layer_norm",
            "full_layer_layer_norm",
            "mlp.post_mlp_layernorm",
            "post_feedforward_norm",
        ),
        "feed_forward.post_norm",
    ),
    **dict.fromkeys(
        ("encoder_attn_layer_norm", "cross_attn_layer_norm", "encoder_decoder_attention.layer_norm"),
        "cross_attention.norm",
    ),
}

EMBEDDINGS: Final = frozenset(
    {"embed_tokens", "word_embeddings", "wte", "tok_embeddings", "embed_in", "tokens_embed", "embeddings"}
    | {"input_embedding", "word_embedding", "embedding", "shared", "w", "embed", "token_embedding"}
)
POSITIONS: Final = frozenset(
    {"embed_positions", "position_embeddings", "wpe", "positions_embed", "position_embedding"}
)
FINAL_NORMS: Final = frozenset(
    {"norm", "final_layernorm", "final_layer_norm", "ln_f", "norm_f", "final_norm", "layer_norm", "ln_out"}
    | {"out_norm", "output_layernorm", "layernorm", "LayerNorm", "ln", "embedding_norm"}
)
UNEMBEDDINGS: Final = frozenset(
    {"lm_head", "embed_out", "output_projection", "proj_out", "output_layer", "pred_layer.proj", "lm_loss"}
    | {
        "generator_lm_head",
        "cls.predictions.decoder",
        "lm_head.decoder",
        "head",
        "decoder",
        "vocab_projector",
    }
    | {"output"}
)
