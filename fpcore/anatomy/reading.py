"""Reading a model: what each of its tensors is for, and its shape as the tensors show it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from fpcore.anatomy import tables
from fpcore.anatomy.architecture import OUTSIDE, Architecture, StatedShape, text_config
from fpcore.anatomy.by_convention import Found, LayerReader, layer_width, roles_outside
from fpcore.anatomy.irregular import IRREGULAR, Irregular
from fpcore.anatomy.name_table import Table, spellings
from fpcore.anatomy.roles import Roles, RoleView
from fpcore.anatomy.shape_check import checked_shape, with_defaults
from fpcore.anatomy.stacks import Sorted, Stack, beside_the_language_model, sort_names
from fpcore.anatomy.tensor_layouts import Sizes, TensorLayout, View
from fpcore.errors import BadCheckpoint, UnknownTensor
from fpcore.storage.dequantised import contents, dequantised_tensors
from fpcore.storage.tensor_source import Config, TensorSource, integer

__all__ = ["Anatomy", "all_tables", "known_model_types", "read_anatomy"]

# Buffers that some versions of transformers saved.
NOT_WEIGHTS = (
    r"(^|\.)rotary_emb\.(inv_freq|cos_cached|sin_cached)$",
    r"^(h|layers)\.\d+\.(attn|attention|attn\.attention|self_attention)\.(bias|masked_bias)$",
    r"(^|\.)position_ids$",
)
BUFFER = re.compile(
    r"(^|\.)(rotary_emb\.(\w*inv_freq|cos_cached|sin_cached)|position_ids|token_type_ids|masked_bias|"
    r"num_batches_tracked|rotary_pos_emb\.inv_freq)$"
)


# What training frameworks and larger models put before names.
WRAPPING = ("module", "_orig_mod", "_fsdp_wrapped_module", "text_model", "llm", "thinker")


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
    entry = all_tables().get(stated.model_type)
    if entry is None:
        views, depth, aside = read_by_convention(checkpoint, stated)
    else:
        reader = RoleReader(checkpoint, stated, entry[1], entry[0])
        views = reader.read()
        depth, aside = 1 + max(layers_of(views), default=-1), tuple(reader.aside)
        check_layers(checkpoint, views, depth)
    views = with_embedding(views)
    experts = count_experts(checkpoint, views)
    shapes = {role: view.shape for role, view in views.items()}
    architecture = checked_shape(
        stated,
        shapes,
        depth,
        experts=experts,
        by_table=entry is not None,
        defaults=defaults,
        where=where,
    )
    aside = (*aside, *(name for name in contents(checkpoint).apart if name not in aside))
    return Anatomy(Roles(views, depth, "by convention" if entry is None else "by table", aside), architecture)


def with_embedding(views: dict[str, RoleView]) -> dict[str, RoleView]:
    """A model saved with its unembedding alone has no other embedding: the two are tied."""
    if "embedding.weight" in views or "unembedding.weight" not in views:
        return views
    view = views.pop("unembedding.weight")
    return {**views, "embedding.weight": replace(view, role="embedding.weight")}


def layers_of(views: Iterable[str]) -> set[int]:
    """Numbers of the layers that roles belong to."""
    return {int(role.split(".")[1]) for role in views if role.startswith("layers.")}


def sizes_of(stated: StatedShape, config: Config, width: int | None) -> Sizes:
    """Where fused tensors are cut."""
    heads = stated.heads or 0
    width = stated.width or width or 0
    return Sizes(
        heads,
        stated.kv_heads or heads,
        stated.head_dim or (width // heads if heads else 0),
        integer(config, "qk_nope_head_dim") or 0,
        integer(config, "v_head_dim") or 0,
        integer(config, "kv_lora_rank") or 0,
    )


# --- by convention


def read_by_convention(
    checkpoint: TensorSource, stated: StatedShape
) -> tuple[dict[str, RoleView], int, tuple[str, ...]]:
    """Role → view, depth, and what is no part of the language model."""
    shapes = {
        name: info.shape for name, info in dequantised_tensors(checkpoint).items() if not BUFFER.search(name)
    }
    config = checkpoint.config
    composite = any(
        isinstance(config.get(key), Mapping) for key in ("vision_config", "encoder", "audio_config")
    )
    whole = IRREGULAR.get(stated.model_type, Irregular()).whole
    names = sort_names(shapes, composite=composite, depth=stated.depth, whole=whole)
    if names is None:
        raise UnknownTensor(
            f"{checkpoint.name}: no tensor of model type {stated.model_type!r} is of a layer of a language "
            "model, by the names that the field uses; if it has layers, say in fpcore/anatomy/tables/ what "
            "its tensors are for"
        )
    views: dict[str, RoleView] = {}
    aside = list(names.aside)
    drafts = integer(text_config(config), "num_nextn_predict_layers") or 0
    for prefix, stack in (("", names.main), *((f"{label}.", stack) for label, stack in names.more.items())):
        if not prefix:
            aside += without_drafts(stack, stated.depth, drafts)
        for role, found in read_stack(checkpoint, stack, shapes, stated, names):
            add(checkpoint, views, prefix + role, found, shapes)
    for found in roles_outside(names, shapes, stated.model_type):
        add(checkpoint, views, found.role, found, shapes)
    return views, 1 + max(names.main.layers), tuple(sorted(aside))


def without_drafts(stack: Stack, depth: int | None, drafts: int) -> list[str]:
    """Take the layers that predict further tokens ahead out of a stack; their stored names."""
    if depth is None or not drafts:
        return []
    found: list[str] = []
    for number in range(depth, depth + drafts):
        found += stack.layers.pop(number, {}).values()
    return found


def read_stack(
    checkpoint: TensorSource,
    stack: Stack,
    shapes: Mapping[str, tuple[int, ...]],
    stated: StatedShape,
    names: Sorted,
) -> Iterator[tuple[str, Found]]:
    """The roles of all layers of a stack."""
    width = layer_width(stack, shapes) or stated.width or 0
    sizes = sizes_of(stated, text_config(checkpoint.config), width)
    behind = ".".join(stack.words[:-1])
    norms = {
        "norm",
        "final_layernorm",
        "final_layer_norm",
        "ln_f",
        "norm_f",
        "final_norm",
        "layer_norm",
        "ln",
    }
    norms |= {"embedding_norm", "out_norm", "ln_out", "output_layernorm", "layernorm"}
    final_norm = any(
        short.rpartition(".")[0] in {f"{behind}.{norm}" if behind else norm for norm in norms}
        or short.rpartition(".")[0].removeprefix("roberta.encoder.") == "LayerNorm"
        for short in names.outside
    )
    numbers = sorted(stack.layers)
    if numbers != list(range(len(numbers))):
        missing = next(number for number in range(len(numbers)) if number != numbers[number])
        raise BadCheckpoint(
            f"{checkpoint.name}: there are tensors of layer {numbers[-1]} but none of layer {missing}; "
            "a part of the weights is not there"
        )
    for number in numbers:
        layer = stack.layers[number]
        reader = LayerReader(layer, shapes, width, sizes, stated.model_type, final_norm=final_norm)
        try:
            for found in reader.read():
                yield f"layers.{number}.{found.role}", found
        except BadCheckpoint as error:
            raise BadCheckpoint(f"{checkpoint.name}: {error}") from None


def add(
    checkpoint: TensorSource,
    views: dict[str, RoleView],
    role: str,
    found: Found,
    shapes: Mapping[str, tuple[int, ...]],
) -> None:
    """Enter one role."""
    if role in views:
        raise BadCheckpoint(
            f"{checkpoint.name}: {found.source} and {views[role].source} both are {role}; "
            "the files of two models or formats seem to be mixed"
        )
    views[role] = RoleView(role, found.source, found.view.shape(shapes[found.source]), found.view, checkpoint)


# --- by table


class RoleReader:
    """Turns stored names into roles, one table at hand."""

    def __init__(self, checkpoint: TensorSource, stated: StatedShape, table: Table, file: str) -> None:
        self.checkpoint = checkpoint
        self.model_type = stated.model_type
        self.table = table
        self.file = file
        self.entries = table.entries()
        self.aside: list[str] = []
        config = text_config(checkpoint.config)
        self.depth = stated.depth
        self.drafts = integer(config, "num_nextn_predict_layers") or 0
        self.stem = self.before_layers()
        layers = table.layer_prefix.removesuffix("#.")
        before = self.stem.removesuffix(layers).rstrip(".").split(".") if self.stem.endswith(layers) else []
        words = "|".join(map(re.escape, (*table.prefixes, *WRAPPING, *filter(None, before))))
        self.prefix = re.compile(rf"^(?:(?:{words})\.)*")
        self.ignored = re.compile("|".join((*NOT_WEIGHTS, *(f"^(?:{name})" for name in table.ignored))))
        self.sizes = sizes_of(stated, config, None)

    def read(self) -> dict[str, RoleView]:
        """Role → view, for every stored tensor that is a weight."""
        found: dict[str, RoleView] = {}
        for name, info in dequantised_tensors(self.checkpoint).items():
            bare = self.bare(name)
            if self.ignored.search(bare):
                continue
            other = self.stem.startswith("decoder.") and name.startswith("encoder.")
            if other or OUTSIDE.search(name) or self.is_draft(bare) or self.is_beside(bare):
                self.aside.append(name)
                continue
            for role, view in self.roles_of(name, bare, info.shape):
                if role in found:
                    raise BadCheckpoint(
                        f"{self.checkpoint.name}: {name} and {found[role].source} both are {role}; "
                        "the files of two models or formats seem to be mixed"
                    )
                found[role] = RoleView(role, name, view.shape(info.shape), view, self.checkpoint)
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
        shapes = {name: info.shape for name, info in self.checkpoint.tensors.items()}
        names = sort_names(shapes, composite=True, depth=self.depth)
        return names.main.stem if names is not None else ""

    def is_beside(self, bare: str) -> bool:
        """Whether a name belongs to a tower of another modality or a head beside the language model."""
        if any(pattern in self.entries for pattern, _, _ in spellings(bare)):
            return False
        return beside_the_language_model(bare)

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
        raise UnknownTensor(
            f"{self.checkpoint.name}: tensor {name} is not in the anatomy table of {self.model_type}; "
            f"say in {self.file} what it is for"
        )


def written_out(pattern: str, numbers: Iterable[str], kind: str) -> str:
    """A role with its ``#`` and ``*`` filled in."""
    for number in numbers:
        pattern = pattern.replace("#", number, 1)
    return pattern.replace("*", kind)


# --- checks


def check_layers(checkpoint: TensorSource, views: Mapping[str, RoleView], depth: int) -> None:
    """Layers count from 0 without a gap, and those with attention have all parts that others have.

    A layer without any attention is one of another kind; a layer with a part of it is damaged.
    """
    attention: dict[int, set[str]] = {layer: set() for layer in range(depth)}
    numbers = layers_of(views)
    for role in views:
        words = role.split(".")
        if words[0] == "layers" and words[2] == "attention" and words[3] != "relative_bias":
            attention[int(words[1])].add(".".join(words[3:]))
    common: set[str] = set().union(*attention.values())
    for layer, parts in attention.items():
        if layer not in numbers:
            raise BadCheckpoint(
                f"{checkpoint.name}: there are tensors of layer {depth - 1} but none of layer {layer}; "
                "a part of the weights is not there"
            )
        if parts and parts != common:
            raise BadCheckpoint(
                f"{checkpoint.name}: layer {layer} of {depth} lacks {', '.join(sorted(common - parts))}, "
                "which other layers have; a part of the weights is not there, or its type needs a table that "
                "says so"
            )


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
                "a part of the weights is not there"
            )
    return most
