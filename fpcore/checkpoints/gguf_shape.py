"""The shape of the model in a GGUF file that keeps llama.cpp's names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fpcore.anatomy import Architecture, Roles
from fpcore.anatomy.architecture import MOST_SIZE
from fpcore.checkpoints.gguf_architectures import Known
from fpcore.counts import count
from fpcore.foreign_json import Json

__all__ = ["GgufShape", "architecture_of"]


@dataclass(frozen=True)
class GgufShape:
    """What the metadata says of a file's layers.

    Attributes
    ----------
    architecture : str
        In llama.cpp's words.
    heads, kv_heads : tuple of int
        Of each layer.
    key_dim : int
        Width of a head of query and key.
    value_dim : int
        Width of a head of the value; 0 where the file does not say.
    rotary : int
        Rows of a head that carry the position; 0 where the file does not say.
    sections : bool
        Whether positions have several axes.
    latent : int
        Rank of the shared latent of keys and values; 0 without one.
    """

    architecture: str
    heads: tuple[int, ...]
    kv_heads: tuple[int, ...]
    key_dim: int
    value_dim: int
    rotary: int
    sections: bool
    latent: int

    @classmethod
    def of(cls, architecture: str, value: Callable[[str], Json], depth: int, width: int) -> GgufShape:
        """Read the metadata: `value` gives the entries under the architecture's name."""

        def per_layer(key: str) -> tuple[int, ...]:
            stated = value(key)
            if isinstance(stated, list):
                return tuple(count(number, key, most=MOST_SIZE) for number in stated)
            return (count(stated, key, most=MOST_SIZE),) * depth if isinstance(stated, int | float) else ()

        def number(*keys: str) -> int:
            return next((count(n, key, most=MOST_SIZE) for key in keys if (n := value(key))), 0)

        heads = per_layer("attention.head_count")
        most = max(heads, default=0)
        return cls(
            architecture,
            heads,
            per_layer("attention.head_count_kv") or heads,
            number("attention.key_length_mla", "attention.key_length") or (width // most if most else 0),
            number("attention.value_length_mla", "attention.value_length"),
            number("rope.dimension_count"),
            value("rope.dimension_sections") is not None,
            number("attention.kv_lora_rank"),
        )

    def position_free(self, rows: int) -> int:
        """Of the `rows` of a head that come from the latent, those of the key; the value's follow them."""
        return rows - self.value_dim if self.value_dim else self.key_dim - self.rotary


def architecture_of(
    roles: Roles,
    shape: GgufShape,
    known: Known,
    *,
    model_type: str,
    vocabulary: int | None,
    tied: bool,
) -> Architecture:
    """The shape that the tensors show, with the heads that the metadata states."""
    experts = max(len(roles.experts(layer, "up")) for layer in range(roles.depth))
    part = ".feed_forward.experts.0.up.weight" if experts else ".feed_forward.up.weight"
    inner = [view.shape[0] for role, view in roles.items() if role.endswith(part)]
    biases = ("query.bias", "key.bias", "value.bias")
    norm_biases = ("attention.norm.bias", "feed_forward.norm.bias", "attention.post_norm.bias")
    heads = max(shape.heads, default=0)
    # Latent attention is stored as with one key for all heads; each head has one of its own.
    latent = any("attention.latent.down" in role for role in roles)
    return Architecture(
        model_type=model_type,
        depth=roles.depth,
        width=roles["embedding.weight"].shape[1],
        heads=heads,
        kv_heads=heads if latent else max(shape.kv_heads, default=0),
        feed_forward=max(inner, default=0),
        experts=experts,
        vocabulary=vocabulary,
        qkv_bias=any(role.partition(".attention.")[2] in biases for role in roles),
        norm="layernorm" if any(role.endswith(norm_biases) for role in roles) else known.norm,
        head_dim=shape.key_dim or None,
        tied=tied,
    )
