"""Tiny, randomly initialised models of every supported type, and where their modules are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

COMMON: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
OLD = {"vocab_size": 40, "n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 32}
MIXTURE = {"moe_intermediate_size": 12, "num_experts": 4, "num_experts_per_tok": 2}
ROUTED = {
    "moe_intermediate_size": 12,
    "n_routed_experts": 4,
    "n_shared_experts": 2,
    "first_k_dense_replace": 1,
    "num_experts_per_tok": 2,
}
LATENT = ROUTED | {
    "kv_lora_rank": 8,
    "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 6,
    "v_head_dim": 5,
    "num_key_value_heads": 4,
    "n_group": 1,
    "topk_group": 1,
}


@dataclass(frozen=True)
class Tiny:
    """One tiny model: its config, and the modules to listen to.

    `query`, `output`, `inner`, `down` are paths within a layer: the first linear map of attention and the
    last, the first of the feed-forward block and the last. `norms`: path within a layer → role.
    """

    model_type: str
    config: dict[str, Any]
    layers: str = "model.layers"
    query: str = "self_attn.q_proj"
    output: str = "self_attn.o_proj"
    inner: str = "mlp.up_proj"
    down: str = "mlp.down_proj"
    norms: dict[str, str] = field(
        default_factory=lambda: {
            "input_layernorm": "attention.norm",
            "post_attention_layernorm": "feed_forward.norm",
        }
    )
    final_norm: str = "model.norm"
    experts: str = ""  # path of the experts within a layer
    router: str = "mlp.gate"
    alibi: bool = False
    implementation: str = "eager"
    auto: Any = transformers.AutoModelForCausalLM
    label: str = ""

    @property
    def name(self) -> str:
        return self.label or self.model_type

    def build(self, **changes: Any) -> Any:
        torch.manual_seed(len(self.name))
        config = transformers.AutoConfig.for_model(self.model_type, **(self.config | changes))
        model = self.auto.from_config(config, attn_implementation=self.implementation).float().eval()
        with torch.no_grad():
            for tensor in model.parameters():  # biases and gains that are not at their trivial start
                tensor.add_(0.1 * torch.randn_like(tensor))
        return model

    def save(self, folder: Path) -> Any:
        model = self.build()
        model.save_pretrained(folder)
        return model


SANDWICH = {
    "input_layernorm": "attention.norm",
    "post_attention_layernorm": "attention.post_norm",
    "pre_feedforward_layernorm": "feed_forward.norm",
    "post_feedforward_layernorm": "feed_forward.post_norm",
}
POST = {
    "post_attention_layernorm": "attention.post_norm",
    "post_feedforward_layernorm": "feed_forward.post_norm",
}
GPT_NORMS = {"ln_1": "attention.norm", "ln_2": "feed_forward.norm"}
FUSED = {
    "query": "self_attention.query_key_value",
    "output": "self_attention.dense",
    "inner": "mlp.dense_h_to_4h",
    "down": "mlp.dense_4h_to_h",
}
NO_HEADS = {key: value for key, value in COMMON.items() if key != "num_key_value_heads"}
FALCON = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "bias": True}
BERT = {
    "layers": "bert.encoder.layer",
    "query": "attention.self.query",
    "output": "attention.output.dense",
    "inner": "intermediate.dense",
    "down": "output.dense",
    "norms": {
        "attention.output.LayerNorm": "attention.post_norm",
        "output.LayerNorm": "feed_forward.post_norm",
    },
    "final_norm": "",
    "auto": transformers.AutoModelForMaskedLM,
}

TINY = (
    Tiny("llama", COMMON | {"attention_bias": True, "mlp_bias": True}),
    Tiny("mistral", COMMON | {"head_dim": 8}),
    Tiny("qwen2", COMMON),
    Tiny("qwen3", COMMON | {"head_dim": 8}),
    Tiny("granite", COMMON | {"attention_multiplier": 0.3}),
    Tiny("smollm3", COMMON),
    Tiny("gemma", COMMON | {"head_dim": 8}),
    Tiny("gemma2", COMMON | {"head_dim": 8, "attn_logit_softcapping": None}, norms=SANDWICH),
    Tiny("gemma3_text", COMMON | {"head_dim": 8}, norms=SANDWICH),
    Tiny("olmo", COMMON, norms={}, final_norm=""),
    Tiny("olmo2", COMMON, norms=POST),
    Tiny("olmo3", COMMON, norms=POST),
    Tiny("exaone4", COMMON, norms=POST),
    Tiny("stablelm", COMMON | {"use_qkv_bias": True, "partial_rotary_factor": 0.5}),
    Tiny("cohere", COMMON, norms={"input_layernorm": "attention.norm"}),
    Tiny("cohere2", COMMON, norms={"input_layernorm": "attention.norm"}),
    Tiny("hunyuan_v1_dense", COMMON | {"head_dim": 4}),
    Tiny("glm", COMMON | {"head_dim": 4, "attention_bias": True}, inner="mlp.gate_up_proj"),
    Tiny(
        "glm4",
        COMMON | {"head_dim": 4, "attention_bias": True},
        inner="mlp.gate_up_proj",
        norms={
            "input_layernorm": "attention.norm",
            "post_self_attn_layernorm": "attention.post_norm",
            "post_attention_layernorm": "feed_forward.norm",
            "post_mlp_layernorm": "feed_forward.post_norm",
        },
    ),
    Tiny("phi3", COMMON, query="self_attn.qkv_proj", inner="mlp.gate_up_proj"),
    Tiny(
        "phi",
        COMMON,
        output="self_attn.dense",
        inner="mlp.fc1",
        down="mlp.fc2",
        norms={"input_layernorm": "attention.norm"},
        final_norm="model.final_layernorm",
    ),
    Tiny("starcoder2", COMMON, inner="mlp.c_fc", down="mlp.c_proj"),
    Tiny("mixtral", COMMON | {"num_local_experts": 4}, inner="", experts="mlp.experts"),
    Tiny(
        "phimoe",
        COMMON | {"num_local_experts": 4, "attention_bias": True, "lm_head_bias": True},
        inner="",
        experts="mlp.experts",
        router="mlp.router",
    ),
    Tiny(
        "qwen2_moe",
        COMMON | MIXTURE | {"shared_expert_intermediate_size": 20, "decoder_sparse_step": 1},
        inner="",
        experts="mlp.experts",
    ),
    Tiny("qwen3_moe", COMMON | MIXTURE | {"head_dim": 8}, inner="", experts="mlp.experts"),
    Tiny("olmoe", COMMON | {"num_experts": 4, "num_experts_per_tok": 2}, inner="", experts="mlp.experts"),
    Tiny(
        "granitemoe",
        COMMON | {"num_local_experts": 4},
        inner="",
        experts="block_sparse_moe.experts",
        router="block_sparse_moe.router",
    ),
    Tiny(
        "glm4_moe",
        COMMON | ROUTED | {"head_dim": 4, "attention_bias": True, "use_qk_norm": True},
        experts="mlp.experts",
    ),
    Tiny("solar_open", COMMON | ROUTED | {"head_dim": 4}, inner="", experts="mlp.experts"),
    Tiny(
        "hunyuan_v1_moe",
        COMMON | {"num_experts": 4, "moe_topk": 2, "head_dim": 4},
        inner="",
        experts="mlp.experts",
        router="mlp.gate.wg",
    ),
    Tiny(
        "deepseek_v2", COMMON | LATENT | {"q_lora_rank": 6}, query="self_attn.q_a_proj", experts="mlp.experts"
    ),
    Tiny("deepseek_v3", COMMON | LATENT | {"q_lora_rank": None}, experts="mlp.experts"),
    Tiny(
        "gpt2",
        OLD,
        layers="transformer.h",
        query="attn.c_attn",
        output="attn.c_proj",
        inner="mlp.c_fc",
        down="mlp.c_proj",
        norms=GPT_NORMS,
        final_norm="transformer.ln_f",
    ),
    Tiny(
        "gpt_neo",
        {
            "vocab_size": 40,
            "hidden_size": 16,
            "num_layers": 2,
            "num_heads": 4,
            "attention_types": [[["global", "local"], 1]],
            "max_position_embeddings": 32,
        },
        layers="transformer.h",
        query="attn.attention.q_proj",
        output="attn.attention.out_proj",
        inner="mlp.c_fc",
        down="mlp.c_proj",
        norms=GPT_NORMS,
        final_norm="transformer.ln_f",
    ),
    Tiny(
        "gptj",
        OLD | {"rotary_dim": 4},
        layers="transformer.h",
        query="attn.q_proj",
        output="attn.out_proj",
        inner="mlp.fc_in",
        down="mlp.fc_out",
        norms={"ln_1": "attention.norm"},
        final_norm="transformer.ln_f",
    ),
    Tiny(
        "gpt_neox",
        NO_HEADS,
        layers="gpt_neox.layers",
        query="attention.query_key_value",
        output="attention.dense",
        inner="mlp.dense_h_to_4h",
        down="mlp.dense_4h_to_h",
        final_norm="gpt_neox.final_layer_norm",
    ),
    Tiny(
        "falcon",
        FALCON | {"new_decoder_architecture": True, "num_kv_heads": 2},
        layers="transformer.h",
        norms={"ln_attn": "attention.norm", "ln_mlp": "feed_forward.norm"},
        final_norm="transformer.ln_f",
        label="falcon grouped",
        **FUSED,
    ),
    Tiny(
        "falcon",
        FALCON | {"multi_query": True, "parallel_attn": True},
        layers="transformer.h",
        norms={"input_layernorm": "attention.norm"},
        final_norm="transformer.ln_f",
        label="falcon multi-query",
        **FUSED,
    ),
    Tiny(
        "falcon",
        FALCON | {"multi_query": False, "parallel_attn": False, "alibi": True},
        layers="transformer.h",
        final_norm="transformer.ln_f",
        alibi=True,
        implementation="sdpa",  # its eager path adds the position bias twice
        label="falcon by head",
        **FUSED,
    ),
    Tiny(
        "bloom",
        {"vocab_size": 40, "hidden_size": 16, "n_layer": 2, "n_head": 4},
        layers="transformer.h",
        final_norm="transformer.ln_f",
        alibi=True,
        **FUSED,
    ),
    Tiny(
        "mpt",
        {"vocab_size": 40, "d_model": 16, "n_heads": 4, "n_layers": 2, "max_seq_len": 32},
        layers="transformer.blocks",
        query="attn.Wqkv",
        output="attn.out_proj",
        inner="ffn.up_proj",
        down="ffn.down_proj",
        norms={"norm_1": "attention.norm", "norm_2": "feed_forward.norm"},
        final_norm="transformer.norm_f",
        alibi=True,
    ),
    Tiny(
        "opt",
        {
            "vocab_size": 40,
            "hidden_size": 16,
            "ffn_dim": 24,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "word_embed_proj_dim": 16,
            "max_position_embeddings": 32,
        },
        layers="model.decoder.layers",
        output="self_attn.out_proj",
        inner="fc1",
        down="fc2",
        norms={"self_attn_layer_norm": "attention.norm", "final_layer_norm": "feed_forward.norm"},
        final_norm="model.decoder.final_layer_norm",
    ),
    Tiny("bert", NO_HEADS, **BERT),
    Tiny("roberta", NO_HEADS, **(BERT | {"layers": "roberta.encoder.layer"})),
)
