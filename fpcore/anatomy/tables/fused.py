"""Decoders that store query, key and value (or gate and up) in one tensor."""

from __future__ import annotations

from fpcore.anatomy.name_table import PREFIXES, Table
from fpcore.anatomy.parts import GATED, NORMS, TOP
from fpcore.anatomy.tensor_layouts import GateUp, QueryKeyValue, Whole

__all__ = ["TABLES"]

INTERLEAVED = QueryKeyValue(grouped=True)  # rows of a head (or of the heads of one key-value head) together
STACKED = QueryKeyValue()

PHI3 = Table(
    ("phi3",),
    TOP,
    NORMS
    | {
        "self_attn.qkv_proj.*": STACKED,
        "self_attn.o_proj.*": "attention.output.*",
        "mlp.gate_up_proj.*": GateUp(),
        "mlp.down_proj.*": "feed_forward.down.*",
    },
)

BAICHUAN = Table(
    ("baichuan",),
    TOP,
    NORMS | GATED | {"self_attn.W_pack.*": STACKED, "self_attn.o_proj.*": "attention.output.*"},
)

INTERNLM2 = Table(
    ("internlm2",),
    {"tok_embeddings.*": "embedding.*", "norm.*": "final_norm.*", "output.*": "unembedding.*"},
    {
        "attention_norm.*": "attention.norm.*",
        "attention.wqkv.*": INTERLEAVED,
        "attention.wo.*": "attention.output.*",
        "ffn_norm.*": "feed_forward.norm.*",
        "feed_forward.w1.*": "feed_forward.gate.*",
        "feed_forward.w3.*": "feed_forward.up.*",
        "feed_forward.w2.*": "feed_forward.down.*",
    },
)

QWEN = Table(
    ("qwen",),
    {"wte.*": "embedding.*", "ln_f.*": "final_norm.*", "lm_head.*": "unembedding.*"},
    {
        "ln_1.*": "attention.norm.*",
        "attn.c_attn.*": STACKED,
        "attn.c_proj.*": "attention.output.*",
        "ln_2.*": "feed_forward.norm.*",
        "mlp.w2.*": "feed_forward.gate.*",  # the second of its two inner projections is the activated one
        "mlp.w1.*": "feed_forward.up.*",
        "mlp.c_proj.*": "feed_forward.down.*",
    },
    layer_prefix="h.#.",
)

CHATGLM = Table(
    ("chatglm",),
    {
        "embedding.word_embeddings.*": "embedding.*",
        "encoder.final_layernorm.*": "final_norm.*",
        "output_layer.*": "unembedding.*",
    },
    NORMS
    | {
        "self_attention.query_key_value.*": STACKED,
        "self_attention.dense.*": "attention.output.*",
        "mlp.dense_h_to_4h.*": GateUp(),
        "mlp.dense_4h_to_h.*": "feed_forward.down.*",
    },
    layer_prefix="encoder.layers.#.",
    ignored=(r"rotary_pos_emb\.inv_freq$",),
)

GPT_NEOX = Table(
    ("gpt_neox",),
    {
        "embed_in.*": "embedding.*",
        "final_layer_norm.*": "final_norm.*",
        "embed_out.*": "unembedding.*",
        "lm_head.*": "unembedding.*",
    },
    NORMS
    | {
        "attention.query_key_value.*": INTERLEAVED,
        "attention.dense.*": "attention.output.*",
        "mlp.dense_h_to_4h.*": "feed_forward.up.*",
        "mlp.dense_4h_to_h.*": "feed_forward.down.*",
    },
)

FALCON = Table(
    ("falcon", "RefinedWeb", "RefinedWebModel"),
    {"word_embeddings.*": "embedding.*", "ln_f.*": "final_norm.*", "lm_head.*": "unembedding.*"},
    NORMS
    | {
        "ln_attn.*": "attention.norm.*",
        "ln_mlp.*": "feed_forward.norm.*",
        "self_attention.query_key_value.*": INTERLEAVED,
        "self_attention.dense.*": "attention.output.*",
        "mlp.dense_h_to_4h.*": "feed_forward.up.*",
        "mlp.dense_4h_to_h.*": "feed_forward.down.*",
    },
    layer_prefix="h.#.",
)

