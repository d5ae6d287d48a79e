"""What each tensor of a checkpoint is for, whatever it is called."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from fpcore.anatomy import tables
from fpcore.anatomy.architecture import OUTSIDE, Architecture, text_config
from fpcore.anatomy.name_table import Table, spellings
from fpcore.anatomy.tensor_layouts import Sizes, TensorLayout, View
from fpcore.errors import BadCheckpoint, UnknownTensor
from fpcore.storage.dequantised import dequantised_tensors, read_dequantised
from fpcore.storage.tensor_source import TensorSource, integer

if TYPE_CHECKING:
    import torch

__all__ = ["RoleView", "Roles", "known_model_types", "read_anatomy"]

# Buffers that some versions of transformers saved.
NOT_WEIGHTS = (
    r"(^|\.)rotary_emb\.(inv_freq|cos_cached|sin_cached)$",
    r"^(h|layers)\.\d+\.(attn|attention|attn\.attention|self_attention)\.(bias|masked_bias)$",
    r"(^|\.)position_ids$",
)


@dataclass(frozen=True)
class RoleView:
    """One tensor of the model in one orientation, wherever and however it is stored.

    Attributes
    ----------
    role : str
        Its name here, such as ``layers.3.attention.query.weight``.
    source : str
        The stored tensor that it is (a part of).
    shape : tuple of int
        Weights are (rows out, columns in).
    """

    role: str
    source: str
    shape: tuple[int, ...]
    view: View
    checkpoint: TensorSource

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def read(self) -> torch.Tensor:
        """The tensor; scaled formats are dequantised, other element types are as stored."""
        if self.view.expert is None:
            return self.view.apply(read_dequantised(self.checkpoint, self.source))
        one = read_dequantised(self.checkpoint, self.source, self.view.expert)
        return replace(self.view, expert=None).apply(one)


class Roles(Mapping[str, RoleView]):
    """All roles of a model, in a fixed order (by layer, then by name).

    Parameters
    ----------
    views : mapping of str to RoleView
    depth : int
        Number of layers.
    """

    def __init__(self, views: Mapping[str, RoleView], depth: int) -> None:
        self._views = {role: views[role] for role in sorted(views, key=natural)}
        self.depth = depth

    def __getitem__(self, role: str) -> RoleView:
        return self._views[role]

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def by_layer(self, role: str) -> list[RoleView] | None:
        """The role of every layer, such as ``attention.query.weight``; None unless all layers have it."""
        found = [self._views.get(f"layers.{layer}.{role}") for layer in range(self.depth)]
        present = [view for view in found if view is not None]
        return present if len(present) == self.depth else None

    def experts(self, layer: int, part: str) -> list[RoleView]:
        """The ``gate``, ``up`` or ``down`` weights of a layer's routed experts; empty for a dense layer."""
        found: list[RoleView] = []
        while view := self._views.get(f"layers.{layer}.feed_forward.experts.{len(found)}.{part}.weight"):
            found.append(view)
        return found


def natural(role: str) -> list[tuple[int, int | str]]:
    """Sort key that puts layer 2 before layer 10."""
    return [(0, int(word)) if word.isdigit() else (1, word) for word in role.split(".")]


@cache
def all_tables() -> dict[str, tuple[str, Table]]:
    """Model type → the file of its table and the table."""
    found: dict[str, tuple[str, Table]] = {}
    for module in iter_modules(tables.__path__):
        for table in import_module(f"{tables.__name__}.{module.name}").TABLES:
            for model_type in table.model_types:
                found[model_type] = (f"fpcore/anatomy/tables/{module.name}.py", table)
    return found


def known_model_types() -> tuple[str, ...]:
    """The model types that have a table, sorted."""
    return tuple(sorted(all_tables()))


def read_anatomy(checkpoint: TensorSource, architecture: Architecture) -> Roles:
    """The roles of a checkpoint's tensors.

    Parameters
    ----------
    checkpoint : TensorSource
    architecture : Architecture
        The shape that its config states.

    Raises
    ------
    UnknownTensor
        A tensor whose name the model type's table does not know, or a model type without a table.
    BadCheckpoint
        Layers or parts of layers are missing, two tensors claim one role, or a fused tensor does not
        have the rows that the config asks for.
    """
    try:
        file, table = all_tables()[architecture.model_type]
    except KeyError:
        raise UnknownTensor(
            f"{checkpoint.name}: model type {architecture.model_type!r} has no anatomy table; "
            "add one in fpcore/anatomy/tables/"
        ) from None
    views = RoleReader(checkpoint, architecture, table, file).read()
    check_layers(checkpoint, views, architecture.depth, architecture.experts)
    return Roles(with_embedding(views), architecture.depth)


