"""Reading a model whose type has a table: every name must be in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module
from itertools import count
from pkgutil import iter_modules

from fpcore.anatomy import tables
from fpcore.anatomy.architecture import StatedShape, text_config
from fpcore.anatomy.by_convention.stacks import sort_names
from fpcore.anatomy.fused_sizes import sizes_of
from fpcore.anatomy.name_table import Table, spellings
from fpcore.anatomy.roles import RoleView
from fpcore.anatomy.tensor_layouts import ExpertStack, GateUp, TensorLayout, View
from fpcore.errors import BadCheckpoint, UnknownTensor
from fpcore.storage.beside import DRAFT_HEADS, TOWERS
from fpcore.storage.dequantised import dequantised_tensors
from fpcore.storage.tensor_source import TensorSource, integer

__all__ = ["all_tables", "first_missing", "known_model_types", "read_by_table"]

# Buffers that some versions of transformers saved.
NOT_WEIGHTS = (
    r"(^|\.)(\w*inv_freq|cos_cached|sin_cached)$",
    r"^(h|layers)\.\d+\.(attn|attention|attn\.attention|self_attention)\.(bias|masked_bias)$",
    r"(^|\.)position_ids$",
)
NUMBERED = re.compile(r"\.\d+(?:\.|$)")


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


def read_by_table(
    checkpoint: TensorSource, stated: StatedShape
) -> tuple[dict[str, RoleView], int, dict[str, str]]:
    """Role → view, depth, and stored names that are no part of the language model → what they are."""
    file, table = all_tables()[stated.model_type]
    reader = RoleReader(checkpoint, stated, table, file)
    views = reader.read()
    depth = 1 + max(layers_of(views))
    check_layers(checkpoint, views, depth)
    return views, depth, reader.aside


class RoleReader:
    """Turns stored names into roles, one table at hand."""

    def __init__(self, checkpoint: TensorSource, stated: StatedShape, table: Table, file: str) -> None:
        self.checkpoint = checkpoint
        self.model_type = stated.model_type
        self.table = table
        self.file = file
        self.entries = table.entries()
        self.aside: dict[str, str] = {}
        config = text_config(checkpoint.config)
        self.depth = stated.depth
        self.drafts = integer(config, "num_nextn_predict_layers") or 0
        self.stem = self.before_layers()
        layers = table.layer_prefix.removesuffix("#.")
        self.layers = layers
        before = self.stem.removesuffix(layers).split(".") if self.stem.endswith(layers) else []
        before = before or self.wrapping()
        words = "|".join(map(re.escape, (*table.prefixes, *filter(None, before))))
        self.prefix = re.compile(rf"^(?:(?:{words})\.)*")
        self.ignored = re.compile("|".join((*NOT_WEIGHTS, *(f"^(?:{name})" for name in table.ignored))))
        self.sizes = replace(sizes_of(stated, config, None), turned_experts=self.turned_experts())

    def read(self) -> dict[str, RoleView]:
        """Role → view, for every stored tensor that is a weight."""
        found: dict[str, RoleView] = {}
        for name, info in dequantised_tensors(self.checkpoint).items():
            bare = self.bare(name)
            if self.ignored.search(bare):
                continue
            other = self.stem.startswith("decoder.") and name.startswith("encoder.")
            if other or self.is_draft(bare):
                self.aside[name] = TOWERS if other else DRAFT_HEADS
                continue
            if not self.known(bare) and not bare.startswith(self.layers) and not self.table.more:
                self.aside[name] = "not known here: " + NUMBERED.split(name.removesuffix(".weight"))[0]
                continue
            for role, view in self.roles_of(name, bare, info.shape):
                if role in found:
                    raise BadCheckpoint(
                        f"{self.checkpoint.name}: {name} and {found[role].source} both have the role {role}; "
                        "the files of two models or formats seem to be mixed"
                    )
                found[role] = RoleView(role, name, view.shape(info.shape), view, self.checkpoint)
        if not any(role.startswith("layers.") for role in found):
            unknown = next((name for name, what in self.aside.items() if what.startswith("not known")), None)
            if unknown is not None:
                raise self.unknown(unknown)
            raise BadCheckpoint(
                f"{self.checkpoint.name}: there are no tensors of layers; part of the weights is missing"
            )
        return found

    def bare(self, name: str) -> str:
        """A name as the table has it."""
        if self.stem and name.startswith(self.stem):
            return self.table.layer_prefix.removesuffix("#.") + name.removeprefix(self.stem)
        return self.prefix.sub("", name)

    def before_layers(self) -> str:
        """What stands before the number of a layer where the language model is a part of something larger."""
        if text_config(self.checkpoint.config) is self.checkpoint.config or self.table.more:
            return ""
        shapes = {name: info.shape for name, info in dequantised_tensors(self.checkpoint).items()}
        names = sort_names(shapes, depth=self.depth)
        return names.main.stem if names is not None else ""

    def wrapping(self) -> list[str]:
        """Words before the layers that the table does not know, such as those of a class for training."""
        within = re.compile(rf"^(?P<before>(?:[^.\d][^.]*\.)*?){re.escape(self.layers)}\d+\.")
        found = Counter(
            match["before"] for name in dequantised_tensors(self.checkpoint) if (match := within.match(name))
        )
        plain = [before for before in found if set(before.split(".")) <= {*self.table.prefixes, ""}]
        if plain or not found or self.table.more:
            return []
        (before, most), *others = found.most_common()
        if others and others[0][1] == most:
            raise BadCheckpoint(
                f"{self.checkpoint.name}: the files contain two models, {before}… and {others[0][0]}…; "
                "save the one you mean by itself"
            )
        return before.split(".")

    def turned_experts(self) -> bool:
        """Whether stacks of experts hold (columns, rows): gate and up beside down say so together."""
        shapes: dict[str, tuple[int, ...]] = {}
        for name, info in dequantised_tensors(self.checkpoint).items():
            if len(info.shape) == 3 and self.known(self.bare(name)):
                layout = self.look_up(name, self.bare(name))[1]
                if isinstance(layout, ExpertStack):
                    shapes["up" if isinstance(layout.each, GateUp) else "down"] = info.shape[1:]
        if len(shapes) < 2:
            return False
        up, down = shapes["up"], shapes["down"]
        return up == (down[1], 2 * down[0])

    def known(self, bare: str) -> bool:
        """Whether the table has a name."""
        return any(pattern in self.entries for pattern, _, _ in spellings(bare))

    def is_draft(self, bare: str) -> bool:
        """Whether a name belongs to a layer behind the last, which predicts further tokens ahead."""
        stem = self.table.layer_prefix.removesuffix("#.")
        index = bare.removeprefix(stem).partition(".")[0] if bare.startswith(stem) else ""
        depth = self.depth or 0
        return index.isdigit() and depth <= int(index) < depth + self.drafts

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
        raise self.unknown(name)

    def unknown(self, name: str) -> UnknownTensor:
        """A name that the table does not have."""
        return UnknownTensor(
            f"{self.checkpoint.name}: tensor {name} is not in the anatomy table of {self.model_type}; "
            f"say in {self.file} what it is for"
        )


def written_out(pattern: str, numbers: Iterable[str], kind: str) -> str:
    """A role with its ``#`` and ``*`` filled in."""
    for number in numbers:
        pattern = pattern.replace("#", number, 1)
    return pattern.replace("*", kind)


