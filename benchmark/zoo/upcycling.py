"""Sparse up-cycling (arXiv:2212.05055): a dense model becomes a mixture of experts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from benchmark.session.errors import UsageError
from benchmark.zoo.recipes import Upcycling

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

__all__ = ["upcycle"]

# What the mixture of experts takes over from its dense parent's configuration.
KEPT_BY_UPCYCLING = (
    *("vocab_size", "max_position_embeddings", "num_hidden_layers", "hidden_size", "num_attention_heads"),
    *("num_key_value_heads", "tie_word_embeddings", "bos_token_id", "eos_token_id", "rms_norm_eps"),
    *("hidden_act", "rope_parameters", "initializer_range"),
)


@torch.no_grad()
def upcycle(dense: PreTrainedModel, how: Upcycling) -> PreTrainedModel:
    """Turn a dense qwen2 model into a qwen2_moe one, a llama or mistral model into a mixtral one.

    Every routed expert (and qwen2_moe's shared expert) starts as the dense feed-forward block; the router
    (and the shared expert's gate) are new. With `noise` each routed expert gets its own Gaussian noise, with
    `reinitialise` that share of its units is drawn anew with the tensor's own standard deviation.

    Raises
    ------
    UsageError
        No mixture of experts has the parent's attention.
    """
    from transformers import AutoModelForCausalLM

    config = _config(dense.config.to_dict(), how)
    width = dense.config.intermediate_size
    torch.manual_seed(how.seed)
    model = AutoModelForCausalLM.from_config(config)
    generator = torch.Generator().manual_seed(how.seed)
    weights = dense.state_dict()
    own = model.state_dict()
    for name, tensor in weights.items():
        if ".mlp." not in name:
            own[name].copy_(tensor)
    for layer in range(config.num_hidden_layers):
        mlp = f"model.layers.{layer}.mlp"
        gate, up, down = (weights[f"{mlp}.{part}_proj.weight"] for part in ("gate", "up", "down"))
        for part, tensor in (("gate", gate), ("up", up), ("down", down)):
            if f"{mlp}.shared_expert.{part}_proj.weight" in own:
                own[f"{mlp}.shared_expert.{part}_proj.weight"].copy_(tensor)
        for expert in range(how.experts):
            fresh = torch.randperm(width, generator=generator)[: round(how.reinitialise * width)]
            gate_e, up_e, down_e = (_expert(tensor, how.noise, generator) for tensor in (gate, up, down))
            for rows in (gate_e, up_e, down_e.T):
                drawn = torch.randn(len(fresh), rows.shape[1], generator=generator)
                rows[fresh] = drawn * rows.std()
            own[f"{mlp}.experts.gate_up_proj"][expert].copy_(torch.cat([gate_e, up_e]))
            own[f"{mlp}.experts.down_proj"][expert].copy_(down_e)
    return model


def _config(given: Mapping[str, object], how: Upcycling) -> PretrainedConfig:
    from transformers import MixtralConfig, Qwen2MoeConfig

    kind = given["model_type"]
    if kind not in ("qwen2", "llama", "mistral"):
        raise UsageError(f"no mixture-of-experts type has the attention of {kind}; upcycle another model")
    kept = {key: given[key] for key in KEPT_BY_UPCYCLING}
    width = given["intermediate_size"]
    if kind == "qwen2":
        return Qwen2MoeConfig(
            **kept,
            intermediate_size=width,
            moe_intermediate_size=width,
            shared_expert_intermediate_size=width,
            num_experts=how.experts,
            num_experts_per_tok=how.top,
            norm_topk_prob=True,
        )
    return MixtralConfig(
        **kept,
        head_dim=given["head_dim"],
        sliding_window=given.get("sliding_window"),
        intermediate_size=width,
        num_local_experts=how.experts,
        num_experts_per_tok=how.top,
    )


def _expert(tensor: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    return tensor + noise * tensor.std() * torch.randn(tensor.shape, generator=generator)
