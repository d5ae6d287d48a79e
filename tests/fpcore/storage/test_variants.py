"""Formats that share names and differ in what their numbers mean: each read by its own rule, or refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from flat_reading import read_in_parts

import fpcore
from fpcore.storage.dequantised import dequantised_tensors, open_dequantised, set_apart
from fpcore.storage.number_codes import E2M1

Parts = dict[str, torch.Tensor]


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def source(parts: Parts, **config: Any) -> fpcore.MemoryCheckpoint:
    return fpcore.MemoryCheckpoint("m", "0" * 64, {"quantization_config": config} if config else {}, parts)


def in_words(values: torch.Tensor, bits: int) -> torch.Tensor:
    """Integers of each row, lowest bits first."""
    columns = values.long().reshape(len(values), -1, 32 // bits)
    words = (columns << (torch.arange(32 // bits) * bits)).sum(-1)
    return torch.where(words >= 2**31, words - 2**32, words).to(torch.int32)


@pytest.mark.parametrize(
    ("stated", "stored_less_one"),
    [
        ({"quant_method": "auto-round", "packing_format": "auto_round"}, False),
        ({"quant_method": "auto-round", "packing_format": "auto_round:gptqmodel"}, False),
        ({"quant_method": "auto-round", "packing_format": "auto_round:auto_gptq"}, True),
        ({"quant_method": "intel/auto-round", "packing_format": "auto_round:gptq"}, True),
        ({"quant_method": "auto-round"}, True),
        ({"quant_method": "gptq", "checkpoint_format": "gptq"}, True),
        ({"quant_method": "gptq", "checkpoint_format": "gptq_v2"}, False),
        ({"quant_method": "gptq"}, True),
    ],
)
def test_zeros_of_gptq_and_autoround(stated: dict[str, Any], stored_less_one: bool) -> None:
    values = torch.randint(0, 16, (32, 16), generator=torch.Generator().manual_seed(1))  # (in, out)
    zeros = torch.randint(1, 16, (2, 16), generator=torch.Generator().manual_seed(2))
    scales = random(2, 16, seed=3).abs()
    parts = {
        "m.qweight": in_words(values.T, 4).T.contiguous(),
        "m.qzeros": in_words(zeros - int(stored_less_one), 4),
        "m.scales": scales,
    }
    expected = ((values - zeros.repeat_interleave(16, 0)) * scales.repeat_interleave(16, 0)).T
    found = read_in_parts(source(parts, bits=4, group_size=16, **stated), "m.weight")
    torch.testing.assert_close(found, expected)


def grouped() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Integers (48, 16) of 4 bits, zeros and scales (2, 16): of 32 inputs and of the last 16."""
    generator = torch.Generator().manual_seed(1)
    values = torch.randint(0, 16, (48, 16), generator=generator)
    zeros = torch.randint(0, 16, (2, 16), generator=generator)
    zeros[0, :2] = torch.tensor([0, 15])
    return values, zeros, random(2, 16, seed=3).abs()


def spread(groups: torch.Tensor) -> torch.Tensor:
    """What 32 inputs share, for each of 48."""
    return groups.repeat_interleave(32, 0)[:48]


def test_a_zero_of_0_is_stored_as_all_ones() -> None:
    values, zeros, scales = grouped()
    parts = {
        "m.qweight": in_words(values.T, 4).T.contiguous(),
        "m.qzeros": in_words((zeros - 1) & 15, 4),
        "m.scales": scales,
    }
    expected = ((values - spread(zeros)) * spread(scales)).T
    found = read_in_parts(source(parts, quant_method="gptq", bits=4, group_size=32), "m.weight")
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("form", ["gemm", "gemv"])
def test_awq_whose_last_group_is_shorter(form: str) -> None:
    values, zeros, scales = grouped()
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    if form == "gemm":
        turned = [part.reshape(-1, 2, 8)[:, :, order].reshape(part.shape) for part in (values, zeros)]
        parts = {"m.qweight": in_words(turned[0], 4), "m.qzeros": in_words(turned[1], 4), "m.scales": scales}
    else:
        padded = torch.nn.functional.pad(zeros.T, (0, 6))
        parts = {"m.qweight": in_words(values.T, 4), "m.qzeros": in_words(padded, 4), "m.scales": scales.T}
    model = source(parts, quant_method="awq", bits=4, group_size=32, version=form)
    expected = ((values - spread(zeros)) * spread(scales)).T
    torch.testing.assert_close(read_in_parts(model, "m.weight"), expected)
    opened = open_dequantised(model, "m.weight")  # from within a word to within it
    torch.testing.assert_close(torch.tensor(opened.read(9 * 48, 12 * 48)).reshape(3, 48), expected[9:12])


