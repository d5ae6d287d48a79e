"""Roles of a GGUF file's tensors, from their names and shapes alone."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from dataclasses import replace

import pytest
from named_shapes import NamedShapes

from fpcore.anatomy.tensor_layouts import View
from fpcore.checkpoints.gguf_roles import EXPERTS, LAYER, TOP, gguf_views
from fpcore.checkpoints.gguf_shape import GgufShape
from fpcore.errors import BadCheckpoint

# Three layers; the second has other heads, the third none.
SHAPE = GgufShape("any", (4, 6, 0), (2, 3, 0), 8, 0, 0, False, 0)
Found = dict[str, tuple[str, View]]


def roles(shapes: Mapping[str, tuple[int, ...]], shape: GgufShape = SHAPE) -> Found:
    source = NamedShapes(shapes)
    found = gguf_views(source, shape)
    for role, one in found.items():
        assert one.role == role
        assert one.shape == one.view.shape(shapes[one.source])
        assert one.checkpoint is source
        assert {type(one.view.start), type(one.view.stop)} <= {int, type(None)}
    return {role: (one.source, one.view) for role, one in found.items()}


def of_layer(
    parts: Mapping[str, tuple[int, ...]], shape: GgufShape = SHAPE, layer: int = 1
) -> dict[str, View]:
    """Role within a layer → view, of tensors given by what follows the layer's number."""
    before = f"layers.{layer}."
    found = roles({f"blk.{layer}.{part}": size for part, size in parts.items()}, shape)
    assert all(role.startswith(before) for role in found)
    return {role.removeprefix(before): view for role, (_, view) in found.items()}


def test_tensors_outside_the_layers() -> None:
    for name, role in TOP.items():
        for kind in ("weight", "bias"):
            assert roles({f"{name}.{kind}": (9, 8)}) == {f"{role}.{kind}": (f"{name}.{kind}", View())}
    assert set(roles({"unheard.of.weight": (9,)})) == {"other.unheard.of.weight"}
    shape = {"token_embd_norm.weight": (8,)}
    for architecture in ("lfm2", "lfm2moe"):
        assert set(roles(shape, replace(SHAPE, architecture=architecture))) == {"final_norm.weight"}
        others = roles({"token_embd.weight": (9, 8)}, replace(SHAPE, architecture=architecture))
        assert set(others) == {"embedding.weight"}
    assert set(roles(shape)) == {"embedding_norm.weight"}


@pytest.mark.parametrize("part", [part for part in LAYER if part != "attn_norm"])
def test_tensors_of_a_layer_that_are_one_role(part: str) -> None:
    expected = {f"{LAYER[part]}.{kind}": View() for kind in ("weight", "bias")}
    assert of_layer({f"{part}.weight": (8, 8), f"{part}.bias": (8,)}) == expected


def test_names_of_other_kinds() -> None:
    found = of_layer({"exp_probs_b.bias": (4,), "ssm_a": (4,), "attn_sinks.weight": (4,), "odd.scales": (1,)})
    assert set(found) == {
        "feed_forward.router.correction_bias",
        "other.ssm_a.weight",
        "other.attn_sinks.weight",
        "other.odd.scales.weight",
    }


def test_two_tensors_of_one_role() -> None:
    with pytest.raises(BadCheckpoint) as caught:
        roles({"output_norm.weight": (8,), "dec.output_norm.weight": (8,)})
    told = "dec.output_norm.weight and output_norm.weight both have the role final_norm.weight"
    assert str(caught.value) == f"x: {told}; is this a single model?"


def test_layers_of_encoder_and_decoder() -> None:
    both = {"enc.blk.0.ffn_up.weight": (9, 8), "dec.blk.2.ffn_up.weight": (9, 8)}
    assert {role: name for role, (name, _) in roles(both).items()} == {
        "encoder.layers.0.feed_forward.up.weight": "enc.blk.0.ffn_up.weight",
        "layers.2.feed_forward.up.weight": "dec.blk.2.ffn_up.weight",
    }
    assert set(roles({"enc.blk.0.ffn_up.weight": (9, 8)})) == {"layers.0.feed_forward.up.weight"}


def cut(role: str, start: int, stop: int, groups: int = 1, **more: int) -> dict[str, View]:
    return {role: View(start=start, stop=stop, groups=groups, **more)}


