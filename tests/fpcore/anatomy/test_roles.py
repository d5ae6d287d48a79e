"""Roles of a model: their order, what layers have them, and the sizes and names they are found by."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch

import fpcore
from fpcore.anatomy.architecture import StatedShape
from fpcore.anatomy.fused_sizes import of_layer, sizes_of
from fpcore.anatomy.name_table import Entry, Table, spellings
from fpcore.anatomy.parts import shifted
from fpcore.anatomy.reading import count_experts, with_embedding
from fpcore.anatomy.roles import Roles, RoleView
from fpcore.anatomy.tensor_layouts import GateUp, Sizes, View, Whole
from fpcore.errors import BadCheckpoint


def view(role: str, shape: tuple[int, ...] = (2, 3)) -> RoleView:
    return RoleView(role, f"stored {role}", shape, View(), cast(Any, None))


def roles(*names: str, depth: int = 3) -> Roles:
    return Roles({name: view(name) for name in names}, depth)


def test_roles_stand_by_layer_and_name() -> None:
    names = ["b", "layers.10.a", "layers.2.b.10.x", "a.x", "layers.2.b.9.x", "layers.2.a", "10"]
    found = roles(*names)
    order = ["10", "a.x", "b", "layers.2.a", "layers.2.b.9.x", "layers.2.b.10.x", "layers.10.a"]
    assert list(found) == order
    assert len(found) == 7
    assert found["b"].source == "stored b"
    with pytest.raises(KeyError):
        found["c"]
    assert (found.depth, found.reading, found.aside) == (3, "by table", {})
    other = Roles({}, 1, "by convention", {"x": "a tower"})
    assert (other.reading, other.aside) == ("by convention", {"x": "a tower"})


def test_the_role_of_every_layer() -> None:
    some = roles("layers.0.a.weight", "layers.2.a.weight", "layers.0.b.weight", "layers.3.b.weight")
    assert some.by_layer("a.weight") is None
    assert {layer: one.role for layer, one in some.present("a.weight").items()} == {
        0: "layers.0.a.weight",
        2: "layers.2.a.weight",
    }
    assert list(some.present("b.weight")) == [0]
    everywhere = roles(*(f"layers.{layer}.a" for layer in (2, 1, 0)))
    assert [one.role for one in everywhere.by_layer("a") or ()] == ["layers.0.a", "layers.1.a", "layers.2.a"]
    assert roles(depth=0).by_layer("a") == []


def test_experts_of_a_layer() -> None:
    names = [f"layers.1.feed_forward.experts.{expert}.up.weight" for expert in range(11)]
    found = roles(*names, "layers.1.feed_forward.experts.12.up.weight")
    assert [one.role for one in found.experts(1, "up")] == names
    assert found.experts(1, "down") == found.experts(0, "up") == []


def test_layers_without_a_part_that_others_have() -> None:
    for block, parts in (
        ("attention", ("query", "key", "value", "output")),
        ("feed_forward", ("gate", "up", "down")),
    ):
        for part in parts:
            names = [f"layers.{layer}.{block}.{part}.weight" for layer in range(3)]
            assert roles(*names).left_out() == {}
            assert roles(names[1]).left_out() == {f"{block}.{part}": (0, 2)}
    assert roles().left_out() == {}
    with_experts = ["layers.0.feed_forward.up.weight", "layers.2.feed_forward.experts.0.up.weight"]
    assert roles(*with_experts).left_out() == {"feed_forward.up": (1,)}
    assert roles(*with_experts, "layers.1.feed_forward.up.weight").left_out() == {}
    assert roles("layers.0.attention.query.bias").left_out() == {}


@pytest.mark.parametrize("expert", [None, 1])
def test_values_of_a_role(expert: int | None) -> None:
    stored = torch.arange(12.0).reshape(2, 2, 3)
    model = fpcore.MemoryCheckpoint("m", "0" * 64, {}, {"t": stored})
    cut = View(expert=expert, transpose=expert is not None, start=0, stop=1)
    one = RoleView("r", "t", cut.shape((2, 2, 3)), cut, model)
    expected = stored[:1] if expert is None else stored[1].T[:1]
    assert torch.equal(one.read(), expected)
    np.testing.assert_array_equal(one.values(), expected.numpy())
    assert one.size == expected.numel()
    assert one.shape == tuple(expected.shape)


# --- sizes of fused tensors -------------------------------------------------------------------------------


def test_sizes_by_the_config() -> None:
    def sizes(width: int | None = None, **facts: int) -> Sizes:
        config: dict[str, Any] = {"model_type": "any", **facts}
        return sizes_of(StatedShape.of(config, "x"), config, width)

    assert sizes() == Sizes(0, 0, 0)
    assert sizes(num_attention_heads=1) == Sizes(1, 1, 0)
    assert sizes(hidden_size=70, num_attention_heads=4) == Sizes(4, 4, 17)
    assert type(sizes(hidden_size=70, num_attention_heads=4).head_dim) is int
    assert sizes(70, num_attention_heads=4) == Sizes(4, 4, 17)
    assert sizes(90, hidden_size=70, num_attention_heads=4) == Sizes(4, 4, 17)
    assert sizes(num_attention_heads=4, num_key_value_heads=2, head_dim=5) == Sizes(4, 2, 5)
    assert sizes(hidden_size=70) == Sizes(0, 0, 0)
    latent = {"qk_nope_head_dim": 6, "v_head_dim": 7, "kv_lora_rank": 8, "qk_rope_head_dim": 9}
    assert sizes(**latent) == Sizes(0, 0, 0, 6, 7, 8, 9)


def test_what_a_config_says_of_one_layer() -> None:
    config: dict[str, Any] = {"a": 1, "b": 2, "per_layer_config": {"1": {"a": 3}, "2": {}, "3": "x"}}
    assert of_layer(config, 1) == config | {"a": 3}
    for layer in (0, 2, 3):
        assert of_layer(config, layer) is config
    listed: dict[str, Any] = {"per_layer_config": [{"a": 3}]}
    assert of_layer(listed, 0) is listed


# --- tables of names --------------------------------------------------------------------------------------


def test_names_that_could_stand_for_one() -> None:
    assert spellings("h.3.a.12.weight") == [
        ("h.#.a.#.weight", ["3", "12"], ""),
        ("h.#.a.#.*", ["3", "12"], "weight"),
        ("h.#.a.12.weight", ["3"], ""),
        ("h.#.a.12.*", ["3"], "weight"),
    ]
    assert spellings("w2.bias") == [("w2.bias", [], ""), ("w2.*", [], "bias")] * 2
    assert spellings("h.0") == [("h.#", ["0"], "")] * 2


def test_the_entries_of_a_table() -> None:
    fused = GateUp()
    table = Table(
        ("any",),
        {"norm.*": "final_norm.*"},
        {"up": fused, "q.*": "attention.query.*"},
        "h.#.",
        {"encoder.#.": ("encoder.layers.#.", {"q": "x"})},
    )
    assert table.entries() == {
        "norm.*": ("", Whole("final_norm.*")),
        "h.#.up": ("layers.#.", fused),
        "h.#.q.*": ("layers.#.", Whole("attention.query.*")),
        "encoder.#.q": ("encoder.layers.#.", Whole("x")),
    }
    assert set(Table(("any",), {}, {"q": "x"}).entries()) == {"layers.#.q"}


# --- embedding and experts --------------------------------------------------------------------------------


def test_a_model_saved_with_its_unembedding_alone() -> None:
    both = {"embedding.weight": view("embedding.weight"), "unembedding.weight": view("unembedding.weight")}
    assert with_embedding(dict(both)) == both
    only = {"embedding.weight": both["embedding.weight"]}
    assert with_embedding(dict(only)) == only
    found = with_embedding({"unembedding.weight": both["unembedding.weight"], "a": view("a")})
    assert set(found) == {"a", "embedding.weight"}
    assert found["embedding.weight"].role == "embedding.weight"
    assert found["embedding.weight"].source == "stored unembedding.weight"


def test_all_layers_have_the_same_experts() -> None:
    def counted(*numbers: tuple[int, int]) -> int:
        names = [f"layers.{layer}.feed_forward.experts.{expert}.up.weight" for layer, expert in numbers]
        others = ["final_norm.weight", "layers.0.feed_forward.up.weight", "encoder.layers.0.experts.4.up"]
        source = fpcore.MemoryCheckpoint("m", "0" * 64, {}, {})
        return count_experts(source, {name: view(name) for name in names + others})

    assert counted() == 0
    assert counted((1, 0), (1, 1), (3, 1), (3, 0)) == 2
    told = "part of the weights is missing"
    with pytest.raises(BadCheckpoint) as caught:
        counted((1, 0), (1, 1), (3, 0))
    assert str(caught.value) == f"m: layer 3 has 1 experts where other layers have 2; {told}"
    with pytest.raises(BadCheckpoint) as caught:
        counted((2, 0), (2, 2))
    assert str(caught.value) == f"m: layer 2 has 2 experts where other layers have 2; {told}"


def test_norms_that_store_the_gain_less_one() -> None:
    entries: dict[str, Entry] = {"norm.*": "final_norm.*", "up": GateUp()}
    assert shifted(entries) == {"norm.*": Whole("final_norm.*", shift=1.0)}
