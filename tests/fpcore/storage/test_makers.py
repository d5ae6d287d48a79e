"""Weights that the makers of formats packed come back as their own code turns them back."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import fpcore
from fpcore.storage.dequantised import read_dequantised


def weight(rows: int = 64, columns: int = 256) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(0))


def read(parts: dict[str, torch.Tensor], **config: Any) -> torch.Tensor:
    source = fpcore.MemoryCheckpoint("m", "0" * 64, {"quantization_config": config} if config else {}, parts)
    return read_dequantised(source, "m.weight")


@pytest.mark.parametrize("quantised", ["nf4", "fp4"])
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("carrier", [torch.uint8, torch.bfloat16, torch.float32])
def test_bitsandbytes_4_bit(quantised: str, nested: bool, carrier: torch.dtype) -> None:
    functional = pytest.importorskip("bitsandbytes.functional")
    packed, state = functional.quantize_4bit(
        weight(), blocksize=64, compress_statistics=nested, quant_type=quantised, quant_storage=carrier
    )
    parts = {f"m.weight.{name}": part for name, part in state.as_dict(packed=True).items()}
    expected = functional.dequantize_4bit(packed, state)
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
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_compressed_tensors_packed(scheme: str) -> None:
    quantisation = pytest.importorskip("compressed_tensors.quantization")
    base = pytest.importorskip("compressed_tensors.compressors.pack_quantized.base")
    arguments = quantisation.QuantizationArgs(**SCHEMES[scheme])
    values = weight()
    size = arguments.group_size or values.shape[1]
    low, high = (values.reshape(64, -1, size).amin(2), values.reshape(64, -1, size).amax(2))
    scale, zero = quantisation.utils.calculate_qparams(low, high, arguments)
    state = {"weight": values, "weight_scale": scale, "weight_zero_point": zero}
    whole = quantisation.QuantizationScheme(targets=["Linear"], weights=arguments)
    packed = base.PackedQuantizationCompressor.compress(state, whole)
    expected = base.PackedQuantizationCompressor.decompress(dict(packed), whole)["weight"]
    stored = {f"m.{name}": part for name, part in packed.items()}
    assert "m.weight_packed" in stored
    torch.testing.assert_close(
        read(stored, quant_method="compressed-tensors"), expected, rtol=1e-6, atol=1e-7
    )


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
    turn = module.Fp8Dequantize(None)._dequantize_one
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
    assert torch.equal(read_dequantised(source, "e.down_proj"), expected)
