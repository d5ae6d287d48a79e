"""Which tensors are packed integers, by their names, types and shapes, and what shares a scale."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import torch

import fpcore
from fpcore.storage.integer_groups import (
    awq_or_gptq,
    group_of,
    group_size,
    mlx_weights,
    packed_rows,
    stated_bits,
)
from fpcore.storage.stored_weight import Refused, StoredWeight

Shapes = dict[str, tuple[tuple[int, ...], str]]
GPTQ: Shapes = {
    "m.qweight": ((4, 16), "int32"),
    "m.qzeros": ((2, 2), "int32"),
    "m.scales": ((2, 16), "float16"),
}
AWQ: Shapes = {
    "m.qweight": ((32, 2), "int32"),
    "m.qzeros": ((2, 2), "int32"),
    "m.scales": ((2, 16), "float16"),
}
GEMV: Shapes = {
    "m.qweight": ((16, 4), "int32"),
    "m.qzeros": ((16, 1), "int32"),
    "m.scales": ((16, 8), "float16"),
}
MLX: Shapes = {
    "m.weight": ((16, 4), "uint32"),
    "m.scales": ((16, 2), "float16"),
    "m.biases": ((16, 2), "float16"),
}


def infos(shapes: Shapes) -> dict[str, fpcore.TensorInfo]:
    return {name: fpcore.TensorInfo(*facts) for name, facts in shapes.items()}


def found(weights: Iterable[StoredWeight]) -> dict[str, Any]:
    """Class and shape of each weight, and why it is refused."""
    return {
        weight.name: (
            type(weight).__name__,
            weight.shape,
            *([weight.reason] if isinstance(weight, Refused) else ()),
        )
        for weight in weights
    }


@pytest.mark.parametrize(
    ("inputs", "groups", "index", "size", "expected"),
    [
        (6, 3, None, None, [0, 0, 1, 1, 2, 2]),
        (6, 2, None, 4, [0, 0, 0, 0, 1, 1]),
        (6, 3, None, 4, [0, 0, 1, 1, 2, 2]),
        (3, 3, [2, 0, 1], None, [2, 0, 1]),
        (3, 2, [1, 1, 0], 2, [1, 1, 0]),
        (3, 3, [2, 0], None, [0, 1, 2]),
        (2, 2, [-1, -1], None, [0, 1]),
        (0, 1, [], None, []),
    ],
)
def test_the_group_of_each_input(
    inputs: int, groups: int, index: list[int] | None, size: int | None, expected: list[int]
) -> None:
    given = None if index is None else torch.tensor(index, dtype=torch.int32)
    assert group_of(inputs, groups, given, size).tolist() == expected


@pytest.mark.parametrize(
    ("inputs", "groups", "index", "why"),
    [
        (3, 2, [0, 1, 2], "beyond the 2 that have scales"),
        (3, 2, [0, 1, -1], "beyond the 2 that have scales"),
        (6, 4, None, "its 4 groups do not divide its 6 inputs"),
        (6, 0, None, "its 0 groups do not divide its 6 inputs"),
    ],
)
def test_groups_that_do_not_fit(inputs: int, groups: int, index: list[int] | None, why: str) -> None:
    given = None if index is None else torch.tensor(index)
    with pytest.raises(fpcore.UnreadableTensor, match=why):
        group_of(inputs, groups, given, None)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"group_size": 8}, 8),
        ({"q_group_size": 8}, 8),
        ({"group_size": 1}, 1),
        ({"group_size": 0}, None),
        ({"group_size": -1}, None),
        ({}, None),
    ],
)
def test_how_many_inputs_share_a_scale(stated: dict[str, int], expected: int | None) -> None:
    model = fpcore.MemoryCheckpoint("m", "0" * 64, {"quantization_config": stated}, {})
    assert group_size(model) == expected


@pytest.mark.parametrize(
    ("shapes", "config", "expected"),
    [
        (GPTQ, {}, "Gptq"),
        *((GPTQ, {"quant_method": method}, "Gptq") for method in ("GPTQ", "auto-round", "intel/auto-round")),
        (GPTQ, {"quant_method": "auto_round"}, "Gptq"),
        (GPTQ, {"quant_method": "another"}, None),
        *((GPTQ, {"version": form}, None) for form in ("marlin", "gemv_fast", "Bitblas")),
        (GPTQ, {"checkpoint_format": "gptq_marlin"}, None),
        (GPTQ | {"m.qweight": ((4, 16), "uint32")}, {}, "Gptq"),
        (GPTQ | {"m.qweight": ((4, 16), "int64")}, {}, None),
        (GPTQ | {"m.qweight": ((4, 16, 1), "int32")}, {}, None),
        (GPTQ | {"m.qweight": ((4,), "int32"), "m.scales": ((2,), "float16")}, {}, None),
        (GPTQ | {"m.scales": ((2, 16, 1), "float16")}, {}, None),
        (AWQ, {"quant_method": "awq"}, "Awq"),
        (AWQ, {"quant_method": "auto-round", "packing_format": "auto_round:awq"}, "Awq"),
        (AWQ | {"m.qzeros": ((2, 3), "int32")}, {"quant_method": "awq"}, None),
        (GEMV, {"quant_method": "awq", "version": "gemv"}, "AwqRows"),
        (GEMV, {"quant_method": "awq", "version": "gemm"}, None),
        (GEMV | {"m.qzeros": ((15, 1), "int32")}, {"quant_method": "awq", "version": "gemv"}, None),
        (GEMV | {"m.scales": ((15, 8), "float16")}, {"quant_method": "awq", "version": "gemv"}, None),
    ],
)
def test_words_zeros_and_scales(shapes: Shapes, config: dict[str, str], expected: str | None) -> None:
    """Behind what is none of them, too."""
    before: Shapes = {"a.bias": ((2,), "float32"), "b.qweight": ((4, 16), "int32")}
    before |= {name.replace("m.", "c."): (shape, "bool") for name, (shape, _) in shapes.items()}
    weights = found(awq_or_gptq(infos(before | shapes), config))
    assert weights == ({} if expected is None else {"m.weight": (expected, (16, 32))})


@pytest.mark.parametrize(
    ("changes", "shape"),
    [
        ({"m.qzeros": ((3, 2), "int32")}, (16, 32)),
        ({"m.qweight": ((4, 17), "int32")}, (17, 32)),
        ({"m.qzeros": ((2, 0), "int32")}, (16, 0)),  # no bits
        ({"m.qzeros": ((2, 5), "int32")}, (16, 0)),  # ten
        ({"m.qzeros": ((2, 3), "int32")}, (16, 21)),  # four words do not hold numbers of six bits
        ({"m.scales": ((2, 0), "float16")}, (16, 0)),
        (  # one bit
            {
                "m.qweight": ((4, 66), "int32"),
                "m.qzeros": ((2, 4), "int32"),
                "m.scales": ((2, 66), "float16"),
            },
            (66, 0),
        ),
    ],
)
def test_shapes_that_are_not_those_of_gptq(changes: Shapes, shape: tuple[int, int]) -> None:
    given = GPTQ | changes
    weights = list(awq_or_gptq(infos(given | {f"n{k[1:]}": v for k, v in GPTQ.items()}), {}))
    assert [weight.parts for weight in weights] == [tuple(f"{stem}{k[1:]}" for k in GPTQ) for stem in "mn"]
    told = ", ".join(str(given[f"m.{part}"][0]) for part in ("qweight", "qzeros"))
    reason = f"GPTQ of {told} and {given['m.scales'][0]}"
    assert found(weights) == {
        "m.weight": (
            "Refused",
            shape,
            f"it is packed in an unknown way ({reason}); dequantise the model first",
        ),
        "n.weight": ("Gptq", (16, 32)),
    }


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, set()),
        ({"config_groups": {"a": {"weights": {"num_bits": 4}}, "b": {"weights": {"num_bits": 3}}}}, {3, 4}),
        ({"weights": {"num_bits": None}, "other": {"weights": {"num_bits": 8}}}, {8}),
        ({"a": {"weights": {"num_bits": 8}}, "weights": {"num_bits": 4}}, {4, 8}),
        ({"weights": "none", "more": [{"weights": {"num_bits": 8}}]}, set()),
        ({"input_activations": {"weights": {"num_bits": 8}}}, set()),
        ({"output_activations": {"weights": {"num_bits": 8}}}, set()),
    ],
)
def test_bits_that_a_config_states(config: Any, expected: set[int]) -> None:
    assert stated_bits(config) == expected


def packed(
    words: tuple[int, ...] = (8, 8), shape: tuple[int, ...] = (8, 64), **changes: torch.Tensor | None
) -> dict[str, torch.Tensor]:
    parts: dict[str, torch.Tensor | None] = {
        "weight_packed": torch.zeros(words, dtype=torch.int32),
        "weight_scale": torch.ones(8, 2),
        "weight_shape": torch.tensor(shape),
    } | changes
    return {name: part for name, part in parts.items() if part is not None}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (packed(), ("PackedRows", (8, 64))),
        (packed(weight_packed=torch.zeros(8, 8, dtype=torch.uint32)), ("PackedRows", (8, 64))),
        (packed((8, 128), (8, 1024)), ("PackedRows", (8, 1024))),
        (packed((2, 8, 8), (2, 8, 64)), ("PackedRows", (2, 8, 64))),
        (packed(weight_packed=torch.zeros(8, 8)), None),
        (packed(weight_scale=None), None),
        (packed(weight_shape=None), None),
        (packed((8, 5), (8, 64)), ("Refused", (8, 64), "(8, 5)")),
        (packed((8, 2), (8, 16)), ("Refused", (8, 16), "(8, 2)")),  # 3 bits or 4
        (packed((7, 8)), ("Refused", (8, 64), "(7, 8)")),
        (packed((8,), (64,)), ("Refused", (64,), "(8,)")),
        (packed((8,), ()), ("Refused", (), "(8,)")),
    ],
)
def test_words_of_compressed_tensors(parts: dict[str, torch.Tensor], expected: Any) -> None:
    """Behind what is none and before what is one, too."""
    stored = {f"m.{name}": part for name, part in parts.items()}
    other = {name.replace("weight", "a.other"): part for name, part in packed().items()}
    stored = {"a.bias": torch.ones(2)} | other | stored
    stored |= {f"n.{name}": part for name, part in packed().items()}
    model = fpcore.MemoryCheckpoint("m", "0" * 64, {}, stored)
    told = {"n.weight": ("PackedRows", (8, 64))}
    if expected is not None:
        reasons = [
            f"it is packed in an unknown way (words of shape {one}); dequantise the model first"
            for one in expected[2:]
        ]
        told["m.weight"] = (*expected[:2], *reasons)
    assert found(packed_rows(model, model.tensors)) == told


def test_parts_of_packed_words_beside_them() -> None:
    beside = {"weight_zero_point": torch.ones(1, 2), "weight_g_idx": torch.ones(64)}
    for shape in ((8, 64), (9, 64)):
        stored = {f"m.{name}": part for name, part in packed((8, 8), shape, **beside).items()}
        model = fpcore.MemoryCheckpoint("m", "0" * 64, {}, stored)
        (weight,) = packed_rows(model, model.tensors)
        names = ("packed", "scale", "zero_point", "g_idx")
        assert weight.parts == tuple(f"m.weight_{name}" for name in names)


@pytest.mark.parametrize(
    ("changes", "config", "expected"),
    [
        ({}, {"group_size": 16}, ("MlxRows", (16, 32), 4)),
        ({}, {"group_size": 32}, ("MlxRows", (16, 64), 2)),
        ({"m.weight": ((16, 16), "uint32")}, {}, ("MlxRows", (16, 128), 4)),  # 64 where nothing is stated
        ({}, {"group_size": 64, "m": {"group_size": 16}}, ("MlxRows", (16, 32), 4)),
        ({}, {"group_size": 16, "m": {"bits": 4}}, ("MlxRows", (16, 32), 4)),
        ({}, {"group_size": 16, "m": True}, ("MlxRows", (16, 32), 4)),
        ({"m.weight": ((3, 16, 4), "uint32")}, {"group_size": 16}, ("MlxRows", (3, 16, 32), 4)),
        ({"m.weight": ((16, 4), "int32")}, {"group_size": 16}, None),
        ({"m.scales": ((), "float16")}, {"group_size": 16}, None),
        ({}, {"group_size": 4}, ("Refused", (16, 8), 16)),
        ({}, {"group_size": 20}, ("Refused", (16, 40), 3)),
        ({"m.weight": ((3, 16, 4), "uint32")}, {"group_size": 20}, ("Refused", (3, 16, 40), 3)),
        ({"m.scales": ((16, 3), "float16")}, {"group_size": 11}, ("Refused", (16, 33), 3)),
        ({"m.scales": ((16, 0), "float16")}, {}, ("Refused", (16, 0), 0)),
    ],
)
def test_words_of_mlx(changes: Shapes, config: dict[str, Any], expected: Any) -> None:
    """Behind what is none and before what is one, too."""
    shapes: Shapes = {"a.bias": ((2,), "uint32"), "b.weight": ((16, 4), "uint32")}
    shapes |= MLX | changes | {f"n{name[1:]}": facts for name, facts in MLX.items()}
    kinds = {
        weight.name: (
            type(weight).__name__,
            weight.shape,
            getattr(weight, "bits", getattr(weight, "reason", "")),
        )
        for weight in mlx_weights(infos(shapes), config | {"n": {"group_size": 16}})
    }
    told = {"n.weight": ("MlxRows", (16, 32), 4)}
    if expected is not None:
        kind, shape, bits = expected
        reason = f"it is packed in an unknown way (MLX integers of {bits} bits); dequantise the model first"
        told["m.weight"] = (kind, shape, reason if kind == "Refused" else bits)
    assert kinds == told


def test_mlx_without_biases_has_floats_of_4_bits() -> None:
    for size, kind in ((16, "MlxRows"), (32, "Refused")):
        shapes = {name: facts for name, facts in MLX.items() if name != "m.biases"}
        (weight,) = mlx_weights(infos(shapes), {"group_size": size})
        assert type(weight).__name__ == kind
        assert weight.parts == ("m.weight", "m.scales")