def test_awq_along_the_inputs_with_one_group() -> None:
    values, zeros, scales = (part[:1] if len(part) == 2 else part for part in grouped())
    padded = torch.nn.functional.pad(zeros.T, (0, 7))
    parts = {"m.qweight": in_words(values.T, 4), "m.qzeros": in_words(padded, 4), "m.scales": scales.T}
    model = source(parts, quant_method="awq", bits=4, group_size=-1, version="gemv")
    torch.testing.assert_close(read_in_parts(model, "m.weight"), ((values - zeros) * scales).T)


@pytest.mark.parametrize("form", [1, 2, 3])
def test_8_bits_in_the_order_of_a_gpu_are_refused(form: int) -> None:
    parts = {
        "m.weight": torch.ones(8, 8, dtype=torch.int8),
        "m.SCB": torch.ones(8),
        "m.weight_format": torch.tensor(form, dtype=torch.uint8),
    }
    with pytest.raises(
        fpcore.UnreadableTensor, match=r"m: tensor m\.weight: its 8-bit integers lie in the order"
    ):
        read_in_parts(source(parts), "m.weight")


def four_bits(**state: Any) -> Parts:
    """15 numbers of bitsandbytes in 3 × 5, a scale each; two of the scales share one of their own."""
    generator = torch.Generator().manual_seed(10)
    told = {"blocksize": 1, "shape": [3, 5], "nested_blocksize": 2} | state
    return {
        "m.weight": torch.randint(0, 256, (8, 1), dtype=torch.uint8, generator=generator),
        "m.weight.absmax": torch.randint(0, 256, (15,), dtype=torch.uint8, generator=generator),
        "m.weight.quant_map": random(16, seed=11),
        "m.weight.nested_absmax": random(8, seed=12).abs(),
        "m.weight.nested_quant_map": random(256, seed=13),
        "m.weight.quant_state.bitsandbytes__nf4": torch.tensor(list(json.dumps(told).encode())).byte(),
    }