def layers_of(views: Iterable[str]) -> set[int]:
    """Numbers of the layers that roles belong to."""
    return {int(role.split(".")[1]) for role in views if role.startswith("layers.")}


def first_missing(layers: Container[int]) -> int:
    """The first number that is no layer's."""
    return next(number for number in count() if number not in layers)


def check_layers(checkpoint: TensorSource, views: Mapping[str, RoleView], depth: int) -> None:
    """Layers count from 0 without a gap, and those with attention have all parts that others have.

    A layer without any projection of attention is one of another kind; one with a part of them is damaged.
    """
    numbers = layers_of(views)
    # Not counted to the end: a name may claim any number.
    missing = first_missing(numbers)
    if missing < depth:
        raise BadCheckpoint(
            f"{checkpoint.name}: there are tensors of layer {depth - 1} but none of layer {missing}; "
            "part of the weights is missing"
        )
    attention: dict[int, set[str]] = {layer: set() for layer in range(depth)}
    for role in views:
        words = role.split(".")
        if words[0] == "layers" and words[2] == "attention" and words[3] != "relative_bias":
            attention[int(words[1])].add(".".join(words[3:]))
    common: set[str] = set().union(*attention.values())
    for layer, parts in attention.items():
        if parts and parts != common and not missing_on_purpose(common - parts, parts):
            raise BadCheckpoint(
                f"{checkpoint.name}: layer {layer} of {depth} lacks {', '.join(sorted(common - parts))}, "
                "which other layers have; part of the weights is missing, or its type needs a table that "
                "says so"
            )


def missing_on_purpose(missing: set[str], present: set[str]) -> bool:
    """Whether a layer has no projection of attention at all, or takes keys and values of another layer."""
    projections = {part for part in missing | present if part.endswith(".weight") and "norm" not in part}
    without = {part for part in projections if part in missing}
    if without == projections:
        return True
    return without == {"key.weight", "value.weight"} and not any(
        part.startswith(("key.", "value.", "key_norm.")) for part in present
    )
