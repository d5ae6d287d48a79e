"""Reading a model whose type has no table: by the names that the field uses, confirmed by shapes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from fpcore.anatomy.conventions import (
    ATTENTION_PARTS,
    ATTENTION_WORDS,
    CROSS_WORDS,
    EMBEDDINGS,
    FEED_FORWARD_PARTS,
    FEED_FORWARD_WORDS,
    FINAL_NORMS,
    FUSED_GATE_UP,
    FUSED_QUERY_KEY_VALUE,
    LATENT_PARTS,
    NORMS,
    OTHER_MIXERS,
    POSITIONS,
    ROUTERS,
    SHARED_WORDS,
    STATEFUL,
    TRANSPARENT,
    UNEMBEDDINGS,
)
from fpcore.anatomy.irregular import IRREGULAR, Irregular
from fpcore.anatomy.stacks import Sorted, Stack
from fpcore.anatomy.tensor_layouts import LatentDown, LatentUp, QueryKeyValue, Sizes, View
from fpcore.errors import BadCheckpoint

__all__ = ["Found", "LayerReader", "layer_width", "roles_outside"]

Shape = tuple[int, ...]
KINDS = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias", "scale": "weight"}


@dataclass(frozen=True)
class Found:
    """A role within a layer (or outside), and how it is cut out of its stored tensor."""

    role: str
    source: str
    view: View


def split(rest: str) -> tuple[list[str], str]:
    """The modules of a name, and ``weight``, ``bias`` or what a bare parameter is called."""
    words = rest.split(".")
    if words[-1] in KINDS and len(words) > 1:
        return words[:-1], KINDS[words[-1]]
    last = words[-1]
    for ending, kind in (("_proj_bias", "bias"), ("_bias", "bias"), ("_weight", "weight")):
        if last.endswith(ending) and last not in KINDS:
            return [*words[:-1], last.removesuffix("_bias").removesuffix("_weight")], kind
    return words, "weight"


def layer_width(stack: Stack, shapes: Mapping[str, Shape]) -> int | None:
    """The width that most names agree on: norms, columns of what reads the stream, rows of what writes it."""
    votes: Counter[int] = Counter()
    for names in stack.layers.values():
        for rest, name in names.items():
            words, kind = split(rest)
            shape = shapes[name]
            if kind != "weight" or not words:
                continue
            last = words[-1]
            if len(shape) == 1 and ".".join(words) in NORMS:
                votes[shape[0]] += 2
            elif len(shape) == 2 and ATTENTION_PARTS.get(last) in {"query", "key", "value"}:
                votes[shape[1]] += 1
            elif len(shape) == 2 and (last in {"o_proj", "out_proj", "down_proj", "fc2", "w2"}):
                votes[shape[0]] += 1
            elif len(shape) == 2 and last in {"gate_proj", "up_proj", "fc1", "w1"}:
                votes[shape[1]] += 1
    return votes.most_common(1)[0][0] if votes else None


class LayerReader:
    """Gives the tensors of one layer their roles.

    Parameters
    ----------
    names : mapping of str to str
        Name within the layer → stored name.
    shapes : mapping of str to tuple of int
    width : int
        Of the residual stream.
    sizes : Sizes
        Where fused tensors are cut.
    model_type : str
    final_norm : bool
        Whether a norm stands behind the last layer, as in models whose blocks read through norms.
    """

    def __init__(
        self,
        names: Mapping[str, str],
        shapes: Mapping[str, Shape],
        width: int,
        sizes: Sizes,
        model_type: str,
        *,
        final_norm: bool,
    ) -> None:
        self.names = names
        self.shapes = shapes
        self.width = width
        self.sizes = sizes
        self.irregular = IRREGULAR.get(model_type, Irregular())
        self.pre_norm = final_norm if self.irregular.pre_norm is None else self.irregular.pre_norm
        self.stateful = {
            self.module(rest) for rest in names if STATEFUL & set(rest.replace("_bias", "_bias").split("."))
        }
        self.modules = {".".join(split(rest)[0]) for rest in names}
        self.transposed = self.conv1d()

    @staticmethod
    def module(rest: str) -> str:
        """The outermost module of a name within a layer."""
        return rest.partition(".")[0]

    def conv1d(self) -> bool:
        """Whether the layer stores its weights as (columns, rows), as GPT-2 does."""
        for rest, name in self.names.items():
            words, kind = split(rest)
            shape = self.shapes[name]
            if kind == "weight" and words[-1:] in (["c_attn"], ["c_fc"]) and len(shape) == 2:
                return shape[0] == self.width and shape[1] != self.width
        return False

    def read(self) -> Iterator[Found]:
        """Every tensor of the layer with its role; what has none that is known stands under ``other``."""
        for rest, name in self.names.items():
            found = list(self.roles_of(rest, name))
            if found:
                yield from found
            else:
                yield Found(f"other.{rest}", name, View())

    def roles_of(self, rest: str, name: str) -> Iterator[Found]:
        """The roles of one tensor; none if its name or its shape says nothing."""
        words, kind = split(rest)
        shape = self.shapes[name]
        if not shape:
            return
        said = self.irregular.layer.get(".".join(words))
        if said is not None:
            yield from self.as_said(said, name, kind, shape)
            return
        norm = self.norm(words, shape)
        if norm is not None:
            yield Found(f"{norm}.{kind}", name, View(shift=self.shift(words, kind)))
            return
        context = self.context(words)
        if context in {"attention", "cross_attention"}:
            yield from self.attention(context, words, kind, name, shape)
        elif context is not None:
            yield from self.feed_forward(context, words, kind, name, shape)

    def as_said(self, said: str, name: str, kind: str, shape: Shape) -> Iterator[Found]:
        """A role that the table of irregular names gives; ``T`` before it: stored transposed."""
        transpose = said.startswith("T ")
        yield Found(f"{said.removeprefix('T ')}.{kind}", name, View(transpose=transpose))

    # --- norms

    def norm(self, words: list[str], shape: Shape) -> str | None:
        """The role of a norm of the layer."""
        stem = ".".join(word for word in words if word != "norm" or len(words) == 1)
        if len(shape) != 1:
            return None
        if stem == "norm":  # a block of one part has one norm
            return f"{self.only_block()}.norm" if self.only_block() else None
        if stem == "post_attention_layernorm":
            return self.after_attention()
        if stem == "LayerNorm" and not self.pre_norm:
            return "feed_forward.post_norm"
        role = NORMS.get(stem)
        if role is None and len(words) == 2 and words[0] in ATTENTION_WORDS and words[1] == "layer_norm":
            role = "attention.norm"
        if role is None and len(words) == 2 and words[0] in FEED_FORWARD_WORDS and words[1] == "layer_norm":
            role = "feed_forward.norm"
        if role == "feed_forward.norm" and stem in {"ln", "LayerNorm"} and self.only_block() == "attention":
            role = "attention.norm"
        if role in {"attention.norm", "feed_forward.norm"} and self.behind(stem):
            role = role.replace(".norm", ".post_norm")
        return role

    def behind(self, stem: str) -> bool:
        """Whether a norm whose name does not say it stands behind its block."""
        if stem in {"input_layernorm", "pre_feedforward_layernorm", "pre_ff_layernorm", "pre_mlp_layernorm"}:
            return False
        if {"input_layernorm", "ln1", "post_ffn_norm", "post_norm1", "post_operator_norm"} & self.modules:
            return False
        return not self.pre_norm

    def after_attention(self) -> str:
        """``post_attention_layernorm``: in most models the feed-forward block reads through it."""
        before = {"pre_feedforward_layernorm", "pre_ff_layernorm", "pre_mlp_layernorm"}
        if before & self.modules:
            return "attention.post_norm"
        if "input_layernorm" not in self.modules and {"post_feedforward_layernorm", "post_mlp_layernorm"} & (
            self.modules
        ):
            return "attention.post_norm"
        return "feed_forward.norm"

    def only_block(self) -> str | None:
        """``attention`` or ``feed_forward`` where the layer has one of them only."""
        kinds = set()
        for rest in self.names:
            words, _ = split(rest)
            if self.module(rest) in self.stateful or self.module(rest) in OTHER_MIXERS:
                continue
            if ATTENTION_PARTS.get(words[-1]) in {"query", "key", "value"}:
                kinds.add("attention")
            elif self.part(words[-1], words) in {"up", "down"}:
                kinds.add("feed_forward")
        return kinds.pop() if len(kinds) == 1 else None

    def shift(self, words: list[str], kind: str) -> float:
        """What is to be added to a norm's stored gain."""
        return 1.0 if kind == "weight" and self.irregular.shifts(words[-1]) else 0.0

    # --- which block

    def context(self, words: list[str]) -> str | None:
        """The block that a projection belongs to; None where a word on the way is not known."""
        last = projection(words)
        path = words[: len(words) - 1 - words[::-1].index(last)]
        if self.module(words[0]) in OTHER_MIXERS or words[0] in self.stateful:
            return None
        if any(word in OTHER_MIXERS for word in path):
            return None
        if not path and last not in {"fc1", "fc2", "lin1", "lin2", "linear1", "linear2", "ffn", "ffn_output"}:
            return self.bare(words)
        if any(word in CROSS_WORDS for word in path):
            return "cross_attention"
        experts = "experts" in path or self.is_stack(words)
        known = ATTENTION_WORDS | FEED_FORWARD_WORDS | SHARED_WORDS | TRANSPARENT
        known |= {"experts", "norm", "linear", "router", "gate", "output", "intermediate"}
        if any(word not in known and not word.isdigit() for word in path):
            return None
        if any(word in SHARED_WORDS for word in path):
            return "shared"
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

    def bare(self, words: list[str]) -> str | None:
        """The block of a projection that stands in the layer itself."""
        last = words[-1]
        if last in FUSED_QUERY_KEY_VALUE or last in {"attn_out", "q_proj", "k_proj", "v_proj", "o_proj"}:
            return "attention"
        if last in {"query", "key", "value"}:
            return "attention"
        if last in FUSED_GATE_UP or last in {"ff_out", "gate_proj", "up_proj", "down_proj", "c_fc"}:
            return "feed_forward"
        return None

    # --- attention

    def attention(self, block: str, words: list[str], kind: str, name: str, shape: Shape) -> Iterator[Found]:
        """Projections of attention, whole, fused or latent."""
        last = projection(words)
        if last == "in_proj_" or last in FUSED_QUERY_KEY_VALUE:
            yield from self.fused(block, kind, name, shape)
            return
        if last == "kv_proj" and kind == "weight" and len(shape) == 2:
            each = self.sizes.kv_heads * self.sizes.head_dim
            if each and shape == (2 * each, self.width):
                yield Found(f"{block}.key.{kind}", name, View(start=0, stop=each))
                yield Found(f"{block}.value.{kind}", name, View(start=each, stop=2 * each))
            return
        if last in LATENT_PARTS and block == "attention":
            yield from self.latent(LATENT_PARTS[last], kind, name, shape)
            return
        part = ATTENTION_PARTS.get(last)
        if part is None:
            return
        role = f"{block}.{part}.{kind}"
        if part in {"query_norm", "key_norm", "relative_bias"}:
            if len(shape) <= 2:
                yield Found(role, name, View(shift=self.shift([last], kind)))
            return
        transpose = self.transposed and kind == "weight"
        rows, columns = (shape[::-1] if transpose else shape) if len(shape) == 2 else (shape[0], None)
        if kind == "weight":
            if columns is None:
                return
            if part == "output" and rows != self.width:
                return
            if part != "output" and block == "attention" and not self.reads_stream(columns):
                return
        if part == "query" and self.gated_query(rows):
            heads, dim = self.sizes.heads, self.sizes.head_dim
            whole = View(transpose=transpose, groups=heads)
            yield Found(role, name, replace(whole, start=0, stop=dim))
            yield Found(f"{block}.gate.{kind}", name, replace(whole, start=dim, stop=2 * dim))
            return
        yield Found(role, name, View(transpose=transpose))

    def reads_stream(self, columns: int) -> bool:
        """Whether a projection of so many columns reads the stream, or what was made of it."""
        return columns in {self.width, 2 * self.width, *self.irregular.read_widths}

    def gated_query(self, rows: int) -> bool:
        """Whether queries come with a gate of their own, head by head."""
        return bool(
            self.irregular.gated_query
            and self.sizes.heads
            and rows == 2 * self.sizes.heads * self.sizes.head_dim
        )

    def fused(self, block: str, kind: str, name: str, shape: Shape) -> Iterator[Found]:
        """Query, key and value in one tensor."""
        transpose = kind == "weight" and self.transposed
        if kind == "weight" and (len(shape) != 2 or not self.reads_stream(shape[0 if transpose else 1])):
            return
        if not self.sizes.heads:
            return
        layout = QueryKeyValue(
            grouped=self.irregular.grouped,
            transpose=transpose,
            groups=self.irregular.groups,
            order=self.irregular.order,
        )
        try:
            views = list(layout.views(shape, self.sizes))
        except BadCheckpoint as error:
            raise BadCheckpoint(f"tensor {name}: {error}; is its config.json right?") from None
        for role, view in views:
            yield Found(role.replace("attention.", f"{block}.").replace("*", kind), name, view)

    def latent(self, part: str, kind: str, name: str, shape: Shape) -> Iterator[Found]:
        """Multi-head latent attention."""
        if part in {"down", "up"}:
            layout = LatentDown() if part == "down" else LatentUp()
            try:
                views = list(layout.views(shape, self.sizes))
            except BadCheckpoint as error:
                raise BadCheckpoint(f"tensor {name}: {error}; is its config.json right?") from None
            for role, view in views:
                yield Found(role.replace("*", kind), name, view)
        else:
            yield Found(f"attention.{part}.{kind}", name, View(shift=self.shift(["latent"], kind)))

    # --- feed-forward

    def feed_forward(
        self, context: str, words: list[str], kind: str, name: str, shape: Shape
    ) -> Iterator[Found]:
        """Projections of a feed-forward block, of its experts and its router."""
        last = projection(words)
        numbers = [word for word in words if word.isdigit()]
        here = "feed_forward."
        if context == "shared":
            here += "shared_expert."
        if context == "experts":
            if numbers and len(shape) <= 2:
                here += f"experts.{numbers[-1]}."
            else:
                yield from self.stacked(last, kind, name, shape)
                return
        elif self.routes(words, kind, shape):
            yield Found(f"feed_forward.router.{kind}", name, View())
            return
        elif last == "e_score_correction_bias" or words[-1] == "e_score_correction":
            yield Found("feed_forward.router.correction_bias", name, View())
            return
        elif words[-1] in {"shared_expert_gate"}:
            yield Found(f"feed_forward.shared_expert_gate.{kind}", name, View())
            return
        yield from self.block(here, last, words, kind, name, shape)

    def block(
        self, here: str, last: str, words: list[str], kind: str, name: str, shape: Shape
    ) -> Iterator[Found]:
        """Gate, up and down of one block."""
        transpose = self.transposed and kind == "weight"
        if len(shape) > 2 or (len(shape) == 1 and kind == "weight"):
            return
        rows = shape[1] if transpose else shape[0]
        columns = None if kind == "bias" else shape[0] if transpose else shape[1]
        part = self.part(last, words)
        if part in {"gate", "up"} and kind == "weight" and not self.reads_stream(columns or 0):
            return
        if part == "down" and rows != self.width:
            return
        if last in FUSED_GATE_UP or (part == "up" and self.holds_both(words, rows)):
            if rows % 2:
                return
            first, second = ("up", "gate") if self.irregular.up_first else ("gate", "up")
            whole = View(transpose=transpose)
            yield Found(f"{here}{first}.{kind}", name, replace(whole, start=0, stop=rows // 2))
            yield Found(f"{here}{second}.{kind}", name, replace(whole, start=rows // 2, stop=rows))
        elif part is not None:
            yield Found(f"{here}{part}.{kind}", name, View(transpose=transpose))

    def part(self, last: str, words: list[str]) -> str | None:
        """``gate``, ``up`` or ``down``."""
        if last in {"w1", "w2", "w3"}:
            stem = ".".join(words[:-1])
            gated = f"{stem}.w3" in self.modules
            return {"w1": "gate" if gated else "up", "w2": "down", "w3": "up"}[last]
        if last == "ffn":
            return "up"
        if last == "ffn_output":
            return "down"
        if last in {"0", "2"} and words[0] in FEED_FORWARD_WORDS:
            return {"0": "up", "2": "down"}[last]
        if last in FUSED_GATE_UP:
            return "up"
        return FEED_FORWARD_PARTS.get(last)

    def holds_both(self, words: list[str], rows: int) -> bool:
        """Whether an up projection has twice the units that the down projection reads: the gate is in it."""
        stem = ".".join(words[:-1])
        for rest, name in self.names.items():
            others, kind = split(rest)
            if kind != "weight" or ".".join(others[:-1]) != stem or len(self.shapes[name]) != 2:
                continue
            if self.part(projection(others), others) == "down":
                return rows == 2 * self.shapes[name][0 if self.transposed else 1]
        return False

    def routes(self, words: list[str], kind: str, shape: Shape) -> bool:
        """Whether a tensor is the router: it has one row an expert."""
        stem = ".".join(words[1:] if len(words) > 1 else words)
        known = stem in ROUTERS or words[-1] in {"router", "router_proj"} or words[-2:] == ["router", "proj"]
        if not known:
            return False
        if kind == "bias":
            return True
        return len(shape) == 2 and shape[1] == self.width and self.has_experts()

    def has_experts(self) -> bool:
        """Whether the layer has experts."""
        return any(
            "experts" in rest or (len(self.shapes[name]) == 3 and "input_linear" in rest)
            for rest, name in self.names.items()
        )

    def stacked(self, last: str, kind: str, name: str, shape: Shape) -> Iterator[Found]:
        """All experts of a layer in one tensor."""
        bias = kind == "bias" or last.endswith("_bias")
        if len(shape) != (2 if bias else 3):
            return
        part = self.part(last, [last])
        kind = "bias" if bias else "weight"
        last = last.removesuffix("_bias")
        turned = self.experts_turned()
        rows = shape[1] if bias or not turned else shape[2]
        for expert in range(shape[0]):
            here = f"feed_forward.experts.{expert}."
            whole = View(expert=expert, transpose=turned and not bias)
            if last in FUSED_GATE_UP or (part == "up" and rows == 2 * self.units()):
                yield from self.two(here, kind, name, whole, rows)
            elif part is not None:
                yield Found(f"{here}{part}.{kind}", name, whole)

    def two(self, here: str, kind: str, name: str, whole: View, rows: int) -> Iterator[Found]:
        """Gate and up of one expert: halves, or one row each in turn."""
        half = rows // 2
        if self.irregular.interleaved:
            whole = replace(whole, groups=half)
            half = 1
        first, second = ("up", "gate") if self.irregular.up_first_experts else ("gate", "up")
        yield Found(f"{here}{first}.{kind}", name, replace(whole, start=0, stop=half))
        yield Found(f"{here}{second}.{kind}", name, replace(whole, start=half, stop=2 * half))

    def stacks(self) -> dict[str, Shape]:
        """Part (``up``: alone or with the gate; ``down``) → shape of one expert in the stack of all."""
        found: dict[str, Shape] = {}
        for rest, name in self.names.items():
            words, kind = split(rest)
            shape = self.shapes[name]
            if kind == "bias" or len(shape) != 3 or set(words) & SHARED_WORDS or words[0] in OTHER_MIXERS:
                continue
            last = projection(words)
            part = self.part(last, [last])
            if part is not None and ("experts" in words or last in {"input_linear", "output_linear"}):
                found["down" if part == "down" else "up"] = shape[1:]
        return found

    def is_stack(self, words: list[str]) -> bool:
        """Whether a tensor holds all experts of a layer although its name does not say so."""
        return words[-1] in {"input_linear", "output_linear"} and any(
            len(self.shapes[name]) == 3 and split(rest)[0] == words for rest, name in self.names.items()
        )

    def experts_turned(self) -> bool:
        """Whether stacks of experts hold (columns, rows): both shapes together say so."""
        stacks = self.stacks()
        if "up" not in stacks or "down" not in stacks:
            return False
        up, down = stacks["up"], stacks["down"]
        if up[0] == 2 * down[1] and up[1] == down[0]:
            return False
        if up[1] == 2 * down[0] and up[0] == down[1]:
            return True
        return up[0] == self.width and up[1] != self.width

    def units(self) -> int:
        """Inner units of one expert, by its down projection."""
        down = self.stacks().get("down", (0, 0))
        return down[0] if self.experts_turned() else down[1]


def projection(words: list[str]) -> str:
    """The word that names a projection: the last that says something."""
    for word in reversed(words):
        if word not in {"linear", "dense"}:
            return word if words[-1] != "dense" or word in {"output", "intermediate"} else words[-1]
    return words[-1]


def roles_outside(names: Sorted, shapes: Mapping[str, Shape], model_type: str) -> Iterator[Found]:
    """Embedding, final norm and unembedding; the rest stands under ``other``."""
    irregular = IRREGULAR.get(model_type, Irregular())
    taken: set[str] = set()
    plain = sorted(names.outside.items(), key=lambda item: (item[0].count("."), item[0]))
    for short, name in plain:
        words, kind = split(short)
        shape = shapes[name]
        said = irregular.outside.get(short) or role_outside(words, kind, shape, names, irregular)
        role = f"{said}.{kind}" if said else f"other.{short}"
        if role in taken:
            role = f"other.{short}"
        taken.add(role)
        shifted = said == "final_norm" and kind == "weight" and irregular.shifts(words[-1])
        yield Found(role, name, View(shift=1.0 if shifted else 0.0))


def role_outside(
    words: list[str], kind: str, shape: Shape, names: Sorted, irregular: Irregular
) -> str | None:
    """The role of a tensor in no layer."""
    stem = ".".join(words)
    last = words[-1]
    encoder = "encoder." if "encoder" in words and "encoder" in names.more else ""
    if unembeds(stem) and (len(shape) == 2 or kind == "bias"):
        return "unembedding"
    if last in POSITIONS and len(shape) == 2:
        return f"{encoder}position_embedding"
    if last == "token_type_embeddings" and len(shape) == 2:
        return "segment_embedding"
    if last in EMBEDDINGS and len(shape) == 2 and kind == "weight":
        return "embedding" if not encoder else None
    if len(shape) == 1 and words[-2:-1] and words[-2] in {"embeddings", "embed_tokens"}:
        return "embedding_norm"
    if len(shape) == 1 and last in {"layernorm_embedding", "word_embeddings_layernorm", "layer_norm_emb"}:
        return f"{encoder}embedding_norm"
    if len(shape) == 1 and last in FINAL_NORMS and not (set(words) & {"predictions", "lm_head", "transform"}):
        return f"{encoder}final_norm"
    return None


def unembeds(stem: str) -> bool:
    """Whether a module gives the logits, by its name."""
    bare = re.sub(r"^(?:language_model|text_model|transformer)\.", "", stem)
    return bare in UNEMBEDDINGS or any("." in known and stem.endswith(known) for known in UNEMBEDDINGS)