@pytest.mark.parametrize(("stated", "offset"), [({}, 0.0), ({"nested_offset": 0.5}, 0.5)])
def test_rows_of_4_bits_that_begin_within_a_byte(stated: dict[str, float], offset: float) -> None:
    parts = four_bits(**stated)
    codes = [part for byte in parts["m.weight"].flatten().tolist() for part in (byte >> 4, byte & 15)][:15]
    scales = parts["m.weight.nested_quant_map"][parts["m.weight.absmax"].long()]
    scales = scales * parts["m.weight.nested_absmax"].repeat_interleave(2)[:15] + offset
    expected = (parts["m.weight.quant_map"][torch.tensor(codes)] * scales).reshape(3, 5)
    assert torch.equal(read_in_parts(source(parts), "m.weight"), expected)


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ({"blocksize": 0}, ": blocksize is 0;"),
        ({"shape": [3, -5]}, ": a length is -5;"),
        ({"nested_blocksize": "two"}, ": nested_blocksize is 'two';"),
        ({"nested_offset": "two"}, r" \(ValueError.*\); fetch it again"),
        ({"shape": None}, r" \(TypeError.*\); fetch it again"),
    ],
)
def test_a_damaged_state_is_named(state: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = source(four_bits(**state))
    monkeypatch.setattr(model, "file_of", lambda name: f"file of {name.rpartition('.')[2]}")
    with pytest.raises(fpcore.BadCheckpoint, match=f"^file of bitsandbytes__nf4: .*bitsandbytes__nf4{why}"):
        dequantised_tensors(model)
    model = source(four_bits() | {"m.weight.quant_state.bitsandbytes__nf4": torch.tensor([255]).byte()})
    with pytest.raises(
        fpcore.BadCheckpoint, match=r"^m: m\.weight\.quant_state\.bitsandbytes__nf4: not JSON"
    ):
        dequantised_tensors(model)


@pytest.mark.parametrize("method", ["eetq", "bitnet", "higgs", "fp_quant", "sinq"])
def test_orders_of_their_own_are_refused_by_name(method: str) -> None:
    name = "model.layers.0.self_attn.q_proj.weight"
    dtype = torch.int8 if method == "eetq" else torch.uint8
    parts = {name: torch.ones(8, 8, dtype=dtype), f"{name}_scales": torch.ones(8)}
    with pytest.raises(fpcore.NotComparable, match=rf"packed integers \({method}: .*dequantise the model"):
        dequantised_tensors(source(parts, quant_method=method))


@pytest.mark.parametrize("form", ["fp8", "nvfp4", "int8"])
def test_a_scale_of_the_inputs_belongs_to_the_weight(form: str) -> None:
    """ModelOpt: the layer computes (x · s) Wᵀ."""
    inputs = random(32, seed=4).abs() + 0.5
    parts: Parts = {"m.pre_quant_scale": inputs, "m.input_scale": torch.ones(())}
    if form == "nvfp4":
        parts["m.weight"] = torch.arange(128, dtype=torch.uint8).reshape(8, 16)
        parts["m.weight_scale"] = (random(8, 2).abs() + 0.5).to(torch.float8_e4m3fn)
        parts["m.weight_scale_2"] = torch.tensor(0.25)
    else:
        kind = torch.float8_e4m3fn if form == "fp8" else torch.int8
        parts["m.weight"] = (8 * random(8, 32)).to(kind)
        parts["m.weight_scale"] = torch.tensor(0.5)
    plain = read_in_parts(source({n: p for n, p in parts.items() if n != "m.pre_quant_scale"}), "m.weight")
    model = source(parts)
    torch.testing.assert_close(read_in_parts(model, "m.weight"), plain * inputs)
    assert set(dequantised_tensors(model)) == {"m.weight"}
    assert set_apart(model) == {"scales of activations": 1}


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
@pytest.mark.parametrize("form", ["weight_scale_2", "weight_global_scale"])
def test_each_expert_has_a_scale_of_its_scales(form: str, shape: tuple[int, ...]) -> None:
    codes = torch.arange(256, dtype=torch.uint8).reshape(2, 8, 16)
    scales, factors = (random(2, 8, 2).abs() + 0.5).to(torch.float8_e4m3fn), torch.tensor([0.25, 2.0])
    parts = {"m.weight": codes, "m.weight_scale": scales}
    plain = read_in_parts(source(parts), "m.weight")
    found = read_in_parts(source(parts | {f"m.{form}": factors.reshape(shape)}), "m.weight")
    torch.testing.assert_close(
        found, plain * (factors if form == "weight_scale_2" else 1 / factors)[:, None, None]
    )


@pytest.mark.parametrize("shape", [(), (8, 1), (8, 4)])
def test_zeros_are_laid_out_as_scales(shape: tuple[int, ...]) -> None:
    codes, scale = (8 * random(8, 32)).to(torch.int8), random(*shape, seed=1).abs()
    zero = torch.randint(-8, 8, shape, generator=torch.Generator().manual_seed(2)).to(torch.int8)
    parts = {"m.weight": codes, "m.weight_scale": scale, "m.weight_zero_point": zero}
    shift, factor = (
        part.repeat_interleave(8, 1) if shape == (8, 4) else part for part in (zero.float(), scale)
    )
    torch.testing.assert_close(read_in_parts(source(parts), "m.weight"), (codes - shift) * factor)


def packed(zero: torch.Tensor, **more: torch.Tensor) -> tuple[Parts, torch.Tensor, torch.Tensor]:
    values = torch.randint(0, 16, (8, 64), generator=torch.Generator().manual_seed(5))
    scale = random(8, 2, seed=6).abs()
    parts = {
        "m.weight_packed": in_words(values, 4),
        "m.weight_scale": scale,
        "m.weight_shape": torch.tensor([8, 64]),
        "m.weight_zero_point": zero,
        **more,
    }
    return parts, values, scale


def test_zeros_that_are_not_packed() -> None:
    """compressed-tensors before 0.9 stored them one a byte."""
    zero = torch.randint(-8, 8, (8, 2), generator=torch.Generator().manual_seed(7)).to(torch.int8)
    parts, values, scale = packed(zero)
    expected = (values - 8 - zero.repeat_interleave(32, 1)) * scale.repeat_interleave(32, 1)
    torch.testing.assert_close(read_in_parts(source(parts), "m.weight"), expected)


def test_zeros_packed_down_the_rows_of_a_stack() -> None:
    """Two experts of 12 × 60: neither rows nor columns fill their last word."""
    generator = torch.Generator().manual_seed(18)
    values = torch.randint(0, 16, (2, 12, 60), generator=generator)
    zeros, scale = torch.randint(-8, 8, (2, 12, 2), generator=generator), random(2, 12, 2, seed=19)
    padded = torch.nn.functional.pad(zeros + 8, (0, 0, 0, 4))
    parts = {
        "m.weight_packed": in_words(torch.nn.functional.pad(values, (0, 4)).reshape(24, 64), 4).reshape(
            2, 12, 8
        ),
        "m.weight_scale": scale,
        "m.weight_shape": torch.tensor([2, 12, 60]),
        "m.weight_zero_point": torch.stack([in_words(one.T, 4).T for one in padded]),
    }
    expected = (values - 8 - zeros.repeat_interleave(30, 2)) * scale.repeat_interleave(30, 2)
    torch.testing.assert_close(read_in_parts(source(parts), "m.weight"), expected)


@pytest.mark.parametrize("scales", [torch.tensor(0.5), torch.tensor([[0.5]]), torch.tensor([[0.5], [2.0]])])
def test_packed_rows_that_share_a_scale(scales: torch.Tensor) -> None:
    parts, values, _ = packed(torch.zeros(8, 2, dtype=torch.int8))
    parts |= {"m.weight_packed": parts["m.weight_packed"][:2], "m.weight_shape": torch.tensor([2, 64])}
    parts |= {"m.weight_scale": scales, "m.weight_zero_point": torch.zeros(2, 1, dtype=torch.int8)}
    expected = (values[:2] - 8) * scales
    torch.testing.assert_close(read_in_parts(source(parts), "m.weight"), expected)


@pytest.mark.parametrize("biased", [True, False])
def test_a_stack_of_experts_of_mlx(biased: bool) -> None:
    """4-bit integers with scales and biases, or 4-bit floats with exponents."""
    codes = torch.randint(0, 16, (3, 4, 64), generator=torch.Generator().manual_seed(14))
    words = in_words(codes.reshape(12, 64), 4).reshape(3, 4, 8).view(torch.uint32)
    scales, biases = random(3, 4, 2, seed=15), random(3, 4, 2, seed=16)
    parts = {"m.weight": words, "m.scales": scales, "m.biases": biases}
    expected = codes * scales.repeat_interleave(32, 2) + biases.repeat_interleave(32, 2)
    if not biased:
        exponents = torch.randint(120, 134, (3, 4, 2), generator=torch.Generator().manual_seed(17))
        parts = {"m.weight": words, "m.scales": exponents.byte()}
        factors = torch.ldexp(torch.ones(3, 4, 2), exponents - 127)
        expected = torch.tensor(E2M1)[codes] * factors.repeat_interleave(32, 2)
    model = fpcore.MemoryCheckpoint("m", "0" * 64, {"quantization": {"group_size": 32, "bits": 4}}, parts)
    torch.testing.assert_close(read_in_parts(model, "m.weight"), expected)


@pytest.mark.parametrize("used", [True, False])
def test_groups_by_index(used: bool) -> None:
    """An index of nothing but -1 is one that was never set."""
    zero = torch.zeros(8, 2, dtype=torch.int8)
    group = torch.randperm(64, generator=torch.Generator().manual_seed(8)) // 32
    stored = group.int() if used else torch.full((64,), -1, dtype=torch.int32)
    parts, values, scale = packed(zero, **{"m.weight_g_idx": stored})
    expected = (values - 8) * scale[:, group if used else torch.arange(64) // 32]
    torch.testing.assert_close(read_in_parts(source(parts), "m.weight"), expected)


def test_bits_that_words_do_not_show() -> None:
    """16 numbers of 3 bits take two words, as 16 of 4 do."""
    values = torch.randint(0, 16, (8, 16), generator=torch.Generator().manual_seed(9))
    parts = {
        "m.weight_packed": in_words(values, 4),
        "m.weight_scale": torch.ones(8, 1),
        "m.weight_shape": torch.tensor([8, 16]),
    }
    groups = {"a": {"weights": {"num_bits": 4}, "input_activations": {"num_bits": 8}}}
    assert torch.equal(read_in_parts(source(parts, config_groups=groups), "m.weight"), values.float() - 8)
    with pytest.raises(fpcore.UnreadableTensor, match=r"words of shape \(8, 2\)"):
        read_in_parts(source(parts), "m.weight")


def test_bytes_whose_scale_says_nothing_known() -> None:
    """Exponents for 16 numbers, or 4-bit integers two a byte: no format that is known."""
    for scale in (torch.full((8, 4), 120, dtype=torch.uint8), torch.ones(8, 4)):
        parts = {
            "model.layers.0.a.weight": torch.ones(8, 32, dtype=torch.uint8),
            "model.layers.0.a.weight_scale": scale,
        }
        with pytest.raises(fpcore.NotComparable, match="packed integers"):
            dequantised_tensors(source(parts))
    other = {
        "model.layers.0.a.weight_packed": torch.ones(8, 20, dtype=torch.uint8),
        "model.layers.0.a.weight_scale": torch.full((8, 1), 120, dtype=torch.uint8),
    }
    with pytest.raises(fpcore.NotComparable, match="compressed-tensors"):
        dequantised_tensors(source(other))


@pytest.mark.parametrize("shape", [(2, 1, 3, 1), (2, 3)])
def test_a_scale_of_blocks_with_axes_of_length_one(shape: tuple[int, ...]) -> None:
    codes, scale = random(200, 300).to(torch.float8_e4m3fn), random(2, 3, seed=1).abs()
    spread = scale.repeat_interleave(128, 0).repeat_interleave(128, 1)[:200, :300]
    parts = {
        "m.weight": codes,
        "m.weight_scale": scale.reshape(shape),
        "m.input_scale_ub": torch.ones(1),
        "m.k_scale": torch.ones(()),
    }
    found = source(parts)
    torch.testing.assert_close(read_in_parts(found, "m.weight"), codes.float() * spread)
    assert set_apart(found) == {"scales of activations": 2}


def test_what_torchao_packs_otherwise_is_refused_by_name() -> None:
    name = "model.layers.0.self_attn.q_proj"
    parts = {
        f"{name}._weight_qdata": torch.ones(8, 4, dtype=torch.uint8),
        f"{name}._weight_scale": torch.ones(2, 8),
    }
    with pytest.raises(fpcore.NotComparable, match=r"torchao: model\.layers\.0\.self_attn\.q_proj\.weight"):
        dequantised_tensors(source(parts, quant_method="torchao"))
