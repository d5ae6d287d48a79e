"""Encoders, and encoders with a decoder."""

from __future__ import annotations

from fpcore.anatomy.name_table import PREFIXES, Entry, Table

__all__ = ["TABLES"]


def with_old_norms(entries: dict[str, Entry]) -> dict[str, Entry]:
    """The same names, also as files of the first years spell them: gamma and beta."""
    old: dict[str, Entry] = {}
    for name, role in entries.items():
        if name.endswith("LayerNorm.*") and isinstance(role, str):
            for then, now in (("gamma", "weight"), ("beta", "bias")):
                old[name.replace("*", then)] = role.replace("*", now)
    return entries | old


# Their norms stand behind the blocks.
BERT_LAYER: dict[str, Entry] = {
    "attention.self.query.*": "attention.query.*",
    "attention.self.key.*": "attention.key.*",
    "attention.self.value.*": "attention.value.*",
    "attention.output.dense.*": "attention.output.*",
    "attention.output.LayerNorm.*": "attention.post_norm.*",
    "crossattention.self.query.*": "cross_attention.query.*",
    "crossattention.self.key.*": "cross_attention.key.*",
    "crossattention.self.value.*": "cross_attention.value.*",
    "crossattention.output.dense.*": "cross_attention.output.*",
    "crossattention.output.LayerNorm.*": "cross_attention.post_norm.*",
    "intermediate.dense.*": "feed_forward.up.*",
    "output.dense.*": "feed_forward.down.*",
    "output.LayerNorm.*": "feed_forward.post_norm.*",
}

BERT = Table(
    ("bert", "roberta"),
    with_old_norms(
        {
            "embeddings.word_embeddings.*": "embedding.*",
            "embeddings.position_embeddings.*": "position_embedding.*",
            "embeddings.token_type_embeddings.*": "segment_embedding.*",
            "embeddings.LayerNorm.*": "embedding_norm.*",
            "cls.predictions.transform.dense.*": "unembedding.transform.*",
            "cls.predictions.transform.LayerNorm.*": "unembedding.norm.*",
            "cls.predictions.decoder.weight": "unembedding.weight",
            "cls.predictions.bias": "unembedding.bias",
            "lm_head.dense.*": "unembedding.transform.*",
            "lm_head.layer_norm.*": "unembedding.norm.*",
            "lm_head.decoder.weight": "unembedding.weight",
            "lm_head.bias": "unembedding.bias",
        }
    ),
    with_old_norms(BERT_LAYER),
    layer_prefix="encoder.layer.#.",
    prefixes=(*PREFIXES, "bert", "roberta"),
    # The bias of the decoder is the bias of the head under a second name.
    ignored=(r"(cls\.predictions|lm_head)\.decoder\.bias$", r"cls\.seq_relationship\.", r"pooler\."),
)


def t5_block(attention: str, feed_forward: int) -> dict[str, Entry]:
    """Self-attention and feed-forward of a T5 block; `feed_forward` is its place in the block."""
    mlp = f"layer.{feed_forward}"
    return {
        f"layer.0.{attention}.q.*": "attention.query.*",
        f"layer.0.{attention}.k.*": "attention.key.*",
        f"layer.0.{attention}.v.*": "attention.value.*",
        f"layer.0.{attention}.o.*": "attention.output.*",
        f"layer.0.{attention}.relative_attention_bias.*": "attention.relative_bias.*",
        "layer.0.layer_norm.*": "attention.norm.*",
        f"{mlp}.DenseReluDense.wi.*": "feed_forward.up.*",
        f"{mlp}.DenseReluDense.wi_0.*": "feed_forward.gate.*",
        f"{mlp}.DenseReluDense.wi_1.*": "feed_forward.up.*",
        f"{mlp}.DenseReluDense.wo.*": "feed_forward.down.*",
        f"{mlp}.layer_norm.*": "feed_forward.norm.*",
    }


# `layers` are the decoder's, `encoder.layers` the encoder's.
T5 = Table(
    ("t5", "mt5", "umt5"),
    {
        "shared.*": "embedding.*",
        "lm_head.*": "unembedding.*",
        "decoder.final_layer_norm.*": "final_norm.*",
        "encoder.final_layer_norm.*": "encoder.final_norm.*",
    },
    {
        **t5_block("SelfAttention", 2),
        "layer.1.EncDecAttention.q.*": "cross_attention.query.*",
        "layer.1.EncDecAttention.k.*": "cross_attention.key.*",
        "layer.1.EncDecAttention.v.*": "cross_attention.value.*",
        "layer.1.EncDecAttention.o.*": "cross_attention.output.*",
        "layer.1.EncDecAttention.relative_attention_bias.*": "cross_attention.relative_bias.*",
        "layer.1.layer_norm.*": "cross_attention.norm.*",
    },
    layer_prefix="decoder.block.#.",
    more={"encoder.block.#.": ("encoder.layers.#.", t5_block("SelfAttention", 1))},
    # Both stacks list the shared embedding again.
    ignored=(r"(encoder|decoder)\.embed_tokens\.weight$",),
)

TABLES = (BERT, T5)
