"""All experts of a layer in one tensor: whichever way it is stored, both ways give the same roles."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import fpcore

EXPERTS, DEPTH, WIDTH = 4, 2, 32
Stacks = list[dict[str, torch.Tensor]]

CONFIG: dict[str, Any] = {
    "hidden_size": WIDTH,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "intermediate_size": 64,
    "vocab_size": 40,
    "rms_norm_eps": 1e-6,
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), EXPERTS),
}


def stacks(inner: int) -> Stacks:
    """Gate, up and down of all experts, layer by layer, as (experts, rows, columns)."""
    torch.manual_seed(inner)
    shapes = {"gate": (inner, WIDTH), "up": (inner, WIDTH), "down": (WIDTH, inner)}
    return [{part: torch.randn(EXPERTS, *shape) for part, shape in shapes.items()} for _ in range(DEPTH)]


def model(model_type: str, inner: int, made: Stacks, form: str) -> fpcore.Checkpoint:
    tensors = {"model.embed_tokens.weight": torch.randn(40, WIDTH), "model.norm.weight": torch.ones(WIDTH)}
    for layer, parts in enumerate(made):
        here = f"model.layers.{layer}."
        rows = {"q_proj": (32, WIDTH), "k_proj": (16, WIDTH), "v_proj": (16, WIDTH), "o_proj": (WIDTH, 32)}
        tensors |= {f"{here}self_attn.{name}.weight": torch.randn(shape) for name, shape in rows.items()}
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{here}{norm}.weight"] = torch.ones(WIDTH)
        if model_type == "qwen3_moe":
            tensors |= {f"{here}self_attn.{x}_norm.weight": torch.ones(8) for x in "qk"}
        tensors[f"{here}mlp.gate.weight"] = torch.randn(EXPERTS, WIDTH)
        if form == "single":
            for part, stack in parts.items():
                for expert in range(EXPERTS):
                    tensors[f"{here}mlp.experts.{expert}.{part}_proj.weight"] = stack[expert].clone()
            continue
        fused = torch.cat([parts["gate"], parts["up"]], 1)
        for name, stack in (("gate_up_proj", fused), ("down_proj", parts["down"])):
            tensors[f"{here}mlp.experts.{name}"] = (
                stack.transpose(1, 2).contiguous() if form == "turned" else stack.clone()
            )
    config = CONFIG | {"model_type": model_type, "moe_intermediate_size": inner}
    if model_type == "mixtral":
        config["intermediate_size"] = inner
        del config["moe_intermediate_size"]
    return fpcore.MemoryCheckpoint("m", "0" * 64, config, tensors)


@pytest.mark.parametrize("model_type", ["qwen3_moe", "mixtral", "qwen3_vl_moe_text", "unheard_of"])
@pytest.mark.parametrize("form", ["single", "plain", "turned"])
@pytest.mark.parametrize("inner", [16, 24, WIDTH, 2 * WIDTH])
def test_all_ways_give_the_same_experts(model_type: str, form: str, inner: int) -> None:
    """With 16 inner units the fused stack is square: only the other stack tells which way it lies."""
    made = stacks(inner)
    checkpoint = model(model_type, inner, made, form)
    assert checkpoint.architecture.feed_forward == inner
    assert checkpoint.architecture.experts == EXPERTS
    for layer, parts in enumerate(made):
        for part, stack in parts.items():
            views = checkpoint.roles.experts(layer, part)
            assert torch.equal(torch.stack([view.read() for view in views]), stack), (layer, part)
