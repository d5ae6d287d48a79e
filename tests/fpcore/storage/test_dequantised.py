"""Scaled floats and packed integers are dequantised; unknown packings are not measured."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
import torch
from flat_reading import read_in_parts
from tiny_models import TINY

import fpcore
from fpcore.storage.dequantised import dequantised_tensors, read_dequantised, set_apart
from fpcore.storage.stored_weight import Coded, Rows
from fpcore.storage.tensor_source import TensorSource

LLAMA = next(tiny for tiny in TINY if tiny.model_type == "llama")
QUERY = "model.layers.1.self_attn.q_proj.weight"
ROLE = "layers.1.attention.query.weight"


def model(
    changes: dict[str, torch.Tensor | None], **config: Any
) -> tuple[fpcore.MemoryCheckpoint, torch.Tensor]:
    """A model with some tensors replaced, and its original query weight (16 × 16)."""
    built = LLAMA.build()
    tensors = dict(built.state_dict())
    original = tensors[QUERY]
    tensors |= {name: tensor for name, tensor in changes.items() if tensor is not None}
    kept = {name: tensor for name, tensor in tensors.items() if changes.get(name, tensor) is not None}
    return fpcore.MemoryCheckpoint("m", "0" * 64, built.config.to_dict() | config, kept), original.detach()


def query() -> torch.Tensor:
    return model({})[1]


def test_blocks_of_fp8_with_their_scales() -> None:
    weight = query()
    scales = weight.reshape(2, 8, 4, 4).abs().amax((1, 3)) / 448  # blocks of 8 × 4
    spread = scales.repeat_interleave(8, 0).repeat_interleave(4, 1)
    packed = (weight / spread).to(torch.float8_e4m3fn)
    config = {"quantization_config": {"quant_method": "fp8", "weight_block_size": [8, 4]}}
    stored, _ = model({QUERY: packed, f"{QUERY}_scale_inv": scales}, **config)
    read = stored.roles[ROLE].read()
    torch.testing.assert_close(read, packed.float() * spread)
    torch.testing.assert_close(read, weight, rtol=0.07, atol=0.01)
    assert f"{QUERY}_scale_inv" not in {view.source for view in stored.roles.values()}


def test_blocks_at_the_border_may_be_smaller() -> None:
    weight = query()
    config = {"quantization_config": {"quant_method": "fp8", "weight_block_size": [12, 12]}}
    scales = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    stored, _ = model({QUERY: weight.to(torch.float8_e4m3fn), f"{QUERY}_scale_inv": scales}, **config)
    spread = scales.repeat_interleave(12, 0).repeat_interleave(12, 1)[:16, :16]
    torch.testing.assert_close(stored.roles[ROLE].read(), weight.to(torch.float8_e4m3fn).float() * spread)


@pytest.mark.parametrize("stated", [[8], [8, 0], ["8", "8"], 8])
def test_a_block_size_that_is_none_is_refused(stated: Any) -> None:
    config = {"quantization_config": {"quant_method": "fp8", "weight_block_size": stated}}
    stored, _ = model(
        {QUERY: query().to(torch.float8_e4m3fn), f"{QUERY}_scale_inv": torch.ones(2, 2)}, **config
    )
    with pytest.raises(
        fpcore.UnreadableTensor, match=r"m: tensor .*q_proj.weight: weight_block_size .*; correct it"
    ):
        stored.roles[ROLE].read()


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (16, 1), (16,), (1, 16), (2, 2)])
def test_one_scale_a_tensor_or_a_row(shape: tuple[int, ...]) -> None:
    weight = query()
    scale = torch.rand(shape) + 0.5
    spread = scale[:, None] if shape == (16,) else scale
    if shape == (2, 2):
        spread = scale.repeat_interleave(8, 0).repeat_interleave(8, 1)
    config = {"quantization_config": {"quant_method": "compressed-tensors"}}
    changes = {
        QUERY: (weight / spread).to(torch.float8_e4m3fn),
        f"{QUERY}_scale": scale,
        "model.layers.1.self_attn.q_proj.input_scale": torch.ones(1),
    }
    read = model(changes, **config)[0].roles[ROLE].read()
    torch.testing.assert_close(read, weight, rtol=0.07, atol=0.01)


def test_a_scale_that_does_not_fit_is_refused() -> None:
    config = {"quantization_config": {"quant_method": "fp8", "weight_block_size": [8, 8]}}
    stored, _ = model(
        {QUERY: query().to(torch.float8_e4m3fn), f"{QUERY}_scale_inv": torch.ones(3, 3)}, **config
    )
    with pytest.raises(
        fpcore.UnreadableTensor, match=r"m: tensor .*: its scale of shape \(3, 3\) does not fit \(16, 16\)"
    ):
        stored.roles[ROLE].read()


def test_fp8_without_scales_is_what_it_says() -> None:
    packed = query().to(torch.float8_e4m3fn)
    stored, _ = model({QUERY: packed})
    assert torch.equal(stored.roles[ROLE].read().float(), packed.float())


def check_packed(changes: dict[str, torch.Tensor | None], expected: torch.Tensor, **config: Any) -> None:
    stored, _ = model(changes, quantization_config=config)
    torch.testing.assert_close(stored.roles[ROLE].read(), expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(stored.roles[ROLE].read(), read_in_parts(stored, QUERY))
    assert stored.roles[ROLE].shape == (16, 16)
    assert set(stored.roles) == set(model({})[0].roles)
    again = pickle.loads(pickle.dumps(stored))
    assert torch.equal(again.roles[ROLE].read(), stored.roles[ROLE].read())


def beside(part: str) -> str:
    return QUERY.replace("weight", part)


def test_bitsandbytes_8_bit() -> None:
    weight = query()
    largest = weight.abs().amax(1)
    packed = (weight / largest[:, None] * 127).round().to(torch.int8)
    changes = {
        QUERY: packed,
        beside("SCB"): largest,
        beside("weight_format"): torch.tensor(0, dtype=torch.uint8),
    }
    check_packed(changes, packed.float() * largest[:, None] / 127, quant_method="bitsandbytes")
    torch.testing.assert_close(packed.float() * largest[:, None] / 127, weight, rtol=0.5, atol=0.01)


@pytest.mark.parametrize("nested", [False, True])
def test_bitsandbytes_4_bit(nested: bool) -> None:
    book = torch.linspace(-1, 1, 16)
    blocks = query().reshape(-1, 64)
    scales = blocks.abs().amax(1)
    state: dict[str, Any] = {"quant_type": "nf4", "blocksize": 64, "shape": [16, 16], "dtype": "bfloat16"}
    changes: dict[str, torch.Tensor | None] = {f"{QUERY}.absmax": scales, f"{QUERY}.quant_map": book}
    if nested:
        codes, offset, widest = torch.linspace(-1, 1, 256), float(scales.mean()), torch.tensor([0.7])
        taken = (((scales - offset) / widest)[:, None] - codes).abs().argmin(1)
        changes |= {
            f"{QUERY}.absmax": taken.to(torch.uint8),
            f"{QUERY}.nested_absmax": widest,
            f"{QUERY}.nested_quant_map": codes,
        }
        state |= {"nested_blocksize": 256, "nested_offset": offset, "nested_dtype": "float32"}
        scales = codes[taken] * widest + offset
    places = ((blocks / scales[:, None]).reshape(-1, 1) - book).abs().argmin(1)
    packed = (places[::2] << 4 | places[1::2]).to(torch.uint8)[:, None]
    told = torch.tensor(list(json.dumps(state).encode()), dtype=torch.uint8)
    changes |= {QUERY: packed, f"{QUERY}.quant_state.bitsandbytes__nf4": told}
    expected = (book[places].reshape(-1, 64) * scales[:, None]).reshape(16, 16)
    check_packed(changes, expected, quant_method="bitsandbytes")
    torch.testing.assert_close(expected, query(), rtol=1.0, atol=0.1)


def grouped(
    weight: torch.Tensor, bits: int, size: int = 8
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Integers (in, out), scales and zeros (groups, out) of groups of inputs."""
    inputs = weight.T.reshape(-1, size, weight.shape[0])
    low, high = inputs.amin(1), inputs.amax(1)
    scales = (high - low) / (2**bits - 1)
    zeros = (-low / scales).round().clamp(1, 2**bits - 1)
    values = (inputs / scales[:, None] + zeros[:, None]).round().clamp(0, 2**bits - 1)
    return values.reshape(weight.T.shape).long(), scales, zeros.long()


