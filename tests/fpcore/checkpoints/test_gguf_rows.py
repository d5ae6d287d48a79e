"""Rows that llama.cpp's converter moved, brought back: on rows that are told apart by their numbers."""

from __future__ import annotations

import numpy as np
import pytest

from fpcore.checkpoints.gguf_rows import Fused, Pairs, PerHead, RowOrder, Sections, Tiled, order_of
from fpcore.checkpoints.gguf_shape import GgufShape

ORDERS: dict[str, tuple[RowOrder, list[int]]] = {
    "pairs of one head": (Pairs(1), [0, 2, 4, 1, 3, 5]),
    "pairs of two heads": (Pairs(2), [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]),
    "sections": (Sections(2, 4), [0, 2, 1, 3, 4, 5, 6, 8, 7, 9, 10, 11]),
    "sections of whole heads": (Sections(2, 6), [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]),
    "tiles": (Tiled(6, 3), [0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11]),
    "tiles of two keys": (Tiled(6, 2), [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]),
    "one after another": (
        Fused(((4, Pairs(1)), (2, Tiled(2, 2)))),
        [0, 2, 1, 3, 4, 5, 6, 7],
    ),
    "two of them turned": (Fused(((4, Pairs(2)), (4, Pairs(1)))), [0, 1, 2, 3, 4, 6, 5, 7, 8, 9]),
}


@pytest.mark.parametrize("what", ORDERS)
def test_rows_stand_as_on_the_hub(what: str) -> None:
    order, expected = ORDERS[what]
    rows = np.arange(len(expected), dtype=np.float32)
    matrix = rows[:, None] * 10 + np.arange(3, dtype=np.float32)
    stored = matrix.copy()
    assert order.restored(rows).tolist() == expected
    np.testing.assert_array_equal(order.restored(stored), matrix[expected])
    np.testing.assert_array_equal(stored, matrix, err_msg="what is mapped from the file is not changed")


def test_columns_stand_as_on_the_hub() -> None:
    values = np.arange(2 * 8).reshape(2, 8)
    np.testing.assert_array_equal(Pairs(2, axis=1).restored(values), values[:, [0, 2, 1, 3, 4, 6, 5, 7]])
    np.testing.assert_array_equal(Tiled(4, 2, axis=1).restored(values), values[:, [0, 1, 4, 5, 2, 3, 6, 7]])


def test_one_matrix_a_head() -> None:
    values = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    np.testing.assert_array_equal(PerHead(False).restored(values), values.reshape(6, 4))
    turned = PerHead(True).restored(values)
    np.testing.assert_array_equal(turned, np.concatenate([values[0].T, values[1].T]))
    assert turned.flags.c_contiguous


SHAPE = GgufShape("any", (4, 6), (2, 3), 8, 0, 0, False, 0)
SECTIONS = GgufShape("any", (4, 6), (2, 3), 8, 0, 0, True, 0)
PARTLY = GgufShape("any", (4, 6), (2, 3), 8, 0, 6, True, 0)
PLACES = [
    ("as on the hub", "attn_q", SHAPE, None),
    ("as on the hub", "attn_q_norm", SHAPE, None),
    ("pairs", "attn_q", SHAPE, Pairs(6)),
    ("pairs", "attn_k", SHAPE, Pairs(3)),
    ("pairs", "attn_v", SHAPE, None),
    ("pairs", "attn_output", SHAPE, None),
    ("pairs", "attn_qkv", SHAPE, Fused(((48, Pairs(6)), (24, Pairs(3))))),
    ("pairs", "attn_q_norm", SHAPE, Pairs(1, axis=1)),
    ("pairs", "attn_k_norm", SHAPE, Pairs(1, axis=1)),
    ("tiled", "attn_q", SHAPE, Tiled(6, 3)),
    ("tiled", "attn_output", SHAPE, Tiled(6, 3, axis=1)),
    ("tiled", "attn_k", SHAPE, None),
    ("tiled", "attn_qkv", SHAPE, None),
    ("tiled", "attn_q_norm", SHAPE, None),
    ("sections", "attn_q", SHAPE, None),
    ("sections", "attn_q", SECTIONS, Sections(6, 8)),
    ("sections", "attn_k", SECTIONS, Sections(3, 8)),
    ("sections", "attn_q", PARTLY, Sections(6, 6)),
    ("sections", "attn_qkv", PARTLY, Fused(((48, Sections(6, 6)), (24, Sections(3, 6))))),
    ("sections", "attn_k_norm", PARTLY, None),
]


@pytest.mark.parametrize(("rows", "part", "shape", "expected"), PLACES)
def test_which_rows_were_moved(rows: str, part: str, shape: GgufShape, expected: RowOrder | None) -> None:
    assert order_of(rows, part, (6, 8), 1, shape) == expected  # type: ignore[arg-type]


def test_gains_of_one_row_were_not_moved() -> None:
    assert order_of("pairs", "attn_q_norm", (8,), 1, SHAPE) is None


@pytest.mark.parametrize(
    ("heads", "kv_heads", "named"),
    [((4,), (2, 2), "head_count"), ((4, 0), (2, 2), "head_count"), ((4, 4), (2,), "head_count_kv")],
)
def test_heads_that_are_not_counted(heads: tuple[int, ...], kv_heads: tuple[int, ...], named: str) -> None:
    shape = GgufShape("any", heads, kv_heads, 8, 0, 0, False, 0)
    with pytest.raises(LookupError) as caught:
        order_of("pairs", "attn_q", (6, 8), 1, shape)
    assert caught.value.args == (named,)