BLOOM = Table(
    ("bloom",),
    {
        "word_embeddings.*": "embedding.*",
        "word_embeddings_layernorm.*": "embedding_norm.*",
        "ln_f.*": "final_norm.*",
        "lm_head.*": "unembedding.*",
    },
    {name: entry for name, entry in FALCON.layer.items() if not name.startswith("ln_")},
    layer_prefix="h.#.",
)

MPT = Table(
    ("mpt",),
    {
        "wte.*": "embedding.*",
        "wpe.*": "position_embedding.*",
        "norm_f.*": "final_norm.*",
        "lm_head.*": "unembedding.*",
    },
    {
        "norm_1.*": "attention.norm.*",
        "attn.Wqkv.*": STACKED,
        "attn.q_ln.*": "attention.query_norm.*",
        "attn.k_ln.*": "attention.key_norm.*",
        "attn.out_proj.*": "attention.output.*",
        "norm_2.*": "feed_forward.norm.*",
        "ffn.up_proj.*": "feed_forward.up.*",
        "ffn.down_proj.*": "feed_forward.down.*",
    },
    layer_prefix="blocks.#.",
)

# GPT-2's layers hold their weights as (in, out).
GPT2 = Table(
    ("gpt2",),
    {
        "wte.*": "embedding.*",
        "wpe.*": "position_embedding.*",
        "ln_f.*": "final_norm.*",
        "lm_head.*": "unembedding.*",
    },
    {
        "ln_1.*": "attention.norm.*",
        "attn.c_attn.*": QueryKeyValue(transpose=True),
        "attn.c_proj.*": Whole("attention.output.*", transpose=True),
        "ln_2.*": "feed_forward.norm.*",
        "mlp.c_fc.*": Whole("feed_forward.up.*", transpose=True),
        "mlp.c_proj.*": Whole("feed_forward.down.*", transpose=True),
    },
    layer_prefix="h.#.",
)

# OLMo as its own code stores it: of the fused feed-forward projection the second half is the activated one.
HF_OLMO = Table(
    ("hf_olmo",),
    {"wte.*": "embedding.*", "ln_f.*": "final_norm.*", "ff_out.*": "unembedding.*"},
    {
        "attn_norm.*": "attention.norm.*",
        "att_proj.*": STACKED,
        "q_norm.*": "attention.query_norm.*",
        "k_norm.*": "attention.key_norm.*",
        "attn_out.*": "attention.output.*",
        "ff_norm.*": "feed_forward.norm.*",
        "ff_proj.*": GateUp("feed_forward.up.*", "feed_forward.gate.*"),
        "ff_out.*": "feed_forward.down.*",
    },
    layer_prefix="blocks.#.",
)

# Of StripedHyena's layers some attend, the others convolve. Of its two inner projections the first is the
# activated one.
STRIPED_HYENA = Table(
    ("stripedhyena",),
    {
        "embedding_layer.weight": "embedding.weight",
        "norm.scale": "final_norm.weight",
        "unembed.weight": "unembedding.weight",
    },
    {
        "pre_norm.scale": "attention.norm.weight",
        "inner_mha_cls.Wqkv.*": STACKED,
        "inner_mha_cls.out_proj.*": "attention.output.*",
        "post_norm.scale": "feed_forward.norm.weight",
        "mlp.l1.*": "feed_forward.gate.*",
        "mlp.l2.*": "feed_forward.up.*",
        "mlp.l3.*": "feed_forward.down.*",
        "projections.*": "other.projections.*",
        "out_filter_dense.*": "other.out_filter_dense.*",
        **{
            f"filter.{part}": f"other.filter.{part}"
            for part in ("D", "poles", "residues", "short_filter_weight", "short_filter_bias")
        },
    },
    layer_prefix="blocks.#.",
    prefixes=(*PREFIXES, "backbone"),
    ignored=(r"blocks\.\d+\.(inner_mha_cls\.rotary_emb\.inv_freq|filter\.t)$",),
)

TABLES = (
    *(PHI3, BAICHUAN, INTERNLM2, QWEN, CHATGLM, GPT_NEOX, FALCON, BLOOM, MPT, GPT2, HF_OLMO),
    STRIPED_HYENA,
)
