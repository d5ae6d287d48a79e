"""Weights that the makers of formats packed come back as their own code turns them back."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from flat_reading import read_in_parts

import fpcore

pytestmark = pytest.mark.thorough


def weight(*shape: int) -> torch.Tensor:
    return torch.randn(shape or (64, 256), generator=torch.Generator().manual_seed(0))


def read(parts: dict[str, torch.Tensor], **config: Any) -> torch.Tensor:
    source = fpcore.MemoryCheckpoint("m", "0" * 64, {"quantization_config": config} if config else {}, parts)
    return read_in_parts(source, "m.weight")


@pytest.mark.parametrize("quantised", ["nf4", "fp4"])
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("carrier", [torch.uint8, torch.bfloat16, torch.float32])
@pytest.mark.parametrize(
    ("shape", "blocks"), [((64, 256), 64), ((48, 80), 128), ((3, 32, 64), 64), ((6, 96), 64)]
)
def test_bitsandbytes_4_bit(
    quantised: str, nested: bool, carrier: torch.dtype, shape: tuple[int, ...], blocks: int
) -> None:
    functional = pytest.importorskip("bitsandbytes.functional")
    packed, state = functional.quantize_4bit(
        weight(*shape),
        blocksize=blocks,
        compress_statistics=nested,
        quant_type=quantised,
        quant_storage=carrier,
    )
    parts = {f"m.weight.{name}": part for name, part in state.as_dict(packed=True).items()}
    # As one row: where blocks run on from row to row, its CPU kernel gets rows of several wrong.
    state.shape = torch.Size((1, state.shape.numel()))
    expected = functional.dequantize_4bit(packed, state).reshape(shape)
    torch.testing.assert_close(read({"m.weight": packed} | parts), expected, rtol=1e-6, atol=1e-7)


def test_bitsandbytes_8_bit() -> None:
    functional = pytest.importorskip("bitsandbytes.functional")
    packed, largest, _ = functional.int8_vectorwise_quant(weight().half())
    expected = functional.int8_vectorwise_dequant(packed, largest)
    torch.testing.assert_close(read({"m.weight": packed, "m.SCB": largest}), expected, rtol=1e-6, atol=1e-7)


SCHEMES: dict[str, dict[str, Any]] = {
    "int4 groups": {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32, "symmetric": True},
    "int4 zeros": {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32, "symmetric": False},
    "int3 rows": {"num_bits": 3, "type": "int", "strategy": "channel", "symmetric": True},
    "int8 packed": {"num_bits": 8, "type": "int", "strategy": "group", "group_size": 64, "symmetric": False},
    "int2 groups": {"num_bits": 2, "type": "int", "strategy": "group", "group_size": 16, "symmetric": True},
    "int5 zeros": {"num_bits": 5, "type": "int", "strategy": "group", "group_size": 32, "symmetric": False},
    "int6 rows": {"num_bits": 6, "type": "int", "strategy": "channel", "symmetric": False},
    "int7 groups": {"num_bits": 7, "type": "int", "strategy": "group", "group_size": 128, "symmetric": True},
}


def scales(values: torch.Tensor, arguments: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and zero point of every group of the last axis, as compressed-tensors computes them."""
    quantisation = pytest.importorskip("compressed_tensors.quantization")
    size = arguments.group_size if (arguments.group_size or 0) > 0 else values.shape[-1]
    each = values.reshape(*values.shape[:-1], -1, size)
    scale, zero = quantisation.utils.calculate_qparams(each.amin(-1), each.amax(-1), arguments)
    return scale, zero


@pytest.mark.parametrize("shape", [(64, 256), (32, 48), (8, 16), (3, 64, 128)])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_compressed_tensors_packed(scheme: str, shape: tuple[int, ...]) -> None:
    """Also of narrow weights, where several numbers of bits take as many words, and of stacks of experts."""
    quantisation = pytest.importorskip("compressed_tensors.quantization")
    base = pytest.importorskip("compressed_tensors.compressors.pack_quantized.base")
    stated = SCHEMES[scheme]
    if shape[-1] % stated.get("group_size", 1):
        stated = stated | {"group_size": 16}
    arguments = quantisation.QuantizationArgs(**stated)
    values = weight(*shape)
    scale, zero = scales(values, arguments)
    state = {"weight": values, "weight_scale": scale, "weight_zero_point": zero}
    whole = quantisation.QuantizationScheme(targets=["Linear"], weights=arguments)
    packed = base.PackedQuantizationCompressor.compress(state, whole)
    expected = base.PackedQuantizationCompressor.decompress(dict(packed), whole)["weight"]
    stored = {f"m.{name}": part for name, part in packed.items()}
    assert "m.weight_packed" in stored
    groups = {"group_0": {"targets": ["Linear"], "weights": {"num_bits": stated["num_bits"]}}}
    found = read(stored, quant_method="compressed-tensors", config_groups=groups)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)


