"""Bases and second moments by their definitions, whole and by what they make of directions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from test_matching import changed, signed_permutation, turned
from test_metrics import model

from fpcore import NotComparable
from fpcore.features import moment_sketch, shared_tokens
from fpcore.features.canonical_basis import (
    MARGIN,
    best_basis,
    candidate_bases,
    centred,
    embedding_map,
    expert_moments,
    gram,
    moment_cosine,
    second_moments,
    spans,
    turn,
)
from fpcore.features.layer_weights import Array, Block, Layer
from fpcore.features.moment_sketch import sketched_expert, sketched_moments
from fpcore.features.shared_tokens import aligning_rows

WIDTH = 8


@dataclass
class Plain:
    """What of a layer counts here."""

    query: Array
    key: Array
    value: Array
    output: Array
    experts: tuple[Block, ...]


def layer(seed: int, gates: bool = True, width: int = WIDTH) -> Layer:
    rng = np.random.default_rng(seed)
    heads = [rng.normal(size=(count, 3, width)) for count in (4, 2, 2, 4)]
    experts = []
    for units in (5, 7):
        gate, up, down = rng.normal(size=(3, units, width))
        up[0] = 0.0  # a unit that was never used
        experts.append(Block(gate if gates else None, up, down))
    return Plain(*heads, tuple(experts))  # type: ignore[return-value]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tokens") / "tokenizer.json"
    file.write_text(json.dumps({"model": {"type": "BPE", "vocab": {f"word{i}": i for i in range(40)}}}))
    return file


def projections(heads: Array) -> Array:
    return sum(np.linalg.pinv(rows) @ rows for rows in heads)


def outer_products(*blocks: Array) -> Array:
    total = np.zeros((blocks[0].shape[1],) * 2)
    for row in np.concatenate(blocks):
        if row.any():
            total += np.outer(row, row) / (row @ row)
    return total


def by_definition(one: Layer) -> list[Array]:
    """Moments of all parts, neither centred nor of length one."""
    reading = [expert.up for expert in one.experts]
    reading += [expert.gate for expert in one.experts if expert.gate is not None]
    return [
        projections(one.query) + projections(one.key),
        projections(one.value),
        projections(one.output),
        outer_products(*reading),
        outer_products(*(expert.down for expert in one.experts)),
    ]


def less_its_trace(moments: Array) -> Array:
    return moments - np.trace(moments) / len(moments) * np.eye(len(moments))


def of_length_one(values: Array) -> Array:
    return values / np.linalg.norm(values)


@pytest.mark.parametrize("gates", [True, False])
def test_second_moments_by_definition(gates: bool) -> None:
    one = layer(1, gates)
    expected = [of_length_one(less_its_trace(each)) for each in by_definition(one)]
    for found, wanted in zip(second_moments(one), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-12)
    for found, expert in zip(expert_moments(one.experts), one.experts, strict=True):
        for moments, rows in zip(found, (expert.up, expert.down), strict=True):
            np.testing.assert_allclose(
                moments, of_length_one(less_its_trace(outer_products(rows))), atol=1e-12
            )


def test_a_gauge_within_a_head_leaves_its_moments_alone() -> None:
    rng = np.random.default_rng(0)
    heads = rng.normal(size=(3, 2, WIDTH))
    np.testing.assert_allclose(spans(heads), projections(heads), atol=1e-12)
    np.testing.assert_allclose(spans(rng.normal(size=(3, 2, 2)) @ heads), spans(heads), atol=1e-9)


def test_moments_alike_in_all_directions_are_none() -> None:
    assert not centred(np.zeros((3, 3))).any()
    assert not centred(5.0 * np.eye(4)).any()
    tiny = 1e-6 * np.diag([1.0, 2.0, 6.0])
    np.testing.assert_allclose(centred(tiny), centred(1e9 * tiny))
    np.testing.assert_allclose(gram([np.array([[3.0, 4.0], [0.0, 0.0]])]), [[0.36, 0.48], [0.48, 0.64]])


def test_moments_are_turned_and_compared_part_by_part() -> None:
    rng = np.random.default_rng(1)
    a, b = (tuple(of_length_one(rng.normal(size=(4, 4))) for _ in range(3)) for _ in range(2))
    assert turn(a, None) is a
    basis = rng.normal(size=(4, 3))
    for found, each in zip(turn(a, basis), a, strict=True):
        np.testing.assert_allclose(found, basis.T @ each @ basis)
    assert moment_cosine(a, b) == pytest.approx(np.mean([np.sum(x * y) for x, y in zip(a, b, strict=True)]))
    assert moment_cosine(a, a) == pytest.approx(1.0)
    single = [tuple(each.astype(np.float32) for each in one) for one in (a, b)]
    rows = [np.einsum("ij,ij->i", x, y).tolist() for x, y in zip(*single, strict=True)]
    assert moment_cosine(*single) == pytest.approx(np.mean([sum(each) for each in rows]), rel=1e-14)


@pytest.mark.parametrize("widths", [(WIDTH, WIDTH), (WIDTH, 5), (5, WIDTH)])
@pytest.mark.parametrize("gates", [True, False])
def test_sketches_by_definition(widths: tuple[int, int], gates: bool) -> None:
    """What centred moments make of directions, as if they lay in the stream of the other model."""
    own, width = widths
    one, rng = layer(2, gates, own), np.random.default_rng(3)
    maps: list[Array | None] = [np.linalg.qr(rng.normal(size=(own, own)))[0][:, :width] for _ in range(2)]
    if own < width:
        maps = [np.linalg.qr(rng.normal(size=(width, width)))[0][:own] for _ in range(2)]
    bases = [maps[0], None, maps[1]] if own == width else maps
    drawn = moment_sketch.normal(width)
    assert drawn.shape == (width, moment_sketch.DIRECTIONS)
    assert abs(drawn.mean()) < 0.2
    assert drawn.std() == pytest.approx(1.0, abs=0.15)
    np.testing.assert_array_equal(drawn, moment_sketch.normal(width))

    def expected(moments: Array, basis: Array | None) -> Array:
        rest = less_its_trace(moments)
        made = rest @ (drawn if basis is None else basis @ drawn)
        # A narrower stream cannot hold all: lengths are those of the model's own.
        length = np.linalg.norm(rest @ moment_sketch.normal(own) if own > width else made)
        return (made if basis is None else basis.T @ made) / length

    sketches = sketched_moments(one, bases, width)
    for found, basis in zip(sketches, bases, strict=True):
        for part, moments in zip(found, by_definition(one), strict=True):
            np.testing.assert_allclose(part, expected(moments, basis), atol=1e-5)
    for expert in one.experts:
        parts = sketched_expert(expert, bases[0], width)
        for part, rows in zip(parts, (expert.up, expert.down), strict=True):
            np.testing.assert_allclose(part, expected(outer_products(rows), bases[0]), atol=1e-5)


def test_directions_that_a_head_lacks_are_not_sketched() -> None:
    """Rows that depend on each other span less; rows of zeros span nothing."""
    rng = np.random.default_rng(4)
    heads = rng.normal(size=(4, 3, WIDTH))
    heads[3] = np.outer([1.0, -2.0, 0.5], heads[3, 0])
    heads[0, 2] = heads[0, 0] - 2.0 * heads[0, 1]
    heads[1] = 0.0
    directions = rng.normal(size=(WIDTH, 6))
    seen = moment_sketch.spans(heads, directions)
    np.testing.assert_allclose(seen.made, projections(heads) @ directions, atol=1e-9)
    assert seen.trace == 6.0
    scaled = moment_sketch.spans(1e-8 * heads, directions)
    np.testing.assert_allclose(scaled.made, seen.made, atol=1e-9)
    units = moment_sketch.gram([heads[1], heads[2]], directions)
    np.testing.assert_allclose(units.made, outer_products(heads[2]) @ directions, atol=1e-12)
    assert units.trace == 3.0


def test_sketches_of_nothing_are_zero() -> None:
    nothing = Block(None, np.zeros((3, WIDTH)), np.zeros((3, WIDTH)))
    assert not np.concatenate(sketched_expert(nothing, None, WIDTH)).any()


def test_moments_that_are_nearly_alike_in_all_directions_have_length_one() -> None:
    rng = np.random.default_rng(7)
    rows = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0] + 1e-4 * rng.normal(size=(WIDTH, WIDTH))
    for part in sketched_expert(Block(None, rows, rows), None, WIDTH):
        assert np.linalg.norm(part) == pytest.approx(1.0)


def test_float32_weights_are_sketched_as_float32() -> None:
    one = layer(5)
    single = [getattr(one, part).astype(np.float32) for part in ("query", "key", "value", "output")]
    experts = tuple(
        Block(*(part.astype(np.float32) for part in (each.gate, each.up, each.down) if part is not None))
        for each in one.experts
    )
    found = sketched_moments(Plain(*single, experts), [None], WIDTH)[0]  # type: ignore[arg-type]
    assert {part.dtype for part in found} == {np.dtype(np.float32)}
    for part, exact in zip(found, sketched_moments(one, [None], WIDTH)[0], strict=True):
        np.testing.assert_allclose(part, exact, atol=1e-5)


def test_embeddings_tell_which_dimension_is_which(tokenizer: Path) -> None:
    a = changed(model(seed=1), {}, tokenizer)
    matrix = signed_permutation(3)
    b = turned(model(seed=1), matrix, tokenizer)
    found = embedding_map(a, b)
    np.testing.assert_allclose(found, matrix.numpy(), atol=1e-6)
    other = changed(model(seed=2), {}, tokenizer)
    rows = [aligning_rows(each).rows for each in (a, other)]
    u, _, v = np.linalg.svd(rows[0].T @ rows[1])
    np.testing.assert_allclose(embedding_map(a, other), u @ v, atol=1e-9)


def test_maps_are_of_the_type_of_embeddings(monkeypatch: pytest.MonkeyPatch, tokenizer: Path) -> None:
    monkeypatch.setattr(shared_tokens, "DOUBLE_WIDTH", 0)
    a, b = (changed(model(seed=seed), {}, tokenizer) for seed in (1, 2))
    assert embedding_map(a, b).dtype == np.float32


@pytest.mark.parametrize("swapped", [False, True])
def test_maps_between_widths_keep_lengths(swapped: bool, tokenizer: Path) -> None:
    a, b = (
        changed(model(seed=1), {}, tokenizer),
        changed(model(seed=2, hidden_size=32, head_dim=8), {}, tokenizer),
    )
    if swapped:
        a, b = b, a
    found = embedding_map(a, b)
    assert found.shape == (a.architecture.width, b.architecture.width)
    short = found if swapped is False else found.T
    np.testing.assert_allclose(short @ short.T, np.eye(16), atol=1e-9)
    assert [one is None for one in candidate_bases(a, b)] == [False]


def test_bases_that_may_be_tried(tokenizer: Path, tmp_path: Path) -> None:
    a, b = (changed(model(seed=seed), {}, tokenizer) for seed in (1, 2))
    first, second = candidate_bases(a, b)
    np.testing.assert_array_equal(first, embedding_map(a, b))
    assert second is None
    assert candidate_bases(a, changed(model(seed=2), {}, None)) == [None]
    wide = model(seed=2, hidden_size=32, head_dim=8)
    with pytest.raises(NotComparable, match=r"^different widths, and no tokenizer\.json"):
        candidate_bases(a, changed(wide, {}, None))
    few = tmp_path / "tokenizer.json"
    for tokens, enough in ((16, True), (17, True), (31, False), (32, True)):
        few.write_text(
            json.dumps({"model": {"type": "BPE", "vocab": {f"word{i}": i for i in range(tokens)}}})
        )
        other = changed(model(seed=2) if tokens < 20 else wide, {}, few)
        if enough:
            assert candidate_bases(a, other)[0] is not None
        else:
            with pytest.raises(NotComparable, match=r"^different widths, and 31 tokens in common for 32 dim"):
                candidate_bases(a, other)


def of_cosines(values: list[float]) -> list[list[tuple[Array, ...]]]:
    """A layer for each value, whose moments in one basis have that cosine with those of `plain`."""
    return [[(np.array([[value, np.sqrt(1 - value**2)]]),)] for value in values]


def test_the_first_basis_is_taken_unless_another_is_better_by_a_margin() -> None:
    plain = [(np.array([[1.0, 0.0]]),)] * 2
    bases: list[Array | None] = [np.eye(2), None, np.ones((2, 2))]
    for gains, chosen in (
        ((0.0, 0.0, 0.0), 0),
        ((0.0, MARGIN - 0.01, 0.0), 0),
        ((0.0, MARGIN + 0.01, 0.0), 1),
        ((0.0, MARGIN + 0.01, MARGIN + 0.02), 2),
        ((0.0, MARGIN + 0.02, MARGIN + 0.01), 1),
        ((0.0, MARGIN + 0.02, MARGIN + 0.02), 1),
    ):
        a = [[of_cosines([0.3 + gain])[0][0] for gain in gains]] * 2
        basis, left, right = best_basis(a, plain, bases)
        assert basis is bases[chosen]
        assert left.tolist() == right.tolist() == [0, 1]


def test_layers_of_other_depth_are_paired_in_order() -> None:
    rng = np.random.default_rng(6)
    b = [(of_length_one(rng.normal(size=(3, 3))), of_length_one(rng.normal(size=(3, 3)))) for _ in range(5)]
    worse = [(of_length_one(rng.normal(size=(3, 3))),) * 2 for _ in range(3)]
    a = [[worse[place], b[kept]] for place, kept in enumerate((0, 2, 3))]
    basis, left, right = best_basis(a, b, [np.eye(3), None])
    assert basis is None
    assert (left.tolist(), right.tolist()) == ([0, 1, 2], [0, 2, 3])
