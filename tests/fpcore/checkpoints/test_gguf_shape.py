"""The shape of the model in a GGUF file, from its metadata and its roles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from fpcore.anatomy import Architecture, Roles, RoleView
from fpcore.anatomy.tensor_layouts import View
from fpcore.checkpoints.gguf_architectures import ARCHITECTURES
from fpcore.checkpoints.gguf_shape import GgufShape, architecture_of
from fpcore.errors import BadCheckpoint

PLAIN = GgufShape("any", (4, 4), (4, 4), 16, 0, 0, False, 0)
HEADS: dict[str, object] = {"attention.head_count": 4}


def read(metadata: dict[str, object], depth: int = 2, width: int = 64) -> GgufShape:
    return GgufShape.of("any", cast(Any, metadata.get), depth, width)


STATED: list[tuple[dict[str, object], GgufShape]] = [
    (HEADS, PLAIN),
    (HEADS | {"attention.head_count_kv": 2}, replace(PLAIN, kv_heads=(2, 2))),
    ({"attention.head_count": [4, 8]}, replace(PLAIN, heads=(4, 8), kv_heads=(4, 8), key_dim=8)),
    (HEADS | {"attention.head_count_kv": [0, 2, 1]}, replace(PLAIN, kv_heads=(0, 2, 1))),
    (HEADS | {"attention.head_count_kv": []}, PLAIN),
    ({"attention.head_count": 4.0}, PLAIN),
    ({}, GgufShape("any", (), (), 0, 0, 0, False, 0)),
    ({"attention.head_count": "4"}, GgufShape("any", (), (), 0, 0, 0, False, 0)),
    ({"attention.head_count": 0}, GgufShape("any", (0, 0), (0, 0), 0, 0, 0, False, 0)),
    (
        HEADS | {"attention.key_length": 20, "attention.value_length": 21},
        replace(PLAIN, key_dim=20, value_dim=21),
    ),
    (
        HEADS
        | {
            "attention.key_length": 20,
            "attention.key_length_mla": 30,
            "attention.value_length": 21,
            "attention.value_length_mla": 31,
        },
        replace(PLAIN, key_dim=30, value_dim=31),
    ),
    (HEADS | {"attention.key_length_mla": 0, "attention.key_length": 20}, replace(PLAIN, key_dim=20)),
    (HEADS | {"rope.dimension_count": 6}, replace(PLAIN, rotary=6)),
    (HEADS | {"rope.dimension_sections": []}, replace(PLAIN, sections=True)),
    (HEADS | {"attention.kv_lora_rank": 7}, replace(PLAIN, latent=7)),
]


@pytest.mark.parametrize(("metadata", "expected"), STATED)
def test_what_the_metadata_says(metadata: dict[str, object], expected: GgufShape) -> None:
    assert read(metadata) == expected


NUMBERS = (
    *("attention.head_count", "attention.head_count_kv", "attention.key_length", "attention.value_length"),
    *("rope.dimension_count", "attention.kv_lora_rank"),
)


@pytest.mark.parametrize("key", NUMBERS)
@pytest.mark.parametrize("value", [-1, 1.5, (1 << 31) + 1])
def test_numbers_that_are_no_counts(key: str, value: float) -> None:
    told = rf"^{key} is {value}; it must be a whole number from 0 to 2,147,483,648: correct it$"
    for stated in (value, [2, value]) if "head_count" in key else (value,):
        with pytest.raises(BadCheckpoint, match=told):
            read(HEADS | {key: stated})
    assert read(HEADS | {key: 1 << 31})


def test_a_width_that_heads_do_not_share() -> None:
    assert read(HEADS, width=67) == PLAIN


def test_the_part_of_a_key_without_position() -> None:
    assert replace(PLAIN, value_dim=5).position_free(12) == 7
    assert replace(PLAIN, rotary=6).position_free(12) == 10


def shown(roles: dict[str, tuple[int, ...]], shape: GgufShape = PLAIN, **more: Any) -> Architecture:
    views = {
        role: RoleView(role, role, size, View(), cast(Any, None))
        for role, size in ({"embedding.weight": (100, 64)} | roles).items()
    }
    facts: dict[str, Any] = {"model_type": "a", "vocabulary": 100, "tied": True}
    return architecture_of(Roles(views, 2), shape, ARCHITECTURES["llama"], **(facts | more))


DENSE = Architecture("a", 2, 64, 4, 4, 0, vocabulary=100, head_dim=16, tied=True)


def test_the_shape_that_roles_show() -> None:
    assert shown({}) == DENSE
    assert shown({}, model_type="b", vocabulary=None, tied=False) == replace(
        DENSE, model_type="b", vocabulary=None, tied=False
    )
    up = {"layers.0.feed_forward.up.weight": (90, 64), "layers.1.feed_forward.up.weight": (96, 64)}
    assert shown(up) == replace(DENSE, feed_forward=96)
    experts = {f"layers.1.feed_forward.experts.{n}.up.weight": (30, 64) for n in range(3)}
    assert shown(up | experts) == replace(DENSE, feed_forward=30, experts=3)
    some = replace(PLAIN, heads=(2, 8), kv_heads=(1, 2), key_dim=0)
    assert shown({}, some) == replace(DENSE, heads=8, kv_heads=2, head_dim=None)
    assert shown({}, replace(PLAIN, heads=(), kv_heads=())) == replace(DENSE, heads=0, kv_heads=0)
    latent = {"layers.1.attention.latent.down.weight": (8, 64)}
    assert shown(latent, replace(some, key_dim=16)) == replace(DENSE, heads=8, kv_heads=8)


@pytest.mark.parametrize("part", ["query", "key", "value"])
def test_biases_of_projections(part: str) -> None:
    assert shown({f"layers.1.attention.{part}.bias": (64,)}) == replace(DENSE, qkv_bias=True)
    assert shown({f"layers.1.cross_attention.{part}.bias": (64,)}) == DENSE
    assert shown({"layers.1.attention.output.bias": (64,)}) == DENSE


@pytest.mark.parametrize("norm", ["attention.norm", "feed_forward.norm", "attention.post_norm"])
def test_a_norm_with_a_bias(norm: str) -> None:
    assert shown({f"layers.1.{norm}.bias": (64,)}) == replace(DENSE, norm="layernorm")
    assert shown({f"layers.1.{norm}.weight": (64,)}) == DENSE


def test_the_norm_that_the_architecture_has() -> None:
    known = next(known for known in ARCHITECTURES.values() if known.norm == "layernorm")
    views = {"embedding.weight": RoleView("embedding.weight", "e", (9, 8), View(), cast(Any, None))}
    found = architecture_of(Roles(views, 1), PLAIN, known, model_type="a", vocabulary=9, tied=True)
    assert found.norm == "layernorm"
