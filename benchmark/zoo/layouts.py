"""Which tensors of an architecture belong together, by hub name: what a rewriting transform must know.

Reading goes through `fpcore.anatomy`; this is for writing, for the architectures that zoo models have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from fpcore import BadCheckpoint, Checkpoint

__all__ = ["AttentionBlock", "FeedForwardBlock", "NormBlock", "as_stored", "attention_blocks", "embeddings"]
__all__ += ["feed_forward_blocks", "linear_weights", "norm_blocks", "oriented", "residual_axes"]

SPLIT_TYPES = frozenset({"llama", "mistral", "qwen2", "qwen2_moe", "qwen3", "mixtral"})
FUSED_TYPES = frozenset({"gpt_neox", "gpt2"})

# Stored with inputs along rows; everything here speaks of weights with outputs along rows.
CONV1D = re.compile(r"\.h\.\d+\.(?:attn\.c_attn|attn\.c_proj|mlp\.c_fc|mlp\.c_proj)\.weight$")

LINEAR = re.compile(
    r"layers\.\d+\.(?:self_attn\.[qkvo]_proj|attention\.(?:query_key_value|dense)"
    r"|mlp\.dense_(?:h_to_4h|4h_to_h)"
    r"|mlp\.(?:experts\.\d+\.|shared_expert\.)?(?:gate|up|down)_proj"
    r"|block_sparse_moe\.experts\.\d+\.w[123])\.weight$"
    rf"|{CONV1D.pattern}"
)

# A feed-forward block, then its tensor: inner units are rows of the first kind, columns of the second.
FEED_FORWARD = re.compile(
    r"(?P<block>.*(?:layers|\.h)\.\d+\.(?:mlp(?:\.experts\.\d+|\.shared_expert)?"
    r"|block_sparse_moe\.experts\.\d+))"
    r"\.(?:(?P<rows>gate_proj|up_proj|w1|w3|dense_h_to_4h|c_fc)\.(?:weight|bias)"
    r"|(?P<columns>down_proj|w2|dense_4h_to_h|c_proj)\.weight)$"
)

# Of a gated block: what the gate multiplies. No activation function stands between it and the output.
UNGATED_ROWS = re.compile(r"(?:up_proj|w3)\.(?:weight|bias)$")

# Where the residual stream stands in a tensor: along the columns of what reads it, along the rows of what
# writes it, along the only axis of its norms; nowhere in the rest.
RESIDUAL_COLUMNS = re.compile(
    r"(?:embed_tokens|embed_in|lm_head|embed_out|[qkv]_proj|query_key_value|gate_proj|up_proj|w1|w3"
    r"|dense_h_to_4h|mlp\.gate|block_sparse_moe\.gate|shared_expert_gate|wte|wpe|c_attn|c_fc)\.weight$"
)
RESIDUAL_ROWS = re.compile(
    r"(?:(?:o_proj|attention\.dense|down_proj|w2|dense_4h_to_h|c_proj)|layernorm|final_layer_norm|model\.norm"
    r"|ln_[12f])\.(?:weight|bias)$"
)
RESIDUAL_NOWHERE = re.compile(
    r"(?:(?:[qkv]_proj|query_key_value|dense_h_to_4h|c_attn|c_fc)\.bias|[qk]_norm\.weight)$"
)


@dataclass(frozen=True)
class FeedForwardBlock:
    """One feed-forward block or expert.

    Attributes
    ----------
    name : str
        What its tensors' names begin with.
    rows, columns : tuple of str
        Tensors whose rows, and whose columns, are its inner units.
    linear_rows : tuple of str
        Those of `rows` in which the output is linear, so that a unit's scale can move from there into
        `columns`; empty where there is no gate.
    """

    name: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    linear_rows: tuple[str, ...]


@dataclass(frozen=True)
class AttentionBlock:
    """One attention block.

    Attributes
    ----------
    query, key, value : tuple of str
        Weights and biases whose rows are heads; `key` and `value` are empty where the three are fused
        into what `query` names.
    output : str
        Weight whose columns are query heads.
    heads, kv_heads : int
    fused : {"", "by head", "one after another"}
        Whether a fused projection holds query, key and value of the first head, then of the next, or first
        the queries of all heads, then the keys, then the values.
    query_gain, key_gain : str or None
        Gain of a norm over each head's query and key, shared by all heads.
    """

    query: tuple[str, ...]
    key: tuple[str, ...]
    value: tuple[str, ...]
    output: str
    heads: int
    kv_heads: int
    fused: Literal["", "by head", "one after another"] = ""
    query_gain: str | None = None
    key_gain: str | None = None


@dataclass(frozen=True)
class NormBlock:
    """A norm and the linear maps that are its only readers.

    Attributes
    ----------
    gain : str
    bias : str or None
        None for an RMSNorm.
    readers : tuple of (weight, bias or None)
    """

    gain: str
    bias: str | None
    readers: tuple[tuple[str, str | None], ...]


def oriented(model: Checkpoint) -> dict[str, Tensor]:
    """All tensors of a model, every linear weight with outputs along rows."""
    return as_stored({name: model.read(name) for name in model.tensors})


def as_stored(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `oriented` turned, turned back."""
    return {
        name: tensor.T.contiguous() if CONV1D.search(name) else tensor for name, tensor in tensors.items()
    }


def linear_weights(names: Mapping[str, object]) -> list[str]:
    """The weights that quantisers touch: linear maps inside layers; no embedding, norm or router."""
    return [name for name in names if LINEAR.search(name)]


