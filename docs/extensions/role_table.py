"""``{roles}``: what a tensor can be for, from the anatomy tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from fpcore.anatomy import known_model_types, tensor_layouts
from fpcore.anatomy.by_table import all_tables

FEW = 6
"""Model types that are named one by one."""

# Role within a layer (after `layers.#.`), or outside the layers → what the tensor does.
MEANINGS = {
    "embedding": "token embeddings, (vocabulary, width)",
    "embedding_norm": "norm of the embeddings",
    "embedding_projection": "from the width of the embeddings to that of the stream",
    "position_embedding": "learned position embeddings, (positions, width)",
    "segment_embedding": "embeddings of the first and second text",
    "final_norm": "norm behind the last layer",
    "unembedding": "from the stream to logits, (vocabulary, width); absent where it is tied to the embedding",
    "unembedding.norm": "norm inside the unembedding",
    "unembedding.transform": "dense map inside the unembedding",
    "unembedding_projection": "from the width of the stream to that of the embeddings",
    "attention.norm": "norm that attention reads through",
    "attention.post_norm": "norm of what attention gives",
    "attention.query": "query projection, (heads × head size, width)",
    "attention.key": "key projection, (key-value heads × head size, width)",
    "attention.value": "value projection, (key-value heads × head size, width)",
    "attention.output": "output projection, (width, heads × head size)",
    "attention.query_norm": "norm of the queries",
    "attention.key_norm": "norm of the keys",
    "attention.query_norm.#": "norm of the queries of head #",
    "attention.key_norm.#": "norm of the keys of head #",
    "attention.key_position": "latent attention: the one key that carries the position",
    "attention.latent.down": "latent attention: from the stream to the latent of keys and values",
    "attention.latent.norm": "latent attention: norm of that latent",
    "attention.query_latent.down": "latent attention: from the stream to the latent of queries",
    "attention.query_latent.norm": "latent attention: norm of that latent",
    "attention.relative_bias": "bias by relative position",
    "cross_attention.norm": "norm that attention to the encoder reads through",
    "cross_attention.post_norm": "norm of what it gives",
    "cross_attention.query": "its query projection",
    "cross_attention.key": "its key projection",
    "cross_attention.value": "its value projection",
    "cross_attention.output": "its output projection",
    "cross_attention.relative_bias": "its bias by relative position",
    "feed_forward.norm": "norm that the feed-forward block reads through",
    "feed_forward.post_norm": "norm of what the feed-forward block gives",
    "feed_forward.gate": "gate projection, (inner units, width); absent in plain blocks",
    "feed_forward.up": "up projection, (inner units, width)",
    "feed_forward.down": "down projection, (width, inner units)",
    "feed_forward.experts.#.gate": "gate projection of routed expert #",
    "feed_forward.experts.#.up": "up projection of routed expert #",
    "feed_forward.experts.#.down": "down projection of routed expert #",
    "feed_forward.router": "router, (experts, width); `correction_bias` and `scale` where there are any",
    "feed_forward.router.#": "layer # of a router of several layers",
    "feed_forward.router.noise": "noise of a router in training",
    "feed_forward.shared_expert.gate": "gate projection of the expert that every token uses",
    "feed_forward.shared_expert.up": "its up projection",
    "feed_forward.shared_expert.down": "its down projection",
    "feed_forward.shared_expert_gate": "gate of the shared expert's output",
}


def served(layout: tensor_layouts.TensorLayout) -> list[str]:
    """The roles of a layout, with ``#`` for an expert's number.

    Raises
    ------
    TypeError
        A kind of layout that is not known here.
    """
    match layout:
        case tensor_layouts.Whole():
            return [layout.role]
        case tensor_layouts.QueryKeyValue():
            return [f"attention.{part}.*" for part in ("query", "key", "value")]
        case tensor_layouts.GateUp():
            return [layout.gate, layout.up]
        case tensor_layouts.ExpertStack():
            return [role.replace("{expert}", "#") for role in served(layout.each)]
        case tensor_layouts.LatentDown():
            return ["attention.latent.down.*", "attention.key_position.*"]
        case tensor_layouts.LatentUp():
            return ["attention.key.*", "attention.value.*"]
    raise TypeError(f"{type(layout).__name__}: say in docs/extensions/role_table.py which roles it serves")


def known_roles() -> dict[str, set[str]]:
    """Role without its last word (``weight``, ``bias``) → the model types whose table has it.

    What stands under ``other`` has no meaning of its own.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for model_type, (_, table) in all_tables().items():
        for prefix, layout in table.entries().values():
            for role in served(layout):
                if not role.startswith("other."):
                    found[(prefix + role).rpartition(".")[0]].add(model_type)
    return dict(found)


def within(role: str) -> str:
    """A role without the stack of layers that it stands in."""
    return role.removeprefix("encoder.").removeprefix("layers.#.")


def rows() -> Iterator[tuple[str, str, str]]:
    """Role, meaning and model types: outside the layers first, then in the order of `MEANINGS`."""
    types = known_roles()
    order = list(MEANINGS)
    everywhere = len(all_tables())

    def place(role: str) -> tuple[bool, bool, int]:
        return role.startswith("encoder"), "#" in role, order.index(within(role))

    for role in sorted(types, key=place):
        have = types[role]
        some = ", ".join(sorted(have)) if len(have) <= FEW else f"{len(have)} model types"
        yield role, MEANINGS[within(role)], "all" if len(have) == everywhere else some


class Roles(SphinxDirective):
    """The table of roles."""

    def run(self) -> list[nodes.Node]:
        """Lay the rows out as Markdown."""
        lines = ["| role | is | model types |", "|---|---|---|"]
        lines += [f"| `{role}` | {meaning} | {types} |" for role, meaning, types in rows()]
        named = ", ".join(f"`{one}`" for one in known_model_types())
        lines += ["", f"Model types that have a table: {named}."]
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("roles", Roles)
    return {"parallel_read_safe": True}
