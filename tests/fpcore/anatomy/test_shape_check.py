"""Shapes of tensors held against what a config says, with no tensor at hand."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch

import fpcore
from fpcore.anatomy import shape_check
from fpcore.anatomy.architecture import Architecture, StatedShape
from fpcore.anatomy.reading import read_anatomy
from fpcore.anatomy.shape_check import (
    ShapeContradiction,
    Shown,
    checked_shape,
    type_defaults,
    with_defaults,
)
from fpcore.errors import BadCheckpoint, UnknownTensor

Shapes = dict[str, tuple[int, ...]]

CONFIG: dict[str, Any] = {
    "model_type": "any",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "vocab_size": 40,
}
SHAPES: Shapes = {"embedding.weight": (40, 32), "final_norm.weight": (32,)}
for _layer in range(2):
    SHAPES |= {
        f"layers.{_layer}.attention.norm.weight": (32,),
        f"layers.{_layer}.attention.query.weight": (32, 32),
        f"layers.{_layer}.attention.key.weight": (16, 32),
        f"layers.{_layer}.attention.value.weight": (16, 32),
        f"layers.{_layer}.attention.output.weight": (32, 32),
        f"layers.{_layer}.feed_forward.norm.weight": (32,),
        f"layers.{_layer}.feed_forward.up.weight": (48, 32),
        f"layers.{_layer}.feed_forward.down.weight": (32, 48),
    }
SHAPE = Architecture("any", 2, 32, 4, 2, 48, vocabulary=40, head_dim=8)


def both(part: str, *shape: int) -> Shapes:
    """A role of both layers."""
    return {f"layers.{layer}.{part}.weight": shape for layer in range(2)}


def checked(
    config: dict[str, Any] | None = None, shapes: Shapes | None = None, without: str = "-", **options: Any
) -> Architecture:
    stated = {key: value for key, value in (CONFIG | (config or {})).items() if value is not None}
    all_shapes = {role: shape for role, shape in SHAPES.items() if without not in role} | (shapes or {})
    given: dict[str, Any] = {"experts": 0, "where": "x", "depth": 2} | options
    depth = given.pop("depth")
    return checked_shape(StatedShape.of(stated, "x"), all_shapes, depth, **given)


def test_a_config_and_tensors_that_agree() -> None:
    assert checked() == SHAPE
    assert checked(by_table=False) == SHAPE
    for silent in (
        "hidden_size",
        "num_hidden_layers",
        "num_key_value_heads",
        "intermediate_size",
        "vocab_size",
    ):
        assert checked({silent: None}) == SHAPE, silent
    assert checked({"tie_word_embeddings": True}) == replace(SHAPE, tied=True)
    assert checked({"vocab_size": 39}) == replace(SHAPE, vocabulary=39)
    assert checked({"layer_norm_eps": 1e-5}) == replace(SHAPE, norm="layernorm")


def test_without_an_embedding() -> None:
    assert checked(without="embedding") == SHAPE
    assert checked({"vocab_size": None}, without="embedding") == replace(SHAPE, vocabulary=None)


def test_sizes_that_tensors_show() -> None:
    others: Shapes = {
        "layers.0.weight": (1, 1),
        "layers.0.attention.query.bias": (7,),
        "encoder.0.attention.query.weight": (7, 7),
        "encoder.layers.0.attention.query.weight": (7, 7),
    }
    more = both("attention.query_norm", 8) | both("feed_forward.experts.3.up", 12, 32)
    found = Shown.by(SHAPES | more | others)
    assert found == Shown(
        width=Counter({32: 8}),
        query=Counter({32: 2}),
        key=Counter({16: 2}),
        gain=Counter({8: 2}),
        feed_forward=Counter({48: 2}),
        expert=Counter({12: 2}),
        latent=False,
    )
    assert Shown.by(both("attention.latent.down", 4, 32)).latent is True
    assert Shown.by(both("attention.query_latent.norm", 4)).latent is True
    assert Shown.by(both("cross_attention.latent.down", 4, 32)).latent is False


WRONG = "the config is of another model, or one of them was changed: correct it"
CONTRADICTIONS: list[tuple[dict[str, Any], Shapes, dict[str, Any], str]] = [
    (
        {"num_hidden_layers": 3},
        {},
        {},
        f"num_hidden_layers is 3, but the tensors show 2 as layers; {WRONG}",
    ),
    (
        {"hidden_size": None, "n_embd": 64},
        {},
        {},
        f"n_embd is 64, but the tensors show 32 as the width of the residual stream; {WRONG}",
    ),
    (
        {"num_experts": 8},
        {},
        {},
        f"num_experts is 8, but the tensors show 0 as experts per layer; {WRONG}",
    ),
    (
        {"num_experts": 8},
        {},
        {"experts": 4, "by_table": False},
        f"num_experts is 8, but the tensors show 4 as experts per layer; {WRONG}",
    ),
    (
        {"vocab_size": 41},
        {},
        {},
        f"vocab_size is 41, but the tensors show 40 as rows of the embedding; {WRONG}",
    ),
    (
        {"intermediate_size": 64},
        {},
        {},
        f"intermediate_size is 64, but the tensors show 48 as inner units of a block; {WRONG}",
    ),
    (
        {"head_dim": 16},
        {},
        {},
        f"num_attention_heads is 4, but the tensors show 2: 32 query rows are 2 heads of 16; {WRONG}",
    ),
    (
        {"head_dim": 16},
        both("attention.query_norm", 8),
        {},
        f"head_dim is 16, but the tensors show 8 as the gain of each query's norm; {WRONG}",
    ),
    (
        {"num_attention_heads": 8},
        both("attention.query_norm", 8),
        {},
        f"num_attention_heads is 8, but the tensors show 4: 32 query rows are 4 heads of 8; {WRONG}",
    ),
    (
        {"num_attention_heads": 5},
        {},
        {},
        "num_attention_heads is 5, but the query projection has 32 rows; correct the config",
    ),
    (
        {"num_attention_heads": 5, "head_dim": 7},
        {},
        {},
        "num_attention_heads is 5 and head_dim 7, but the query projection has 32 rows; correct the config",
    ),
    (
        {},
        both("attention.key", 20, 32),
        {},
        "4 heads of 8 do not fit 20 rows of the key projection; correct the config",
    ),
    (
        {},
        both("attention.key", 24, 32),
        {},
        "4 heads of 8 do not fit 24 rows of the key projection; correct the config",
    ),
    (
        {},
        both("attention.key", 0, 32),
        {},
        "4 heads of 8 do not fit 0 rows of the key projection; correct the config",
    ),
    (
        {"num_key_value_heads": 4},
        {},
        {},
        "num_key_value_heads is 4, but the tensors show 2: 16 key rows are 2 heads of 8; with 4 key-value "
        f"heads of 4 there are 8 heads, not 4; {WRONG}",
    ),
    (
        {"num_key_value_heads": 4, "head_dim": 8},
        {},
        {},
        f"num_key_value_heads is 4, but the tensors show 2: 16 key rows are 2 heads of 8; {WRONG}",
    ),
    (
        {"num_key_value_heads": 4},
        both("attention.query_norm", 8),
        {},
        f"num_key_value_heads is 4, but the tensors show 2: 16 key rows are 2 heads of 8; {WRONG}",
    ),
    (
        {"num_key_value_heads": 3},
        {},
        {},
        f"num_key_value_heads is 3, but the tensors show 2: 16 key rows are 2 heads of 8; {WRONG}",
    ),
    (
        {"num_attention_heads": 3, "num_key_value_heads": 3},
        both("attention.query", 30, 32) | both("attention.key", 10, 32),
        {},
        f"num_key_value_heads is 3, but the tensors show 1: 10 key rows are 1 heads of 10; {WRONG}",
    ),
    (
        {},
        both("feed_forward.up", 0, 32),
        {},
        f"intermediate_size is 48, but the tensors show 0 as inner units of a block; {WRONG}",
    ),
    (
        {"num_attention_heads": 3, "num_key_value_heads": 5},
        both("attention.query", 30, 32) | both("attention.key", 10, 32),
        {},
        "num_key_value_heads is 5, but the tensors show 1: 10 key rows are 1 heads of 10; with 5 key-value "
        f"heads of 2 there are 15 heads, not 3; {WRONG}",
    ),
    (
        {"num_attention_heads": 3, "num_key_value_heads": 2},
        both("attention.query", 36, 32) | both("attention.key", 12, 32),
        {},
        "num_key_value_heads is 2, but the tensors show 1: 12 key rows are 1 heads of 12; with 2 key-value "
        f"heads of 6 there are 6 heads, not 3; {WRONG}",
    ),
    (
        {"num_attention_heads": 3, "num_key_value_heads": 2},
        both("attention.query", 30, 32) | both("attention.key", 10, 32) | {"final_norm.bias": (32,)},
        {},
        "num_key_value_heads is 2, but the tensors show 1: 10 key rows are 1 heads of 10; with 2 key-value "
        f"heads of 5 there are 6 heads, not 3; {WRONG}",
    ),
    (
        {"num_attention_heads": 7, "num_key_value_heads": 2},
        both("attention.query", 70, 32) | both("attention.key", 10, 32),
        {},
        "num_key_value_heads is 2, but the tensors show 1: 10 key rows are 1 heads of 10; with 2 key-value "
        f"heads of 5 there are 14 heads, not 7; {WRONG}",
    ),
    (
        {"num_attention_heads": 3, "num_key_value_heads": 2},
        both("attention.query", 42, 32)
        | both("attention.key", 14, 32)
        | {"layers.0.attention.norm.weight": ()},
        {},
        "the tensor for layers.0.attention.norm.weight is a single number; fetch the weights again",
    ),
]


@pytest.mark.parametrize(("config", "shapes", "options", "told"), CONTRADICTIONS)
def test_a_contradiction(config: dict[str, Any], shapes: Shapes, options: dict[str, Any], told: str) -> None:
    with pytest.raises(ShapeContradiction) as caught:
        checked(config, shapes, **options)
    assert str(caught.value) == f"x: {told}"


def test_facts_that_the_type_states_are_no_contradiction() -> None:
    wide = {"hidden_size": 64, "num_hidden_layers": 3, "num_experts": 8, "intermediate_size": 64}
    facts = ("width", "depth", "experts", "feed_forward")
    assert checked(wide, defaults=facts) == SHAPE
    for fact, name in zip(facts, wide, strict=True):
        with pytest.raises(ShapeContradiction, match=name):
            checked(wide, defaults=set(facts) - {fact})


def test_types_of_which_tensors_alone_say_it() -> None:
    assert checked({"model_type": "albert", "num_hidden_layers": 12}) == replace(
        SHAPE, model_type="albert", depth=12
    )
    assert checked({"model_type": "albert", "num_hidden_layers": None}).depth == 2
    assert checked({"model_type": "dory", "num_hidden_layers": 4}) == replace(SHAPE, model_type="dory")
    assert checked({"model_type": "lfm2", "intermediate_size": 64}) == replace(SHAPE, model_type="lfm2")
    several = "ernie4_5_vl_moe_text"
    assert checked({"model_type": several, "num_experts": 8}, experts=4).experts == 4
    assert checked({"num_experts": 8}, by_table=False) == SHAPE
    assert checked({"vocab_size": 41}, by_table=False) == replace(SHAPE, vocabulary=41)


def test_the_width_of_the_stream() -> None:
    assert checked({"hidden_size": None}, without="layers") == replace(
        SHAPE, width=32, heads=0, kv_heads=0, head_dim=None
    )
    only = {"hidden_size": None, "intermediate_size": None}
    assert checked(only, {"embedding.weight": (40,)}, without="layers").width == 0
    assert checked({"hidden_size": 64}, without="layers").width == 64
    # Most tensors decide, each kind of those that read or write the stream.
    for part, shape in (
        ("attention.norm", (64,)),
        ("feed_forward.norm", (64,)),
        ("attention.output", (64, 32)),
        ("feed_forward.up", (48, 64)),
    ):
        found = checked({"hidden_size": None}, both(part, *shape), without="layers")
        assert found.width == 64, part
    for part, shape in (
        ("attention.query", (64, 64)),
        ("attention.norm", (64, 64)),
        ("attention.output", (64,)),
        ("feed_forward.down", (64, 48)),
        ("cross_attention.norm", (64,)),
        ("feed_forward.up", (64,)),
    ):
        config = {"hidden_size": None, "num_attention_heads": 8, "num_key_value_heads": None}
        assert checked(config, both(part, *shape), without="layers").width == 32, part
    two = {"layers.0.feed_forward.up.weight": (48, 16)}
    assert checked(shapes=two) == SHAPE
    encoder = {f"encoder.{role}": (64,) for role in SHAPES if "norm" in role}
    assert checked(shapes=encoder) == SHAPE


def test_heads_where_projections_are_missing_or_differ() -> None:
    no_query = checked(without="query")
    assert (no_query.heads, no_query.kv_heads, no_query.head_dim) == (4, 2, None)
    alone = checked({"num_key_value_heads": None}, without="query")
    assert (alone.heads, alone.kv_heads) == (4, 4)
    neither = checked(without="attention", config={"head_dim": 8})
    assert (neither.heads, neither.kv_heads, neither.head_dim) == (0, 0, 8)
    keyless = checked(without="key")
    assert (keyless.heads, keyless.kv_heads, keyless.head_dim) == (4, 4, 8)
    for shapes in (
        {"layers.0.attention.query.weight": (16, 32)},
        {"layers.0.attention.key.weight": (8, 32)},
        {"layers.0.attention.latent.down.weight": (8, 32)},
        {"layers.0.attention.query_latent.down.weight": (8, 32)},
    ):
        config = {"hidden_size": 32, "num_attention_heads": 3, "num_key_value_heads": None}
        found = checked(config, shapes)
        assert (found.heads, found.kv_heads, found.head_dim) == (3, 3, 10), shapes
        found = checked(config | {"num_key_value_heads": 1, "head_dim": 7}, shapes)
        assert (found.heads, found.kv_heads, found.head_dim) == (3, 1, 7), shapes
        found = checked(config | {"num_attention_heads": None}, shapes)
        assert (found.heads, found.kv_heads, found.head_dim) == (0, 0, None), shapes


def test_heads_by_the_gain_of_a_norm() -> None:
    for config in ({"num_attention_heads": None}, {"num_attention_heads": 2}, {}):
        found = checked(
            config | {"num_key_value_heads": None},
            both("attention.query_norm", 16 if config.get("num_attention_heads") == 2 else 8),
        )
        expected = (2, 1, 16) if config.get("num_attention_heads") == 2 else (4, 2, 8)
        assert (found.heads, found.kv_heads, found.head_dim) == expected
    unknown = checked({"num_attention_heads": None})
    assert (unknown.heads, unknown.kv_heads, unknown.head_dim) == (0, 0, None)
    # Gains of all heads, of no whole number of heads, of none, and what is no gain.
    for part, shape in (
        ("attention.query_norm", (32,)),
        ("attention.query_norm", (12,)),
        ("attention.query_norm", (0,)),
        ("attention.query_norm", (16, 2)),
        ("attention.query_norm.inner", (16,)),
        ("attention.key_norm", (16,)),
        ("cross_attention.query_norm", (16,)),
    ):
        assert checked(shapes=both(part, *shape)) == SHAPE, (part, shape)


GUESSED: list[tuple[dict[str, Any], Shapes, tuple[int, int, int | None]]] = [
    ({}, {}, (4, 2, 8)),
    ({"head_dim": 8}, {}, (4, 2, 8)),
    ({"head_dim": 16}, {}, (4, 2, 8)),
    ({"num_attention_heads": 8, "num_key_value_heads": 4}, {}, (8, 4, 4)),
    ({"num_attention_heads": 8}, {}, (0, 0, None)),
    ({"num_attention_heads": 5}, {}, (0, 0, None)),
    ({"num_key_value_heads": None}, {}, (0, 0, None)),
    ({"num_key_value_heads": None}, both("attention.key", 32, 32), (4, 4, 8)),
    ({"num_attention_heads": 7}, both("attention.query_norm", 16), (2, 1, 16)),
]


@pytest.mark.parametrize(("config", "shapes", "expected"), GUESSED)
def test_heads_that_only_the_type_states(
    config: dict[str, Any], shapes: Shapes, expected: tuple[int, int, int | None]
) -> None:
    found = checked(config, shapes, defaults=["heads"])
    assert (found.heads, found.kv_heads, found.head_dim) == expected
    assert {type(found.heads), type(found.kv_heads), type(found.head_dim)} <= {int, type(None)}


def test_guessed_heads_without_keys() -> None:
    found = checked(defaults=["heads"], without="key")
    assert (found.heads, found.kv_heads, found.head_dim) == (4, 2, 8)
    found = checked(shapes=both("attention.query_norm", 16), defaults=["heads"], without="key")
    assert (found.heads, found.kv_heads, found.head_dim) == (2, 2, 16)


def test_the_inner_width() -> None:
    assert checked({"intermediate_size": None}, without="feed_forward").feed_forward == 0
    assert checked({"intermediate_size": 7}, without="feed_forward").feed_forward == 7
    two = {"layers.0.feed_forward.up.weight": (96, 32)}
    for stated, expected in ((None, 96), (48, 48), (96, 96)):
        assert checked({"intermediate_size": stated}, two).feed_forward == expected
    experts = both("feed_forward.experts.0.up", 12, 32) | both("feed_forward.experts.0.down", 32, 12)
    config = {"intermediate_size": None, "moe_intermediate_size": 12, "num_experts": 1}
    found = checked(config, experts, experts=1)
    assert (found.feed_forward, found.experts) == (12, 1)
    assert checked(shapes=experts).feed_forward == 48
    assert checked({"num_experts": 1}, experts=1) == replace(SHAPE, experts=1)
    narrow = both("feed_forward.experts.0.up", 12, 16)
    assert checked(config, narrow, experts=1).width == 32
    with pytest.raises(
        ShapeContradiction, match=r"moe_intermediate_size is 13, but the tensors show 12 as inner"
    ):
        checked(config | {"moe_intermediate_size": 13}, experts, experts=1)


def test_biases() -> None:
    for part in ("query", "key", "value"):
        assert checked(shapes={f"layers.0.attention.{part}.bias": (8,)}) == replace(SHAPE, qkv_bias=True)
        for other in (f"encoder.layers.0.attention.{part}.bias", f"layers.0.cross_attention.{part}.bias"):
            assert checked(shapes={other: (8,)}) == SHAPE
    assert checked(shapes={"layers.0.attention.output.bias": (8,)}) == SHAPE
    for norm in ("attention.norm", "attention.post_norm", "feed_forward.norm"):
        assert checked(shapes={f"layers.1.{norm}.bias": (32,)}) == replace(SHAPE, norm="layernorm")
    assert checked(shapes={"final_norm.bias": (32,), "layers.0.sinks": ()}) == SHAPE


# --- what a config leaves to its type ---------------------------------------------------------------------


def test_defaults_of_a_type(monkeypatch: pytest.MonkeyPatch) -> None:
    found = type_defaults("llama")
    assert found is not None
    assert (found.model_type, found.heads, found.width, found.depth) == ("llama", 32, 4096, 32)
    assert type_defaults("unheard-of") is None
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert type_defaults("llama") is None


def test_only_where_heads_are_not_stated_the_type_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    default = StatedShape.of(CONFIG | {"head_dim": 8, "tie_word_embeddings": True}, "x")

    def defaults(model_type: str) -> StatedShape | None:
        asked.append(model_type)
        return default if model_type == "any" else None

    monkeypatch.setattr(shape_check, "type_defaults", defaults)
    stated = StatedShape.of({"model_type": "any", "num_attention_heads": 7}, "x")
    assert with_defaults(stated) == (stated, frozenset())
    assert asked == []
    unknown = StatedShape.of({"model_type": "other"}, "x")
    assert with_defaults(unknown) == (unknown, frozenset())
    silent = StatedShape.of({"model_type": "any", "hidden_size": 64, "n_layer": 9}, "x")
    found, facts = with_defaults(silent)
    assert asked == ["other", "any"]
    assert facts == {"heads", "kv_heads", "head_dim", "feed_forward"}
    assert found == replace(silent, heads=4, kv_heads=2, head_dim=8, feed_forward=48)


# --- reading ----------------------------------------------------------------------------------------------


NAMES = {
    "self_attn.q_proj": (32, 32),
    "self_attn.k_proj": (16, 32),
    "self_attn.v_proj": (16, 32),
    "self_attn.o_proj": (32, 32),
    "mlp.gate_proj": (48, 32),
    "mlp.up_proj": (48, 32),
    "mlp.down_proj": (32, 48),
    "input_layernorm": (32,),
    "post_attention_layernorm": (32,),
}


def llama(model_type: str = "llama", **config: Any) -> fpcore.Checkpoint:
    tensors = {"model.embed_tokens.weight": torch.zeros(40, 32), "model.norm.weight": torch.zeros(32)}
    for layer in range(2):
        tensors |= {
            f"model.layers.{layer}.{name}.weight": torch.zeros(shape) for name, shape in NAMES.items()
        }
    tensors["visual.blocks.0.weight"] = torch.zeros(3)
    said = {key: value for key, value in (CONFIG | {"model_type": model_type} | config).items() if value}
    return fpcore.MemoryCheckpoint("m", "0" * 64, said, tensors)


@pytest.mark.parametrize(("model_type", "reading"), [("llama", "by table"), ("unheard", "by convention")])
def test_roles_and_shape_are_read_together(model_type: str, reading: str) -> None:
    found = read_anatomy(llama(model_type))
    assert found.architecture == replace(SHAPE, model_type=model_type)
    assert (found.roles.depth, found.roles.reading) == (2, reading)
    assert set(found.roles) >= set(SHAPES)
    assert list(found.roles.aside) == ["visual.blocks.0.weight"]


def test_a_config_that_contradicts_is_named() -> None:
    with pytest.raises(
        BadCheckpoint, match=r"^m: config\.json: hidden_size is 64, but the tensors show 32 as"
    ):
        read_anatomy(llama(hidden_size=64))
    with pytest.raises(BadCheckpoint, match=r"^m: config\.json: hidden_size is 'a'"):
        read_anatomy(llama(hidden_size="a"))
    with pytest.raises(BadCheckpoint, match=r"num_experts is 8, but the tensors show 0"):
        read_anatomy(llama(num_experts=8))
    assert read_anatomy(llama("unheard", num_experts=8)).architecture.experts == 0
    # Heads of the type's defaults that fit no tensor contradict none.
    assert read_anatomy(llama(num_attention_heads=None)).architecture.heads == 0


def test_experts_that_are_missing() -> None:
    plain = llama("unheard")
    tensors = {name: plain.read(name) for name in plain.tensors if ".mlp." not in name}
    for layer, expert in ((0, 0), (0, 1), (1, 0)):
        for part in ("gate", "up", "down"):
            name = f"model.layers.{layer}.mlp.experts.{expert}.{part}_proj.weight"
            tensors[name] = torch.zeros(NAMES[f"mlp.{part}_proj"])
    told = r"^m: layer 1 has 1 experts where other layers have 2; part of the weights is missing$"
    with pytest.raises(BadCheckpoint, match=told):
        read_anatomy(fpcore.MemoryCheckpoint("m", "0" * 64, plain.config, tensors))


def test_layers_are_named_where_they_are_missing() -> None:
    plain = llama()
    for names, told in (
        (["model.embed_tokens.weight", "model.norm.weight"], "there are no tensors of layers"),
        (
            [name for name in plain.tensors if "layers.0" not in name],
            "there are tensors of layer 1 but none of layer 0",
        ),
    ):
        tensors = {name: plain.read(name) for name in names}
        model = fpcore.MemoryCheckpoint("m", "0" * 64, plain.config, tensors)
        with pytest.raises(BadCheckpoint) as caught:
            read_anatomy(model)
        assert str(caught.value) == f"m: {told}; part of the weights is missing"
    odd = {"model.odd.weight": torch.zeros(3)}
    with pytest.raises(
        UnknownTensor, match=r"^m: tensor model\.odd\.weight is not in the anatomy table of llama"
    ):
        read_anatomy(fpcore.MemoryCheckpoint("m", "0" * 64, plain.config, odd))