def with_embedding(views: dict[str, RoleView]) -> dict[str, RoleView]:
    """A model saved with its unembedding alone has no other embedding: the two are tied."""
    if "embedding.weight" in views or "unembedding.weight" not in views:
        return views
    view = views.pop("unembedding.weight")
    return {**views, "embedding.weight": replace(view, role="embedding.weight")}


class RoleReader:
    """Turns stored names into roles, one table at hand."""

    def __init__(self, checkpoint: TensorSource, architecture: Architecture, table: Table, file: str) -> None:
        self.checkpoint = checkpoint
        self.model_type = architecture.model_type
        self.table = table
        self.file = file
        self.entries = table.entries()
        config = text_config(checkpoint.config)
        self.sizes = Sizes.of(architecture, config)
        self.depth = architecture.depth
        self.drafts = integer(config, "num_nextn_predict_layers") or 0
        words = "|".join(re.escape(word) for word in table.prefixes)
        self.prefix = re.compile(rf"^(?:(?:{words})\.)*")
        self.ignored = re.compile("|".join((*NOT_WEIGHTS, *(f"^(?:{name})" for name in table.ignored))))

    def read(self) -> dict[str, RoleView]:
        """Role → view, for every stored tensor that is a weight."""
        found: dict[str, RoleView] = {}
        for name, info in dequantised_tensors(self.checkpoint).items():
            bare = self.prefix.sub("", name)
            if OUTSIDE.search(name) or self.ignored.search(bare) or self.is_draft(bare):
                continue
            for role, view in self.roles_of(name, bare, info.shape):
                if role in found:
                    raise BadCheckpoint(
                        f"{self.checkpoint.name}: {name} and {found[role].source} both are {role}; "
                        "the files of two models or formats seem to be mixed"
                    )
                found[role] = RoleView(role, name, view.shape(info.shape), view, self.checkpoint)
        return found

    def is_draft(self, bare: str) -> bool:
        """Whether a name belongs to a layer behind the last, which predicts further tokens ahead."""
        stem = self.table.layer_prefix.removesuffix("#.")
        index = bare.removeprefix(stem).partition(".")[0] if bare.startswith(stem) else ""
        return index.isdigit() and self.depth <= int(index) < self.depth + self.drafts

    def roles_of(self, name: str, bare: str, shape: tuple[int, ...]) -> Iterator[tuple[str, View]]:
        """The roles that one stored tensor serves."""
        prefix, layout, numbers, kind = self.look_up(name, bare)
        try:
            for pattern, view in layout.views(shape, self.sizes):
                yield written_out(prefix + pattern, numbers, kind), view
        except BadCheckpoint as error:
            raise BadCheckpoint(
                f"{self.checkpoint.name}: tensor {name}: {error}; is its config.json right?"
            ) from None

    def look_up(self, name: str, bare: str) -> tuple[str, TensorLayout, list[str], str]:
        """The table's entry for a name, with what its ``#`` and ``*`` stand for."""
        for pattern, numbers, kind in spellings(bare):
            if pattern in self.entries:
                return *self.entries[pattern], numbers, kind
        raise UnknownTensor(
            f"{self.checkpoint.name}: tensor {name} is not in the anatomy table of {self.model_type}; "
            f"say in {self.file} what it is for"
        )


def written_out(pattern: str, numbers: Iterable[str], kind: str) -> str:
    """A role with its ``#`` and ``*`` filled in."""
    for number in numbers:
        pattern = pattern.replace("#", number, 1)
    return pattern.replace("*", kind)


def check_layers(checkpoint: TensorSource, views: Mapping[str, RoleView], depth: int, experts: int) -> None:
    """Every layer of the config is there, with the same attention parts and all its experts, and no other."""
    attention: dict[int, set[str]] = {layer: set() for layer in range(depth)}
    present: dict[int, set[int]] = defaultdict(set)
    for role in views:
        words = role.split(".")
        if words[0] != "layers":
            continue
        layer = int(words[1])
        if layer >= depth:
            raise BadCheckpoint(
                f"{checkpoint.name}: tensor {views[role].source} is of layer {layer}, but config.json "
                f"says that there are {depth} layers"
            )
        if words[2] == "attention" and words[3] != "relative_bias":
            attention[layer].add(".".join(words[3:]))
        elif words[3:4] == ["experts"]:
            present[layer].add(int(words[4]))
    common: set[str] = set().union(*attention.values())
    for layer, parts in attention.items():
        if parts != common or not parts:
            missing = ", ".join(sorted(common - parts)) or "attention"
            raise BadCheckpoint(
                f"{checkpoint.name}: layer {layer} of {depth} lacks {missing}; fetch the weights again"
            )
    for layer, found in present.items():
        if found != set(range(experts)):
            raise BadCheckpoint(
                f"{checkpoint.name}: layer {layer} has {len(found)} experts where config.json says {experts}"
            )
