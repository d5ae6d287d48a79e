"""What configs say of a model's shape, fact by fact, each under every name that it goes by."""

from __future__ import annotations

from typing import Any

import pytest

from fpcore.anatomy.architecture import (
    DEPTH,
    EXPERT_FEED_FORWARD,
    EXPERTS,
    FEED_FORWARD,
    FOURFOLD_TYPES,
    HEAD_DIM,
    HEADS,
    KV_HEADS,
    LAYER_NORM_TYPES,
    QKV_BIAS_TYPES,
    RMS_NORM_TYPES,
    VOCABULARY,
    WIDTH,
    Architecture,
    StatedShape,
    text_config,
)
from fpcore.errors import BadCheckpoint

Config = dict[str, Any]


def stated(*parts: Config, model_type: str = "any") -> StatedShape:
    config: Config = {"model_type": model_type}
    for part in parts:
        config |= part
    return StatedShape.of(config, "x")


SIZES = {
    "depth": DEPTH,
    "width": WIDTH,
    "heads": HEADS,
    "kv_heads": KV_HEADS,
    "feed_forward": FEED_FORWARD,
    "experts": EXPERTS,
    "vocabulary": VOCABULARY,
    "head_dim": HEAD_DIM,
}
NAMES = [(fact, name) for fact, names in SIZES.items() for name in names]


@pytest.mark.parametrize(("fact", "name"), NAMES)
def test_a_size_under_each_of_its_names(fact: str, name: str) -> None:
    for value, size in ((7, 7), (7.0, 7), ([3, None, 7, 5], 7), (1, 1), (1 << 31, 1 << 31)):
        found = stated({name: value})
        assert getattr(found, fact) == size
        assert found.entries[fact] == name
        assert all(getattr(found, other) is None for other in SIZES if other != fact)
    last = SIZES[fact][-1]
    if name != last:
        assert getattr(stated({name: 7, last: 8}), fact) == 7
        for nothing in (None, []):
            assert getattr(stated({name: nothing, last: 8}), fact) == 8
    for value in (-1, 2.5, "7", (1 << 31) + 1, True):
        with pytest.raises(
            BadCheckpoint, match=rf"^x: {name} is {value!r}; it must be a whole number from 0 "
        ):
            stated({name: value})
    if fact == "experts":
        assert stated({name: 0}).experts == 0
    else:
        with pytest.raises(BadCheckpoint, match=f"^x: {name} is 0; it must be at least 1$"):
            stated({name: 0})


def test_what_is_not_stated() -> None:
    found = stated()
    assert all(getattr(found, fact) is None for fact in (*SIZES, "tied"))
    assert found.norm == "rmsnorm"
    assert found.entries == {fact: names[0] for fact, names in SIZES.items()}


def test_the_width_of_an_expert_counts_where_there_are_experts() -> None:
    wide = {"intermediate_size": 90}
    for name in EXPERT_FEED_FORWARD:
        found = stated(wide, {name: 30, "num_experts": 4})
        assert (found.feed_forward, found.entries["feed_forward"]) == (30, name)
        assert stated(wide, {name: 30}).feed_forward == 90
        assert stated(wide, {name: 30, "num_experts": 0}).feed_forward == 90
        with pytest.raises(BadCheckpoint, match=f"^x: {name} is 'a'"):
            stated({name: "a", "num_experts": 4})
    assert stated(wide, {"num_experts": 4}).feed_forward == 90


WIDE = {"hidden_size": 64}
INNER: list[tuple[str, Config, int | None]] = [
    *((name, {}, 256) for name in sorted(FOURFOLD_TYPES)),
    ("gpt_neo", {"intermediate_size": 90, "d_ff": 80}, 90),
    ("gpt_neo", {"d_ff": 90}, 256),
    ("gpt2", {"d_ff": 90}, 90),
    ("qwen", {"intermediate_size": 91}, 45),
    ("hf_olmo", {"mlp_hidden_size": 90}, 45),
    ("hf_olmo", {"mlp_ratio": 8}, 256),
    ("any", {"mlp_ratio": 8}, None),
    ("any", {"expansion_ratio": 2.5}, 160),
    ("any", {"expansion_ratio": 0.5}, 32),
    ("any", {"expansion_ratio": "2"}, None),
    ("any", {}, None),
]


@pytest.mark.parametrize(("model_type", "config", "expected"), INNER)
def test_the_inner_width_of_a_block(model_type: str, config: Config, expected: int | None) -> None:
    assert stated(WIDE, config, model_type=model_type).feed_forward == expected
    if not {*FEED_FORWARD} & {*config}:
        assert stated(config, model_type=model_type).feed_forward is None


