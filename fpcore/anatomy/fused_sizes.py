"""Where fused tensors are cut, by what the config says of heads."""

from __future__ import annotations

from collections.abc import Mapping

from fpcore.anatomy.architecture import StatedShape
from fpcore.anatomy.tensor_layouts import Sizes
from fpcore.storage.tensor_source import Config, integer

__all__ = ["of_layer", "sizes_of"]


def of_layer(config: Config, layer: int) -> Config:
    """A config with what it says of one layer alone (``per_layer_config``, by the number as text)."""
    all_layers = config.get("per_layer_config")
    own = all_layers.get(str(layer)) if isinstance(all_layers, Mapping) else None
    return {**config, **own} if isinstance(own, Mapping) and own else config


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
        integer(config, "qk_rope_head_dim") or 0,
    )
