"""Layers from stored matrices: heads apart, gains folded in, experts in their order, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch

from fpcore import MemoryCheckpoint, NotComparable
from fpcore.anatomy import RoleView
from fpcore.anatomy.roles import Roles
from fpcore.anatomy.tensor_layouts import View
from fpcore.features import layer_weights as module
from fpcore.features.layer_weights import Layers, layers_of

WIDTH, DIM, UNITS = 10, 3, 5
ATTENTION = {
    "query": (4 * DIM, WIDTH),
    "key": (2 * DIM, WIDTH),
    "value": (2 * DIM, WIDTH),
    "output": (WIDTH, 12),
}
BLOCK = {"gate": (UNITS, WIDTH), "up": (UNITS, WIDTH), "down": (WIDTH, UNITS)}
CONFIG = {
    "model_type": "llama",
    "hidden_size": WIDTH,
    "intermediate_size": UNITS,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": DIM,
    "vocab_size": 7,
}

Shapes = Mapping[str, tuple[int, ...]]


class ByRole(MemoryCheckpoint):
    """A model whose tensors are stored under the names of their roles."""

    @property
    def roles(self) -> Roles:
        views = {name: RoleView(name, name, info.shape, View(), self) for name, info in self.tensors.items()}
        return Roles(views, depth=3)


def shapes_of(number: int, attention: Shapes = ATTENTION, block: str = "", parts: Shapes = BLOCK) -> Shapes:
    here = f"layers.{number}."
    return {f"{here}attention.{part}.weight": shape for part, shape in attention.items()} | {
        f"{here}feed_forward.{block}{part}.weight": shape for part, shape in parts.items()
    }


def norms(number: int, *names: str) -> Shapes:
    return {f"layers.{number}.{name}.weight": (WIDTH,) for name in names}


def stored(*shapes: Shapes, **config: int) -> ByRole:
    rng = torch.Generator().manual_seed(1)
    every = {name: shape for each in shapes for name, shape in each.items()}
    tensors = {name: torch.randn(shape, generator=rng) for name, shape in every.items()}
    return ByRole("by role", "by role", CONFIG | config, tensors)


def numbers(model: ByRole, name: str) -> np.ndarray:
    return model.read(name).double().numpy()


@pytest.fixture(params=["kept", "read each time"])
def kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param != "kept":
        monkeypatch.setattr(module, "KEPT", 0)
    return bool(request.param == "kept")


def test_heads_come_apart_with_the_gain_of_their_norm(kept: bool) -> None:
    model = stored(shapes_of(0), shapes_of(1), norms(0, "attention.norm"), norms(1, "feed_forward.norm"))
    layers = layers_of(model)
    assert (len(layers), layers.numbers, layers.small) == (2, (0, 1), kept)
    kind = np.float64 if kept else np.float32
    for number, layer in enumerate(layers):
        here = f"layers.{number}.attention."
        gain = numbers(model, here + "norm.weight") if number == 0 else 1.0
        assert (layer.heads, layer.shared, layer.group, layer.width) == (4, 2, 2, WIDTH)
        for part, heads in (("query", 4), ("key", 2), ("value", 2)):
            expected = (numbers(model, f"{here}{part}.weight") * gain).reshape(heads, DIM, WIDTH)
            found = getattr(layer, part)
            assert found.dtype == kind
            np.testing.assert_allclose(found, expected, rtol=1e-6)
            assert getattr(layer, part) is found
        expected = numbers(model, here + "output.weight").T.reshape(4, DIM, WIDTH)
        np.testing.assert_allclose(layer.output, expected, rtol=1e-6)


def test_shared_heads_are_repeated_and_own_ones_summed() -> None:
    model = stored(shapes_of(0))
    layer = layers_of(model)[0]
    np.testing.assert_array_equal(layer.each_head(layer.key), layer.key[[0, 0, 1, 1]])
    np.testing.assert_allclose(layer.by_group(layer.query), layer.query[::2] + layer.query[1::2])
    alone = {**ATTENTION, "key": (4 * DIM, WIDTH), "value": (4 * DIM, WIDTH)}
    layer = layers_of(stored(shapes_of(0, alone)))[0]
    assert layer.group == 1
    assert layer.by_group(layer.query) is layer.query


def test_values_may_be_of_another_width_than_keys() -> None:
    attention = {**ATTENTION, "value": (2 * 5, WIDTH), "output": (WIDTH, 4 * 7)}
    layer = layers_of(stored(shapes_of(0, attention)))[0]
    assert layer.value.shape == (2, 5, WIDTH)
    assert layer.output.shape == (4, 7, WIDTH)


@pytest.mark.parametrize(
    ("around", "gain"),
    [
        (("attention.norm", "feed_forward.norm"), "feed_forward.norm"),
        (("attention.norm",), "attention.norm"),
        (("attention.norm", "feed_forward.post_norm"), None),
        (("feed_forward.norm", "feed_forward.post_norm"), "feed_forward.norm"),
        (("feed_forward.post_norm",), None),
        ((), None),
    ],
)
def test_units_read_through_the_norm_before_them(
    around: tuple[str, ...], gain: str | None, kept: bool
) -> None:
    model = stored(shapes_of(0), norms(0, *around))
    (block,) = layers_of(model)[0].experts
    scale = 1.0 if gain is None else numbers(model, f"layers.0.{gain}.weight")
    for part in ("gate", "up"):
        expected = numbers(model, f"layers.0.feed_forward.{part}.weight") * scale
        np.testing.assert_allclose(getattr(block, part), expected, rtol=1e-6)
    np.testing.assert_allclose(block.down, numbers(model, "layers.0.feed_forward.down.weight").T, rtol=1e-6)
    assert block.shape == (UNITS, WIDTH)
    for part in ("gate", "up", "down"):
        found = getattr(block, part)
        assert found.shape == block.shape
        assert (getattr(block, part) is found) == kept


def test_experts_come_in_their_order_and_the_shared_one_last() -> None:
    several = [shapes_of(0, block=f"experts.{number}.") for number in range(11)]
    plain = {part: shape for part, shape in BLOCK.items() if part != "gate"}
    shared = shapes_of(0, block="shared_expert.", parts=plain)
    model = stored(*several, shared, shapes_of(0, parts=BLOCK))
    experts = layers_of(model)[0].experts
    blocks = [*(f"experts.{number}." for number in range(11)), "", "shared_expert."]
    assert len(experts) == len(blocks)
    for expert, block in zip(experts, blocks, strict=True):
        np.testing.assert_array_equal(expert.up, numbers(model, f"layers.0.feed_forward.{block}up.weight"))
    assert [expert.gate is None for expert in experts] == [False] * 12 + [True]


def test_layers_without_both_blocks_are_left_out() -> None:
    only = stored(
        shapes_of(0),
        shapes_of(1, parts={}),
        shapes_of(2, block="experts.0."),
        norms(1, "attention.norm"),
    )
    assert layers_of(only).numbers == (0, 2)
    for part in ATTENTION:
        less = {name: shape for name, shape in ATTENTION.items() if name != part}
        assert layers_of(stored(shapes_of(0), shapes_of(1, less))).numbers == (0,)
    assert layers_of(stored(shapes_of(1, {}), shapes_of(2, block="shared_expert."))).numbers == (2,)
    for nothing in (stored(shapes_of(0, parts={})), stored(shapes_of(1, parts={}), shapes_of(0, {}))):
        with pytest.raises(
            NotComparable, match=r"^no layer has both plain attention and a feed-forward block$"
        ):
            layers_of(nothing)


@pytest.mark.parametrize("part", ATTENTION)
def test_attention_must_read_and_write_the_stream(part: str) -> None:
    message = rf"^attention without a plain {part} projection$"
    without = {name: shape for name, shape in ATTENTION.items() if name != part}
    turned = {**ATTENTION, part: ATTENTION[part][::-1] if part in {"key", "value"} else (12, 9)}
    if part == "output":
        turned["output"] = (9, 12)
    for attention in (without, turned):
        with pytest.raises(NotComparable, match=message):
            layers_of(stored(shapes_of(0, attention)))
    with pytest.raises(NotComparable, match=message):
        layers_of(stored(shapes_of(0), shapes_of(1, turned)))


@pytest.mark.parametrize(
    ("attention", "reason"),
    [
        ({"query": (4 * DIM + 1, WIDTH)}, "the query projection does not have a whole number of heads"),
        ({"query": (2 * DIM + 2, WIDTH)}, "the query projection does not have a whole number of heads"),
        ({"key": (2 * DIM + 2, WIDTH)}, "the key projection does not have a whole number of heads"),
        ({"query": (DIM - 1, WIDTH)}, "the query projection does not have a whole number of heads"),
        ({"key": (2 * DIM + 1, WIDTH)}, "the key projection does not have a whole number of heads"),
        ({"key": (1, WIDTH)}, "the key projection does not have a whole number of heads"),
        ({"value": (5, WIDTH)}, "the value projection does not have a whole number of heads"),
        ({"output": (WIDTH, 4 * DIM + 2)}, "the output projection does not have a whole number of heads"),
        ({"key": (3 * DIM, WIDTH), "value": (3 * DIM, WIDTH)}, "query, key and output heads do not match"),
    ],
)
def test_what_are_no_heads_is_refused(attention: Shapes, reason: str) -> None:
    layers = layers_of(stored(shapes_of(0, {**ATTENTION, **attention})))
    with pytest.raises(NotComparable, match=f"^{reason}"):
        layers[0]


def test_without_a_width_of_heads_there_are_none() -> None:
    model = stored(shapes_of(0))
    model.architecture = replace(model.architecture, head_dim=None)
    with pytest.raises(NotComparable, match=r"^the query projection does not have a whole number of heads$"):
        layers_of(model)[0]


@pytest.mark.parametrize(
    ("gain", "dim"),
    [
        ((6,), 6),  # each head has a norm of its own
        ((2,), 2),
        ((12,), DIM),  # one norm of all heads
        ((24,), DIM),
        ((5,), DIM),  # of no head
        ((4, DIM), DIM),
        (None, DIM),
    ],
)
def test_a_norm_of_queries_tells_the_width_of_heads(gain: tuple[int, ...] | None, dim: int) -> None:
    norm = {} if gain is None else {"layers.0.attention.query_norm.weight": gain}
    layer = layers_of(stored(shapes_of(0), norm))[0]
    assert (layer.heads, layer.shared) == (12 // dim, 6 // dim)


def test_a_model_is_kept_if_its_layers_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    model = stored(shapes_of(0), norms(0, "attention.norm"), {"embedding.weight": (100, WIDTH)})
    size = (12 + 6 + 6 + 12 + 3 * UNITS + 1) * WIDTH
    for most, small in ((size, True), (size - 1, False)):
        monkeypatch.setattr(module, "KEPT", most)
        layers = Layers(model)
        assert (layers.size(), layers.small) == (size, small)
        assert (layers[0] is layers[0]) == small
        assert [each.width for each in layers] == [WIDTH]
        for index in (-1, 1):
            with pytest.raises(IndexError, match=str(index)):
                layers[index]


def test_the_largest_layer_says_what_work_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = {"gate": (9, WIDTH), "up": (9, WIDTH), "down": (WIDTH, 9)}
    model = stored(
        shapes_of(0),
        shapes_of(1, block="experts.0."),
        shapes_of(1, {}, block="experts.1."),
        shapes_of(2, {}, parts=wide),
        shapes_of(2, {}, block="shared_expert.", parts=wide),
        {"embedding.weight": (100, WIDTH)},
    )
    assert layers_of(model).size_of("attention", "feed_forward") == 0, "what is kept is not made again"
    monkeypatch.setattr(module, "KEPT", 0)
    layers = Layers(model)
    assert layers.numbers == (0, 1)
    attention, block = 4 * 36 * WIDTH, 4 * 3 * UNITS * WIDTH
    assert layers.size_of("attention") == attention
    assert layers.size_of("feed_forward") == 2 * block
    assert layers.size_of("attention", "feed_forward") == attention + 2 * block
    assert layers.size_of() == 0


def test_layers_of_a_model_are_made_once() -> None:
    model = stored(shapes_of(0))
    assert layers_of(model) is layers_of(model)
