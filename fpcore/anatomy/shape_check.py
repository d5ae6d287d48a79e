"""The shape of a model as its tensors show it, held against what its config says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from fpcore.anatomy.architecture import Architecture, StatedShape
from fpcore.errors import BadCheckpoint

__all__ = ["ShapeContradiction", "Shown", "checked_shape", "with_defaults"]

Shape = tuple[int, ...]

# Only a norm that takes the mean out has a bias.
NORM_BIASES: Final = ("attention.norm.bias", "attention.post_norm.bias", "feed_forward.norm.bias")

# Types whose config counts the feed-forward width in another way than its tensors (rounded to blocks, halved,
# the sum of several), so that the tensors alone say it.
FEED_FORWARD_BY_TENSORS: Final = frozenset(
    {"lfm2", "lfm2_moe", "recurrent_gemma", "moshi", "zamba2", "jetmoe", "llama_moe"}
)

# Types whose layers stand once in the file and run several times, or whose config counts sub-layers.
DEPTH_BY_TENSORS: Final = frozenset({"albert", "funnel", "longcat_flash", "hrm_text"})

# Types whose config counts attention and feed-forward blocks apart.
BLOCKS_COUNTED: Final = frozenset({"dory"})

# Types that have experts for each modality and count those of one.
EXPERTS_BY_TENSORS: Final = frozenset({"ernie4_5_vl_moe_text"})


class ShapeContradiction(BadCheckpoint):
    """A config that states another shape than the tensors have; the message holds both numbers."""


@dataclass(frozen=True)
class Shown:
    """Sizes that the tensors of the layers show; empty where no layer has such a tensor.

    Attributes
    ----------
    width : Counter of int
        Columns of what reads the stream, rows of what writes to it; experts may work on a projection of it.
    query, key : Counter of int
        Rows of the query and key projections, layer by layer.
    gain : Counter of int
        Lengths of the gains of query norms.
    feed_forward, expert : Counter of int
        Inner units of feed-forward blocks and of routed experts.
    latent : bool
        Whether keys come from a latent.
    """

    width: Counter[int]
    query: Counter[int]
    key: Counter[int]
    gain: Counter[int]
    feed_forward: Counter[int]
    expert: Counter[int]
    latent: bool

    @classmethod
    def by(cls, shapes: Mapping[str, Shape]) -> Shown:
        """Those of roles, by their shapes."""
        counts: dict[str, Counter[int]] = {
            name: Counter() for name in ("width", "query", "key", "gain", "feed_forward", "expert")
        }
        latent = False
        for role, shape in shapes.items():
            words = role.split(".")
            if words[0] != "layers" or len(words) < 5 or words[-1] != "weight":
                continue
            block, part = words[2], words[3]
            if block == "attention" and part in {"latent", "query_latent"}:
                latent = True
            if len(shape) == 1 and block == "attention" and part == "query_norm" and len(words) == 5:
                counts["gain"][shape[0]] += 1
            if len(shape) == 1 and part == "norm" and block in {"attention", "feed_forward"}:
                counts["width"][shape[0]] += 1
            if len(shape) != 2:
                continue
            if block == "attention" and part == "query":
                counts["query"][shape[0]] += 1
            elif block == "attention" and part == "key":
                counts["key"][shape[0]] += 1
            elif block == "attention" and part == "output":
                counts["width"][shape[0]] += 1
            elif block == "feed_forward" and part == "up":
                counts["feed_forward"][shape[0]] += 1
                counts["width"][shape[1]] += 1
            elif block == "feed_forward" and part == "experts" and words[5] == "up":
                counts["expert"][shape[0]] += 1
        return cls(**counts, latent=latent)


def with_defaults(stated: StatedShape) -> tuple[StatedShape, frozenset[str]]:
    """A config's shape with what it leaves to its type's defaults, and the names of those facts.

    `transformers` writes only what differs from the defaults into the nested parts of a config. The defaults
    are asked for only where the number of heads is not said.
    """
    if stated.heads is not None:
        return stated, frozenset()
    found = type_defaults(stated.model_type)
    if found is None:
        return stated, frozenset()
    facts = ("heads", "kv_heads", "head_dim", "width", "depth", "feed_forward", "experts")
    silent = [fact for fact in facts if getattr(stated, fact) is None and getattr(found, fact) is not None]
    return replace(stated, **{fact: getattr(found, fact) for fact in silent}), frozenset(silent)


def type_defaults(model_type: str) -> StatedShape | None:
    """What `transformers` takes for a type where its config is silent; None if it does not know the type."""
    try:
        from transformers import CONFIG_MAPPING

        config = CONFIG_MAPPING[model_type]().to_dict()
    except Exception:  # no transformers, no such type, or a type without defaults
        return None
    return StatedShape.of({**config, "model_type": model_type}, model_type)


def checked_shape(
    stated: StatedShape,
    shapes: Mapping[str, Shape],
    depth: int,
    *,
    experts: int,
    by_table: bool = True,
    defaults: Iterable[str] = (),
    where: str,
) -> Architecture:
    """The shape that the tensors show, completed by the config.

    Parameters
    ----------
    stated : StatedShape
        By the config.
    shapes : mapping of str to tuple of int
        Role → shape of its tensor.
    depth : int
        Layers that there are tensors of.
    experts : int
        Routed experts of a layer, 0 for none.
    by_table : bool
        Whether the type is known well enough to say that experts which the config counts must be there.
    defaults : iterable of str
        Facts that the config does not state itself: tensors may differ from them.
    where : str
        Named in errors.

    Raises
    ------
    ShapeContradiction
        The config says something else than the tensors.
    """
    scalar = next((role for role, shape in shapes.items() if not shape and role.endswith(".weight")), None)
    if scalar is not None:
        raise ShapeContradiction(
            f"{where}: the tensor for {scalar} is a single number; fetch the weights again"
        )
    check = Check(stated, frozenset(defaults), where)
    shown = Shown.by(shapes)
    if stated.model_type not in DEPTH_BY_TENSORS | BLOCKS_COUNTED:
        check.same("depth", "layers", depth)
    width = most(shown.width) or stated.width or columns(shapes.get("embedding.weight")) or 0
    if shown.width:
        check.same("width", "the width of the residual stream", width)
    heads, kv_heads, head_dim = check.heads(shown, width)
    feed_forward = check.feed_forward(shown, experts)
    if (experts or by_table) and stated.model_type not in EXPERTS_BY_TENSORS:
        check.same("experts", "experts per layer", experts)
    embedding = shapes.get("embedding.weight")
    if by_table and stated.vocabulary and embedding and stated.vocabulary > embedding[0]:
        raise check.contradiction("vocabulary", stated.vocabulary, embedding[0], " as rows of the embedding")
    biases = ("query.bias", "key.bias", "value.bias")
    return Architecture(
        model_type=stated.model_type,
        depth=stated.depth if stated.model_type in DEPTH_BY_TENSORS and stated.depth else depth,
        width=width,
        heads=heads,
        kv_heads=kv_heads,
        feed_forward=feed_forward,
        experts=experts,
        vocabulary=stated.vocabulary or (embedding[0] if embedding else None),
        qkv_bias=any(
            role.startswith("layers.") and role.partition(".attention.")[2] in biases for role in shapes
        ),
        norm="layernorm" if any(role.endswith(NORM_BIASES) for role in shapes) else stated.norm,
        head_dim=head_dim,
        tied=stated.tied,
    )


def most(counts: Counter[int]) -> int | None:
    """The size that most tensors have."""
    return counts.most_common(1)[0][0] if counts else None


def columns(shape: Shape | None) -> int | None:
    """Columns of a matrix."""
    return shape[1] if shape is not None and len(shape) == 2 else None


@dataclass(frozen=True)
class Check:
    """Holds what a config says against what tensors show.

    Attributes
    ----------
    stated : StatedShape
    defaults : frozenset of str
        Facts that the config leaves to its type.
    where : str
    """

    stated: StatedShape
    defaults: frozenset[str]
    where: str

    def contradiction(self, fact: str, said: int, shown: int, because: str) -> ShapeContradiction:
        """One line with both numbers."""
        return ShapeContradiction(
            f"{self.where}: {self.stated.entries[fact]} is {said}, but the tensors show {shown}{because}; "
            "the config is of another model, or one of them was changed: correct it"
        )

    def same(self, fact: str, what: str, shown: int) -> None:
        """Refuse a stated number that the tensors do not show."""
        said: int | None = getattr(self.stated, fact)
        if said is not None and fact not in self.defaults and said != shown:
            raise self.contradiction(fact, said, shown, f" as {what}")

    def heads(self, shown: Shown, width: int) -> tuple[int, int, int | None]:
        """Heads, key-value heads and the width of a head."""
        stated = self.stated
        heads, kv_heads, head_dim = stated.heads or 0, stated.kv_heads, stated.head_dim
        rows, key_rows, gain = most(shown.query), most(shown.key), most(shown.gain)
        uniform = len(shown.query) == 1 and len(shown.key) <= 1
        if rows is None:
            return heads if stated.heads and key_rows else 0, (kv_heads or heads) if key_rows else 0, head_dim
        if shown.latent or not uniform:
            return heads, kv_heads or heads, head_dim or (width // heads if heads else None)
        per_head = gain if gain and gain < rows and rows % gain == 0 else None
        if "heads" in self.defaults:
            return self.guessed_heads(rows, key_rows, per_head)
        if head_dim is not None and per_head is not None and head_dim != per_head:
            raise self.contradiction("head_dim", head_dim, per_head, " as the gain of each query's norm")
        dim = head_dim or per_head or (rows // heads if heads and rows % heads == 0 else None)
        if dim is None or rows % dim:
            if heads:
                raise ShapeContradiction(
                    f"{self.where}: {stated.entries['heads']} is {heads}"
                    + (f" and head_dim {dim}" if dim else "")
                    + f", but the query projection has {rows} rows; correct the config"
                )
            return 0, 0, None
        found = rows // dim
        if heads and heads != found:
            raise self.contradiction("heads", heads, found, f": {rows} query rows are {found} heads of {dim}")
        shared = found
        if key_rows is not None:
            if not key_rows or key_rows % dim or found % (key_rows // dim):
                raise ShapeContradiction(
                    f"{self.where}: {found} heads of {dim} do not fit {key_rows} rows of the key projection; "
                    "correct the config"
                )
            shared = key_rows // dim
            said = kv_heads
            if said and said != shared:
                other = key_rows // said if key_rows % said == 0 else 0
                otherwise = (
                    f"; with {said} key-value heads of {other} there are {rows // other} heads, not {heads}"
                    if other and not head_dim and not per_head and rows % other == 0
                    else ""
                )
                raise self.contradiction(
                    "kv_heads", said, shared, f": {key_rows} key rows are {shared} heads of {dim}{otherwise}"
                )
        return found, shared, dim

    def guessed_heads(
        self, rows: int, key_rows: int | None, per_head: int | None
    ) -> tuple[int, int, int | None]:
        """Heads by the gain of a norm, or by the type's defaults where those fit the tensors; 0: unknown."""
        heads, kv_heads = self.stated.heads or 0, self.stated.kv_heads or self.stated.heads or 0
        if per_head is not None:
            return rows // per_head, (key_rows or rows) // per_head, per_head
        for dim in (self.stated.head_dim, rows // heads if heads else None):
            if dim and rows == heads * dim and key_rows in {None, kv_heads * dim}:
                return heads, kv_heads, dim
        return 0, 0, None

    def feed_forward(self, shown: Shown, experts: int) -> int:
        """Inner width of a feed-forward block, of a routed expert in a mixture."""
        counts = shown.expert if experts and shown.expert else shown.feed_forward
        said = self.stated.feed_forward
        if not counts:
            return said or 0
        if (
            said is None
            or self.stated.model_type in FEED_FORWARD_BY_TENSORS
            or "feed_forward" in self.defaults
        ):
            return max(counts)
        if said not in counts:
            raise self.contradiction("feed_forward", said, most(counts) or 0, " as inner units of a block")
        return said