def test_a_ratio_that_is_none() -> None:
    for ratio in (0, -1.0, float("inf"), (1 << 31) + 1):
        with pytest.raises(
            BadCheckpoint, match=rf"^x: expansion_ratio is {ratio}; it must be a number above 0$"
        ):
            stated(WIDE, {"expansion_ratio": ratio})
    assert stated({"hidden_size": 1, "expansion_ratio": 1 << 31}).feed_forward == 1 << 31


TWELVE = {"num_attention_heads": 12}
SHARED: list[tuple[str, Config, int | None]] = [
    ("mpt", {"attn_config": {"kv_n_heads": 3}, "num_key_value_heads": 4}, 3),
    ("mpt", {"attn_config": {"kv_n_heads": None}, "num_key_value_heads": 4}, 4),
    ("mpt", {"attn_config": "torch", "num_key_value_heads": 4}, 4),
    *(
        (falcon, *case)
        for falcon in ("falcon", "RefinedWeb", "RefinedWebModel")
        for case in (
            ({}, 1),
            ({"num_kv_heads": 4}, 1),
            ({"num_kv_heads": 4, "multi_query": False}, 12),
            ({"num_kv_heads": 4, "new_decoder_architecture": True}, 4),
            ({"new_decoder_architecture": True}, 12),
        )
    ),
    ("chatglm", {"multi_query_group_num": 2}, 12),
    ("chatglm", {"multi_query_group_num": 2, "multi_query_attention": True}, 2),
    ("any", {"multi_query_group_num": 2}, 2),
    ("gpt_bigcode", {"multi_query": True, "num_key_value_heads": 4}, 1),
    ("gpt_bigcode", {"multi_query": False, "num_key_value_heads": 4}, 4),
    ("gpt_bigcode", {"multi_query": 1, "num_key_value_heads": 4}, 4),
    ("stripedhyena", {"proj_groups": 5, "num_key_value_heads": 4}, 2),
    ("stripedhyena", {"proj_groups": 0, "num_key_value_heads": 4}, 4),
    ("any", {"proj_groups": 3, "num_key_value_heads": 4}, 4),
    ("any", {}, None),
]


@pytest.mark.parametrize(("model_type", "config", "expected"), SHARED)
def test_how_many_heads_keys_have(model_type: str, config: Config, expected: int | None) -> None:
    found = stated(TWELVE, config, model_type=model_type).kv_heads
    assert found == expected
    assert type(found) in {int, type(None)}


def test_heads_of_keys_that_are_no_count() -> None:
    with pytest.raises(BadCheckpoint, match=r"^x: num_kv_heads is 'a'"):
        stated(TWELVE, {"num_kv_heads": "a", "new_decoder_architecture": True}, model_type="falcon")
    with pytest.raises(BadCheckpoint, match=r"^x: num_key_value_heads is 0; it must be at least 1$"):
        stated(TWELVE, {"proj_groups": 13}, model_type="stripedhyena")
    assert stated({"proj_groups": 5, "num_key_value_heads": 4}, model_type="stripedhyena").kv_heads == 4


NORMS: list[tuple[str, Config, str]] = [
    *((name, {"rms_norm_eps": 1e-6}, "layernorm") for name in sorted(LAYER_NORM_TYPES)),
    *((name, {"layer_norm_eps": 1e-6}, "rmsnorm") for name in sorted(RMS_NORM_TYPES)),
    ("hf_olmo", {"layer_norm_type": "rms"}, "rmsnorm"),
    ("hf_olmo", {"layer_norm_type": "default"}, "layernorm"),
    *(
        ("any", {name: 1e-6}, "layernorm")
        for name in ("layer_norm_eps", "layer_norm_epsilon", "norm_epsilon")
    ),
    ("any", {"layer_norm_eps": 1e-6, "rms_norm_eps": 1e-6}, "rmsnorm"),
    ("any", {"layer_norm_eps": 1e-6, "rmsnorm": True}, "rmsnorm"),
    ("any", {"layer_norm_eps": 1e-6, "rmsnorm": False}, "layernorm"),
    ("any", {}, "rmsnorm"),
]


@pytest.mark.parametrize(("model_type", "config", "norm"), NORMS)
def test_the_kind_of_norm(model_type: str, config: Config, norm: str) -> None:
    assert stated(config, model_type=model_type).norm == norm


