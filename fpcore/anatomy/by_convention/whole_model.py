"""A whole model by the names that the field uses: its stacks of layers, and what is in none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from fpcore.anatomy.architecture import StatedShape, text_config
from fpcore.anatomy.by_convention.layer import Found, Layer, layer_width
from fpcore.anatomy.by_convention.layer_roles import layer_roles
from fpcore.anatomy.by_convention.outside import roles_outside
from fpcore.anatomy.by_convention.stacks import Sorted, Stack, sort_names
from fpcore.anatomy.fused_sizes import of_layer, sizes_of
from fpcore.anatomy.roles import RoleView
from fpcore.errors import BadCheckpoint, UnknownTensor
from fpcore.storage.beside import DRAFT_HEADS, TOWERS
from fpcore.storage.dequantised import dequantised_tensors
from fpcore.storage.tensor_source import Config, TensorSource, integer

__all__ = ["read_by_convention"]

BUFFER = re.compile(
    r"(^|\.)(rotary_emb\.(\w*inv_freq|cos_cached|sin_cached)|position_ids|token_type_ids|masked_bias|"
    r"num_batches_tracked|rotary_pos_emb\.inv_freq)$"
)


def read_by_convention(
    checkpoint: TensorSource, stated: StatedShape
) -> tuple[dict[str, RoleView], int, dict[str, str]]:
    """Role → view, depth, and stored names that are no part of the language model → what they are."""
    shapes = {
        name: info.shape for name, info in dequantised_tensors(checkpoint).items() if not BUFFER.search(name)
    }
    config = checkpoint.config
    names = sort_names(shapes, composite=sees_or_hears(config), depth=stated.depth)
    if names is None:
        raise UnknownTensor(
            f"{checkpoint.name}: no tensor of model type {stated.model_type!r} is of a layer of a language "
            "model, by the names that the field uses; if it has layers, say in fpcore/anatomy/tables/ what "
            "its tensors are for"
        )
    views: dict[str, RoleView] = {}
    aside = dict.fromkeys(names.aside, TOWERS)
    drafts = integer(text_config(config), "num_nextn_predict_layers") or 0
    for prefix, stack in (("", names.main), *((f"{label}.", stack) for label, stack in names.more.items())):
        if not prefix:
            aside |= dict.fromkeys(without_drafts(stack, stated.depth, drafts), DRAFT_HEADS)
        for role, found in read_stack(checkpoint, stack, shapes, stated, names):
            add(checkpoint, views, prefix + role, found, shapes)
    for found in roles_outside(names, shapes, stated.model_type):
        add(checkpoint, views, found.role, found, shapes)
    return views, 1 + max(names.main.layers), aside


def sees_or_hears(config: Config) -> bool:
    """Whether a config has a part for another modality; an encoder that has a part for text is not one."""
    parts = {key: config.get(key) for key in ("vision_config", "audio_config", "encoder")}
    return any(
        isinstance(part, Mapping) and not (key == "encoder" and "text_config" in part)
        for key, part in parts.items()
    )


def without_drafts(stack: Stack, depth: int | None, drafts: int) -> list[str]:
    """Take the layers that predict further tokens ahead out of a stack; their stored names."""
    if depth is None or not drafts:
        return []
    found: list[str] = []
    for number in [number for number in sorted(stack.layers) if depth <= number < depth + drafts]:
        found += stack.layers.pop(number).values()
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
    config = text_config(checkpoint.config)
    sizes = sizes_of(stated, config, width)
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
            "part of the weights is missing"
        )
    for number in numbers:
        layer = stack.layers[number]
        own = of_layer(config, number)
        here = sizes if own is config else sizes_of(StatedShape.of(own, checkpoint.name), own, width)
        one = Layer(layer, shapes, width, here, stated.model_type, final_norm=final_norm)
        try:
            for found in layer_roles(one):
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
            f"{checkpoint.name}: {found.source} and {views[role].source} both have the role {role}; "
            "the files of two models or formats seem to be mixed"
        )
    views[role] = RoleView(role, found.source, found.view.shape(shapes[found.source]), found.view, checkpoint)
