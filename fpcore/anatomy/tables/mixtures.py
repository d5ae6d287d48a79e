"""Mixtures of experts, with ordinary and with latent attention."""

from __future__ import annotations

from fpcore.anatomy.name_table import Entry, Table
from fpcore.anatomy.parts import (
    BLOCK_SPARSE_EXPERTS,
    EXPERTS,
    GATED,
    NORMS,
    PROJECTIONS,
    QUERY_KEY_NORMS,
    SHARED_EXPERT,
    TOP,
)
from fpcore.anatomy.tables.llama_like import HUNYUAN_NORMS
from fpcore.anatomy.tensor_layouts import LatentDown, LatentUp

__all__ = ["TABLES"]

MIXTRAL = Table(("mixtral", "phimoe"), TOP, NORMS | PROJECTIONS | BLOCK_SPARSE_EXPERTS)

QWEN2_MOE = Table(
    ("qwen2_moe",),
    TOP,
    NORMS
    | PROJECTIONS
    | GATED
    | EXPERTS
    | SHARED_EXPERT
    | {"mlp.shared_expert_gate.weight": "feed_forward.shared_expert_gate.weight"},
)

QWEN3_MOE = Table(
    ("qwen3_moe", "olmoe", "glm4_moe", "solar_open"),
    TOP,
    NORMS | PROJECTIONS | QUERY_KEY_NORMS | GATED | EXPERTS | SHARED_EXPERT,
)

DEEPSEEK = Table(("deepseek",), TOP, NORMS | PROJECTIONS | GATED | EXPERTS | SHARED_EXPERT)

PANGU = Table(
    ("PanguProMoE", "pangu_pro_moe"),
    TOP,
    NORMS | PROJECTIONS | GATED | EXPERTS | SHARED_EXPERT | {"mlp.router_scale": "feed_forward.router.scale"},
)

HUNYUAN_MOE = Table(
    ("hunyuan_v1_moe", "hunyuan"),
    TOP,
    NORMS
    | PROJECTIONS
    | HUNYUAN_NORMS
    | GATED
    | EXPERTS
    | SHARED_EXPERT
    | {"mlp.gate.wg.weight": "feed_forward.router.weight"},
)

GRANITE_MOE = Table(
    ("granitemoe",),
    TOP,
    NORMS
    | PROJECTIONS
    | {
        "block_sparse_moe.input_linear.weight": EXPERTS["mlp.experts.gate_up_proj"],
        "block_sparse_moe.output_linear.weight": EXPERTS["mlp.experts.down_proj"],
        "block_sparse_moe.router.layer.weight": "feed_forward.router.weight",
        "block_sparse_moe.experts.gate_up_proj": EXPERTS["mlp.experts.gate_up_proj"],
        "block_sparse_moe.experts.down_proj": EXPERTS["mlp.experts.down_proj"],
        "block_sparse_moe.router.weight": "feed_forward.router.weight",
    },
)

# Multi-head latent attention: keys and values come from a shared latent of low rank, and so may queries.
# `attention.key` and `attention.value` act on the latent; `attention.query`, where it is factored, too.
LATENT: dict[str, Entry] = {
    "self_attn.q_proj.*": "attention.query.*",
    "self_attn.q_a_proj.*": "attention.query_latent.down.*",
    "self_attn.q_a_layernorm.*": "attention.query_latent.norm.*",
    "self_attn.q_b_proj.*": "attention.query.*",
    "self_attn.kv_a_proj_with_mqa.*": LatentDown(),
    "self_attn.kv_a_layernorm.*": "attention.latent.norm.*",
    "self_attn.kv_b_proj.*": LatentUp(),
    "self_attn.o_proj.*": "attention.output.*",
}

DEEPSEEK_V2 = Table(
    ("deepseek_v2", "deepseek_v3", "kimi_k2"), TOP, NORMS | LATENT | GATED | EXPERTS | SHARED_EXPERT
)

# A Llama whose feed-forward block was cut into experts.
LLAMA_MOE = Table(
    ("llama_moe",),
    TOP,
    NORMS
    | PROJECTIONS
    | {
        "mlp.calculator.experts.weight_gate.#": "feed_forward.experts.#.gate.weight",
        "mlp.calculator.experts.weight_up.#": "feed_forward.experts.#.up.weight",
        "mlp.calculator.experts.weight_down.#": "feed_forward.experts.#.down.weight",
        "mlp.gate.gate_network.#.*": "feed_forward.router.#.*",
        "mlp.gate.weight_noise.*": "feed_forward.router.noise.*",
    },
)

TABLES = (
    *(MIXTRAL, QWEN2_MOE, QWEN3_MOE, DEEPSEEK, PANGU, HUNYUAN_MOE, GRANITE_MOE, DEEPSEEK_V2, LLAMA_MOE),
)