def test_query_key_and_value_in_one() -> None:
    parts = (("query", 0, 48), ("key", 48, 72), ("value", 72, 96))
    for kind, shape in (("weight", (96, 8)), ("bias", (96,))):
        assert of_layer({f"attn_qkv.{kind}": shape}) == {
            f"attention.{part}.{kind}": View(start=start, stop=stop) for part, start, stop in parts
        }
    other = of_layer({"attn_qkv.weight": (87, 8)}, replace(SHAPE, value_dim=5))
    assert other["attention.value.weight"] == View(start=72, stop=87)


@pytest.mark.parametrize(
    ("layer", "rows", "told"),
    [
        (1, 95, "95 rows where 6 query and 3 key-value heads of 8 need 96"),
        (2, 0, "0 rows where 0 query and 0 key-value heads of 8 need 0"),
        (3, 96, "96 rows where 0 query and 0 key-value heads of 8 need 0"),
    ],
)
def test_rows_that_are_no_query_key_and_value(layer: int, rows: int, told: str) -> None:
    with pytest.raises(BadCheckpoint) as caught:
        of_layer({"attn_qkv.weight": (rows, 8)}, layer=layer)
    assert str(caught.value) == f"x: attn_qkv has {told}; is its metadata right?"


@pytest.mark.parametrize("recurrent", ["ssm_out", "shortconv.conv", "time_mix_key"])
def test_in_a_recurrent_layer_they_are_something_else(recurrent: str) -> None:
    found = of_layer({"attn_qkv.weight": (7, 8), f"{recurrent}.weight": (8, 8)})
    assert set(found) == {"other.attn_qkv.weight", f"other.{recurrent}.weight"}
    assert found["other.attn_qkv.weight"] == View()


@pytest.mark.parametrize("architecture", ["qwen3next", "qwen35", "qwen35moe", "qwen4exp"])
def test_a_query_with_its_gate(architecture: str) -> None:
    shape = replace(SHAPE, architecture=architecture)
    gated = cut("attention.query.weight", 0, 8, 6) | cut("attention.gate.weight", 8, 16, 6)
    assert of_layer({"attn_q.weight": (96, 8)}, shape) == gated
    plain = {"attention.query.weight": View()}
    assert of_layer({"attn_q.weight": (48, 8)}, shape) == plain
    assert of_layer({"attn_q.weight": (96, 8)}) == plain
    assert of_layer({"attn_q.weight": (0, 8)}, shape, layer=2) == plain
    one = replace(shape, heads=(1,) * 2, key_dim=1)
    assert of_layer({"attn_q.weight": (2, 8)}, one)["attention.gate.weight"] == View(start=1, stop=2)


LATENT = replace(SHAPE, latent=5, rotary=3, key_dim=8)


def test_latent_attention() -> None:
    assert of_layer({"attn_kv_a_mqa.weight": (9, 8)}, LATENT) == (
        cut("attention.latent.down.weight", 0, 5) | cut("attention.key_position.weight", 5, 9)
    )
    # Six heads of 11 rows: five of the key, which has no position here, and six of the value.
    assert of_layer({"attn_kv_b.weight": (66, 5)}, LATENT) == (
        cut("attention.key.weight", 0, 5, 6) | cut("attention.value.weight", 5, 11, 6)
    )
    stated = replace(LATENT, value_dim=4)
    assert of_layer({"attn_kv_b.weight": (66, 5)}, stated) == (
        cut("attention.key.weight", 0, 7, 6) | cut("attention.value.weight", 7, 11, 6)
    )
    narrow = replace(LATENT, value_dim=10)
    assert of_layer({"attn_kv_b.weight": (66, 5)}, narrow)["attention.key.weight"].stop == 1


@pytest.mark.parametrize(
    ("shape", "layer", "rows", "told"),
    [
        (LATENT, 1, 65, "65 rows, which are no 6 heads of keys and values 8 wide"),
        (LATENT, 1, 30, "30 rows, which are no 6 heads of keys and values 8 wide"),
        (LATENT, 2, 66, "66 rows, which are no 0 heads of keys and values 8 wide"),
        (replace(LATENT, value_dim=11), 1, 66, "66 rows, which are no 6 heads of keys and values 11 wide"),
        (replace(LATENT, rotary=8), 1, 66, "66 rows, which are no 6 heads of keys and values 8 wide"),
    ],
)
def test_rows_that_are_no_keys_and_values(shape: GgufShape, layer: int, rows: int, told: str) -> None:
    with pytest.raises(BadCheckpoint) as caught:
        of_layer({"attn_kv_b.weight": (rows, 5)}, shape, layer=layer)
    assert str(caught.value) == f"x: attn_kv_b has {told}; is its metadata right?"