PLAIN: dict[str, tuple[str, dict[str, Any]]] = {
    "int8 rows": ("int", {"num_bits": 8, "strategy": "channel", "symmetric": True}),
    "int8 zeros": ("int", {"num_bits": 8, "strategy": "channel", "symmetric": False}),
    "int8 groups": ("int", {"num_bits": 8, "strategy": "group", "group_size": 64, "symmetric": True}),
    "int8 tensor": ("int", {"num_bits": 8, "strategy": "tensor", "symmetric": True}),
    "fp8 rows": ("float", {"num_bits": 8, "strategy": "channel", "symmetric": True}),
    "fp8 tensor": ("float", {"num_bits": 8, "strategy": "tensor", "symmetric": True}),
    "fp8 groups": ("float", {"num_bits": 8, "strategy": "group", "group_size": 32, "symmetric": True}),
}


@pytest.mark.parametrize("scheme", PLAIN)
def test_compressed_tensors_one_number_each(scheme: str) -> None:
    quantisation = pytest.importorskip("compressed_tensors.quantization")
    base = pytest.importorskip("compressed_tensors.compressors.naive_quantized.base")
    kind, stated = PLAIN[scheme]
    arguments = quantisation.QuantizationArgs(type=kind, **stated)
    values = weight()
    if stated["strategy"] == "tensor":
        scale, zero = quantisation.utils.calculate_qparams(values.amin(), values.amax(), arguments)
    else:
        scale, zero = scales(values, arguments)
    whole = quantisation.QuantizationScheme(targets=["Linear"], weights=arguments)
    state = {"weight": values, "weight_scale": scale, "weight_zero_point": zero}
    packed = base.NaiveQuantizationCompressor.compress(state, whole)
    expected = base.NaiveQuantizationCompressor.decompress(dict(packed), whole)["weight"]
    found = read({f"m.{name}": part for name, part in packed.items()}, quant_method="compressed-tensors")
    torch.testing.assert_close(found, expected.float(), rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(found, values, rtol=0.1, atol=0.1)


@pytest.mark.parametrize("form", ["mxfp6", "mxfp8"])
def test_compressed_tensors_with_exponents(form: str) -> None:
    quantisation = pytest.importorskip("compressed_tensors.quantization")
    base = pytest.importorskip(f"compressed_tensors.compressors.{form}.base")
    bits = int(form[-1])
    arguments = quantisation.QuantizationArgs(
        num_bits=bits, type="float", strategy="group", group_size=32, symmetric=True
    )
    whole = quantisation.QuantizationScheme(targets=["Linear"], weights=arguments)
    values = weight()
    scale = (values.reshape(64, -1, 32).abs().amax(2) / {6: 7.5, 8: 448}[bits]).log2().ceil().exp2()
    kind = base.MXFP6PackedCompressor if bits == 6 else base.MXFP8QuantizationCompressor
    packed = kind.compress({"weight": values, "weight_scale": scale}, whole)
    expected = kind.decompress(dict(packed), whole)["weight"]
    found = read({f"m.{name}": part for name, part in packed.items()}, quant_method="compressed-tensors")
    torch.testing.assert_close(found.to(expected.dtype), expected, rtol=1e-2, atol=1e-4)
    torch.testing.assert_close(found, values, rtol=0.2, atol=0.25)


@pytest.mark.parametrize("kind", ["qint8", "qfloat8_e4m3fn", "qfloat8_e5m2"])
def test_quanto(kind: str) -> None:
    quanto = pytest.importorskip("optimum.quanto")
    model = torch.nn.Sequential(torch.nn.Linear(256, 64, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(weight())
    quanto.quantize(model, weights=getattr(quanto, kind))
    quanto.freeze(model)
    parts = {name.replace("0.", "m.", 1): part for name, part in model.state_dict().items()}
    torch.testing.assert_close(read(parts), model[0].weight.dequantize(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", ["Int8WeightOnlyConfig", "Float8WeightOnlyConfig"])
def test_torchao(kind: str) -> None:
    quantization = pytest.importorskip("torchao.quantization")
    files = pytest.importorskip("torchao.prototype.safetensors.safetensors_support")
    model = torch.nn.Sequential(torch.nn.Linear(256, 64, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(weight())
    quantization.quantize_(model, getattr(quantization, kind)())
    stored, _ = files.flatten_tensor_state_dict(model.state_dict())
    parts = {name.replace("0.", "m.", 1): part for name, part in stored.items()}
    assert "m._weight_qdata" in parts
    expected = model[0].weight.dequantize()
    torch.testing.assert_close(read(parts, quant_method="torchao"), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("form", ["nvfp4", "mxfp4"])
def test_compressed_tensors_4_bit_floats(form: str) -> None:
    quantisation = pytest.importorskip("compressed_tensors.quantization")
    base = pytest.importorskip(f"compressed_tensors.compressors.{form}.base")
    arguments = {
        "nvfp4": {"strategy": "tensor_group", "group_size": 16},
        "mxfp4": {"strategy": "group", "group_size": 32},
    }[form]
    weights = quantisation.QuantizationArgs(num_bits=4, type="float", symmetric=True, **arguments)
    whole = quantisation.QuantizationScheme(targets=["Linear"], weights=weights)
    values, size = weight(), weights.group_size
    scale = values.reshape(64, -1, size).abs().amax(2) / 6
    factor = torch.tensor([448.0 / float(scale.max())]) if form == "nvfp4" else None
    scale = (
        (scale * factor).to(torch.float8_e4m3fn).float() if factor is not None else scale.log2().ceil().exp2()
    )
    state = {"weight": values, "weight_scale": scale}
    if factor is not None:
        state["weight_global_scale"] = factor
    kind = base.NVFP4PackedCompressor if form == "nvfp4" else base.MXFP4PackedCompressor
    packed = kind.compress(state, whole)
    expected = kind.decompress(dict(packed), whole)["weight"]
    stored = {f"m.{name}": part for name, part in packed.items()}
    torch.testing.assert_close(read(stored).to(expected.dtype), expected, rtol=1e-2, atol=1e-4)
    torch.testing.assert_close(read(stored), values, rtol=1.0, atol=0.6)


@pytest.mark.parametrize("form", ["blocks", "exponents", "fp4"])
def test_deepseek_as_transformers_turns_it_back(form: str) -> None:
    module = pytest.importorskip("transformers.integrations.finegrained_fp8")
    turn = getattr(module.Fp8Dequantize(None), "_dequantize_one", None)
    if turn is None:
        pytest.skip("transformers 5.0 has no function that turns back one tensor")
    generator = torch.Generator().manual_seed(0)
    if form == "fp4":
        codes = torch.randint(-128, 128, (64, 128), dtype=torch.int8, generator=generator)
        scale = torch.randint(118, 130, (64, 8), dtype=torch.uint8, generator=generator)
        scale = scale.view(torch.float8_e8m0fnu)
    else:
        codes = torch.randn(256, 256, generator=generator).to(torch.float8_e4m3fn)
        scale = torch.rand(2, 2, generator=generator) + 0.5
        if form == "exponents":
            scale = torch.tensor([[126, 127], [128, 129]], dtype=torch.uint8)
    expected = turn(codes, scale, torch.float32)
    for name in ("m.weight_scale_inv", "m.scale"):
        assert torch.equal(read({"m.weight": codes, name: scale}, quant_method="fp8"), expected)


def test_gpt_oss_as_transformers_turns_it_back() -> None:
    module = pytest.importorskip("transformers.integrations.mxfp4")
    generator = torch.Generator().manual_seed(0)
    blocks = torch.randint(0, 256, (2, 8, 3, 16), dtype=torch.uint8, generator=generator)
    scales = torch.randint(118, 130, (2, 8, 3), dtype=torch.uint8, generator=generator)
    expected = module.convert_moe_packed_tensors(blocks, scales, dtype=torch.float32)
    parts = {"e.down_proj_blocks": blocks, "e.down_proj_scales": scales}
    source = fpcore.MemoryCheckpoint("m", "0" * 64, {}, parts)
    assert torch.equal(read_in_parts(source, "e.down_proj"), expected)
