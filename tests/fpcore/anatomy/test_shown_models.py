"""Models that people bring first: their curves are what torch computes from the library's own tensors.

Their layers differ, their tensors are fused, stacked or shifted. What is expected is taken from the
parameters of the running model, by the module that the library gives each its work in.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from proof import build
from safetensors.torch import save_file

import fpcore

Curve = list[torch.Tensor]


def spread(curve: Curve) -> list[float]:
    return [float(tensor.detach().double().std(unbiased=False)) for tensor in curve]


def opened(kind: str, model_type: str, folder: Path) -> tuple[Any, fpcore.Checkpoint]:
    model = build(kind, model_type)
    model.save_pretrained(folder)
    return model, fpcore.open_checkpoint(folder)


def check(checkpoint: fpcore.Checkpoint, metric: str, expected: dict[str, Curve]) -> None:
    found = fpcore.metric(metric).fingerprint(checkpoint).arrays
    assert {part for part in found if "." not in part} == set(expected)
    for part, curve in expected.items():
        np.testing.assert_allclose(found[part], spread(curve), rtol=1e-6, err_msg=part)


def test_qwen3_next(tmp_path: Path) -> None:
    """One layer in some has attention, whose query projection holds a gate of its output, head by head."""
    model, checkpoint = opened("causal", "qwen3_next", tmp_path)
    layers = model.model.layers
    kinds = model.config.layer_types
    have = [i for i, kind in enumerate(kinds) if kind == "full_attention"]
    missing = tuple(i for i in range(len(kinds)) if i not in have)
    assert have
    assert missing
    attention = [layers[i].self_attn for i in have]
    check(
        checkpoint,
        "attention-std",
        {
            "query": [a.q_proj.weight.reshape(4, 2, 8, 32)[:, 0] for a in attention],
            "key": [a.k_proj.weight for a in attention],
            "value": [a.v_proj.weight for a in attention],
            "output": [a.o_proj.weight for a in attention],
        },
    )
    assert checkpoint.roles.reading == "by convention"
    assert checkpoint.roles.left_out() == dict.fromkeys(
        [f"attention.{part}" for part in ("query", "key", "value", "output")], missing
    )
    assert checkpoint.architecture.cell == "qwen3_next 4x32 h4/2 f24 e4 rmsnorm"
    gain = checkpoint.roles["layers.0.attention.norm.weight"].read()
    torch.testing.assert_close(gain, 1 + layers[0].input_layernorm.weight.detach())
    experts = [layer.mlp.experts for layer in layers]
    check(
        checkpoint,
        "ffn-std",
        {
            "gate": [e.gate_up_proj[:, :24] for e in experts],
            "up": [e.gate_up_proj[:, 24:] for e in experts],
            "down": [e.down_proj for e in experts],
        },
    )


def test_gpt_oss(tmp_path: Path) -> None:
    """All experts in one tensor, transposed, gate and up alternating; biases everywhere."""
    model, checkpoint = opened("causal", "gpt_oss", tmp_path)
    layers = model.model.layers
    attention = [layer.self_attn for layer in layers]
    names = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "o_proj"}
    check(
        checkpoint,
        "attention-std",
        {part: [getattr(a, name).weight for a in attention] for part, name in names.items()},
    )
    check(
        checkpoint,
        "qkv-bias-std",
        {part: [getattr(a, names[part]).bias for a in attention] for part in ("query", "key", "value")},
    )
    experts = [layer.mlp.experts for layer in layers]
    check(
        checkpoint,
        "ffn-std",
        {
            "gate": [e.gate_up_proj[..., ::2] for e in experts],
            "up": [e.gate_up_proj[..., 1::2] for e in experts],
            "down": [e.down_proj for e in experts],
        },
    )
    bias = checkpoint.roles["layers.1.feed_forward.experts.2.gate.bias"].read()
    assert torch.equal(bias, experts[1].gate_up_proj_bias[2, ::2])
    assert checkpoint.architecture.experts == 4


FP4 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])


def mxfp4(blocks: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """Bytes of two numbers, the lower half first, in groups of 32; times two to the scale less 127."""
    numbers = torch.stack([FP4[(blocks & 15).long()], FP4[(blocks >> 4).long()]], -1).flatten(-2)
    return (numbers * 2.0 ** (scales[..., None].float() - 127)).flatten(-2)


def test_gpt_oss_as_it_is_published(tmp_path: Path) -> None:
    """Experts as MXFP4, rows of gate and up in turn; the rest as it is."""
    model = build("causal", "gpt_oss")
    state = {name: tensor.detach() for name, tensor in model.state_dict().items() if "experts" not in name}
    generator = torch.Generator().manual_seed(5)
    experts, inner, width, depth = 4, 64, 32, len(model.model.layers)
    for layer in range(depth):
        here = f"model.layers.{layer}.mlp.experts."
        for name, rows, columns in (("gate_up_proj", 2 * inner, width), ("down_proj", width, inner)):
            shape = (experts, rows, columns // 32, 16)
            state[f"{here}{name}_blocks"] = torch.randint(256, shape, generator=generator, dtype=torch.uint8)
            scales = torch.randint(118, 126, shape[:-1], generator=generator, dtype=torch.uint8)
            state[f"{here}{name}_scales"] = scales
            state[f"{here}{name}_bias"] = torch.randn(experts, rows, generator=generator)
    model.config.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"intermediate_size": inner, "quantization_config": {"quant_method": "mxfp4"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, tmp_path / "model.safetensors")
    checkpoint = fpcore.open_checkpoint(tmp_path)

    def stacks(name: str) -> list[torch.Tensor]:
        found = [f"model.layers.{layer}.mlp.experts.{name}" for layer in range(depth)]
        return [mxfp4(state[f"{one}_blocks"], state[f"{one}_scales"]) for one in found]

    both = stacks("gate_up_proj")
    check(
        checkpoint,
        "ffn-std",
        {
            "gate": [stack[:, ::2] for stack in both],
            "up": [stack[:, 1::2] for stack in both],
            "down": stacks("down_proj"),
        },
    )
    names = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "o_proj"}
    check(
        checkpoint,
        "attention-std",
        {
            part: [state[f"model.layers.{layer}.self_attn.{name}.weight"] for layer in range(depth)]
            for part, name in names.items()
        },
    )
    bias = checkpoint.roles["layers.1.feed_forward.experts.2.up.bias"].read()
    assert torch.equal(bias, state["model.layers.1.mlp.experts.gate_up_proj_bias"][2, 1::2])


def test_gemma3n(tmp_path: Path) -> None:
    """Beside attention and feed-forward, each layer has low-rank and per-layer inputs."""
    model, checkpoint = opened("causal", "gemma3n_text", tmp_path)
    layers = model.model.layers
    names = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "o_proj"}
    check(
        checkpoint,
        "attention-std",
        {part: [getattr(a.self_attn, name).weight for a in layers] for part, name in names.items()},
    )
    check(
        checkpoint,
        "ffn-std",
        {part: [getattr(a.mlp, f"{part}_proj").weight for a in layers] for part in ("gate", "up", "down")},
    )
    check(checkpoint, "norm-std", {"attention": [a.input_layernorm.weight for a in layers]})
    assert "layers.0.other.laurel.linear_left.weight" in checkpoint.roles


def test_llava(tmp_path: Path) -> None:
    """The language model alone is read; what was set aside is named."""
    model, checkpoint = opened("image-text", "llava", tmp_path)
    layers = model.model.language_model.layers
    names = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "o_proj"}
    check(
        checkpoint,
        "attention-std",
        {part: [getattr(a.self_attn, name).weight for a in layers] for part, name in names.items()},
    )
    aside = checkpoint.roles.aside
    assert aside
    assert all("vision_tower" in name or "multi_modal_projector" in name for name in aside)


def test_nemotron_h(tmp_path: Path) -> None:
    """Each layer is one block: a state-space mixer, attention, experts, or a feed-forward block."""
    model, checkpoint = opened("causal", "nemotron_h", tmp_path)
    mixers = [layer.mixer for layer in model.model.layers]
    kinds = model.config.layers_block_type
    attention = [mixers[i] for i, kind in enumerate(kinds) if kind == "full_attention"]
    names = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "o_proj"}
    check(
        checkpoint,
        "attention-std",
        {part: [getattr(a, name).weight for a in attention] for part, name in names.items()},
    )
    up, down = [], []
    for mixer, kind in zip(mixers, kinds, strict=True):
        if kind == "moe":
            up.append(mixer.experts.up_proj)
            down.append(mixer.experts.down_proj)
        elif kind == "mlp":
            up.append(mixer.up_proj.weight)
            down.append(mixer.down_proj.weight)
    check(checkpoint, "ffn-std", {"up": up, "down": down})
    left = checkpoint.roles.left_out()
    assert left["attention.query"] == tuple(i for i, k in enumerate(kinds) if k != "full_attention")
    assert left["feed_forward.up"] == tuple(i for i, k in enumerate(kinds) if k not in {"moe", "mlp"})


def test_modernbert(tmp_path: Path) -> None:
    """Query, key and value in one tensor, the activated half of the inner projection first."""
    model, checkpoint = opened("masked", "modernbert", tmp_path)
    layers = model.model.layers
    fused = [layer.attn.Wqkv.weight.reshape(3, 32, 32) for layer in layers]
    check(
        checkpoint,
        "attention-std",
        {
            "query": [f[0] for f in fused],
            "key": [f[1] for f in fused],
            "value": [f[2] for f in fused],
            "output": [layer.attn.Wo.weight for layer in layers],
        },
    )
    inner = [layer.mlp.Wi.weight.chunk(2) for layer in layers]
    check(
        checkpoint,
        "ffn-std",
        {
            "gate": [halves[0] for halves in inner],
            "up": [halves[1] for halves in inner],
            "down": [layer.mlp.Wo.weight for layer in layers],
        },
    )
    assert checkpoint.architecture.norm == "layernorm"


def test_a_pure_state_space_model_has_no_attention(tmp_path: Path) -> None:
    _, checkpoint = opened("causal", "mamba", tmp_path)
    with pytest.raises(fpcore.NotComparable, match="no attention projections"):
        fpcore.metric("attention-std").fingerprint(checkpoint)
    assert len(fpcore.metric("layer-energy").fingerprint(checkpoint).arrays["energy"]) == 4
    metric = fpcore.metric("weight-cosine")
    taken = metric.fingerprint(checkpoint)
    assert metric.similarity(taken, taken) == pytest.approx(1.0)


def test_curves_of_layers_that_differ_are_compared_part_by_part(tmp_path: Path) -> None:
    """A hybrid has fewer layers with attention than with a feed-forward block."""
    _, checkpoint = opened("causal", "nemotron_h", tmp_path)
    metric = fpcore.metric("ffn-std")
    taken = metric.fingerprint(checkpoint)
    other = metric.make_fingerprint(
        checkpoint, {"up": np.array([1.0, 2.0, 4.0, 3.0]), "down": np.array([2.0, 1.0, 4.0, 5.0, 7.0])}
    )
    more = metric.make_fingerprint(
        checkpoint, {"up": np.array([1.0, 2.0, 4.0, 3.0]), "down": np.array([1.0, 1.0, 4.0, 5.0, 6.0])}
    )
    expected = [np.corrcoef(other.arrays[part], more.arrays[part])[0, 1] for part in ("up", "down")]
    assert metric.similarity(other, more) == pytest.approx(np.mean(expected))
    assert len(taken.arrays["up"]) == 2
    with pytest.raises(fpcore.NotComparable, match="layers"):  # too few for a correlation
        metric.similarity(taken, taken)