def test_experts() -> None:
    for part, role in EXPERTS.items():
        assert of_layer({f"{part}.weight": (3, 9, 8), f"{part}.bias": (3, 9)}) == {
            f"feed_forward.experts.{expert}.{role}.{kind}": View(expert=expert)
            for kind in ("weight", "bias")
            for expert in range(3)
        }
        one = part.removesuffix("_exps") + ".11.weight"
        assert of_layer({one: (9, 8)}) == {f"feed_forward.experts.11.{role}.weight": View()}
    both: dict[str, View] = {}
    for expert in range(2):
        both |= cut(f"feed_forward.experts.{expert}.gate.weight", 0, 9, expert=expert)
        both |= cut(f"feed_forward.experts.{expert}.up.weight", 9, 18, expert=expert)
    assert of_layer({"ffn_gate_up_exps.weight": (2, 18, 8)}) == both


@pytest.mark.parametrize("part", [*EXPERTS, "ffn_gate_up_exps"])
def test_a_stack_that_claims_endless_experts(part: str) -> None:
    tracemalloc.start()
    with pytest.raises(BadCheckpoint, match=f"^x: {part} holds 20,000 experts; the limit is 16,384$"):
        of_layer({f"{part}.weight": (20_000, 0, 0)})
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1 << 20


def test_a_gate_in_the_up_projection() -> None:
    for up, down, gate, here in (
        ("ffn_up", "ffn_down", "ffn_gate", "feed_forward"),
        ("ffn_up_shexp", "ffn_down_shexp", "ffn_gate_shexp", "feed_forward.shared_expert"),
    ):
        halves = cut(f"{here}.gate.weight", 0, 9) | cut(f"{here}.up.weight", 9, 18)
        whole = {f"{here}.up.weight": View()}
        rest = {f"{here}.down.weight": View()}
        assert of_layer({f"{up}.weight": (18, 8), f"{down}.weight": (8, 9)}) == halves | rest
        assert of_layer({f"{up}.weight": (9, 8), f"{down}.weight": (8, 9)}) == whole | rest
        assert of_layer({f"{up}.weight": (18, 8), f"{down}.bias": (8,)}) == whole | {
            f"{here}.down.bias": View()
        }
        assert set(of_layer({f"{up}.bias": (18,), f"{down}.weight": (8, 9)})) == {
            f"{here}.up.bias",
            f"{here}.down.weight",
        }
        beside = of_layer({f"{up}.weight": (18, 8), f"{down}.weight": (8, 9), f"{gate}.weight": (18, 8)})
        assert beside == whole | rest | {f"{here}.gate.weight": View()}
        with_bias = of_layer({f"{up}.bias": (18,), f"{up}.weight": (18, 8), f"{down}.weight": (8, 9)})
        assert with_bias[f"{here}.up.bias"] == View(start=9, stop=18)


NORMS: list[tuple[str, set[str], str]] = [
    ("attn_norm", {"attn_q"}, "attention.norm"),
    ("attn_norm", {"attn_qkv"}, "attention.norm"),
    ("attn_norm", {"attn_kv_a_mqa"}, "attention.norm"),
    ("attn_norm", {"ffn_norm"}, "attention.norm"),
    ("attn_norm", {"post_attention_norm"}, "attention.norm"),
    ("attn_norm", {"ffn_up"}, "feed_forward.norm"),
    ("attn_norm", {"ssm_out"}, "other.attn_norm"),
    ("attn_norm", {"ssm_out", "attn_q"}, "attention.norm"),
    ("attn_norm", {"attn_norm_2", "attn_q"}, "feed_forward.norm"),
    ("attn_norm_2", {"attn_norm", "attn_q"}, "attention.norm"),
    ("post_attention_norm", {"ffn_norm"}, "attention.post_norm"),
    ("post_attention_norm", {"post_ffw_norm"}, "attention.post_norm"),
    ("post_attention_norm", {"attn_norm"}, "feed_forward.norm"),
]


@pytest.mark.parametrize(("part", "others", "role"), NORMS)
def test_what_a_norm_stands_before_or_behind(part: str, others: set[str], role: str) -> None:
    shapes = {f"blk.1.{other}.weight": (96, 8) if other == "attn_qkv" else (8,) for other in others}
    found = roles({f"blk.1.{part}.weight": (8,)} | shapes)
    assert found[f"layers.1.{role}.weight"] == (f"blk.1.{part}.weight", View())
