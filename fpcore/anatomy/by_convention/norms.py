"""Norms of a layer: which block each belongs to, and whether it stands before or behind it."""

from __future__ import annotations

from fpcore.anatomy.by_convention.layer import Layer, Shape
from fpcore.anatomy.by_convention.words import ATTENTION_WORDS, FEED_FORWARD_WORDS, NORMS

__all__ = ["norm_role"]


def norm_role(layer: Layer, words: list[str], shape: Shape) -> str | None:
    """The role of a norm of the layer."""
    stem = ".".join(word for word in words if word != "norm" or len(words) == 1)
    if len(shape) != 1:
        return None
    if stem == "norm":  # a block of one part has one norm
        return f"{layer.only_block()}.norm" if layer.only_block() else None
    if stem == "post_attention_layernorm":
        return after_attention(layer)
    if stem == "LayerNorm" and not layer.pre_norm:
        return "feed_forward.post_norm"
    role = NORMS.get(stem)
    if role is None and len(words) == 2 and words[0] in ATTENTION_WORDS and words[1] == "layer_norm":
        role = "attention.norm"
    if role is None and len(words) == 2 and words[0] in FEED_FORWARD_WORDS and words[1] == "layer_norm":
        role = "feed_forward.norm"
    if role == "feed_forward.norm" and stem in {"ln", "LayerNorm"} and layer.only_block() == "attention":
        role = "attention.norm"
    if role in {"attention.norm", "feed_forward.norm"} and behind(layer, stem):
        role = role.replace(".norm", ".post_norm")
    return role


def behind(layer: Layer, stem: str) -> bool:
    """Whether a norm whose name does not say it stands behind its block."""
    if stem in {"input_layernorm", "pre_feedforward_layernorm", "pre_ff_layernorm", "pre_mlp_layernorm"}:
        return False
    if {"input_layernorm", "ln1", "post_ffn_norm", "post_norm1", "post_operator_norm"} & layer.modules:
        return False
    return not layer.pre_norm


def after_attention(layer: Layer) -> str:
    """``post_attention_layernorm``: in most models the feed-forward block reads through it."""
    before = {"pre_feedforward_layernorm", "pre_ff_layernorm", "pre_mlp_layernorm"}
    if before & layer.modules:
        return "attention.post_norm"
    if "input_layernorm" not in layer.modules and {"post_feedforward_layernorm", "post_mlp_layernorm"} & (
        layer.modules
    ):
        return "attention.post_norm"
    return "feed_forward.norm"
