"""Roles of the tensors of a GGUF file by llama.cpp's own names, which are the same in every architecture."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from fpcore.anatomy.roles import RoleView
from fpcore.anatomy.tensor_layouts import View, experts_of
from fpcore.checkpoints.gguf_shape import GgufShape
from fpcore.errors import BadCheckpoint
from fpcore.storage.tensor_source import TensorSource

__all__ = ["gguf_views"]

TOP: Final = {
    "token_embd": "embedding",
    "output": "unembedding",
    "output_norm": "final_norm",
    "position_embd": "position_embedding",
    "token_types": "segment_embedding",
    "token_embd_norm": "embedding_norm",
    "dec.output_norm": "final_norm",
    "enc.output_norm": "encoder.final_norm",
}

LAYER: Final = {
    "attn_norm": "attention.norm",
    "attn_q": "attention.query",
    "attn_k": "attention.key",
    "attn_v": "attention.value",
    "attn_output": "attention.output",
    "attn_o": "attention.output",
    "attn_q_norm": "attention.query_norm",
    "attn_k_norm": "attention.key_norm",
    "attn_output_norm": "attention.post_norm",
    "attn_rel_b": "attention.relative_bias",
    "attn_q_a": "attention.query_latent.down",
    "attn_q_a_norm": "attention.query_latent.norm",
    "attn_q_b": "attention.query",
    "attn_kv_a_norm": "attention.latent.norm",
    "attn_k_b": "attention.key",
    "attn_v_b": "attention.value",
    "cross_attn_norm": "cross_attention.norm",
    "cross_attn_q": "cross_attention.query",
    "cross_attn_k": "cross_attention.key",
    "cross_attn_v": "cross_attention.value",
    "cross_attn_o": "cross_attention.output",
    "cross_attn_rel_b": "cross_attention.relative_bias",
    "ffn_norm": "feed_forward.norm",
    "post_ffw_norm": "feed_forward.post_norm",
    "layer_output_norm": "feed_forward.post_norm",
    "ffn_gate": "feed_forward.gate",
    "ffn_up": "feed_forward.up",
    "ffn_down": "feed_forward.down",
    "ffn_gate_inp": "feed_forward.router",
    "ffn_gate_shexp": "feed_forward.shared_expert.gate",
    "ffn_up_shexp": "feed_forward.shared_expert.up",
    "ffn_down_shexp": "feed_forward.shared_expert.down",
    "ffn_gate_inp_shexp": "feed_forward.shared_expert_gate",
}
EXPERTS: Final = {"ffn_gate_exps": "gate", "ffn_up_exps": "up", "ffn_down_exps": "down"}

IN_LAYER: Final = re.compile(
    r"^(?P<stack>blk|enc\.blk|dec\.blk)\.(?P<layer>\d+)\.(?P<part>.+?)(?:\.(?P<kind>weight|bias))?$"
)
ONE_EXPERT: Final = re.compile(r"^ffn_(gate|up|down)\.(\d+)$")

# The rows of a query head are followed by as many of a gate on its output.
GATED_QUERY: Final = frozenset({"qwen3next", "qwen35", "qwen35moe", "qwen4exp"})
# Their last norm goes by the name of one behind the embedding.
FINAL_NORM_AS_EMBEDDING_NORM: Final = frozenset({"lfm2", "lfm2moe"})


def gguf_views(source: TensorSource, shape: GgufShape) -> dict[str, RoleView]:
    """Role → view of every tensor of a GGUF file."""
    stored = {name: info.shape for name, info in source.tensors.items()}
    layers: dict[tuple[str, int], dict[str, str]] = {}
    views: dict[str, RoleView] = {}

    def add(role: str, name: str, view: View) -> None:
        if role in views:
            raise BadCheckpoint(
                f"{source.name}: {name} and {views[role].source} both have the role {role}; is this a"
                " single model?"
            )
        views[role] = RoleView(role, name, view.shape(stored[name]), view, source)

    for name in stored:
        match = IN_LAYER.match(name)
        if match is not None:
            layers.setdefault((match["stack"], int(match["layer"])), {})[name] = match["part"]
            continue
        stem, _, kind = name.rpartition(".")
        if stem == "token_embd_norm" and shape.architecture in FINAL_NORM_AS_EMBEDDING_NORM:
            stem = "output_norm"
        add(f"{TOP.get(stem, f'other.{stem}')}.{kind}", name, View())
    only_encoder = not any(stack == "dec.blk" for stack, _ in layers)
    for (stack, layer), names in layers.items():
        prefix = "encoder.layers" if stack == "enc.blk" and not only_encoder else "layers"
        reader = LayerReader(source.name, shape, layer, names, stored)
        for role, name, view in reader.read():
            add(f"{prefix}.{layer}.{role}", name, view)
    return views


class LayerReader:
    """The roles of one layer's tensors.

    Parameters
    ----------
    where : str
        Named in errors.
    shape : GgufShape
    layer : int
    names : mapping of str to str
        Name in the file → part of the layer.
    stored : mapping of str to tuple of int
        Shapes by name.
    """

    def __init__(
        self,
        where: str,
        shape: GgufShape,
        layer: int,
        names: Mapping[str, str],
        stored: Mapping[str, tuple[int, ...]],
    ) -> None:
        self.where = where
        self.architecture = shape.architecture
        self.shape = shape
        self.heads = shape.heads[layer] if layer < len(shape.heads) else 0
        self.kv_heads = shape.kv_heads[layer] if layer < len(shape.kv_heads) else 0
        self.names = names
        self.stored = stored
        self.parts = set(names.values())
        self.attends = any(part.startswith(("attn_q", "attn_kv")) for part in self.parts)
        self.recurrent = any(part.startswith(("ssm_", "shortconv", "time_mix")) for part in self.parts)

    def read(self) -> Iterator[tuple[str, str, View]]:
        """Role within the layer, name and view of every tensor."""
        for name, part in self.names.items():
            kind = "bias" if name.endswith(".bias") else "weight"
            if part == "exp_probs_b":
                yield "feed_forward.router.correction_bias", name, View()
                continue
            for role, view in self.roles_of(part, self.stored[name]):
                yield f"{role}.{kind}", name, view

    def roles_of(self, part: str, stored: tuple[int, ...]) -> Iterator[tuple[str, View]]:
        """The roles of one tensor."""
        one = ONE_EXPERT.match(part)
        if part == "attn_qkv":
            yield from self.fused(stored)
        elif part == "attn_q" and self.is_gated(stored):
            each = self.shape.key_dim
            yield "attention.query", View(groups=self.heads, start=0, stop=each)
            yield "attention.gate", View(groups=self.heads, start=each, stop=2 * each)
        elif part in {"post_attention_norm", "attn_norm_2", "attn_norm"}:
            yield self.norm(part), View()
        elif part == "attn_kv_a_mqa":
            yield "attention.latent.down", View(start=0, stop=self.shape.latent)
            yield "attention.key_position", View(start=self.shape.latent, stop=stored[0])
        elif part == "attn_kv_b":
            key = self.shape.position_free(stored[0] // self.heads) if self.heads else 0
            if not 0 < key < stored[0] // self.heads or stored[0] % self.heads:
                raise BadCheckpoint(
                    f"{self.where}: attn_kv_b has {stored[0]} rows, which are no {self.heads} heads of keys "
                    f"and values {self.shape.value_dim or self.shape.key_dim} wide; is its metadata right?"
                )
            yield "attention.key", View(groups=self.heads, start=0, stop=key)
            yield "attention.value", View(groups=self.heads, start=key, stop=stored[0] // self.heads)
        elif part in EXPERTS:
            for expert in experts_of(stored, f"{self.where}: {part}"):
                yield f"feed_forward.experts.{expert}.{EXPERTS[part]}", View(expert=expert)
        elif part == "ffn_gate_up_exps":
            for expert in experts_of(stored, f"{self.where}: {part}"):
                for role, view in gate_up(f"feed_forward.experts.{expert}", stored[1]):
                    yield role, replace(view, expert=expert)
        elif one is not None:
            yield f"feed_forward.experts.{one[2]}.{one[1]}", View()
        elif part in {"ffn_up", "ffn_up_shexp"} and self.holds_gate(part):
            here = "feed_forward" if part == "ffn_up" else "feed_forward.shared_expert"
            yield from gate_up(here, stored[0])
        else:
            yield LAYER.get(part, f"other.{part}"), View()

    def fused(self, stored: tuple[int, ...]) -> Iterator[tuple[str, View]]:
        """Query, key and value, one after another; in a layer that is recurrent they are something else."""
        if self.recurrent:
            yield "other.attn_qkv", View()
            return
        query, key = self.heads * self.shape.key_dim, self.kv_heads * self.shape.key_dim
        value = self.kv_heads * (self.shape.value_dim or self.shape.key_dim)
        if not query or query + key + value != stored[0]:
            raise BadCheckpoint(
                f"{self.where}: attn_qkv has {stored[0]} rows where {self.heads} query and {self.kv_heads} "
                f"key-value heads of {self.shape.key_dim} need {query + key + value}; is its metadata right?"
            )
        yield "attention.query", View(start=0, stop=query)
        yield "attention.key", View(start=query, stop=query + key)
        yield "attention.value", View(start=query + key, stop=query + key + value)

    def is_gated(self, stored: tuple[int, ...]) -> bool:
        """Whether each head of the query has as many rows of a gate behind its own."""
        return self.architecture in GATED_QUERY and stored[0] == 2 * self.heads * self.shape.key_dim > 0

    def norm(self, part: str) -> str:
        """What a norm that has a name of its own stands before or behind."""
        if part == "attn_norm_2":  # Falcon's two norms before parallel blocks
            return "attention.norm"
        if part == "attn_norm":
            if "attn_norm_2" in self.parts:
                return "feed_forward.norm"
            if self.attends or "ffn_norm" in self.parts or "post_attention_norm" in self.parts:
                return "attention.norm"
            # Layers of one block each (Nemotron-H): the norm is that of the block.
            return "other.attn_norm" if self.recurrent else "feed_forward.norm"
        before = {"ffn_norm", "post_ffw_norm"} & self.parts
        return "attention.post_norm" if before else "feed_forward.norm"

    def holds_gate(self, part: str) -> bool:
        """Whether an up projection holds the gate's rows, too: it has twice as many as down has columns."""
        shapes = {part: self.stored[name] for name, part in self.names.items() if name.endswith(".weight")}
        gate, down = part.replace("up", "gate"), shapes.get(part.replace("up", "down"))
        up = shapes.get(part)
        return gate not in self.parts and down is not None and up is not None and up[0] == 2 * down[1]


def gate_up(prefix: str, rows: int) -> Iterator[tuple[str, View]]:
    """The gate's rows, then as many of the up projection."""
    yield f"{prefix}.gate", View(start=0, stop=rows // 2)
    yield f"{prefix}.up", View(start=rows // 2, stop=rows)
