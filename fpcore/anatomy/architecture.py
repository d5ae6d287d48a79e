"""The shape of a model, read from its config, and the architecture cell it falls into."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from fpcore.counts import count
from fpcore.errors import BadCheckpoint
from fpcore.printable import shown
from fpcore.storage.beside import beside
from fpcore.storage.tensor_source import Config, integer

__all__ = ["Architecture", "StatedShape", "text_config"]

Norm = Literal["rmsnorm", "layernorm"]
MOST_SIZE: Final = 1 << 31
"""No side of a matrix is longer."""

# The same fact under the names that different model types give it; the first one present counts.
DEPTH = (
    "num_decoder_layers",  # where an encoder has its own number
    "decoder_layers",
    "num_hidden_layers",
    "n_layer",
    "n_layers",
    "num_layers",
    "layers",
)
WIDTH = (
    "true_hidden_size",
    "d_latents",
    "hidden_size",
    "n_embd",
    "d_model",
    "n_embed",
    "dim",
    "emb_dim",
    "hidden_dim",
)
HEADS = (
    "num_attention_heads",
    "n_head",
    "n_heads",
    "num_heads",
    "decoder_attention_heads",
    "attention_heads",
    "num_decoder_attention_heads",
    "num_self_attention_heads",
)
KV_HEADS = ("num_key_value_heads", "n_kv_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num")
FEED_FORWARD = (
    *(
        "intermediate_size",
        "ffn_hidden_size",
        "n_inner",
        "ffn_dim",
        "d_ff",
        "decoder_ffn_dim",
        "dff",
        "dim_ff",
    ),
    *("mlp_hidden_size", "inner_mlp_size"),
)
EXPERT_FEED_FORWARD = ("moe_intermediate_size", "expert_ffn_hidden_size")
EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
VOCABULARY = ("vocab_size", "padded_vocab_size")
HEAD_DIM = ("head_dim", "attention_head_dim", "kv_channels", "d_kv", "dim_head")

# Where a composite config keeps that of its language model.
TEXT_PARTS = (
    "text_config",
    "llm_config",
    "language_config",
    "thinker_config",
    "vlm_config",
    "decoder",
    "global_config",
)

# Model types whose config does not tell the norm by the name of its epsilon.
LAYER_NORM_TYPES = frozenset(
    {
        "gpt2",
        "gpt_neo",
        "gptj",
        "gpt_neox",
        "falcon",
        "bloom",
        "opt",
        "mpt",
        "olmo",
        "hf_olmo",
        "phi",
        "phimoe",
    }
    | {"stablelm", "starcoder2", "cohere", "bert", "roberta", "nemotron", "dbrx", "modernbert"}
    | {"modernbert-decoder"}
)
RMS_NORM_TYPES = frozenset(
    {"t5", "qwen", "chatglm", "internlm2", "exaone", "gemma", "gemma2", "gemma3_text"}
    | {"mamba", "mamba2", "falcon_mamba", "nemotron_h", "xlstm"}
    | {"pix2struct_text_model", "mt5", "umt5", "longt5", "switch_transformers", "udop"}
)

# One key-value head for all query heads unless the config counts them.
MULTI_QUERY_TYPES = frozenset({"falcon"})

# The feed-forward width is four times the width unless the config says otherwise.
FOURFOLD_TYPES = frozenset(
    {"gpt2", "gpt_neo", "gptj", "falcon", "bloom", "mpt", "RefinedWeb", "RefinedWebModel"}
)

QKV_BIAS = re.compile(
    r"(?:^|\.)(?:(?:q|qkv|query)_proj|query(?:_key_value)?|q_lin|c_attn|W_pack|[Ww]qkv)\.bias$"
)

# Query, key and value carry biases, though the config has no word for it.
QKV_BIAS_TYPES = frozenset(
    {"qwen", "qwen2", "qwen2_moe", "gpt2", "gpt_bigcode", "gpt_neox", "bloom", "opt", "phi"}
    | {"bert", "roberta", "xlm-roberta", "camembert", "electra", "deberta-v2", "distilbert"}
)


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
        fpcore.errors.BadCheckpoint: config.json: none of ...hidden_size, n_embd, ... is given; ...
        """
        stated = StatedShape.of(config, where)
        width = _required(WIDTH, stated.width, where)
        heads = _required(HEADS, stated.heads, where)
        return cls(
            model_type=stated.model_type,
            depth=_required(DEPTH, stated.depth, where),
            width=width,
            heads=heads,
            kv_heads=stated.kv_heads or heads,
            feed_forward=_required(FEED_FORWARD, stated.feed_forward, where),
            experts=stated.experts or 0,
            vocabulary=stated.vocabulary,
            qkv_bias=_qkv_bias(text_config(config), stated.model_type, tensor_names),
            norm=stated.norm,
            head_dim=stated.head_dim or width // heads,
            tied=stated.tied,
        )


