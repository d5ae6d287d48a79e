"""The shape of a model, read from its config, and the architecture cell it falls into."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from fpcore.errors import BadCheckpoint
from fpcore.storage.tensor_source import Config, integer

__all__ = ["Architecture", "text_config"]

Norm = Literal["rmsnorm", "layernorm"]

# The same fact under the names that different model types give it; the first one present counts.
DEPTH = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
WIDTH = ("hidden_size", "n_embd", "d_model", "n_embed", "hidden_dim")
HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads")
KV_HEADS = ("num_key_value_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num")
FEED_FORWARD = ("intermediate_size", "ffn_hidden_size", "n_inner", "ffn_dim", "d_ff")
EXPERT_FEED_FORWARD = ("moe_intermediate_size", "expert_ffn_hidden_size")
EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
VOCABULARY = ("vocab_size", "padded_vocab_size")

# Model types whose config does not tell the norm by the name of its epsilon.
LAYER_NORM_TYPES = frozenset(
    {"gpt2", "gpt_neo", "gptj", "gpt_neox", "falcon", "bloom", "opt", "mpt", "olmo", "phi", "phimoe"}
    | {"stablelm", "starcoder2", "cohere", "bert", "roberta"}
)
RMS_NORM_TYPES = frozenset({"t5", "qwen", "chatglm", "internlm2", "exaone", "gemma", "gemma2", "gemma3_text"})

# One key-value head for all query heads unless the config counts them.
MULTI_QUERY_TYPES = frozenset({"falcon"})

# The feed-forward width is four times the width unless the config says otherwise.
FOURFOLD_TYPES = frozenset(
    {"gpt2", "gpt_neo", "gptj", "falcon", "bloom", "mpt", "RefinedWeb", "RefinedWebModel"}
)

# Parts of a larger model around the language model, and heads put on it for other tasks.
OUTSIDE = re.compile(
    r"^(?:model\.)?(?:vision_tower|vision_model|visual|multi_modal_projector|audio_tower|score|v_head|classifier)\."
)

QKV_BIAS = re.compile(r"(?:^|\.)(?:q_proj|query|c_attn|qkv_proj|query_key_value|W_pack|Wqkv|wqkv)\.bias$")


@dataclass(frozen=True)
class Architecture:
    """Shape facts of a model.

    Attributes
    ----------
    model_type : str
        As in the config (``qwen2``, ``gpt_neox``, …); of the text part where there are several.
    depth, width, heads, kv_heads : int
        Layers, hidden width, attention heads, key-value heads (equal to ``heads`` without sharing).
    feed_forward : int
        Inner width of the feed-forward block; of one routed expert in a mixture of experts.
    experts : int
        Routed experts a layer, 0 for a dense model.
    vocabulary : int or None
        Rows of the embedding, None where not known.
    qkv_bias : bool
        Whether query, key or value projections carry a bias.
    norm : {"rmsnorm", "layernorm"}
        Kind of the normalising layers.
    head_dim : int or None
        Width of one head, ``width // heads`` where not stated.
    tied : bool or None
        Whether the unembedding is the embedding, None where not known.

    Examples
    --------
    >>> import fpcore
    >>> shape = fpcore.Architecture("qwen2", 6, 48, heads=4, kv_heads=2, feed_forward=128, qkv_bias=True)
    >>> shape.cell
    'qwen2 6x48 h4/2 f128 bias rmsnorm'
    """

    model_type: str
    depth: int
    width: int
    heads: int
    kv_heads: int
    feed_forward: int
    experts: int = 0
    vocabulary: int | None = None
    qkv_bias: bool = False
    norm: Norm = "rmsnorm"
    head_dim: int | None = None
    tied: bool | None = None

    @property
    def cell(self) -> str:
        """The architecture cell, such as ``qwen2 6x48 h4/2 f128 bias rmsnorm``."""
        words = [self.model_type, f"{self.depth}x{self.width}", f"h{self.heads}/{self.kv_heads}"]
        words.append(f"f{self.feed_forward}")
        if self.experts:
            words.append(f"e{self.experts}")
        if self.qkv_bias:
            words.append("bias")
        words.append(self.norm)
        return " ".join(words)

    @classmethod
    def from_config(
        cls,
        config: Config,
        tensor_names: Iterable[str] | None = None,
        *,
        where: str = "config.json",
    ) -> Architecture:
        """Read the shape from a model's configuration.

        Parameters
        ----------
        config : mapping
            The parsed ``config.json``; a nested ``text_config`` is used where there is one.
        tensor_names : iterable of str, optional
            Names of the checkpoint's tensors, which decide whether q/k/v carry biases (configs of several
            types do not say). Without them the config's own statement counts.
        where : str
            Named in errors.

        Raises
        ------
        BadCheckpoint
            If a fact that every model must state is missing.

        Examples
        --------
        >>> import fpcore
        >>> config = {"model_type": "gpt2", "n_layer": 12, "n_embd": 768, "n_head": 12, "vocab_size": 50257}
        >>> fpcore.Architecture.from_config(config).cell
        'gpt2 12x768 h12/12 f3072 bias layernorm'
        >>> fpcore.Architecture.from_config({"model_type": "gpt2"})
        Traceback (most recent call last):
            ...
        fpcore.errors.BadCheckpoint: config.json: none of hidden_size, n_embd, ... is given; ...
        """
        text = text_config(config)
        model_type = str(text.get("model_type") or config.get("model_type") or "")
        if not model_type:
            raise BadCheckpoint(f"{where}: no `model_type`; is this the config of a transformers model?")
        width = _integer(text, WIDTH, where)
        heads = _integer(text, HEADS, where)
        head_dim = _optional(text, ("head_dim", "kv_channels", "d_kv")) or width // heads
        return cls(
            model_type=model_type,
            depth=_integer(text, DEPTH, where),
            width=width,
            heads=heads,
            kv_heads=_kv_heads(text, model_type, heads),
            feed_forward=_feed_forward(text, model_type, width, where),
            experts=_optional(text, EXPERTS) or 0,
            vocabulary=_optional(text, VOCABULARY),
            qkv_bias=_qkv_bias(text, model_type, tensor_names),
            norm=_norm(text, model_type),
            head_dim=head_dim,
            tied=_tied(config, text),
        )


def text_config(config: Config) -> Config:
    """The part of a config that describes the language model (the config itself for text-only models)."""
    for key in ("text_config", "llm_config", "language_config"):
        nested = config.get(key)
        if isinstance(nested, Mapping) and nested:
            return nested
    return config


def _optional(config: Config, names: tuple[str, ...]) -> int | None:
    for name in names:
        stated = config.get(name)
        # openelm and some pruned models: one number a layer
        entries = stated if isinstance(stated, list) else [stated]
        numbers = [each for each in entries if isinstance(each, int | float) and not isinstance(each, bool)]
        if numbers:
            return int(max(numbers))
    return None


def _integer(config: Config, names: tuple[str, ...], where: str) -> int:
    value = _optional(config, names)
    if value is None or value < 1:
        raise BadCheckpoint(f"{where}: none of {', '.join(names)} is given; the model's shape is not known")
    return value


def _kv_heads(config: Config, model_type: str, heads: int) -> int:
    attention = config.get("attn_config")  # MPT keeps it in there
    if isinstance(attention, Mapping) and (shared := integer(attention, "kv_n_heads")):
        return shared
    if model_type in MULTI_QUERY_TYPES or str(model_type).startswith("RefinedWeb"):
        # Falcon writes num_kv_heads in every config; it counts only in the newer decoder architecture.
        if config.get("new_decoder_architecture"):
            return _optional(config, KV_HEADS) or heads
        return 1 if config.get("multi_query", True) else heads
    if model_type == "chatglm" and not config.get("multi_query_attention"):
        return heads
    if config.get("multi_query") is True:
        return 1
    return _optional(config, KV_HEADS) or heads


def _feed_forward(config: Config, model_type: str, width: int, where: str) -> int:
    if _optional(config, EXPERTS):
        expert = _optional(config, EXPERT_FEED_FORWARD)
        if expert is not None:
            return expert
    attributes = FEED_FORWARD if model_type != "gpt_neo" else ("intermediate_size",)
    value = _optional(config, attributes)
    if value is not None:
        return value // 2 if model_type == "qwen" else value  # the first Qwen counts gate and up together
    ratio = config.get("expansion_ratio")  # MPT
    if isinstance(ratio, int | float):
        return int(ratio * width)
    if model_type in FOURFOLD_TYPES:
        return 4 * width
    return _integer(config, attributes, where)


def _qkv_bias(config: Config, model_type: str, tensor_names: Iterable[str] | None) -> bool:
    if tensor_names is not None:
        return any(QKV_BIAS.search(name) and not OUTSIDE.search(name) for name in tensor_names)
    for name in ("attention_bias", "qkv_bias", "add_qkv_bias", "use_qkv_bias"):
        if isinstance(config.get(name), bool):
            return bool(config[name])
    return model_type in {"qwen", "qwen2", "qwen2_moe", "gpt2", "gpt_neox", "bloom", "opt", "phi"}


def _norm(config: Config, model_type: str) -> Norm:
    if model_type in LAYER_NORM_TYPES:
        return "layernorm"
    if model_type in RMS_NORM_TYPES or "rms_norm_eps" in config or config.get("rmsnorm") is True:
        return "rmsnorm"
    layer_norm = any(name in config for name in ("layer_norm_eps", "layer_norm_epsilon", "norm_epsilon"))
    return "layernorm" if layer_norm else "rmsnorm"


def _tied(config: Config, text: Config) -> bool | None:
    for source in (text, config):
        if isinstance(source.get("tie_word_embeddings"), bool):
            return bool(source["tie_word_embeddings"])
    return None
