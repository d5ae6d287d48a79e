"""Layers that lack a part: the curve is made of the layers that have it, and the result says of which not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import TINY

import fpcore

LLAMA = next(tiny for tiny in TINY if tiny.model_type == "llama")
PARTS = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "o_proj"}


def without(
    gone: dict[int, tuple[str, ...]], model_type: str
) -> tuple[fpcore.Checkpoint, dict[str, torch.Tensor]]:
    """A Llama whose layers lack some tensors, under another type's name, and its tensors."""
    built = LLAMA.build()
    state = {name: tensor.detach() for name, tensor in built.state_dict().items()}
    left = {
        name: tensor
        for name, tensor in state.items()
        if not any(f"layers.{layer}.{part}" in name for layer, parts in gone.items() for part in parts)
    }
    config = built.config.to_dict() | {"model_type": model_type}
    return fpcore.MemoryCheckpoint("m", "0" * 64, config, left), left


@pytest.mark.parametrize("model_type", ["llama", "unheard_of"])
@pytest.mark.parametrize(
    ("gone", "left_out"),
    [
        ({1: ("self_attn",)}, dict.fromkeys(PARTS, (1,))),
        ({1: ("self_attn.k_proj", "self_attn.v_proj")}, {"key": (1,), "value": (1,)}),
    ],
    ids=["no attention", "keys and values of another layer"],
)
def test_a_layer_without_a_part_is_left_out(
    model_type: str, gone: dict[int, tuple[str, ...]], left_out: dict[str, tuple[int, ...]]
) -> None:
    checkpoint, tensors = without(gone, model_type)
    found = fpcore.metric("attention-std").fingerprint(checkpoint).arrays
    depth = checkpoint.roles.depth
    for part, name in PARTS.items():
        weights = [tensors.get(f"model.layers.{i}.self_attn.{name}.weight") for i in range(depth)]
        expected = [float(w.double().std(unbiased=False)) for w in weights if w is not None]
        np.testing.assert_allclose(found[part], expected, rtol=1e-6, err_msg=part)
    assert checkpoint.roles.left_out() == {f"attention.{part}": layers for part, layers in left_out.items()}


def test_a_layer_with_half_of_its_attention_is_damaged() -> None:
    checkpoint, _ = without({1: ("self_attn.q_proj",)}, "llama")
    with pytest.raises(fpcore.BadCheckpoint, match=r"layer 1 of \d lacks query\.") as refused:
        _ = checkpoint.roles
    assert "fetch" not in str(refused.value)
