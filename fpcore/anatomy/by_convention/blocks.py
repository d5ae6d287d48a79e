"""Which block of a layer a projection belongs to, by the words before its own."""

from __future__ import annotations

from fpcore.anatomy.by_convention.experts import is_stack
from fpcore.anatomy.by_convention.layer import Layer
from fpcore.anatomy.by_convention.names import projection
from fpcore.anatomy.by_convention.words import (
    ATTENTION_PARTS,
    ATTENTION_WORDS,
    CROSS_WORDS,
    FEED_FORWARD_WORDS,
    FUSED_GATE_UP,
    FUSED_QUERY_KEY_VALUE,
    LATENT_PARTS,
    OTHER_MIXERS,
    SHARED_WORDS,
    TRANSPARENT,
)

__all__ = ["block_of"]


def block_of(layer: Layer, words: list[str]) -> str | None:
    """The block that a projection belongs to; None where a word on the way is not known."""
    last = projection(words)
    path = words[: len(words) - 1 - words[::-1].index(last)]
    if layer.module(words[0]) in OTHER_MIXERS or words[0] in layer.stateful:
        return None
    if any(word in OTHER_MIXERS for word in path):
        return None
    if not path and last not in {"fc1", "fc2", "lin1", "lin2", "linear1", "linear2", "ffn", "ffn_output"}:
        return bare_block(layer, words)
    if any(word in CROSS_WORDS for word in path):
        return "cross_attention"
    experts = "experts" in path or is_stack(layer, words)
    known = ATTENTION_WORDS | FEED_FORWARD_WORDS | SHARED_WORDS | TRANSPARENT
    known |= {"experts", "norm", "linear", "router", "gate", "output", "intermediate"}
    if any(word not in known and not word.isdigit() for word in path):
        return None
    if any(word in SHARED_WORDS for word in path):
        return "shared"
    counted = any(
        word in FEED_FORWARD_WORDS and path[place + 1 : place + 2] and path[place + 1].isdigit()
        for place, word in enumerate(path)
    )
    if counted and not experts:
        return None  # one of several blocks in a row
    if experts and any(word in ATTENTION_WORDS - FEED_FORWARD_WORDS for word in path):
        return None  # experts of attention
    if experts:
        return "experts"
    attention = any(word in ATTENTION_WORDS for word in path)
    feed = any(word in FEED_FORWARD_WORDS for word in path)
    if attention and feed:  # a word such as `mixer` may be either
        attention = last in ATTENTION_PARTS or last in FUSED_QUERY_KEY_VALUE or last in LATENT_PARTS
        if last in {"c_proj", "output"}:
            attention = any(word in ATTENTION_WORDS - FEED_FORWARD_WORDS for word in path)
    if attention:
        return "attention"
    return "feed_forward"


def bare_block(layer: Layer, words: list[str]) -> str | None:
    """The block of a projection that stands in the layer itlayer."""
    last = words[-1]
    if last in FUSED_QUERY_KEY_VALUE or last in {"attn_out", "q_proj", "k_proj", "v_proj", "o_proj"}:
        return "attention"
    if last in {"query", "key", "value"}:
        return "attention"
    if last in FUSED_GATE_UP or last in {"ff_out", "gate_proj", "up_proj", "down_proj", "c_fc"}:
        return "feed_forward"
    return None
