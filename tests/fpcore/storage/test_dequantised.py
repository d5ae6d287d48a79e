"""Scaled floats and packed integers are dequantised; unknown packings are not measured."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
import torch
from tiny_models import TINY

import fpcore

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
    with pytest.raises(fpcore.BadCheckpoint, match=r"m: weight_block_size in its config is .*; correct it"):
        stored.roles[ROLE].read()


@pytest.mark.parametrize("shape", [(), (1,), (16, 1)])
def test_one_scale_a_tensor_or_a_row(shape: tuple[int, ...]) -> None:
    weight = query()
    scale = torch.rand(shape) + 0.5
    config = {"quantization_config": {"quant_method": "compressed-tensors"}}
    changes = {
        QUERY: (weight / scale).to(torch.float8_e4m3fn),
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
        fpcore.BadCheckpoint, match=r"scale of model\.layers\.1.* has shape \(3, 3\), which does not fit"
    ):
        stored.roles[ROLE].read()


def test_fp8_without_scales_is_what_it_says() -> None:
    packed = query().to(torch.float8_e4m3fn)
    stored, _ = model({QUERY: packed})
    assert torch.equal(stored.roles[ROLE].read().float(), packed.float())


def check_packed(changes: dict[str, torch.Tensor | None], expected: torch.Tensor, **config: Any) -> None:
    stored, _ = model(changes, quantization_config=config)
    torch.testing.assert_close(stored.roles[ROLE].read(), expected, rtol=1e-5, atol=1e-6)
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


UNKNOWN: dict[str, tuple[dict[str, torch.Tensor | None], dict[str, Any]]] = {
    "gptq": (
        {
            QUERY: None,
            beside("qweight"): torch.zeros(3, 16, dtype=torch.int32),
            beside("qzeros"): torch.zeros(1, 2, dtype=torch.int32),
            beside("scales"): torch.ones(1, 16),
        },
        {"bits": 3},  # integers that cross words
    ),
    "compressed-tensors": ({QUERY: None, f"{QUERY}_packed": torch.zeros(16, 2, dtype=torch.int32)}, {}),
    "quanto": ({QUERY: torch.zeros(16, 16, dtype=torch.int8)}, {}),
}


@pytest.mark.parametrize("method", UNKNOWN)
def test_unknown_packings_make_every_weight_metric_abstain(method: str) -> None:
    changes, config = UNKNOWN[method]
    stored, _ = model(changes, quantization_config={"quant_method": method, **config})
    for metric in fpcore.metrics():
        if metric.evidence == {"weights"}:
            with pytest.raises(
                fpcore.NotComparable, match=rf"packed integers \({method}: .*dequantise the model first"
            ):
                metric.fingerprint(stored)
    config_match = fpcore.metric("config-match")
    assert (
        config_match.similarity(config_match.fingerprint(stored), config_match.fingerprint(model({})[0]))
        >= 0.9
    )
