"""Weights of many pairs: the numbers of each pair alone, what is read and held meanwhile."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from small_catalog import CONFIG, INNER, WIDTH, tensors, write_checkpoint
from test_layer_weights import shapes_of, stored

import fpcore
from fpcore import Checkpoint, MemoryCheckpoint, NotComparable
from fpcore.errors import UnreadableTensor
from fpcore.features import weight_pairs as module
from fpcore.features.flat_weights import BLOCK, matched_cosine, matched_distance, matrices, segments
from fpcore.features.weight_pairs import Walk, cosines, distances, made_bytes, runs_of

UP = "model.layers.1.mlp.up_proj.weight"


class Torn(MemoryCheckpoint):
    """One of its matrices cannot be read."""

    def read(self, name: str) -> torch.Tensor:
        if name == UP:
            raise UnreadableTensor("torn")
        return super().read(name)


def small(kind: str) -> MemoryCheckpoint:
    """A Llama of two layers, of which one matrix is odd."""
    every = tensors(sum(map(ord, kind)))
    weights = {name: each for name, each in every.items() if not re.search(r"layers\.[2-9]", name)}
    if kind == "16 bits":
        weights = {name: tensor.bfloat16() for name, tensor in weights.items()}
    if kind == "zeros":
        weights = {name: torch.zeros_like(tensor) for name, tensor in weights.items()}
    if kind == "tiny":
        weights = {name: 1e-6 * tensor for name, tensor in weights.items()}
    odd = {
        "zero": torch.zeros(INNER, WIDTH),
        "wider": torch.randn(INNER + 30, WIDTH, generator=torch.Generator().manual_seed(1)),
        "not finite": torch.full((INNER, WIDTH), float("inf")),
    }
    if kind in odd:
        weights[UP] = odd[kind]
    return (Torn if kind == "torn" else MemoryCheckpoint)(
        kind, kind, CONFIG | {"num_hidden_layers": 2}, weights
    )


KINDS = ("plain", "other", "16 bits", "zeros", "zero", "tiny", "wider", "not finite", "torn")


@pytest.fixture(scope="module")
def models() -> list[Checkpoint]:
    stranger = stored(shapes_of(0))  # nothing of its shapes is anywhere else
    return [*map(small, KINDS), stranger, small("wider")]


def every_pair(count: int) -> np.ndarray:
    return np.array(list(itertools.product(range(count), repeat=2)))


@pytest.mark.parametrize("held", [1 << 30, 4 * 4 * WIDTH * INNER, 1])
@pytest.mark.parametrize(("fewest", "cached"), [(8, 8 << 20), (1, 1)])
def test_many_pairs_are_scored_as_each_alone(
    monkeypatch: pytest.MonkeyPatch, models: list[Checkpoint], held: int, fewest: int, cached: int
) -> None:
    for name, value in (("HELD", held), ("FEWEST", fewest), ("CACHED", cached)):
        monkeypatch.setattr(module, name, value)
    pairs = np.random.default_rng(0).permutation(every_pair(len(models)))[:60]
    for many, one in ((cosines, matched_cosine), (distances, matched_distance)):
        expected = []
        for a, b in pairs:
            try:
                expected.append(one(models[a], models[b]))
            except (NotComparable, fpcore.BadCheckpoint):
                expected.append(math.nan)
        assert 0 < np.isnan(expected).sum() < len(pairs)
        np.testing.assert_array_equal(many(models, pairs), expected)
        some = pairs[::7]
        np.testing.assert_array_equal(many(models, some), np.array(expected)[::7])
        assert many(models, pairs[:0]).tolist() == []


def test_pairs_of_neighbours_run_together() -> None:
    rng = np.random.default_rng(1)
    for count in (1, 5, 30):
        pairs = np.sort(rng.integers(0, 6, (count, 2)), axis=1)
        places = rng.permutation(100)[:count]
        found = []
        for run in runs_of(pairs, places):
            columns = list(range(6))[run.columns]
            assert len(columns) == len(run.places)
            found += [(run.row, column, place) for column, place in zip(columns, run.places, strict=True)]
        assert sorted(found) == sorted((a, b, place) for (a, b), place in zip(pairs, places, strict=True))
    together = runs_of(np.array([(0, 3), (2, 2), (0, 1), (0, 2), (2, 4)]), np.arange(5))
    assert [(run.row, run.columns, run.places.tolist()) for run in together] == [
        (0, slice(1, 4), [2, 3, 0]),
        (2, slice(2, 3), [1]),
        (2, slice(4, 5), [4]),
    ]


@pytest.mark.parametrize("side", [1, 2, 3, 10])
def test_parts_hold_every_pair_once_and_few_models(side: int) -> None:
    pairs = every_pair(9)[np.random.default_rng(2).permutation(81)[:50]]
    among = (0, 1, 3, 4, 7, 8)
    walk, found = Walk([], pairs), []
    walk.models = [None] * 9  # type: ignore[list-item]
    for members, runs in walk.parted(among, side):
        assert len(members) <= 2 * side
        assert list(members) == sorted(members)
        seen = set()
        for run in runs:
            for column, place in zip(range(len(members))[run.columns], run.places.tolist(), strict=True):
                assert sorted(pairs[place]) == [members[run.row], members[column]]
                seen |= {run.row, column}
                found.append(place)
        assert seen == set(range(len(members))), "nobody is held for nothing"
    assert sorted(found) == [place for place, pair in enumerate(pairs) if set(pair) <= set(among)]
    assert side < 9 or len(list(walk.parted(among, side))) == 1


def test_groups_hold_no_more_than_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    models = [small(kind) for kind in ("plain", "other", "tiny", "zero", "wider")]
    pairs = every_pair(5)[[0, 1, 2, 3, 4, 8, 13]]
    groups = list(Walk(models, pairs).groups())
    assert [group.segment for group in groups][:8] == list(segments(models[0]))[:8], "in the order of roles"
    up = [group for group in groups if "1.feed_forward.up" in group.segment[0]]
    assert [(group.segment[1], group.members) for group in up] == [((INNER, WIDTH), (0, 1, 2, 3))]
    assert [group.members for group in groups if "1.feed_forward.gate" in group.segment[0]] == [
        (0, 1, 2, 3, 4)
    ]
    size = 4 * INNER * WIDTH
    # Of at most four in memory, two and two; of three or two, each pair alone.
    for held, most, parts in (
        (5 * size, 5, 1),
        (5 * size - 1, 4, 4),
        (3 * size, 3, 7),
        (2 * size, 2, 7),
        (1, 2, 7),
    ):
        monkeypatch.setattr(module, "HELD", held)
        gate = [group for group in Walk(models, pairs).groups() if "1.feed_forward.gate" in group.segment[0]]
        assert max(len(group.members) for group in gate) <= most
        assert len(gate) == parts
        places = sorted(place for group in gate for run in group.runs for place in run.places.tolist())
        assert places == list(range(len(pairs)))


def test_matrices_come_in_the_order_in_which_a_pair_alone_sums_them() -> None:
    """Layer 2 before layer 10: another order of sums is another last digit."""
    shapes = {f"layers.{number}.feed_forward.up.weight": (9, 7) for number in range(12)}
    models = [stored(shapes), stored(shapes)]
    assert [group.segment for group in Walk(models, np.array([(0, 1)])).groups()] == list(segments(models[0]))


@pytest.mark.parametrize("cached", [1, 4 * BLOCK * 2 * 3, 4 * BLOCK * 2 * 3 - 1, 8 << 20])
def test_entries_come_some_blocks_at_a_time(monkeypatch: pytest.MonkeyPatch, cached: int) -> None:
    monkeypatch.setattr(module, "FEWEST", 2)
    monkeypatch.setattr(module, "CACHED", cached)
    shapes = {"layers.0.feed_forward.up.weight": (60, 50)}  # five blocks and 440 numbers
    model = stored(shapes)
    walk = Walk([model, model], np.array([(0, 1)]))
    (group,) = walk.groups()
    seen = [entries.copy() for entries in walk.entries(group)]
    step = 2 if cached == 1 else 3 if cached == 4 * BLOCK * 2 * 3 else 2 if cached < 8 << 20 else 6
    assert [part.shape for part in seen] == [(2, min(step, 6 - start), BLOCK) for start in range(0, 6, step)]
    rows = np.concatenate(seen, axis=1).reshape(2, -1)
    values = model.read("layers.0.feed_forward.up.weight").numpy().reshape(-1)
    for row in rows:
        np.testing.assert_array_equal(row[: values.size], values)
        assert not row[values.size :].any()


def test_what_cannot_be_read_has_no_square() -> None:
    models = [small(kind) for kind in ("plain", "torn", "not finite")]
    walk = Walk(models, np.array([(0, 1), (0, 2)]))
    (group,) = (group for group in walk.groups() if "1.feed_forward.up" in group.segment[0])
    assert group.members == (0, 1, 2)
    for entries in walk.entries(group):
        assert not entries[1].any()
    assert walk.unread == {(1, group.segment)}
    squares = walk.readable(group, np.array([2.0, 3.0, np.inf]))
    assert squares[0] == 2.0
    assert np.isnan(squares[1:]).all()
    assert walk.flat(0, group.segment).shape == (INNER * WIDTH,)


def test_sums_of_squares_at_the_ends_of_float32_are_not_believed() -> None:
    kinds = ("plain", "other", "tiny", "16 bits", "zero")
    walk = Walk([small(kind) for kind in kinds], np.array([(0, other) for other in range(1, 5)]))
    (group,) = (group for group in walk.groups() if "1.feed_forward.up" in group.segment[0])
    least, largest = INNER * WIDTH * 2.0**-80, 2.0**100
    inside = [math.nextafter(least, 1.0), math.nextafter(largest, 1.0)]
    assert walk.readable(group, np.array([*inside, 1.0, 1.0, 0.0])) == [*inside, 1.0, 1.0, 0.0]
    assert np.isnan(walk.readable(group, np.array([least, largest, 0.0, 0.0, 2.0 * largest]))).all()


@pytest.mark.parametrize("power", [100, -100])
def test_what_float32_cannot_square_is_left_to_the_pair_alone(power: int) -> None:
    plain = small("plain")
    weights = {name: 2.0**power * plain.read(name) for name in plain.tensors}
    far = MemoryCheckpoint("far", "far", CONFIG | {"num_hidden_layers": 2}, weights)
    models = [plain, small("zero"), far]
    for many, one in ((cosines, matched_cosine), (distances, matched_distance)):
        found = many(models, np.array([(0, 1), (0, 2), (2, 2)]))
        assert found[0] == one(*models[:2]), "zeros are zeros"
        assert np.isnan(found[1:]).all()


def test_what_comes_from_a_file_takes_no_memory(tmp_path: Path) -> None:
    role = "layers.1.feed_forward.up.weight"
    for dtype, free in (("float32", True), ("float16", True), ("bfloat16", True), ("float64", False)):
        folder = tmp_path / dtype
        write_checkpoint(folder, {name: each.to(getattr(torch, dtype)) for name, each in tensors(1).items()})
        view = matrices(fpcore.open_checkpoint(folder))[role]
        assert made_bytes(view) == (0 if free else 4 * INNER * WIDTH)
    assert made_bytes(matrices(small("plain"))[role]) == 4 * INNER * WIDTH