def in_words(values: torch.Tensor, bits: int, order: tuple[int, ...]) -> torch.Tensor:
    """Neighbouring columns into words of 32 bits; `order` says which column each place holds."""
    columns = values.reshape(len(values), -1, 32 // bits)
    words = sum(columns[:, :, column] << (bits * place) for place, column in enumerate(order))
    assert isinstance(words, torch.Tensor)
    return torch.where(words >= 2**31, words - 2**32, words).to(torch.int32)


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("form", ["gptq", "gptq_v2", "shuffled"])
def test_gptq(bits: int, form: str) -> None:
    values, scales, zeros = grouped(query(), bits)
    group = torch.arange(16) // 8
    if form == "shuffled":  # columns were quantised in the order of their weight
        shuffle = torch.randperm(16, generator=torch.Generator().manual_seed(0))
        values, group = values[shuffle], group[shuffle]
    order = tuple(range(32 // bits))
    changes = {
        QUERY: None,
        beside("qweight"): in_words(values.T, bits, order).T.contiguous(),
        beside("qzeros"): in_words(zeros - int(form != "gptq_v2"), bits, order),
        beside("scales"): scales,
        beside("g_idx"): group.to(torch.int32),
    }
    expected = ((values - zeros[group]) * scales[group]).T
    form = "gptq_v2" if form == "gptq_v2" else "gptq"
    check_packed(changes, expected, quant_method="gptq", bits=bits, checkpoint_format=form)


def test_awq() -> None:
    values, scales, zeros = grouped(query(), 4)
    order = (0, 2, 4, 6, 1, 3, 5, 7)
    changes = {
        QUERY: None,
        beside("qweight"): in_words(values, 4, order),
        beside("qzeros"): in_words(zeros, 4, order),
        beside("scales"): scales,
    }
    expected = ((values - zeros.repeat_interleave(8, 0)) * scales.repeat_interleave(8, 0)).T
    check_packed(changes, expected, quant_method="awq", bits=4, version="gemm")
    torch.testing.assert_close(expected, query(), rtol=0.2, atol=0.08)


@pytest.mark.parametrize("columns", [(16,), (16, 1)])
def test_a_scale_stored_as_a_column_is_the_same(columns: tuple[int, ...]) -> None:
    weight = query()
    largest = weight.abs().amax(1)
    packed = (weight / largest[:, None] * 127).round().to(torch.int8)
    expected = packed.float() * largest[:, None] / 127
    check_packed({QUERY: packed, beside("SCB"): largest.reshape(columns)}, expected)
    scales = {QUERY: packed, f"{QUERY}_scale": (largest / 127).reshape(columns)}
    check_packed(scales, expected, quant_method="compressed-tensors")


@pytest.mark.parametrize("carrier", [torch.bfloat16, torch.float16, torch.float32])
def test_4_bits_in_a_carrier_of_another_type(carrier: torch.dtype) -> None:
    """bitsandbytes keeps the bytes as numbers of the type that training in shards wants."""
    book = torch.linspace(-1, 1, 16)
    blocks = query().reshape(-1, 64)
    scales = blocks.abs().amax(1)
    places = ((blocks / scales[:, None]).reshape(-1, 1) - book).abs().argmin(1)
    packed = (places[::2] << 4 | places[1::2]).to(torch.uint8)
    state = {"quant_type": "nf4", "blocksize": 64, "shape": [16, 16], "dtype": "bfloat16"}
    changes = {
        QUERY: packed.view(carrier)[:, None],
        f"{QUERY}.absmax": scales,
        f"{QUERY}.quant_map": book,
        f"{QUERY}.quant_state.bitsandbytes__nf4": torch.tensor(
            list(json.dumps(state).encode()), dtype=torch.uint8
        ),
    }
    expected = (book[places].reshape(-1, 64) * scales[:, None]).reshape(16, 16)
    check_packed(changes, expected, quant_method="bitsandbytes")


def stream_of(values: torch.Tensor, bits: int) -> torch.Tensor:
    """Integers of each row one after another in words of 32 bits, written bit by bit."""
    words = torch.zeros(len(values), -(-values.shape[1] * bits // 32), dtype=torch.int64)
    for column in range(values.shape[1]):
        for bit in range(bits):
            place = column * bits + bit
            words[:, place // 32] |= (values[:, column] >> bit & 1) << place % 32
    return torch.where(words >= 2**31, words - 2**32, words).to(torch.int32)


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 8])
def test_gptq_bits_are_those_of_the_tensors(bits: int) -> None:
    """Files mix several numbers of bits; the config states one of them."""
    wide = torch.randn(32, 32, generator=torch.Generator().manual_seed(bits))
    values, scales, zeros = grouped(wide, bits)
    group = torch.arange(32) // 8
    parts = {
        "m.qweight": stream_of(values.T.contiguous(), bits).T.contiguous(),
        "m.qzeros": stream_of(zeros - 1, bits),
        "m.scales": scales,
        "m.g_idx": group.to(torch.int32),
    }
    config = {"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 8}}
    source = fpcore.MemoryCheckpoint("m", "0" * 64, config, parts)
    assert dequantised_tensors(source) == {"m.weight": fpcore.TensorInfo((32, 32), "float32")}
    expected = ((values - zeros[group]) * scales[group]).T
    torch.testing.assert_close(read_in_parts(source, "m.weight"), expected, rtol=1e-5, atol=1e-6)


def test_awq_words_along_the_inputs() -> None:
    wide = torch.randn(16, 64, generator=torch.Generator().manual_seed(1))
    values, scales, zeros = grouped(wide, 4, size=32)
    parts = {
        "m.qweight": stream_of(values.T.contiguous(), 4),
        "m.qzeros": stream_of(zeros.T.contiguous(), 4),
        "m.scales": torch.nn.functional.pad(scales.T, (0, 6)),  # padded to whole words
    }
    stated = {"quant_method": "awq", "bits": 4, "version": "gemv", "group_size": 32}
    config = {"quantization_config": stated}
    source = fpcore.MemoryCheckpoint("m", "0" * 64, config, parts)
    expected = ((values - zeros.repeat_interleave(32, 0)) * scales.repeat_interleave(32, 0)).T
    torch.testing.assert_close(read_in_parts(source, "m.weight"), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bits", [2, 3, 4, 6, 8])
def test_mlx(bits: int) -> None:
    generator = torch.Generator().manual_seed(bits)
    values = torch.randint(0, 2**bits, (8, 64), generator=generator)
    scales, biases = torch.rand(8, 2, generator=generator), torch.randn(8, 2, generator=generator)
    words = stream_of(values, bits).view(torch.uint32)
    parts = {"m.weight": words, "m.scales": scales, "m.biases": biases}
    source = fpcore.MemoryCheckpoint("m", "0" * 64, {"quantization": {"group_size": 32, "bits": bits}}, parts)
    expected = values * scales.repeat_interleave(32, 1) + biases.repeat_interleave(32, 1)
    torch.testing.assert_close(read_in_parts(source, "m.weight"), expected)


def e2m1(code: int) -> float:
    """The value of a 4-bit float by its definition: sign, two bits of exponent (bias 1), one of fraction."""
    sign, exponent, fraction = code >> 3, code >> 1 & 3, code & 1
    size = (1 + fraction / 2) * 2.0 ** (exponent - 1) if exponent else fraction / 2
    return -size if sign else size


def test_4_bit_floats_by_their_definition() -> None:
    packed = torch.arange(256, dtype=torch.uint8).reshape(4, 64)
    expected = torch.tensor(
        [[e2m1(code) for byte in row for code in (int(byte) & 15, int(byte) >> 4)] for row in packed]
    )
    scales = torch.randint(120, 134, (4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    spread = torch.tensor([[2.0 ** (int(s) - 127) for s in row] for row in scales]).repeat_interleave(32, 1)
    for name in ("m.weight_scale", "m.scale", "m.weight_scale_inv"):
        for carrier in (torch.uint8, torch.int8):
            for form in (torch.uint8, torch.float8_e8m0fnu):
                parts = {"m.weight": packed.view(carrier), name: scales.view(form)}
                source = fpcore.MemoryCheckpoint("m", "0" * 64, {}, parts)
                assert torch.equal(read_in_parts(source, "m.weight"), expected * spread), (name, form)


def test_a_scale_of_scales_multiplies_or_divides() -> None:
    packed = torch.arange(128, dtype=torch.uint8).reshape(2, 64)
    values = torch.tensor([[e2m1(c) for b in row for c in (int(b) & 15, int(b) >> 4)] for row in packed])
    scales = torch.rand(2, 8, generator=torch.Generator().manual_seed(0)).to(torch.float8_e4m3fn)
    spread, factor = scales.float().repeat_interleave(16, 1), torch.tensor(0.125)
    optimiser = {"m.weight": packed, "m.weight_scale": scales, "m.weight_scale_2": factor}
    source = fpcore.MemoryCheckpoint("m", "0" * 64, {}, optimiser | {"m.input_scale": torch.ones(1)})
    torch.testing.assert_close(read_in_parts(source, "m.weight"), values * spread * factor)
    assert set_apart(source) == {"scales of activations": 1}
    compressor = {"m.weight_packed": packed, "m.weight_scale": scales, "m.weight_global_scale": factor[None]}
    source = fpcore.MemoryCheckpoint("m", "0" * 64, {}, compressor)
    torch.testing.assert_close(read_in_parts(source, "m.weight"), values * spread / factor)


def test_experts_of_gpt_oss() -> None:
    generator = torch.Generator().manual_seed(0)
    blocks = torch.randint(0, 256, (3, 12, 2, 16), dtype=torch.uint8, generator=generator)
    scales = torch.randint(120, 130, (3, 12, 2), dtype=torch.uint8, generator=generator)
    parts = {"experts.gate_up_proj_blocks": blocks, "experts.gate_up_proj_scales": scales}
    source = fpcore.MemoryCheckpoint("m", "0" * 64, {}, parts)
    values = torch.zeros(3, 64, 12)
    for e, row, group, byte in product(range(3), range(12), range(2), range(16)):
        for half in (0, 1):
            code = int(blocks[e, row, group, byte]) >> (4 * half) & 15
            scale = 2.0 ** (int(scales[e, row, group]) - 127)
            values[e, 32 * group + 2 * byte + half, row] = e2m1(code) * scale
    assert torch.equal(read_in_parts(source, "experts.gate_up_proj"), values)


def test_large_weights_are_decoded_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = torch.randint(-8, 8, (40, 16), dtype=torch.int8, generator=torch.Generator().manual_seed(0))
    scale = torch.rand(40, 1, generator=torch.Generator().manual_seed(1))
    source = fpcore.MemoryCheckpoint("m", "0" * 64, {}, {"m.weight": codes, "m.weight_scale": scale})
    monkeypatch.setattr("fpcore.storage.stored_weight.BLOCK", 48)
    assert torch.equal(read_in_parts(source, "m.weight"), codes.float() * scale)


@dataclass(frozen=True)
class Noted(Coded):
    """A weight of ones that notes which rows are decoded."""

    asked: list[tuple[int, int]]

    def rows(self, source: TensorSource) -> Rows:
        def decoded(start: int, stop: int) -> torch.Tensor:
            self.asked.append((start, stop))
            return torch.ones(stop - start, *self.shape[1:])

        return decoded


@pytest.mark.parametrize(
    ("shape", "asked"),
    [
        ((7, 2, 8), [(0, 3), (3, 6), (6, 7)]),
        ((3, 50), [(0, 1), (1, 2), (2, 3)]),  # a row is longer than a block
        ((100,), [(0, 48), (48, 96), (96, 100)]),
        ((3, 16), [(0, 3)]),
    ],
)
def test_a_block_is_as_long_as_stated(
    shape: tuple[int, ...], asked: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpcore.storage.stored_weight.BLOCK", 48)
    weight = Noted("m.weight", shape, (), [])
    assert torch.equal(weight.read(model({})[0]), torch.ones(shape))
    assert weight.asked == asked


def test_one_number_with_a_scale() -> None:
    parts = {"m.weight": torch.tensor(6, dtype=torch.int8), "m.weight_scale": torch.tensor(0.5)}
    assert read_dequantised(fpcore.MemoryCheckpoint("m", "0" * 64, {}, parts), "m.weight") == 3.0


def test_real_numbers_are_read_in_parts() -> None:
    stored, original = model({})
    assert torch.equal(read_in_parts(stored, QUERY), original)


def test_a_scale_beside_real_numbers() -> None:
    """It may have been applied or not: only a scale of one says."""
    stored, original = model({f"{QUERY}_scale": torch.ones(())})
    assert torch.equal(read_in_parts(stored, QUERY), original)
    stored, _ = model({f"{QUERY}_scale": torch.full((), 2.0)})
    with pytest.raises(fpcore.UnreadableTensor, match="whether that is applied already cannot be known"):
        stored.roles[ROLE].read()


def with_itself(metric: fpcore.Metric, checkpoint: fpcore.Checkpoint) -> float:
    taken = metric.fingerprint(checkpoint)
    return metric.similarity(taken, taken)


UNREADABLE: dict[str, tuple[dict[str, torch.Tensor | None], dict[str, Any], str]] = {
    "compressed-tensors": (
        {QUERY: None, f"{QUERY}_packed": torch.zeros(16, 2, dtype=torch.int32)},
        {},
        r"packed in an unknown way \(compressed-tensors: .*dequantise the model first",
    ),
    "quanto": (
        {QUERY: torch.zeros(16, 16, dtype=torch.int8)},
        {},
        r"packed in an unknown way \(quanto: .*dequantise the model first",
    ),
    "hqq": (
        {QUERY: None, beside("W_q"): torch.zeros(8, 16, dtype=torch.uint8)},
        {},
        r"packed in an unknown way \(hqq: ",
    ),
    "fp8": (
        {QUERY: torch.zeros(16, 16, dtype=torch.float8_e4m3fn), f"{QUERY}_scale": torch.ones(3, 5)},
        {},
        r"its scale of shape \(3, 5\) does not fit \(16, 16\)",
    ),
}


@pytest.mark.parametrize("method", UNREADABLE)
def test_an_unreadable_tensor_silences_what_needs_it_and_nothing_else(method: str) -> None:
    changes, config, reason = UNREADABLE[method]
    stored, _ = model(changes, quantization_config={"quant_method": method, **config})
    whole, _ = model({})
    for name in ("attention-std", "weight-cosine", "layer-energy"):
        metric = fpcore.metric(name)
        with pytest.raises(fpcore.NotComparable, match=reason) as caught:
            with_itself(metric, stored)
        assert "tensor model.layers.1.self_attn.q_proj.weight" in str(caught.value)
        assert "\n" not in str(caught.value)
    for name in ("ffn-std", "norm-std", "config-match"):
        metric = fpcore.metric(name)
        assert metric.fingerprint(stored).arrays.keys() == metric.fingerprint(whole).arrays.keys()


def test_a_model_of_nothing_but_unknown_packings_is_refused_by_name() -> None:
    projections = [name for name in LLAMA.build().state_dict() if name.endswith("_proj.weight")]
    changes: dict[str, torch.Tensor | None] = dict.fromkeys(projections)
    for name in projections:
        changes[name.replace("weight", "trellis")] = torch.zeros(2, 2, 8, dtype=torch.int16)
        changes[name.replace("weight", "suh")] = torch.zeros(16, dtype=torch.float16)
    stored, _ = model(changes, quantization_config={"quant_method": "exl3"})
    for metric in fpcore.metrics():
        if metric.evidence == {"weights"}:
            with pytest.raises(fpcore.NotComparable, match=r"packed integers \(exl3: .*dequantise the model"):
                metric.fingerprint(stored)


def test_any_failure_of_a_reader_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stored, _ = model({})

    def fail(name: str) -> torch.Tensor:
        raise IndexError("deep inside\nanother line")

    monkeypatch.setattr(stored, "read", fail)
    with pytest.raises(fpcore.UnreadableTensor) as caught:
        stored.roles[ROLE].read()
    assert str(caught.value) == (
        f"m: tensor {QUERY} cannot be read (IndexError: deep inside); fetch the file again or dequantise "
        "the model first"
    )


def test_a_tensor_of_another_shape_than_its_header_says(monkeypatch: pytest.MonkeyPatch) -> None:
    stored, _ = model({})
    monkeypatch.setattr(stored, "read", lambda name: torch.zeros(16, 8))
    with pytest.raises(fpcore.UnreadableTensor, match=r"of shape \(16, 8\) where \(16, 16\) is needed"):
        stored.roles[ROLE].read()
