"""Where roles lie in stored tensors: shapes, values in torch and in numpy, and rectangles agree."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
import torch

from fpcore.anatomy.tensor_layouts import (
    MOST_EXPERTS,
    ExpertStack,
    GateUp,
    LatentDown,
    LatentUp,
    QueryKeyValue,
    Rectangle,
    Sizes,
    TensorLayout,
    View,
    Whole,
    experts_of,
)
from fpcore.errors import BadCheckpoint

# View and shape of the stored tensor → which of its numbers, counted from the first, in their order.
VIEWS: list[tuple[View, tuple[int, ...], object]] = [
    (View(), (2, 3), [[0, 1, 2], [3, 4, 5]]),
    (View(), (3,), [0, 1, 2]),
    (View(), (), 0),
    (View(transpose=True), (2, 3), [[0, 3], [1, 4], [2, 5]]),
    (View(transpose=True), (3,), [0, 1, 2]),
    (View(expert=1), (2, 2, 2), [[4, 5], [6, 7]]),
    (View(expert=1), (2, 3), [3, 4, 5]),
    (View(expert=1, transpose=True), (2, 2, 3), [[6, 9], [7, 10], [8, 11]]),
    (View(start=1, stop=3), (4, 2), [[2, 3], [4, 5]]),
    (View(start=1, stop=3), (4,), [1, 2]),
    (View(start=1, stop=3), (3, 1, 2), [[[2, 3]], [[4, 5]]]),
    (View(stop=1), (3, 2), [[0, 1]]),
    (View(stop=1), (1, 3), [[0, 1, 2]]),
    (View(groups=2, start=1, stop=2), (4, 2), [[2, 3], [6, 7]]),
    (View(groups=2, start=1, stop=3), (6,), [1, 2, 4, 5]),
    (View(groups=2, start=0, stop=1), (4, 2, 2), [[[0, 1], [2, 3]], [[8, 9], [10, 11]]]),
    (View(transpose=True, start=1, stop=2), (2, 3), [[1, 4]]),
    (View(transpose=True, groups=2, start=1, stop=2), (2, 4), [[1, 5], [3, 7]]),
    (View(transpose=True, start=1, stop=2), (3,), [1]),
    (View(expert=1, start=1, stop=2), (2, 2, 3), [[9, 10, 11]]),
    (View(expert=1, start=1, stop=2), (2, 3), [4]),
    (View(expert=1, groups=2, start=1, stop=2), (2, 4), [5, 7]),
    (View(expert=1, transpose=True, start=1, stop=3), (2, 2, 3), [[7, 10], [8, 11]]),
    (View(expert=1, transpose=True, groups=2, start=1, stop=2), (2, 1, 4), [[5], [7]]),
]


@pytest.mark.parametrize(("view", "stored", "expected"), VIEWS)
def test_a_view_is_its_numbers(view: View, stored: tuple[int, ...], expected: object) -> None:
    values = np.arange(np.prod(stored, dtype=int), dtype=np.float32).reshape(stored)
    tensor = torch.from_numpy(values.copy())
    assert view.apply(tensor).tolist() == expected
    assert view.apply_real(values).tolist() == expected
    assert view.shape(stored) == np.shape(expected)
    shifted = View(**{**vars(view), "shift": 0.5})
    np.testing.assert_array_equal(shifted.apply(tensor.half()).numpy(), np.array(expected) + np.float32(0.5))
    found = shifted.apply_real(values.astype(np.float64))
    np.testing.assert_array_equal(found, np.array(expected) + 0.5)
    assert found.dtype == shifted.apply(tensor.half()).numpy().dtype == np.float32
    if not stored:
        return
    rows = values.reshape(-1, stored[-1] if len(stored) > 1 else 1)
    inside = [rows[slice(*one.rows), slice(*one.columns)] for one in view.rectangles(stored)]
    assert [part.size for part in inside] == [one.size for one in view.rectangles(stored)]
    assert sorted(itertools.chain(*(part.reshape(-1).tolist() for part in inside))) == sorted(
        np.array(expected).reshape(-1).tolist()
    )


def test_rectangles_stand_in_the_order_of_groups() -> None:
    assert View(groups=2, start=1, stop=3).rectangles((8, 5)) == [
        Rectangle((1, 3), (0, 5)),
        Rectangle((5, 7), (0, 5)),
    ]
    assert View(expert=1, transpose=True, groups=2, start=0, stop=1).rectangles((3, 5, 4)) == [
        Rectangle((5, 10), (0, 1)),
        Rectangle((5, 10), (2, 3)),
    ]
    assert View(expert=2).rectangles((3, 5, 4)) == [Rectangle((10, 15), (0, 4))]


def test_rectangles_of_nothing() -> None:
    assert View(start=0, stop=0).rectangles((0, 5)) == [Rectangle((0, 0), (0, 5))]
    assert View(transpose=True, start=0, stop=0).rectangles((5, 0)) == [Rectangle((0, 5), (0, 0))]


def test_what_is_not_changed_is_not_copied() -> None:
    stored = torch.arange(24.0).reshape(2, 3, 4)
    values = stored.numpy()
    for view in (View(), View(expert=1), View(expert=1, transpose=True), View(start=0, stop=1)):
        assert view.apply(stored).data_ptr() in {stored.data_ptr(), stored[1].data_ptr()}
        assert np.shares_memory(view.apply_real(values), values)


SIZES = Sizes(heads=4, kv_heads=2, head_dim=3)
ALL = Sizes(heads=2, kv_heads=2, head_dim=5, key_dim=2, value_dim=3, latent=4, position_dim=1)
ONE = {"transpose": True}

LAYOUTS: list[tuple[TensorLayout, tuple[int, ...], Sizes, dict[str, View]]] = [
    (Whole("a.*"), (2, 3), SIZES, {"a.*": View()}),
    (Whole("a", transpose=True, shift=1.0), (2, 3), SIZES, {"a": View(transpose=True, shift=1.0)}),
    (
        QueryKeyValue(),
        (24, 8),
        SIZES,
        {
            "attention.query.*": View(start=0, stop=12),
            "attention.key.*": View(start=12, stop=18),
            "attention.value.*": View(start=18, stop=24),
        },
    ),
    (
        QueryKeyValue(grouped=True),
        (24,),
        SIZES,
        {
            "attention.query.*": View(groups=2, start=0, stop=6),
            "attention.key.*": View(groups=2, start=6, stop=9),
            "attention.value.*": View(groups=2, start=9, stop=12),
        },
    ),
    (
        QueryKeyValue(transpose=True, groups=2, order=("value", "query", "key")),
        (8, 24),
        SIZES,
        {
            "attention.value.*": View(transpose=True, groups=2, start=0, stop=3),
            "attention.query.*": View(transpose=True, groups=2, start=3, stop=9),
            "attention.key.*": View(transpose=True, groups=2, start=9, stop=12),
        },
    ),
    (
        GateUp(),
        (6, 2),
        SIZES,
        {"feed_forward.gate.*": View(start=0, stop=3), "feed_forward.up.*": View(start=3, stop=6)},
    ),
    (GateUp("g", "u"), (2,), SIZES, {"g": View(start=0, stop=1), "u": View(start=1, stop=2)}),
    (
        ExpertStack(GateUp("e.{expert}.g", "e.{expert}.u")),
        (2, 6, 4),
        SIZES,
        {
            f"e.{expert}.{part}": View(expert=expert, start=start, stop=start + 3)
            for part, start in (("g", 0), ("u", 3))
            for expert in range(2)
        },
    ),
    (
        ExpertStack(GateUp("e.{expert}.g", "e.{expert}.u")),
        (1, 4, 6),
        Sizes(4, 2, 3, turned_experts=True),
        {
            f"e.0.{part}": View(expert=0, transpose=True, start=start, stop=start + 3)
            for part, start in (("g", 0), ("u", 3))
        },
    ),
    (
        LatentDown(),
        (5, 9),
        ALL,
        {
            "attention.latent.down.*": View(start=0, stop=4),
            "attention.key_position.*": View(start=4, stop=5),
        },
    ),
    (
        LatentDown(),
        (2, 9),
        Sizes(2, 2, 5, latent=1),
        {
            "attention.latent.down.*": View(start=0, stop=1),
            "attention.key_position.*": View(start=1, stop=2),
        },
    ),
    (LatentDown(), (4, 9), ALL, {"attention.latent.down.*": View(start=0, stop=4)}),
    (
        LatentUp(),
        (10, 4),
        ALL,
        {
            "attention.key.*": View(groups=2, start=0, stop=2),
            "attention.value.*": View(groups=2, start=2, stop=5),
        },
    ),
]


@pytest.mark.parametrize(("layout", "stored", "sizes", "expected"), LAYOUTS)
def test_the_roles_of_a_layout(
    layout: TensorLayout, stored: tuple[int, ...], sizes: Sizes, expected: dict[str, View]
) -> None:
    found = list(layout.views(stored, sizes))
    assert found == list(expected.items())
    assert all({type(view.start), type(view.stop)} <= {int, type(None)} for _, view in found)


REFUSED: list[tuple[TensorLayout, tuple[int, ...], Sizes, str]] = [
    (QueryKeyValue(), (23, 8), SIZES, "23 rows where 4 query and 2 key-value heads of 3 need 24"),
    (
        QueryKeyValue(transpose=True),
        (24, 8),
        SIZES,
        "8 rows where 4 query and 2 key-value heads of 3 need 24",
    ),
    (GateUp(), (7, 2), SIZES, "7 rows cannot be a gate and an up projection of equal size"),
    (ExpertStack(Whole("a")), (2, 3), SIZES, "shape (2, 3) where a stack of experts has three axes"),
    (LatentDown(), (3, 9), ALL, "3 rows cannot hold a latent of rank 4 and a key"),
    (LatentDown(), (3, 9), SIZES, "3 rows cannot hold a latent of rank 0 and a key"),
    (LatentUp(), (9, 4), ALL, "9 rows where 2 heads of 5 need 10"),
]


@pytest.mark.parametrize(("layout", "stored", "sizes", "told"), REFUSED)
def test_rows_that_do_not_fit(layout: TensorLayout, stored: tuple[int, ...], sizes: Sizes, told: str) -> None:
    with pytest.raises(BadCheckpoint) as caught:
        list(layout.views(stored, sizes))
    assert str(caught.value) == told


def test_experts_are_counted_to_a_limit() -> None:
    assert experts_of((MOST_EXPERTS, 0, 0), "it") == range(MOST_EXPERTS)
    tracemalloc.start()
    with pytest.raises(BadCheckpoint, match=r"^it holds 20,000 experts; the limit is 16,384$"):
        list(ExpertStack(Whole("e.{expert}")).views((20_000, 0, 0), SIZES))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1 << 20
