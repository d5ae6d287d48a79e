"""Names read by a table of a few entries: what becomes of each, wherever it stands and whatever wraps it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from named_shapes import NamedShapes

from fpcore.anatomy import by_table
from fpcore.anatomy.architecture import StatedShape
from fpcore.anatomy.by_table import (
    RoleReader,
    all_tables,
    check_layers,
    first_missing,
    known_model_types,
    missing_on_purpose,
    read_by_table,
    written_out,
)
from fpcore.anatomy.name_table import Table
from fpcore.anatomy.roles import RoleView
from fpcore.anatomy.tensor_layouts import ExpertStack, GateUp, QueryKeyValue, View, Whole
from fpcore.errors import BadCheckpoint, UnknownTensor

TABLE = Table(
    ("any",),
    {"emb.*": "embedding.*", "norm.*": "final_norm.*"},
    {
        "q.*": "attention.query.*",
        "qkv.*": QueryKeyValue(),
        "part.0.w": "attention.output.weight",
        "experts.up": ExpertStack(GateUp("e.{expert}.gate.weight", "e.{expert}.up.weight")),
        "experts.down": ExpertStack(Whole("e.{expert}.down.weight")),
        "experts.#.w": "e.#.other",
    },
    "h.#.",
    prefixes=("model", "net"),
    ignored=(r"skip\.",),
)
Shapes = Mapping[str, tuple[int, ...]]


def reader(shapes: Shapes, table: Table = TABLE, **config: Any) -> RoleReader:
    source = NamedShapes(shapes, {"model_type": "any"} | config)
    return RoleReader(source, StatedShape.of(source.config, "x"), table, "the/table.py")


def read(
    *names: str, table: Table = TABLE, shapes: Shapes | None = None, **config: Any
) -> tuple[dict[str, str], dict[str, str]]:
    """Role → stored name; what is set aside."""
    one = reader(dict.fromkeys(names, (2, 2)) | dict(shapes or {}), table, **config)
    found = one.read()
    for role, view in found.items():
        assert view.role == role
        assert view.shape == view.view.shape(one.checkpoint.tensors[view.source].shape)
        assert view.checkpoint is one.checkpoint
    return {role: view.source for role, view in found.items()}, one.aside


def test_names_are_found_behind_words_that_mean_nothing() -> None:
    names = {
        "h.0.q.weight": "layers.0.attention.query.weight",
        "model.h.1.q.bias": "layers.1.attention.query.bias",
        "net.model.net.h.10.q.weight": "layers.10.attention.query.weight",
        "model.emb.weight": "embedding.weight",
        "norm.bias": "final_norm.bias",
        "h.2.part.0.w": "layers.2.attention.output.weight",
        "h.2.experts.3.w": "layers.2.e.3.other",
    }
    assert read(*names) == ({role: name for name, role in names.items()}, {})


def test_what_is_no_weight_is_left_out() -> None:
    buffers = [
        "h.0.q.inv_freq",
        "model.original_inv_freq",
        "sin_cached",
        "a.cos_cached",
        "model.position_ids",
    ]
    buffers += ["h.0.attn.bias", "model.layers.12.self_attention.masked_bias", "h.3.attn.attention.bias"]
    assert read(*buffers, "skip.weight", "h.0.q.weight", "model.skip.1.x") == (
        {"layers.0.attention.query.weight": "h.0.q.weight"},
        {},
    )
    with pytest.raises(UnknownTensor):
        read("h.0.q.weight", "h.0.skip.weight")


def test_names_that_the_table_does_not_have() -> None:
    found, aside = read(
        "odd.part.weight", "h.0.q.weight", "model.odd.3.bias", "odd.7", "hx.0.q.weight", "x.bias"
    )
    assert set(found) == {"layers.0.attention.query.weight"}
    assert aside == {
        "odd.part.weight": "not known here: odd.part",
        "model.odd.3.bias": "not known here: model.odd",
        "odd.7": "not known here: odd",
        "hx.0.q.weight": "not known here: hx",
        "x.bias": "not known here: x.bias",
    }
    with pytest.raises(UnknownTensor) as caught:
        read("h.0.q.weight", "h.0.odd.weight")
    told = "tensor h.0.odd.weight is not in the anatomy table of any; say in the/table.py what it is for"
    assert str(caught.value) == f"x: {told}"
    with pytest.raises(UnknownTensor, match=r"^x: tensor odd\.weight is not"):
        read("h.0.q.weight", "odd.weight", table=replace(TABLE, more={"enc.#.": ("encoder.layers.#.", {})}))
    with pytest.raises(UnknownTensor, match=r"^x: tensor odd\.weight is not"):
        read("emb.weight", "odd.weight", "more.weight")
    with pytest.raises(
        BadCheckpoint, match=r"^x: there are no tensors of layers; part of the weights is missing$"
    ):
        read("emb.weight")


def test_two_names_of_one_role() -> None:
    told = (
        r"^x: model\.emb\.weight and emb\.weight both have the role embedding\.weight; the files of two "
        r"models or formats seem to be mixed$"
    )
    with pytest.raises(BadCheckpoint, match=told):
        read("h.0.q.weight", "emb.weight", "model.emb.weight")


def test_layers_that_draft_tokens_ahead() -> None:
    names = [f"model.h.{layer}.q.weight" for layer in range(5)]
    odd = ["h.3.unheard", "h.2.embed"]
    assert read(*names, "3.weight", num_hidden_layers=2, num_nextn_predict_layers=2)[1]["3.weight"] == (
        "not known here: 3"
    )
    config = {"num_hidden_layers": 2, "num_nextn_predict_layers": 2}
    found, aside = read(*names, *odd, **config)
    assert set(found.values()) == {names[0], names[1], names[4]}
    assert aside == dict.fromkeys([names[2], names[3], *odd], "draft heads")
    inner = {"text_config": {"model_type": "any", **config}}
    assert read(*names, table=replace(TABLE, more={"enc.#.": ("e.#.", {})}), **inner)[1] == dict.fromkeys(
        names[2:4], "draft heads"
    )
    assert set(read(*names, num_hidden_layers=2)[0].values()) == set(names)
    with pytest.raises(BadCheckpoint, match=r"no tensors of layers"):
        read("h.0.q.weight", num_nextn_predict_layers=1)


# --- what stands before the layers ------------------------------------------------------------------------

LLAMA = Table(
    ("any",),
    {"norm.*": "final_norm.*"},
    {"self_attn.q_proj.*": "attention.query.*", "mlp.up_proj.*": "feed_forward.up.*"},
    prefixes=(),
)
LAYER = ("self_attn.q_proj.weight", "mlp.up_proj.weight")
TEXT = {"text_config": {"model_type": "any", "num_hidden_layers": 2}}


def stack(before: str, depth: int = 2) -> list[str]:
    return [f"{before}layers.{layer}.{part}" for layer in range(depth) for part in LAYER]


def test_the_language_model_in_something_larger() -> None:
    own = stack("language_model.model.")
    other = stack("helper.", 3)  # more names, but not as many layers as the config states
    found, aside = read(*own, "language_model.model.norm.weight", *other, table=LLAMA, **TEXT)
    assert list(found.values()) == [*own, "language_model.model.norm.weight"]
    assert "final_norm.weight" in found
    with pytest.raises(UnknownTensor, match=r"tensor language_model\.layers\.norm\.weight is not"):
        read(*own, "language_model.layers.norm.weight", table=LLAMA, **TEXT)
    assert aside == dict.fromkeys(other, "not known here: helper.layers")


def test_something_larger_without_layers() -> None:
    with pytest.raises(BadCheckpoint, match=r"^x: there are no tensors of layers"):
        read("norm.weight", table=LLAMA, **TEXT)


def test_of_a_decoder_an_encoder_is_a_tower() -> None:
    own, other = stack("decoder."), stack("encoder.", 1)
    found, aside = read(*own, *other, "encoder.norm.weight", table=LLAMA, **TEXT)
    assert set(found.values()) == set(own)
    assert aside == dict.fromkeys([*other, "encoder.norm.weight"], "towers of other modalities")


def test_a_model_within_a_class_for_training() -> None:
    found, aside = read("wrap.m.h.0.q.weight", "wrap.m.emb.weight", "m.norm.weight", "emb.bias")
    assert found == {
        "layers.0.attention.query.weight": "wrap.m.h.0.q.weight",
        "embedding.weight": "wrap.m.emb.weight",
        "final_norm.weight": "m.norm.weight",
        "embedding.bias": "emb.bias",
    }
    assert aside == {}
    # Most names decide, and a plain one before all.
    found, aside = read("a.h.0.q.weight", "a.h.0.q.bias", "b.h.0.q.weight")
    assert (set(found.values()), set(aside)) == ({"a.h.0.q.weight", "a.h.0.q.bias"}, {"b.h.0.q.weight"})
    for plain in ("h.0.q.weight", "model.net.h.0.q.weight"):
        found, aside = read("a.h.0.q.weight", "a.h.1.q.weight", plain)
        assert (set(found.values()), set(aside)) == ({plain}, {"a.h.0.q.weight", "a.h.1.q.weight"})
    told = r"^x: the files contain two models, a\.… and b\.…; save the one you mean by itself$"
    with pytest.raises(BadCheckpoint, match=told):
        read("a.h.0.q.weight", "b.h.0.q.weight")
    more = replace(TABLE, more={"enc.#.": ("encoder.layers.#.", {})})
    with pytest.raises(UnknownTensor, match=r"^x: tensor a\.h\.0\.q\.weight is not"):
        read("a.h.0.q.weight", table=more)


# --- layouts ----------------------------------------------------------------------------------------------


def test_a_fused_tensor_is_cut_by_the_config() -> None:
    sizes = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 3}
    found = reader({"h.0.qkv.weight": (12, 4)}, **sizes).read()
    assert {role: view.view for role, view in found.items()} == {
        "layers.0.attention.query.weight": View(start=0, stop=6),
        "layers.0.attention.key.weight": View(start=6, stop=9),
        "layers.0.attention.value.weight": View(start=9, stop=12),
    }
    told = (
        r"^x: tensor h\.0\.qkv\.weight: 11 rows where 2 query and 1 key-value heads of 3 need 12; is its "
        r"config\.json right\?$"
    )
    with pytest.raises(BadCheckpoint, match=told):
        reader({"h.0.qkv.weight": (11, 4)}, **sizes).read()
    inside = {"text_config": {"model_type": "any", **sizes}}
    with_encoder = replace(TABLE, more={"enc.#.": ("encoder.layers.#.", {})})
    assert reader({"h.0.qkv.weight": (12, 4)}, with_encoder, **inside).sizes.head_dim == 3


@pytest.mark.parametrize(
    ("up", "down", "turned"),
    [
        ((2, 6, 4), (2, 4, 3), False),
        ((2, 4, 6), (2, 3, 4), True),
        ((2, 4, 4), (2, 4, 2), False),
        ((2, 4, 4), (2, 2, 4), True),
        ((2, 4, 5), (2, 3, 4), False),
        ((2, 8, 4), (2, 4, 4), False),
        ((2, 4, 8), (2, 4, 4), True),
        ((6, 4), (4, 3), False),
    ],
)
def test_which_way_stacks_of_experts_lie(up: tuple[int, ...], down: tuple[int, ...], turned: bool) -> None:
    both = {"model.h.0.experts.up": up, "h.0.experts.down": down}
    for more in ({}, {"odd.weight": (1, 2, 3), "h.0.q.weight": (3, 3, 3)}):
        assert reader(both | more).sizes.turned_experts is turned
    assert reader({"h.0.experts.up": up}).sizes.turned_experts is False
    assert reader({"h.0.experts.down": down}).sizes.turned_experts is False


def test_numbers_and_kinds_are_filled_in() -> None:
    assert written_out("layers.#.e.#.*", ["1", "22"], "bias") == "layers.1.e.22.bias"
    assert written_out("layers.#.e", ["1", "2"], "") == "layers.1.e"


# --- layers -----------------------------------------------------------------------------------------------


def views(*roles: str) -> dict[str, RoleView]:
    return dict.fromkeys(roles, cast(Any, None))


FULL = ("query.weight", "key.weight", "value.weight", "norm.weight")


def check(*layers: tuple[str, ...], others: tuple[str, ...] = ()) -> None:
    """Layers of which each has these parts of attention, and a feed-forward block."""
    roles = [f"layers.{n}.attention.{part}" for n, parts in enumerate(layers) for part in parts]
    roles += [f"layers.{n}.feed_forward.up.weight" for n in range(len(layers))]
    check_layers(NamedShapes({}), views(*roles, *others), len(layers))


def test_layers_have_the_parts_that_others_have() -> None:
    check(
        FULL, FULL, others=("layers.0.attention.relative_bias.weight", "encoder.layers.7.attention.x.weight")
    )
    check(FULL, ())
    check(FULL, ("query.weight", "norm.weight"))
    with pytest.raises(BadCheckpoint, match=r"layer 2 of 3 lacks norm\.weight, which"):
        check(FULL, (), FULL[:3])
    for parts, lacks in (
        (("key.weight", "value.weight", "norm.weight"), "query.weight"),
        (("query.weight", "key.weight", "norm.weight"), "value.weight"),
        (FULL[:3], "norm.weight"),
    ):
        with pytest.raises(BadCheckpoint) as caught:
            check(FULL, parts)
        told = (
            "which other layers have; part of the weights is missing, or its type needs a table that says so"
        )
        assert str(caught.value) == f"x: layer 1 of 2 lacks {lacks}, {told}"
    with pytest.raises(BadCheckpoint, match=r"layer 0 of 2 lacks query\.bias, value\.weight, which"):
        check(("query.weight", "key.weight"), ("query.weight", "key.weight", "value.weight", "query.bias"))


def test_a_norm_alone_is_no_part_of_attention() -> None:
    one = ("query.weight", "norm.weight", "norm.bias")
    check(one, ("norm.weight",))
    check(one, ("norm.weight", "norm.bias"))
    other = ("query.weight", "norm.weight"), ("norm.weight", "query.bias")
    with pytest.raises(BadCheckpoint, match=r"layer 0 of 2 lacks"):
        check(*other)


def test_what_a_layer_may_lack() -> None:
    query, key, value, norm = FULL
    assert missing_on_purpose({query, key, value}, {norm})
    assert missing_on_purpose({query, key, value, norm}, set())
    assert missing_on_purpose({key, value}, {query, norm})
    assert missing_on_purpose({key, value, "key_norm.weight"}, {query})
    assert missing_on_purpose({norm}, set())
    assert not missing_on_purpose({norm}, {query})
    assert not missing_on_purpose({key, value}, {query, "key_norm.weight"})
    assert not missing_on_purpose({key, value}, {query, "value.bias"})
    assert not missing_on_purpose({key, value}, {query, "key.bias"})
    assert not missing_on_purpose({key}, {query, value})
    assert not missing_on_purpose({key, value, "output.weight"}, {query})


def test_a_layer_that_is_missing() -> None:
    assert [first_missing(layers) for layers in (set(), {0}, {1}, {0, 1, 3})] == [0, 1, 0, 2]
    for last in (2, 1_000_000):
        tracemalloc.start()
        with pytest.raises(BadCheckpoint) as caught:
            check_layers(NamedShapes({}), views("layers.0.a.b.c", f"layers.{last}.a.b.c"), last + 1)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        told = f"there are tensors of layer {last} but none of layer 1; part of the weights is missing"
        assert str(caught.value) == f"x: {told}"
        assert most < 1 << 20


def test_a_model_is_read_by_the_table_of_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["h.0.q.weight", "h.0.norm1", "h.1.norm1", "odd.weight"]
    table = replace(TABLE, layer={"q.*": "attention.query.*", "norm1": "attention.norm.weight"})
    monkeypatch.setattr(by_table, "all_tables", lambda: {"any": ("the/table.py", table)})
    source = NamedShapes(dict.fromkeys(names, (2, 2)), {"model_type": "any"})
    found, depth, aside = read_by_table(source, StatedShape.of(source.config, "x"))
    assert list(found) == [
        "layers.0.attention.query.weight",
        "layers.0.attention.norm.weight",
        "layers.1.attention.norm.weight",
    ]
    assert depth == 2
    assert aside == {"odd.weight": "not known here: odd"}
    broken = NamedShapes({"h.1.q.weight": (2, 2), "h.1.odd": (2,)}, {"model_type": "any"})
    with pytest.raises(UnknownTensor, match=r"say in the/table\.py"):
        read_by_table(broken, StatedShape.of(broken.config, "x"))
    lacking = NamedShapes({"h.1.q.weight": (2, 2)}, {"model_type": "any"})
    with pytest.raises(BadCheckpoint, match=r"^x: there are tensors of layer 1 but none of layer 0"):
        read_by_table(lacking, StatedShape.of(lacking.config, "x"))


def test_every_type_of_a_table_is_known() -> None:
    root = Path(by_table.__file__).parents[2]
    assert list(known_model_types()) == sorted(all_tables())
    for model_type, (file, table) in all_tables().items():
        assert model_type in table.model_types
        assert f'"{model_type}"' in (root / file).read_text()
