"""Dense decoders with the names of Llama: separate projections, gated feed-forward."""

from __future__ import annotations

from fpcore.anatomy.name_table import Entry, Table
from fpcore.anatomy.parts import GATED, NORMS, PROJECTIONS, QUERY_KEY_NORMS, TOP, shifted
from fpcore.anatomy.tensor_layouts import GateUp

__all__ = ["TABLES"]

# Norms on both sides of each block.
SANDWICH: dict[str, Entry] = {
    "input_layernorm.*": "attention.norm.*",
    "post_attention_layernorm.*": "attention.post_norm.*",
    "pre_feedforward_layernorm.*": "feed_forward.norm.*",
    "post_feedforward_layernorm.*": "feed_forward.post_norm.*",
}
# Norms only behind each block.
POST_NORMS: dict[str, Entry] = {
    "post_attention_layernorm.*": "attention.post_norm.*",
    "post_feedforward_layernorm.*": "feed_forward.post_norm.*",
}

LLAMA = Table(
    ("llama", "mistral", "internlm", "minicpm", "granite", "smollm3"), TOP, NORMS | PROJECTIONS | GATED
)

# Its models that see keep the vision part apart.
QWEN2 = Table(
    ("qwen2", "qwen2_vl", "qwen2_vl_text", "qwen2_5_vl", "qwen2_5_vl_text"), TOP, NORMS | PROJECTIONS | GATED
)

# The layers behind the last are draft heads for several tokens at once, trained beside the model.
MIMO = Table(("mimo",), TOP, NORMS | PROJECTIONS | GATED, ignored=(r"mtp_layers\.",))

QWEN3 = Table(("qwen3",), TOP, NORMS | PROJECTIONS | QUERY_KEY_NORMS | GATED)

GEMMA_TOP: dict[str, Entry] = {**TOP, **shifted({"norm.*": "final_norm.*"})}

GEMMA = Table(("gemma",), GEMMA_TOP, shifted(NORMS) | PROJECTIONS | GATED)

GEMMA2 = Table(("gemma2",), GEMMA_TOP, shifted(SANDWICH) | PROJECTIONS | GATED)

GEMMA3 = Table(
    ("gemma3_text", "gemma3"), GEMMA_TOP, shifted(SANDWICH) | PROJECTIONS | shifted(QUERY_KEY_NORMS) | GATED
)

OLMO = Table(("olmo",), TOP, PROJECTIONS | GATED)  # its norms have no gain

OLMO2 = Table(("olmo2", "olmo3", "exaone4"), TOP, POST_NORMS | PROJECTIONS | QUERY_KEY_NORMS | GATED)

STABLELM = Table(
    ("stablelm",),
    TOP,
    NORMS
    | PROJECTIONS
    | GATED
    | {
        "self_attn.q_layernorm.norms.#.*": "attention.query_norm.#.*",
        "self_attn.k_layernorm.norms.#.*": "attention.key_norm.#.*",
    },
)

# Attention and feed-forward read the same normed stream.
COHERE = Table(
    ("cohere", "cohere2"),
    TOP,
    {"input_layernorm.*": "attention.norm.*"} | PROJECTIONS | QUERY_KEY_NORMS | GATED,
)

HUNYUAN_NORMS: dict[str, Entry] = {
    "self_attn.query_layernorm.*": "attention.query_norm.*",
    "self_attn.key_layernorm.*": "attention.key_norm.*",
}
HUNYUAN = Table(("hunyuan_v1_dense",), TOP, NORMS | PROJECTIONS | HUNYUAN_NORMS | GATED)

GLM = Table(
    ("glm",),
    TOP,
    NORMS | PROJECTIONS | {"mlp.gate_up_proj.*": GateUp(), "mlp.down_proj.*": "feed_forward.down.*"},
)

GLM4 = Table(
    ("glm4",),
    TOP,
    {
        "post_self_attn_layernorm.*": "attention.post_norm.*",
        "post_mlp_layernorm.*": "feed_forward.post_norm.*",
        **GLM.layer,
    },
)

TABLES = (
    *(LLAMA, QWEN2, MIMO, QWEN3, GEMMA, GEMMA2, GEMMA3, OLMO, OLMO2, STABLELM, COHERE, HUNYUAN, GLM, GLM4),
)
