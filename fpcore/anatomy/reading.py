"""Reading a model: what each of its tensors is for, and its shape as the tensors show it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from fpcore.anatomy.architecture import Architecture, StatedShape
from fpcore.anatomy.by_convention import read_by_convention
from fpcore.anatomy.by_table import all_tables, read_by_table
from fpcore.anatomy.roles import Roles, RoleView
from fpcore.anatomy.shape_check import checked_shape, with_defaults
from fpcore.errors import BadCheckpoint
from fpcore.storage.dequantised import contents
from fpcore.storage.tensor_source import TensorSource

__all__ = ["Anatomy", "read_anatomy"]


@dataclass(frozen=True)
class Anatomy:
    """A model's roles and its shape.

    Attributes
    ----------
    roles : Roles
    architecture : Architecture
        As the tensors show it, completed by the config.
    """

    roles: Roles
    architecture: Architecture


def read_anatomy(checkpoint: TensorSource) -> Anatomy:
    """The roles of a checkpoint's tensors, and its shape.

    Types that have a table are read by it; all others by the names that the field uses, as far as the shapes
    of the tensors confirm them.

    Parameters
    ----------
    checkpoint : TensorSource

    Raises
    ------
    UnknownTensor
        A tensor whose name the model type's table does not know; for a type without a table, no tensor that
        belongs to a layer.
    BadCheckpoint
        The config contradicts the tensors, layers or parts of layers are missing, two tensors claim one
        role, or a fused tensor does not have the rows that the config asks for.
    """
    where = f"{checkpoint.name}: config.json"
    stated, defaults = with_defaults(StatedShape.of(checkpoint.config, where))
    by_table = stated.model_type in all_tables()
    views, depth, aside = (read_by_table if by_table else read_by_convention)(checkpoint, stated)
    views = with_embedding(views)
    experts = count_experts(checkpoint, views)
    shapes = {role: view.shape for role, view in views.items()}
    architecture = checked_shape(
        stated,
        shapes,
        depth,
        experts=experts,
        by_table=by_table,
        defaults=defaults,
        where=where,
    )
    aside = {**contents(checkpoint).apart, **aside}
    return Anatomy(Roles(views, depth, "by table" if by_table else "by convention", aside), architecture)


def with_embedding(views: dict[str, RoleView]) -> dict[str, RoleView]:
    """A model saved with its unembedding alone has no other embedding: the two are tied."""
    if "embedding.weight" in views or "unembedding.weight" not in views:
        return views
    view = views.pop("unembedding.weight")
    return {**views, "embedding.weight": replace(view, role="embedding.weight")}


def count_experts(checkpoint: TensorSource, views: Mapping[str, RoleView]) -> int:
    """Routed experts of a layer: all layers that have any have the same."""
    present: dict[int, set[int]] = defaultdict(set)
    for role in views:
        words = role.split(".")
        if words[0] == "layers" and words[3:4] == ["experts"]:
            present[int(words[1])].add(int(words[4]))
    most = max((len(found) for found in present.values()), default=0)
    for layer, found in present.items():
        if found != set(range(most)):
            raise BadCheckpoint(
                f"{checkpoint.name}: layer {layer} has {len(found)} experts where other layers have {most}; "
                "part of the weights is missing"
            )
    return most
