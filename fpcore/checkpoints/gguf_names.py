"""llama.cpp's names for config attributes and tensors, and what the hub calls them."""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "AS_ON_THE_HUB",
    "BLOCK",
    "CONFIG",
    "LAYER",
    "NOT_WEIGHTS",
    "OTHERWISE",
    "STORED_AS_THEY_ARE",
    "TOP",
]

# Architectures of which the hub's names of all tensors are known. Llama files with experts are Mixtral's.
AS_ON_THE_HUB: Final = frozenset({"llama", "qwen2", "qwen2moe", "qwen3", "qwen3moe", "phi3"})

# Config attribute → metadata key after the architecture's name.
CONFIG: Final = {
    "hidden_size": "embedding_length",
    "num_hidden_layers": "block_count",
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "intermediate_size": "feed_forward_length",
    "moe_intermediate_size": "expert_feed_forward_length",
    "num_experts": "expert_count",
    "head_dim": "attention.key_length",
    "kv_lora_rank": "attention.kv_lora_rank",
    "q_lora_rank": "attention.q_lora_rank",
    "rms_norm_eps": "attention.layer_norm_rms_epsilon",
    "rope_theta": "rope.freq_base",
    "max_position_embeddings": "context_length",
    "vocab_size": "vocab_size",
}

TOP: Final = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}

LAYER: Final = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_qkv": "self_attn.qkv_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "ffn_gate_inp": "mlp.gate",
    "ffn_gate_exps": "mlp.experts.#.gate_proj",
    "ffn_up_exps": "mlp.experts.#.up_proj",
    "ffn_down_exps": "mlp.experts.#.down_proj",
    "ffn_gate_shexp": "mlp.shared_expert.gate_proj",
    "ffn_up_shexp": "mlp.shared_expert.up_proj",
    "ffn_down_shexp": "mlp.shared_expert.down_proj",
    "ffn_gate_inp_shexp": "mlp.shared_expert_gate",
}

# Where the hub's names of a model type are others.
OTHERWISE: Final = {
    "phi3": {"ffn_up": "mlp.gate_up_proj"},
    "mixtral": {
        "ffn_gate_inp": "block_sparse_moe.gate",
        "ffn_gate_exps": "block_sparse_moe.experts.#.w1",
        "ffn_up_exps": "block_sparse_moe.experts.#.w3",
        "ffn_down_exps": "block_sparse_moe.experts.#.w2",
    },
}

NOT_WEIGHTS: Final = re.compile(
    r"^(?:rope_(?:freqs|factors_long|factors_short)\.|blk\.\d+\.attn_rot_embd\.|.*\.(?:input_)?scale$)"
)
BLOCK: Final = re.compile(r"^blk\.(\d+)\.(\w+)\.(weight|bias)$")

# Element types that are kept; all others are dequantised to float32.
STORED_AS_THEY_ARE: Final = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
