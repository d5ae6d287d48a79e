"""Weight matrices end to end against numpy in float64, held and streamed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from small_catalog import CONFIG, DEPTH, INNER, WIDTH, tensors
from test_layer_weights import shapes_of, stored as by_role
from test_metrics import model as of_type

import fpcore
from fpcore import MemoryCheckpoint, NotComparable
from fpcore.features import flat_weights as module
from fpcore.features.flat_weights import (
    cosine_of,
    dot,
    flat_weights,
    flatten,
    matched_cosine,
    matched_distance,
    matrices,
    read_flat,
    relative_distance,
    running_sum,
    segments,
)

NOTHING = r"^no non-zero weight matrix has the same role and shape in both models$"


def small(seed: int, **changes: torch.Tensor) -> MemoryCheckpoint:
    """A Llama of five layers; changes are of tensors of its first layer, named by their last word but one."""
    weights = tensors(seed)
    for name in weights:
        part = name.split(".")[-2]
        if ".layers.0." in name and part in changes:
            weights[name] = changes[part]
    return MemoryCheckpoint(f"small {seed}", f"small {seed}", CONFIG, weights)


@pytest.fixture(autouse=True, params=[100, 512])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Blocks of which a matrix fills two and a part, or a half."""
    monkeypatch.setattr(module, "BLOCK", request.param)
    return int(request.param)


def by_name(model: MemoryCheckpoint) -> dict[str, np.ndarray]:
    return {
        name: model.read(name).double().numpy()
        for name, info in model.tensors.items()
        if ".layers." in name and len(info.shape) == 2
    }


def in_common(a: MemoryCheckpoint, b: MemoryCheckpoint) -> list[tuple[np.ndarray, np.ndarray]]:
    left, right = by_name(a), by_name(b)
    return [(left[name], right[name]) for name in left if left[name].shape == right[name].shape]


def streamed(model: MemoryCheckpoint) -> MemoryCheckpoint:
    """The same model, too large to be held."""
    twin = MemoryCheckpoint(model.name, model.digest, model.config, {n: model.read(n) for n in model.tensors})
    twin.memo = fpcore.Memo(limit=1000)
    assert flat_weights(twin) is None
    return twin


def test_only_matrices_of_layers_count() -> None:
    found = matrices(small(1))
    kinds = {role.split(".", 2)[2]: view.shape for role, view in found.items()}
    assert kinds == {
        **{f"attention.{part}.weight": (WIDTH, WIDTH) for part in ("query", "key", "value", "output")},
        **{f"feed_forward.{part}.weight": (INNER, WIDTH) for part in ("gate", "up")},
        "feed_forward.down.weight": (WIDTH, INNER),
    }
    assert len(found) == 7 * DEPTH
    model = small(1)
    assert matrices(model) is matrices(model)
    assert segments(model) is segments(model)
    assert list(segments(model)) == [(role, view.shape) for role, view in matrices(model).items()]


def test_position_biases_are_no_weights_and_a_model_may_have_none(block: int) -> None:
    shapes = {"layers.0.attention.relative_bias.weight": (32, 4), "embedding.weight": (9, 4)}
    assert list(matrices(by_role(shapes, shapes_of(0, {})))) == [
        f"layers.0.feed_forward.{part}.weight" for part in ("down", "gate", "up")
    ]
    nothing = flatten(by_role(shapes))
    assert (nothing.layout, nothing.values.shape, nothing.squares) == ((), (0, block), ())


def test_models_are_laid_end_to_end(block: int) -> None:
    model = small(1)
    flat = flatten(model)
    stored = [view.read().numpy() for view in matrices(model).values()]
    assert flat.layout == tuple(segments(model))
    assert (flat.values.dtype, flat.values.shape[1]) == (np.float32, block)
    assert flat.nbytes == flat.values.nbytes
    start = 0
    for matrix, read in zip(stored, flat.matrices(), strict=True):
        assert len(read.values) == math.ceil(matrix.size / block)
        entries = read.values.reshape(-1)
        np.testing.assert_array_equal(entries[: matrix.size], matrix.reshape(-1))
        assert not entries[matrix.size :].any()
        assert (read.power, read.square) == (
            0,
            pytest.approx(np.square(matrix, dtype=np.float64).sum(), rel=1e-6),
        )
        start += len(read.values)
    assert start == len(flat.values) == flat.ends[-1]


def test_models_are_held_if_half_of_the_room_is_enough(block: int) -> None:
    model = small(1)
    needed = 4 * block * sum(math.ceil(view.size / block) for view in matrices(model).values())
    asked: list[int] = []

    class Noted(fpcore.Memo):
        def recall(self, key, compute, *, room=0):  # type: ignore[no-untyped-def]
            asked.append(room)
            return super().recall(key, compute, room=room)

    for limit, held in ((2 * needed, True), (2 * needed - 1, False), (2 * needed + 1, True)):
        model.memo = Noted(limit=limit)
        assert (flat_weights(model) is not None) == held
    assert asked == [needed, needed], "others are let go before it is made"
    assert flat_weights(model) is flat_weights(model)
    assert flat_weights(model).nbytes == needed
    other = small(2)
    other.memo = model.memo
    assert flat_weights(other) is not flat_weights(model), "a memo may be shared"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_refused(value: float) -> None:
    spoilt = torch.ones(INNER, WIDTH)
    spoilt[-1, -1] = value
    view = matrices(small(1, up_proj=spoilt))["layers.0.feed_forward.up.weight"]
    named = r"^small 1: tensor model.layers.0.mlp.up_proj.weight holds NaN or infinite values$"
    with pytest.raises(fpcore.BadCheckpoint, match=named):
        read_flat(view)


