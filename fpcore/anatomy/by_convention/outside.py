"""Tensors in no layer: embedding, final norm, unembedding."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from fpcore.anatomy.by_convention.irregular import IRREGULAR, Irregular
from fpcore.anatomy.by_convention.layer import Found, Shape
from fpcore.anatomy.by_convention.names import split
from fpcore.anatomy.by_convention.stacks import Sorted
from fpcore.anatomy.by_convention.words import EMBEDDINGS, FINAL_NORMS, POSITIONS, UNEMBEDDINGS
from fpcore.anatomy.tensor_layouts import View

__all__ = ["roles_outside"]


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
        shifted = str(said).endswith("final_norm") and kind == "weight" and irregular.shifts(words[-1])
        yield Found(role, name, View(shift=1.0 if shifted else 0.0))


def role_outside(
    words: list[str], kind: str, shape: Shape, names: Sorted, irregular: Irregular
) -> str | None:
    """The role of a tensor in no layer."""
    stem = ".".join(words)
    last = words[-1]
    encoder = "encoder." if "encoder" in words and "encoder" in names.more else ""
    shared = 0
    for own, of_layers in zip(words, names.main.words, strict=False):
        if own != of_layers:
            break
        shared += 1
    stem = ".".join(words[shared:]) or stem
    if unembeds(stem) and (len(shape) == 2 or kind == "bias"):
        return "unembedding"
    if last in POSITIONS and len(shape) == 2:
        return f"{encoder}position_embedding"
    if last == "token_type_embeddings" and len(shape) == 2:
        return "segment_embedding"
    if last in EMBEDDINGS and len(shape) == 2 and kind == "weight":
        return "embedding"
    inside = words[-2:-1] and words[-2] in {"embeddings", "embed_tokens"}
    if len(shape) == 1 and inside and "norm" in last.lower():
        return "embedding_norm"
    if len(shape) == 1 and last in {"layernorm_embedding", "word_embeddings_layernorm", "layer_norm_emb"}:
        return f"{encoder}embedding_norm"
    if len(shape) == 1 and last in FINAL_NORMS and not (set(words) & {"predictions", "lm_head", "transform"}):
        return f"{encoder}final_norm"
    return None


def unembeds(stem: str) -> bool:
    """Whether a module gives the logits, by its name."""
    bare = re.sub(r"^(?:language_model|text_model|transformer|llm|language|thinker)\.", "", stem)
    return bare in UNEMBEDDINGS or any("." in known and stem.endswith(known) for known in UNEMBEDDINGS)
