"""Groups of names that many tables share: the vocabulary of layers in the hub's model families."""

from __future__ import annotations

from fpcore.anatomy.name_table import Entry
from fpcore.anatomy.tensor_layouts import ExpertStack, GateUp, Whole

__all__ = [
    "BLOCK_SPARSE_EXPERTS",
    "EXPERTS",
    "GATED",
    "NORMS",
    "PROJECTIONS",
    "QUERY_KEY_NORMS",
    "SHARED_EXPERT",
    "TOP",
    "shifted",
]

Entries = dict[str, Entry]

TOP: Entries = {
    "embed_tokens.*": "embedding.*",
    "norm.*": "final_norm.*",
    "lm_head.*": "unembedding.*",
}

NORMS: Entries = {
    "input_layernorm.*": "attention.norm.*",
    "post_attention_layernorm.*": "feed_forward.norm.*",
}

PROJECTIONS: Entries = {
    "self_attn.q_proj.*": "attention.query.*",
    "self_attn.k_proj.*": "attention.key.*",
    "self_attn.v_proj.*": "attention.value.*",
    "self_attn.o_proj.*": "attention.output.*",
}

QUERY_KEY_NORMS: Entries = {
    "self_attn.q_norm.*": "attention.query_norm.*",
    "self_attn.k_norm.*": "attention.key_norm.*",
}

GATED: Entries = {
    "mlp.gate_proj.*": "feed_forward.gate.*",
    "mlp.up_proj.*": "feed_forward.up.*",
    "mlp.down_proj.*": "feed_forward.down.*",
}

# One tensor an expert (files on the hub) or all experts of a layer in one tensor (in memory, and files
# saved without conversion).
EXPERTS: Entries = {
    "mlp.experts.#.gate_proj.*": "feed_forward.experts.#.gate.*",
    "mlp.experts.#.up_proj.*": "feed_forward.experts.#.up.*",
    "mlp.experts.#.down_proj.*": "feed_forward.experts.#.down.*",
    "mlp.experts.gate_up_proj": ExpertStack(
        GateUp("feed_forward.experts.{expert}.gate.weight", "feed_forward.experts.{expert}.up.weight")
    ),
    "mlp.experts.down_proj": ExpertStack(Whole("feed_forward.experts.{expert}.down.weight")),
    "mlp.gate.weight": "feed_forward.router.weight",
    "mlp.gate.e_score_correction_bias": "feed_forward.router.correction_bias",
}

BLOCK_SPARSE_EXPERTS: Entries = {
    **EXPERTS,
    **{  # transformers 5.0 writes phimoe under the second name
        f"{block}.experts.#.{stored}.*": f"feed_forward.experts.#.{part}.*"
        for block in ("block_sparse_moe", "mlp")
        for stored, part in {"w1": "gate", "w3": "up", "w2": "down"}.items()
    },
    "block_sparse_moe.gate.weight": "feed_forward.router.weight",
    "mlp.router.weight": "feed_forward.router.weight",
}

SHARED_EXPERT: Entries = {
    f"mlp.{name}.{stored}_proj.*": f"feed_forward.shared_expert.{stored}.*"
    for name in ("shared_expert", "shared_experts", "shared_mlp")
    for stored in ("gate", "up", "down")
}


def shifted(entries: Entries) -> Entries:
    """The same norms for models that store the gain less one."""
    return {name: Whole(role, shift=1.0) for name, role in entries.items() if isinstance(role, str)}
