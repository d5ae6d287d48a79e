"""llama.cpp's names for architectures, config attributes and tensors, and what the hub calls them."""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "BLOCK",
    "CONFIG",
    "LAYER",
    "MODEL_TYPES",
    "NOT_WEIGHTS",
    "NO_ATTENTION",
    "OTHERWISE",
    "OTHER_TYPES",
    "REORDERED",
    "STORED_AS_THEY_ARE",
    "TOP",
]

# llama.cpp's architecture → the hub's model type, where the hub's names of all tensors are known. Llama files
# with experts are Mixtral's.
MODEL_TYPES: Final = {
    "llama": "llama",
    "qwen2": "qwen2",
    "qwen2moe": "qwen2_moe",
    "qwen3": "qwen3",
    "qwen3moe": "qwen3_moe",
    "phi3": "phi3",
}

# The hub's model type of further architectures, where it is not the same word with underscores.
OTHER_TYPES: Final = {
    "afmoe": "afmoe",
    "bailingmoe": "bailing_moe",
    "bailingmoe2": "bailing_moe_v2",
    "cogvlm": "cogvlm2",
    "command-r": "cohere",
    "deci": "nemotron-nas",
    "deepseek2": "deepseek_v2",
    "deepseek2-ocr": "deepseek_v2",
    "dream": "Dream",
    "gemma-embedding": "gemma3_text",
    "gemma3": "gemma3_text",
    "gemma3n": "gemma3n_text",
    "gemma4": "gemma4_text",
    "glm-dsa": "glm_moe_dsa",
    "glm4moe": "glm4_moe",
    "gptneox": "gpt_neox",
    "granitehybrid": "granitemoehybrid",
    "grok": "grok-1",
    "hunyuan-dense": "hunyuan_v1_dense",
    "hunyuan-moe": "hunyuan_v1_moe",
    "hunyuan_vl": "hunyuan_vl_text",
    "jina-bert-v2": "bert",
    "jina-bert-v3": "xlm-roberta",
    "kimi-linear": "kimi_linear",
    "lfm2moe": "lfm2_moe",
    "llada-moe": "llada_moe",
    "llama-embed": "llama",
    "llama4": "llama4_text",
    "mimo2": "mimo_v2",
    "minimax-m2": "minimax_m2",
    "mistral3": "ministral3",
    "modern-bert": "modernbert",
    "neo-bert": "neobert",
    "paddleocr": "paddleocr_vl_text",
    "pangu-embedded": "PanguEmbedded",
    "phi2": "phi",
    "qwen2vl": "qwen2_vl_text",
    "qwen35": "qwen3_5_text",
    "qwen35moe": "qwen3_5_moe_text",
    "qwen3next": "qwen3_next",
    "qwen3vl": "qwen3_vl_text",
    "qwen3vlmoe": "qwen3_vl_moe_text",
    "starcoder": "gpt_bigcode",
    "step35": "step3p5",
    "t5encoder": "t5",
}

# Architectures whose rotary embedding turns neighbouring rows in llama.cpp, the halves of a head on the hub:
# the converter reorders the rows of query and key.
REORDERED: Final = frozenset(
    {
        "llama",
        "llama-embed",
        "deci",
        "baichuan",
        "internlm2",
        "minicpm",
        "xverse",
        "olmo",
        "arctic",
        "deepseek",
    }
    | {"granite", "granitemoe", "granitehybrid", "chameleon", "bailingmoe", "smollm3", "arcee", "mistral3"}
    | {"llada"}
)

# Architectures without attention, and what they have instead.
NO_ATTENTION: Final = {
    "mamba": "a state-space model",
    "mamba2": "a state-space model",
    "rwkv6": "a recurrent network",
    "rwkv6qwen2": "a recurrent network",
    "rwkv7": "a recurrent network",
    "arwkv7": "a recurrent network",
    "wavtokenizer-dec": "a decoder of sound",
    "clip": "the vision or audio tower of a model (mmproj), not its language model",
}

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