def test_sums_go_on_where_they_stopped() -> None:
    rng = np.random.default_rng(0)
    totals, terms = rng.normal(size=3), rng.normal(size=(3, 7)).astype(np.float32)
    expected = totals.copy()
    for column in terms.T:
        expected += column
    np.testing.assert_array_equal(running_sum(totals, terms), expected)
    a, b = rng.normal(size=(2, 9, 100)).astype(np.float32)
    assert dot(a, b) == pytest.approx(np.sum(a.astype(np.float64) * b), rel=1e-5)
    assert dot(a[4:], b[4:], dot(a[:4], b[:4])) == dot(a, b)
    assert dot(a, b, 5.0) == pytest.approx(5.0 + dot(a, b), rel=1e-12)


def test_cosines_stay_within_their_bounds() -> None:
    assert cosine_of(3.0, 4.0, 9.0) == 0.5
    assert (cosine_of(6.1, 4.0, 9.0), cosine_of(-6.1, 4.0, 9.0)) == (1.0, -1.0)
    assert relative_distance(24.0, 4.0, 9.0) == 2.0


def zeroed(seed: int, parts: tuple[str, ...]) -> MemoryCheckpoint:
    """Matrices of those names are zero in every layer."""
    weights = tensors(seed)
    for name, tensor in weights.items():
        if name.split(".")[-2] in parts:
            weights[name] = torch.zeros_like(tensor)
    return MemoryCheckpoint(f"zero {parts}", f"zero {parts}", CONFIG, weights)


OTHERS = {
    "another": lambda: small(2),
    "itself": lambda: small(1),
    "another shape": lambda: small(2, up_proj=torch.randn(INNER + 8, WIDTH)),
    "a turned shape": lambda: small(2, down_proj=torch.randn(INNER, WIDTH)),
    "zeros": lambda: zeroed(2, ("q_proj", "up_proj")),
}


@pytest.mark.parametrize("other", OTHERS)
def test_cosine_and_distance_are_numpys(other: str) -> None:
    a, b = small(1), OTHERS[other]()
    pairs = in_common(a, b)
    x, y = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    norm = np.linalg.norm
    cosine = x @ y / norm(x) / norm(y)
    distance = np.mean([norm(p - q) / math.sqrt(norm(p) * norm(q)) for p, q in pairs if p.any() and q.any()])
    for score, expected in ((matched_cosine, cosine), (matched_distance, distance)):
        found = score(a, b)
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)
        assert score(b, a) == pytest.approx(found, rel=1e-12, abs=1e-12)
        one, two = streamed(a), streamed(b)
        assert [score(one, two), score(a, two), score(one, b)] == [found] * 3, "held or streamed"


def test_scales_do_not_count() -> None:
    a, b = small(1), small(2)
    tiny = MemoryCheckpoint("tiny", "tiny", CONFIG, {name: 1e-6 * a.read(name) for name in a.tensors})
    assert matched_cosine(tiny, b) == pytest.approx(matched_cosine(a, b), rel=1e-5)
    assert matched_cosine(b, tiny) == pytest.approx(matched_cosine(a, b), rel=1e-5)
    assert matched_distance(tiny, tiny) == 0.0


@pytest.mark.parametrize("power", [100, 60, -60, -100])
def test_scales_that_float32_cannot_square_do_not_count_either(power: int) -> None:
    """To the bit, held or streamed: a power of two rounds nothing."""
    a, b = small(1), small(2)
    far = [
        MemoryCheckpoint(
            f"far {i}", f"far {i}", CONFIG, {name: 2.0**power * m.read(name) for name in m.tensors}
        )
        for i, m in enumerate((a, b))
    ]
    assert all(abs(read.power - power) <= 3 for read in flatten(far[0]).matrices())
    for x, y in (far, list(map(streamed, far))):
        assert matched_cosine(x, b) == matched_cosine(b, x) == matched_cosine(a, b)
        assert (matched_cosine(x, y), matched_distance(x, y)) == (
            matched_cosine(a, b),
            matched_distance(a, b),
        )
    distances = [2.0 ** (abs(power) / 2), matched_distance(far[0], b)]  # one of them is next to nothing
    assert distances[1] == pytest.approx(distances[0], rel=0.5)


def test_where_nothing_matches_there_is_no_score() -> None:
    every = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    for a, b in (
        (small(1), zeroed(2, every)),
        (zeroed(1, every), small(2)),
        (small(1), of_type("gpt2", n_embd=32)),
    ):
        for score in (matched_cosine, matched_distance):
            with pytest.raises(NotComparable, match=NOTHING):
                score(a, b)


def test_what_two_models_do_not_share_is_not_read() -> None:
    class Noted(MemoryCheckpoint):
        was_read: set[str]

        def read(self, name: str) -> torch.Tensor:
            self.was_read.add(name)
            return super().read(name)

    plain = small(1)
    a = Noted("a", "a", CONFIG, {name: plain.read(name) for name in plain.tensors})
    a.was_read = set()
    matched_cosine(a, small(2, up_proj=torch.randn(INNER + 8, WIDTH)))
    assert a.was_read == set(by_name(plain)) - {"model.layers.0.mlp.up_proj.weight"}