def feed_forward_blocks(model: Checkpoint) -> list[FeedForwardBlock]:
    """Every feed-forward block and expert of a model."""
    rows: dict[str, list[str]] = {}
    columns: dict[str, list[str]] = {}
    _require_known(model)
    for name in model.tensors:
        found = FEED_FORWARD.match(name)
        if found is not None:
            (rows if found["rows"] else columns).setdefault(found["block"], []).append(name)
    return [
        FeedForwardBlock(
            block, tuple(rows[block]), tuple(columns[block]), tuple(filter(UNGATED_ROWS.search, rows[block]))
        )
        for block in rows
    ]


def attention_blocks(model: Checkpoint) -> list[AttentionBlock]:
    """Every attention block of a model."""
    shape = model.architecture
    blocks = []
    for prefix in _layers(model):
        if shape.model_type == "gpt_neox":
            fused = _present(model, f"{prefix}.attention.query_key_value")
            output = f"{prefix}.attention.dense.weight"
            blocks.append(AttentionBlock(fused, (), (), output, shape.heads, shape.heads, "by head"))
        elif shape.model_type == "gpt2":
            fused = _present(model, f"{prefix}.attn.c_attn")
            output = f"{prefix}.attn.c_proj.weight"
            blocks.append(
                AttentionBlock(fused, (), (), output, shape.heads, shape.heads, "one after another")
            )
        else:
            query, key, value = (_present(model, f"{prefix}.self_attn.{part}_proj") for part in "qkv")
            output = f"{prefix}.self_attn.o_proj.weight"
            gains = [_present(model, f"{prefix}.self_attn.{part}_norm") for part in "qk"]
            query_gain, key_gain = (found[0] if found else None for found in gains)
            blocks.append(
                AttentionBlock(
                    *(query, key, value, output, shape.heads, shape.kv_heads),
                    query_gain=query_gain,
                    key_gain=key_gain,
                )
            )
    return blocks


def norm_blocks(model: Checkpoint) -> list[NormBlock]:
    """Every norm whose readers are linear maps of its own.

    The final norm is among them only where the unembedding is a matrix of its own.
    """
    kind = model.architecture.model_type
    norms = ("ln_1", "ln_2") if kind == "gpt2" else ("input_layernorm", "post_attention_layernorm")
    blocks = []
    for prefix in _layers(model):
        if kind == "gpt_neox":
            attention = [f"{prefix}.attention.query_key_value"]
            feed_forward = [f"{prefix}.mlp.dense_h_to_4h"]
        elif kind == "gpt2":
            attention = [f"{prefix}.attn.c_attn"]
            feed_forward = [f"{prefix}.mlp.c_fc"]
        else:
            attention = [f"{prefix}.self_attn.{part}_proj" for part in "qkv"]
            inner = re.compile(
                re.escape(prefix) + r"\.(?:mlp\.(?:experts\.\d+\.|shared_expert\.)?(?:gate|up)_proj"
                r"|mlp\.gate|mlp\.shared_expert_gate|block_sparse_moe\.(?:gate|experts\.\d+\.w[13]))\.weight$"
            )
            feed_forward = [name.removesuffix(".weight") for name in model.tensors if inner.match(name)]
        blocks.append(_norm(model, f"{prefix}.{norms[0]}", attention))
        blocks.append(_norm(model, f"{prefix}.{norms[1]}", feed_forward))
    final = {"gpt_neox": "gpt_neox.final_layer_norm", "gpt2": "transformer.ln_f"}.get(kind, "model.norm")
    _, head = embeddings(model)
    if head in model.tensors:
        blocks.append(_norm(model, final, [head.removesuffix(".weight")]))
    return blocks


def embeddings(model: Checkpoint) -> tuple[str, str]:
    """Names of the embedding and of the unembedding; a tied model does not hold the second."""
    _require_known(model)
    return {
        "gpt_neox": ("gpt_neox.embed_in.weight", "embed_out.weight"),
        "gpt2": ("transformer.wte.weight", "lm_head.weight"),
    }.get(model.architecture.model_type, ("model.embed_tokens.weight", "lm_head.weight"))


def residual_axes(model: Checkpoint) -> dict[str, int]:
    """The axis of every (oriented) tensor along which residual units lie; tensors without are left out."""
    _require_known(model)
    axes = {}
    for name, info in model.tensors.items():
        if RESIDUAL_COLUMNS.search(name):
            axes[name] = len(info.shape) - 1
        elif RESIDUAL_ROWS.search(name):
            axes[name] = 0
        elif not RESIDUAL_NOWHERE.search(name):
            raise BadCheckpoint(
                f"{model.name}: it is not known where {name} meets the residual stream; "
                "add it to benchmark/zoo/layouts.py"
            )
    return axes


def _norm(model: Checkpoint, norm: str, readers: list[str]) -> NormBlock:
    def bias(module: str) -> str | None:
        return f"{module}.bias" if f"{module}.bias" in model.tensors else None

    return NormBlock(f"{norm}.weight", bias(norm), tuple((f"{one}.weight", bias(one)) for one in readers))


def _layers(model: Checkpoint) -> list[str]:
    _require_known(model)
    stems = {"gpt_neox": "gpt_neox.layers", "gpt2": "transformer.h"}
    stem = stems.get(model.architecture.model_type, "model.layers")
    return [f"{stem}.{layer}" for layer in range(model.architecture.depth)]


def _present(model: Checkpoint, module: str) -> tuple[str, ...]:
    return tuple(name for name in (f"{module}.weight", f"{module}.bias") if name in model.tensors)


def _require_known(model: Checkpoint) -> None:
    kind = model.architecture.model_type
    if kind not in SPLIT_TYPES | FUSED_TYPES:
        raise BadCheckpoint(
            f"{model.name}: no transform can rewrite model type {kind!r}; "
            "add its layout to benchmark/zoo/layouts.py"
        )
