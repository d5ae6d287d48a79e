"""Decoders with separate projections under names of their own, mostly with a plain feed-forward block."""

from __future__ import annotations

from fpcore.anatomy.name_table import PREFIXES, Entry, Table
from fpcore.anatomy.parts import NORMS, PROJECTIONS, TOP

__all__ = ["TABLES"]

GPT_TOP: dict[str, Entry] = {
    "wte.*": "embedding.*",
    "wpe.*": "position_embedding.*",
    "ln_f.*": "final_norm.*",
    "lm_head.*": "unembedding.*",
}

GPT_NEO = Table(
    ("gpt_neo",),
    GPT_TOP,
    {
        "ln_1.*": "attention.norm.*",
        "attn.attention.q_proj.*": "attention.query.*",
        "attn.attention.k_proj.*": "attention.key.*",
        "attn.attention.v_proj.*": "attention.value.*",
        "attn.attention.out_proj.*": "attention.output.*",
        "ln_2.*": "feed_forward.norm.*",
        "mlp.c_fc.*": "feed_forward.up.*",
        "mlp.c_proj.*": "feed_forward.down.*",
    },
    layer_prefix="h.#.",
)

GPTJ = Table(
    ("gptj",),
    GPT_TOP,
    {
        "ln_1.*": "attention.norm.*",
        "attn.q_proj.*": "attention.query.*",
        "attn.k_proj.*": "attention.key.*",
        "attn.v_proj.*": "attention.value.*",
        "attn.out_proj.*": "attention.output.*",
        "mlp.fc_in.*": "feed_forward.up.*",
        "mlp.fc_out.*": "feed_forward.down.*",
    },
    layer_prefix="h.#.",
)

EXAONE = Table(
    ("exaone",),
    GPT_TOP,
    {
        **{name: role for name, role in GPT_NEO.layer.items() if not name.startswith("mlp.c_fc")},
        "mlp.c_fc_0.*": "feed_forward.gate.*",
        "mlp.c_fc_1.*": "feed_forward.up.*",
    },
    layer_prefix="h.#.",
)

OPT = Table(
    ("opt",),
    {
        "embed_tokens.*": "embedding.*",
        "embed_positions.*": "position_embedding.*",
        "project_in.*": "embedding_projection.*",
        "project_out.*": "unembedding_projection.*",
        "final_layer_norm.*": "final_norm.*",
        "lm_head.*": "unembedding.*",
    },
    {
        "self_attn_layer_norm.*": "attention.norm.*",
        "self_attn.q_proj.*": "attention.query.*",
        "self_attn.k_proj.*": "attention.key.*",
        "self_attn.v_proj.*": "attention.value.*",
        "self_attn.out_proj.*": "attention.output.*",
        "final_layer_norm.*": "feed_forward.norm.*",
        "fc1.*": "feed_forward.up.*",
        "fc2.*": "feed_forward.down.*",
    },
    prefixes=(*PREFIXES, "decoder"),
)

PHI = Table(
    ("phi",),
    {"embed_tokens.*": "embedding.*", "final_layernorm.*": "final_norm.*", "lm_head.*": "unembedding.*"},
    {
        **{name: role for name, role in PROJECTIONS.items() if not name.startswith("self_attn.o_proj")},
        "input_layernorm.*": "attention.norm.*",
        "self_attn.dense.*": "attention.output.*",
        "self_attn.q_layernorm.*": "attention.query_norm.*",
        "self_attn.k_layernorm.*": "attention.key_norm.*",
        "mlp.fc1.*": "feed_forward.up.*",
        "mlp.fc2.*": "feed_forward.down.*",
    },
)

STARCODER2 = Table(
    ("starcoder2",),
    TOP,
    NORMS | PROJECTIONS | {"mlp.c_fc.*": "feed_forward.up.*", "mlp.c_proj.*": "feed_forward.down.*"},
)

TABLES = (GPT_NEO, GPTJ, EXAONE, OPT, PHI, STARCODER2)