@dataclass(frozen=True)
class StatedShape:
    """What a config says of a model's shape; None where it is silent.

    Attributes
    ----------
    model_type, depth, width, heads, kv_heads, feed_forward, experts, vocabulary, head_dim, norm, tied
        As in `Architecture`; `depth`, `kv_heads` and the others count as the model type counts them.
    entries : mapping of str to str
        Attribute → the config's own name of it, for messages.
    """

    model_type: str
    depth: int | None
    width: int | None
    heads: int | None
    kv_heads: int | None
    feed_forward: int | None
    experts: int | None
    vocabulary: int | None
    head_dim: int | None
    norm: Norm
    tied: bool | None
    entries: Mapping[str, str]

    @classmethod
    def of(cls, config: Config, where: str) -> StatedShape:
        """Read a config.

        Raises
        ------
        BadCheckpoint
            It names no model type, or a size is no number of at least 1.
        """
        text = text_config(config)
        model_type = text.get("model_type") or config.get("model_type")
        if not isinstance(model_type, str) or not 0 < len(model_type) <= 100 or not model_type.isprintable():
            raise BadCheckpoint(f"{where}: no `model_type`; is this the config of a transformers model?")
        found: dict[str, int | None] = {}
        entries: dict[str, str] = {}
        for fact, names in (
            *(("depth", DEPTH), ("width", WIDTH), ("heads", HEADS), ("experts", EXPERTS)),
            *(("vocabulary", VOCABULARY), ("head_dim", HEAD_DIM)),
        ):
            found[fact] = _optional(text, names, where)
            entries[fact] = _stated(text, names)
        shared = _kv_heads(text, model_type, found["heads"], where)
        inner = _feed_forward(text, model_type, found["width"], found["experts"], where)
        entries["kv_heads"] = _stated(text, KV_HEADS)
        entries["feed_forward"] = _stated(text, (*EXPERT_FEED_FORWARD, *FEED_FORWARD), FEED_FORWARD[0])
        # No experts is a statement; no layers, heads or rows are none.
        for fact, value in (*found.items(), ("kv_heads", shared), ("feed_forward", inner)):
            if value is not None and value < 1 and fact != "experts":
                raise BadCheckpoint(f"{where}: {entries[fact]} is {value}; it must be at least 1")
        return cls(
            model_type=model_type,
            depth=found["depth"],
            width=found["width"],
            heads=found["heads"],
            kv_heads=shared,
            feed_forward=inner,
            experts=found["experts"],
            vocabulary=found["vocabulary"],
            head_dim=found["head_dim"],
            norm=_norm(text, model_type),
            tied=_tied(config, text),
            entries=entries,
        )


def text_config(config: Config) -> Config:
    """The part of a config that describes the language model (the config itself for text-only models)."""
    for key in TEXT_PARTS:
        nested = config.get(key)
        if isinstance(nested, Mapping) and nested:
            return text_config(nested)
    return config


def _stated(config: Config, names: tuple[str, ...], otherwise: str = "") -> str:
    """The first of the names that a config has, for messages; the first at all if it has none."""
    return next((name for name in names if config.get(name) is not None), otherwise or names[0])


