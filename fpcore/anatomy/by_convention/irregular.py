"""What names and shapes cannot tell, type by type: the order of fused parts, shifted gains, odd names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

__all__ = ["IRREGULAR", "Irregular"]


@dataclass(frozen=True)
class Irregular:
    """What is to be known of a model type beside its names.

    Attributes
    ----------
    grouped : bool
        Fused query, key and value stand group by group (of one key-value head) instead of one after another.
    groups : int
        Fused query, key and value stand in so many groups, whatever the number of heads; 0 for none.
    order : tuple of str
        What comes first in them.
    up_first, up_first_experts : bool
        Fused gate and up: the up projection comes first, in blocks and in experts.
    interleaved : bool
        Fused gate and up of experts alternate row by row.
    gated_query : bool
        Rows of the query projection: of each head its query, then a gate of its output.
    shifted : tuple of str
        Norms that store their gain less one, by the last word of their name; ``*`` for all.
    unshifted : tuple of str
        Those that do not although ``*`` is said.
    pre_norm : bool or None
        Whether blocks read through norms; None: a norm behind the last layer says so.
    layer, outside : mapping of str to str
        Names (within a layer, without ``weight`` or ``bias``; whole names) → role.
    read_widths : tuple of int
        Columns of projections that read something else than the stream.
    """

    grouped: bool = False
    groups: int = 0
    order: tuple[str, ...] = ("query", "key", "value")
    up_first: bool = False
    up_first_experts: bool = False
    interleaved: bool = False
    gated_query: bool = False
    shifted: tuple[str, ...] = ()
    unshifted: tuple[str, ...] = ()
    pre_norm: bool | None = None
    layer: Mapping[str, str] = field(default_factory=dict)
    outside: Mapping[str, str] = field(default_factory=dict)
    read_widths: tuple[int, ...] = ()

    def shifts(self, word: str) -> bool:
        """Whether the norm of this name stores its gain less one."""
        return word in self.shifted or ("*" in self.shifted and word not in self.unshifted)


GATED_QUERY = Irregular(gated_query=True, shifted=("*",), unshifted=("norm_gated",))

IRREGULAR: Final[Mapping[str, Irregular]] = {
    "codegen": Irregular(order=("query", "value", "key"), groups=4),
    "deepseek_v4": Irregular(
        layer={
            "attn.q_norm": "attention.query_latent.norm",
            "attn.wq_a": "attention.query_latent.down",
            "attn.wq_b": "attention.query",
        }
    ),
    "fuyu": Irregular(grouped=True),
    "gpt_neox_japanese": Irregular(grouped=True),
    "gpt_oss": Irregular(interleaved=True),
    "mobilebert": Irregular(read_widths=(512,)),  # values read the stream, not its bottleneck
    "persimmon": Irregular(grouped=True),
    **dict.fromkeys(
        ("qwen3_next", "qwen4_exp_text", "qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text"),
        GATED_QUERY,
    ),
    **dict.fromkeys(("gte", "molmo2_text"), Irregular(up_first=True)),
    **dict.fromkeys(("muse_glimmer_text", "muse_spark_text"), Irregular(shifted=("*",), unshifted=("norm",))),
    **dict.fromkeys(
        (
            *(
                "minimax_m3_vl_text",
                "minimax_m3_text",
                "nemotron",
                "recurrent_gemma",
                "step3p5",
                "t5_gemma_module",
            ),
            *("t5gemma2_decoder", "vaultgemma"),
        ),
        Irregular(shifted=("*",)),
    ),
    "reformer": Irregular(layer={"feed_forward.dense.dense": "feed_forward.up"}),
}
