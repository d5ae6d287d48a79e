"""Two layers compared by definition: maps formed, every pairing scored, samples taken by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pruned_tensors import pruned_tensors
from test_canonical_basis import Plain, layer as plain_layer
from test_matching import changed, signed_permutation, turned as turned_model
from test_metrics import model

import fpcore
from fpcore.features import layer_agreement as module, layer_weights
from fpcore.features.canonical_basis import expert_moments, second_moments, turn
from fpcore.features.layer_agreement import (
    CanonicalLayer,
    Units,
    agreement,
    beyond_chance,
    candidates,
    canonical_layers,
    cross_matched,
    expert_agreement,
    frame,
    head_agreement,
    is_wide,
    map_cosines,
    products,
    scaled,
    unit_agreement,
    units_of,
)
from fpcore.features.layer_weights import Array, Block
from fpcore.features.moment_sketch import sketched_expert, sketched_moments

WIDTH = 8


@dataclass
class Shared(Plain):
    """A layer in which two query heads share a key-value head."""

    width: int = WIDTH

    def each_head(self, shared: Array) -> Array:
        return shared.repeat(len(self.query) // len(self.key), axis=0)


def canonical(seed: int, heads: int = 4, kept: bool = True, width: int = WIDTH) -> CanonicalLayer:
    rng = np.random.default_rng(seed)
    parts = [rng.normal(size=(count, 3, width)) for count in (heads, heads // 2, heads // 2, heads)]
    experts = plain_layer(seed, width=width).experts
    return CanonicalLayer(Shared(*parts, experts, width), kept=kept)  # type: ignore[arg-type]


def noisy_layer(one: CanonicalLayer, order: list[int]) -> CanonicalLayer:
    """The same heads in another order, with noise; experts the other way round."""
    rng = np.random.default_rng(9)
    layer = one.layer
    shared = [order[place] // 2 for place in range(0, len(order), 2)]
    parts = [layer.query[order], layer.key[shared], layer.value[shared], layer.output[order]]
    parts = [part + 0.1 * rng.normal(size=part.shape) for part in parts]
    return CanonicalLayer(Shared(*parts, layer.experts[::-1]), kept=True)  # type: ignore[arg-type]


def beyond(cosines: Array, columns: tuple[int, ...] | range | list[int]) -> float:
    """Mean of the pairs less that of all others, so that 1 stays 1; rows in their order."""
    chosen = np.zeros(cosines.shape, dtype=bool)
    chosen[range(len(columns)), list(columns)] = True
    others = cosines[~chosen].mean()
    return float((cosines[chosen].mean() - others) / (1 - others))


def best(table: Array) -> list[int]:
    """Columns of the assignment with the largest sum, of all there are."""
    rows, columns = table.shape
    every = permutations(range(columns), rows)
    return list(max(every, key=lambda chosen: table[range(rows), chosen].sum()))


def crossed(first: Array, second: Array) -> float:
    return float(np.mean([beyond(second, best(first)), beyond(first, best(second))]))


def formed(one: CanonicalLayer, basis: Array | None, *, passing: bool) -> Array:
    """Maps of all heads, length one, in the stream of the other model; (heads, width, width)."""
    layer = one.layer
    own, shared = (layer.output, layer.value) if passing else (layer.query, layer.key)
    maps = np.einsum("hij,hik->hjk", own, layer.each_head(shared))
    maps /= np.linalg.norm(maps, axis=(1, 2), keepdims=True)
    return maps if basis is None else basis.T @ maps @ basis


def rotation(rows: int = WIDTH, columns: int = WIDTH) -> Array:
    return np.linalg.qr(np.random.default_rng(7).normal(size=(rows, rows)))[0][:, :columns]


@pytest.mark.parametrize("turned", [False, True])
def test_heads_by_the_cosines_of_their_maps(turned: bool) -> None:
    a, b = canonical(1), noisy_layer(canonical(1), [2, 3, 0, 1])
    basis = rotation() if turned else None
    tables = [
        np.einsum("ajk,bjk->ab", formed(a, basis, passing=passing), formed(b, None, passing=passing))
        for passing in (False, True)
    ]
    plain, matched = head_agreement(a, b, basis)
    assert plain == pytest.approx(np.mean([beyond(table, range(4)) for table in tables]))
    assert matched == pytest.approx(crossed(*tables))
    if not turned:
        assert plain < 0.2 < 0.8 < matched


def test_layers_of_other_heads_have_no_plain_agreement() -> None:
    a, b = canonical(1, heads=2), canonical(2, heads=4)
    plain, matched = head_agreement(a, b, None)
    assert plain == -np.inf
    tables = [
        np.einsum("ajk,bjk->ab", formed(a, None, passing=passing), formed(b, None, passing=passing))
        for passing in (False, True)
    ]
    assert matched == pytest.approx(crossed(*tables))
    assert head_agreement(b, a, None)[1] == pytest.approx(matched)


def test_maps_have_length_one_and_zeros_stay() -> None:
    one = canonical(3)
    for own, shared in ((one.query, one.key), (one.output, one.value)):
        maps = np.einsum("hij,hik->hjk", own, one.layer.each_head(shared))
        np.testing.assert_allclose(np.linalg.norm(maps, axis=(1, 2)), 1.0)
    assert one.key is one.layer.key
    assert one.value is one.layer.value
    assert one.query is one.query
    assert one.output is one.output
    own, other = np.ones((2, 3, 4)), np.ones((2, 3, 4))
    other[1] = 0.0
    np.testing.assert_allclose(scaled(own, other), [np.full((3, 4), 1 / 12), np.ones((3, 4))])
    np.testing.assert_allclose(scaled(1e-3 * own, other)[0], np.full((3, 4), 1 / 12))


@pytest.mark.parametrize("shapes", [((2, 3, 5), (4, 2, 6)), ((4, 2, 5), (2, 3, 6)), ((2, 3, 5), (2, 3, 6))])
def test_products_of_rows_whichever_side_is_turned(shapes: tuple[tuple[int, ...], ...]) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=shape) for shape in shapes)
    basis = rng.normal(size=(5, 6))
    np.testing.assert_allclose(products(a, b, basis), np.einsum("iaw,wv,jbv->iajb", a, basis, b))
    np.testing.assert_allclose(products(a, a, None), np.einsum("iaw,jbw->iajb", a, a))


def test_shared_maps_are_repeated_on_both_sides() -> None:
    rng = np.random.default_rng(1)
    own_a, own_b = rng.normal(size=(6, 2, 5)), rng.normal(size=(4, 3, 5))
    shared_a, shared_b = rng.normal(size=(2, 2, 5)), rng.normal(size=(2, 3, 5))
    found = map_cosines(own_a, shared_a, own_b, shared_b, None)
    left = np.einsum("hij,hik->hjk", own_a, shared_a[[0, 0, 0, 1, 1, 1]])
    right = np.einsum("hij,hik->hjk", own_b, shared_b[[0, 0, 1, 1]])
    np.testing.assert_allclose(found, np.einsum("ajk,bjk->ab", left, right))


def test_beyond_chance_by_definition() -> None:
    cosines = np.random.default_rng(2).uniform(-0.5, 1.0, (3, 5))
    pairs = (np.arange(3), np.array([4, 0, 2]))
    assert beyond_chance(cosines, pairs) == pytest.approx(beyond(cosines, [4, 0, 2]))
    assert beyond_chance(np.array([[0.25]]), (np.array([0]), np.array([0]))) == 0.25
    assert beyond_chance(np.eye(4), (np.arange(4), np.arange(4))) == 1.0
    assert beyond_chance(np.ones((2, 2)), (np.arange(2), np.arange(2))) == 0.0
    single = cosines.astype(np.float32)
    exact = single.astype(np.float64)
    assert beyond_chance(single, pairs) == pytest.approx(beyond(exact, [4, 0, 2]), rel=1e-14)


def test_each_table_is_scored_where_the_other_is_matched() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.uniform(-0.9, 0.9, (2, 4, 5))
    assert best(first) != best(second)
    assert cross_matched(first, second) == pytest.approx(crossed(first, second))
    assert cross_matched(first, second) == cross_matched(second, first)


def test_wide_blocks_are_matched_from_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_UNITS", 5)
    assert [[side.tolist() for side in pair] for pair in candidates(4, 5)] == [[[*range(4)], [*range(5)]]]
    sides = [([0, 2, 4, 6, 8], [*range(12)]), ([*range(9)], [0, 3, 6, 8, 11])]
    assert [tuple(side.tolist() for side in pair) for pair in candidates(9, 12)] == sides
    narrow = [([0, 1, 2], [*range(6)]), ([0, 1, 2], [0, 1, 2, 4, 5])]
    assert [tuple(side.tolist() for side in pair) for pair in candidates(3, 6)] == narrow
    assert [tuple(side.tolist() for side in pair[::-1]) for pair in candidates(6, 3)] == narrow[::-1]
    assert {side.dtype for pair in candidates(9, 12) for side in pair} == {np.dtype(np.int64)}


def drawn_units(seed: int, units: int, gate: bool = True, width: int = WIDTH) -> Units:
    return (
        units_of(Block(*np.random.default_rng(seed).normal(size=(3, units, width))))
        if gate
        else units_of(Block(None, *np.random.default_rng(seed).normal(size=(2, units, width))))
    )


@pytest.mark.parametrize("gates", [(True, True), (False, False), (True, False)])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("units", [(4, 4), (3, 5), (5, 3)])
def test_units_by_what_they_read_and_write(
    gates: tuple[bool, bool], turned: bool, units: tuple[int, int]
) -> None:
    """Of gated ones: what opens them, and their map, of which no sign or scale is left."""
    a, b = drawn_units(1, units[0], gates[0]), drawn_units(2, units[1], gates[1], 6 if turned else WIDTH)
    basis = rotation(WIDTH, 6) if turned else None

    def cosines(x: Array, y: Array) -> Array:
        return (x if basis is None else x @ basis) @ y.T

    reads, writes = cosines(a.up, b.up), cosines(a.down, b.down)
    if all(gates):
        reads, writes = cosines(a.gate, b.gate), reads * writes
    plain, matched = unit_agreement(a, b, basis)
    tables = [table if len(table) <= len(table.T) else table.T for table in (reads, writes)]
    assert matched == pytest.approx(crossed(*tables))
    if units[0] == units[1]:
        assert plain == pytest.approx(np.mean([beyond(table, range(4)) for table in tables]))
    else:
        assert plain == -np.inf


def test_a_sample_of_units_is_scored_among_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_UNITS", 3)
    a, b = drawn_units(1, 5), drawn_units(2, 5)
    some, every, matched, plain = [0, 2, 4], list(range(5)), [], []
    for left, right in ((some, every), (every, some)):
        gate, up, down = (x[left] @ y[right].T for x, y in ((a.gate, b.gate), (a.up, b.up), (a.down, b.down)))
        tables = [gate, up * down] if left is some else [gate.T, (up * down).T]
        matched.append(crossed(*tables))
        plain += [beyond(table, some) for table in tables]
    assert unit_agreement(a, b, None) == pytest.approx((np.mean(plain), np.mean(matched)))


def test_experts_are_paired_before_their_units() -> None:
    a, b = canonical(1), noisy_layer(canonical(1), [0, 1, 2, 3])
    assert [len(expert.up) for expert in (*a.layer.experts, *b.layer.experts)] == [5, 7, 7, 5]
    same = [unit_agreement(a.units(i), b.units(1 - i), None) for i in (0, 1)]
    assert expert_agreement(a, b, None) == pytest.approx(tuple(np.mean(same, axis=0)))
    assert np.min(same) > 0.8
    basis = rotation()
    moments = [
        [turn(each, basis) for each in expert_moments(a.layer.experts)],
        expert_moments(b.layer.experts),
    ]
    table = np.array(
        [
            [np.mean([np.sum(x * y) for x, y in zip(p, q, strict=True)]) for q in moments[1]]
            for p in moments[0]
        ]
    )
    found = [unit_agreement(a.units(i), b.units(j), basis) for i, j in enumerate(best(table))]
    assert expert_agreement(a, b, basis) == pytest.approx(tuple(np.mean(found, axis=0)))


@pytest.mark.parametrize("swapped", [False, True])
def test_a_dense_block_takes_its_best_expert(swapped: bool) -> None:
    mixture, dense = canonical(1), canonical(1)
    dense.layer.experts = mixture.layer.experts[1:]
    pair = (dense, mixture) if swapped else (mixture, dense)
    same = unit_agreement(dense.units(0), mixture.units(1), None)
    assert expert_agreement(*pair, None) == pytest.approx(same)
    assert min(same) > 0.8


def test_dense_blocks_are_compared_with_each_other() -> None:
    a, b = canonical(1), canonical(4)
    for one in (a, b):
        one.layer.experts = one.layer.experts[:1]
    found = expert_agreement(a, b, None)
    assert found == pytest.approx(unit_agreement(a.units(0), b.units(0), None))


def test_agreement_is_of_heads_and_of_experts() -> None:
    a, b, basis = canonical(1), canonical(2), rotation()
    found = agreement(a, b, basis)
    heads, experts = head_agreement(a, b, basis), expert_agreement(a, b, basis)
    assert found.plain.tolist() == [heads[0], experts[0]]
    assert found.matched.tolist() == [heads[1], experts[1]]


def test_units_of_length_one_are_kept_with_the_weights() -> None:
    for kept in (True, False):
        one = canonical(1, kept=kept)
        units = one.units(1)
        for rows, source in zip((units.gate, units.up[1:], units.down), ("gate", "up", "down"), strict=True):
            np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0)
            assert rows.shape[1] == getattr(one.layer.experts[1], source).shape[1]
        assert (one.units(1) is units) == kept
    assert units_of(Block(None, np.ones((2, 3)), np.ones((2, 3)))).gate is None


def test_wide_streams_are_sketched(monkeypatch: pytest.MonkeyPatch) -> None:
    one, basis = canonical(1), rotation(WIDTH, 6)
    monkeypatch.setattr(module, "WIDE", WIDTH)
    assert [is_wide(one.layer, width) for width in (3, WIDTH, WIDTH + 1)] == [False, False, True]
    assert is_wide(canonical(1, width=WIDTH + 1).layer, 3)

    def same(found: object, expected: object) -> None:
        for x, y in zip(np.array(found), np.array(expected), strict=True):
            np.testing.assert_allclose(x, y)

    experts = one.layer.experts
    whole = expert_moments(experts)
    same(one.moments_in([basis], 6), [turn(second_moments(one.layer), basis)])
    same(one.moments_in([None], 6), [second_moments(one.layer)])
    same(one.expert_moments_in(basis, 6), [turn(each, basis) for each in whole])
    assert one.moments is one.moments
    assert one.expert_moments is one.expert_moments
    monkeypatch.setattr(module, "WIDE", WIDTH - 1)
    same(one.moments_in([basis], 6), sketched_moments(one.layer, [basis], 6))
    same(one.expert_moments_in(basis, 6), [sketched_expert(each, basis, 6) for each in experts])


def test_layers_are_kept_with_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    one = model(seed=1)
    layers = canonical_layers(one)
    assert canonical_layers(one) is layers
    assert len(layers) == len(list(layers)) == 5
    assert layers[1] is layers[1]
    assert [each.layer for each in layers] == list(layers.layers)
    assert layers[1].units(0) is layers[1].units(0)
    monkeypatch.setattr(layer_weights, "KEPT", 0)
    layers = canonical_layers(model(seed=1))
    assert layers[1] is not layers[1]
    assert layers[1].layer.heads == 4
    again = layers[1]
    assert again.units(0) is not again.units(0)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tokens") / "tokenizer.json"
    file.write_text(json.dumps({"model": {"type": "BPE", "vocab": {f"word{i}": i for i in range(40)}}}))
    return file


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[int], str, int]]:
    """Places of layers, what is told of them, and the bytes that one of them takes, model by model."""
    found: list[tuple[list[int], str, int]] = []

    def noted(
        work: Callable[[int], Any],
        places: Sequence[int],
        models: Sequence[fpcore.Checkpoint],
        *,
        what: str,
        size: int,
    ) -> list[Any]:
        assert [each.architecture.width for each in models] == [16, 16], "they say how many threads there are"
        found.append((list(places), what, size))
        return [work(place) for place in places]

    monkeypatch.setattr(module, "each_layer", noted)
    return found


def test_where_one_basis_is_left_nothing_is_looked_at(looked_at: list[object], tokenizer: Path) -> None:
    a, b = changed(model(seed=1), {}, tokenizer), changed(model(seed=2), {}, None)
    found = frame(a, b)
    assert found.basis is None
    assert found.rows.tolist() == found.columns.tolist() == [0, 1, 2, 3, 4]
    wide = changed(model(seed=2, hidden_size=32, head_dim=8), {}, tokenizer)
    found = frame(a, wide)
    assert found.basis is not None
    assert found.basis.shape == (16, 32)
    assert found.rows.tolist() == found.columns.tolist() == [0, 1, 2, 3, 4]
    one = frame(*(changed(model(seed=seed, num_hidden_layers=1), {}, None) for seed in (1, 2)))
    assert one.rows.tolist() == one.columns.tolist() == [0]
    assert looked_at == []


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("large", [False, True])
def test_the_better_basis_is_found_by_a_few_layers_of_wide_models(
    monkeypatch: pytest.MonkeyPatch,
    looked_at: list[tuple[list[int], str, int]],
    tokenizer: Path,
    wide: bool,
    large: bool,
) -> None:
    monkeypatch.setattr(module, "DECIDING", 3)
    if wide:
        monkeypatch.setattr(module, "WIDE", 15)
    if large:
        monkeypatch.setattr(layer_weights, "KEPT", 0)
    a = changed(model(seed=1), {}, tokenizer)
    matrix = signed_permutation(3)
    found = frame(a, turned_model(model(seed=1), matrix, tokenizer))
    np.testing.assert_allclose(found.basis, matrix.numpy(), atol=1e-5)
    assert found.rows.tolist() == found.columns.tolist() == [0, 1, 2, 3, 4]
    places = [0, 2, 4] if wide else [0, 1, 2, 3, 4]
    size = canonical_layers(a).layers.size_of("attention", "feed_forward")
    assert (size > 0) == large
    assert looked_at == [(places, "second moments of layers", size)] * 2
    # The embedding says nothing, the dimensions stand as they are.
    new = {"model.embed_tokens.weight": model(seed=2).read("model.embed_tokens.weight")}
    assert frame(a, changed(model(seed=1), new, tokenizer)).basis is None


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("swapped", [False, True])
def test_layers_of_other_depths_are_all_looked_at(
    monkeypatch: pytest.MonkeyPatch,
    looked_at: list[tuple[list[int], str, int]],
    tokenizer: Path,
    wide: bool,
    swapped: bool,
) -> None:
    monkeypatch.setattr(module, "DECIDING", 3)
    if wide:
        monkeypatch.setattr(module, "WIDE", 15)
    whole, short, kept = model(seed=1, num_hidden_layers=6), model(seed=1, num_hidden_layers=4), (0, 2, 3, 5)
    tensors = pruned_tensors(whole, short, kept)
    matrix = signed_permutation(3)
    child = turned_model(changed(short, tensors, None), matrix, tokenizer)
    pair: list[fpcore.Checkpoint] = [changed(whole, {}, tokenizer), child]
    if swapped:
        pair.reverse()
    found = frame(*pair)
    assert found.basis is not None
    np.testing.assert_allclose(found.basis, matrix.numpy().T if swapped else matrix.numpy(), atol=1e-5)
    sides = [found.rows.tolist(), found.columns.tolist()]
    assert sides == ([[0, 1, 2, 3], [*kept]] if swapped else [[*kept], [0, 1, 2, 3]])
    assert [len(places) for places, _, _ in looked_at] == ([4, 6] if swapped else [6, 4])