def _optional(config: Config, names: tuple[str, ...], where: str) -> int | None:
    for name in names:
        stated = config.get(name)
        if stated is None:
            continue
        # openelm and some pruned models: one number a layer, null for a layer that has none
        entries = [each for each in stated if each is not None] if isinstance(stated, list) else [stated]
        if entries:
            return max(count(each, f"{where}: {name}", most=MOST_SIZE) for each in entries)
    return None


def _required(names: tuple[str, ...], value: int | None, where: str) -> int:
    if value is None:
        raise BadCheckpoint(f"{where}: none of {', '.join(names)} is given; the model's shape is unknown")
    return value


def _kv_heads(config: Config, model_type: str, heads: int | None, where: str) -> int | None:
    attention = config.get("attn_config")  # MPT keeps it in there
    if isinstance(attention, Mapping) and (shared := integer(attention, "kv_n_heads")):
        return shared
    if model_type in MULTI_QUERY_TYPES or model_type.startswith("RefinedWeb"):
        # Falcon writes num_kv_heads in every config; it counts only in the newer decoder architecture.
        if config.get("new_decoder_architecture"):
            return _optional(config, KV_HEADS, where) or heads
        return 1 if config.get("multi_query", True) else heads
    if model_type == "chatglm" and not config.get("multi_query_attention"):
        return heads
    if config.get("multi_query") is True:
        return 1
    shared = integer(config, "proj_groups")  # StripedHyena: query heads of one key
    if model_type == "stripedhyena" and heads and shared:
        return heads // shared
    return _optional(config, KV_HEADS, where)


def _feed_forward(
    config: Config, model_type: str, width: int | None, experts: int | None, where: str
) -> int | None:
    if experts:
        expert = _optional(config, EXPERT_FEED_FORWARD, where)
        if expert is not None:
            return expert
    attributes = FEED_FORWARD if model_type != "gpt_neo" else ("intermediate_size",)
    value = _optional(config, attributes, where)
    if value is not None:
        # The first Qwen and OLMo's own code count gate and up together.
        return value // 2 if model_type in {"qwen", "hf_olmo"} else value
    for name, of_types, parts in (("expansion_ratio", None, 1), ("mlp_ratio", {"hf_olmo"}, 2)):  # MPT, OLMo
        ratio = config.get(name) if of_types is None or model_type in of_types else None
        if isinstance(ratio, int | float) and width:
            if not 0 < ratio <= MOST_SIZE:
                raise BadCheckpoint(f"{where}: {name} is {shown(ratio)}; it must be a number above 0")
            return int(ratio * width) // parts
    if model_type in FOURFOLD_TYPES and width:
        return 4 * width
    return None


def _qkv_bias(config: Config, model_type: str, tensor_names: Iterable[str] | None) -> bool:
    if tensor_names is not None:
        return any(QKV_BIAS.search(name) and beside(name) is None for name in tensor_names)
    for name in ("attention_bias", "qkv_bias", "add_qkv_bias", "use_qkv_bias"):
        if isinstance(config.get(name), bool):
            return bool(config[name])
    return model_type in QKV_BIAS_TYPES


def _norm(config: Config, model_type: str) -> Norm:
    if config.get("layer_norm_type") == "rms":  # OLMo's own code has both
        return "rmsnorm"
    if model_type in LAYER_NORM_TYPES:
        return "layernorm"
    if (
        model_type in RMS_NORM_TYPES
        or config.get("rms_norm_eps") is not None
        or config.get("rmsnorm") is True
    ):
        return "rmsnorm"
    layer_norm = any(
        config.get(name) is not None for name in ("layer_norm_eps", "layer_norm_epsilon", "norm_epsilon")
    )
    return "layernorm" if layer_norm else "rmsnorm"


def _tied(config: Config, text: Config) -> bool | None:
    for source in (text, config):
        if isinstance(source.get("tie_word_embeddings"), bool):
            return bool(source["tie_word_embeddings"])
    return None
