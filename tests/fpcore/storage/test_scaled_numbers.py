"""Which tensors are codes with scales, by their names, types and shapes, and which entries share one."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import fpcore
from fpcore.storage.number_codes import unpack_fp4
from fpcore.storage.scaled_numbers import (
    Doubtful,
    Fp4,
    Scaled,
    bytes_hold,
    counts,
    mxfp4_stacks,
    packed_floats,
    quanto_weights,
    scaled_weights,
    spread,
    stated_blocks,
    torchao_weights,
)
from fpcore.storage.stored_weight import StoredWeight

Shapes = dict[str, tuple[tuple[int, ...], str]]
SCALED = (Scaled, "plain", "", False, "", "")


def infos(shapes: Shapes) -> dict[str, fpcore.TensorInfo]:
    return {name: fpcore.TensorInfo(*facts) for name, facts in shapes.items()}


def said(weight: StoredWeight) -> tuple[Any, ...]:
    """Shape and parts of a weight, and how those of a scaled one are read."""
    assert all(type(length) is int for length in weight.shape)
    if isinstance(weight, Scaled):
        assert weight.parts[:2] == (weight.codes, weight.scale)
        more = (weight.form, weight.of_scale, weight.divides, weight.zero, weight.columns)
        return weight.shape, weight.parts, *more
    return weight.shape, weight.parts, *((weight.dtype,) if isinstance(weight, Doubtful) else ())


def of(codes: str, shape: tuple[int, ...] = (8, 32), scale: str = "float32", **more: str) -> Shapes:
    """`m.weight` with a scale a row and further tensors of one number."""
    found: Shapes = {"m.weight": (shape, codes), "m.weight_scale": ((8, 1), scale)}
    return found | {f"m.{name}": ((), dtype) for name, dtype in more.items()}


BOTH = ("m.weight", "m.weight_scale")


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        (of("float8_e4m3fn"), ((8, 32), BOTH, "plain", "", False, "", "")),
        (of("int8"), ((8, 32), BOTH, "plain", "", False, "", "")),
        (of("bfloat16"), ((8, 32), BOTH, "bfloat16")),
        (of("float32", weight_zero_point="int8"), ((8, 32), (*BOTH, "m.weight_zero_point"), "float32")),
        (of("int32"), None),
        (of("uint8"), None),  # two integers a byte, or what else
        (
            of("uint8", weight_zero_point="uint8"),
            ((8, 32), (*BOTH, "m.weight_zero_point"), "plain", "", False, "m.weight_zero_point", ""),
        ),
        (of("uint8", (8, 16), "uint8"), ((8, 32), BOTH, "fp4", "", False, "", "")),
        (of("int8", (8, 8), "float8_e4m3fn"), ((8, 16), BOTH, "fp4", "", False, "", "")),
        (of("int8", (8, 24), "uint8"), None),  # 6 bits, which one maker packs, under a name of its own
        (of("float4_e2m1fn_x2", (8, 32)), ((8, 32), BOTH, "fp4", "", False, "", "")),
        (
            of("int8", weight_scale_2="float32", pre_quant_scale="float32"),
            (
                (8, 32),
                (*BOTH, "m.weight_scale_2", "m.pre_quant_scale"),
                *("plain", "m.weight_scale_2", False, "", "m.pre_quant_scale"),
            ),
        ),
        (
            of("int8", weight_global_scale="float32"),
            ((8, 32), (*BOTH, "m.weight_global_scale"), "plain", "m.weight_global_scale", True, "", ""),
        ),
    ],
)
def test_codes_and_scales_by_the_name_of_the_weight(shapes: Shapes, expected: Any) -> None:
    """Behind what is none and before what is one, too."""
    given: Shapes = {
        "a.bias": ((2,), "int8"),
        "n.weight": ((2, 2), "int8"),
        "n.weight_scale": ((), "float32"),
    }
    found = {
        weight.name: said(weight)
        for weight in scaled_weights(infos({"a.bias": ((2,), "int8")} | shapes | given))
    }
    told = {"n.weight": ((2, 2), ("n.weight", "n.weight_scale"), "plain", "", False, "", "")}
    assert found == told | ({} if expected is None else {"m.weight": expected})


@pytest.mark.parametrize(
    ("weight", "scale", "expected"),
    [
        *(("m.weight", f"m.weight{end}", True) for end in ("_scale_inv", "_scale", "_scales")),
        ("m.weight", "m.scale", True),
        ("m.up_proj", "m.up_proj_scale", True),
        ("m.up_proj", "m.scale", False),
        ("m.weight", "m.weight_other", False),
    ],
)
def test_what_a_scale_is_called(weight: str, scale: str, expected: bool) -> None:
    given = infos({weight: ((2, 2), "int8"), scale: ((), "float32")})
    assert [found.parts for found in scaled_weights(given)] == ([(weight, scale)] if expected else [])


def test_a_row_of_numbers_has_a_scale_if_it_is_called_a_weight() -> None:
    given: Shapes = {"m.bias": ((4,), "int8"), "m.bias_scale": ((), "float32")}
    given |= {"m.weight": ((4,), "int8"), "m.weight_scale": ((), "float32")}
    assert [found.name for found in scaled_weights(infos(given))] == ["m.weight"]


@pytest.mark.parametrize(
    ("codes", "scale", "expected"),
    [
        (((8, 32), "uint8"), ((8, 2), "uint8"), "fp4"),
        (((8, 32), "uint8"), ((8, 2), "float8_e8m0fnu"), "fp4"),
        (((8, 32), "uint8"), ((8, 4), "float8_e4m3fn"), "fp4"),
        (((8, 48), "uint8"), ((8, 2), "uint8"), "fp6"),
        (((3, 8, 32), "uint8"), ((3, 8, 2), "uint8"), "fp4"),
        (((8, 32), "uint8"), ((8, 4), "uint8"), None),
        (((8, 32), "uint8"), ((8, 2), "float8_e4m3fn"), None),
        (((8, 48), "uint8"), ((8, 2), "float32"), None),
        (((8, 32), "uint8"), ((8, 2), "float32"), None),
        (((8, 32), "uint8"), ((4, 2), "uint8"), None),
        (((8, 32), "uint8"), ((2,), "uint8"), None),
        (((32,), "uint8"), ((2,), "uint8"), "fp4"),
        (((), "uint8"), ((), "uint8"), None),
    ],
)
def test_small_floats_in_bytes_are_known_by_their_scales(
    codes: Any, scale: Any, expected: str | None
) -> None:
    assert bytes_hold(fpcore.TensorInfo(*codes), fpcore.TensorInfo(*scale)) == expected


PACKED: Shapes = {"m.weight_packed": ((8, 32), "uint8"), "m.weight_scale": ((8, 2), "uint8")}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ((8, 64), "fp4", "", True)),
        ({"m.weight_packed": ((8, 48), "int8")}, ((8, 64), "fp6", "", True)),
        ({"m.weight_global_scale": ((1,), "float32")}, ((8, 64), "fp4", "m.weight_global_scale", True)),
        (
            {"m.weight_packed": ((3, 8, 32), "uint8"), "m.weight_scale": ((3, 8, 2), "uint8")},
            ((3, 8, 64), "fp4", "", True),
        ),
        (
            {"m.weight_packed": ((3, 8, 48), "uint8"), "m.weight_scale": ((3, 8, 2), "uint8")},
            ((3, 8, 64), "fp6", "", True),
        ),
        ({"m.weight_packed": ((8, 32), "int32")}, None),
        ({"m.weight_packed": ((8, 40), "uint8")}, None),
    ],
)
def test_floats_of_compressed_tensors(changes: Shapes, expected: Any) -> None:
    """Behind what is none and before what is one, too."""
    given: Shapes = {"a.bias": ((2,), "uint8"), "a.weight_packed": ((8, 32), "uint8")}
    given |= PACKED | changes | {f"n{name[1:]}": facts for name, facts in PACKED.items()}
    found = {weight.name: said(weight) for weight in packed_floats(infos(given))}
    parts = ("n.weight_packed", "n.weight_scale")
    told: dict[str, Any] = {"n.weight": ((8, 64), parts, "fp4", "", True, "", "")}
    if expected is not None:
        shape, form, of_scale, divides = expected
        parts = tuple(part for part in ("m.weight_packed", "m.weight_scale", of_scale) if part)
        told["m.weight"] = (shape, parts, form, of_scale, divides, "", "")
    assert found == told


@pytest.mark.parametrize(
    ("dtype", "zero", "last", "expected"),
    [
        ("int8", True, "_weight_qdata", True),
        ("float8_e4m3fn", False, "_weight_qdata", True),
        ("uint8", False, "_weight_qdata", False),
        ("int8", False, "weight_qdata", False),
        ("int8", False, "_weight_data", False),
    ],
)
def test_weights_of_torchao(dtype: str, zero: bool, last: str, expected: bool) -> None:
    """Behind what is none and before what is one, too."""
    given: Shapes = {
        "a.bias": ((2,), "int8"),
        "a._weight_qdata": ((8, 4), "int8"),
        f"m.{last}": ((8, 4), dtype),
    }
    given |= {"m._weight_scale": ((8, 1), "float32"), "m.weight_scale": ((8, 1), "float32")}
    given |= {"m._weight_zero_point": ((8, 1), "int8")} if zero else {}
    given |= {"n.up._weight_qdata": ((8, 4), "int8"), "n.up._weight_scale": ((8, 1), "float32")}
    found = {weight.name: said(weight) for weight in torchao_weights(infos(given))}
    told: dict[str, Any] = {
        "n.up.weight": ((8, 4), ("n.up._weight_qdata", "n.up._weight_scale"), "plain", "", False, "", "")
    }
    if expected:
        zeros = ("m._weight_zero_point",) if zero else ()
        parts = ("m._weight_qdata", "m._weight_scale", *zeros)
        told["m.weight"] = ((8, 4), parts, "plain", "", False, zeros[0] if zero else "", "")
    assert found == told


def test_weights_of_quanto() -> None:
    given: Shapes = {"a.weight": ((8, 4), "int8"), "a._scale": ((8, 1), "float32")}
    for stem, dtype in (("b.weight", "uint8"), ("c.weight", "int8"), ("d.weight", "float8_e4m3fn")):
        given |= {f"{stem}._data": ((8, 4), dtype), f"{stem}._scale": ((8, 1), "float32")}
    given["e.weight._data"] = ((8, 4), "int8")
    found = {weight.name: said(weight) for weight in quanto_weights(infos(given))}
    assert found == {
        name: ((8, 4), (f"{name}._data", f"{name}._scale"), "plain", "", False, "", "")
        for name in ("c.weight", "d.weight")
    }


def test_stacks_of_gpt_oss() -> None:
    given: Shapes = {"a.bias": ((2,), "uint8"), "b.up_blocks": ((3, 12, 2, 16), "uint8")}
    given |= {"c.up_blocks": ((3, 12, 2), "uint8"), "c.up_scales": ((3, 12), "uint8")}
    given |= {"d.up_blocks": ((3, 12, 2, 16), "uint8"), "d.up_scales": ((3, 12, 4), "uint8")}
    given |= {"e.up_blocks": ((3, 12, 2, 16), "uint8"), "e.up_scales": ((3, 12, 2), "uint8")}
    found = {weight.name: said(weight) for weight in mxfp4_stacks(infos(given))}
    assert found == {"e.up": ((3, 64, 12), ("e.up_blocks", "e.up_scales"))}


def test_floats_of_4_bits_without_a_scale() -> None:
    codes = torch.arange(32, dtype=torch.uint8).reshape(4, 8)
    rows = Fp4("m", (4, 16), ("m",)).rows(fpcore.MemoryCheckpoint("m", "0" * 64, {}, {"m": codes}))
    assert torch.equal(rows(1, 3), unpack_fp4(codes[1:3]))


def scaled(shape: tuple[int, ...]) -> Scaled:
    return Scaled("m.weight", shape, (), "", "")


@pytest.mark.parametrize(
    ("shape", "scales", "blocks", "expected"),
    [
        ((8, 32), (8, 1), (), (1, 32)),
        ((8, 32), (1, 1), (), (8, 32)),
        ((8, 32), (1, 32), (), (8, 1)),
        ((8, 32), (2, 4), (), (4, 8)),
        ((8, 32), (2, 3), (5, 15), (5, 15)),
        ((200, 300), (2, 3), (), (128, 128)),
        ((200, 300), (2, 3), (100, 100), (100, 100)),
        ((256, 256), (2, 2), (), (128, 128)),
        ((3, 200, 300), (3, 2, 3), (), (1, 128, 128)),
        ((3, 200, 300), (3, 2, 3), (100, 100), (1, 100, 100)),
        ((1, 200, 300), (1, 2, 3), (), (1, 128, 128)),
        ((3, 8, 32), (3, 8, 1), (), (1, 1, 32)),
        ((128, 100), (1, 1), (), (128, 100)),
        ((100, 256), (1, 2), (), (100, 128)),
        ((100, 200), (1, 2), (128, 128), (128, 128)),
        ((8,), (1,), (), (8,)),
        ((), (), (), ()),
    ],
)
def test_entries_that_share_a_scale(
    shape: tuple[int, ...], scales: tuple[int, ...], blocks: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    assert scaled(shape).lengths(scales, blocks) == expected


@pytest.mark.parametrize(
    ("shape", "scales"), [((8, 32), (8,)), ((8, 32), (3, 1)), ((8, 32), (0, 1)), ((100, 257), (1, 3))]
)
def test_scales_that_fit_nothing(shape: tuple[int, ...], scales: tuple[int, ...]) -> None:
    with pytest.raises(fpcore.UnreadableTensor, match="its scale of shape"):
        scaled(shape).lengths(scales, ())


@pytest.mark.parametrize(
    ("shape", "scales", "expected"),
    [
        ((8, 32), (), (1, 1)),
        ((8, 32), (1, 1, 1), (1, 1)),
        ((8, 32), (8,), (8, 1)),
        ((8, 32), (32,), (32,)),
        ((3, 8, 32), (3,), (3, 1, 1)),
        ((3, 8, 32), (3, 8), (3, 8, 1)),
        ((8, 32), (2, 1, 4, 1), (2, 4)),
        ((8, 32), (2, 2, 4, 1), (2, 2, 4, 1)),
        ((8, 32), (2, 1, 4, 2), (2, 1, 4, 2)),
        ((8, 32), (2, 4), (2, 4)),
    ],
)
def test_scales_have_the_axes_of_the_weight(
    shape: tuple[int, ...], scales: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    assert tuple(scaled(shape).aligned(torch.ones(scales)).shape) == expected


def test_blocks_are_counted_with_a_shorter_last_one() -> None:
    assert counts((200, 256, 1), (128, 128, 128)) == (2, 2, 1)


@pytest.mark.parametrize(
    ("shape", "lengths", "counted"),
    [
        ((5, 7), (2, 3), (3, 3)),
        ((5, 7), (5, 3), (1, 3)),
        ((5, 7), (1, 7), (5, 1)),
        ((2, 5, 7), (1, 2, 7), (2, 3, 1)),
    ],
)
def test_each_row_has_the_scale_of_its_block(
    shape: tuple[int, ...], lengths: tuple[int, ...], counted: tuple[int, ...]
) -> None:
    scale = torch.rand(counted, generator=torch.Generator().manual_seed(0))
    whole = scale
    for axis, length in enumerate(lengths):
        whole = whole.repeat_interleave(length, axis).narrow(axis, 0, shape[axis])
    for start in range(shape[0]):
        found = spread(scale, lengths, shape, start, shape[0])
        assert torch.equal(found.expand(shape[0] - start, *shape[1:]), whole[start:])


@pytest.mark.parametrize(
    ("stated", "expected"), [(None, ()), ([], ()), ([128, 64], (128, 64)), ([1, 1], (1, 1))]
)
def test_stated_blocks(stated: Any, expected: tuple[int, ...]) -> None:
    assert stated_blocks({"weight_block_size": stated}) == expected
    assert stated_blocks({}) == ()
    for wrong in ([0, 8], [8, 0], [8], [8, 8, 8]):
        with pytest.raises(fpcore.UnreadableTensor, match="not two numbers; correct it"):
            stated_blocks({"weight_block_size": wrong})