def test_whether_embedding_and_unembedding_are_tied() -> None:
    for tied in (True, False):
        said = {"tie_word_embeddings": tied}
        assert stated(said).tied is tied
        assert stated({"text_config": {"a": 1} | said}, {"tie_word_embeddings": not tied}).tied is tied
        assert stated({"text_config": {"a": 1}}, said).tied is tied
    assert stated({"tie_word_embeddings": "no"}).tied is None


def test_the_part_of_a_config_that_counts() -> None:
    for key in ("text_config", "llm_config", "language_config", "thinker_config", "vlm_config", "decoder"):
        inner = {"hidden_size": 8}
        assert text_config({"hidden_size": 9, key: inner}) is inner
        assert text_config({key: {"text_config": inner}}) is inner
        for nothing in ({}, "text", [1]):
            whole = {"hidden_size": 9, key: nothing}
            assert text_config(whole) is whole
    assert text_config({"text_config": {"a": 1}, "decoder": {"b": 1}}) == {"a": 1}
    assert stated({"text_config": {"hidden_size": 8}, "hidden_size": 9}).width == 8


def test_the_type_of_a_model() -> None:
    inside = {"text_config": {"model_type": "inner", "a": 1}}
    assert stated(inside, model_type="outer").model_type == "inner"
    assert stated({"text_config": {"a": 1}}, model_type="outer").model_type == "outer"
    for name in ("x", "x" * 100):
        assert stated(model_type=name).model_type == name
    told = r"^x: no `model_type`; is this the config of a transformers model\?$"
    for bad in (None, "", "x" * 101, "x\n", ["llama"], {"a": 1}, 5):
        with pytest.raises(BadCheckpoint, match=told):
            stated({"model_type": bad})


WHOLE = {
    "model_type": "any",
    "hidden_size": 70,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 90,
}


def test_a_shape_from_a_config() -> None:
    plain = Architecture("any", 3, 70, 4, 4, 90, head_dim=17)
    assert Architecture.from_config(WHOLE) == plain
    assert type(Architecture.from_config(WHOLE).head_dim) is int
    more = {"num_key_value_heads": 2, "num_experts": 8, "vocab_size": 50, "head_dim": 16}
    more |= {"attention_bias": True, "tie_word_embeddings": True, "layer_norm_eps": 1e-5}
    assert Architecture.from_config(WHOLE | more) == Architecture(
        *("any", 3, 70, 4, 2, 90, 8, 50),
        qkv_bias=True,
        norm="layernorm",
        head_dim=16,
        tied=True,
    )
    ones = WHOLE | dict.fromkeys(("hidden_size", "num_hidden_layers", "num_attention_heads"), 1)
    assert Architecture.from_config(ones) == Architecture("any", 1, 1, 1, 1, 90, head_dim=1)


@pytest.mark.parametrize(
    ("missing", "names"),
    [
        ("hidden_size", WIDTH),
        ("num_attention_heads", HEADS),
        ("num_hidden_layers", DEPTH),
        ("intermediate_size", FEED_FORWARD),
    ],
)
def test_a_shape_that_is_not_stated(missing: str, names: tuple[str, ...]) -> None:
    config = {key: value for key, value in WHOLE.items() if key != missing}
    for where, options in (("config.json", {}), ("x", {"where": "x"})):
        with pytest.raises(BadCheckpoint) as caught:
            Architecture.from_config(config, **options)
        told = f"none of {', '.join(names)} is given; the model's shape is unknown"
        assert str(caught.value) == f"{where}: {told}"
    with pytest.raises(BadCheckpoint, match=r"^x: no `model_type`"):
        Architecture.from_config({}, where="x")


def test_whether_projections_have_biases() -> None:
    for name in ("attention_bias", "qkv_bias", "add_qkv_bias", "use_qkv_bias"):
        for said in (True, False):
            assert Architecture.from_config(WHOLE | {name: said}).qkv_bias is said
        assert not Architecture.from_config(WHOLE | {name: "yes"}).qkv_bias
    for model_type in QKV_BIAS_TYPES:
        assert Architecture.from_config(WHOLE | {"model_type": model_type}).qkv_bias
        silent = WHOLE | {"model_type": model_type, "attention_bias": False}
        assert not Architecture.from_config(silent).qkv_bias
    inside = {"model_type": "vision", "text_config": WHOLE | {"attention_bias": True}}
    assert Architecture.from_config(inside).qkv_bias
    # Biases of a tower of another modality are none of the language model's.
    assert not Architecture.from_config(WHOLE, ["vision_tower.layers.0.self_attn.q_proj.bias"]).qkv_bias
